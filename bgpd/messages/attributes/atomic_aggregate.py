"""ATOMIC_AGGREGATE: an aggregate whose AS_PATH may leave out ASes.

RFC 4271 4.3 f, 5.1.6; malformed: RFC 7606 7.6. No octets: it is there or not.
"""

from typing import Final

from bgpd.messages.attributes.spec import WELL_KNOWN, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated


def decode(value: bytes, _: Negotiated) -> bool:
    """Return True. Raises Malformed."""
    if value:
        raise Malformed(f"{len(value)} octets, expected none")
    return True


def encode(_atomic_aggregate: bool, _: Negotiated) -> bytes:
    """Return the value's octets."""
    return b""


SPEC: Final = AttributeSpec(
    6, "ATOMIC_AGGREGATE", WELL_KNOWN, decode, encode, Outcome.ATTRIBUTE_DISCARD, "atomic_aggregate", False
)
