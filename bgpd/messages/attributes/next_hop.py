"""NEXT_HOP: where IPv4 packets for the route go.

RFC 4271 4.3 c, 5.1.3, 6.3; malformed: RFC 7606 7.3. Four octets. The next hops that MP_REACH_NLRI carries are checked
here too, by the same rule: a next hop is an address that a host can have. Loopback addresses are left to admission,
which knows whether the peer itself is on this host.
"""

from typing import Final

from bgpd.errors import UpdateSubcode
from bgpd.messages.attributes.spec import WELL_KNOWN, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_SIZE: Final = 4


def decode(value: bytes, _: Negotiated) -> bytes:
    """Return the address. Raises Malformed."""
    if len(value) != _SIZE:
        raise Malformed(f"{len(value)} octets, expected {_SIZE}")
    if why := fault(value):
        raise Malformed(why, UpdateSubcode.INVALID_NEXT_HOP)
    return value


def encode(address: bytes, _: Negotiated) -> bytes:
    """Return the value's octets."""
    return address


def fault(next_hop: bytes) -> str:
    """Return why packets cannot be sent to a next hop of 4, 16 or 32 octets, empty = they can (RFC 4271 6.3)."""
    first = next_hop[0]
    if len(next_hop) == _SIZE:
        if first == 0 or first >= 224:
            return f"{'.'.join(map(str, next_hop))} is not a host's address"
        return ""
    if not any(next_hop):
        return "the IPv6 address is unspecified"
    if first == 0xFF:
        return "the IPv6 address is multicast"
    if any(next_hop[16:]) and not (next_hop[16] == 0xFE and next_hop[17] & 0xC0 == 0x80):
        return "the second IPv6 address is not link-local"
    return ""


SPEC: Final = AttributeSpec(
    3, "NEXT_HOP", WELL_KNOWN, decode, encode, Outcome.TREAT_AS_WITHDRAW, "next_hop", b"", is_mandatory=True
)
