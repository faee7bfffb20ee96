"""What we want to reach, and whether a series reached it.

Most targets are ratios of medians of the same series: to the best of BIRD, FRR and OpenBGPD, or to BIRD. Others are
bounds in themselves, or compare two of our own cases.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bench.records import Results
from bench.summary import FIGURES, MEMORY, OURS, RIVALS, Figure, best, median, ratio, scenario

_DIALS: Final = 400  # sessions a second that the load tool dials


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for one figure. unit: what it is a multiple of. at_least: the bound is the least, not the most."""

    title: str
    what: str
    unit: str
    bound: float
    measure: Callable[[Results], float | None]
    stretch: float | None = None
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Return whether a value is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def _own(results: Results, title: str, figure: Figure) -> float | None:
    return median(results.of(title, OURS), figure)


def _to_best(title: str, bound: float, stretch: float | None = None, *, at_least: bool = False) -> Target:
    figure = FIGURES[scenario(title)][0]

    def measure(results: Results) -> float | None:
        rivals = [median(results.of(title, rival), figure) for rival in RIVALS]
        return ratio(_own(results, title, figure), best(rivals, figure))

    return Target(title, figure.name, "× best", bound, measure, stretch, at_least)


def _to_bird(title: str, bound: float, figure: Figure | None = None) -> Target:
    chosen = figure or FIGURES[scenario(title)][0]

    def measure(results: Results) -> float | None:
        return ratio(_own(results, title, chosen), median(results.of(title, "bird"), chosen))

    return Target(title, chosen.name, "× BIRD", bound, measure)


def _absolute(title: str, what: str, unit: str, bound: float, figure: Figure) -> Target:
    return Target(title, what, unit, bound, lambda results: _own(results, title, figure))


def _to_own(title: str, other: str, what: str, bound: float, figure: Figure, scale: float = 1.0) -> Target:
    def measure(results: Results) -> float | None:
        found = ratio(_own(results, title, figure), _own(results, other, figure))
        return None if found is None else found / scale

    return Target(title, what, f"× {other}", bound, measure)


def _figure(title: str, name: str) -> Figure:
    return next(figure for figure in FIGURES[scenario(title)] if figure.name == name)


def _all() -> Iterator[Target]:
    for v in ("", " ipv6"):
        yield _to_best(f"fulltable 1000000 → 1{v}", 1.2, 1.0)
        yield _to_bird(f"fulltable 1000000 → 1{v}", 2.5, MEMORY)
        yield _to_best(f"fulltable 1000000 → 10{v}", 0.45, 0.35)
        yield _to_bird(f"fulltable 1000000 → 10{v}", 2.5, MEMORY)
        for sizes in ("200 × 10", "500 × 4", "1000 × 2"):
            yield _to_best(f"rr {sizes}{v}", 0.3, 0.15)
        largest = f"rr 1000 × 2{v}"
        yield _absolute(largest, "peak memory", "MiB", 100, MEMORY)
        yield _absolute(largest, "all sessions up", "s", 1.1 * 1000 / _DIALS, _figure(largest, "sessions up s"))
        yield _to_best(f"multi 4 × 100000 → 4{v}", 0.8)
        yield _to_bird(f"multi 4 × 100000 → 4{v}", 3, MEMORY)
        for event in ("failover", "withdraw"):
            yield _to_best(f"{event} 500000{v}", 1.0)
            yield _to_bird(f"{event} 500000{v}", 3, MEMORY)
        yield _to_best(f"churn 100000 by 1000{v}", 1.0, at_least=True)
        time = FIGURES["fulltable"][0]
        yield _to_own(
            *(f"fulltable 1000000 → 1{v}", f"fulltable 100000 → 1{v}", "time a prefix", 1.3, time),
            scale=10,
        )
        yield _to_own(largest, f"rr 200 × 10{v}", "time a client", 1.3, time, scale=5)
        yield _to_bird(f"fib 100000{v}", 1.0)
    yield _to_bird("learn 100000", 1.0)
    hindered, free = "slow 50000 → 500", "unhindered 50000 → 500"
    yield _to_own(hindered, free, "time of the others", 1.1, FIGURES["slow"][0])
    yield _to_own(hindered, free, "peak memory", 1.1, MEMORY)


TARGETS: Final = tuple(_all())
