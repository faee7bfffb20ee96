"""Peers that dial in from a network: the limit, who counts, and how long they stay listed."""

import asyncio

import pytest

from bgpd.errors import ErrorCode
from bgpd.fsm.states import State
from bgpd.messages.framing import MessageType
from bgpd.messages.notification import Notification
from bgpd.messages.notification import decode as decode_notification
from bgpd.session.listener import HALF_OPEN_LIMIT_PER_ADDRESS
from bgpd.speaker.ranges import KEPT, MOST_KEPT
from tests.support.cluster import Cluster, address, cluster, network, peer
from tests.support.speakers import settings

RANGE = '[[peer_range]]\nname = "r"\nprefix = "10.0.0.0/16"\nasn = "internal"\nlimit = {}\n'
STRANGER = bytes.fromhex("ff" * 16 + "001d01" + "04fde8005a0a0000ff00")  # an OPEN of AS 65000, not ours


class Caller(asyncio.Protocol):
    """A host that connects and says what it is told to; received: octets."""

    transport: asyncio.Transport

    def __init__(self, made: Cluster, number: int) -> None:
        self.received = b""
        self.is_lost = False
        host = made.network.hosts.get(bytes((10, 0, 1, number))) or made.network.host(f"10.0.1.{number}")
        made.loop.run_until_complete(host.dial(settings(address(1)), self))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True

    @property
    def notification(self) -> Notification | None:
        """The NOTIFICATION that came, if one did."""
        octets, found = self.received, None
        while octets:
            length = int.from_bytes(octets[16:18])
            if octets[18] == MessageType.NOTIFICATION:
                found = decode_notification(octets[19:length])
            octets = octets[length:]
        return found


def test_connections_without_an_open_do_not_count_against_the_limit() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(2))
        callers = [Caller(made, number) for number in range(1, 40)]
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.established(2, 3)
        made.run(1)
        assert not any(caller.is_lost for caller in callers)
        assert sum(one.negotiated is not None for one in speaker.peers.values()) == 2


def test_connection_without_an_open_leaves_no_trace() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(2))
        caller = Caller(made, 1)
        made.run(1)
        assert list(speaker.peers) == ["10.0.1.1"]
        caller.transport.abort()
        made.run(1)
        assert speaker.peers == {}
        assert speaker.listener.half_open == 0


@pytest.mark.rfc("4486", "4")
def test_peer_above_the_limit_is_told_why_and_let_in_when_there_is_room() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(1))
        made.start(2, peer(1))
        made.established(2)
        made.start(3, peer(1))
        made.run(20)
        third = made.peer(3, 1).session
        assert third.received_error == "Received: Cease/Connection Rejected"
        assert not third.is_established
        made.loop.run_until_complete(made.speakers[2].stop())
        made.run(60)
        assert third.is_established
        assert [name for name, one in speaker.peers.items() if one.negotiated is not None] == [address(3)]


@pytest.mark.rfc("4486", "4")
def test_of_two_that_come_at_once_the_second_open_is_refused() -> None:
    with cluster(latency=0.01) as made:
        made.start(1, RANGE.format(1))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.run(3)
        states = [made.peer(number, 1).session.is_established for number in (2, 3)]
        assert sorted(states) == [False, True]
        loser = made.peer(3 if states[0] else 2, 1).session
        assert loser.received_error == "Received: Cease/Connection Rejected"


def test_a_peer_that_dials_again_has_its_own_place() -> None:
    with cluster() as made:
        made.start(1, RANGE.format(1))
        made.start(2, peer(1, graceful_restart="{ enabled = false }"))
        made.established(2)
        for _ in range(3):
            made.network.cut(address(1), address(2))
            made.run(10)
            assert made.peer(2, 1).session.is_established


def test_a_peer_stays_listed_for_a_minute_after_its_session() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5))
        made.start(2, peer(1, graceful_restart="{ enabled = false }"))
        made.established(2)
        made.loop.run_until_complete(made.speakers[2].stop())
        made.run(KEPT - 5)
        assert list(speaker.peers) == [address(2)]
        assert speaker.peers[address(2)].session.state is not State.ESTABLISHED
        made.run(10)
        assert speaker.peers == {}


def test_a_peer_that_came_back_stays_listed_for_a_minute_from_its_last_end() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(1))
        for pause in (KEPT - 10, 0):
            caller = Caller(made, 1)
            caller.transport.write(STRANGER)
            made.run(0.1)
            assert caller.notification is not None
            made.run(pause)
        made.run(KEPT - 5)
        assert list(speaker.peers) == ["10.0.1.1"]
        made.run(10)
        assert speaker.peers == {}


def test_one_that_has_to_stay_does_not_keep_the_others_listed() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5))
        for number in range(1, MOST_KEPT + 60):
            Caller(made, number).transport.write(STRANGER)
            made.run(0.05)
            if number == 1:
                speaker.peers["10.0.1.1"].is_disabled = True
        assert "10.0.1.1" in speaker.peers
        assert len(speaker.peers) <= MOST_KEPT + 2


def test_those_that_stay_listed_are_bounded() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5))
        for number in range(1, MOST_KEPT + 60):
            caller = Caller(made, number % 250 + 1)
            caller.transport.write(STRANGER)
            made.run(0.05)
            assert caller.notification is not None
            assert caller.notification.code == ErrorCode.OPEN_MESSAGE
        assert len(speaker.peers) <= MOST_KEPT + 1
        made.run(KEPT + 5)
        assert speaker.peers == {}


def test_newest_half_open_connection_of_a_stranger_takes_the_place_of_the_oldest() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(100) + peer(2, passive="true"))
        speaker.listener._limit = 10
        callers = [Caller(made, number) for number in range(1, 31)]
        made.run(0.5)
        assert speaker.listener.half_open == 10
        assert [caller.is_lost for caller in callers] == [True] * 20 + [False] * 10
        made.start(2, peer(1))
        made.established(2)
        assert len(speaker.peers) <= 11


def test_one_address_has_few_half_open_connections() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(100))
        for _ in range(20):
            Caller(made, 1)
        made.run(0.5)
        assert speaker.listener.half_open <= HALF_OPEN_LIMIT_PER_ADDRESS


def test_peer_with_a_table_of_its_own_takes_the_place_of_the_one_from_a_range() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5))
        made.start(2, peer(1))
        made.established(2)
        old = speaker.peers[address(2)]
        speaker.reload(made.config(1, RANGE.format(5) + peer(2)))
        made.established(within=60)
        new = speaker.peers[address(2)]
        assert new is not old
        assert (new.range_name, old.negotiated) == ("", None)
        assert sum(len(family) for family in new.adj_ribs_in.values()) == 0


def test_a_range_that_is_gone_takes_its_peers_along() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5))
        made.start(2, peer(1))
        made.established(2)
        speaker.reload(made.config(1, ""))
        made.run(5)
        assert speaker.peers == {}
        assert made.peer(2, 1).session.received_error.startswith("Received: Cease")


@pytest.mark.rfc("2385", "2")
def test_the_password_of_a_range_holds_for_all_its_peers() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(5) + 'password = "secret"\n')
        made.start(2, peer(1, password='"secret"'))
        made.start(3, peer(1, password='"other"'))
        made.established(2)
        made.run(30)
        assert list(speaker.peers) == [address(2)]


def test_a_peer_of_a_range_that_an_operator_disabled_stays_disabled_and_listed() -> None:
    with cluster() as made:
        speaker = made.start(1, RANGE.format(2))
        made.start(2, peer(1))
        made.established(2)
        speaker.peers[address(2)].disable("misbehaves")
        made.run(10 * KEPT)
        assert address(2) in speaker.peers
        assert made.peer(2, 1).negotiated is None
        speaker.peers[address(2)].enable()
        made.established(2, within=60)


def test_a_peer_that_left_is_held_by_nothing_that_counts_routes() -> None:
    members = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\nreflector_client = true\n'
    with cluster() as made:
        made.start(1, members, node='cluster_id = "10.0.0.1"')
        made.start(2, peer(1) + network("10.65.2.0/26"))
        made.start(3, peer(1))
        made.until(3, "10.65.2.0/26")
        (gone,) = [one for name, one in made.speakers[1].peers.items() if address(2) in name]
        made.network.block(address(1), address(2))
        made.network.cut(address(1), address(2))
        made.until(3, "10.65.2.0/26", present=False, within=400)
        made.run(1)
        groups = made.speakers[1].groups.values()
        assert [group.rib.advertised(None) for group in groups] == [0]
        assert not any(gone in group.rib._by_peer for group in groups)
