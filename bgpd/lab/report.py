"""What a lab prints: sessions, routes and the ping matrix as plain columns; pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from bgpd.lab.echo import PingMatrix, Question

_WIDEST_MATRIX: Final = 32  # containers; beyond, only failures are listed
_MOST_FAILURES: Final = 20  # lines


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return header and rows as lines with aligned columns."""
    table = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def matrix_lines(matrix: PingMatrix) -> list[str]:
    """Return the ping matrix, a row for each container that asks: 46 = both families passed, a dash for one lost."""
    if len(matrix.names) > _WIDEST_MATRIX:
        return []
    width = max((len(name) for name in matrix.names), default=0)
    labels = [name.removeprefix("node").replace("-c", ".") for name in matrix.names]
    cell = max(map(len, labels), default=2)
    lines = [f"{'from / to':{width}}  " + " ".join(label.ljust(cell) for label in labels).rstrip()]
    for source in matrix.names:
        cells = [_cell(matrix, source, target).ljust(cell) for target in matrix.names]
        lines.append(f"{source:{width}}  " + " ".join(cells).rstrip())
    return lines


def _cell(matrix: PingMatrix, source: str, target: str) -> str:
    if source == target:
        return "·"
    return "".join(
        str(version) if matrix.times.get(Question(source, target, version)) is not None else "-" for version in (4, 6)
    )


def summary_lines(matrix: PingMatrix) -> list[str]:
    """Return how many pings passed, how long they took, and which failed."""
    failed = matrix.failed
    times = sorted(answer for answer in matrix.times.values() if answer is not None)
    line = f"{len(times)} of {len(matrix.times)} pings passed"
    if times:
        line += f", round trip {times[len(times) // 2] * 1000:.2f} ms median, {times[-1] * 1000:.2f} ms at most"
    lines = [line]
    lines += [f"  failed: {q.source} to {q.target}, IPv{q.version}" for q in failed[:_MOST_FAILURES]]
    if len(failed) > _MOST_FAILURES:
        lines.append(f"  and {len(failed) - _MOST_FAILURES} more")
    return lines
