"""A path: attributes from one source, shared by every prefix that carries them.

RFC 4271 1.1 and 9.1. A path is interned by its owner, so two prefixes with the same attributes from the same source
hold the same object and are compared with ``is``. All that the decision process, policy and export need of it is
worked out once.
"""

from dataclasses import field
from enum import Enum, IntEnum
from typing import Final

from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes.model import Attributes
from bgpd.records import dataclass


class SourceKind(Enum):
    """Where a path came from."""

    NETWORK = "network"
    KERNEL = "kernel"
    PEER = "peer"


class Preference(IntEnum):
    """Which kind of source wins before BGP's own rules: higher first. Ours before theirs, as in the kernel."""

    NETWORK = 200
    KERNEL = 150
    PEER = 100


@dataclass(eq=False, slots=True)
class Source:
    """One origin of paths: our networks, the kernel, or a peer's session (one for each received path identifier).

    name: the peer's name, else the kind's. address: the peer's, 4 or 16 octets; empty for ours. identifier: the
    peer's BGP Identifier, ours for our own. is_client: a route reflector client, new paths take it over. path_id: RFC
    7911, as received; 0 = none. peer: an opaque token that is the same object for all sources of one session: split
    horizon compares it with ``is``. number: ours, another for each source of a speaker, of four octets and not 0; as
    long as the source lives it is the path identifier its paths are sent with. accepted: prefixes in the Loc-RIB that
    have a path from here. tails: by next hop metric, what most paths from here share of what they are compared by
    (see ``decision.rank``).
    """

    kind: SourceKind
    name: str
    preference: int
    asn: Asn
    identifier: BgpIdentifier
    address: bytes = b""
    peer_type: PeerType | None = None
    is_client: bool = False
    path_id: int = 0
    peer: object = None
    number: int = 0
    accepted: int = 0
    tails: dict[int, tuple[int | bytes, ...]] = field(default_factory=dict)

    def reconfigure(self, name: str, *, is_client: bool) -> None:
        """Take what a changed configuration says; paths have to be made again where it counts what they were."""
        self.name, self.is_client = name, is_client

    def identify(self, asn: Asn, identifier: BgpIdentifier) -> None:
        """Take what a new session or configuration says; paths that are there have to be ranked again."""
        self.asn, self.identifier = asn, identifier
        self.tails.clear()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class NextHop:
    """An address that paths point to, and how we reached it when it was last resolved (RFC 4271 5.1.3, 9.1.2.1).

    address: 4 or 16 octets; empty = the route is our own. link_local: 16 octets or empty (RFC 2545 section 3).
    interface: index of the link the peer is on, 0 = not known; only used with a link-local address. metric: of the
    route to it, 0 = connected. gateway: octets; empty = it is on the link. device: interface index, 0 = none;
    device_name: its name. why: for people, when it is not reachable. A change of any of these makes a new object.
    """

    address: bytes
    link_local: bytes = b""
    interface: int = 0
    is_reachable: bool = True
    metric: int = 0
    gateway: bytes = b""
    device: int = 0
    device_name: str = ""
    why: str = ""


OWN: Final = NextHop(b"")


class Path:
    """Attributes from one source. Nothing of it but ``held`` changes after admission and ``decision.rank`` filled it.

    family: of the prefixes it serves. interface: name of the device that traffic leaves by, empty = none or not known;
    it stays when the device goes, since it says what peers were told. is_black_hole: the kernel gets it as a black
    hole: a network of ours, or a peer's wish that is granted (RFC 7999). is_from_client: its source was a route
    reflector client when the path was made, which says for good what peers were told of it; sender: that peer's name
    then, empty = no peer. weight: given by import policy, compared before LOCAL_PREF, higher wins, never sent.
    rejected: why no prefix may use it (loop, policy, unusable next hop), empty = usable. is_stale: long-lived stale
    (RFC 9494), a last resort. taken: the attributes that import policy is asked about, the path's own but for what the
    border of our AS changes (see ``border``). imported: the path that the Loc-RIB gets in its place: itself, a copy
    that policy changed, or None when rejected. group: what MED is compared within, the neighbouring AS (RFC 4271
    9.1.2.2 c). rank: what is compared before MED, med, and tail: what is compared after it; lower is better. Of these
    four, an everyday path has what was needed so far: none if it was never compared, and its rank is empty then, or
    rank alone if that always decided (see ``decision.order``). alone: the 1-tuple of this path, shared by all prefixes
    that have no other. received: of a copy, the path that came from the peer; None = itself did, or it is ours. held:
    prefixes of the Loc-RIB that have it or a copy of it.
    """

    __slots__ = (
        "alone", "attributes", "family", "group", "held", "imported", "interface", "is_black_hole", "is_from_client",
        "is_stale", "med", "next_hop", "rank", "received", "rejected", "sender", "source", "tail", "taken", "weight",
    )  # fmt: skip

    group: int
    med: int
    tail: tuple[int | bytes, ...]

    def __init__(self, source: Source, family: Family, attributes: Attributes, next_hop: NextHop) -> None:
        self.source = source
        self.family = family
        self.attributes = attributes
        self.next_hop = next_hop
        self.interface = next_hop.device_name
        self.is_black_hole = False
        self.is_from_client = source.is_client
        self.sender = source.name if source.peer_type is not None else ""
        self.rejected = ""
        self.taken = attributes
        self.imported: Path | None = self
        self.received: Path | None = None
        self.held = 0
        self.is_stale = False
        self.rank: tuple[int, ...] = ()
        self.weight = 0
        self.alone: tuple[Path, ...] = (self,)

    def release(self) -> None:
        """Forget what refers back to the path: nothing holds it any more, and it should not wait for the collector."""
        imported, self.imported = self.imported, None
        self.alone = ()
        if imported is not None:
            imported.release()  # a copy refers back to itself, too


Candidates = tuple[Path, ...]
"""The usable paths of one prefix, best first; never empty."""
