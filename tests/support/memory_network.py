"""A network in memory for ``VirtualLoop``: hosts, TCP connections between them, and what goes wrong on the way.

Seconds and octets. It replaces ``bgpd.session.sockets.TcpNetwork``. Connections are reliable and in order like TCP;
``cut`` resets them, ``block`` lets nothing through (a dial then hangs, octets wait), a host may be silent or refuse.
The same seed gives the same delays.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TypeVar

from bgpd.addresses import format_address, parse_address
from bgpd.session.router_discovery import Changed
from bgpd.session.settings import AoKey, SessionSettings

WINDOW = 64 * 1024
"""Octets that may be under way, or lie unread at the receiver, before the sender's own buffer fills."""


T = TypeVar("T")


class MemoryNetwork:
    """All hosts and connections. latency: one way; up to ``spread`` more for each chunk, at random."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, latency: float = 0.001, spread: float = 0.0, seed: int = 1
    ) -> None:
        self.loop = loop
        self.latency = latency
        self.spread = spread
        self.hosts: dict[bytes, MemoryHost] = {}
        self.transports: list[MemoryTransport] = []
        self.unsigned = 0
        self.has_tcp_ao = True
        self._blocked: set[frozenset[bytes]] = set()
        self._random = Random(seed)

    def host(self, *addresses: str) -> "MemoryHost":
        """Return a new host with these addresses; it is a ``Network``."""
        packed = tuple(parse_address(address) for address in addresses)
        host = MemoryHost(self, packed)
        self.hosts.update(dict.fromkeys(packed, host))
        return host

    def delay(self) -> float:
        """Return how long the next chunk takes."""
        return self.latency + self._random.uniform(0, self.spread)

    def between(self, first: str, second: str) -> "list[MemoryTransport]":
        """Return both ends of all connections between two addresses."""
        pair = frozenset((parse_address(first), parse_address(second)))
        return [transport for transport in self.transports if transport.pair == pair]

    def cut(self, first: str, second: str) -> None:
        """Reset all connections between two addresses, at both ends."""
        for transport in self.between(first, second):
            transport.lose(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def block(self, first: str, second: str) -> None:
        """Let nothing through between two addresses."""
        self._blocked.add(frozenset((parse_address(first), parse_address(second))))

    def unblock(self, first: str, second: str) -> None:
        """Let it through again, with what has waited."""
        self._blocked.discard(frozenset((parse_address(first), parse_address(second))))
        for transport in self.between(first, second):
            transport.pump()

    def is_blocked(self, pair: frozenset[bytes]) -> bool:
        """Does nothing get through?"""
        return pair in self._blocked


class MemoryHost:
    """One host: dials and listens. dials: how many times it dialled."""

    def __init__(self, network: MemoryNetwork, addresses: tuple[bytes, ...]) -> None:
        self.network = network
        self.addresses = addresses
        self.listening: dict[tuple[bytes, int], MemoryListeningSocket] = {}
        self.dials = 0
        self.discovery = MemoryDiscovery(lambda _interface, _state: None)
        self._next_port = 40000

    async def dial(self, settings: SessionSettings, connection: asyncio.Protocol) -> None:
        """Connect to the peer. Raises OSError."""
        network = self.network
        self.dials += 1
        size = len(settings.address)
        source = settings.local_address or next(address for address in self.addresses if len(address) == size)
        pair = frozenset((source, settings.address))
        await asyncio.sleep(network.delay())
        target = network.hosts.get(settings.address)
        if target is None or network.is_blocked(pair):
            await network.loop.create_future()  # nobody answers
        assert target is not None
        listening = target.listening.get((settings.address, settings.port)) or target.listening.get(
            (bytes(size), settings.port)
        )
        if listening is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if not listening.is_signed(source, settings):
            network.unsigned += 1
            await network.loop.create_future()  # TCP-MD5 drops what is not signed right
        self._next_port += 1
        here, there = (source, self._next_port), (settings.address, settings.port)
        near = MemoryTransport(network, connection, here, there)
        far = MemoryTransport(network, listening.make_connection(), there, here)
        near.peer, far.peer = far, near
        network.transports += [near, far]
        network.loop.call_soon(far.begin)
        try:
            await asyncio.sleep(network.delay())
        except asyncio.CancelledError:
            near.abort()
            raise
        near.begin()

    async def listen(
        self, address: bytes, port: int, make_connection: Callable[[], asyncio.Protocol]
    ) -> "MemoryListeningSocket":
        """Accept connections on this address. Raises OSError."""
        if (address, port) in self.listening:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listening = MemoryListeningSocket(self, address, port, make_connection)
        self.listening[address, port] = listening
        return listening

    def admit(self, transport: asyncio.Transport, settings: SessionSettings) -> None:
        """Nothing to check: there are no hops."""

    def refusal(self, settings: SessionSettings) -> str:
        """Return why such a session cannot be signed: without TCP-AO, as on an older kernel, if the test says so."""
        return "TCP-AO key cannot be used: no TCP-AO" if settings.ao_keys and not self.network.has_tcp_ao else ""

    def router_discovery(self, changed: Changed) -> "MemoryDiscovery":
        """Return what finds the routers that the test says there are."""
        self.discovery = MemoryDiscovery(changed)
        return self.discovery

    def unsigned_segments(self) -> int | None:
        """Return how many dials were dropped for their signature."""
        return self.network.unsigned


class MemoryDiscovery:
    """Router discovery: the test calls ``changed`` with an interface and what is on it. watched: interfaces. begun: the
    same, each time that it began to look there.
    """

    def __init__(self, changed: Changed) -> None:
        self.changed = changed
        self.watched: set[str] = set()
        self.begun: list[str] = []

    def watch(self, interface: str) -> None:
        if interface not in self.watched:
            self.watched.add(interface)
            self.begun.append(interface)

    def unwatch(self, interface: str) -> None:
        self.watched.discard(interface)

    def look(self) -> None:
        """Nothing comes or goes by itself."""

    def close(self) -> None:
        self.watched.clear()


class MemoryListeningSocket:
    """One listening address."""

    def __init__(
        self, host: MemoryHost, address: bytes, port: int, make_connection: Callable[[], asyncio.Protocol]
    ) -> None:
        self.host = host
        self.address = address
        self.port = port
        self.make_connection = make_connection
        self.passwords: dict[tuple[bytes, int], str] = {}
        self.ao_keys: dict[tuple[bytes, int], tuple[AoKey, ...]] = {}

    def set_password(self, address: bytes, length: int, password: str | None) -> None:
        """Require a password of who dials from there."""
        if password is None:
            self.passwords.pop((address, length), None)
        else:
            self.passwords[address, length] = password

    def set_ao_keys(self, address: bytes, length: int, keys: tuple[AoKey, ...]) -> None:
        """Require one of these keys of who dials from there."""
        self.ao_keys[address, length] = keys

    def is_signed(self, source: bytes, settings: SessionSettings) -> bool:
        """Does a dial from there have the password or a key that it needs?"""
        wanted = _most_specific(self.passwords, source)
        keys = _most_specific(self.ao_keys, source) or ()
        ours = {(key.key, key.recv_id, key.send_id) for key in keys}
        theirs = {(key.key, key.send_id, key.recv_id) for key in settings.ao_keys[:1]}
        return wanted == settings.password and (theirs <= ours if theirs else not ours)

    async def serve(self) -> None:
        """Nothing to do: it accepts from the start."""

    async def close(self) -> None:
        """Accept no more."""
        del self.host.listening[self.address, self.port]


class MemoryTransport(asyncio.Transport):
    """One end of a connection."""

    peer: "MemoryTransport"

    def __init__(
        self, network: MemoryNetwork, protocol: asyncio.Protocol, local: tuple[bytes, int], remote: tuple[bytes, int]
    ) -> None:
        super().__init__({"sockname": _name(*local), "peername": _name(*remote)})
        self.network = network
        self.protocol = protocol
        self.pair = frozenset((local[0], remote[0]))
        self._unsent = bytearray()
        self._in_flight = 0
        self._inbox: deque[bytes] = deque()  # b"" = end of file
        self._last_arrival = 0.0
        self._is_closing = self._is_lost = self._is_congested = False
        self._is_paused = True
        self._has_eof = self._has_sent_eof = False
        self._high, self._low = 64 * 1024, 16 * 1024

    def begin(self) -> None:
        """Hand the connection to its protocol, then what has come already."""
        self.protocol.connection_made(self)
        self.resume_reading()

    # --- Writing ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost or self._is_closing:
            return
        assert not self._has_eof
        self._unsent += data
        self.pump()
        if len(self._unsent) > self._high and not self._is_congested:
            self._is_congested = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._has_eof = True
        self.pump()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else self._high
        self._low = low if low is not None else self._high // 4

    def pump(self) -> None:
        """Put under way what the window and the network let through."""
        if self._is_lost or self.network.is_blocked(self.pair):
            return
        while self._unsent and (room := WINDOW - self._in_flight) > 0:
            chunk = bytes(self._unsent[:room])
            del self._unsent[:room]
            self._in_flight += len(chunk)
            self._travel(chunk)
        if not self._unsent and (self._has_eof or self._is_closing) and not self._has_sent_eof:
            self._has_sent_eof = True
            self._travel(b"")
            if self._is_closing:
                self.network.loop.call_soon(self._finish, None)
        if self._is_congested and len(self._unsent) <= self._low:
            self._is_congested = False
            self.network.loop.call_soon(self.protocol.resume_writing)

    def _travel(self, chunk: bytes) -> None:
        loop = self.network.loop
        # Never two at one time: the loop does not keep the order of timers that are due together
        self._last_arrival = max(self._last_arrival + 1e-6, loop.time() + self.network.delay())
        loop.call_at(self._last_arrival, self.peer.arrive, chunk)

    # --- Reading ---

    def arrive(self, chunk: bytes) -> None:
        """Take a chunk from the network."""
        self._inbox.append(chunk)
        self._read()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.network.loop.call_soon(self._read)

    def is_reading(self) -> bool:
        return not self._is_paused

    def _read(self) -> None:
        while self._inbox and not self._is_paused and not self._is_lost:
            chunk = self._inbox.popleft()
            if not chunk:
                if not self.protocol.eof_received():
                    self.close()
                return
            self.peer.acknowledge(len(chunk))
            if not self._is_closing:
                self.protocol.data_received(chunk)

    def acknowledge(self, octets: int) -> None:
        """Learn that the other end has read."""
        self._in_flight -= octets
        self.network.loop.call_soon(self.pump)

    # --- Ending ---

    def is_closing(self) -> bool:
        return self._is_closing or self._is_lost

    def close(self) -> None:
        if not self._is_closing and not self._is_lost:
            self._is_closing = True
            if self._has_sent_eof:
                self.network.loop.call_soon(self._finish, None)
            else:
                self.pump()

    def abort(self) -> None:
        if not self._is_lost:
            self.lose(None)
            peer = self.peer
            reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            self.network.loop.call_later(self.network.delay(), peer.lose, reset)

    def lose(self, error: Exception | None) -> None:
        """End at once."""
        if not self._is_lost:
            self._is_lost = True
            self.network.loop.call_soon(self._report, error)

    def _finish(self, error: Exception | None) -> None:
        self.lose(error)

    def _report(self, error: Exception | None) -> None:
        self.network.transports.remove(self)
        self.protocol.connection_lost(error)


def _most_specific(table: dict[tuple[bytes, int], T], source: bytes) -> T | None:
    """Return what holds for an address: of the longest prefix that it is in, as the kernel looks it up."""
    bits = len(source) * 8
    number = int.from_bytes(source)
    found = [
        (length, value)
        for (network, length), value in table.items()
        if len(network) == len(source) and (number ^ int.from_bytes(network)) >> (bits - length) == 0
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def _name(address: bytes, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    text = format_address(address)
    return (text, port) if len(address) == 4 else (text, port, 0, 0)
