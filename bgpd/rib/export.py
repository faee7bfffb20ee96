"""Export: whether a path may go to a kind of peer, and the attributes it goes with.

RFC 4271 5.1 (each attribute's rule), 9.1.3 and 9.2; RFC 2545 section 3 (IPv6 next hops); RFC 1997 (well-known
communities); RFC 4360 section 6 (non-transitive extended communities); RFC 4456 (reflection, handed in); RFC 5065
section 4 (confederation segments stay inside); RFC 7705 section 3 (local AS); RFC 8212 (default deny); RFC 8326
(sessions about to close); RFC 9234 section 5 (OTC); RFC 9494 4.3, 4.6 (long-lived stale). All of it is a function of
the path and of the ``ExportRule``, never of a peer: peers with equal rules are one update group.
"""

from collections.abc import Callable
from enum import Enum, Flag
from functools import lru_cache
from typing import Final

from bgpd.communities import GRACEFUL_SHUTDOWN, LLGR_STALE
from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier, PeerType, Role
from bgpd.messages.attributes.as_path import prepend, without_confederation
from bgpd.messages.attributes.block import replace, split, two_octet
from bgpd.messages.attributes.extended_communities import transitive
from bgpd.messages.attributes.model import AsPath, Attributes, SegmentType
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, tlv
from bgpd.records import dataclass
from bgpd.rib import only_to_customer
from bgpd.rib.decision import DEFAULT_LOCAL_PREF
from bgpd.rib.path import Path, SourceKind

NO_EXPORT: Final = 0xFFFFFF01
NO_ADVERTISE: Final = 0xFFFFFF02
NO_EXPORT_SUBCONFED: Final = 0xFFFFFF03

OVERHEAD: Final = 19 + 4 + 4 + 5 + 32 + 21  # header, lengths, MP_REACH_NLRI with the longest next hop and prefix
_ROOM: Final = 300  # octets: what ``rewrite`` adds is less, but for AS4_PATH

_ORIGIN, _AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _ORIGINATOR_ID, _CLUSTER_LIST = 1, 2, 3, 4, 5, 9, 10
_EXTENDED_COMMUNITIES, _IPV6_EXTENDED_COMMUNITIES, _AIGP, _OTC = 16, 25, 26, 35
_NEXT_HOP_ONLY: Final = frozenset({_NEXT_HOP})
_WITHIN_MEMBER: Final = frozenset({_NEXT_HOP, _ORIGINATOR_ID, _CLUSTER_LIST})
_INTERNAL_ONLY: Final = frozenset({_NEXT_HOP, _MED, _LOCAL_PREF, _ORIGINATOR_ID, _CLUSTER_LIST, _AIGP})
DEFAULT_LOCAL_PREF_ATTRIBUTE: Final = tlv(_LOCAL_PREF, TRANSITIVE, DEFAULT_LOCAL_PREF.to_bytes(4))
_WITHOUT_LINK_LOCAL: Final = 16  # octets of a next hop
_NOT_GLOBAL: Final = (b"\xfe\x80", bytes(16))  # link-local, or nothing beside the link-local address
_CLASSIC_NEXT_HOP: Final = bytes((TRANSITIVE, _NEXT_HOP, 4))
_ORIGIN_SIZE: Final = 4  # octets of the whole attribute, the first that we know of a canonical block
_AS_SEQUENCE: Final = int(SegmentType.AS_SEQUENCE)
_FEW: Final = 61  # AS numbers in a sequence, for whose attribute with one more a length of one octet is enough


class NextHopMode(Enum):
    """Which next hop a peer is told; the value is the word of the configuration."""

    AUTO = "auto"
    SELF = "self"
    KEEP = "keep"


class Settled(Flag):
    """Attributes that policy set for the peer: sent as they are, even where they are as received."""

    NOTHING = 0
    NEXT_HOP = 1
    MED = 2


class StaleRoutes(Enum):
    """What becomes of a long-lived stale route on the way to a peer (RFC 9494 4.3, 4.6)."""

    SENT = "sent"
    WITHHELD = "withheld"
    LAST_RESORT = "last resort"


@dataclass(frozen=True, slots=True)
class ExportRule:
    """All that makes two peers need different octets; equal rules share one update group.

    cluster_id: we are a route reflector. next_hop_self: our address for the family, 4, 16 or 32 octets; empty = we have
    none. local_asn: what the peer knows us by. real_asn: our AS behind that one, if it goes into AS_PATH too (RFC
    7705); None = it does not. role: ours on the session (RFC 9234), None = not told. may_use_ipv6_next_hop: an IPv4
    route may go with an IPv6 next hop (RFC 8950). policies: names, in order. peer_name: the peer's, if policy asks for
    names; else empty. generation: counts reloads that changed a policy, so that the old and the new group differ.
    denies_all: RFC 8212, eBGP without an export policy. max_message: octets. gateway: the peer's address if it is the
    gateway of routes of ours, else empty. path_limit: how many paths of a prefix go out, best first and each with a
    path identifier (RFC 7911), 0 = all; None = the best one without an identifier. stale_routes: of long-lived stale
    routes; LAST_RESORT = with LOCAL_PREF 0 and NO_EXPORT, for a peer within the AS that does not know them.
    is_last_resort: the session is about to close, all goes with GRACEFUL_SHUTDOWN and LOCAL_PREF 0 (RFC 8326).
    """

    family: Family
    peer_type: PeerType
    is_client: bool
    cluster_id: BgpIdentifier | None
    local_asn: Asn
    local_identifier: BgpIdentifier
    next_hop_mode: NextHopMode
    next_hop_self: bytes
    may_use_ipv6_next_hop: bool
    four_octet_as: bool
    max_message: int
    policies: tuple[str, ...] = ()
    peer_name: str = ""
    generation: int = 0
    denies_all: bool = False
    gateway: bytes = b""
    path_limit: int | None = None
    stale_routes: StaleRoutes = StaleRoutes.WITHHELD
    real_asn: Asn | None = None
    role: Role | None = None
    is_last_resort: bool = False


@dataclass(slots=True, eq=False)  # not frozen: made for each path, in half the time
class Exported:
    """A path as a group's members are told it. Nothing of it changes.

    octets: the attribute block without MP_REACH_NLRI. next_hop: for MP_REACH_NLRI; empty = the block has NEXT_HOP.
    """

    octets: bytes
    next_hop: bytes


Reflect = Callable[[Attributes, BgpIdentifier, BgpIdentifier], tuple[tuple[int, bytes], ...]]
"""(attributes, identifier of who we heard it from, our cluster) → ORIGINATOR_ID and CLUSTER_LIST as (code, TLV)."""

# A member of an enum takes several times as long to look up as a global
_EXTERNAL: Final = PeerType.EXTERNAL
_INTERNAL: Final = PeerType.INTERNAL
_CONFEDERATION: Final = PeerType.CONFEDERATION
_KEEP: Final = NextHopMode.KEEP
_AUTO: Final = NextHopMode.AUTO
_WITHHELD: Final = StaleRoutes.WITHHELD
_NOTHING: Final = Settled.NOTHING
_PEER: Final = SourceKind.PEER


def refusal(path: Path, rule: ExportRule) -> str:
    """Return why the path may not go to a peer of this kind, for people; empty = it may. Policy comes after this."""
    source = path.source
    if rule.denies_all:
        return "eBGP session without an export policy (RFC 8212)"
    if path.is_stale and rule.stale_routes is _WITHHELD:
        return "long-lived stale, and the peer does not do long-lived graceful restart (RFC 9494)"
    if rule.role is not None and (leak := only_to_customer.refusal(rule.role, path.attributes.otc)):
        return leak
    communities = path.attributes.communities
    if communities:
        if NO_ADVERTISE in communities:
            return "community no-advertise"
        if rule.peer_type is _EXTERNAL and NO_EXPORT in communities:
            return "community no-export"
        if rule.peer_type is not _INTERNAL and NO_EXPORT_SUBCONFED in communities:
            return "community no-export-subconfed"
    if source.peer_type is _INTERNAL and rule.peer_type is _INTERNAL:
        if rule.cluster_id is None:
            return "learned by iBGP, and we are no route reflector"
        if not path.is_from_client and not rule.is_client:
            return "learned from a non-client, goes to clients only (RFC 4456)"
        if rule.cluster_id in path.attributes.cluster_list:
            return "our cluster identifier is already in CLUSTER_LIST"
    return "" if told_next_hop(path, rule) else f"we have no {rule.family.name} address to give as next hop"


def rewrite(
    path: Path, attributes: Attributes, rule: ExportRule, reflect: Reflect, settled: Settled = _NOTHING
) -> Exported:
    """Return what members are told of a path that ``refusal`` lets pass.

    attributes: the path's own, or as policy left them. settled: which of them policy set.
    """
    if path.is_stale:
        attributes = _as_stale(attributes, rule)
    if rule.is_last_resort:
        attributes = _as_last_resort(attributes)
    is_policys = settled is not _NOTHING and bool(settled & Settled.NEXT_HOP)
    next_hop = attributes.next_hop if is_policys else told_next_hop(path, rule)
    hop, next_hop = next_hop_fields(rule, next_hop)
    if rule.peer_type is _EXTERNAL:
        octets = _to_external(path, attributes, rule, hop, settled)
        if attributes.otc is None and only_to_customer.marks_sent(rule.role):
            octets = _with_otc(octets, rule.local_asn)
    elif rule.peer_type is _CONFEDERATION:
        inside = prepend(attributes.as_path, rule.local_asn, segment=SegmentType.AS_CONFED_SEQUENCE)
        changed = {_AS_PATH: tlv(_AS_PATH, TRANSITIVE, inside.octets)}
        # ORIGINATOR_ID and CLUSTER_LIST are about one AS (RFC 4456 section 8), and a Member-AS is one
        octets = _changed(attributes, changed | _local_pref(attributes), _WITHIN_MEMBER, hop)
    else:
        changed = _local_pref(attributes)
        if path.source.peer_type is _INTERNAL and rule.cluster_id is not None:
            changed.update(reflect(attributes, path.source.identifier, rule.cluster_id))
        octets = _changed(attributes, changed, _NEXT_HOP_ONLY, hop)
    return Exported(octets if rule.four_octet_as else two_octet(octets), next_hop)


def surely_fits(rule: ExportRule) -> int:
    """Return how many octets a path's attributes may have and surely fit into a message, whatever is put in."""
    octets = rule.max_message - OVERHEAD - _ROOM
    return octets if rule.four_octet_as else octets // 2  # AS4_PATH may repeat the whole path


def told_next_hop(path: Path, rule: ExportRule) -> bytes:
    """Return the next hop that a peer of this kind is told; empty = there is none that it could use."""
    mode = rule.next_hop_mode
    if mode is _KEEP or (mode is _AUTO and rule.peer_type is not _EXTERNAL):
        # RFC 2545 section 3: a link-local address is only told where peer and next hop are on one link with us
        received = path.attributes.next_hop[:_WITHOUT_LINK_LOCAL]
        # RFC 4271 5.1.3: of a route that we originate the peer is never told itself
        is_peer = received == rule.gateway and path.source.kind is not _PEER
        if received and _fits(received, rule) and not received.startswith(_NOT_GLOBAL) and not is_peer:
            return received
    return rule.next_hop_self


def next_hop_fields(rule: ExportRule, next_hop: bytes) -> tuple[bytes, bytes]:
    """Return NEXT_HOP for the block and the next hop for MP_REACH_NLRI: one of them, the other is empty."""
    if rule.family.is_classic and len(next_hop) == rule.family.octets:
        return _CLASSIC_NEXT_HOP + next_hop, b""
    return b"", next_hop


def _as_stale(attributes: Attributes, rule: ExportRule) -> Attributes:
    """Return the attributes of a long-lived stale route: LLGR_STALE stays whatever policy did (RFC 9494 4.3)."""
    changed: dict[str, object] = {}
    wanted = [LLGR_STALE]
    if rule.stale_routes is StaleRoutes.LAST_RESORT:  # RFC 9494 4.6
        wanted.append(NO_EXPORT)
        changed["local_pref"] = 0
    if missing := tuple(one for one in wanted if one not in attributes.communities):
        changed["communities"] = attributes.communities + missing
    return replace(attributes, **changed) if changed else attributes


def _as_last_resort(attributes: Attributes) -> Attributes:
    """Return the attributes for a session that is about to close (RFC 8326 section 4); LOCAL_PREF stays in the AS."""
    communities = attributes.communities
    added = () if GRACEFUL_SHUTDOWN in communities else (GRACEFUL_SHUTDOWN,)
    return replace(attributes, local_pref=0, communities=communities + added)


def _to_external(path: Path, attributes: Attributes, rule: ExportRule, hop: bytes, settled: Settled) -> bytes:
    """Return the block for another AS. hop: the NEXT_HOP attribute, empty = it goes into MP_REACH_NLRI."""
    as_path = attributes.as_path
    if rule.real_asn is not None:
        as_path = prepend(without_confederation(as_path), rule.real_asn)
    own_as_path = _own_as_path(as_path, rule.local_asn)
    # What is not policy's own is not passed on: 5.1.4
    is_own_med = settled is not _NOTHING and attributes.med is not None and bool(settled & Settled.MED)
    if (
        path.source.peer_type is _EXTERNAL
        and not is_own_med
        and attributes.aigp is None
        and not attributes.extended_communities
        and not attributes.ipv6_extended_communities
        and attributes.octets[1] == _ORIGIN  # before it there can be an unknown attribute 0
    ):
        # Then what has to go stands right behind AS_PATH: NEXT_HOP, MED, LOCAL_PREF, in this order
        octets = attributes.octets
        start = _ORIGIN_SIZE + len(attributes.as_path.octets) + (3 if len(attributes.as_path.octets) < 256 else 4)
        size = len(octets)
        while start < size and octets[start + 1] <= _LOCAL_PREF:
            start += 3 + octets[start + 2]
        return octets[:_ORIGIN_SIZE] + own_as_path + hop + octets[start:]
    changed = _transitive_communities(attributes)
    changed[_AS_PATH] = own_as_path
    drop = _INTERNAL_ONLY - {_MED} if is_own_med else _INTERNAL_ONLY
    return _changed(attributes, changed, drop | {_EXTENDED_COMMUNITIES, _IPV6_EXTENDED_COMMUNITIES}, hop)


def _with_otc(octets: bytes, asn: Asn) -> bytes:
    tlvs = [*split(octets), (_OTC, tlv(_OTC, OPTIONAL | TRANSITIVE, asn.to_bytes(4)))]
    tlvs.sort()
    return b"".join([whole for _, whole in tlvs])


def _changed(attributes: Attributes, changed: dict[int, bytes], drop: frozenset[int], hop: bytes) -> bytes:
    """Return the block with some attributes put in place of its own, some dropped, and NEXT_HOP as given."""
    if hop:
        changed[_NEXT_HOP] = hop
    tlvs = [item for item in split(attributes.octets) if item[0] not in drop and item[0] not in changed]
    tlvs.extend(changed.items())
    tlvs.sort()
    return b"".join([whole for _, whole in tlvs])


def _local_pref(attributes: Attributes) -> dict[int, bytes]:
    """Return the LOCAL_PREF that a route within the AS must have (RFC 4271 5.1.5), if it has none."""
    return {_LOCAL_PREF: DEFAULT_LOCAL_PREF_ATTRIBUTE} if attributes.local_pref is None else {}


def _fits(next_hop: bytes, rule: ExportRule) -> bool:
    if len(next_hop) == rule.family.octets:
        return True
    if rule.family.is_classic:
        return len(next_hop) in (16, 32) and rule.may_use_ipv6_next_hop
    return len(next_hop) in rule.family.next_hop_sizes


def _own_as_path(path: AsPath, asn: Asn) -> bytes:
    """Return the attribute AS_PATH with our AS before the path, without the confederation's own segments.

    RFC 4271 5.1.2 b, RFC 5065 4.1 c.
    """
    octets = path.octets
    if octets and octets[0] == _AS_SEQUENCE and octets[1] <= _FEW and len(octets) == 2 + 4 * octets[1]:
        return _as_path_starts(asn)[octets[1]] + octets[2:]
    return tlv(_AS_PATH, TRANSITIVE, prepend(without_confederation(path), asn).octets)


@lru_cache(maxsize=64)
def _as_path_starts(asn: Asn) -> tuple[bytes, ...]:
    """Return how AS_PATH begins with this AS in front of a sequence, by how many numbers that has."""
    number = asn.to_bytes(4)
    return tuple(
        bytes((TRANSITIVE, _AS_PATH, 2 + 4 * (count + 1), _AS_SEQUENCE, count + 1)) + number
        for count in range(_FEW + 1)
    )


def _transitive_communities(attributes: Attributes) -> dict[int, bytes]:
    kept = {
        _EXTENDED_COMMUNITIES: attributes.extended_communities,
        _IPV6_EXTENDED_COMMUNITIES: attributes.ipv6_extended_communities,
    }
    found = {code: b"".join(transitive(values)) for code, values in kept.items()}
    return {code: tlv(code, OPTIONAL | TRANSITIVE, value) for code, value in found.items() if value}
