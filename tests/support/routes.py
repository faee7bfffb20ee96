"""Routes for tests of policy: text to a path and a prefix, ``10.65.3.0/26 source=peer as_path=65020,65030``."""

from bgpd.addresses import parse_address, parse_prefix
from bgpd.communities import Communities, parse_communities
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Attributes, Origin, SegmentType
from bgpd.policy import PeerContext
from bgpd.rib.path import NextHop, Path, Preference, Source, SourceKind

_ORIGINS = {"igp": Origin.IGP, "egp": Origin.EGP, "incomplete": Origin.INCOMPLETE}


def a_peer(peer_type: PeerType = PeerType.EXTERNAL) -> PeerContext:
    """Return a peer to decide for; our AS is 64512."""
    remote = 64512 if peer_type is PeerType.INTERNAL else 65020
    return PeerContext("tor", peer_type, Asn(64512), Asn(remote))


def a_path(prefix: str = "10.65.3.0/26", **fields: str) -> tuple[Path, bytes]:
    """Return the path and the prefix of a route.

    fields, all text: source (peer, network or kernel), as_path and communities (with commas), next_hop, med,
    local_pref, origin.
    """
    family, key = parse_prefix(prefix)
    source = SourceKind(fields.get("source", "peer"))
    preference = {SourceKind.NETWORK: Preference.NETWORK, SourceKind.KERNEL: Preference.KERNEL}.get(
        source, Preference.PEER
    )
    next_hop = parse_address(fields.get("next_hop", "172.18.0.1" if family.bits == 32 else "fd10:4::1"))
    attributes = attributes_of(
        next_hop=next_hop, **{k: v for k, v in fields.items() if k not in ("source", "next_hop")}
    )
    origin = Source(source, "somebody", preference, Asn(64512), BgpIdentifier(1))
    return Path(origin, family, attributes, NextHop(next_hop)), key


def attributes_of(next_hop: bytes = b"", **fields: str) -> Attributes:
    """Return attributes from text; see ``a_path``."""
    communities = (
        parse_communities(tuple(fields["communities"].split(","))) if "communities" in fields else Communities()
    )
    numbers = tuple(Asn(int(text)) for text in fields.get("as_path", "").split(",") if text)
    made: dict[str, object] = {
        "origin": _ORIGINS[fields.get("origin", "igp")],
        "as_path": as_path.from_segments([(SegmentType.AS_SEQUENCE, numbers)] if numbers else []),
        "communities": communities.plain,
        "extended_communities": communities.extended,
        "ipv6_extended_communities": communities.ipv6_extended,
        "large_communities": communities.large,
        "next_hop": next_hop,
    }
    made |= {name: int(fields[name]) for name in ("med", "local_pref") if name in fields}
    return block.make(**made)
