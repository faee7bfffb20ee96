"""Routing that must go on whatever happens: pings among all containers, and what kernels were told to forget."""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from bgpd.lab import Lab
from bgpd.lab.echo import StreamResult
from tests.support.netns import Enterable

INTERVAL: Final = 0.05  # seconds between two rounds of pings
OURS: Final = 186  # the protocol that marks our routes
_GROUPS: Final = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_DELROUTE: Final = 25
_BUFFER: Final = 1 << 22  # octets
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ROUTE: Final = struct.Struct("=8BI")  # rtmsg: family, lengths, tos, table, protocol, scope, type; flags


class Disturbance:
    """What is seen while it lasts. stream: of the pings. deleted: our routes that a kernel was told to forget."""

    def __init__(self, lab: Lab, stream: StreamResult, questions: int) -> None:
        self.deleted: list[str] = []
        self.stream = stream
        self._lab = lab
        self._questions = questions

    def go_on(self, rounds: int) -> None:
        """Wait for so many more rounds of pings."""
        enough = self.stream.sent + rounds * self._questions
        self._lab.wait_for(lambda: self.stream.sent >= enough, "more pings", rounds * INTERVAL * 4 + 10)


@contextmanager
def undisturbed(lab: Lab) -> Iterator[Disturbance]:
    """Assert that no ping is lost and no route of ours deleted for the length of a with statement."""
    with ExitStack() as stack:
        listeners = {node.name: stack.enter_context(_listening(node.namespace)) for node in lab}
        pinger = stack.enter_context(lab.pinger())
        questions = pinger.questions()
        pinger.ask(questions, 3.0)
        with pinger.stream(questions, INTERVAL) as stream:
            seen = Disturbance(lab, stream, len(questions))
            yield seen
        seen.deleted += [f"{name}: {text}" for name, listener in listeners.items() for text in _deleted(listener)]
    assert stream.lost == []
    assert seen.deleted == []


@contextmanager
def _listening(namespace: Enterable) -> Iterator[socket.socket]:
    with namespace.entered():
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listener.bind((0, _GROUPS))
        listener.setblocking(False)
        yield listener


def _deleted(listener: socket.socket) -> Iterator[str]:
    """Yield a line for each deletion of a route of ours; OSError if more came than the socket could keep."""
    with suppress(BlockingIOError):
        while True:
            octets = listener.recv(_BUFFER)
            while octets:
                length, kind, *_ = _HEADER.unpack_from(octets)
                if kind == _DELROUTE:
                    family, size, *_, protocol, _, _, _ = _ROUTE.unpack_from(octets, _HEADER.size)
                    if protocol == OURS:
                        yield f"a route of family {family} and length {size} was deleted"
                octets = octets[(length + 3) & ~3 :]
