"""Runs the interoperability tests and writes what they showed to ``docs/interop.md``.

``python -m conformance.interop.report [FILE]``, as root. The exit status is that of the tests.
"""

import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

import bgpd
from conformance.interop import test_matrix, test_sessions
from conformance.interop.daemons import KINDS
from conformance.interop.peer_daemon import Kind
from conformance.interop.peering import OPTIONS, Option, Peering
from conformance.interop.plan import Plan
from conformance.interop.process import MissingDaemon

_ROOT: Final = Path(__file__).parents[2]
_TESTS: Final = Path(__file__).parent
_HEAD: Final = """\
# Interoperability

<!-- made by `python -m conformance.interop.report`, as root; do not edit -->

bgpd and another BGP daemon run as processes in network namespaces of their own, joined by a wire. Their tables are
read at both ends: the API and the kernel's routing table on our side, the other daemon's own tool on the other. The
tests are in `conformance/interop/`; a daemon that is not installed makes them fail.

What a daemon cannot do is not left out but tested too: it has to show that by itself, in the words of its parser, its
tool or its log, or by what the kernel beside it counts.
"""
_MATRIX: Final = """\
Each row is one TCP session for "plain" and one with TCP-MD5; a figure counts sessions and families that showed what
the column says.
"""


_NAMES: Final = {"bird": "BIRD", "ttl": "TTL", "ipv4": "IPv4", "ipv6": "IPv6"}
_OF_THEIR_OWN: Final = (Option.OUR_IPV6_NEXT_HOP, Option.THEIR_RESTART, Option.LONG_LIVED)  # outside OPTIONS


@dataclass(slots=True)
class Case:
    """One run of a test function. parameters: by name, as pytest has them. properties: what the test recorded."""

    function: str
    module: str
    parameters: dict[str, object]
    has_passed: bool = True
    has_run: bool = False
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind | None:
        """Return the daemon that the test is about, None = BIRD alone."""
        found = self.parameters.get("kind")
        return found if isinstance(found, Kind) else None

    @property
    def peering(self) -> Peering | None:
        """Return the session, if the test is about one."""
        found = self.parameters.get("peering")
        return found if isinstance(found, Peering) else None


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
        case.properties.update((name, str(value)) for name, value in report.user_properties)


def main(arguments: list[str]) -> int:
    """Run the tests, write the report, return the exit status."""
    target = Path(arguments[0]) if arguments else _ROOT / "docs" / "interop.md"
    try:
        versions = {kind.name: kind.version() for kind in KINDS}
    except MissingDaemon as missing:
        print(missing, file=sys.stderr)
        return 2
    recorder = Recorder()
    status = pytest.main([str(_TESTS), "-q", "-p", "no:cacheprovider", "--rootdir", str(_ROOT)], plugins=[recorder])
    if status == pytest.ExitCode.INTERRUPTED:
        return int(status)  # what did not run would read as failed
    target.write_text(report(recorder, versions))
    print(f"written: {target}")
    return int(status)


def report(recorder: Recorder, versions: Mapping[str, str]) -> str:
    """Return the document."""
    cases = [case for case in recorder.cases.values() if case.kind is not None]
    lines = [_HEAD, *_versions(versions), *_options(cases)]
    for kind in KINDS:
        lines += _daemon(kind, [case for case in cases if case.kind is kind])
    return "\n".join([*lines, *_bird(recorder)]) + "\n"


def _versions(versions: Mapping[str, str]) -> Iterator[str]:
    kernel = ".".join(platform.release().split(".")[:2])
    yield "| | version |"
    yield "|---|---|"
    yield f"| bgpd | {bgpd.__version__} on Python {'.'.join(platform.python_version_tuple()[:2])}, Linux {kernel} |"
    yield from (f"| {name} | {text} |" for name, text in versions.items())
    yield ""


def _options(cases: list[Case]) -> Iterator[str]:
    yield "## Options at a glance"
    yield ""
    yield "A figure counts tests; a dash is a limitation of the daemon, shown in its section."
    yield ""
    yield f"| option | {' | '.join(kind.name for kind in KINDS)} |"
    yield f"|---|{'---|' * len(KINDS)}"
    rows = {option.value: [peering] for option, peering in OPTIONS.items()}
    for case in cases:
        for option in _OF_THEIR_OWN:
            if case.peering is not None and option in case.peering.options:
                rows.setdefault(option.value, []).append(case.peering)
    for name, peerings in rows.items():
        cells = []
        for kind in KINDS:
            found = [case for case in cases if case.kind is kind and case.peering in peerings]
            cells.append("—" if kind.limit(peerings[0]) else _result(found))
        yield f"| {name} | {' | '.join(cells)} |"
    restarts = [case for case in cases if case.module == "test_graceful" and case.peering is None]
    of_kinds = (_result(case for case in restarts if case.kind is kind) for kind in KINDS)
    yield f"| graceful restart, we restart | {' | '.join(of_kinds)} |"
    yield ""


def _daemon(kind: Kind, cases: list[Case]) -> Iterator[str]:
    limits = [case for case in cases if "limitation" in case.properties]
    sessions = [case for case in cases if case.module == test_sessions.__name__.rpartition(".")[2]]
    yield f"## {kind.name}"
    yield ""
    yield from _matrix(sessions)
    yield ""
    yield from _list([case for case in cases if case not in sessions and case not in limits])
    yield ""
    if not limits:
        return
    yield f"What {kind.name} cannot do:"
    yield ""
    yield "| sessions | limitation | evidence |"
    yield "|---|---|---|"
    for limitation in dict.fromkeys(case.properties["limitation"] for case in limits):
        of_it = [case for case in limits if case.properties["limitation"] == limitation]
        names = "; ".join(dict.fromkeys(case.peering.name for case in of_it if case.peering is not None))
        evidence = of_it[0].properties.get("evidence", "**none**").replace("|", "\\|")
        yield f"| {names} | {limitation} | {evidence} |"
    yield ""


def _bird(recorder: Recorder) -> Iterator[str]:
    """The tests of BIRD alone on a wire, and those that have daemons of their own."""
    matrix = test_matrix.__name__.rpartition(".")[2]
    yield "## More of BIRD, and of sessions with several daemons"
    yield ""
    for module, title in recorder.titles.items():
        cases = [case for case in recorder.cases.values() if case.module == module and case.kind is None]
        if not cases:
            continue
        yield f"### {title.rstrip('.')}"
        yield ""
        yield from _matrix(cases) if module == matrix else _list(cases)
        yield ""


def _matrix(cases: list[Case]) -> Iterator[str]:
    columns = list(dict.fromkeys(case.function for case in cases))
    rows: dict[str, list[Case]] = {}
    for case in cases:
        session = case.parameters.get("plan", case.peering)
        assert isinstance(session, Plan | Peering)  # all tests of a matrix have one
        rows.setdefault(session.name.removesuffix(", MD5").removesuffix(", TCP-MD5"), []).append(case)
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
