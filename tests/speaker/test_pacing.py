"""Rounds that many events ask for: at once where there is nothing else to do, else after a wait."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from bgpd.messages.framing import MessageType
from bgpd.session.connection import Inbox
from bgpd.speaker import speaker
from bgpd.speaker.pacing import CREDIT, LONGEST, MOMENT, SHARE, SHORTEST, Pacer
from bgpd.speaker.peer import Peer
from tests.support.cluster import Cluster, cluster, network, peer
from tests.support.virtual_loop import VirtualLoop
from tests.support.wire import body

TURN = 0.001  # seconds that a turn of a busy loop takes here


class WorkingLoop(VirtualLoop):
    """A loop on which a callback can take time. activity: how much was done. looks: how often somebody asked."""

    def __init__(self) -> None:
        self.worked = 0.0
        self.activity = 0
        self.looks = 0
        super().__init__()

    def time(self) -> float:
        return super().time() + self.worked

    def look(self) -> int:
        self.looks += 1
        return self.activity

    def be_busy(self, turns: int) -> None:
        """Have something to do in each of so many turns of the loop, from now on."""
        self.activity += 1
        self.worked += TURN
        if turns > 1:
            self.call_soon(self.be_busy, turns - 1)


@pytest.fixture
def loop() -> Iterator[WorkingLoop]:
    loop = WorkingLoop()
    yield loop
    loop.close()


@pytest.fixture
def pacer(loop: WorkingLoop) -> Pacer:
    return Pacer(loop, loop.look)


def round_of(loop: WorkingLoop, pacer: Pacer, seconds: float, least: float = 0.0) -> tuple[float, float]:
    """Have a round that takes so long; return when it began and when it ended."""
    over: asyncio.Future[tuple[float, float]] = loop.create_future()

    def work() -> None:
        began = loop.time()
        loop.worked += seconds
        over.set_result((began, loop.time()))

    pacer.soon(work, least)
    return loop.run_until_complete(over)


def test_a_round_begins_at_once_where_there_is_nothing_else_to_do(loop: WorkingLoop, pacer: Pacer) -> None:
    asked = loop.time()
    began, ended = round_of(loop, pacer, 0.05)
    assert began == asked
    assert round_of(loop, pacer, 0.0)[0] == ended  # also after a long one


def test_a_round_that_goes_to_many_waits_for_a_moment_of_quiet(loop: WorkingLoop, pacer: Pacer) -> None:
    loop.call_later(0.4 * MOMENT, loop.be_busy, 1)
    loop.call_later(1.2 * MOMENT + TURN, loop.be_busy, 2)
    last = 1.2 * MOMENT + 3 * TURN
    began, _ = round_of(loop, pacer, 0.0, least=0.1)
    assert began == pytest.approx(last + MOMENT)


def test_a_moment_is_not_over_before_what_came_in_it_was_read(loop: WorkingLoop, pacer: Pacer) -> None:
    reads: list[float] = []

    def read() -> None:
        loop.activity += 1
        reads.append(loop.time())

    # What lies in a socket when a timer is due is read a turn later
    loop.call_later(MOMENT, loop.call_soon, read)
    began, _ = round_of(loop, pacer, 0.0, least=0.1)
    assert began == pytest.approx(reads[0] + MOMENT)


def test_who_waits_for_a_moment_does_not_poll(loop: WorkingLoop, pacer: Pacer) -> None:
    round_of(loop, pacer, 0.0, least=0.1)
    assert loop.looks <= 5


@pytest.mark.parametrize(("took", "wait"), [(0.0, 0.0), (0.001, 0.0), (0.01, SHARE * 0.01), (5.0, LONGEST)])
def test_on_a_busy_loop_the_next_round_waits_in_proportion_to_what_the_last_one_took(
    loop: WorkingLoop, pacer: Pacer, took: float, wait: float
) -> None:
    round_of(loop, pacer, took)
    asked = loop.time()
    loop.be_busy(1000)
    began, _ = round_of(loop, pacer, 0.0)
    assert asked + wait <= began <= asked + wait + 2 * TURN


@pytest.mark.parametrize(("least", "wait"), [(0.01, SHARE * 0.01), (5.0, LONGEST)])
def test_on_a_busy_loop_the_first_round_waits_in_proportion_to_what_it_will_take(
    loop: WorkingLoop, pacer: Pacer, least: float, wait: float
) -> None:
    asked = loop.time()
    loop.be_busy(1000)
    began, _ = round_of(loop, pacer, 0.0, least)
    assert asked + wait <= began <= asked + wait + 2 * TURN


def test_a_wait_is_over_when_there_is_nothing_else_to_do_any_more(loop: WorkingLoop, pacer: Pacer) -> None:
    round_of(loop, pacer, 5.0)
    loop.run_for(100 * CREDIT)
    asked = loop.time()
    loop.be_busy(7)
    began, _ = round_of(loop, pacer, 0.0)
    assert asked + 7 * TURN <= began <= asked + 8 * TURN


def test_what_is_asked_for_without_end_takes_its_share_of_the_time_and_no_more(loop: WorkingLoop, pacer: Pacer) -> None:
    took, total = 0.01, 20.0
    began = [round_of(loop, pacer, took)[0]]
    while began[-1] < total:
        began.append(round_of(loop, pacer, took)[0])
    share = 1 / (1 + SHARE)
    assert began[10] == pytest.approx(10 * took)  # the first ones without a wait
    assert len(began) * took == pytest.approx(share * (total + CREDIT), rel=0.02)
    loop.run_for(2 * CREDIT)
    asked = loop.time()
    assert round_of(loop, pacer, took)[0] == asked  # after a quiet time at once again


def test_who_waits_for_the_time_to_pass_does_not_poll(loop: WorkingLoop, pacer: Pacer) -> None:
    round_of(loop, pacer, 5.0)
    loop.looks = 0
    asked = loop.time()
    assert round_of(loop, pacer, 0.0)[0] == pytest.approx(asked + LONGEST)
    assert loop.looks == 2


@pytest.mark.parametrize(("took", "busy", "turns"), [(0.0, 0, 0), (0.01, 100, 3), (5.0, 0, 3)])
def test_a_round_that_was_cancelled_does_not_begin(
    loop: WorkingLoop, pacer: Pacer, took: float, busy: int, turns: int
) -> None:
    round_of(loop, pacer, took)
    begun: list[float] = []
    if busy:
        loop.be_busy(busy)
    waiting = pacer.soon(lambda: begun.append(loop.time()))
    for _ in range(turns):
        loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.run_for(1)
    assert begun == []


def each_in_a_turn_of_its_own(made: Cluster, numbers: range, act: Callable[[Peer], None]) -> int:
    """Do something to a speaker's peers, one in each turn of the loop; return how many rounds told the others."""
    sent = made.speakers[1].sent
    before = sent.count

    def go_on(number: int) -> None:
        act(made.peer(1, number))
        if number + 1 in numbers:
            made.loop.call_soon(go_on, number + 1)

    made.loop.call_soon(go_on, numbers[0])
    made.run(1)
    return sent.count - before


def withdraw(client: Peer) -> None:
    """Have a client take its network back."""
    octets = body(withdrawn=bytes((26, 10, 65, client.address[-1], 0)))
    client.updates_received(Inbox(octets, [(MessageType.UPDATE, 0, len(octets))]), len(octets))
    client.batch_received()


def end(client: Peer) -> None:
    """End the session with a client."""
    client.disable("test")


@pytest.mark.parametrize("act", [withdraw, end])
def test_what_happens_to_many_peers_in_turn_is_told_in_one_round(
    act: Callable[[Peer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker, "A_MEMBER", SHORTEST)  # as if there were hundreds of them
    numbers = range(2, 8)
    with cluster() as made:
        clients = "".join(peer(number, reflector_client="true", passive="true") for number in numbers)
        made.start(1, clients, node='cluster_id = "244.0.0.1"')
        for number in numbers:
            made.start(number, peer(1) + network(f"10.65.{number}.0/26"))
        for number in numbers:
            made.until(7, f"10.65.{number}.0/26")
        assert each_in_a_turn_of_its_own(made, range(2, 7), act) == 1
        for number in range(2, 7):
            made.until(7, f"10.65.{number}.0/26", present=False)
