"""Running exactly the tests that the catalogue names, and what came of each requirement.

Whole files are collected and the tests that nobody names are left out, so that a name without a test is no error of
pytest's but an outcome: not found. Skipped and expected failures show nothing either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from conformance.requirements.catalogue import ROOT, Requirement, Rfc, matches

_WORST: Final = ("failed", "skipped", "passed")
NOT_FOUND: Final = "not found"


class Recorder:
    """A pytest plugin: keeps the named tests, and the worst outcome of each one's phases, by pytest's id."""

    def __init__(self, references: frozenset[str]) -> None:
        self.outcomes: dict[str, str] = {}
        self._plain = frozenset(reference for reference in references if "[" not in reference)
        self._with_parameters = tuple(reference for reference in references if "[" in reference)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is not named."""
        kept = [item for item in items if self._is_named(item.nodeid)]
        config.hook.pytest_deselected(items=[item for item in items if not self._is_named(item.nodeid)])
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a phase."""
        outcome = "skipped" if hasattr(report, "wasxfail") else report.outcome
        before = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = min(before, outcome, key=_WORST.index)

    def _is_named(self, node: str) -> bool:
        return node.partition("[")[0] in self._plain or any(matches(each, node) for each in self._with_parameters)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests say of one requirement. faults: (test, outcome) of each that did not pass; empty = it holds."""

    requirement: Requirement
    faults: tuple[tuple[str, str], ...]


def run(rfcs: Iterable[Rfc]) -> Mapping[str, str]:
    """Run the named tests; return the outcome of each by pytest's id."""
    references = frozenset(test for rfc in rfcs for one in rfc.requirement for test in one.tests)
    files = sorted({reference.partition("::")[0] for reference in references})
    recorder = Recorder(references)
    there = [name for name in files if (ROOT / name).is_file()]
    if there:
        options = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
        pytest.main([*options, *(str(ROOT / name) for name in there)], plugins=[recorder])
    return recorder.outcomes


def judge(requirement: Requirement, outcomes: Mapping[str, str]) -> Verdict:
    """Return whether all tests of the requirement were found and passed."""
    faults: list[tuple[str, str]] = []
    for reference in requirement.tests:
        found = {node: outcome for node, outcome in outcomes.items() if matches(reference, node)}
        if not found:
            faults.append((reference, NOT_FOUND))
        faults.extend((node, outcome) for node, outcome in sorted(found.items()) if outcome != "passed")
    return Verdict(requirement, tuple(faults))
