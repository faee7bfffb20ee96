"""CLUSTER_LIST: the clusters that a reflected route went through, the nearest first.

RFC 4456 section 8; malformed or from another AS: RFC 7606 7.10. A list of cluster identifiers of four octets.
"""

from typing import Final

from bgpd.identity import BgpIdentifier
from bgpd.messages.attributes.numbers import decode_list, encode_list
from bgpd.messages.attributes.spec import OPTIONAL, AttributeSpec, Outcome
from bgpd.messages.negotiated import Negotiated


def decode(value: bytes, negotiated: Negotiated) -> tuple[BgpIdentifier, ...]:
    """Return the identifiers. Raises Malformed."""
    return tuple(map(BgpIdentifier, decode_list(value, negotiated)))


SPEC: Final[AttributeSpec[tuple[BgpIdentifier, ...]]] = AttributeSpec(
    10, "CLUSTER_LIST", OPTIONAL, decode, encode_list, Outcome.TREAT_AS_WITHDRAW, "cluster_list", (),
    is_internal=True,
)  # fmt: skip
