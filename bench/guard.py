"""Are we still as fast as the kept figures say? ``python -m bench.guard`` ends with status 1 if not.

Compared are ratios to BIRD in the same run, for machines differ: what counts is our median over BIRD's, now and in the
newest series of bench/results. A case that is outside the tolerance is measured again with twice the runs.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import load, records
from bench.cases import GUARD, Case
from bench.records import Results, Run
from bench.run import RESULTS, Options, installed, prepare, run_suite
from bench.summary import FIGURES, MEMORY, OURS, Figure, median, ratio, scenario, written
from bench.tables import failures, table

REFERENCE: Final = "bird"
TIME_TOLERANCE: Final = 0.30
MEMORY_TOLERANCE: Final = 0.15
SLACK: Final = 0.02  # seconds of the reference by which short times differ from run to run


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one case: our ratio to the reference now, when it was kept, and the most that it may be."""

    title: str
    figure: str
    now: float
    kept: float
    limit: float

    @property
    def is_worse(self) -> bool:
        """Return whether the figure is outside the tolerance."""
        return self.now > self.limit


def compare(title: str, now: Sequence[Run], kept: Sequence[Run]) -> Iterator[Comparison]:
    """Return the comparisons of a case for which both sides have figures."""
    main = FIGURES[scenario(title)][0]
    for figure, tolerance, slack in ((main, TIME_TOLERANCE, SLACK), (MEMORY, MEMORY_TOLERANCE, 0.0)):
        here, before = _ratio(title, now, figure), _ratio(title, kept, figure)
        reference = median(_of(title, now, REFERENCE), figure)
        if here is None or before is None or not reference:
            continue
        yield Comparison(title, figure.name, here, before, before * (1 + tolerance) + slack / reference)


def _ratio(title: str, runs: Sequence[Run], figure: Figure) -> float | None:
    return ratio(median(_of(title, runs, OURS), figure), median(_of(title, runs, REFERENCE), figure))


def _of(title: str, runs: Sequence[Run], daemon: str) -> list[Run]:
    return [run for run in runs if run.title == title and run.daemon == daemon]


def incomparable(cases: Sequence[Case], kept: Results) -> list[str]:
    """Return the titles of cases that the kept series lacks for one of the two daemons."""
    return [case.title for case in cases if any(not kept.of(case.title, daemon) for daemon in (OURS, REFERENCE))]


def report(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the lines of a table."""
    rows = [
        [each.title, each.figure, *(written(value, 2) for value in (each.now, each.kept, each.limit)), _verdict(each)]
        for each in comparisons
    ]
    return table(["case", "figure", f"ratio to {REFERENCE} now", "kept", "at most", ""], rows)


def _verdict(comparison: Comparison) -> str:
    return "WORSE" if comparison.is_worse else "as it was"


def _measure(cases: Sequence[Case], options: Options, kept: Results) -> tuple[list[Comparison], list[str]]:
    path = load.WORK / "guard.jsonl"
    path.unlink(missing_ok=True)
    results = run_suite(replace(options, cases=tuple(cases)), path, kept.runs)
    found = [each for case in cases for each in compare(case.title, results.runs, kept.runs)]
    return found, failures(results.runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare; exit status 1 on a regression or a run that is not valid, 2 if there is nothing to compare with."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--reps", type=int, default=3, help="runs of each daemon")
    parser.add_argument("--kept", type=Path, default=records.newest(RESULTS), help="series to compare with")
    given = parser.parse_args(arguments)
    if given.kept is None:
        print("no series is kept in bench/results: make bench first", file=sys.stderr)
        sys.exit(2)
    kept = records.load(given.kept)
    lacking = incomparable(GUARD, kept)
    if lacking or len(daemons := installed((OURS, REFERENCE))) < 2:
        print(f"{given.kept} has no figures of: {', '.join(lacking)}" if lacking else "BIRD is needed", file=sys.stderr)
        sys.exit(2)
    prepare()
    options = Options("guard", GUARD, daemons, given.reps, limit=60, slow=60, quiet=20, seed=1)
    comparisons, faults = _measure(GUARD, options, kept)
    doubtful = {each.title for each in comparisons if each.is_worse}
    if doubtful and not faults:
        print(f"measured again: {', '.join(sorted(doubtful))}")
        again, faults = _measure(
            [case for case in GUARD if case.title in doubtful], replace(options, repetitions=2 * given.reps), kept
        )
        comparisons = [each for each in comparisons if each.title not in doubtful] + again
    print("\n".join([f"against {given.kept.name}, {kept.series.machine}", "", *report(comparisons), *faults]))
    sys.exit(1 if faults or any(each.is_worse for each in comparisons) else 0)


if __name__ == "__main__":
    main()
