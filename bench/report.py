"""Make docs/performance.md and its plots from the newest kept series: ``python -m bench.report [FILE]``.

The page depends on the file alone, so that a test can hold it equal to what is kept.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import records
from bench.cases import FULL
from bench.plot import Line, plot
from bench.records import Results
from bench.run import RESULTS
from bench.summary import FIGURES, MEMORY, OURS, RIVALS, Figure, best, median, ratio, scenario, written
from bench.tables import case_table, failures, table
from bench.targets import TARGETS, Target

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = DOCS / "performance.md"
PLOTS: Final = DOCS / "performance"
DAEMONS: Final = (OURS, "bird", "frr", "openbgpd", "gobgp")  # the order of rows, and of colours

_HEAD: Final = """\
# Performance

<!-- made by `python -m bench.report` from bench/results/; edit those or the program, not this page -->

bgpd beside other BGP daemons on one machine, over loopback. [bench/README.md](../bench/README.md) says what each
scenario is, what makes a run valid and how to repeat it; `make bench` makes the figures. [hot-path.md](hot-path.md)
says where the time goes, and what stands in the way where a target is not met.
"""
_NOTHING: Final = "\nNo series is kept yet: `make bench` makes one, and keeps it when it is complete.\n"


def page(results: Results | None, source: str) -> str:
    """Return the page. source: name of the file with the results."""
    if results is None:
        return _HEAD + _NOTHING
    series = results.series
    lines = [
        _HEAD,
        *table(
            ["", ""],
            [
                ["machine", series.machine],
                ["system", series.system],
                ["Python", series.python],
                ["date", series.date[:10]],
                ["bgpd", f"{_version(results)}, commit {series.revision}" if series.revision else _version(results)],
                ["raw results", f"[bench/results/{source}](../bench/results/{source})"],
            ],
        ),
        "",
        "Figures are medians of the valid runs, which were interleaved. Less is better, but for prefixes a second.",
        '"Best" is the best of BIRD, FRR and OpenBGPD in the same series.',
        "",
        "## Targets",
        "",
        *_targets(results),
        "",
        "## At a glance",
        "",
        *_overview(results),
        "",
        "## Growth",
        "",
    ]
    for name, text in _plots(results):
        lines += [f"![{text[0]}](performance/{name}.svg)", ""]
    lines += ["## All figures", ""]
    for title in _titles(results):
        rows = [(daemon, results.of(title, daemon)) for daemon in DAEMONS]
        about = next((case for case in FULL if case.title == title), None)
        left_out = f" Left out: {', '.join(sorted(about.without))}." if about and about.without else ""
        mine = [run for run in results.runs if run.title == title]
        lines += [f"### {title}", "", *([left_out.strip(), ""] if left_out else []), *case_table(title, rows)]
        faults = failures(mine)
        lines += ["", *faults, ""] if faults else [""]
    return "\n".join(lines)


def plots(results: Results | None) -> dict[str, str]:
    """Return the plots, SVG text by name of the file."""
    if results is None:
        return {}
    return {f"{name}.svg": plot(*text, lines=_lines(results, name)) for name, text in _plots(results)}


def _version(results: Results) -> str:
    return next((run.version for run in results.runs if run.daemon == OURS), "–")


def _titles(results: Results) -> list[str]:
    return list(dict.fromkeys(run.title for run in results.runs))


def _targets(results: Results) -> list[str]:
    rows = list[list[str]]()
    for target in TARGETS:
        value = target.measure(results)
        rows.append(
            [
                target.title,
                target.what,
                f"{_amount(value)} {target.unit}" if value is not None else "–",
                f"{'≥' if target.at_least else '≤'} {_amount(target.bound)}",
                "–" if target.stretch is None else f"≤ {_amount(target.stretch)}",
                _verdict(target, value),
            ]
        )
    return table(["case", "figure", "measured", "target", "stretch", ""], rows)


def _verdict(target: Target, value: float | None) -> str:
    if value is None:
        return "not measured"
    if not target.is_met(value):
        return "**not met**"
    return "met, stretch too" if target.stretch is not None and value <= target.stretch else "met"


def _amount(value: float | None) -> str:
    return written(value, 0 if value is not None and value >= 50 else 2)


def _overview(results: Results) -> list[str]:
    """Return a table of the figure that counts in each case, with our ratio to the best."""
    rows = list[list[str]]()
    for title in _titles(results):
        figure = FIGURES[scenario(title)][0]
        values = {daemon: median(results.of(title, daemon), figure) for daemon in DAEMONS}
        other = best([values[rival] for rival in RIVALS], figure)
        cells = [written(values[daemon], figure.digits) for daemon in DAEMONS]
        rows.append([title, figure.name, *cells, _amount(ratio(values[OURS], other))])
    return table(["case", "figure", *DAEMONS, "ours / best"], rows)


# By name: title, x, y
_TEXTS: Final = {
    "time-over-prefixes": ("Full table to 1 peer: time", "prefixes", "seconds"),
    "time-over-prefixes-10": ("Full table to 10 peers: time", "prefixes", "seconds"),
    "time-over-clients": ("Reflecting 2,000 routes: time", "clients", "seconds"),
    "memory-over-prefixes": ("Full table to 1 peer: peak memory", "prefixes", "MiB"),
    "memory-over-clients": ("Reflecting 2,000 routes: peak memory", "clients", "MiB"),
}
_KINDS: Final[dict[str, tuple[str, int, Figure]]] = {  # scenario, sinks, figure
    "time-over-prefixes": ("fulltable", 1, FIGURES["fulltable"][0]),
    "time-over-prefixes-10": ("fulltable", 10, FIGURES["fulltable"][0]),
    "time-over-clients": ("rr", 0, FIGURES["rr"][0]),
    "memory-over-prefixes": ("fulltable", 1, MEMORY),
    "memory-over-clients": ("rr", 0, MEMORY),
}


def _plots(results: Results) -> list[tuple[str, tuple[str, str, str]]]:
    return [(name, text) for name, text in _TEXTS.items() if any(line.points for line in _lines(results, name))]


def _lines(results: Results, name: str) -> list[Line]:
    kind, sinks, figure = _KINDS[name]
    cases = [case for case in FULL if case.scenario == kind and case.sinks == sinks and case.family == 4]
    lines = list[Line]()
    for place, daemon in enumerate(DAEMONS):
        points = [
            (float(case.size), value)
            for case in sorted(cases, key=lambda case: case.size)
            if (value := median(results.of(case.title, daemon), figure)) is not None and value > 0
        ]
        lines.append(Line(daemon, place, tuple(points)))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and the plots; plots of earlier series are removed."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=records.newest(RESULTS))
    path: Path | None = parser.parse_args(arguments).file
    results = records.load(path) if path else None
    drawn = plots(results)
    PAGE.write_text(page(results, path.name if path else ""))
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for name, text in drawn.items():
        (PLOTS / name).write_text(text)
    if not drawn:
        PLOTS.rmdir()
    print(f"{PAGE.relative_to(DOCS.parent)}, {len(drawn)} plots")


if __name__ == "__main__":
    main()
