"""Timers that are started again and again."""

import pytest

from bgpd.fsm.actions import Timer
from bgpd.session.timers import Timers
from tests.support.virtual_loop import VirtualLoop


class _Clock:
    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.expired: list[tuple[Timer, float]] = []
        self.timers = Timers(loop, lambda timer: self.expired.append((timer, round(loop.time(), 6))))


@pytest.fixture
def clock(loop: VirtualLoop) -> _Clock:
    """Timers on virtual time, and when they expired."""
    return _Clock(loop)


def test_a_timer_expires_once_at_its_time(clock: _Clock) -> None:
    clock.timers.start(Timer.HOLD, 90)
    clock.loop.run_for(1000)
    assert clock.expired == [(Timer.HOLD, 90)]


def test_starting_again_later_moves_the_deadline_without_another_call(clock: _Clock) -> None:
    for _ in range(10):
        clock.timers.start(Timer.HOLD, 90)
        clock.loop.run_for(60)
    clock.loop.run_for(1000)
    assert clock.expired == [(Timer.HOLD, 630)]


def test_starting_again_sooner_moves_the_deadline_too(clock: _Clock) -> None:
    clock.timers.start(Timer.HOLD, 90)
    clock.timers.start(Timer.HOLD, 5)
    clock.loop.run_for(1000)
    assert clock.expired == [(Timer.HOLD, 5)]


def test_a_stopped_timer_does_not_expire_and_can_start_again(clock: _Clock) -> None:
    clock.timers.start(Timer.HOLD, 90)
    clock.timers.stop(Timer.HOLD)
    assert clock.timers.remaining(Timer.HOLD) is None
    clock.loop.run_for(10)
    clock.timers.start(Timer.HOLD, 7)
    clock.loop.run_for(1000)
    assert clock.expired == [(Timer.HOLD, 17)]


def test_all_timers_stop_at_once(clock: _Clock) -> None:
    for timer in Timer:
        clock.timers.start(timer, 5)
    clock.timers.stop_all()
    clock.loop.run_for(100)
    assert clock.expired == []


def test_the_rest_is_told(clock: _Clock) -> None:
    clock.timers.start(Timer.KEEPALIVE, 30)
    clock.loop.run_for(10)
    assert clock.timers.remaining(Timer.KEEPALIVE) == pytest.approx(20)
