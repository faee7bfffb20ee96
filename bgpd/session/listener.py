"""Accepting connections for all peers: who may come in, and how many at a time.

RFC 4271 8.2.1; RFC 2385 and RFC 5925 (TCP-MD5 and TCP-AO keys live on the listening sockets). A connection is half-open
from TCP's handshake until a valid OPEN came on it. Addresses are 4 or 16 octets.
"""

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from bgpd.addresses import format_address, parse_address
from bgpd.errors import Cease, CeaseSubcode
from bgpd.messages import codec
from bgpd.messages.notification import from_error
from bgpd.records import dataclass
from bgpd.session.connection import Connection
from bgpd.session.faulty_message import LineLimit
from bgpd.session.peer import PeerSession
from bgpd.session.settings import AoKey
from bgpd.session.sockets import ListeningSocket, Network, describe

HALF_OPEN_LIMIT: Final = 4096
"""Connections that may be half-open, if that is at most a quarter of our files: above the number of clients that come
back at once when a reflector restarts."""
HALF_OPEN_LIMIT_PER_ADDRESS: Final = 4

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.session")

LINGERING_LIMIT: Final = 256
"""Refused connections that may be closing with a NOTIFICATION at a time; more are reset."""
ANSWERED_STRANGERS: Final = 20
"""Connections of strangers a minute that are told Cease/Connection Rejected (RFC 4486 section 4); more are reset: a
scan or a flood must cost next to nothing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection from a known place is not wanted; the peer is told."""

    cease: Cease


FindPeer = Callable[[bytes, str], PeerSession | Refusal | None]


class ListenError(Exception):
    """An address that we cannot listen on. why: for people."""

    def __init__(self, address: bytes, port: int, why: str) -> None:
        super().__init__(f"cannot listen on {format_address(address)} port {port}: {why}")
        self.address = address
        self.port = port
        self.why = why


class Listener:
    """The listening sockets.

    find_peer: which session a connection from this address, on this link if it is link-local, belongs to. accepted,
    unknown_peers, refused, over_limit: connections by what became of them; over_limit ones were closed unread. fault:
    why we do not listen although we should, for people; empty = we do.
    """

    def __init__(
        self,
        network: Network,
        find_peer: FindPeer,
        loop: asyncio.AbstractEventLoop,
        *,
        half_open_limit: int | None = None,
    ) -> None:
        self.accepted = 0
        self.unknown_peers = 0
        self.refused = 0
        self.over_limit = 0
        self.fault = ""
        self._network = network
        self._find_peer = find_peer
        self._loop = loop
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = half_open_limit or min(HALF_OPEN_LIMIT, max(1, files // 4))
        self._half_open: dict[Connection, tuple[bytes, int]] = {}  # by whose address and link, oldest first
        self._half_open_by_place: Counter[tuple[bytes, int]] = Counter()
        self._strangers: dict[Connection, None] = {}  # those of them that are no configured peer's
        self._lingering: set[Connection] = set()
        self._lines = LineLimit()
        self._answers = LineLimit(ANSWERED_STRANGERS)
        self._sockets: list[ListeningSocket] = []
        self._passwords: dict[tuple[bytes, int], str] = {}
        self._ao_keys: dict[tuple[bytes, int], tuple[AoKey, ...]] = {}
        self._last_refused: tuple[bytes, str] | None = None

    @property
    def half_open(self) -> int:
        """Connections of which we do not know yet whether they speak BGP."""
        return len(self._half_open)

    @property
    def addresses(self) -> tuple[tuple[bytes, int], ...]:
        """What we listen on: address and port."""
        return tuple((listening.address, listening.port) for listening in self._sockets)

    async def start(self, addresses: Iterable[bytes], port: int) -> None:
        """Listen on all of these, or on none: raises ListenError."""
        self.fault = ""
        for address in addresses:
            try:
                listening = await self._network.listen(address, port, self._make_connection)
                self._sockets.append(listening)
                # Nobody gets in before the socket has the keys
                for (prefix, length), password in self._passwords.items():
                    self._set_password(listening, prefix, length, password)
                for (prefix, length), keys in self._ao_keys.items():
                    self._set_ao_keys(listening, prefix, length, keys)
                await listening.serve()
            except OSError as error:
                await self.close()
                refused = ListenError(address, port, describe(error))
                self.fault = str(refused)
                raise refused from error
            except ListenError as error:
                await self.close()
                self.fault = str(error)
                raise

    async def close(self) -> None:
        """Accept no more; connections that exist stay."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            await listening.close()

    def set_password(self, address: bytes, length: int, password: str | None) -> None:
        """Require a TCP-MD5 key of who dials from address/length, now and after a later start; None = no longer.

        Raises ListenError if the kernel refuses; then such a peer must not be let in.
        """
        if password is None:
            self._passwords.pop((address, length), None)
        else:
            self._passwords[address, length] = password
        for listening in self._sockets:
            self._set_password(listening, address, length, password)

    def set_ao_keys(self, address: bytes, length: int, keys: tuple[AoKey, ...]) -> None:
        """Require one of these TCP-AO keys of who dials from address/length, now and after a later start; () = none.

        Raises ListenError if the kernel refuses; then such a peer must not be let in.
        """
        known = self._ao_keys.pop((address, length), ())
        if keys:
            self._ao_keys[address, length] = keys
        if keys != known:
            for listening in self._sockets:
                self._set_ao_keys(listening, address, length, keys)

    def _set_ao_keys(self, listening: ListeningSocket, address: bytes, length: int, keys: tuple[AoKey, ...]) -> None:
        if len(listening.address) != len(address):
            return
        try:
            listening.set_ao_keys(address, length, keys)
        except (OSError, ValueError) as error:
            why = describe(error) if isinstance(error, OSError) else str(error)
            what = f"TCP-AO for {format_address(address)}/{length}: {why}"
            raise ListenError(listening.address, listening.port, what) from error

    def _set_password(self, listening: ListeningSocket, address: bytes, length: int, password: str | None) -> None:
        if len(listening.address) != len(address):
            return
        try:
            listening.set_password(address, length, password)
        except (OSError, ValueError) as error:
            why = describe(error) if isinstance(error, OSError) else str(error)
            what = f"TCP-MD5 for {format_address(address)}/{length}: {why}"
            raise ListenError(listening.address, listening.port, what) from error

    def _make_connection(self) -> Connection:
        return Connection(self._loop, self._opened)

    def _make_room(self) -> bool:
        """Is there room for one more half-open connection? The oldest that is no configured peer's gives way."""
        if len(self._half_open) >= self._limit and self._strangers:
            self.over_limit += 1
            next(iter(self._strangers)).drop("gave way to newer connections: no OPEN came on it")
        return len(self._half_open) < self._limit

    def _farewell(self, connection: Connection, cease: Cease) -> None:
        """Say why; a flood is reset instead."""
        if len(self._lingering) >= LINGERING_LIMIT:
            connection.abort()
            return
        connection.write(codec.encode(from_error(cease)))
        connection.close()
        self._lingering.add(connection)
        connection.gone = self._lingering.discard

    def _opened(self, connection: Connection) -> None:
        remote = connection.remote
        address, port = parse_address(remote.address), remote.port
        place = address, remote.scope  # routers may have one link-local address on all their links
        if self._half_open_by_place[place] >= HALF_OPEN_LIMIT_PER_ADDRESS or not self._make_room():
            self.over_limit += 1
            self._log_refusal(address, port, "too many connections without an OPEN")
            connection.abort()
            return
        session = self._find_peer(address, _interface(remote.scope))
        if session is None:
            self.unknown_peers += 1
            self._log_refusal(address, port, "no peer has this address")
            if self._answers.left(self._loop.time()):
                self._farewell(connection, Cease(CeaseSubcode.CONNECTION_REJECTED, why="no peer has this address"))
            else:
                connection.abort()
            return
        if isinstance(session, Refusal):
            self.refused += 1
            self._farewell(connection, session.cease)
            return
        self._half_open[connection] = place
        self._half_open_by_place[place] += 1
        if session.admission is not None:
            self._strangers[connection] = None
        connection.settled = lambda: self._settled(connection)
        if session.accept(connection):
            self.accepted += 1
        else:
            self.refused += 1

    def _settled(self, connection: Connection) -> None:
        place = self._half_open.pop(connection)
        self._strangers.pop(connection, None)
        self._half_open_by_place[place] -= 1
        if not self._half_open_by_place[place]:
            del self._half_open_by_place[place]

    def _log_refusal(self, address: bytes, port: int, reason: str) -> None:
        # One line for each who tries, not one for each try
        if self._last_refused != (address, reason) and self._lines.left(self._loop.time()):
            self._last_refused = (address, reason)
            _log.warning("connection refused", remote=format_address(address), port=port, reason=reason)


def _interface(scope: int) -> str:
    if not scope:
        return ""
    try:
        return socket.if_indextoname(scope)
    except OSError:  # the link went away since the handshake: then it is nobody's
        return ""
