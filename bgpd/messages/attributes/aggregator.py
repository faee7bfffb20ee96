"""AGGREGATOR: the AS and the speaker that formed an aggregate.

RFC 4271 4.3 g, 5.1.7; RFC 6793 section 3 (four-octet AS); malformed: RFC 7606 7.7; AS 0: RFC 7607. Six octets, eight
on a four-octet session: AS number, then four octets of address.
"""

from typing import Final

from bgpd.errors import UpdateSubcode
from bgpd.identity import AS_TRANS, Asn
from bgpd.messages.attributes.model import Aggregator
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Malformed, Outcome, tlv
from bgpd.messages.negotiated import Negotiated

_AGGREGATOR: Final = 7
_AS4_AGGREGATOR: Final = 18


def decode(value: bytes, negotiated: Negotiated) -> Aggregator:
    """Return the aggregator. Raises Malformed."""
    asn_size = 4 if negotiated.four_octet_as else 2
    return decode_sized(value, asn_size)


def decode_sized(value: bytes, asn_size: int) -> Aggregator:
    """Return the aggregator whose AS number has that many octets. Raises Malformed."""
    if len(value) != asn_size + 4:
        raise Malformed(f"{len(value)} octets, expected {asn_size + 4}")
    asn = int.from_bytes(value[:asn_size])
    if asn == 0:
        raise Malformed("AS number 0", UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR)
    return Aggregator(Asn(asn), value[asn_size:])


def encode(aggregator: Aggregator | None, negotiated: Negotiated) -> bytes:
    """Return the value's octets; on a two-octet session a larger AS number is sent as AS_TRANS."""
    if aggregator is None:
        raise ValueError("no AGGREGATOR to encode")
    if negotiated.four_octet_as:
        return aggregator.asn.to_bytes(4) + aggregator.address
    return (aggregator.asn if aggregator.asn <= 0xFFFF else AS_TRANS).to_bytes(2) + aggregator.address


def two_octet_aggregator(aggregator: Aggregator, flags: int = OPTIONAL | TRANSITIVE) -> dict[int, bytes]:
    """Return AGGREGATOR, and AS4_AGGREGATOR where needed, for a two-octet session: by code, whole (RFC 6793 4.2.2)."""
    if aggregator.asn <= 0xFFFF:
        return {_AGGREGATOR: tlv(_AGGREGATOR, flags, aggregator.asn.to_bytes(2) + aggregator.address)}
    return {
        _AGGREGATOR: tlv(_AGGREGATOR, flags, AS_TRANS.to_bytes(2) + aggregator.address),
        _AS4_AGGREGATOR: tlv(_AS4_AGGREGATOR, flags, aggregator.asn.to_bytes(4) + aggregator.address),
    }


SPEC: Final[AttributeSpec[Aggregator | None]] = AttributeSpec(
    _AGGREGATOR, "AGGREGATOR", OPTIONAL | TRANSITIVE, decode, encode, Outcome.ATTRIBUTE_DISCARD, "aggregator", None
)
