"""IPv6 Address Specific Extended Communities: extended communities with room for an IPv6 address.

RFC 5701; malformed: RFC 7606 7.15. A list of twenty octets each.
"""

from typing import Final

from bgpd.messages.attributes.extended_communities import decode_sized, encode
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Outcome
from bgpd.messages.negotiated import Negotiated

_SIZE: Final = 20


def decode(value: bytes, _: Negotiated) -> tuple[bytes, ...]:
    """Return the communities. Raises Malformed."""
    return decode_sized(value, _SIZE)


SPEC: Final[AttributeSpec[tuple[bytes, ...]]] = AttributeSpec(
    25, "IPV6_EXTENDED_COMMUNITIES", OPTIONAL | TRANSITIVE, decode, encode, Outcome.TREAT_AS_WITHDRAW,
    "ipv6_extended_communities", (),
)  # fmt: skip
