"""A BGP speaker of a few octets for tests: blocking sockets, its own encoder and decoder, nothing of bgpd in it.

RFC 4271 section 4, RFC 4760, RFC 5492, RFC 6793, RFC 7313, written from the RFCs so that no error of ours can hide in
it. Prefixes are text, attribute values octets, times seconds on the monotonic clock. A ``WirePeer`` keeps what it was
told as a table and as a list of what happened; tests wait for a condition on them, each wait has a limit.
"""

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC_AGGREGATE, AGGREGATOR, COMMUNITIES = 1, 2, 3, 4, 5, 6, 7, 8
ORIGINATOR_ID, CLUSTER_LIST, MP_REACH, MP_UNREACH, EXTENDED_COMMUNITIES, AS4_PATH, AS4_AGGREGATOR = (
    9,
    10,
    14,
    15,
    16,
    17,
    18,
)
IPV6_EXTENDED_COMMUNITIES, AIGP, LARGE_COMMUNITIES, OTC = 25, 26, 32, 35
OPTIONAL, TRANSITIVE, PARTIAL, EXTENDED_LENGTH = 0x80, 0x40, 0x20, 0x10
WELL_KNOWN, OPTIONAL_TRANSITIVE = 0x40, 0xC0
IPV4, IPV6 = (1, 1), (2, 1)
MARKER = b"\xff" * 16
LIMIT = 10.0  # seconds: far more than an answer takes

# RFC 4271 4.3, 5; RFC 1997, 4456, 4360, 6793, 5701, 7311, 8092, 9234: Optional and Transitive bits
FLAGS = {
    ORIGIN: WELL_KNOWN, AS_PATH: WELL_KNOWN, NEXT_HOP: WELL_KNOWN, MED: OPTIONAL, LOCAL_PREF: WELL_KNOWN,
    ATOMIC_AGGREGATE: WELL_KNOWN, AGGREGATOR: OPTIONAL_TRANSITIVE, COMMUNITIES: OPTIONAL_TRANSITIVE,
    ORIGINATOR_ID: OPTIONAL, CLUSTER_LIST: OPTIONAL, MP_REACH: OPTIONAL, MP_UNREACH: OPTIONAL,
    EXTENDED_COMMUNITIES: OPTIONAL_TRANSITIVE, AS4_PATH: OPTIONAL_TRANSITIVE, AS4_AGGREGATOR: OPTIONAL_TRANSITIVE,
    IPV6_EXTENDED_COMMUNITIES: OPTIONAL_TRANSITIVE, AIGP: OPTIONAL, LARGE_COMMUNITIES: OPTIONAL_TRANSITIVE,
    OTC: OPTIONAL_TRANSITIVE,
}  # fmt: skip


# --- Octets out --------------------------------------------------------------------------------------------------


def message(kind: int, body: bytes = b"") -> bytes:
    """Return a message with its header."""
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def capability(code: int, value: bytes = b"") -> bytes:
    """Return a capability."""
    return bytes((code, len(value))) + value


def multiprotocol(afi: int, safi: int) -> bytes:
    """Return the multiprotocol capability of a family."""
    return capability(1, struct.pack("!HBB", afi, 0, safi))


def four_octet_as(asn: int) -> bytes:
    """Return the four-octet AS number capability."""
    return capability(65, struct.pack("!I", asn))


def graceful_restart(
    seconds: int, families: Iterable[tuple[int, int]] = (IPV4, IPV6), *, flags: int = 0, forwarding: int = 0x80
) -> bytes:
    """Return the graceful restart capability; flags: 8 = restarting, 4 = N; forwarding: the octet of each family."""
    rest = b"".join(struct.pack("!HBB", afi, safi, forwarding) for afi, safi in families)
    return capability(64, struct.pack("!H", flags << 12 | seconds) + rest)


def long_lived_restart(
    seconds: int, families: Iterable[tuple[int, int]] = (IPV4, IPV6), *, forwarding: int = 0x80
) -> bytes:
    """Return the long-lived graceful restart capability; seconds: 24 bits, the same for each family."""
    time = seconds.to_bytes(3)
    return capability(71, b"".join(struct.pack("!HBB", *family, forwarding) + time for family in families))


REFRESH = capability(2)
ENHANCED_REFRESH = capability(70)
EXTENDED_MESSAGES = capability(6)


def parameter(value: bytes, kind: int = 2) -> bytes:
    """Return an optional parameter; 2 = capabilities."""
    return bytes((kind, len(value))) + value


def open_message(
    asn: int, identifier: str, hold_time: int = 90, parameters: bytes = b"", version: int = 4, my_as: int | None = None
) -> bytes:
    """Return an OPEN; my_as: the two-octet field, if it is not what the AS number asks for."""
    if my_as is None:
        my_as = asn if asn <= 0xFFFF else 23456
    address = ipaddress.IPv4Address(identifier).packed
    return message(
        OPEN, struct.pack("!BHH", version, my_as, hold_time) + address + bytes((len(parameters),)) + parameters
    )


def attribute(code: int, value: bytes = b"", flags: int | None = None) -> bytes:
    """Return a path attribute; flags: as its RFC says, unless given."""
    if flags is None:
        flags = FLAGS[code]
    if len(value) > 255 or flags & EXTENDED_LENGTH:
        return struct.pack("!BBH", flags | EXTENDED_LENGTH, code, len(value)) + value
    return struct.pack("!BBB", flags, code, len(value)) + value


def prefix(text: str) -> bytes:
    """Return a prefix as NLRI."""
    network = ipaddress.ip_network(text)
    return bytes((network.prefixlen,)) + network.network_address.packed[: (network.prefixlen + 7) // 8]


def prefixes(*texts: str) -> bytes:
    """Return prefixes as NLRI."""
    return b"".join(map(prefix, texts))


def address(text: str) -> bytes:
    """Return the octets of an address."""
    return ipaddress.ip_address(text).packed


def u32(*numbers: int) -> bytes:
    """Return numbers of four octets."""
    return struct.pack(f"!{len(numbers)}I", *numbers)


def as_path(*asns: int, kind: int = 2, size: int = 4) -> bytes:
    """Return AS_PATH's value with one segment (2 = sequence, 1 = set), or none; size: octets of a number."""
    if not asns:
        return b""
    return bytes((kind, len(asns))) + b"".join(asn.to_bytes(size) for asn in asns)


def path_attributes(
    path: Iterable[int] = (), next_hop: str | None = "192.0.2.1", origin: int = 0, *more: bytes, size: int = 4
) -> bytes:
    """Return a block: ORIGIN, AS_PATH, NEXT_HOP unless it is None, then what follows."""
    block = attribute(ORIGIN, bytes((origin,))) + attribute(AS_PATH, as_path(*path, size=size))
    if next_hop is not None:
        block += attribute(NEXT_HOP, address(next_hop))
    return block + b"".join(more)


def update(attributes: bytes = b"", announced: bytes = b"", withdrawn: bytes = b"") -> bytes:
    """Return an UPDATE."""
    return message(
        UPDATE,
        struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attributes)) + attributes + announced,
    )


def mp_reach(next_hop: bytes, routes: bytes, family: tuple[int, int] = IPV6) -> bytes:
    """Return MP_REACH_NLRI."""
    return attribute(MP_REACH, struct.pack("!HBB", *family, len(next_hop)) + next_hop + b"\0" + routes)


def mp_unreach(routes: bytes, family: tuple[int, int] = IPV6) -> bytes:
    """Return MP_UNREACH_NLRI."""
    return attribute(MP_UNREACH, struct.pack("!HB", *family) + routes)


def end_of_rib(family: tuple[int, int] = IPV4) -> bytes:
    """Return End-of-RIB."""
    return update() if family == IPV4 else update(mp_unreach(b"", family))


def route_refresh(family: tuple[int, int] = IPV4, subtype: int = 0) -> bytes:
    """Return a ROUTE-REFRESH."""
    return message(ROUTE_REFRESH, struct.pack("!HBB", family[0], subtype, family[1]))


# --- Octets in ---------------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """A message as it came; at: when its last octet was read."""

    kind: int
    body: bytes
    at: float


class Route(NamedTuple):
    """A route as it was told: attributes by code without MP_REACH_NLRI, and the next hop of either kind."""

    attributes: dict[int, tuple[int, bytes]]
    next_hop: bytes

    def value(self, code: int) -> bytes | None:
        """Return the value of an attribute, None = it is not there."""
        found = self.attributes.get(code)
        return None if found is None else found[1]

    def number(self, code: int) -> int | None:
        """Return the value of an attribute that is a number."""
        found = self.attributes.get(code)
        return None if found is None else int.from_bytes(found[1])

    @property
    def path(self) -> tuple[int, ...]:
        """The AS numbers of AS_PATH, all segments, four octets each."""
        octets, found = self.attributes[AS_PATH][1], list[int]()
        while octets:
            stop = 2 + 4 * octets[1]
            found += struct.unpack(f"!{octets[1]}I", octets[2:stop])
            octets = octets[stop:]
        return tuple(found)


class Event(NamedTuple):
    """Something an UPDATE or ROUTE-REFRESH said.

    what: announce, withdraw, end, BoRR, EoRR; family of end, BoRR and EoRR, else prefix.
    """

    what: str
    about: str | tuple[int, int]


def split_prefixes(octets: bytes, family: tuple[int, int], path_id: int = 0) -> list[str]:
    """Return NLRI as text; path_id: octets of an identifier before each prefix, which is "number prefix" then."""
    size = 4 if family == IPV4 else 16
    found = []
    while octets:
        before = f"{int.from_bytes(octets[:path_id])} " if path_id else ""
        octets = octets[path_id:]
        assert octets
        stop = 1 + (octets[0] + 7) // 8
        assert len(octets) >= stop
        packed = octets[1:stop].ljust(size, b"\0")
        found.append(f"{before}{ipaddress.ip_address(packed)}/{octets[0]}")
        octets = octets[stop:]
    return found


def split_attributes(octets: bytes) -> dict[int, tuple[int, bytes]]:
    """Return flags (without Extended Length) and value by code; asserts ascending codes, which bgpd promises."""
    found: dict[int, tuple[int, bytes]] = {}
    while octets:
        flags, code = octets[0], octets[1]
        start = 4 if flags & EXTENDED_LENGTH else 3
        stop = start + int.from_bytes(octets[2:start])
        assert len(octets) >= stop, "the last attribute is cut off"
        assert code not in found, f"attribute {code} is there twice"
        assert not flags & 0x0F, f"RFC 4271 4.3: the lower four bits are zero: {octets.hex()}"
        found[code] = flags & ~EXTENDED_LENGTH, octets[start:stop]
        octets = octets[stop:]
    assert sorted(c for c in found if c not in (MP_REACH, MP_UNREACH)) == [
        c for c in found if c not in (MP_REACH, MP_UNREACH)
    ]
    return found


class Closed(Exception):
    """The other side closed the connection."""


@dataclass
class WirePeer:
    """One connection with the daemon. Use as a context manager: it says Cease and waits for the daemon to close.

    table: prefix → route, as told so far. events: all that was told, in order. notification: code, subcode and data, if
    one came. with_path_ids: families whose routes come with path identifiers (RFC 7911); the capability that asks for
    them is the test's to give.
    """

    local: str
    remote: tuple[str, int]
    asn: int
    identifier: str = ""
    hold_time: int = 90
    families: tuple[tuple[int, int], ...] = (IPV4, IPV6)
    capabilities: bytes = REFRESH + ENHANCED_REFRESH
    has_four_octet_as: bool = True
    receive_buffer: int = 0
    with_path_ids: tuple[tuple[int, int], ...] = ()
    table: dict[str, Route] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    notification: tuple[int, int, bytes] | None = None

    def __post_init__(self) -> None:
        self.identifier = self.identifier or self.local
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.settimeout(LIMIT)
        try:
            self.socket.bind((self.local, 0))
            self.socket.connect(self.remote)
        except BaseException:
            self.socket.close()
            raise
        self._unread = b""
        self._position = 0  # of what was not taken yet

    @classmethod
    def on(cls, accepted: socket.socket, asn: int, identifier: str) -> "WirePeer":
        """Return the peer at the other end of a connection that the daemon dialled."""
        made = cls.__new__(cls)
        made.local, made.remote, made.asn, made.identifier = accepted.getsockname()[0], ("", 0), asn, identifier
        made.hold_time, made.families, made.capabilities = 90, (IPV4, IPV6), REFRESH + ENHANCED_REFRESH
        made.has_four_octet_as, made.receive_buffer = True, 0
        made.table, made.events, made.notification = {}, [], None
        made.socket = accepted
        made.socket.settimeout(LIMIT)
        made._unread, made._position = b"", 0
        return made

    def __enter__(self) -> "WirePeer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # what it says

    def send(self, *octets: bytes) -> None:
        """Send octets, whole messages or not."""
        self.socket.sendall(b"".join(octets))

    @property
    def parameters(self) -> bytes:
        """The optional parameters of its OPEN."""
        offers = b"".join(multiprotocol(*family) for family in self.families) + self.capabilities
        if self.has_four_octet_as:
            offers += four_octet_as(self.asn)
        return parameter(offers) if offers else b""

    @property
    def opening(self) -> bytes:
        """Its OPEN."""
        return open_message(self.asn, self.identifier, self.hold_time, self.parameters)

    def establish(self) -> "WirePeer":
        """Exchange OPEN and KEEPALIVE, then read up to End-of-RIB of each family (RFC 4724 section 2)."""
        self.send(self.opening)
        self.expect(OPEN)
        self.send(message(KEEPALIVE))
        self.expect(KEEPALIVE)
        self.read_until(lambda: all(Event("end", family) in self.events for family in self.families))
        return self

    def sync(self) -> None:
        """Return when the daemon has dealt with all that was sent here before, and all it had to say has come."""
        family = self.families[0]
        seen = self.events.count(Event("EoRR", family))
        self.send(route_refresh(family))
        self.read_until(lambda: self.events.count(Event("EoRR", family)) > seen)

    def cut(self) -> None:
        """Close TCP with a reset and without a word, as a host does that lost its process."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Say Cease and wait until the daemon has closed too, so that it has forgotten this session."""
        if self.socket.fileno() < 0:
            return
        with suppress(OSError, Closed):
            self.send(message(NOTIFICATION, b"\6\2"))
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(1 << 20):
                pass
        self.socket.close()

    # what it hears

    def receive(self, limit: float = LIMIT) -> Message:
        """Return the next message. Raises Closed when there is none any more, TimeoutError after the limit."""
        end = time.monotonic() + limit
        while True:
            unread, start = self._unread, self._position
            if len(unread) - start >= 19:
                stop = start + int.from_bytes(unread[start + 16 : start + 18])
                if len(unread) >= stop:
                    break
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError as error:
                raise Closed("reset") from error
            if not data:
                assert len(unread) == start, f"closed in the middle of a message: {unread[start:].hex()}"
                raise Closed("closed")
            self._unread, self._position = unread[start:] + data, 0
        assert unread[start : start + 16] == MARKER
        found = Message(unread[start + 18], unread[start + 19 : stop], time.monotonic())
        self._position = stop
        if found.kind == NOTIFICATION:
            self.notification = found.body[0], found.body[1], found.body[2:]
        return found

    def expect(self, kind: int) -> Message:
        """Return the next message, which has to be of this type."""
        found = self.receive()
        assert found.kind == kind, f"expected message type {kind}, found {found.kind}: {found.body.hex()}"
        return found

    def read_until(self, condition: Callable[[], bool], limit: float = LIMIT) -> None:
        """Take messages into the table and the events until the condition holds."""
        end = time.monotonic() + limit
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"waited in vain; the last events: {self.events[-10:]}"
            self.take(self.receive(left))

    def wait_for(self, *texts: str) -> Route:
        """Read until these prefixes are in the table; return the route of the first."""
        self.read_until(lambda: all(text in self.table for text in texts))
        return self.table[texts[0]]

    def wait_gone(self, *texts: str) -> None:
        """Read until these prefixes are withdrawn."""
        self.read_until(lambda: not any(text in self.table for text in texts))

    def ending(self) -> tuple[int, int, bytes] | None:
        """Read until the daemon closes; return the NOTIFICATION that it sent before, None = it sent none."""
        with suppress(Closed):
            while True:
                found = self.receive()
                if found.kind in (UPDATE, ROUTE_REFRESH):
                    self.take(found)
        return self.notification

    def told(self, text: str) -> list[str]:
        """Return what was said of a prefix so far."""
        return [event.what for event in self.events if event.about == text]

    def take(self, found: Message) -> None:
        """Enter a message into the table and the events."""
        assert found.kind != NOTIFICATION, f"the daemon ended the session: {found.body.hex()}"
        if found.kind == UPDATE:
            self._take_update(found.body)
        elif found.kind == ROUTE_REFRESH:
            afi, subtype, safi = struct.unpack("!HBB", found.body)
            self.events.append(Event({1: "BoRR", 2: "EoRR"}[subtype], (afi, safi)))

    def _take_update(self, body: bytes) -> None:
        start = 2 + int.from_bytes(body[:2])
        routes = start + 2 + int.from_bytes(body[start : start + 2])
        attributes = split_attributes(body[start + 2 : routes])
        reach, unreach = attributes.pop(MP_REACH, None), attributes.pop(MP_UNREACH, None)
        if len(body) == 4:
            self.events.append(Event("end", IPV4))
        self._withdrawn(self._split(body[2:start], IPV4))
        if unreach is not None:
            assert unreach[0] == OPTIONAL
            family = struct.unpack("!HB", unreach[1][:3])
            gone = self._split(unreach[1][3:], family)
            if not gone:
                self.events.append(Event("end", family))
            self._withdrawn(gone)
        if routes < len(body):
            self._announced(self._split(body[routes:], IPV4), Route(attributes, attributes[NEXT_HOP][1]))
        if reach is not None:
            assert reach[0] == OPTIONAL
            afi, safi, size = struct.unpack("!HBB", reach[1][:4])
            found = self._split(reach[1][5 + size :], (afi, safi))
            self._announced(found, Route(attributes, reach[1][4 : 4 + size]))

    def _split(self, octets: bytes, family: tuple[int, int]) -> list[str]:
        return split_prefixes(octets, family, 4 if family in self.with_path_ids else 0)

    def _withdrawn(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.table.pop(text, None)
            self.events.append(Event("withdraw", text))

    def _announced(self, texts: Iterable[str], route: Route) -> None:
        for text in texts:
            self.table[text] = route
            self.events.append(Event("announce", text))


class Watcher:
    """An idle session in a thread of its own: it sends KEEPALIVEs and notes when something came.

    longest_silence: seconds between two messages of the daemon, the most so far.
    """

    def __init__(self, peer: WirePeer) -> None:
        self.peer = peer
        self.longest_silence = 0.0
        self.heard = 0
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher")

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail if the session is not what it was."""
        assert self.error is None, f"the idle session ended: {self.error!r}"
        assert self.longest_silence < self.peer.hold_time * 2 / 3

    def _run(self) -> None:
        pause = self.peer.hold_time / 6
        last = time.monotonic()
        try:
            while not self._stop.is_set():
                self.peer.send(message(KEEPALIVE))
                with suppress(TimeoutError):
                    while True:
                        found = self.peer.receive(pause)
                        self.peer.take(found)
                        self.heard += 1
                        self.longest_silence = max(self.longest_silence, found.at - last)
                        last = found.at
                        if self._stop.is_set() or found.kind == KEEPALIVE:
                            break
                self.longest_silence = max(self.longest_silence, time.monotonic() - last)
        except (OSError, Closed, AssertionError) as error:
            self.error = error
