"""TCP as BGP wants it: source address, TCP-MD5, TTL and GTSM, precedence; behind a small ``Network``.

RFC 4271 8.2.1 and appendix E; RFC 2385 (TCP-MD5), RFC 5925 (TCP-AO), RFC 5082 (GTSM), RFC 4594 (network control is
CS6). Linux. A test replaces ``TcpNetwork`` with a network in memory. Addresses are 4 or 16 octets; options are the
kernel's structures.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from bgpd.addresses import format_address, is_link_local
from bgpd.families import FAMILY_BY_ADDRESS_SIZE
from bgpd.session import tcp_ao
from bgpd.session.router_discovery import Changed, Discovery, RouterDiscovery
from bgpd.session.settings import AoKey, SessionSettings

BACKLOG: Final = 4096  # a reflector's clients all come at once; the kernel lowers it to net.core.somaxconn
_ACCEPTED: Final = 64  # connections in one turn of the loop, about 10 ms
_REST: Final = 1.0  # seconds, when there is no descriptor or memory left for a connection
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
DSCP_CS6: Final = 0xC0
MAX_TTL: Final = 255
_SYSTEM_TTL: Final = -1  # to the kernel: whatever the sysctl says

_TCP_MD5SIG: Final = 14
_TCP_SAVE_SYN: Final = 27
_TCP_SAVED_SYN: Final = 28
_TCP_MD5SIG_EXT: Final = 32
_MD5_PREFIX_FLAG: Final = 1
_MD5_MAX_KEY: Final = 80
_IP_MINTTL: Final = 21
_IPV6_MINHOPCOUNT: Final = 73
_SYN_SIZE: Final = 256  # octets, of the headers that the kernel kept
_TTL_OFFSET: Final = {socket.AF_INET: 8, socket.AF_INET6: 7}  # of TTL or hop limit in the IP header
_COUNTERS: Final = "/proc/net/netstat"  # its first two lines: names and values
_DROPS: Final = frozenset(
    {
        *("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure"),
        *("TCPAORequired", "TCPAOBad", "TCPAOKeyNotFound"),
    }
)
# struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, interface index, key
_MD5SIG: Final = struct.Struct("=128sBBHi80s")


_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.sockets")


class ListeningSocket(Protocol):
    """One address that accepts connections."""

    @property
    def address(self) -> bytes: ...
    @property
    def port(self) -> int: ...
    def set_password(self, address: bytes, length: int, password: str | None) -> None:
        """Require TCP-MD5 with this key from that prefix; None = no longer. Raises OSError."""

    def set_ao_keys(self, address: bytes, length: int, keys: tuple[AoKey, ...]) -> None:
        """Require TCP-AO with one of these keys from that prefix; empty = no longer. Raises OSError."""

    async def serve(self) -> None:
        """Begin to accept connections, now that the keys are there. Raises OSError."""

    async def close(self) -> None:
        """Accept no more."""


class Network(Protocol):
    """Where connections come from."""

    async def dial(self, settings: SessionSettings, connection: asyncio.Protocol) -> None:
        """Connect to the peer; ``connection.connection_made`` is called before this returns. Raises OSError."""

    async def listen(
        self, address: bytes, port: int, make_connection: Callable[[], asyncio.Protocol]
    ) -> ListeningSocket:
        """Take this address; connections are accepted after ``serve``. Raises OSError."""

    def admit(self, transport: asyncio.Transport, settings: SessionSettings) -> None:
        """Apply the peer's settings to a connection that it opened. Raises OSError."""

    def refusal(self, settings: SessionSettings) -> str:
        """Return why this system cannot sign such a session's segments, for people; empty = it can, or need not."""

    def unsigned_segments(self) -> int | None:
        """Return how many segments were dropped for their signature; None = that is not counted here."""

    def router_discovery(self, changed: Changed) -> Discovery:
        """Return what finds the routers on links."""


class TcpNetwork:
    """The kernel's TCP."""

    async def dial(self, settings: SessionSettings, connection: asyncio.Protocol) -> None:
        """Connect to the peer. Raises OSError."""
        loop = asyncio.get_running_loop()
        opened = socket.socket(_family(settings.address), socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            if settings.password is not None:
                sign(opened, settings.address, len(settings.address) * 8, settings.password)
            tcp_ao.sign_dial(opened, settings.address, settings.ao_keys)
            _prepare(opened)
            limit_hops(opened, settings)
            if settings.local_address is not None:
                opened.bind(_socket_address(settings.local_address, 0, settings.interface))
            await _connect(opened, _socket_address(settings.address, settings.port, settings.interface))
            await loop.create_connection(lambda: connection, sock=opened)
        except BaseException:  # also when the dial is cancelled: the socket is nobody's
            opened.close()
            raise

    async def listen(
        self, address: bytes, port: int, make_connection: Callable[[], asyncio.Protocol]
    ) -> ListeningSocket:
        """Take this address; connections are accepted after ``serve``. Raises OSError."""
        opened = socket.socket(_family(address), socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if opened.family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _prepare(opened)
            # A peer under GTSM drops our SYN-ACK unless it left with 255, and it leaves before we know the peer
            _set_ttl(opened, MAX_TTL)
            opened.setsockopt(socket.IPPROTO_TCP, _TCP_SAVE_SYN, 1)
            opened.bind(_socket_address(address, port, ""))
        except BaseException:
            opened.close()
            raise
        return TcpListeningSocket(address, opened, make_connection, asyncio.get_running_loop())

    def admit(self, transport: asyncio.Transport, settings: SessionSettings) -> None:
        """Apply TTL and GTSM to a connection that the peer opened. Raises OSError."""
        accepted: socket.socket = transport.get_extra_info("socket")
        _prepare(accepted)
        if not settings.ttl_security and not settings.multihop_ttl:
            _set_ttl(accepted, _SYSTEM_TTL)
        if settings.ttl_security:
            _check_syn(accepted, MAX_TTL + 1 - settings.ttl_security)
        limit_hops(accepted, settings)
        if settings.ao_keys:
            tcp_ao.prefer(accepted, settings.ao_keys[0])

    def refusal(self, settings: SessionSettings) -> str:
        """Return why the kernel cannot sign such a session's segments, tried on a socket; empty = it can."""
        if not settings.authentication:
            return ""
        address = settings.address or bytes(4)
        with socket.socket(_family(address), socket.SOCK_STREAM) as tried:
            try:
                if settings.password is not None:
                    sign(tried, address, len(address) * 8, settings.password)
                tcp_ao.sign_dial(tried, address, settings.ao_keys)
            except (OSError, ValueError) as error:
                why = describe(error) if isinstance(error, OSError) else str(error)
                return f"{settings.authentication} cannot be used: {why}"
        return ""

    def router_discovery(self, changed: Changed) -> Discovery:
        """Return what finds the routers on links."""
        return RouterDiscovery(asyncio.get_running_loop(), changed)

    def unsigned_segments(self) -> int | None:
        """Return how many segments the kernel dropped for a TCP-MD5 or TCP-AO signature, of any peer."""
        try:
            with open(_COUNTERS, encoding="ascii") as file:
                keys, values = file.readline().split(), file.readline().split()
        except OSError:
            return None
        return sum(int(value) for key, value in zip(keys, values, strict=False) if key in _DROPS)


class TcpListeningSocket:
    """One listening TCP socket. It accepts for itself: a server of uvloop takes one connection in a turn of the loop,
    and a thousand clients that all come back would wait for a thousand turns.
    """

    def __init__(
        self,
        address: bytes,
        opened: socket.socket,
        make_connection: Callable[[], asyncio.Protocol],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.address = address
        self.port: int = opened.getsockname()[1]
        self._socket = opened
        self._make_connection = make_connection
        self._loop = loop
        self._handovers: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._ao_keys: dict[tuple[bytes, int], tuple[AoKey, ...]] = {}

    def set_password(self, address: bytes, length: int, password: str | None) -> None:
        """Require TCP-MD5 with this key from that prefix; None = no longer. Raises OSError."""
        try:
            sign(self._socket, address, length, password)
        except FileNotFoundError:
            if password is not None:
                raise
            # There was no key to remove

    def set_ao_keys(self, address: bytes, length: int, keys: tuple[AoKey, ...]) -> None:
        """Require TCP-AO with one of these keys from that prefix; empty = no longer. Raises OSError, ValueError."""
        tcp_ao.forget(self._socket, address, length, self._ao_keys.pop((address, length), ()))
        if keys:
            self._ao_keys[address, length] = keys
            tcp_ao.sign_listening(self._socket, address, length, keys)

    async def serve(self) -> None:
        """Begin to accept connections. Raises OSError."""
        self._socket.listen(BACKLOG)
        self._loop.add_reader(self._socket, self._accept)

    async def close(self) -> None:
        """Accept no more."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _log.error("no connection can be accepted", address=format_address(self.address), why=describe(error))
                self._loop.remove_reader(self._socket)
                self._rest = self._loop.call_later(_REST, self._loop.add_reader, self._socket, self._accept)
                return
            accepted.setblocking(False)
            handover = self._loop.create_task(self._hand_over(accepted))
            self._handovers.add(handover)
            handover.add_done_callback(self._handovers.discard)

    async def _hand_over(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_connection, accepted)
        except OSError:  # reset meanwhile
            accepted.close()


def sign(target: socket.socket, address: bytes, length: int, password: str | None) -> None:
    """Set or remove the TCP-MD5 key for a peer's prefix (RFC 2385). Raises OSError, ValueError for a key too long."""
    key = password.encode() if password is not None else b""
    if len(key) > _MD5_MAX_KEY:
        raise ValueError(f"a TCP-MD5 password has at most {_MD5_MAX_KEY} octets, this one {len(key)}")
    family = struct.pack("=H", _family(address))
    # sockaddr_in: port, address; sockaddr_in6: port, flow, address
    sockaddr = family + (b"\0\0" if len(address) == 4 else bytes(6)) + address
    is_host = length == len(address) * 8
    flags, option = (0, _TCP_MD5SIG) if is_host else (_MD5_PREFIX_FLAG, _TCP_MD5SIG_EXT)
    value = _MD5SIG.pack(sockaddr, flags, 0 if is_host else length, len(key), 0, key)
    target.setsockopt(socket.IPPROTO_TCP, option, value)


def limit_hops(target: socket.socket, settings: SessionSettings) -> None:
    """Set the TTL of what leaves, and for GTSM the lowest TTL that may come in (RFC 5082 section 3)."""
    if settings.ttl_security:
        _set_ttl(target, MAX_TTL)
        lowest = MAX_TTL + 1 - settings.ttl_security
        if target.family == socket.AF_INET:
            target.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, lowest)
        else:
            target.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, lowest)
    elif settings.multihop_ttl:
        _set_ttl(target, settings.multihop_ttl)


async def _connect(opened: socket.socket, address: tuple[str, int] | tuple[str, int, int, int]) -> None:
    """Connect a socket that does not block. Raises OSError. uvloop's own ``sock_connect`` loses the link's index."""
    error = opened.connect_ex(address)
    if error == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[None] = loop.create_future()
        loop.add_writer(opened.fileno(), _settle, connected)
        try:
            await connected
        finally:
            loop.remove_writer(opened.fileno())
        error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _settle(connected: "asyncio.Future[None]") -> None:
    if not connected.done():
        connected.set_result(None)


def _check_syn(accepted: socket.socket, lowest: int) -> None:
    """Raise OSError if the peer's SYN came from too far: what it sent before we accepted met no limit yet."""
    headers = accepted.getsockopt(socket.IPPROTO_TCP, _TCP_SAVED_SYN, _SYN_SIZE)
    ttl = headers[_TTL_OFFSET[accepted.family]] if headers else MAX_TTL  # none is kept of who answered a SYN cookie
    if ttl < lowest:
        raise OSError(f"it came with TTL {ttl}, ttl_security asks for {lowest} or more")


def describe(error: OSError) -> str:
    """Return what went wrong, in the kernel's words."""
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


def _prepare(target: socket.socket) -> None:
    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if target.family == socket.AF_INET:
        target.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, DSCP_CS6)
    else:
        target.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, DSCP_CS6)


def _set_ttl(target: socket.socket, ttl: int) -> None:
    if target.family == socket.AF_INET:
        target.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        target.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def _family(address: bytes) -> socket.AddressFamily:
    return socket.AddressFamily(FAMILY_BY_ADDRESS_SIZE[len(address)].kernel)


def _socket_address(address: bytes, port: int, interface: str) -> tuple[str, int] | tuple[str, int, int, int]:
    text = format_address(address)
    if len(address) == 4:
        return text, port
    scope = 0
    if interface and is_link_local(address):
        try:
            scope = socket.if_nametoindex(interface)
        except OSError as error:
            raise OSError(f"no interface {interface}") from error  # without an errno, whose text would win
    return text, port, 0, scope
