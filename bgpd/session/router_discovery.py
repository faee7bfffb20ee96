"""The routers on a link, found by their advertisements; and ours, so that they find us: for peers without an address.

RFC 4861 4.1, 4.2 (solicitation and advertisement), 6.1 (what is valid), 6.2 and 6.3 (when to send). Ours have a router
lifetime of 0: no host takes us for its default gateway. ICMPv6 on one raw socket, whose checksums the kernel makes and
checks. Addresses are 16 octets; times are seconds on the loop's clock.
"""

import asyncio
import errno
import fcntl
import socket
import struct
from collections.abc import Callable
from dataclasses import field
from typing import Final, Protocol

from bgpd.addresses import format_address, is_link_local, parse_address
from bgpd.records import dataclass

SOLICITATION: Final = 133
ADVERTISEMENT: Final = 134
INITIAL: Final = 4.0
"""Seconds between the first few messages (RFC 4861 section 10: RTR_SOLICITATION_INTERVAL)."""
INITIAL_COUNT: Final = 3
INTERVAL: Final = 10.0
"""Seconds between advertisements later on; FRR's interval for such peers."""
RETRY: Final = 1.0
"""Seconds until an interface that is not there, or not ready, is looked for again."""
KEPT: Final = 35.0
"""Seconds that a router counts as being there after an advertisement: it may miss two."""
MOST_ROUTERS: Final = 8  # of one link that are remembered
ANSWER: Final = 0.5
"""Seconds between two answers to solicitations on one link."""

_HOP_LIMIT: Final = 255  # RFC 4861 6.1: nothing that came over a router has it
_ADVERTISEMENT: Final = struct.Struct("!BBHBBHII")  # type, code, checksum, hop limit, flags, lifetime, two timers
_SOLICITATION: Final = struct.Struct("!BBHI")
_SOURCE_LINK_ADDRESS: Final = 1  # option type
_ALL_NODES, _ALL_ROUTERS = "ff02::1", "ff02::2"
_SIOCGIFHWADDR: Final = 0x8927
_ETHERNET: Final = 1  # ARPHRD_ETHER
_ICMP6_FILTER: Final = 1  # socket option; bits set = blocked
_SIZE: Final = 2048  # octets, of the longest message that is read whole
_HINTS: Final = {
    errno.EPERM: "CAP_NET_RAW is needed: run as root, or give it to the service",
    errno.EACCES: "CAP_NET_RAW is needed: run as root, or give it to the service",
    errno.EADDRNOTAVAIL: "it has no IPv6 link-local address, or only just got one",
    errno.ENETUNREACH: "it is down, or has no IPv6",
}
_CONTROL: Final = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is on a link. routers: link-local addresses, first heard first. why: why there are none, for people."""

    routers: tuple[bytes, ...] = ()
    why: str = ""


class Discovery(Protocol):
    """What tells the routers of links."""

    def watch(self, interface: str) -> None:
        """Look for routers on the interface, and advertise ourselves there."""

    def unwatch(self, interface: str) -> None:
        """Stop that."""

    def look(self) -> None:
        """Take note that interfaces may have come or gone."""

    def close(self) -> None:
        """Stop all."""


Changed = Callable[[str, LinkState], None]


def advertisement(link_address: bytes) -> bytes:
    """Return a router advertisement of a router that is nobody's default gateway."""
    return _ADVERTISEMENT.pack(ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0) + _link_option(link_address)


def solicitation(link_address: bytes) -> bytes:
    """Return a router solicitation."""
    return _SOLICITATION.pack(SOLICITATION, 0, 0, 0) + _link_option(link_address)


def options(message: bytes) -> dict[int, bytes] | None:
    """Return the options of a valid solicitation or advertisement by type, None = it is not valid (RFC 4861 6.1)."""
    start = {SOLICITATION: _SOLICITATION.size, ADVERTISEMENT: _ADVERTISEMENT.size}.get(message[0] if message else 0)
    if start is None or len(message) < start or message[1] != 0:
        return None
    found: dict[int, bytes] = {}
    while start < len(message):
        if len(message) < start + 2 or not message[start + 1]:
            return None
        stop = start + 8 * message[start + 1]
        if stop > len(message):
            return None
        found.setdefault(message[start], message[start + 2 : stop])
        start = stop
    return found


def explain(interface: str, error: OSError) -> str:
    """Return why a link's routers cannot be found, and what to look at, for people."""
    hint = _HINTS.get(error.errno or 0, "")
    return f"router discovery on {interface}: {error.strerror or error}" + (f" ({hint})" if hint else "")


def _link_option(link_address: bytes) -> bytes:
    if not link_address:
        return b""
    units = -(-(2 + len(link_address)) // 8)
    return bytes((_SOURCE_LINK_ADDRESS, units)) + link_address.ljust(8 * units - 2, b"\0")


@dataclass(slots=True)
class _Router:
    """link_address: of its option, b"" = it has none. until: when it counts as gone."""

    link_address: bytes
    until: float


@dataclass(slots=True)
class _Link:
    """An interface that is watched. index: 0 = it is not there. sent: rounds of messages since it is there."""

    name: str
    index: int = 0
    sent: int = 0
    answered: float = 0.0
    routers: dict[bytes, _Router] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None
    state: LinkState | None = None


class RouterDiscovery:
    """Router discovery on some links. changed: told the interface and what is on it, whenever that differs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: Changed) -> None:
        self._loop = loop
        self._changed = changed
        self._links: dict[str, _Link] = {}
        self._socket: socket.socket | None = None

    def watch(self, interface: str) -> None:
        """Look for routers on the interface, and advertise ourselves there."""
        if interface not in self._links:
            link = self._links[interface] = _Link(interface)
            self._again(link, 0)

    def unwatch(self, interface: str) -> None:
        """Stop that."""
        link = self._links.pop(interface, None)
        if link is not None and link.timer is not None:
            link.timer.cancel()
        if not self._links:
            self.close()

    def look(self) -> None:
        """Take note that interfaces may have come or gone."""
        for link in list(self._links.values()):
            if link.index != _index(link.name):
                self._again(link, 0)

    def close(self) -> None:
        """Stop all."""
        for link in self._links.values():
            if link.timer is not None:
                link.timer.cancel()
        self._links.clear()
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    # private

    def _again(self, link: _Link, seconds: float) -> None:
        if link.timer is not None:
            link.timer.cancel()
        link.timer = self._loop.call_later(seconds, self._tick, link)

    def _tick(self, link: _Link) -> None:
        """Send what is due on a link, and forget the routers that are not heard any more."""
        why = self._prepare(link)
        if not why:
            now = self._loop.time()
            link.routers = {address: router for address, router in link.routers.items() if router.until > now}
            why = self._send_round(link)
        self._tell(link, why)
        pause = RETRY if why else INITIAL if link.sent < INITIAL_COUNT else INTERVAL
        self._again(link, pause)

    def _prepare(self, link: _Link) -> str:
        """Return why nothing can be sent on the link, empty = it can."""
        index = _index(link.name)
        if not index:
            link.index = link.sent = 0
            link.routers.clear()
            return f"there is no interface {link.name}"
        try:
            if self._socket is None:
                self._socket = _open()
                self._loop.add_reader(self._socket.fileno(), self._readable)
            if link.index != index:
                _join(self._socket, index)
        except OSError as error:
            return explain(link.name, error)
        if link.index != index:
            link.index, link.sent = index, 0
            link.routers.clear()
        return ""

    def _send_round(self, link: _Link) -> str:
        assert self._socket is not None  # ``_prepare`` opened it
        own = _link_address(self._socket, link.name)
        messages = [(advertisement(own), _ALL_NODES)]
        if not link.routers:
            messages.append((solicitation(own), _ALL_ROUTERS))
        for octets, target in messages:
            why = self._send(octets, target, link)
            if why:
                return why
        link.sent += 1
        return ""

    def _send(self, octets: bytes, target: str, link: _Link) -> str:
        assert self._socket is not None  # ``_prepare`` opened it
        try:
            self._socket.sendto(octets, (target, 0, 0, link.index))
        except BlockingIOError:
            return ""  # the next round is soon
        except OSError as error:
            return explain(link.name, error)
        return ""

    def _readable(self) -> None:
        assert self._socket is not None  # it is read only while it is open
        for _ in range(64):
            try:
                message, control, _, source = self._socket.recvmsg(_SIZE, _CONTROL)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error of a message that we sent; the link's next round meets it again
            index, hop_limit = _control(control)
            link = next((one for one in self._links.values() if one.index == index), None)
            if link is not None and hop_limit == _HOP_LIMIT:
                self._received(link, message, parse_address(source[0].partition("%")[0]))

    def _received(self, link: _Link, message: bytes, source: bytes) -> None:
        found = options(message)
        if found is None:
            return
        if message[0] == SOLICITATION:
            # 6.1.1: who has no address yet names no link address
            if any(source) or _SOURCE_LINK_ADDRESS not in found:
                self._answer(link, source)
            return
        if not is_link_local(source):
            return  # 6.1.2
        link_address = found.get(_SOURCE_LINK_ADDRESS, b"")
        for address, router in list(link.routers.items()):
            if address != source and link_address and router.link_address == link_address:
                del link.routers[address]  # it is the same router, and has another address now
        if source in link.routers or len(link.routers) < MOST_ROUTERS:
            until = self._loop.time() + KEPT
            link.routers[source] = _Router(link_address, until)
        self._tell(link, "")

    def _answer(self, link: _Link, source: bytes) -> None:
        now = self._loop.time()
        if now - link.answered >= ANSWER and self._socket is not None:
            link.answered = now
            target = format_address(source) if is_link_local(source) else _ALL_NODES
            self._send(advertisement(_link_address(self._socket, link.name)), target, link)

    def _tell(self, link: _Link, why: str) -> None:
        state = LinkState(tuple(link.routers), why)
        if state != link.state:
            link.state = state
            self._changed(link.name, state)


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def _link_address(opened: socket.socket, interface: str) -> bytes:
    """Return the interface's link-layer address, empty = it has none. /sys may show those of another namespace."""
    request = struct.pack("=16sH14s", interface.encode(), 0, b"")
    try:
        answer = fcntl.ioctl(opened.fileno(), _SIOCGIFHWADDR, request.ljust(40, b"\0"))
    except OSError:
        return b""
    kind, octets = struct.unpack_from("=16xH6s", answer)
    return octets if kind == _ETHERNET and any(octets) else b""


def _open() -> socket.socket:
    """Return a socket for router advertisements and solicitations. Raises OSError."""
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    try:
        opened.setblocking(False)
        words = [0xFFFF_FFFF] * 8
        for kind in (SOLICITATION, ADVERTISEMENT):
            words[kind >> 5] &= ~(1 << (kind & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))
        for option, value in (
            (socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT),
            (socket.IPV6_UNICAST_HOPS, _HOP_LIMIT),
            (socket.IPV6_MULTICAST_LOOP, 0),
            (socket.IPV6_RECVPKTINFO, 1),
            (socket.IPV6_RECVHOPLIMIT, 1),
        ):
            opened.setsockopt(socket.IPPROTO_IPV6, option, value)
    except OSError:
        opened.close()
        raise
    return opened


def _join(opened: socket.socket, index: int) -> None:
    """Hear what is sent to all routers of a link. Raises OSError."""
    group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS) + struct.pack("=i", index)
    try:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:  # it is joined already
            raise


def _control(control: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Return the interface's index and the hop limit that a message came with; 0 = not said."""
    index = hop_limit = 0
    for level, kind, value in control:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            index = int(struct.unpack_from("=I", value, 16)[0])
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
            hop_limit = int(struct.unpack_from("=i", value)[0])
    return index, hop_limit
