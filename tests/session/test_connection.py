"""One connection: from octets to messages, in slices when there is much to do."""

import gc

import pytest

from bgpd.errors import BgpError, UpdateError
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.session import connection as module
from bgpd.session.connection import Connection, Inbox
from tests.support.memory_network import MemoryNetwork
from tests.support.speakers import ANY_V4, settings
from tests.support.virtual_loop import VirtualLoop

UPDATE = frame(MessageType.UPDATE, bytes(4))
KEEPALIVE = frame(MessageType.KEEPALIVE, b"")


class _User:
    """Takes what a connection hands over."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.hold_at: int = 0

    def message_received(self, connection: Connection, kind: int, body: bytes) -> None:
        self.log.append(MessageType(kind).name)
        if kind == self.hold_at:
            connection.hold()

    def stream_failed(self, connection: Connection, error: BgpError) -> None:
        self.log.append(f"failed: {type(error).__name__}")
        connection.close()

    def connection_lost(self, connection: Connection, why: str) -> None:
        self.log.append(f"lost: {why}")

    def batch_received(self) -> None:
        self.log.append("batch")

    def drained(self) -> None:
        self.log.append("drained")

    def deliver(self, inbox: Inbox, stop: int) -> None:
        inbox.index += 1
        self.log.append("update")


class _Ends:
    """Both ends of a connection in memory; ``near`` has a user who takes UPDATEs."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        network = MemoryNetwork(loop)
        self.user = _User()
        accepted: list[Connection] = []
        host = network.host("10.0.0.1")
        make = lambda: Connection(loop, accepted.append)  # noqa: E731  # a factory, as the loop wants it
        loop.run_until_complete(host.listen(ANY_V4, 179, make))
        self.far = Connection(loop, lambda _: None)
        loop.run_until_complete(network.host("10.0.0.2").dial(settings("10.0.0.1"), self.far))
        (self.near,) = accepted
        self.near.user = self.user
        self.near.deliver = self.user.deliver

    def send(self, *octets: bytes) -> list[str]:
        for each in octets:
            self.far.write(each)
        self.loop.run_for(0.1)
        return self.user.log


@pytest.fixture
def ends(loop: VirtualLoop) -> _Ends:
    """A connection with a user."""
    return _Ends(loop)


def test_updates_and_other_messages_keep_their_order(ends: _Ends) -> None:
    assert ends.send(UPDATE + KEEPALIVE + UPDATE) == ["update", "KEEPALIVE", "update", "batch"]


def test_a_message_cut_in_two_is_handed_over_once_it_is_whole(ends: _Ends) -> None:
    assert ends.send(UPDATE[:10]) == []
    assert ends.send(UPDATE[10:]) == ["update", "batch"]


@pytest.mark.rfc("4271", "6.1")
def test_good_messages_before_a_fault_are_handed_over(ends: _Ends) -> None:
    assert ends.send(UPDATE + KEEPALIVE + bytes(30)) == ["update", "KEEPALIVE", "failed: HeaderError"]


def test_nothing_after_a_refused_update_is_handed_over(ends: _Ends) -> None:
    def refuse(inbox: Inbox, stop: int) -> None:
        inbox.index += 1
        raise UpdateError(1, why="test")

    ends.near.deliver = refuse
    assert ends.send(UPDATE + UPDATE) == ["failed: UpdateError"]


def test_the_message_at_fault_is_named_and_counted(ends: _Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_second(inbox: Inbox, stop: int) -> None:
        inbox.index += 2
        raise UpdateError(1, why="test")

    faults: list[BgpError] = []
    monkeypatch.setattr(ends.user, "stream_failed", lambda _, error: faults.append(error))
    ends.near.deliver = refuse_second
    second = frame(MessageType.UPDATE, b"\0\0\0\0\x18\x0a\0\0")
    ends.send(UPDATE + second + UPDATE)
    assert [fault.message for fault in faults] == [second]
    assert ends.near.counts.received[MessageType.UPDATE] == 2


def test_updates_without_a_receiver_are_messages_like_others(ends: _Ends) -> None:
    ends.near.deliver = None
    assert ends.send(UPDATE) == ["UPDATE"]


def test_a_long_read_is_handed_over_in_slices_and_in_order(ends: _Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", -1.0)  # every look at the clock finds the time used up
    log = ends.send(UPDATE * 2000 + KEEPALIVE + UPDATE)
    assert log.count("update") == 2001
    assert log.count("batch") > 1
    assert log[-4:] == ["KEEPALIVE", "batch", "update", "batch"]  # a slice ends behind each message that is no UPDATE


def test_after_a_rare_message_the_clock_is_looked_at(ends: _Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", -1.0)
    ends.near.data_received(3 * KEEPALIVE)
    assert ends.user.log == ["KEEPALIVE"]
    ends.loop.run_for(0.1)
    assert ends.user.log == 3 * ["KEEPALIVE"]


def test_a_held_connection_hands_nothing_over_until_it_is_released(ends: _Ends) -> None:
    ends.user.hold_at = MessageType.KEEPALIVE
    assert ends.send(UPDATE + KEEPALIVE + UPDATE, UPDATE) == ["update", "KEEPALIVE", "batch"]
    ends.near.release()
    ends.loop.run_for(1)
    assert ends.user.log[3:] == ["update", "batch", "update", "batch"]


def test_a_fault_behind_a_held_message_is_told_after_the_release(ends: _Ends) -> None:
    ends.user.hold_at = MessageType.KEEPALIVE
    assert ends.send(KEEPALIVE + bytes(30)) == ["KEEPALIVE"]
    ends.near.release()
    assert ends.user.log[1:] == ["failed: HeaderError"]


def test_a_release_after_the_end_does_nothing(ends: _Ends) -> None:
    ends.user.hold_at = MessageType.KEEPALIVE
    ends.send(KEEPALIVE + UPDATE)
    ends.near.close()
    ends.near.release()
    ends.loop.run_for(5)
    assert ends.user.log == ["KEEPALIVE"]


def test_the_end_of_the_peer_is_told_once(ends: _Ends) -> None:
    ends.far.close()
    ends.loop.run_for(5)
    assert ends.user.log == ["lost: closed by the peer"]
    assert ends.near.is_gone
    assert ends.far.is_gone


def test_our_own_end_is_not_told_and_takes_at_most_two_seconds(ends: _Ends) -> None:
    settled: list[bool] = []
    ends.near.settled = lambda: settled.append(True)
    ends.near.close()
    ends.near.close()
    began = ends.loop.time()
    ends.loop.run_until_complete(ends.near.wait_closed())
    assert ends.loop.time() - began <= module.LINGER
    assert ends.user.log == []
    assert settled == [True]


def test_what_was_read_is_not_kept_once_it_was_handed_over(ends: _Ends) -> None:
    assert ends.send(UPDATE + KEEPALIVE) == ["update", "KEEPALIVE", "batch"]
    assert not [held for held in _reachable(ends.near) if isinstance(held, bytes | bytearray) and held]


def test_what_was_read_is_not_kept_beyond_the_end(ends: _Ends) -> None:
    gone: list[Connection] = []
    ends.near.gone = gone.append
    read = UPDATE + KEEPALIVE[:5]
    ends.far.write(read)
    ends.loop.run_for(1)
    ends.far.close()
    ends.loop.run_for(5)
    assert gone == [ends.near]
    assert not [held for held in _reachable(ends.near) if isinstance(held, bytes | bytearray) and held]


def _reachable(connection: Connection) -> list[object]:
    """Return what the connection's own fields, and its framer's, refer to."""
    fields = gc.get_referents(connection)
    return fields + [held for field in fields if isinstance(field, Framer) for held in gc.get_referents(field)]


def test_the_last_words_are_read_even_if_the_peer_is_still_writing(ends: _Ends) -> None:
    heard = _User()
    ends.far.user = heard
    ends.far.write(UPDATE * 5000)
    ends.near.write(KEEPALIVE)
    ends.near.close()
    ends.loop.run_for(1)
    assert heard.log == ["KEEPALIVE", "lost: closed by the peer"]
