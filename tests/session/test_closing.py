"""Connections that are refused: how many are told why."""

import asyncio

from bgpd.messages.framing import Framer, MessageType
from tests.support.memory_network import MemoryNetwork
from tests.support.speakers import ANY_V4, Speaker
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
