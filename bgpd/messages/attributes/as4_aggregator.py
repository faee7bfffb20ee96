"""AS4_AGGREGATOR: the four-octet AGGREGATOR, carried past speakers that only know two-octet numbers.

RFC 6793 sections 3 and 4.2.3; malformed: section 6, attribute discard; AS 0: RFC 7607. Eight octets. It never reaches
``Attributes``: ``block`` merges it into AGGREGATOR.
"""

from typing import Final

from bgpd.messages.attributes.aggregator import decode_sized
from bgpd.messages.attributes.model import Aggregator
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Outcome
from bgpd.messages.negotiated import Negotiated


def decode(value: bytes, _: Negotiated) -> Aggregator:
    """Return the aggregator. Raises Malformed."""
    return decode_sized(value, 4)


def encode(aggregator: Aggregator | None, _: Negotiated) -> bytes:
    """Return the value's octets."""
    if aggregator is None:
        raise ValueError("no AS4_AGGREGATOR to encode")
    return aggregator.asn.to_bytes(4) + aggregator.address


SPEC: Final[AttributeSpec[Aggregator | None]] = AttributeSpec(
    18, "AS4_AGGREGATOR", OPTIONAL | TRANSITIVE, decode, encode, Outcome.ATTRIBUTE_DISCARD, "", None
)
