"""Lines on two logarithmic axes as SVG text: small, without a library, the same octets for the same figures.

Lengths are in SVG's user units; values in the caller's units. All values must be above 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 760
_HEIGHT: Final = 440
_LEFT: Final = 70
_RIGHT: Final = 620  # behind it: names of the lines
_TOP: Final = 50
_BOTTOM: Final = 380
_TEXT: Final = "#333333"
_GRID: Final = "#dddddd"
_LINE_SPACING: Final = 16
_MARK: Final = 4
# By place: distinct also for most who see few colours (Okabe and Ito)
_COLOURS: Final = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#7f7f7f")


@dataclass(frozen=True, slots=True)
class Line:
    """A named line. points: (x, y), x ascending. place: its colour, the same in all plots."""

    name: str
    place: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from a value at one end to a value at the other."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def plot(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """Return the SVG text of a plot; at least one line must have a point."""
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    across = _Axis(xs[0] / 1.15, xs[-1] * 1.15, _LEFT, _RIGHT)
    up = _Axis(min(ys) / 1.3, max(ys) * 1.3, _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 26, title, 'font-size="15" font-weight="bold"'),
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 44, x_name, 'text-anchor="middle"'),
        _text(18, (_TOP + _BOTTOM) / 2, y_name, f'text-anchor="middle" transform="rotate(-90 18 {_mid()})"'),
    ]
    for value in _decades(up.low, up.high):
        y = up.at(value)
        parts.append(_stroke(_LEFT, y, _RIGHT, y, _GRID))
        parts.append(_text(_LEFT - 8, y + 4, _short(value), 'text-anchor="end"'))
    for value in xs:
        x = across.at(value)
        parts.append(_stroke(x, _BOTTOM, x, _BOTTOM + 6, _TEXT))
        parts.append(_text(x, _BOTTOM + 22, _short(value), 'text-anchor="middle"'))
    parts.append(_stroke(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, _TEXT))
    parts.append(_stroke(_LEFT, _TOP, _LEFT, _BOTTOM, _TEXT))
    drawn = [line for line in lines if line.points]
    for line in drawn:
        parts += _drawn(line, across, up)
    parts += _names(drawn, up)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(line: Line, across: _Axis, up: _Axis) -> list[str]:
    colour = _COLOURS[line.place % len(_COLOURS)]
    places = [(across.at(x), up.at(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_MARK}" fill="{colour}"><title>{_short(value)}</title></circle>'
        for (x, y), (_, value) in zip(places, line.points, strict=True)
    ]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *marks]


def _names(lines: Sequence[Line], up: _Axis) -> list[str]:
    """Put names beside the ends of the lines, apart from one another."""
    parts, last = list[str](), -math.inf
    for line in sorted(lines, key=lambda line: up.at(line.points[-1][1])):
        y = last = max(up.at(line.points[-1][1]), last + _LINE_SPACING)
        weight = ' font-weight="bold"' if line.place == 0 else ""
        parts.append(_text(_RIGHT + 12, y + 4, line.name, f'fill="{_COLOURS[line.place % len(_COLOURS)]}"{weight}'))
    return parts


def _decades(low: float, high: float) -> list[float]:
    """Return the round values on an axis: the powers of ten, with 2 and 5 between them where those are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(exponents) < 5 else (1,)
    values = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [value for value in values if low <= value <= high]


def _short(value: float) -> str:
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.4g}{letter}"
    return f"{value:.3g}"


def _mid() -> float:
    return (_TOP + _BOTTOM) / 2


def _text(x: float, y: float, text: str, attributes: str) -> str:
    fill = "" if "fill=" in attributes else f' fill="{_TEXT}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}{fill}>{escape(text)}</text>'


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
