"""AS numbers and BGP Identifiers: numbers that must not be swapped; and what they make of a peer.

RFC 6793 (four-octet AS numbers), RFC 5396 (their text), RFC 6286 (BGP Identifier), RFC 5065 (confederations), RFC 9234
(roles). Numbers are host-order integers.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NewType

from bgpd.records import dataclass

Asn = NewType("Asn", int)
BgpIdentifier = NewType("BgpIdentifier", int)


class PeerType(Enum):
    """What a peer's AS is to ours (RFC 4271 1.1, RFC 5065)."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    CONFEDERATION = "confederation"


class Role(Enum):
    """What we are to a peer of another AS (RFC 9234 section 4.1); the value is the word of the configuration."""

    PROVIDER = "provider"
    ROUTE_SERVER = "rs"
    ROUTE_SERVER_CLIENT = "rs-client"
    CUSTOMER = "customer"
    PEER = "peer"

    @property
    def code(self) -> int:
        """The number in the role capability."""
        return _ROLE_CODES[self]

    @property
    def counterpart(self) -> "Role":
        """What the peer of such a speaker is (RFC 9234 4.2, table 2)."""
        return _COUNTERPARTS[self]


_ROLE_CODES: Final[Mapping[Role, int]] = MappingProxyType(
    {
        Role.PROVIDER: 0,
        Role.ROUTE_SERVER: 1,
        Role.ROUTE_SERVER_CLIENT: 2,
        Role.CUSTOMER: 3,
        Role.PEER: 4,
    }
)
ROLE_BY_CODE: Final[Mapping[int, Role]] = MappingProxyType({code: role for role, code in _ROLE_CODES.items()})
_COUNTERPARTS: Final[Mapping[Role, Role]] = MappingProxyType(
    {
        Role.PROVIDER: Role.CUSTOMER,
        Role.CUSTOMER: Role.PROVIDER,
        Role.ROUTE_SERVER: Role.ROUTE_SERVER_CLIENT,
        Role.ROUTE_SERVER_CLIENT: Role.ROUTE_SERVER,
        Role.PEER: Role.PEER,
    }
)


@dataclass(frozen=True, slots=True)
class Confederation:
    """ASes that are one AS to all others (RFC 5065). members: the Member-AS numbers, ours among them."""

    identifier: Asn
    members: frozenset[Asn]


AS_TRANS: Final = Asn(23456)
MAX_ASN: Final = 0xFFFF_FFFF


def parse_asn(text: str) -> Asn:
    """Return the AS number of ``65010`` or ``1.10``; RFC 5396 asplain and asdot. Raises ValueError; 0 is refused."""
    high, dot, low = text.strip().partition(".")
    parts = (high, low) if dot else (high,)
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"not an AS number: {text!r}")
    if dot and max(int(high), int(low)) > 0xFFFF:
        raise ValueError(f"each half of a dotted AS number is at most 65535: {text!r}")
    value = int(high) * 65536 + int(low) if dot else int(high)
    if not 1 <= value <= MAX_ASN:
        raise ValueError(f"an AS number is between 1 and {MAX_ASN}: {text!r}")
    return Asn(value)


def parse_identifier(text: str) -> BgpIdentifier:
    """Return the BGP Identifier written like an IPv4 address. Raises ValueError; 0.0.0.0 is refused (RFC 6286 2.1)."""
    parts = text.strip().split(".")
    if len(parts) != 4 or not all(p.isascii() and p.isdigit() and len(p) <= 3 and int(p) < 256 for p in parts):
        raise ValueError(f"not a BGP Identifier (four decimal octets): {text!r}")
    value = int.from_bytes(bytes(map(int, parts)))
    if value == 0:
        raise ValueError("a BGP Identifier is not 0.0.0.0")
    return BgpIdentifier(value)


def format_identifier(identifier: BgpIdentifier) -> str:
    """Return the identifier as four decimal octets."""
    return ".".join(map(str, identifier.to_bytes(4)))
