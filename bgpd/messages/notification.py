"""NOTIFICATION: why a speaker closes the session.

RFC 4271 4.5, RFC 9003 (text of a shutdown), RFC 8538 section 3.1 (Hard Reset). The body is error code and subcode, one
octet each, and data whose meaning depends on them. We cut the data to what a message of 4096 octets holds.
"""

from typing import Final

from construct import ConstructError, GreedyBytes, Int8ub, Struct

from bgpd.errors import BgpError, Cease, CeaseSubcode, ErrorCode, HeaderError, HeaderSubcode, format_error
from bgpd.messages.framing import HEADER_SIZE, MessageType, frame
from bgpd.messages.layout import Acyclic
from bgpd.messages.negotiated import MAX_MESSAGE
from bgpd.records import dataclass

_LAYOUT: Final = Acyclic(Struct("code" / Int8ub, "subcode" / Int8ub, "data" / GreedyBytes))
_MOST_DATA: Final = MAX_MESSAGE - HEADER_SIZE - 2
_LONGEST_TEXT: Final = 255  # 9003 section 2: octets of UTF-8
_WITH_TEXT: Final = (CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, CeaseSubcode.ADMINISTRATIVE_RESET)


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFICATION; code and subcode may be ones that we have no name for."""

    code: int
    subcode: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the framed message, its data cut to fit."""
        body: bytes = _LAYOUT.build({"code": self.code, "subcode": self.subcode, "data": self.data[:_MOST_DATA]})
        return frame(MessageType.NOTIFICATION, body)

    @property
    def shutdown_text(self) -> str:
        """What the peer's operator wrote for us (RFC 9003), empty = nothing; control characters are escaped."""
        inner = self.inside_hard_reset
        if inner is not None:
            return inner.shutdown_text
        if self.code != ErrorCode.CEASE or self.subcode not in _WITH_TEXT or not self.data:
            return ""
        size = self.data[0]
        text = self.data[1 : 1 + size].decode(errors="replace")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

    @property
    def text_fault(self) -> str:
        """What is wrong with the text, for people (RFC 9003 section 4), empty = nothing."""
        inner = self.inside_hard_reset
        if inner is not None:
            return inner.text_fault
        if self.code != ErrorCode.CEASE or self.subcode not in _WITH_TEXT or not self.data:
            return ""
        size, octets = self.data[0], self.data[1:]
        if size != len(octets):
            return f"its length says {size} octets, there are {len(octets)}"
        try:
            octets.decode()
        except UnicodeDecodeError:
            return "it is not UTF-8"
        return ""

    @property
    def inside_hard_reset(self) -> "Notification | None":
        """The NOTIFICATION that a Hard Reset carries (RFC 8538 3.1), None = it is no Hard Reset or carries none."""
        if self.code != ErrorCode.CEASE or self.subcode != CeaseSubcode.HARD_RESET or len(self.data) < 2:
            return None
        inner = Notification(self.data[0], self.data[1], self.data[2:])
        # A Hard Reset in a Hard Reset means nothing, and is not to be followed any number of times
        return None if (inner.code, inner.subcode) == (self.code, self.subcode) else inner

    @property
    def name(self) -> str:
        """The names of the codes, with those inside a Hard Reset."""
        inner = self.inside_hard_reset
        name = format_error(self.code, self.subcode)
        return name if inner is None else f"{name} ({format_error(inner.code, inner.subcode)})"

    def __str__(self) -> str:
        text = self.shutdown_text
        return f"{self.name}: {text}" if text else self.name


def decode(body: bytes) -> Notification:
    """Return the NOTIFICATION. Raises HeaderError for a body that holds no codes."""
    try:
        parsed = _LAYOUT.parse(body)
    except ConstructError as error:
        length = HEADER_SIZE + len(body)
        raise HeaderError(
            HeaderSubcode.BAD_MESSAGE_LENGTH,
            length.to_bytes(2),
            why=f"NOTIFICATION message of {length} octets, expected at least {HEADER_SIZE + 2}",
        ) from error
    return Notification(parsed.code, parsed.subcode, parsed.data)


def from_error(error: BgpError) -> Notification:
    """Return the NOTIFICATION that answers a fault."""
    return Notification(int(error.code), int(error.subcode), error.data)


def shutdown_data(text: str) -> bytes:
    """Return the data that carries a text with a Cease for shutdown or reset (RFC 9003), cut to whole characters."""
    octets = text.encode()[:_LONGEST_TEXT].decode(errors="ignore").encode()
    return bytes((len(octets),)) + octets if octets else b""


def harden(cease: Cease) -> Cease:
    """Return the Cease as one that ends the routes too, whatever was agreed (RFC 8538 3.1): a Hard Reset around it."""
    return Cease(CeaseSubcode.HARD_RESET, bytes((cease.code, cease.subcode)) + cease.data, why=cease.why)


def hard_reset(text: str) -> Cease:
    """Return the Cease of an operator's reset that ends the routes too."""
    return harden(administrative(CeaseSubcode.ADMINISTRATIVE_RESET, text))


def administrative(subcode: CeaseSubcode, text: str) -> Cease:
    """Return the Cease of an operator's shutdown or reset; the text goes along to the peer's operator (RFC 9003)."""
    return Cease(subcode, shutdown_data(text), why=text)
