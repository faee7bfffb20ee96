"""The results of a case as a Markdown table: a row for each daemon, medians of the valid runs."""

from collections.abc import Iterable, Sequence

from bench.records import Run
from bench.summary import FIGURES, extremes, median, scenario, valid, written


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def case_table(title: str, daemons: Iterable[tuple[str, Sequence[Run]]]) -> list[str]:
    """Return the lines of one case. daemons: each with its runs."""
    figures = FIGURES[scenario(title)]
    main = figures[0]
    head = ["daemon", "valid runs", *(figure.name for figure in figures), f"{main.name}, least–most", "others' cores"]
    rows = list[list[str]]()
    for daemon, runs in daemons:
        if not runs:
            continue
        span = extremes(runs, main)
        rows.append(
            [
                f"{daemon} {runs[0].version}".strip(),
                f"{len(valid(runs))}/{len(runs)}",
                *(written(median(runs, figure), figure.digits) for figure in figures),
                "–" if span is None else f"{written(span[0], main.digits)}–{written(span[1], main.digits)}",
                "/".join(f"{run.outcome.foreign_cores:.2f}" for run in runs),
            ]
        )
    return table(head, rows)


def failures(runs: Iterable[Run]) -> list[str]:
    """Return a line for each run that is not valid."""
    return [
        f"- {run.daemon}, {run.title}, run {run.repetition + 1}: not valid: {' '.join(run.outcome.error.split())[:200]}"
        for run in runs
        if not run.outcome.ok
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
