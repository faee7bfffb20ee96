"""The garbage collector's timetable."""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bgpd.cli import garbage
from bgpd.cli.garbage import FEW, IDLE, INTERVAL, PILED_UP, YOUNG, Garbage, is_due
from tests.support.daemon import Daemon, configuration, free_port, until
from tests.support.virtual_loop import VirtualLoop

# The daemon, which says at its end when it took objects out of the collector's sight
TOLD_OF_FREEZES = """
import atexit, gc, sys
from bgpd.cli.main import main

freeze, times = gc.freeze, []

def noted():
    times.append("after the API's import" if "bgpd.api.server" in sys.modules else "at the start")
    freeze()

gc.freeze = noted
atexit.register(lambda: print("frozen", *times, file=sys.stderr))
main()
"""


@pytest.mark.parametrize(
    ("new", "waited", "took", "is_idle", "expected"),
    [
        (FEW - 1, 1e6, 0.0, True, False),  # nothing new
        (FEW, 10.0, 0.0, True, True),
        (FEW, 10.0, 0.5, True, False),  # it takes long: rarely
        (FEW, 600.0, 0.5, True, True),
        (PILED_UP - 1, 1e6, 0.5, False, False),  # under load only when it has piled up
        (PILED_UP, 10.0, 0.5, False, False),
        (PILED_UP, 30.0, 0.5, False, True),
    ],
)
def test_a_full_look_is_due(new: int, waited: float, took: float, is_idle: bool, expected: bool) -> None:
    assert is_due(new, waited, took, is_idle=is_idle) is expected


class Cycle:
    """An object that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


def cycles(count: int) -> weakref.ref[Cycle]:
    """Make that many containers of garbage; return what tells whether they are still there."""
    made = [Cycle() for _ in range(count)]
    return weakref.ref(made[0])


@pytest.fixture
def pass_intervals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Start the timetable, and return what lets an interval pass with that share of it at work."""
    loop, ran, thresholds = VirtualLoop(), 0.0, gc.get_threshold()
    monkeypatch.setattr(time, "process_time", lambda: ran)
    monkeypatch.setattr(garbage, "give_back", lambda: None)
    timetable = Garbage(loop)
    gc.collect()
    timetable.start()

    def go(share: float) -> None:
        nonlocal ran
        ran += share * INTERVAL
        loop.run_for(INTERVAL)

    yield go
    timetable.stop()
    loop.close()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_nothing_is_looked_at_between_two_intervals(pass_intervals: Callable[[float], None]) -> None:
    left = cycles(20 * FEW)
    assert left() is not None
    pass_intervals(1.0)
    assert left() is None


def test_few_new_containers_are_not_worth_a_look(pass_intervals: Callable[[float], None]) -> None:
    left = cycles(10)
    pass_intervals(1.0)
    pass_intervals(IDLE / 2)
    assert left() is not None


def test_very_many_are_looked_at_whatever_the_time(pass_intervals: Callable[[float], None]) -> None:
    left = cycles(10)
    cycles(YOUNG)
    assert left() is None


def test_what_survived_a_look_under_load_is_freed_when_idle(pass_intervals: Callable[[float], None]) -> None:
    kept = [Cycle() for _ in range(2 * FEW)]
    left = weakref.ref(kept[0])
    pass_intervals(1.0)
    kept.clear()
    pass_intervals(1.0)
    assert left() is not None
    pass_intervals(IDLE / 2)
    assert left() is None


def test_what_exists_at_the_start_is_not_gone_through_and_nothing_else_is_left_out(
    pass_intervals: Callable[[float], None],
) -> None:
    frozen = gc.get_freeze_count()
    kept = [Cycle() for _ in range(2 * FEW)]
    pass_intervals(1.0)
    pass_intervals(IDLE / 2)
    assert gc.get_freeze_count() <= frozen
    del kept


def test_nothing_is_frozen_after_the_start(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, free_port()))
    daemon = Daemon(config, tmp_path / "n1.sock", code=TOLD_OF_FREEZES)
    try:
        until(daemon.answers, "the API")
        status, logged = daemon.end()
    finally:
        daemon.close()
    assert status == 0
    assert logged.splitlines()[-1] == "frozen at the start"
