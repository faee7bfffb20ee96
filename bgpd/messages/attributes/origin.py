"""ORIGIN: how the AS that announced the route first came to know it.

RFC 4271 4.3 a, 5.1.1; malformed: RFC 7606 7.1. One octet.
"""

from typing import Final

from bgpd.errors import UpdateSubcode
from bgpd.messages.attributes.model import Origin
from bgpd.messages.attributes.spec import WELL_KNOWN, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_ORIGINS = tuple(Origin)


def decode(value: bytes, _: Negotiated) -> Origin:
    """Return the origin. Raises Malformed."""
    if len(value) != 1:
        raise Malformed(f"{len(value)} octets, expected 1")
    if value[0] >= len(_ORIGINS):
        raise Malformed(f"value {value[0]}, expected 0 to 2", UpdateSubcode.INVALID_ORIGIN)
    return _ORIGINS[value[0]]


def encode(origin: Origin, _: Negotiated) -> bytes:
    """Return the value's octets."""
    return bytes((origin,))


SPEC: Final = AttributeSpec(
    1, "ORIGIN", WELL_KNOWN, decode, encode, Outcome.TREAT_AS_WITHDRAW, "origin", Origin.INCOMPLETE, is_mandatory=True
)
