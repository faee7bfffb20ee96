"""ORIGINATOR_ID: the speaker of our AS that brought a reflected route in.

RFC 4456 section 8; malformed or from another AS: RFC 7606 7.9. A BGP Identifier of four octets.
"""

from typing import Final

from bgpd.identity import BgpIdentifier
from bgpd.messages.attributes import numbers
from bgpd.messages.attributes.spec import OPTIONAL, AttributeSpec, Outcome
from bgpd.messages.negotiated import Negotiated


def decode(value: bytes, negotiated: Negotiated) -> BgpIdentifier:
    """Return the identifier. Raises Malformed."""
    return BgpIdentifier(numbers.decode(value, negotiated))


SPEC: Final[AttributeSpec[BgpIdentifier | None]] = AttributeSpec(
    9, "ORIGINATOR_ID", OPTIONAL, decode, numbers.encode, Outcome.TREAT_AS_WITHDRAW, "originator_id", None,
    is_internal=True,
)  # fmt: skip
