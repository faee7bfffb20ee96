"""A short soak with few peers: the harness works, and what is left behind is a fault."""

from collections import Counter
from dataclasses import replace

import pytest

from conformance.soak.run import Measure, Outcome, soak

LOADED = Measure(established=200, prefixes=100_000, paths=1000, tasks=5, descriptors=218, memory=80_000_000)
EMPTY = Measure(established=0, prefixes=0, paths=0, tasks=5, descriptors=18, memory=76_000_000)
FINE = Outcome(LOADED, LOADED, EMPTY, Counter(), 300, {"bytes": (100, 1_000_000)}, {"bytes": (500, 1_400_000)})


def test_nothing_is_left_of_peers_that_flapped() -> None:
    outcome = soak(seconds=4, peers=10, routes=1000, seed=1, mean=0.5, idle=2)
    assert outcome.mishaps.total() > 20
    assert outcome.faults() == []


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (replace(FINE, after=replace(LOADED, tasks=6)), "tasks: 5 before, 6 after"),
        (replace(FINE, after=replace(LOADED, descriptors=219)), "descriptors: 218 before, 219 after"),
        (replace(FINE, after=replace(LOADED, paths=1001)), "paths: 1000 before, 1001 after"),
        (replace(FINE, after=replace(LOADED, memory=88_100_000)), "memory: +10.1%"),
        (replace(FINE, empty=replace(EMPTY, paths=1)), f"left when all had gone: {replace(EMPTY, paths=1)}"),
        (replace(FINE, heap_after={"bytes": (400, 2_200_000)}), "objects: +1,200,000 octets after 300 sessions:"),
    ],
)
def test_what_is_left_is_a_fault(outcome: Outcome, fault: str) -> None:
    assert FINE.faults() == []
    assert outcome.faults()[0] == fault
