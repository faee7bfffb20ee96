"""What the edge of a machine makes of octets: a peer written by hand against a session in memory."""

import asyncio

import pytest

from bgpd.fsm.actions import EndKind
from bgpd.fsm.states import State
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.messages.keepalive import KEEPALIVE
from tests.support.memory_network import MemoryNetwork
from tests.support.speakers import ANY_V4, RecordingUser, Speaker, opening, settings
from tests.support.virtual_loop import VirtualLoop


class _Peer(asyncio.Protocol):
    """Keeps what it hears, says what it is told to."""

    def __init__(self) -> None:
        self.heard = b""
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True


class _Table:
    """A session of 10.0.0.1 with the peer at 10.0.0.2, which dialled it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.network = MemoryNetwork(loop)
        speaker = Speaker(loop, self.network.host("10.0.0.1"), 65001, "10.0.0.1")
        self.session = speaker.peer("10.0.0.2", 65002, is_passive=True)
        self.user: RecordingUser = speaker.user("10.0.0.2")
        self.session.start()
        loop.run_until_complete(speaker.listener.start([ANY_V4], 179))
        self.peer = _Peer()
        loop.run_until_complete(self.network.host("10.0.0.2").dial(settings("10.0.0.1"), self.peer))

    def say(self, *messages: bytes) -> None:
        self.peer.transport.write(b"".join(messages))
        self.loop.run_for(0.1)

    @property
    def answers(self) -> list[tuple[int, bytes]]:
        """What the session said: types and bodies."""
        framer = Framer()
        return [(kind, framer.buffer[start:end]) for kind, start, end in framer.feed(self.peer.heard)]


@pytest.fixture
def table(loop: VirtualLoop) -> _Table:
    """A session whose peer has said nothing yet."""
    return _Table(loop)


OPEN = opening().encode()


@pytest.mark.rfc("4271", "6.2")
@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (OPEN[:19] + b"\3" + OPEN[20:], bytes.fromhex("0201 0004")),
        (frame(MessageType.OPEN, OPEN[19:28] + b"\x50"), bytes.fromhex("0200")),
        (opening(65099).encode(), bytes.fromhex("0202")),
        (opening(identifier="10.0.0.2", hold_time=2).encode(), bytes.fromhex("0206")),
    ],
    ids=["version 3", "parameters cut off", "another AS", "hold time of 2 s"],
)
def test_an_open_that_is_not_acceptable_is_answered_with_its_error(
    table: _Table, octets: bytes, expected: bytes
) -> None:
    table.say(octets)
    assert [kind for kind, _ in table.answers] == [MessageType.OPEN, MessageType.NOTIFICATION]
    assert table.answers[-1][1] == expected
    assert table.session.state is State.IDLE


@pytest.mark.rfc("4271", "8.2.2")
@pytest.mark.parametrize(
    ("messages", "subcode"),
    [
        ([KEEPALIVE], 1),
        ([frame(MessageType.UPDATE, bytes(4))], 1),
        ([OPEN, OPEN], 2),
        ([OPEN, frame(MessageType.UPDATE, bytes(4))], 2),
        ([OPEN, KEEPALIVE, OPEN], 3),
    ],
)
def test_a_message_out_of_turn_is_a_state_machine_error(table: _Table, messages: list[bytes], subcode: int) -> None:
    table.say(*messages)
    assert table.answers[-1] == (MessageType.NOTIFICATION, bytes((5, subcode, messages[-1][18])))


@pytest.mark.rfc("7313", "5")
def test_a_route_refresh_of_a_wrong_length_ends_the_session(table: _Table) -> None:
    wrong = frame(MessageType.ROUTE_REFRESH, b"\0\1\0")
    table.say(OPEN, KEEPALIVE, wrong)
    assert table.answers[-1] == (MessageType.NOTIFICATION, bytes((7, 1)) + wrong)
    assert table.user.ends[0].kind is EndKind.SENT_NOTIFICATION


@pytest.mark.rfc("4271", "6.4")
def test_a_notification_is_not_answered(table: _Table) -> None:
    table.say(frame(MessageType.NOTIFICATION, bytes.fromhex("0201 0003")))
    assert [kind for kind, _ in table.answers] == [MessageType.OPEN]
    assert table.session.last_error == "Received: Open Message/Unsupported Version Number"
    assert table.peer.transport.is_closing()


def test_what_follows_the_fault_in_one_read_is_not_looked_at(table: _Table) -> None:
    table.say(OPEN, KEEPALIVE, OPEN, frame(MessageType.UPDATE, bytes(4)), frame(MessageType.NOTIFICATION, bytes(2)))
    assert table.user.updates == []
    assert table.session.last_error.startswith("Sent: Finite State Machine")


def test_a_dial_that_is_answered_after_it_was_given_up_leaves_nothing_open(loop: VirtualLoop) -> None:
    network = MemoryNetwork(loop, latency=0.5)
    speaker = Speaker(loop, network.host("10.0.0.1"), 65001, "10.0.0.1")
    session = speaker.peer("10.0.0.2", 65002)
    other = network.host("10.0.0.2")
    loop.run_until_complete(other.listen(ANY_V4, 179, _Peer))
    session.start()
    loop.run_for(0.7)
    session.stop(None)
    loop.run_for(3)
    assert session.state is State.IDLE
    assert network.transports == []
