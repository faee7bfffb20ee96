"""Admission: the rules of BGP itself that keep a received path out of the decision process.

RFC 4271 9.1.2 (AS loop), 6.3 and 5.1.3 (next hop), RFC 4271 6.3 (first AS of an external path). The route stays in
the Adj-RIB-In with its reason, so that people can see it.
"""

from dataclasses import dataclass

from bgpd.addresses import format_address, is_loopback
from bgpd.identity import Asn, PeerType
from bgpd.rib.path import Path


@dataclass(frozen=True, slots=True)
class Admission:
    """What received paths are held against.

    own_asns: the AS numbers that make a loop. allow_own_as: how many times they may occur all the same. remote_asn:
    what an external path has to begin with, None = not enforced. own_addresses: a next hop that is one of these is
    our own.
    """

    own_asns: tuple[Asn, ...]
    allow_own_as: int
    remote_asn: Asn | None
    own_addresses: frozenset[bytes]

    def refusal(self, path: Path) -> str:
        """Return why the path may not be used, for people; empty = it may."""
        as_path = path.attributes.as_path
        for asn in self.own_asns:
            times = as_path.count(asn)
            if times > self.allow_own_as:
                return f"AS loop: our AS {asn} is {times} times in AS_PATH {as_path}, {self.allow_own_as} allowed"
        if self.remote_asn is not None and path.source.peer_type is PeerType.EXTERNAL:
            first = as_path.neighbour
            if first != self.remote_asn:
                return f"AS_PATH begins with {first or 'no AS'}, not with the peer's AS {self.remote_asn}"
        hop = path.next_hop
        if hop.address in self.own_addresses:
            return f"next hop {format_address(hop.address)} is our own address"
        if is_loopback(hop.address) and not is_loopback(path.source.address):
            return f"next hop {format_address(hop.address)} is a loopback address"
        if not hop.is_reachable:
            return f"next hop {format_address(hop.address or hop.link_local)} is unreachable: {hop.why}"
        return ""
