"""Simulated peers on one event loop: they announce, read and drop what they are told, and go in every way there is.

RFC 4271. Each peer has an AS, an address of 127.0.0.0/8 and prefixes of its own, announced with a few attribute blocks.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from random import Random
from typing import Final

from tests.support.wire_daemon import Remote
from tests.support.wire_peer import (
    IPV4,
    KEEPALIVE,
    NOTIFICATION,
    REFRESH,
    four_octet_as,
    message,
    multiprotocol,
    open_message,
    parameter,
    path_attributes,
    route_refresh,
    update,
)

BLOCKS: Final = 5  # attribute blocks that the prefixes of a peer share
_KEEPALIVE_TIME: Final = 25.0
_PER_UPDATE: Final = 800  # /24 prefixes that fit beside the attributes
_MEAN_DOWN: Final = 1.0
_PATIENCE: Final = 60.0  # seconds until a session has to be there; a refused peer tries again


class _Session(asyncio.Protocol):
    """One connection of a peer. octets: how many were read."""

    def __init__(self, peer: "SoakPeer") -> None:
        self._peer = peer
        self.octets = 0
        self.is_open = False
        self.transport: asyncio.Transport
        self._keepalive: asyncio.TimerHandle | None = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # the loop's transports are no subclass with uvloop
        self._keep_alive()

    def data_received(self, data: bytes) -> None:
        if not self.octets:
            self.is_open = True
            self._peer.opened(self)
        self.octets += len(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def _keep_alive(self) -> None:
        if self.is_open:
            self.transport.write(message(KEEPALIVE))
        self._keepalive = asyncio.get_running_loop().call_later(_KEEPALIVE_TIME, self._keep_alive)


class SoakPeer:
    """One peer. counts: its mishaps by name. sessions: how often the daemon answered its OPEN."""

    def __init__(self, remote: Remote, daemon: tuple[str, int], prefixes: int, random: Random) -> None:
        self.address, self.asn = remote.address, remote.asn
        self.counts: dict[str, int] = {}
        self.sessions = 0
        self._daemon = daemon
        self._random = random
        self._session: _Session | None = None
        first = remote.number * prefixes
        self._keys = [b"\x18" + (0x14_0000 + first + index).to_bytes(3) for index in range(prefixes)]  # 20.0.0.0/24 on

    async def come(self) -> None:
        """Connect and say OPEN; the routes follow when the daemon has answered."""
        where = (self.address, 0)
        while True:
            loop = asyncio.get_running_loop()
            with suppress(OSError):
                _, session = await loop.create_connection(lambda: _Session(self), *self._daemon, local_addr=where)
                self._session = session
                offers = multiprotocol(*IPV4) + REFRESH + four_octet_as(self.asn)
                session.transport.write(open_message(self.asn, self.address, 90, parameter(offers)))
                return
            await asyncio.sleep(0.2)

    def opened(self, session: _Session) -> None:
        """Answer the daemon's OPEN, and announce everything."""
        self.sessions += 1
        session.transport.write(message(KEEPALIVE) + self._table(0))

    async def stay_up(self) -> None:
        """See to it that there is a session: one that the daemon closed, or refused, is followed by another."""
        while self._session is None or self._session.closed.done() or not self._session.is_open:
            if self._session is None or self._session.closed.done():
                await self.come()
            await asyncio.sleep(0.5)

    async def leave(self) -> None:
        """Say Cease and wait until the connection is closed."""
        session, self._session = self._session, None
        if session is not None and not session.closed.done():
            session.transport.write(message(NOTIFICATION, b"\6\2"))
            session.transport.close()
            await session.closed

    async def flap(self, until: float, mean: float) -> None:
        """Go and come back at random until that time of the loop; mean: seconds between two mishaps."""
        loop, random = asyncio.get_running_loop(), self._random
        mishaps = (
            self._cease,
            self._reset,
            self._hang_up,
            self._garble,
            self._change,
            self._shrink,
            self._freeze,
            self._half_open,
        )
        while True:
            pause = random.expovariate(1 / mean)
            if loop.time() + pause >= until:
                return
            await asyncio.sleep(pause)
            mishap = random.choice(mishaps)
            name = mishap.__name__.removeprefix("_")
            self.counts[name] = self.counts.get(name, 0) + 1
            session = self._session
            if session is not None and not session.closed.done():
                await mishap(session)
            session = self._session
            if session is None or session.closed.done():
                await asyncio.sleep(random.expovariate(1 / _MEAN_DOWN))
                await self.come()

    # mishaps

    async def _cease(self, _: _Session) -> None:
        await self.leave()

    async def _reset(self, session: _Session) -> None:
        found = session.transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        session.transport.abort()
        await session.closed

    async def _hang_up(self, session: _Session) -> None:
        session.transport.close()
        await session.closed

    async def _garble(self, session: _Session) -> None:
        session.transport.write(self._random.randbytes(40))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(session.closed), _PATIENCE)

    async def _change(self, session: _Session) -> None:
        session.transport.write(self._table(self._random.randrange(1, 1000)))

    async def _shrink(self, session: _Session) -> None:
        gone = self._random.sample(self._keys, len(self._keys) // 2)
        session.transport.write(update(withdrawn=b"".join(gone)))
        session.transport.write(route_refresh(IPV4))

    async def _freeze(self, session: _Session) -> None:
        session.transport.pause_reading()
        await asyncio.sleep(5 * self._random.random())
        if not session.closed.done():
            session.transport.resume_reading()

    async def _half_open(self, session: _Session) -> None:
        """A second connection that never says anything."""
        with suppress(OSError):
            loop = asyncio.get_running_loop()
            where = (self.address, 0)
            transport, _ = await loop.create_connection(asyncio.Protocol, *self._daemon, local_addr=where)
            await asyncio.sleep(self._random.random())
            transport.abort()

    def _table(self, version: int) -> bytes:
        """Return the UPDATEs that announce every prefix; another version has other attributes."""
        found = []
        for block in range(BLOCKS):
            keys = self._keys[block::BLOCKS]
            path = (self.asn, 64000 + block, 1 + version)
            for start in range(0, len(keys), _PER_UPDATE):
                found.append(update(path_attributes(path, self.address), b"".join(keys[start : start + _PER_UPDATE])))
        return b"".join(found)
