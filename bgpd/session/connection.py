"""One TCP connection: octets to messages, and back-pressure. Hot: UPDATEs go straight to whoever took them.

RFC 4271 6.1 (framing), appendix E. Octets and seconds. Nothing here knows states: the driver of the state machine owns
the connection, and names the receiver of UPDATEs while the session is established. A read that takes long to process
is processed in slices, so that other sessions' keepalives stay on time; the connection does not read meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

from bgpd.errors import BgpError
from bgpd.messages.framing import HEADER_SIZE, Framer, MessageType
from bgpd.records import dataclass
from bgpd.session.counts import MessageCounts
from bgpd.session.sockets import describe

HIGH_WATER: Final = 256 * 1024
"""Octets that may wait unsent before the session counts as congested."""
LOW_WATER: Final = 64 * 1024
"""Octets at which it no longer does."""
SLICE: Final = 0.008
"""Seconds of processing in one callback."""
CHECKPOINT: Final = 16 * 1024
"""Octets between two looks at the clock."""
LINGER: Final = 2.0
"""Seconds for the peer to read our last words."""

Messages = list[tuple[int, int, int]]


@dataclass(slots=True)
class Inbox:
    """The messages of one read: as (type, start, end of the body) in the buffer. index: of the next one."""

    buffer: bytes
    messages: Messages
    index: int = 0

    def __bool__(self) -> bool:
        return self.index < len(self.messages)


_EMPTY: Final = Inbox(b"", [])

Deliver = Callable[[Inbox, int], None]
"""Takes UPDATEs from an inbox: the next message, which is one, and those behind it whose body starts before a position.

The index is past each message before that is acted upon.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a connection. address: text. scope: an interface index for a link-local address, 0 = none."""

    address: str
    port: int
    scope: int

    @classmethod
    def of(cls, name: tuple[str, int] | tuple[str, int, int, int]) -> "Endpoint":
        """Return the endpoint that a socket calls so."""
        return cls(name[0].partition("%")[0], name[1], name[3] if len(name) == 4 else 0)


class ConnectionUser(Protocol):
    """Who the connection talks to, once it is somebody's."""

    def message_received(self, connection: "Connection", kind: int, body: bytes) -> None:
        """Take any message but an UPDATE of an established session."""

    def stream_failed(self, connection: "Connection", error: BgpError) -> None:
        """Learn that the octets make no sense, or that whoever takes UPDATEs refused one."""

    def connection_lost(self, connection: "Connection", why: str) -> None:
        """Learn that the peer closed, or TCP failed."""

    def batch_received(self) -> None:
        """Learn that UPDATEs were handed over, and no more are waiting."""

    def drained(self) -> None:
        """Learn that the connection is no longer congested."""


class Connection(asyncio.Protocol):
    """One TCP connection with a peer.

    remote, local: both ends; only after the connection was opened.
    opened: called when TCP is connected. settled: called once when it is known that the peer speaks BGP, or when the
    connection ends. gone: called once when TCP is done with it. counts: where messages and octets are counted. deliver:
    takes UPDATEs; None = they are unexpected. last_heard: loop time of the last complete message.
    is_congested: more than HIGH_WATER octets were unsent and not yet less than LOW_WATER.
    """

    __slots__ = (
        "_closed",
        "_framer",
        "_inbox",
        "_is_closed",
        "_is_held",
        "_linger",
        "_loop",
        "_opened",
        "_transport",
        "counts",
        "deliver",
        "gone",
        "is_congested",
        "last_heard",
        "local",
        "octets_written",
        "remote",
        "settled",
        "user",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, opened: "Callable[[Connection], None]") -> None:
        self._loop = loop
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._is_closed = False
        self._is_held = False
        self._inbox = _EMPTY
        self._linger: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] | None = None
        self.remote = self.local = Endpoint("", 0, 0)
        self.settled: Callable[[], None] | None = None
        self.gone: Callable[[Connection], None] | None = None
        self.user: ConnectionUser | None = None
        self.counts = MessageCounts()
        self.deliver: Deliver | None = None
        self.last_heard = loop.time()
        self.octets_written = 0
        self.is_congested = False

    # --- What the owner asks for --------------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; only after the connection was opened."""
        assert self._transport is not None
        return self._transport

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        return 0 if self._is_closed or self._transport is None else self._transport.get_write_buffer_size()

    def set_max_length(self, octets: int) -> None:
        """Accept messages up to this length from now on (RFC 8654)."""
        self._framer.max_length = octets

    def write(self, data: bytes) -> None:
        """Send octets; they are whole messages."""
        self.octets_written += len(data)
        self.counts.octets_sent += len(data)
        self.transport.write(data)

    def writelines(self, chunks: Iterable[bytes | memoryview], octets: int) -> None:
        """Send chunks of so many octets together."""
        self.octets_written += octets
        self.counts.octets_sent += octets
        self.transport.writelines(chunks)

    def settle(self) -> None:
        """Say that the peer proved to speak BGP, or never will."""
        if self.settled is not None:
            settled, self.settled = self.settled, None
            settled()

    def close(self) -> None:
        """Send what is unsent and close. What still comes in is read and dropped: unread octets would make TCP answer
        with a reset, which can overtake our NOTIFICATION."""
        if self._is_closed:
            return
        self._is_closed = True
        self.user = self.deliver = None
        self.settle()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write_eof()
        transport.resume_reading()
        self._linger = self._loop.call_later(LINGER, transport.abort)

    def hold(self) -> None:
        """Hand over no more messages until ``release``."""
        self._is_held = True
        self.transport.pause_reading()

    def release(self) -> None:
        """Hand over what was held, and go on."""
        if self._is_held:
            self._is_held = False
            self._resume()

    def abort(self) -> None:
        """Close at once, with a reset and without last words."""
        self.close()
        if self._transport is not None:
            self._transport.abort()

    def drop(self, why: str) -> None:
        """Close at once with a reset, and say so to whoever has the connection."""
        user = self.user
        self.abort()
        if user is not None:
            user.connection_lost(self, why)

    @property
    def is_gone(self) -> bool:
        """Is TCP done with the connection?"""
        return self._transport is None

    async def wait_closed(self) -> None:
        """Wait until TCP is done with the connection; at most LINGER seconds after ``close``."""
        if self._transport is None:
            return
        if self._closed is None:
            self._closed = self._loop.create_future()
        await self._closed

    # --- What the loop tells us ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and say so."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is one without deriving from it
        self._transport = transport
        remote, local = transport.get_extra_info("peername", ()), transport.get_extra_info("sockname", ())
        if self._is_closed or not remote or not local:  # given up while TCP connected, or reset already
            transport.abort()
            return
        self.remote, self.local = Endpoint.of(remote), Endpoint.of(local)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.last_heard = self._loop.time()
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut the octets into messages and hand them over."""
        if self._is_closed:
            return
        self.counts.octets_received += len(data)
        messages = self._framer.feed(data)
        if messages or self._framer.error is not None:
            inbox = Inbox(self._framer.buffer, messages)
            self._framer.buffer = b""  # a read may be of a quarter of a megabyte
            self._process(inbox)

    def eof_received(self) -> bool:
        """Let the transport close."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Say why the connection ended, unless we ended it."""
        self._transport = None
        self._framer, self._inbox = Framer(), _EMPTY  # whoever still knows the connection must not keep what was read
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self.gone is not None:
            gone, self.gone = self.gone, None
            gone(self)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._is_closed:
            return
        self._is_closed = True
        self.settle()
        user, self.user, self.deliver = self.user, None, None
        if user is not None:
            why = (
                describe(error) if isinstance(error, OSError) else "closed by the peer" if error is None else str(error)
            )
            user.connection_lost(self, why)

    def pause_writing(self) -> None:
        """Note that the peer does not read as fast as we write."""
        self.is_congested = True

    def resume_writing(self) -> None:
        """Note that it caught up."""
        self.is_congested = False
        if self.user is not None:
            self.user.drained()

    # --- Messages -----------------------------------------------------------------------------------------------

    def _process(self, inbox: Inbox) -> None:
        user, received, clock = self.user, self.counts.received, self._loop.time
        if user is None:
            return
        now = self.last_heard = clock()
        stop_at = now + SLICE
        buffer, messages = inbox.buffer, inbox.messages
        checkpoint = 0
        deliver = self.deliver
        updates = 0
        is_slice = False
        first = inbox.index
        try:
            while inbox.index < len(messages) and not (self._is_closed or self._is_held):
                first = inbox.index
                kind, start, end = messages[first]
                if end > checkpoint:
                    if checkpoint and clock() > stop_at:
                        is_slice = True
                        break
                    checkpoint = end + CHECKPOINT
                if kind == 2 and deliver is not None:
                    deliver(inbox, checkpoint)
                    updates += inbox.index - first
                else:
                    inbox.index += 1
                    received[kind] += 1
                    user.message_received(self, kind, buffer[start:end])
                    deliver = self.deliver
                    checkpoint = 1  # it may have meant much work, as a refresh of a large table does
        except BgpError as error:
            updates += inbox.index - first
            _, start, end = messages[inbox.index - 1]
            error.message = buffer[start - HEADER_SIZE : end]
            inbox = _EMPTY
            user.stream_failed(self, error)
        received[MessageType.UPDATE] += updates
        if self._is_closed:
            return
        self._inbox = inbox if inbox else _EMPTY
        if is_slice:
            self.transport.pause_reading()
            self._loop.call_soon(self._resume)
        elif not self._is_held and self._framer.error is not None:
            user.stream_failed(self, self._framer.error)
            return
        if updates:
            user.batch_received()

    def _resume(self) -> None:
        """Process what was left; nothing was read meanwhile."""
        transport = self._transport
        if self._is_closed or transport is None:
            return
        transport.resume_reading()
        self._process(self._inbox)
