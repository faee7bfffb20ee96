"""ONLY_TO_CUSTOMER (OTC): the AS from which on a route may only go down to customers.

RFC 9234 section 5; malformed: treat as withdraw. An AS number of four octets.
"""

from typing import Final

from bgpd.identity import Asn
from bgpd.messages.attributes import numbers
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Outcome
from bgpd.messages.negotiated import Negotiated


def decode(value: bytes, negotiated: Negotiated) -> Asn:
    """Return the AS number. Raises Malformed."""
    return Asn(numbers.decode(value, negotiated))


SPEC: Final[AttributeSpec[Asn | None]] = AttributeSpec(
    35, "ONLY_TO_CUSTOMER", OPTIONAL | TRANSITIVE, decode, numbers.encode, Outcome.TREAT_AS_WITHDRAW, "otc", None
)
