"""Export: whether a path may go to a kind of peer, and the attributes it goes with.

RFC 4271 5.1 (each attribute's rule), 9.1.3 and 9.2; RFC 1997 (well-known communities); RFC 4360 section 6 (non-transitive extended
communities); RFC 4456 (reflection, handed in); RFC 5065 section 4 (confederation segments stay inside); RFC 8212 (default deny). All of it is a
function of the path and of the ``ExportRule``, never of a peer: peers with equal rules are one update group.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Attributes, SegmentType
from bgpd.rib.decision import DEFAULT_LOCAL_PREF
from bgpd.rib.path import Path, PeerType

NO_EXPORT: Final = 0xFFFFFF01
NO_ADVERTISE: Final = 0xFFFFFF02
NO_EXPORT_SUBCONFED: Final = 0xFFFFFF03
NO_PEER: Final = 0xFFFFFF04

_AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _ORIGINATOR_ID, _CLUSTER_LIST = 2, 3, 4, 5, 9, 10
_EXTENDED_COMMUNITIES, _IPV6_EXTENDED_COMMUNITIES, _AIGP = 16, 25, 26
_INTERNAL_ONLY: Final = frozenset({_MED, _LOCAL_PREF, _ORIGINATOR_ID, _CLUSTER_LIST, _AIGP})
_NON_TRANSITIVE: Final = 0x40  # bit of the first octet of an extended community, RFC 4360 section 2
_CONFEDERATION_SEGMENTS: Final = frozenset({SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET})


class NextHopMode(Enum):
    """Which next hop a peer is told; the value is the word of the configuration."""

    AUTO = "auto"
    SELF = "self"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class ExportRule:
    """All that makes two peers need different octets; equal rules share one update group.

    cluster_id: we are a route reflector. next_hop_self: our address for the family, 4, 16 or 32 octets; empty = we have none.
    may_use_ipv6_next_hop: an IPv4 route may go with an IPv6 next hop (RFC 8950). policies: names, in order. generation:
    counts reloads that changed one of them, so that the old and the new group differ. denies_all: RFC 8212, eBGP without an
    export policy. max_message: octets.
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
    generation: int = 0
    denies_all: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """A path as a group's members are told it: the attribute block, complete but for MP_REACH_NLRI, and its next hop.

    next_hop: octets for MP_REACH_NLRI; empty = the block has NEXT_HOP and the prefixes go in the UPDATE's own field.
    """

    octets: bytes
    next_hop: bytes


Reflect = Callable[[Attributes, BgpIdentifier, BgpIdentifier], tuple[tuple[int, bytes], ...]]
"""(attributes, identifier of who we heard it from, our cluster) → ORIGINATOR_ID and CLUSTER_LIST as (code, TLV)."""


def refusal(path: Path, rule: ExportRule) -> str:
    """Return why the path may not go to a peer of this kind, for people; empty = it may. Policy comes after this."""
    source = path.source
    if rule.denies_all:
        return "eBGP session without an export policy (RFC 8212)"
    communities = path.attributes.communities
    if communities:
        if NO_ADVERTISE in communities:
            return "community no-advertise"
        if rule.peer_type is PeerType.EXTERNAL and NO_EXPORT in communities:
            return "community no-export"
        if rule.peer_type is not PeerType.INTERNAL and NO_EXPORT_SUBCONFED in communities:
            return "community no-export-subconfed"
    if source.peer_type is PeerType.INTERNAL and rule.peer_type is PeerType.INTERNAL:
        if rule.cluster_id is None:
            return "learned by iBGP, and we are no route reflector"
        if not source.is_client and not rule.is_client:
            return "learned from a non-client, goes to clients only (RFC 4456)"
        if rule.cluster_id in path.attributes.cluster_list:
            return "our cluster identifier is already in CLUSTER_LIST"
    return "" if _next_hop(path, rule) else f"we have no {rule.family.name} address to give as next hop"


def rewrite(path: Path, attributes: Attributes, rule: ExportRule, reflect: Reflect) -> Exported:
    """Return what members are told of a path that ``refusal`` lets pass; attributes: the path's own, or as policy left them."""
    next_hop = attributes.next_hop if attributes.next_hop != path.attributes.next_hop else _next_hop(path, rule)
    is_external = rule.peer_type is PeerType.EXTERNAL
    is_reflected = path.source.peer_type is PeerType.INTERNAL and rule.peer_type is PeerType.INTERNAL
    changed: dict[int, bytes] = {}
    drop = {_NEXT_HOP}
    if is_external:
        drop |= _INTERNAL_ONLY
        if attributes.med is not None and attributes.med != path.attributes.med:
            drop.remove(_MED)  # ours, not one to be passed on: RFC 4271 5.1.4
        if _has_non_transitive(attributes):
            drop |= {_EXTENDED_COMMUNITIES, _IPV6_EXTENDED_COMMUNITIES}
            changed.update(_transitive_communities(attributes))
    elif attributes.local_pref is None:
        changed[_LOCAL_PREF] = block.tlv(_LOCAL_PREF, block.TRANSITIVE, DEFAULT_LOCAL_PREF.to_bytes(4))
    if rule.peer_type is not PeerType.INTERNAL:
        changed.update(_as_path_tlvs(attributes, rule))
    elif not rule.four_octet_as:
        changed.update(as_path.two_octet_tlvs(attributes))
    if is_reflected and rule.cluster_id is not None:
        changed.update(reflect(attributes, path.source.identifier, rule.cluster_id))
    if rule.family.is_classic and len(next_hop) == rule.family.octets:
        changed[_NEXT_HOP] = block.tlv(_NEXT_HOP, block.TRANSITIVE, next_hop)
        next_hop = b""
    tlvs = [item for item in block.split(attributes.octets) if item[0] not in drop and item[0] not in changed]
    tlvs.extend(changed.items())
    tlvs.sort()
    return Exported(b"".join([tlv for _, tlv in tlvs]), next_hop)


def _next_hop(path: Path, rule: ExportRule) -> bytes:
    """Return the next hop that a peer of this kind is told; empty = there is none that it could use."""
    received = path.attributes.next_hop
    mode = rule.next_hop_mode
    keeps = mode is NextHopMode.KEEP or (mode is NextHopMode.AUTO and rule.peer_type is not PeerType.EXTERNAL)
    if keeps and received and _fits(received, rule):
        return received
    return rule.next_hop_self if _fits(rule.next_hop_self, rule) else b""


def _fits(next_hop: bytes, rule: ExportRule) -> bool:
    if len(next_hop) == rule.family.octets:
        return True
    if rule.family.is_classic:
        return len(next_hop) in (16, 32) and rule.may_use_ipv6_next_hop
    return len(next_hop) in rule.family.next_hop_sizes


def _as_path_tlvs(attributes: Attributes, rule: ExportRule) -> dict[int, bytes]:
    """Return AS_PATH with our AS before it (RFC 4271 5.1.2 b), without the confederation's own segments."""
    path = attributes.as_path
    if rule.peer_type is PeerType.CONFEDERATION:
        path = as_path.prepend(path, rule.local_asn, segment=SegmentType.AS_CONFED_SEQUENCE)
    else:
        if any(kind in _CONFEDERATION_SEGMENTS for kind in path.octets[:1]):
            path = as_path.from_segments([s for s in path.segments() if s[0] not in _CONFEDERATION_SEGMENTS])
        path = as_path.prepend(path, rule.local_asn)
    if rule.four_octet_as:
        return {_AS_PATH: block.tlv(_AS_PATH, block.TRANSITIVE, path.octets)}
    return dict(as_path.two_octet_tlvs(block.replace(attributes, as_path=path)))


def _has_non_transitive(attributes: Attributes) -> bool:
    return any(c[0] & _NON_TRANSITIVE for c in attributes.extended_communities) or any(
        c[0] & _NON_TRANSITIVE for c in attributes.ipv6_extended_communities
    )


def _transitive_communities(attributes: Attributes) -> dict[int, bytes]:
    kept = {
        _EXTENDED_COMMUNITIES: attributes.extended_communities,
        _IPV6_EXTENDED_COMMUNITIES: attributes.ipv6_extended_communities,
    }
    flags = block.OPTIONAL | block.TRANSITIVE
    found = {code: b"".join(c for c in values if not c[0] & _NON_TRANSITIVE) for code, values in kept.items()}
    return {code: block.tlv(code, flags, value) for code, value in found.items() if value}
