"""The session that an input is decoded in, chosen by its first octet, so that the fuzzer finds all kinds by itself.

Bits of the octet: 1 two-octet AS numbers; 2 and 4 what the peer is (external, internal, in our confederation, external
again); 8 path identifiers with IPv4, 16 with IPv6 (RFC 7911); 32 IPv6 next hops for IPv4
(RFC 8950); 64 extended messages (RFC 8654); 128 IPv6 alone.
"""

from typing import Final

from bgpd.families import FAMILIES, IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Negotiated

LOCAL: Final = Asn(65001)
EXTERNAL: Final = Asn(65002)

TWO_OCTETS: Final = 1
INTERNAL: Final = 2
CONFEDERATION: Final = 4
_KIND: Final = INTERNAL | CONFEDERATION
PATH_ID_IPV4: Final = 8
PATH_ID_IPV6: Final = 16
EXTENDED_NEXT_HOP: Final = 32
EXTENDED_MESSAGES: Final = 64
IPV6_ALONE: Final = 128


def session(choice: int) -> Negotiated:
    """Return what was negotiated for the octet."""
    families = (IPV6_UNICAST,) if choice & IPV6_ALONE else tuple(FAMILIES.values())
    with_path_id = {IPV4_UNICAST: PATH_ID_IPV4, IPV6_UNICAST: PATH_ID_IPV6}
    add_path = frozenset(family for family in families if choice & with_path_id[family])
    longest = MAX_EXTENDED_MESSAGE if choice & EXTENDED_MESSAGES else MAX_MESSAGE
    return Negotiated(
        local_asn=LOCAL,
        remote_asn=LOCAL if choice & _KIND == INTERNAL else EXTERNAL,
        local_identifier=BgpIdentifier(1),
        remote_identifier=BgpIdentifier(2),
        hold_time=90,
        keepalive_time=30,
        families=families,
        four_octet_as=not choice & TWO_OCTETS,
        max_send=longest,
        max_receive=longest,
        add_path_receive=add_path,
        add_path_send=add_path,
        is_confederation=choice & _KIND == CONFEDERATION,
        extended_next_hop=frozenset({IPV4_UNICAST}) if choice & EXTENDED_NEXT_HOP else frozenset(),
    )
