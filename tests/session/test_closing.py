"""Connections that are refused: how many are told why."""

import asyncio
import gc

from bgpd.messages.framing import Framer, MessageType
from bgpd.session.closing import ClosingConnections
from bgpd.session.connection import Connection
from bgpd.session.counts import MessageCounts
from tests.support.memory_network import MemoryNetwork
from tests.support.speakers import ANY_V4, Speaker, settings
from tests.support.virtual_loop import VirtualLoop

US, THEM = "10.0.0.1", "10.0.0.2"


def test_of_many_refused_connections_at_a_time_eight_are_told_why(loop: VirtualLoop) -> None:
    network = MemoryNetwork(loop)
    speaker, caller = Speaker(loop, network.host(US), 65001, US), Speaker(loop, network.host(THEM), 65002, THEM)
    session = speaker.peer(THEM, 65002)  # never started
    dialled = caller.peer(US, 65001).settings
    loop.run_until_complete(speaker.listener.start([ANY_V4], 179))
    callers = [_Caller() for _ in range(12)]
    for one in callers:
        loop.run_until_complete(caller.network.dial(dialled, one))
    loop.run_for(0.1)
    told = [one for one in callers if one.received]
    assert (len(told), session.counts.sent[MessageType.NOTIFICATION]) == (8, 8)
    (kind, start, _), *more = Framer(4096).feed(told[0].received)
    assert (kind, told[0].received[start : start + 2], more) == (MessageType.NOTIFICATION, bytes((6, 5)), [])
    began = loop.time()
    loop.run_until_complete(session.wait_closed())
    assert loop.time() - began < 3
    loop.run_until_complete(speaker.stop())


def test_a_connection_is_forgotten_when_tcp_is_done_with_it(loop: VirtualLoop) -> None:
    """With it goes what was read from it last: up to a quarter of a megabyte for each peer."""
    closing = ClosingConnections(MessageCounts())
    network = MemoryNetwork(loop)
    accepted: list[Connection] = []
    loop.run_until_complete(network.host(US).listen(ANY_V4, 179, lambda: Connection(loop, accepted.append)))
    loop.run_until_complete(network.host(THEM).dial(settings(US), Connection(loop, lambda _: None)))
    (connection,) = accepted
    closing.add(connection)
    connection.close()
    assert _keeps(closing, connection)
    loop.run_for(5)
    assert connection.is_gone
    assert not _keeps(closing, connection)


def _keeps(closing: ClosingConnections, connection: Connection) -> bool:
    return any(closing in gc.get_referrers(holder) for holder in gc.get_referrers(connection))


class _Caller(asyncio.Protocol):
    """A protocol that keeps what it hears, and does not hang up."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        return True
