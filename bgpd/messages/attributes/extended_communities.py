"""EXTENDED COMMUNITIES: marks with a type, such as route targets.

RFC 4360; malformed: RFC 7606 7.14. A list of eight octets each: type (one octet or two) and value. A bit of the type
says whether one may leave the AS (section 2).
"""

from typing import Final

from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_SIZE: Final = 8
_NON_TRANSITIVE: Final = 0x40  # bit of the first octet


def decode(value: bytes, _: Negotiated) -> tuple[bytes, ...]:
    """Return the communities. Raises Malformed."""
    return decode_sized(value, _SIZE)


def decode_sized(value: bytes, size: int) -> tuple[bytes, ...]:
    """Return the members of a list whose members have that many octets. Raises Malformed."""
    if not value or len(value) % size:
        raise Malformed(f"{len(value)} octets, expected a multiple of {size} above 0")
    return tuple([value[start : start + size] for start in range(0, len(value), size)])


def transitive(communities: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return those that cross the border of an AS (RFC 4360 section 6); also of IPv6 ones (RFC 5701 section 2)."""
    return tuple([each for each in communities if not each[0] & _NON_TRANSITIVE])


def encode(communities: tuple[bytes, ...], _: Negotiated) -> bytes:
    """Return the value's octets."""
    return b"".join(communities)


SPEC: Final[AttributeSpec[tuple[bytes, ...]]] = AttributeSpec(
    16, "EXTENDED_COMMUNITIES", OPTIONAL | TRANSITIVE, decode, encode, Outcome.TREAT_AS_WITHDRAW,
    "extended_communities", (),
)  # fmt: skip
