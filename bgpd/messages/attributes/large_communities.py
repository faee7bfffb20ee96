"""LARGE_COMMUNITY: marks that have room for a four-octet AS number.

RFC 8092 sections 3 and 6. A list of twelve octets each: global administrator, two parts of local data, four octets
each. One that occurs twice counts once, and is sent once (section 3).
"""

from struct import Struct
from typing import Final

from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_COMMUNITY: Final = Struct("!III")


def decode(value: bytes, _: Negotiated) -> tuple[tuple[int, int, int], ...]:
    """Return the communities. Raises Malformed."""
    if not value or len(value) % _COMMUNITY.size:
        raise Malformed(f"{len(value)} octets, expected a multiple of {_COMMUNITY.size} above 0")
    return tuple(dict.fromkeys([(first, second, third) for first, second, third in _COMMUNITY.iter_unpack(value)]))


def encode(communities: tuple[tuple[int, int, int], ...], _: Negotiated) -> bytes:
    """Return the value's octets."""
    return b"".join([_COMMUNITY.pack(*community) for community in communities])


SPEC: Final[AttributeSpec[tuple[tuple[int, int, int], ...]]] = AttributeSpec(
    32, "LARGE_COMMUNITY", OPTIONAL | TRANSITIVE, decode, encode, Outcome.TREAT_AS_WITHDRAW, "large_communities", ()
)
