"""The address families that bgpd routes, one row each (RFC 4760; numbers: IANA AFI and SAFI registries).

Sizes are in octets but for ``bits``. A module that would ask "is this IPv6?" asks for a column here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bgpd.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One AFI/SAFI. Compared and hashed by identity: there is one object for each row.

    bits: length of an address. next_hop_sizes: lengths of a next hop that MP_REACH_NLRI may carry (RFC 4760, 2545,
    8950). is_classic: its routes may stand in the UPDATE's own fields (RFC 4271 4.3). kernel: address family of
    Linux sockets and netlink. unspecified: the address that means "none", in octets.
    """

    name: str
    afi: int
    safi: int
    bits: int
    next_hop_sizes: frozenset[int]
    is_classic: bool
    kernel: int

    @property
    def octets(self) -> int:
        """Length of an address, in octets."""
        return self.bits // 8

    @property
    def unspecified(self) -> bytes:
        """The all-zero address."""
        return bytes(self.bits // 8)

    def __repr__(self) -> str:
        return f"<{self.name}>"


IPV4_UNICAST: Final = Family("ipv4-unicast", 1, 1, 32, frozenset({4, 16, 32}), is_classic=True, kernel=2)
IPV6_UNICAST: Final = Family("ipv6-unicast", 2, 1, 128, frozenset({16, 32}), is_classic=False, kernel=10)

FAMILIES: Final[Mapping[tuple[int, int], Family]] = MappingProxyType(
    {(family.afi, family.safi): family for family in (IPV4_UNICAST, IPV6_UNICAST)}
)
FAMILY_BY_NAME: Final[Mapping[str, Family]] = MappingProxyType({f.name: f for f in FAMILIES.values()})
FAMILY_BY_KERNEL: Final[Mapping[int, Family]] = MappingProxyType({f.kernel: f for f in FAMILIES.values()})
FAMILY_BY_ADDRESS_SIZE: Final[Mapping[int, Family]] = MappingProxyType({f.octets: f for f in FAMILIES.values()})
