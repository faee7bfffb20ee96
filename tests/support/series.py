"""Made-up series for the tests of what is made of results."""

from collections.abc import Mapping

from bench.cases import Case
from bench.records import Outcome, Phase, Results, Run, Series

SERIES = Series("full", "2026-01-02T03:04:05+00:00", "a machine, 2 cores, 4 GiB", "a system", "3.11.2", "abc123")


def outcome(case: Case, value: float, memory: float = 10.0) -> Outcome:
    """Return a valid outcome whose first figure has the value."""
    phase = Phase(
        ok=True,
        first_s=value,
        full_max_s=value,
        prefixes_per_s=value,
        cpu_s_per_minute=value,
        keepalive_gap_s=value,
    )
    phases = {case.phase: phase}
    if case.scenario == "slow":
        phases["catchup"] = phase
    return Outcome(ok=True, phases=phases, peak_mib=memory, est_s=1.0)


def run(case: Case, daemon: str, value: float, repetition: int = 0, memory: float = 10.0) -> Run:
    """Return a valid run."""
    return Run(case.title, daemon, "1.0", repetition, 5.0, outcome(case, value, memory))


def results(values: Mapping[tuple[Case, str], tuple[float, ...]]) -> Results:
    """Return a series. values: of the first figure, a run each."""
    return Results(
        SERIES,
        tuple(
            run(case, daemon, value, repetition)
            for (case, daemon), found in values.items()
            for repetition, value in enumerate(found)
        ),
    )
