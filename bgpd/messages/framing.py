"""Message framing: cutting a stream of octets into BGP messages, and putting the header in front of one. Hot.

RFC 4271 4.1 and 6.1, RFC 8654 (extended messages), RFC 2918 (ROUTE-REFRESH). A header is 19 octets: a marker of 16
octets of ones, the length of the whole message in octets (2), the type (1). Messages are named by their place in the
buffer and never copied here.
"""

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from types import MappingProxyType
from typing import Final

from bgpd.errors import HeaderError, HeaderSubcode
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, MAX_MESSAGE


class MessageType(IntEnum):
    """Type octet of the header (RFC 4271 4.1, RFC 2918)."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


HEADER_SIZE: Final = 19
MARKER: Final = b"\xff" * 16

# 4271 6.1: fewest octets by type. ROUTE-REFRESH has its own error for its length (RFC 7313 section 5).
_SHORTEST: Final = {
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: HEADER_SIZE,
    MessageType.ROUTE_REFRESH: HEADER_SIZE,
}
# RFC 8654 section 4: OPEN and KEEPALIVE never grow
_LONGEST: Final = {MessageType.OPEN: MAX_MESSAGE, MessageType.KEEPALIVE: HEADER_SIZE}

_HEADER: Final = Struct("!16sHB")


def frame(message_type: int, body: bytes) -> bytes:
    """Return the message with its header. Raises ValueError for a body that no length field can hold."""
    length = HEADER_SIZE + len(body)
    if length > MAX_EXTENDED_MESSAGE:
        raise ValueError(f"a message of {length} octets; at most {MAX_EXTENDED_MESSAGE} are possible")
    return _HEADER.pack(MARKER, length, message_type) + body


def _bounds(max_length: int) -> Mapping[int, tuple[int, int]]:
    return {kind: (shortest, _LONGEST.get(kind, max_length)) for kind, shortest in _SHORTEST.items()}


_BOUNDS: Final[Mapping[int, Mapping[int, tuple[int, int]]]] = MappingProxyType(
    {size: _bounds(size) for size in (MAX_MESSAGE, MAX_EXTENDED_MESSAGE)}
)


class Framer:
    """The receiving half of one connection: what was left over from the last read, and the first fault.

    buffer: the octets that the positions of the last ``feed`` point into. error: the fault that ended the stream; the
    messages before it were delivered, nothing behind it is. max_length: octets of the longest message accepted; set it
    when the session is negotiated. needed: octets of the message that is incomplete, 0 = not known.
    """

    __slots__ = ("_held", "buffer", "error", "max_length", "needed")

    def __init__(self, max_length: int = MAX_MESSAGE) -> None:
        self.max_length = max_length
        self.buffer = b""
        self.error: HeaderError | None = None
        self.needed = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, int]]:
        """Return the messages that are complete now, as (type, start, end of the body) in ``buffer``.

        After a fault ``error`` is set, and every later call returns nothing.
        """
        if self.error is not None:
            return []
        held = self._held
        if held:
            held += data
            # A wrong marker is seen before the header is complete, however the stream is cut
            if len(held) < self.needed and (len(held) >= HEADER_SIZE or MARKER.startswith(bytes(held[:16]))):
                return []
            data = bytes(held)
            held.clear()
        self.buffer = data
        messages, consumed, self.error = _scan(data, self.max_length)
        if self.error is None and consumed < len(data):
            held += data[consumed:]
            self.needed = int.from_bytes(held[16:18]) if len(held) >= HEADER_SIZE else HEADER_SIZE
        return messages


def split(buffer: bytes, max_length: int) -> tuple[list[tuple[int, int, int]], int]:
    """Return the complete messages as (type, start, end of the body), and how many octets they take.

    Raises HeaderError (RFC 4271 6.1) if the first message is at fault; a fault behind good messages is left for the
    next call, which starts there.
    """
    messages, consumed, error = _scan(buffer, max_length)
    if error is not None and not messages:
        raise error
    return messages, consumed


def _scan(buffer: bytes, max_length: int) -> tuple[list[tuple[int, int, int]], int, HeaderError | None]:
    messages: list[tuple[int, int, int]] = []
    append, unpack, marker = messages.append, _HEADER.unpack_from, MARKER
    bounds = _BOUNDS.get(max_length) or _bounds(max_length)
    unknown = (MAX_EXTENDED_MESSAGE + 1, 0)
    position, size = 0, len(buffer)
    last_header = size - HEADER_SIZE
    while position <= last_header:
        found, length, kind = unpack(buffer, position)
        shortest, longest = bounds.get(kind, unknown)
        if not shortest <= length <= longest or found != marker:
            error = _fault(found, length, kind, max_length)
            error.message = buffer[position : position + MAX_MESSAGE]
            return messages, position, error
        end = position + length
        if end > size:
            break
        append((kind, position + HEADER_SIZE, end))
        position = end
    if position > last_header and position < size and not MARKER.startswith(buffer[position : position + 16]):
        # Not worth waiting for the rest of a header that is wrong already
        error = HeaderError(HeaderSubcode.CONNECTION_NOT_SYNCHRONIZED, why=_describe(buffer[position : position + 16]))
        error.message = buffer[position:]
        return messages, position, error
    return messages, position, None


def _describe(found: bytes) -> str:
    return f"the marker is {found.hex()}, expected 16 octets of ff"


def _fault(found: bytes, length: int, kind: int, max_length: int) -> HeaderError:
    """Return the error of a header that fails RFC 4271 6.1: marker, then length, then type."""
    if found != MARKER:
        return HeaderError(HeaderSubcode.CONNECTION_NOT_SYNCHRONIZED, why=_describe(found))
    shortest, longest = _bounds(max_length).get(kind, (HEADER_SIZE, max_length))
    if not shortest <= length <= longest:
        name = MessageType(kind).name if kind in _SHORTEST else f"type {kind}"
        return HeaderError(
            HeaderSubcode.BAD_MESSAGE_LENGTH,
            length.to_bytes(2),
            why=f"{name} message of {length} octets, expected {shortest} to {longest}",
        )
    return HeaderError(HeaderSubcode.BAD_MESSAGE_TYPE, bytes((kind,)), why=f"message type {kind} is unknown")
