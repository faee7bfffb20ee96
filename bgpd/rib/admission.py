"""Admission: the rules of BGP itself that keep a received path out of the decision process.

RFC 4271 9.1.2 (AS loop), 6.3 and 5.1.3 (next hop), RFC 4271 6.3 (first AS of an external path), RFC 5065 (the same in a
confederation). The route stays in the Adj-RIB-In with its reason, so that people can see it.
"""

from typing import Final

from bgpd.addresses import format_address, is_loopback
from bgpd.identity import Asn, PeerType
from bgpd.messages.attributes.model import ANY_SEGMENT, CONFEDERATION_SEGMENT, PUBLIC_SEGMENT, AsPath, SegmentType
from bgpd.rib.path import NextHop, Path

_MEMO: Final = 4096  # next hops
# Where an everyday block has the size of AS_PATH and, if that is not 0, its first number
AS_PATH_SIZE_AT: Final = 6
FIRST_AT: Final = 9
FIRST_END: Final = 13
_EXTERNAL: Final = PeerType.EXTERNAL
_INTERNAL: Final = PeerType.INTERNAL
_CONFED_SEQUENCE: Final = bytes((SegmentType.AS_CONFED_SEQUENCE,))


class Admission:
    """What received paths of one peer are held against.

    own_asns: the AS numbers that make a loop. allow_own_as: how many times they may occur all the same. remote_asn:
    what an external path has to begin with, None = not enforced. own_addresses: a next hop that is one of these is our
    own. member_asn: our Member-AS, which makes a loop in the segments of a confederation and means nothing outside
    of them; None = we are in none. marks: of each number that makes a loop its greatest octet, found in a third of the
    time of all four, and its octets. first: the octets of remote_asn.
    """

    __slots__ = (
        "_allow_own_as", "_loops", "_next_hops", "_own_addresses", "_remote_asn", "_usable", "first", "marks",
    )  # fmt: skip

    def __init__(
        self,
        own_asns: tuple[Asn, ...],
        allow_own_as: int,
        remote_asn: Asn | None,
        own_addresses: frozenset[bytes],
        member_asn: Asn | None = None,
    ) -> None:
        kinds = ANY_SEGMENT if member_asn is None else PUBLIC_SEGMENT
        loops = [(asn, asn.to_bytes(4), kinds) for asn in own_asns]
        if member_asn is not None:
            loops.append((member_asn, member_asn.to_bytes(4), CONFEDERATION_SEGMENT))
        self._loops = tuple(loops)
        self._allow_own_as = allow_own_as
        self._remote_asn = remote_asn
        self._own_addresses = own_addresses
        self._next_hops: dict[NextHop, str] = {}
        self.marks = tuple((max(octets), octets) for _, octets, _ in loops)
        self.first = None if remote_asn is None else remote_asn.to_bytes(4)
        self._usable: NextHop | None = None  # the last next hop that was of use

    def surely_passes(self, path: Path) -> bool:
        """Does ``refusal`` return nothing, as is seen at a glance? False says nothing. The path has to be everyday."""
        octets = path.attributes.octets
        for mark, number in self.marks:
            if mark in octets and octets.find(number) >= 0:
                return False
        if path.next_hop is not self._usable:
            return False
        peer_type = path.source.peer_type
        if peer_type is _EXTERNAL:
            if self.first is None:
                return True
            return octets[AS_PATH_SIZE_AT] > 0 and octets[FIRST_AT:FIRST_END] == self.first
        return peer_type is _INTERNAL

    def refusal(self, path: Path) -> str:
        """Return why the path may not be used, for people; empty = it may."""
        if path.attributes.is_everyday and self.surely_passes(path):
            return ""
        as_path = path.attributes.as_path
        for asn, octets, kinds in self._loops:
            if octets in as_path.octets:
                times = as_path.count(asn, kinds)  # the octets can match across two numbers
                if times > self._allow_own_as:
                    allowed = self._allow_own_as
                    return f"AS loop: our AS {asn} is {times} times in AS_PATH {as_path}, {allowed} allowed"
        remote_asn = self._remote_asn
        peer_type = path.source.peer_type
        if remote_asn is not None and peer_type is not _INTERNAL:
            first = as_path.neighbour if peer_type is _EXTERNAL else _first_member(as_path)
            if first != remote_asn:
                return f"AS_PATH begins with {first or 'no AS'}, not with the peer's AS {remote_asn}"
        return self.next_hop_refusal(path)

    def next_hop_refusal(self, path: Path) -> str:
        """Return why the next hop is of no use, for people; empty = it is."""
        hop = path.next_hop
        why = self.next_hop_fault(hop, path.source.address)
        if not why:
            self._usable = hop
        return why

    def next_hop_fault(self, hop: NextHop, peer: bytes) -> str:
        """Return the same of a next hop; peer: the address of the one peer that we hear all from."""
        why = self._next_hops.get(hop)
        if why is None:
            if len(self._next_hops) >= _MEMO:
                self._next_hops.clear()
            why = self._next_hops[hop] = self._next_hop_fault(hop, peer)
        return why

    def _next_hop_fault(self, hop: NextHop, peer: bytes) -> str:
        if hop.address in self._own_addresses:
            return f"next hop {format_address(hop.address)} is our own address"
        if is_loopback(hop.address) and not is_loopback(peer):
            return f"next hop {format_address(hop.address)} is a loopback address"
        if not hop.is_reachable:
            return f"next hop {format_address(hop.address or hop.link_local)} is unreachable: {hop.why}"
        return ""


def _first_member(as_path: AsPath) -> int:
    """Return the Member-AS that the path begins with, 0 = none."""
    octets = as_path.octets
    return int.from_bytes(octets[2:6]) if octets[:1] == _CONFED_SEQUENCE else 0
