"""ICMP echo between containers, without a ``ping`` binary.

RFC 792, RFC 4443 section 4. One raw socket for each container and family, opened inside its namespace; a single loop
then asks and listens for all of them. A request carries the number of its question; only an answer to that number
from the address that was asked counts. Times are seconds.
"""

import os
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import Final

from bgpd.lab.namespaces import Namespace
from bgpd.lab.topology import ContainerPlan
from bgpd.records import dataclass

_HEADER: Final = struct.Struct("!BBHHHQ")  # type, code, checksum, identifier, sequence; number of the question
_IDENTIFIER: Final = 0xB6BD
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_ICMPV6_FILTER: Final = 1
_RETRY: Final = 0.3  # seconds without an answer
_WINDOW: Final = 128  # questions under way


@dataclass(frozen=True, slots=True)
class _Protocol:
    """What differs between ICMP and ICMPv6."""

    version: int
    family: socket.AddressFamily
    number: int
    request: int
    reply: int
    is_checksummed_by_kernel: bool
    filter_option: tuple[int, int, bytes]  # lets echo replies through only


ICMP: Final = _Protocol(
    4, socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, False, (_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFF_FFFE))
)
ICMPV6: Final = _Protocol(
    6,
    socket.AF_INET6,
    socket.IPPROTO_ICMPV6,
    128,
    129,
    True,
    (
        socket.IPPROTO_ICMPV6,
        _ICMPV6_FILTER,
        struct.pack("=8I", *(0xFFFF_FFFF ^ (2 if w == 4 else 0) for w in range(8))),
    ),
)
PROTOCOLS: Final = {protocol.version: protocol for protocol in (ICMP, ICMPV6)}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container and the namespace it is in."""

    plan: ContainerPlan
    namespace: Namespace

    def address(self, version: int) -> str:
        """Return the container's address of IP version 4 or 6."""
        return str(self.plan.ipv4 if version == 4 else self.plan.ipv6)


@dataclass(frozen=True, slots=True)
class Question:
    """One echo request to be made: from a container's name to another's, over IP version 4 or 6."""

    source: str
    target: str
    version: int


@dataclass(slots=True)
class StreamResult:
    """What became of a stream of requests."""

    sent: int = 0
    lost: list[Question] = field(default_factory=list)  # one entry for each request without an answer


@dataclass(frozen=True, slots=True)
class PingMatrix:
    """Every container's pings to every other; seconds, or None without an answer."""

    names: tuple[str, ...]
    times: Mapping[Question, float | None]

    @property
    def failed(self) -> tuple[Question, ...]:
        """Return the questions that nobody answered."""
        return tuple(question for question, answer in self.times.items() if answer is None)


def encode_request(protocol: _Protocol, number: int) -> bytes:
    """Return an echo request that carries the number."""
    sequence = number & 0xFFFF
    checksum = 0
    if not protocol.is_checksummed_by_kernel:
        checksum = _checksum(_HEADER.pack(protocol.request, 0, 0, _IDENTIFIER, sequence, number))
    return _HEADER.pack(protocol.request, 0, checksum, _IDENTIFIER, sequence, number)


def decode_reply(protocol: _Protocol, packet: bytes) -> int | None:
    """Return the number that an echo reply of ours carries, None for any other packet."""
    start = (packet[0] & 0x0F) * 4 if protocol.version == 4 and packet else 0  # raw IPv4 shows the IP header
    if len(packet) < start + _HEADER.size:
        return None
    kind, code, _, identifier, _, number = _HEADER.unpack_from(packet, start)
    if (kind, code, identifier) != (protocol.reply, 0, _IDENTIFIER):
        return None
    return int(number)


def _checksum(octets: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Pinger:
    """Raw sockets in the namespaces of some containers, to ask from each to each."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = {endpoint.plan.name: endpoint for endpoint in endpoints}
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self._next_number = int.from_bytes(os.urandom(4)) << 24  # apart from other pingers in the same namespace
        for endpoint in self._endpoints.values():
            with endpoint.namespace.entered():
                for protocol in PROTOCOLS.values():
                    self._open(endpoint.plan.name, protocol)

    def __enter__(self) -> "Pinger":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for raw in self._sockets.values():
            raw.close()

    def _open(self, name: str, protocol: _Protocol) -> None:
        raw = socket.socket(protocol.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol.number)
        raw.setsockopt(*protocol.filter_option)
        self._sockets[name, protocol.version] = raw
        self._selector.register(raw, selectors.EVENT_READ, protocol)

    def questions(self) -> list[Question]:
        """Return every ordered pair of different containers, in both families."""
        names = list(self._endpoints)
        return [Question(a, b, version) for version in PROTOCOLS for a in names for b in names if a != b]

    def ask(self, questions: Iterable[Question], patience: float) -> dict[Question, float | None]:
        """Return the round-trip time of each question, None if nothing came back within patience, asking repeatedly."""
        results: dict[Question, float | None] = {}
        waiting = deque(dict.fromkeys(questions))
        under_way: dict[int, tuple[Question, float, float]] = {}  # number: question, sent, give up
        while waiting or under_way:
            now = time.monotonic()
            for number in [n for n, (_, sent, _) in under_way.items() if now - sent >= _RETRY]:
                question, _, give_up = under_way.pop(number)
                if now >= give_up:
                    results[question] = None
                else:
                    under_way[self._send(question)] = (question, now, give_up)
            while waiting and len(under_way) < _WINDOW:
                question = waiting.popleft()
                under_way[self._send(question)] = (question, time.monotonic(), now + patience)
            for number, source in self._receive(_RETRY / 4):
                if number in under_way and source == self._target_address(under_way[number][0]):
                    question, sent, _ = under_way.pop(number)
                    results[question] = time.monotonic() - sent
        return results

    @contextmanager
    def stream(self, questions: Sequence[Question], interval: float, grace: float = 1.0) -> Iterator[StreamResult]:
        """Ask all questions again each interval, in the background; on leaving, wait grace for the last answers."""
        result = StreamResult()
        stop = threading.Event()
        thread = threading.Thread(target=self._stream, args=(questions, interval, grace, result, stop), daemon=True)
        thread.start()
        try:
            yield result
        finally:
            stop.set()
            thread.join()

    def _stream(
        self,
        questions: Sequence[Question],
        interval: float,
        grace: float,
        result: StreamResult,
        stop: threading.Event,
    ) -> None:
        unanswered: dict[int, Question] = {}
        deadline = 0.0
        next_round = time.monotonic()
        while True:
            now = time.monotonic()
            if stop.is_set():
                deadline = deadline or now + grace
                if now >= deadline or not unanswered:
                    break
            elif now >= next_round:
                for question in questions:
                    unanswered[self._send(question)] = question
                result.sent += len(questions)
                next_round = now + interval
            for number, source in self._receive(min(interval, 0.02)):
                if number in unanswered and source == self._target_address(unanswered[number]):
                    del unanswered[number]
        result.lost = list(unanswered.values())

    def _target_address(self, question: Question) -> str:
        return self._endpoints[question.target].address(question.version)

    def _send(self, question: Question) -> int:
        self._next_number += 1
        number = self._next_number
        packet = encode_request(PROTOCOLS[question.version], number)
        with suppress(OSError):  # no route, no buffer: the question stays without an answer, which is what is counted
            self._sockets[question.source, question.version].sendto(packet, (self._target_address(question), 0))
        return number

    def _receive(self, wait: float) -> Iterator[tuple[int, str]]:
        """Yield the number and the sender of each reply that is there, after waiting for one at most so long."""
        for key, _ in self._selector.select(wait):
            assert isinstance(key.fileobj, socket.socket)
            while True:
                try:
                    packet, sender = key.fileobj.recvfrom(2048)
                except BlockingIOError:
                    break
                number = decode_reply(key.data, packet)
                if number is not None:
                    yield number, sender[0]
