"""Rounds that many events ask for: the first at once, the next after a rest."""

import asyncio
from collections.abc import Iterator

import pytest

from bgpd.speaker.pacing import LONG, LONGEST, SHARE, Pacer
from tests.support.virtual_loop import VirtualLoop


class WorkingLoop(VirtualLoop):
    """A loop on which a callback can take time."""

    def __init__(self) -> None:
        self.worked = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self.worked


@pytest.fixture
def loop() -> Iterator[WorkingLoop]:
    loop = WorkingLoop()
    yield loop
    loop.close()


def round_of(loop: WorkingLoop, pacer: Pacer, seconds: float) -> tuple[float, float]:
    """Have a round that takes so long; return when it began and when it ended."""
    over: asyncio.Future[tuple[float, float]] = loop.create_future()

    def work() -> None:
        began = loop.time()
        loop.worked += seconds
        over.set_result((began, loop.time()))

    pacer.soon(work)
    return loop.run_until_complete(over)


@pytest.mark.parametrize(("took", "rest"), [(0.0, 0.0), (LONG, 0.0), (0.01, SHARE * 0.01), (5.0, LONGEST)])
def test_the_next_round_waits_in_proportion_to_what_the_last_one_took(
    loop: WorkingLoop, took: float, rest: float
) -> None:
    pacer = Pacer(loop)
    asked = loop.time()
    began, ended = round_of(loop, pacer, took)
    assert began == asked  # at once after a quiet time
    assert round_of(loop, pacer, 0.0)[0] == pytest.approx(ended + rest)


def test_after_a_quiet_time_a_round_begins_at_once_again(loop: WorkingLoop) -> None:
    pacer = Pacer(loop)
    round_of(loop, pacer, 5.0)
    loop.run_for(1.0)
    asked = loop.time()
    assert round_of(loop, pacer, 0.0)[0] == pytest.approx(asked)
