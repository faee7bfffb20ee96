"""Runs the interoperability tests and writes what they showed to ``docs/interop.md``.

``python -m conformance.interop.report [FILE]``, as root. The exit status is that of the tests.
"""

import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

import bgpd
from conformance.interop import test_matrix
from conformance.interop.bird import MissingBird, version
from conformance.interop.plan import Plan

_ROOT: Final = Path(__file__).parents[2]
_TESTS: Final = Path(__file__).parent
_HEAD: Final = """\
# Interoperability

<!-- made by `python -m conformance.interop.report`, as root; do not edit -->

bgpd and another BGP daemon run as processes in network namespaces of their own, joined by a wire. Their tables are
read at both ends: the API and the kernel's routing table on our side, the other daemon's own tool on the other. The
tests are in `conformance/interop/`; a daemon that is not installed makes them fail.
"""
_MATRIX: Final = """\
Each row is one TCP session for "plain" and one with TCP-MD5; a figure counts sessions and families that showed what
the column says.
"""


_NAMES: Final = {"bird": "BIRD", "ttl": "TTL"}


@dataclass(slots=True)
class Case:
    """One run of a test function. parameters: by name, as pytest has them."""

    function: str
    module: str
    parameters: dict[str, object]
    has_passed: bool = True
    has_run: bool = False


@dataclass(slots=True)
class Recorder:
    """A pytest plugin that keeps the outcome of each test. titles: first line of each module's docstring."""

    cases: dict[str, Case] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take note of what will run."""
        for item in session.items:
            if not isinstance(item, pytest.Function) or item.get_closest_marker("netns") is None:
                continue  # a test of the tests
            parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}
            module = item.module.__name__.rpartition(".")[2]
            self.titles[module] = (item.module.__doc__ or module).strip().splitlines()[0]
            self.cases[item.nodeid] = Case(item.originalname, module, parameters)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of how setup, call or teardown went."""
        case = self.cases.get(report.nodeid)
        if case is None:
            return
        case.has_passed = case.has_passed and report.passed
        case.has_run = case.has_run or report.when == "call"


def main(arguments: list[str]) -> int:
    """Run the tests, write the report, return the exit status."""
    target = Path(arguments[0]) if arguments else _ROOT / "docs" / "interop.md"
    try:
        bird = version()
    except MissingBird as missing:
        print(missing, file=sys.stderr)
        return 2
    recorder = Recorder()
    status = pytest.main([str(_TESTS), "-q", "-p", "no:cacheprovider", "--rootdir", str(_ROOT)], plugins=[recorder])
    target.write_text(report(recorder, bird))
    print(f"written: {target}")
    return int(status)


def report(recorder: Recorder, bird: str) -> str:
    """Return the document."""
    return "\n".join([_HEAD, *_versions(bird), *_sections(recorder)]) + "\n"


def _versions(bird: str) -> Iterator[str]:
    kernel = ".".join(platform.release().split(".")[:2])
    yield "| | version |"
    yield "|---|---|"
    yield f"| bgpd | {bgpd.__version__} on Python {'.'.join(platform.python_version_tuple()[:2])}, Linux {kernel} |"
    yield f"| BIRD | {bird} |"
    yield ""


def _sections(recorder: Recorder) -> Iterator[str]:
    matrix = test_matrix.__name__.rpartition(".")[2]
    for module, title in recorder.titles.items():
        cases = [case for case in recorder.cases.values() if case.module == module]
        yield f"## {title.rstrip('.')}"
        yield ""
        yield from _matrix(cases) if module == matrix else _list(cases)
        yield ""


def _matrix(cases: list[Case]) -> Iterator[str]:
    columns = list(dict.fromkeys(case.function for case in cases))
    rows: dict[str, list[Case]] = {}
    for case in cases:
        plan = case.parameters["plan"]
        assert isinstance(plan, Plan)  # all tests of the matrix have one
        rows.setdefault(plan.name.removesuffix(", MD5"), []).append(case)
    yield _MATRIX
    for number, column in enumerate(columns, 1):
        yield f"{number}. {_sentence(column)}"
    yield ""
    yield f"| session | {' | '.join(str(number) for number in range(1, len(columns) + 1))} |"
    yield f"|---|{'---|' * len(columns)}"
    for name, of_row in rows.items():
        cells = [_result(case for case in of_row if case.function == column) for column in columns]
        yield f"| {name} | {' | '.join(cells)} |"


def _list(cases: list[Case]) -> Iterator[str]:
    yield "| what | result |"
    yield "|---|---|"
    for function in dict.fromkeys(case.function for case in cases):
        yield f"| {_sentence(function)} | {_result(case for case in cases if case.function == function)} |"


def _sentence(function: str) -> str:
    words = function.removeprefix("test_").split("_")
    return " ".join(_NAMES.get(word, word) for word in words)


def _result(cases: Iterable[Case]) -> str:
    all_cases = list(cases)
    passed = sum(case.has_passed and case.has_run for case in all_cases)
    if passed == len(all_cases):
        return f"✓ {passed}" if passed > 1 else "✓"
    return f"**{passed} of {len(all_cases)}**"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
