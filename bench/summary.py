"""Medians of runs, ratios of medians, and the figures of each scenario: what the tables and the guard are made of."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records import Outcome, Phase, Run

OURS: Final = "bgpd"
RIVALS: Final = ("bird", "frr", "openbgpd")  # whose best is what we are measured against

Value = Callable[[Outcome], float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A column: how it is called, where it comes from, how it is written, and whether more is better."""

    name: str
    value: Value
    digits: int
    more_is_better: bool = False


def _of(phase: str, field: str) -> Value:
    def value(outcome: Outcome) -> float | None:
        found = outcome.phases.get(phase)
        return _number(found, field) if found else None

    return value


def _number(phase: Phase, field: str) -> float | None:
    found: float | None = getattr(phase, field)
    return None if found is None or found < 0 else found  # the load tool writes -1 for what was not reached


MEMORY: Final = Figure("peak MiB", lambda outcome: outcome.peak_mib or None, 0)
_SESSIONS: Final = Figure("sessions up s", lambda outcome: outcome.est_s, 2)
_LAG: Final = Figure("loop lag s, at most", lambda outcome: outcome.loop_lag_s, 3)


def _times(phase: str, *more: Figure) -> tuple[Figure, ...]:
    return (
        Figure("time s", _of(phase, "full_max_s"), 3),
        Figure("first s", _of(phase, "first_s"), 3),
        Figure("CPU s", _of(phase, "dut_cpu_s"), 2),
        MEMORY,
        Figure("updates received", _of(phase, "rx_updates"), 0),
        Figure("load tool's CPU s", _of(phase, "load_cpu_s"), 2),
        *more,
    )


# By scenario; the first figure is the one that counts
FIGURES: Final[dict[str, tuple[Figure, ...]]] = {
    "fulltable": _times("feed"),
    "rr": _times("feed", _SESSIONS),
    "multi": _times("feed"),
    "failover": _times("failover", Figure("withdrawn", _of("failover", "rx_withdrawn"), 0)),
    "withdraw": _times("withdraw"),
    "churn": (
        Figure("prefixes/s", _of("churn", "prefixes_per_s"), 0, more_is_better=True),
        Figure("round s", _of("churn", "round_med_s"), 3),
        Figure("CPU s", _of("churn", "dut_cpu_s"), 2),
        MEMORY,
    ),
    "fib": (
        Figure("time s", _of("feed", "full_max_s"), 3),
        Figure("first s", _of("feed", "first_s"), 3),
        Figure("CPU s", _of("feed", "dut_cpu_s"), 2),
        MEMORY,
    ),
    "learn": (
        Figure("time s", _of("startup", "full_max_s"), 3),
        Figure("first s", _of("startup", "first_s"), 3),
        Figure("session up s", _of("startup", "up_s"), 3),
        Figure("CPU s", _of("startup", "dut_cpu_s"), 2),
        MEMORY,
    ),
    "startup": (
        Figure("first s", _of("startup", "first_s"), 3),
        Figure("all s", _of("startup", "full_max_s"), 3),
        Figure("sessions up s", _of("startup", "up_s"), 3),
        Figure("CPU s", _of("startup", "dut_cpu_s"), 2),
        MEMORY,
    ),
    "restart": _times("restart", Figure("sessions up s", _of("restart", "up_s"), 2)),
    "slow": _times("slow", Figure("slow one s", _of("catchup", "full_max_s"), 3)),
    "unhindered": _times("slow"),
    "idle": (
        Figure("CPU s a minute", _of("idle", "cpu_s_per_minute"), 2),
        Figure("keepalives received", _of("idle", "rx_msgs"), 0),
        MEMORY,
    ),
    "punctual": (
        Figure("longest keepalive gap s", _of("feed", "keepalive_gap_s"), 3),
        Figure("time s", _of("feed", "full_max_s"), 3),
        MEMORY,
        _LAG,
    ),
}


def scenario(title: str) -> str:
    """Return the scenario of a case's title."""
    return title.partition(" ")[0]


def valid(runs: Sequence[Run]) -> list[Outcome]:
    """Return the outcomes that count."""
    return [run.outcome for run in runs if run.outcome.ok]


def median(runs: Sequence[Run], figure: Figure) -> float | None:
    """Return the median of the valid runs that have the figure."""
    values = [value for outcome in valid(runs) if (value := figure.value(outcome)) is not None]
    return statistics.median(values) if values else None


def extremes(runs: Sequence[Run], figure: Figure) -> tuple[float, float] | None:
    """Return the least and the greatest value of the valid runs."""
    values = [value for outcome in valid(runs) if (value := figure.value(outcome)) is not None]
    return (min(values), max(values)) if values else None


def ratio(ours: float | None, other: float | None) -> float | None:
    """Return one figure over another; None if there is none."""
    return None if ours is None or not other else ours / other


def best(values: Sequence[float | None], figure: Figure) -> float | None:
    """Return the best of the values that there are."""
    there = [value for value in values if value is not None]
    choose = max if figure.more_is_better else min
    return choose(there) if there else None


def written(value: float | None, digits: int) -> str:
    """Return a figure for a table."""
    return "–" if value is None else f"{value:,.{digits}f}"
