"""When a route that is not as it should be is tried again, under virtual time."""

from collections.abc import Iterable, Iterator

import pytest

from bgpd.families import IPV4_UNICAST
from bgpd.kernel.netlink import Refusal
from bgpd.kernel.retries import Key, Retries
from tests.support.virtual_loop import VirtualLoop

KEY: Key = (IPV4_UNICAST, b"\x08\x0a")
REFUSAL = Refusal(101, "Network is unreachable")


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


class Trial:
    """Records when something is tried again; refuses it each time if told to."""

    def __init__(self, loop: VirtualLoop, *, is_refused: bool = False) -> None:
        self.times: list[float] = []
        self.retries = Retries(loop, self._again)
        self._loop = loop
        self._is_refused = is_refused

    def _again(self, keys: Iterable[Key]) -> None:
        self.times.append(self._loop.time())
        if self._is_refused:
            for key in keys:
                self.retries.failed(key, REFUSAL)


def test_a_refused_route_is_tried_again_with_growing_pauses(loop: VirtualLoop) -> None:
    trial = Trial(loop, is_refused=True)
    assert trial.retries.failed(KEY, REFUSAL)
    loop.run_for(100)
    pauses = [round(b - a) for a, b in zip([0.0, *trial.times], trial.times, strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert trial.retries.failures[KEY].attempts == 8
    assert trial.retries.failures[KEY].since == 0


def test_the_same_refusal_again_is_no_news(loop: VirtualLoop) -> None:
    retries = Trial(loop).retries
    retries.failed(KEY, REFUSAL)
    assert not retries.failed(KEY, REFUSAL)
    assert retries.failed(KEY, Refusal(17, "File exists"))
    retries.close()


def test_what_is_forgotten_is_not_tried_again(loop: VirtualLoop) -> None:
    trial = Trial(loop)
    trial.retries.failed(KEY, REFUSAL)
    trial.retries.forget(KEY)
    loop.run_for(100)
    assert trial.times == []
    assert trial.retries.is_empty()


def test_news_of_a_link_shorten_the_pause(loop: VirtualLoop) -> None:
    trial = Trial(loop)
    trial.retries.failed(KEY, REFUSAL)
    trial.retries.soon()
    loop.run_for(0.1)
    assert len(trial.times) == 1


def test_a_deleted_route_is_put_right_at_once_the_first_time_only(loop: VirtualLoop) -> None:
    trial = Trial(loop)
    assert trial.retries.interfered(KEY, is_wanted=True)
    assert not trial.retries.interfered(KEY, is_wanted=True)
    assert "another program" in trial.retries.failures[KEY].text
    loop.run_for(5)
    assert len(trial.times) == 1


def test_after_a_calm_time_a_deleted_route_is_put_right_at_once_again(loop: VirtualLoop) -> None:
    trial = Trial(loop)
    trial.retries.interfered(KEY, is_wanted=True)
    loop.run_for(11)
    assert trial.retries.interfered(KEY, is_wanted=True)


def test_who_had_his_hands_on_a_route_once_is_forgotten(loop: VirtualLoop) -> None:
    retries = Trial(loop).retries
    retries.interfered(KEY, is_wanted=True)
    assert retries._interference
    loop.run_for(12)
    assert not retries._interference


def test_an_unwanted_route_that_keeps_coming_back_is_no_failure(loop: VirtualLoop) -> None:
    retries = Trial(loop).retries
    retries.interfered(KEY, is_wanted=False)
    retries.interfered(KEY, is_wanted=False)
    assert retries.failures == {}
    retries.close()
