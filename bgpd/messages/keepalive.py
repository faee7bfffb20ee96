"""KEEPALIVE: a header and nothing else (RFC 4271 4.4)."""

from typing import Final

from bgpd.errors import HeaderError, HeaderSubcode
from bgpd.messages.framing import HEADER_SIZE, MessageType, frame
from bgpd.records import dataclass

KEEPALIVE: Final = frame(MessageType.KEEPALIVE, b"")


@dataclass(frozen=True, slots=True)
class Keepalive:
    """A KEEPALIVE."""

    def encode(self) -> bytes:
        """Return the framed message."""
        return KEEPALIVE


def decode(body: bytes) -> Keepalive:
    """Return the message. Raises HeaderError if it has a body (RFC 4271 6.1)."""
    if body:
        length = HEADER_SIZE + len(body)
        raise HeaderError(
            HeaderSubcode.BAD_MESSAGE_LENGTH,
            length.to_bytes(2),
            why=f"KEEPALIVE message of {length} octets, expected {HEADER_SIZE}",
        )
    return Keepalive()
