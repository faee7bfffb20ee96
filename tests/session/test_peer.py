"""Two speakers joined in memory under virtual time."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bgpd.addresses import parse_address
from bgpd.errors import Cease, CeaseSubcode, UpdateError
from bgpd.fsm.actions import EndKind, Timer
from bgpd.fsm.states import State
from bgpd.messages import codec
from bgpd.messages.capabilities import ExtendedMessage
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.messages.notification import shutdown_data
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.driver import COLLISION_WAIT
from bgpd.session.peer import PeerSession
from tests.support.memory_network import MemoryNetwork, MemoryTransport
from tests.support.speakers import ANY_V4, RESTART, Speaker, opening
from tests.support.virtual_loop import VirtualLoop

EMPTY_UPDATE = frame(MessageType.UPDATE, bytes(4))
LEFT, RIGHT = "10.0.0.1", "10.0.0.2"


class Pair:
    """Two speakers, LEFT in AS 65001 and RIGHT in AS 65002, each with a session to the other."""

    def __init__(
        self,
        loop: VirtualLoop,
        left: dict[str, Any] | None = None,
        right: dict[str, Any] | None = None,
        speaker: dict[str, Any] | None = None,
        **network: float,
    ) -> None:
        self.loop = loop
        self.network = MemoryNetwork(loop, **network)
        self.left = Speaker(loop, self.network.host(LEFT), 65001, LEFT, seed=1, **(speaker or {}))
        self.right = Speaker(loop, self.network.host(RIGHT), 65002, RIGHT, seed=2, **(speaker or {}))
        self.a = self.left.peer(RIGHT, 65002, **(left or {}))
        self.b = self.right.peer(LEFT, 65001, **(right or {}))
        self.user_a, self.user_b = self.left.user(RIGHT), self.right.user(LEFT)

    def listen(self) -> None:
        for speaker in (self.left, self.right):
            self.loop.run_until_complete(speaker.listener.start([ANY_V4], 179))

    def establish(self, within: float = 10) -> float:
        self.listen()
        self.a.start()
        self.b.start()
        return self.await_established(within)

    @property
    def is_established(self) -> bool:
        return self.a.is_established and self.b.is_established

    def await_established(self, within: float = 10) -> float:
        return self.loop.run_until(lambda: self.is_established, within)

    def await_lost(self, within: float = 10) -> float:
        return self.loop.run_until(lambda: not self.a.is_established and not self.b.is_established, within)

    @property
    def connections(self) -> int:
        return len(self.network.between(LEFT, RIGHT)) // 2


@pytest.fixture
def pair(loop: VirtualLoop) -> Iterator[Pair]:
    """Two speakers that have a session."""
    pair = Pair(loop)
    pair.establish()
    yield pair
    loop.run_until_complete(pair.left.stop())
    loop.run_until_complete(pair.right.stop())


# --- Coming up ---


@pytest.mark.rfc("4271", "6.8")
def test_two_speakers_that_both_dial_end_up_with_one_session(loop: VirtualLoop) -> None:
    pair = Pair(loop)
    assert pair.establish() < 0.1
    loop.run_for(60)
    assert pair.user_a.log.count("up") == pair.user_b.log.count("up") == 1
    assert pair.connections == 1
    assert pair.a.state is State.ESTABLISHED


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_delays_both_ends_agree_on_one_connection(loop: VirtualLoop, seed: int) -> None:
    pair = Pair(loop, latency=0.01, spread=0.05, seed=seed)
    pair.establish(within=2)
    loop.run_for(60)
    assert pair.is_established
    assert pair.user_a.log.count("up") == pair.user_b.log.count("up") == 1
    assert pair.connections == 1
    assert pair.a.is_outgoing is not pair.b.is_outgoing


@pytest.mark.parametrize("seed", range(8))
def test_a_mesh_of_eight_comes_up_whole(loop: VirtualLoop, seed: int) -> None:
    network = MemoryNetwork(loop, latency=0.002, spread=0.01, seed=seed)
    addresses = [f"10.0.0.{index}" for index in range(1, 9)]
    speakers = [Speaker(loop, network.host(address), 65000, address, seed=seed) for address in addresses]
    for speaker in speakers:
        loop.run_until_complete(speaker.listener.start([ANY_V4], 179))
        for address in addresses:
            if address != speaker.identifier:
                speaker.peer(address, 65000).start()
    sessions = [session for speaker in speakers for session in speaker.sessions.values()]
    loop.run_until(lambda: all(session.is_established for session in sessions), within=2)
    loop.run_for(100)
    assert all(session.is_established and session.flaps == 0 for session in sessions)
    assert len(network.transports) == 8 * 7


def test_what_was_negotiated_and_both_ends_are_known(pair: Pair) -> None:
    assert pair.a.negotiated is not None
    assert pair.a.negotiated.remote_asn == 65002
    assert pair.a.local_address == parse_address(LEFT)
    assert 179 in (pair.a.remote_port, pair.b.remote_port)
    assert pair.a.established_at is not None
    assert pair.user_a.log[-2:] == ["OpenConfirm>Established", "up"]


def test_a_connection_to_another_of_our_addresses_is_refused_where_ours_is_named(loop: VirtualLoop) -> None:
    elsewhere = parse_address("192.0.2.77")
    pair = Pair(loop, left={"is_passive": True, "local_address": elsewhere})
    pair.listen()
    pair.a.start()
    pair.b.start()
    loop.run_for(10)
    assert not pair.a.is_established
    assert pair.b.last_error == "Received: Cease/Connection Rejected"
    assert "came to 10.0.0.1, expected 192.0.2.77" in pair.a.last_error


def test_a_connection_to_the_address_that_is_named_is_taken(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True, "local_address": parse_address(LEFT)})
    pair.establish()
    assert not pair.a.is_outgoing


def test_a_passive_peer_waits_and_is_dialled(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True})
    pair.establish()
    assert pair.left.network.dials == 0
    assert not pair.a.is_outgoing


def test_two_passive_peers_never_meet(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True}, right={"is_passive": True})
    pair.listen()
    pair.a.start()
    pair.b.start()
    loop.run_for(100)
    assert (pair.a.state, pair.b.state) == (State.ACTIVE, State.ACTIVE)


def test_a_peer_that_starts_later_finds_us_at_once(loop: VirtualLoop) -> None:
    pair = Pair(loop)
    loop.run_until_complete(pair.left.listener.start([ANY_V4], 179))
    pair.a.start()
    loop.run_for(47)
    assert pair.a.state is State.ACTIVE
    assert pair.a.last_error == "Socket: Connection refused"
    loop.run_until_complete(pair.right.listener.start([ANY_V4], 179))
    pair.b.start()
    started = loop.time()
    assert pair.await_established() - started < 0.1


def test_a_passive_peer_that_starts_within_a_second_is_found_within_another(loop: VirtualLoop) -> None:
    pair = Pair(loop, right={"is_passive": True})
    pair.a.start()
    loop.run_for(0.9)
    pair.listen()
    pair.b.start()
    pair.await_established(within=1)


@pytest.mark.rfc("4271", "8.2.1.3")
def test_delay_open_on_both_sides_still_comes_up(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"delay_open_time": 5}, right={"delay_open_time": 5})
    assert pair.establish(within=15) >= 3.7


def test_delay_open_ends_when_the_peer_speaks(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"delay_open_time": 5, "is_passive": True})
    assert pair.establish() < 0.1


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_password_that_differs_keeps_the_session_down(loop: VirtualLoop, password: str | None) -> None:
    pair = Pair(loop, left={"password": "right"}, right={"password": password})
    pair.left.listener.set_password(parse_address(RIGHT), 32, "right")
    pair.listen()
    pair.a.start()
    pair.b.start()
    loop.run_for(60)
    assert not pair.is_established
    assert pair.a.last_error == "Socket: No answer to our dial, or one with another TCP-MD5 password"


# --- Staying up ---


@pytest.mark.rfc("4271", "4.4")
def test_keepalives_keep_an_idle_session_up_for_a_day(pair: Pair) -> None:
    pair.loop.run_for(86_400)
    assert pair.is_established
    assert pair.a.flaps == 0
    # A third of the hold time, scaled by 0.75 to 1
    assert 86_400 / 30 <= pair.a.counts.sent[MessageType.KEEPALIVE] <= 86_400 / 22


@pytest.mark.rfc("4271", "10")
def test_the_random_factor_is_between_three_quarters_and_one(pair: Pair) -> None:
    factors = [pair.a._primary.machine.jitter() for _ in range(1000)]
    assert 0.75 <= min(factors) < 0.76
    assert 0.99 < max(factors) <= 1.0
    assert len(set(factors)) > 900


def test_hold_time_zero_needs_no_keepalives(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True}, speaker={"hold_time": 0})
    pair.establish()
    loop.run_for(86_400)
    assert pair.is_established
    assert pair.a.counts.sent[MessageType.KEEPALIVE] == 1


@pytest.mark.rfc("4271", "6.5")
def test_a_silent_peer_is_given_up_after_the_hold_time(pair: Pair) -> None:
    began = pair.loop.time()
    pair.network.block(LEFT, RIGHT)
    ended = pair.await_lost(within=120)
    assert 60 <= ended - began <= 91
    assert pair.user_a.ends[0].kind is EndKind.SENT_NOTIFICATION
    assert pair.a.last_error == "Sent: Hold Timer Expired: nothing heard for 90 seconds"
    assert pair.a.sent_error == pair.a.last_error


def test_updates_alone_keep_the_hold_timer_from_expiring(pair: Pair) -> None:
    for _ in range(20):
        pair.b._primary._timers.stop(Timer.KEEPALIVE)
        pair.b.write(EMPTY_UPDATE)
        pair.loop.run_for(60)
    assert pair.is_established
    assert len(pair.user_a.updates) == 20


def test_silence_only_counts_after_a_second_look(pair: Pair) -> None:
    """The loop stood still for longer than the hold time while the peer's octets lay in the socket."""
    connection = pair.a._primary.connection
    assert connection is not None
    for transport in pair.network.between(LEFT, RIGHT):
        transport.pause_reading()
    pair.loop.run_for(89)
    pair.loop.run_until(lambda: pair.a._primary._has_looked, within=2)
    for transport in pair.network.between(LEFT, RIGHT):
        transport.resume_reading()
    pair.loop.run_for(30)
    assert pair.is_established


# --- UPDATEs ---


def test_updates_arrive_with_one_batch_for_each_read(pair: Pair) -> None:
    pair.a.writelines([EMPTY_UPDATE, EMPTY_UPDATE, EMPTY_UPDATE])
    pair.a.count_sent(3)
    pair.loop.run_for(1)
    assert pair.user_b.updates == [bytes(4)] * 3
    assert pair.user_b.batches == 1
    assert pair.a.counts.sent[MessageType.UPDATE] == pair.b.counts.received[MessageType.UPDATE] == 3


def test_an_update_in_the_read_that_establishes_the_session_is_delivered(pair: Pair) -> None:
    """The speaker may write as soon as it hears that the session is up."""
    pair.user_a.log.clear()
    pair.a.reset(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="test"))
    before = len(pair.user_b.updates)
    up = pair.user_a.session_up
    pair.user_a.session_up = lambda negotiated: (up(negotiated), pair.a.write(EMPTY_UPDATE))  # type: ignore[method-assign]
    pair.await_lost()
    pair.await_established()
    pair.loop.run_for(1)
    assert len(pair.user_b.updates) == before + 1


def test_octets_are_counted_each_way(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True})
    pair.establish()
    loop.run_for(1)
    assert pair.a.counts.octets_sent == pair.b.counts.octets_received > 0


@pytest.mark.rfc("8654", "4")
def test_long_messages_pass_when_both_sides_take_them(loop: VirtualLoop) -> None:
    pair = Pair(loop, speaker={"capabilities": (ExtendedMessage(),)})
    pair.establish()
    pair.a.write(frame(MessageType.UPDATE, bytes(30_000)))
    loop.run_for(1)
    assert [len(update) for update in pair.user_b.updates] == [30_000]


def test_long_messages_end_a_session_that_did_not_agree_on_them(pair: Pair) -> None:
    pair.a.write(frame(MessageType.UPDATE, bytes(30_000)))
    pair.await_lost()
    assert pair.a.received_error == "Received: Message Header/Bad Message Length"


def test_an_error_that_the_speaker_raises_ends_the_session(pair: Pair) -> None:
    pair.user_b.fault = UpdateError(3, b"\2", why="no AS_PATH")
    pair.a.writelines([EMPTY_UPDATE, EMPTY_UPDATE])
    pair.await_lost()
    assert pair.b.last_error == "Sent: Update Message/Missing Well Known Attribute: no AS_PATH"
    assert pair.a.received_error == "Received: Update Message/Missing Well Known Attribute"
    assert pair.user_b.updates == []
    pair.user_b.fault = None
    pair.await_established()


def test_a_fault_found_by_the_speaker_between_reads_ends_the_session(pair: Pair) -> None:
    pair.b.fail(Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, why="more than 100 prefixes"))
    assert pair.user_b.ends[0].subcode == CeaseSubcode.MAXIMUM_PREFIXES_REACHED
    pair.await_lost()
    assert pair.a.received_error == "Received: Cease/Maximum Prefixes Reached"


def test_a_speaker_that_fails_the_session_while_it_takes_an_update_gets_no_more(pair: Pair) -> None:
    error = Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, why="more than 0 prefixes")
    pair.user_b.hook = lambda: pair.b.fail(error)
    pair.a.writelines([EMPTY_UPDATE] * 5)
    pair.await_lost()
    assert len(pair.user_b.updates) == 1
    assert pair.user_b.log[-1] == "down"


def test_route_refresh_reaches_the_speaker(pair: Pair) -> None:
    pair.a.send(RouteRefresh(1, 1).encode() + EMPTY_UPDATE)
    pair.loop.run_for(1)
    assert pair.user_b.refreshes == [RouteRefresh(1, 1)]
    sent = pair.a.counts.sent
    assert (sent[MessageType.ROUTE_REFRESH], sent[MessageType.UPDATE]) == (1, 1)


# --- Back-pressure ---


def _stop_reading(pair: Pair, address: str) -> None:
    for transport in pair.network.between(LEFT, RIGHT):
        if transport.get_extra_info("sockname")[0] == address:
            transport.pause_reading()


def test_a_peer_that_does_not_read_makes_the_session_congested_until_it_reads(pair: Pair) -> None:
    _stop_reading(pair, RIGHT)
    written = 0
    while not pair.a.is_congested:
        pair.a.write(EMPTY_UPDATE * 1000)
        written += 1000
    assert pair.a.unsent > 256 * 1024
    assert pair.user_a.drains == 0
    for transport in pair.network.between(LEFT, RIGHT):
        transport.resume_reading()
    pair.loop.run_for(1)
    assert not pair.a.is_congested
    assert pair.user_a.drains == 1
    assert len(pair.user_b.updates) == written


@pytest.mark.rfc("9687", "4.3")
def test_a_peer_that_keeps_alive_but_never_reads_is_given_up(pair: Pair) -> None:
    pair.a._primary._timers.stop(Timer.KEEPALIVE)  # so that only the send hold timer of b is under test
    _stop_reading(pair, LEFT)
    pair.b.write(EMPTY_UPDATE * 10_000)
    began = pair.loop.time()
    heard = pair.a._primary

    def speak() -> None:
        if heard.connection is not None:
            heard.connection.last_heard = pair.loop.time()
            pair.a.write(EMPTY_UPDATE)
            pair.loop.call_later(20, speak)

    speak()
    ended = pair.loop.run_until(lambda: not pair.b.is_established, within=700)
    assert 480 <= ended - began <= 610
    assert pair.b.last_error.startswith("Sent: Send Hold Timer Expired")


def test_a_peer_that_reads_slowly_is_not_given_up(pair: Pair) -> None:
    _stop_reading(pair, LEFT)
    pair.b.write(EMPTY_UPDATE * 50_000)
    for _ in range(100):
        for transport in pair.network.between(LEFT, RIGHT):
            transport.resume_reading()
        pair.loop.run_for(0.0001)
        _stop_reading(pair, LEFT)
        pair.loop.run_for(15)
    assert pair.is_established


# --- Going down and coming back ---


def test_a_lost_connection_comes_back_after_the_idle_hold_time(pair: Pair) -> None:
    began = pair.loop.time()
    pair.network.cut(LEFT, RIGHT)
    pair.await_lost(within=1)
    ended = pair.await_established()
    assert 0.7 < ended - began < 1.2
    assert pair.user_a.ends[0].kind is EndKind.CONNECTION_LOST
    assert pair.a.last_error == "Socket: Connection reset by peer"
    assert pair.a.flaps == 1


def test_what_ended_the_session_outlives_the_attempts_that_fail_after_it(pair: Pair) -> None:
    assert (pair.b.ended_by, pair.b.ended_at) == ("", None)
    pair.a.stop(Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, why="4 prefixes, the limit is 3"))
    pair.await_lost()
    lost = pair.b.last_error_at
    pair.loop.run_for(200)
    assert pair.b.last_error.startswith("Received: Cease/Connection Rejected")
    assert (pair.b.ended_by, pair.b.ended_at) == ("Received: Cease/Maximum Prefixes Reached", lost)
    assert pair.b.last_error_at > lost


@pytest.mark.rfc("9003", "2")
def test_a_shutdown_with_a_text_is_shown_to_the_peer(pair: Pair) -> None:
    data = shutdown_data("back at noon")
    pair.a.stop(Cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, data, why="stopped by the operator"))
    pair.await_lost()
    assert pair.b.received_error == "Received: Cease/Administrative Shutdown: back at noon"
    assert pair.user_a.ends[0].kind is EndKind.ADMINISTRATIVE
    pair.loop.run_for(200)
    assert pair.a.state is State.IDLE
    assert pair.b.received_error.startswith("Received: Cease/Connection Rejected")
    pair.a.start()
    pair.await_established()


def test_a_stop_without_a_cease_looks_like_a_lost_connection(pair: Pair) -> None:
    pair.a.stop(None)
    pair.await_lost()
    assert pair.user_b.ends[0].kind is EndKind.CONNECTION_LOST
    assert pair.b.last_error == "Socket: Closed by the peer"


def test_a_reset_comes_back_by_itself(pair: Pair) -> None:
    pair.a.reset(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="reset by the operator"))
    pair.await_lost()
    pair.await_established()
    assert pair.user_b.ends[0].subcode == CeaseSubcode.ADMINISTRATIVE_RESET


def test_a_reset_ends_the_idle_hold_time(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"idle_hold_first": 1000, "idle_hold_max": 1000}, right={"is_passive": True})
    pair.establish()
    pair.network.cut(LEFT, RIGHT)
    pair.await_lost()
    assert pair.a.remaining(Timer.IDLE_HOLD) is not None
    pair.a.reset(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="reset by the operator"))
    pair.await_established(within=3)
    assert pair.a.remaining(Timer.IDLE_HOLD) is None


def test_a_reset_does_not_bring_up_what_was_stopped(pair: Pair) -> None:
    pair.a.stop(None)
    pair.await_lost()
    pair.a.reset(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="reset by the operator"))
    assert not pair.a.is_started


def test_an_inbound_connection_ends_the_idle_hold_time(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"idle_hold_first": 1000, "idle_hold_max": 1000, "connect_retry_time": 1000})
    pair.establish()
    pair.network.cut(LEFT, RIGHT)
    pair.await_lost()
    assert pair.a.remaining(Timer.IDLE_HOLD) is not None
    pair.await_established(within=3)
    assert pair.a.remaining(Timer.IDLE_HOLD) is None


def test_a_peer_with_the_wrong_as_is_refused_with_growing_pauses(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"remote_asn": 65099})
    pair.right.listener = pair.left.listener  # only we listen
    pair.b.update_settings(pair.b.settings)
    loop.run_until_complete(pair.left.listener.start([ANY_V4], 179))
    pair.b.start()
    pair.a.start()
    loop.run_for(120)
    assert pair.a.last_error == "Sent: Open Message/Bad Peer As: the peer is AS 65002, expected AS 65099"
    assert pair.b.last_error == "Received: Open Message/Bad Peer As"
    assert pair.right.network.dials < 12
    assert pair.user_a.log.count("up") == 0


def test_everything_is_quiet_after_a_stop(pair: Pair) -> None:
    pair.a.stop(None)
    pair.b.stop(None)
    pair.loop.run_until_complete(pair.a.wait_closed())
    pair.loop.run_until_complete(pair.b.wait_closed())
    assert pair.network.transports == []
    dials = pair.left.network.dials
    pair.loop.run_for(1000)
    assert pair.left.network.dials == dials


# --- The peer's second connection ---


@pytest.mark.rfc("4271", "6.8")
def test_a_second_connection_does_not_disturb_an_established_session(pair: Pair) -> None:
    _lose_silently(pair.b)
    pair.b.start()
    pair.loop.run_for(20)
    assert pair.a.is_established
    assert pair.user_a.log.count("up") == 1
    assert pair.b.received_error == "Received: Cease/Connection Collision Resolution"


@pytest.mark.rfc("4724", "5")
def test_with_graceful_restart_a_second_connection_replaces_the_session(loop: VirtualLoop) -> None:
    pair = Pair(loop, speaker={"capabilities": (RESTART,)})
    pair.establish()
    assert pair.a.has_graceful_restart
    loop.run_for(10)
    _lose_silently(pair.b)
    pair.b.start()
    pair.await_established()
    assert [end.kind for end in pair.user_a.ends] == [EndKind.REPLACED]
    assert pair.user_a.log.count("up") == 2
    loop.run_for(10)
    assert pair.is_established
    assert pair.a._primary.settings is pair.a.settings  # it need not let the peer speak first any more


@pytest.mark.rfc("4724", "5")
def test_a_peer_that_dialled_a_new_session_and_dials_again_has_restarted(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True}, speaker={"capabilities": (RESTART,)})
    pair.establish()
    second = _Caller()
    loop.run_until_complete(pair.right.network.dial(pair.b.settings, second))
    second.transport.write(codec.encode(opening(65002, RIGHT, 90, RESTART)))
    loop.run_for(1)
    assert [end.kind for end in pair.user_a.ends] == [EndKind.REPLACED]


def test_a_connection_that_was_dialled_at_the_same_moment_is_no_restart(loop: VirtualLoop) -> None:
    pair = Pair(loop, right={"is_passive": True}, speaker={"capabilities": (RESTART,)})
    pair.establish()
    second = _Caller()
    loop.run_until_complete(pair.right.network.dial(pair.b.settings, second))
    second.transport.write(codec.encode(opening(65002, RIGHT, 90, RESTART)))
    loop.run_for(1)
    assert pair.user_a.ends == []
    assert pair.is_established


def test_a_port_scan_does_not_replace_a_session_with_graceful_restart(loop: VirtualLoop) -> None:
    pair = Pair(loop, speaker={"capabilities": (RESTART,)})
    pair.establish()
    scanner = _Scanner()
    loop.run_until_complete(pair.right.network.dial(pair.b.settings, scanner))
    loop.run_for(10)
    assert pair.user_a.ends == []
    assert pair.a.is_established


@pytest.mark.rfc("4271", "6.8")
def test_a_second_connection_beside_an_established_session_hears_no_open(pair: Pair) -> None:
    second = _Caller()
    pair.loop.run_until_complete(pair.right.network.dial(pair.b.settings, second))
    pair.loop.run_for(0.1)
    assert second.received == b""  # an OPEN might make the peer close the connection that we hold established
    second.transport.write(codec.encode(opening(65002, RIGHT)))
    pair.loop.run_for(0.1)
    (kind, start, end), *more = Framer(4096).feed(second.received)
    assert (kind, second.received[start:end]) == (MessageType.NOTIFICATION, bytes((6, 7)))
    assert more == []
    assert pair.is_established


def test_a_second_connection_whose_peer_says_nothing_is_spoken_to(pair: Pair) -> None:
    second = _Caller()
    pair.loop.run_until_complete(pair.right.network.dial(pair.b.settings, second))
    pair.loop.run_for(COLLISION_WAIT)
    (kind, _, _), *more = Framer(4096).feed(second.received)
    assert (kind, more) == (MessageType.OPEN, [])


def _lose_silently(session: PeerSession) -> None:
    """Let the host crash: its connection is forgotten and the peer hears nothing."""
    connection = session._primary.connection
    assert connection is not None
    connection.user = connection.deliver = None
    assert isinstance(connection.transport, MemoryTransport)
    connection.transport.protocol = _Scanner()
    session._primary.connection = None
    session.stop(None)


class _Scanner(asyncio.Protocol):
    """A protocol that takes everything and says nothing."""

    def connection_made(self, transport: object) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool:
        return True

    def connection_lost(self, error: Exception | None) -> None: ...


class _Caller(asyncio.Protocol):
    """A protocol that keeps what it hears."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


# --- Settings ---


def test_new_settings_leave_the_session_as_it_is(pair: Pair) -> None:
    pair.a.update_settings(replace(pair.a.settings, idle_hold_max=60, name="other"))
    assert pair.is_established


def test_who_is_no_longer_passive_dials_at_once(loop: VirtualLoop) -> None:
    pair = Pair(loop, left={"is_passive": True}, right={"is_passive": True})
    pair.listen()
    pair.a.start()
    pair.b.start()
    loop.run_for(5)
    pair.a.update_settings(replace(pair.a.settings, is_passive=False))
    pair.await_established(within=1)
    assert pair.a.is_outgoing
