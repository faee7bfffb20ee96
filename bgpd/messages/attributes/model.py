"""The path attributes of one attribute block, decoded: what decision, policy and people read.

RFC 4271 section 5 and the RFC of each attribute (named in its module). Integers are in host order, addresses are
octets in network order. ``octets`` is the block itself, canonical: what we would encode for a four-octet AS session,
without MP_REACH_NLRI and MP_UNREACH_NLRI.
"""

from enum import IntEnum
from typing import Final

from bgpd.identity import Asn, BgpIdentifier
from bgpd.records import dataclass


class Origin(IntEnum):
    """ORIGIN (RFC 4271 5.1.1); lower is preferred."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class SegmentType(IntEnum):
    """Kind of an AS_PATH segment (RFC 4271 4.3 b, RFC 5065 section 3)."""

    AS_SET = 1
    AS_SEQUENCE = 2
    AS_CONFED_SEQUENCE = 3
    AS_CONFED_SET = 4


ANY_SEGMENT: Final = frozenset(SegmentType)
CONFEDERATION_SEGMENT: Final = frozenset({SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET})
PUBLIC_SEGMENT: Final = ANY_SEGMENT - CONFEDERATION_SEGMENT


@dataclass(frozen=True, slots=True)
class AsPath:
    """AS_PATH in its four-octet wire form, with what the decision process asks of it.

    octets: the attribute's value with four-octet numbers. length: as RFC 4271 9.1.2.2 a counts it (a set counts as one,
    confederation segments as none: RFC 5065 5.3). neighbour: the first AS outside the confederation, 0 = empty path
    or a leading set.
    """

    octets: bytes
    length: int
    neighbour: int

    @property
    def origin_asn(self) -> int:
        """The last AS outside the confederation, if it ends a sequence; 0 = none."""
        outside = [segment for segment in self.segments() if segment[0] in PUBLIC_SEGMENT]
        return outside[-1][1][-1] if outside and outside[-1][0] is SegmentType.AS_SEQUENCE else 0

    def segments(self) -> tuple[tuple[SegmentType, tuple[Asn, ...]], ...]:
        """Return the segments, first one first."""
        octets = self.octets
        found: list[tuple[SegmentType, tuple[Asn, ...]]] = []
        position = 0
        while position < len(octets):
            kind, count = octets[position], octets[position + 1]
            position += 2
            numbers = tuple(Asn(int.from_bytes(octets[i : i + 4])) for i in range(position, position + 4 * count, 4))
            found.append((SegmentType(kind), numbers))
            position += 4 * count
        return tuple(found)

    def count(self, asn: int, kinds: frozenset[SegmentType] = ANY_SEGMENT) -> int:
        """Return how many times the AS number occurs in segments of these kinds."""
        if asn.to_bytes(4) not in self.octets:  # the octets can match across two numbers, so this only rules out
            return 0
        return sum(numbers.count(Asn(asn)) for kind, numbers in self.segments() if kind in kinds)

    def __str__(self) -> str:
        brackets = {
            SegmentType.AS_SET: ("{", "}"),
            SegmentType.AS_SEQUENCE: ("", ""),
            SegmentType.AS_CONFED_SEQUENCE: ("(", ")"),
            SegmentType.AS_CONFED_SET: ("[", "]"),
        }
        parts = []
        for kind, numbers in self.segments():
            before, after = brackets[kind]
            parts.append(f"{before}{' '.join(map(str, numbers))}{after}")
        return " ".join(parts)


_INCOMPLETE: Final = Origin.INCOMPLETE  # looking up an enum's member takes as long as the rest of __init__
EMPTY_AS_PATH = AsPath(b"", 0, 0)


@dataclass(frozen=True, slots=True)
class Aggregator:
    """AGGREGATOR (RFC 4271 5.1.7): who formed an aggregate; address is 4 octets."""

    asn: Asn
    address: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """An attribute that has no module here: optional transitive, passed on with the Partial bit (RFC 4271 5)."""

    flags: int
    code: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """An attribute that was set aside (RFC 7606 section 2, attribute discard): name or number, and why."""

    attribute: str
    why: str


class Attributes:
    """The attributes of one block. Immutable by convention: change one with ``block.replace``.

    origin: always there in a valid block. next_hop: NEXT_HOP or the next hop of MP_REACH_NLRI: 4, 16 or 32 octets
    (global and link-local, RFC 2545 section 3). med, local_pref, otc: None = absent. communities: 32-bit numbers as
    sent.
    extended_communities: 8 octets each; ipv6_extended_communities: 20 each; large_communities: three numbers each.
    cluster_list: identifiers, nearest first. aigp: metric, None = absent. unknown: in code order. faults: attributes
    discarded on the way in.
    is_everyday: there is nothing but ORIGIN, an AS_PATH (empty or one AS_SEQUENCE, its length has one octet), NEXT_HOP,
    MED, LOCAL_PREF, and what is passed on as it is: ATOMIC_AGGREGATE, AGGREGATOR, COMMUNITIES without a well-known one,
    LARGE_COMMUNITY. False says nothing.
    """

    __slots__ = (
        "aggregator", "aigp", "as_path", "atomic_aggregate", "cluster_list", "communities", "extended_communities",
        "faults", "ipv6_extended_communities", "large_communities", "local_pref", "med", "next_hop", "octets", "origin",
        "originator_id", "otc", "unknown",
    )  # fmt: skip

    is_everyday: bool = False

    def __init__(self) -> None:
        self.octets = b""
        self.origin = _INCOMPLETE
        self.as_path = EMPTY_AS_PATH
        self.next_hop = b""
        self.med: int | None = None
        self.local_pref: int | None = None
        self.atomic_aggregate = False
        self.aggregator: Aggregator | None = None
        self.communities: tuple[int, ...] = ()
        self.originator_id: BgpIdentifier | None = None
        self.cluster_list: tuple[BgpIdentifier, ...] = ()
        self.extended_communities: tuple[bytes, ...] = ()
        self.ipv6_extended_communities: tuple[bytes, ...] = ()
        self.large_communities: tuple[tuple[int, int, int], ...] = ()
        self.aigp: int | None = None
        self.otc: Asn | None = None
        self.unknown: tuple[Unknown, ...] = ()
        self.faults: tuple[Fault, ...] = ()
