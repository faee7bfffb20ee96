"""The report: a row for each RFC, then what fails, what is untested, and what is not met, with the reasons.

``--rfc N`` looks at one RFC only, ``--write`` renews docs/conformance.md, which needs no test to run.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from conformance.requirements.catalogue import ROOT, CatalogueError, Requirement, Rfc, Standing, load
from conformance.requirements.outcomes import Verdict, judge, run

DOCUMENT: Final = ROOT / "docs" / "conformance.md"
_WIDTH: Final = 160  # columns where the output is no terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 if a named test does not pass or a binding rule is untested, 2 for a bad catalogue."""
    parser = argparse.ArgumentParser(prog="python -m conformance.requirements", description=__doc__.splitlines()[0])
    parser.add_argument("--rfc", type=int, action="append", help="only this RFC; may be given again")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md and run nothing")
    options = parser.parse_args(arguments)
    try:
        rfcs = load()
    except CatalogueError as error:
        Console(stderr=True).print(str(error), markup=False)
        return 2
    if options.write:
        DOCUMENT.write_text(document(rfcs))
        return 0
    chosen = tuple(rfc for rfc in rfcs if not options.rfc or rfc.number in options.rfc)
    return _report(chosen, run(chosen))


def _report(rfcs: Sequence[Rfc], outcomes: Mapping[str, str]) -> int:
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    verdicts = {rfc: [judge(one, outcomes) for one in rfc.requirement] for rfc in rfcs}
    table = Table("RFC", "title", box=None, header_style="bold")
    for heading in ("rules", "hold", "fail", "not met", "do not apply", "untested"):
        table.add_column(heading, justify="right")
    total = Counter[str]()
    for rfc, found in verdicts.items():
        count = Counter(map(_state, found))
        total += count
        table.add_row(str(rfc.number), rfc.title, *_cells(count))
    table.add_row("all", f"{len(outcomes)} tests", *_cells(total), style="bold")
    console.print(table)
    has_failed = False
    for title, state in (
        ("Fails", "fail"),
        ("Untested", Standing.UNTESTED.value),
        ("Deliberately not met", Standing.NOT_MET.value),
    ):
        rows = [(rfc, verdict) for rfc, found in verdicts.items() for verdict in found if _state(verdict) == state]
        if rows:
            console.print(f"\n[bold]{title}[/bold]")
        for rfc, verdict in rows:
            one = verdict.requirement
            has_failed |= state == "fail" or (state == Standing.UNTESTED.value and one.level.is_binding)
            console.print(f"  RFC {rfc.number} {one.id} {one.level.value}: {one.text}", markup=False)
            for test, outcome in verdict.faults:
                console.print(f"      {outcome}: {test}", markup=False)
            if one.not_met:
                console.print(f"      because: {one.not_met}", markup=False)
    return int(has_failed)


def _state(verdict: Verdict) -> str:
    if verdict.faults:
        return "fail"
    standing = verdict.requirement.standing
    return "hold" if standing is Standing.TESTED else standing.value


def _cells(count: Counter[str]) -> list[str]:
    states = ("hold", "fail", Standing.NOT_MET.value, Standing.NOT_APPLICABLE.value, Standing.UNTESTED.value)
    return [str(count.total()), *(str(count[state]) for state in states)]


def document(rfcs: Sequence[Rfc]) -> str:
    """Return docs/conformance.md: counts for each RFC, and the reasons for what is not met."""
    lines = [
        "# Conformance",
        "",
        "<!-- Written by: python -m conformance.requirements --write -->",
        "",
        "Each rule of these RFCs is in [conformance/requirements/](../conformance/requirements/), in our own words,",
        "with the tests that would fail if it were broken, or with the reason why there is none. `make conformance`",
        "runs exactly these tests and prints what holds. Rules are what the RFC says with MUST, SHOULD and their",
        "like, and those that it states plainly where the state machine or the wire depends on them.",
        "",
        "| RFC | title | rules | tested | not met | do not apply | untested |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    total = Counter[Standing]()
    for rfc in rfcs:
        count = Counter(one.standing for one in rfc.requirement)
        total += count
        lines.append(f"| {rfc.number} | {rfc.title} | {_row(count)} |")
    lines += [f"| all | | {_row(total)} |", ""]
    for title, standing in (("Deliberately not met", Standing.NOT_MET), ("Untested", Standing.UNTESTED)):
        rows = [(rfc, one) for rfc in rfcs for one in rfc.requirement if one.standing is standing]
        if rows:
            lines += [f"## {title}", "", "| RFC | rule | | why |", "|---|---|---|---|"]
            lines += [_reason(rfc, one) for rfc, one in rows]
            lines.append("")
    return "\n".join(lines)


def _row(count: Counter[Standing]) -> str:
    return " | ".join([str(count.total()), *(str(count[standing]) for standing in Standing)])


def _reason(rfc: Rfc, one: Requirement) -> str:
    return f"| {rfc.number} {one.section} | {one.text} | {one.level.value} | {one.not_met} |"


def is_current(rfcs: Sequence[Rfc], path: Path = DOCUMENT) -> bool:
    """Is the document what ``--write`` would write?"""
    return path.is_file() and path.read_text() == document(rfcs)
