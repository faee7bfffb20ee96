"""Listens on a link and puts the TCP connections of BGP on it together: octets in order, who opened, how it ended.

packet(7), RFC 791, RFC 9293. For a veth pair, where nothing is lost or comes out of order but what TCP repeats. IPv4.
"""

import socket
import threading
import time
from dataclasses import dataclass, field
from struct import unpack_from
from typing import Final

from conformance.replay.recording import What, WireEvent
from tests.support.netns import Namespace

_ALL_PACKETS: Final = 0x0003
_IPV4: Final = 0x0800
_TCP: Final = 6
_PORT: Final = 179
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_PATIENCE: Final = 0.2  # seconds between two looks whether to stop

_Flow = tuple[bytes, int, bytes, int]  # from address and port, to address and port


@dataclass(slots=True)
class _Connection:
    """A connection: its number, and the sequence number that comes next from each side's address."""

    number: int
    next: dict[bytes, int] = field(default_factory=dict)
    has_ended: bool = False


class Capture:
    """Listens while it is entered as a context manager. local: our address. events: what happened so far."""

    def __init__(self, namespace: Namespace, device: str, local: bytes) -> None:
        self.events: list[WireEvent] = []
        self._local = local
        self._connections: dict[_Flow, _Connection] = {}
        self._count = 0
        self._start: float | None = None
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PACKETS))
            self._socket.bind((device, _ALL_PACKETS))
        self._socket.settimeout(_PATIENCE)
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopping.set()
        self._thread.join()
        self._socket.close()

    def look(self) -> None:
        """Have the tables written down at this moment of the replay."""
        self._add(0, What.LOOK)

    def _listen(self) -> None:
        while not self._is_stopping.is_set():
            try:
                packet = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            if len(packet) >= 54 and unpack_from("!H", packet, 12)[0] == _IPV4 and packet[23] == _TCP:
                self._take(packet[14:])

    def _take(self, packet: bytes) -> None:
        start = 4 * (packet[0] & 15)
        total = unpack_from("!H", packet, 2)[0]
        source, target = packet[12:16], packet[16:20]
        source_port, target_port, sequence, _, offset, flags = unpack_from("!HHIIBB", packet, start)
        if _PORT not in (source_port, target_port):
            return
        payload = packet[start + 4 * (offset >> 4) : total]
        flow, back = (source, source_port, target, target_port), (target, target_port, source, source_port)
        if flags & _SYN and flags & _ACK:
            self._open(back, flow, sequence)  # the first answer: a SYN that is refused is no connection
            return
        connection = self._connections.get(flow) or self._connections.get(back)
        if connection is None or flags & _SYN:
            return
        is_ours = source == self._local
        expected = connection.next.setdefault(source, sequence)
        if payload and sequence == expected:
            connection.next[source] = (expected + len(payload)) & 0xFFFF_FFFF
            self._add(connection.number, What.SENT if is_ours else What.RECEIVED, payload)
        if flags & (_FIN | _RST) and not is_ours and not connection.has_ended:
            connection.has_ended = True
            self._add(connection.number, What.RESET if flags & _RST else What.FIN)

    def _open(self, opener: _Flow, answerer: _Flow, sequence: int) -> None:
        if opener in self._connections and not self._connections[opener].has_ended:
            return  # repeated
        self._count += 1
        connection = _Connection(self._count)
        connection.next[answerer[0]] = (sequence + 1) & 0xFFFF_FFFF
        self._connections[opener] = connection
        self._add(self._count, What.DIAL if opener[0] == self._local else What.ACCEPT)

    def _add(self, number: int, what: What, octets: bytes = b"") -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = now
        self.events.append(WireEvent(round(now - self._start, 6), number, what, octets))
