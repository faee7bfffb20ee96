"""What a path attribute is: a row of the table in ``attributes/__init__.py``, its faults and their outcomes.

RFC 4271 4.3 (layout: flags, code, length of one octet or two, value), RFC 7606 section 2 (outcomes).
Lengths are octets.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, Generic, Protocol, TypeVar

from bgpd.errors import UpdateSubcode
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.negotiated import Negotiated
from bgpd.records import dataclass

OPTIONAL: Final = 0x80
TRANSITIVE: Final = 0x40
PARTIAL: Final = 0x20
EXTENDED_LENGTH: Final = 0x10
WELL_KNOWN: Final = TRANSITIVE  # 4271 4.3: the Transitive bit of a well-known attribute is set


class Outcome(Enum):
    """What becomes of an UPDATE with a malformed attribute (RFC 7606 section 2)."""

    SESSION_RESET = "session reset"
    TREAT_AS_WITHDRAW = "treat as withdraw"
    ATTRIBUTE_DISCARD = "attribute discard"


class Malformed(Exception):
    """An attribute's value breaks its RFC. Raised by the attribute modules; never leaves ``attributes/block.py``.

    subcode: what a NOTIFICATION would carry.
    """

    def __init__(self, why: str, subcode: UpdateSubcode = UpdateSubcode.ATTRIBUTE_LENGTH_ERROR) -> None:
        super().__init__(why)
        self.subcode = subcode


class TreatAsWithdraw(Exception):
    """The routes of the UPDATE are to be withdrawn, the session goes on (RFC 7606 section 2).

    attribute: its name or number. subcode, data: of the NOTIFICATION where the same fault must reset the session
    (RFC 7606 5.2).
    """

    def __init__(
        self,
        why: str,
        attribute: str,
        subcode: UpdateSubcode = UpdateSubcode.MALFORMED_ATTRIBUTE_LIST,
        data: bytes = b"",
    ) -> None:
        super().__init__(f"{attribute}: {why}")
        self.why = why
        self.attribute = attribute
        self.subcode = subcode
        self.data = data


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class AttributeSpec(Generic[Value]):
    """One attribute that we understand.

    flags: Optional and Transitive bits. decode: value octets to what ``Attributes`` holds; raises Malformed. encode:
    back. field: its name in ``Attributes``, empty = the value is merged into another attribute's. absent: the field's
    value without the attribute. when_malformed: outcome of Malformed. is_mandatory: every route has it (RFC 4271 5).
    is_internal: means something in iBGP only and is discarded from others, unread (RFC 7606 7.5, 7.9, 7.10; 7311 3.4).
    when_flags_conflict: outcome of an Optional or Transitive bit that is wrong (RFC 7606 3 c).
    """

    code: int
    name: str
    flags: int
    decode: Callable[[bytes, Negotiated], Value]
    encode: Callable[[Value, Negotiated], bytes]
    when_malformed: Outcome
    field: str
    absent: Value
    is_mandatory: bool = False
    is_internal: bool = False
    when_flags_conflict: Outcome = Outcome.TREAT_AS_WITHDRAW

    def encode_from(self, attributes: Attributes, negotiated: Negotiated) -> bytes | None:
        """Return the value's octets for these attributes, None = they do not have it."""
        value: Value = getattr(attributes, self.field)
        return None if value == self.absent and not self.is_mandatory else self.encode(value, negotiated)


class AnySpec(Protocol):
    """An ``AttributeSpec`` whatever the type of its value: what the table holds."""

    @property
    def code(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def flags(self) -> int: ...
    @property
    def decode(self) -> Callable[[bytes, Negotiated], object]: ...
    @property
    def when_malformed(self) -> Outcome: ...
    @property
    def field(self) -> str: ...
    @property
    def is_mandatory(self) -> bool: ...
    @property
    def is_internal(self) -> bool: ...
    @property
    def when_flags_conflict(self) -> Outcome: ...
    def encode_from(self, attributes: Attributes, negotiated: Negotiated) -> bytes | None: ...


def tlv(code: int, flags: int, value: bytes) -> bytes:
    """Return the whole attribute: flags, code, length, value; a length of two octets only above 255."""
    size = len(value)
    if size > 255:
        return bytes((flags | EXTENDED_LENGTH, code, size >> 8, size & 255)) + value
    return bytes((flags & ~EXTENDED_LENGTH, code, size)) + value
