"""Which node of a cluster a block of addresses may come from, and an address inside it.

A peer that is a node may announce a block that it owns, and an address that it owns or has borrowed. What it passes on
of others must be told as theirs: by the next hop or ORIGINATOR_ID (RFC 4456), or across ASes by the first AS of the
path. Peers that are no nodes, and prefixes that are in no block, are not judged. Prefixes are canonical wire octets.
"""

from collections.abc import Mapping
from dataclasses import field

from bgpd.addresses import format_prefix, truncate
from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes.model import Attributes
from bgpd.records import dataclass
from bgpd.rib.path import Path

Owners = Mapping[bytes, tuple[str, ...]]  # prefix → names of nodes


@dataclass(frozen=True, slots=True)
class OriginNode:
    """How a node is known in paths. addresses: 4 or 16 octets each."""

    name: str
    addresses: frozenset[bytes]
    identifier: BgpIdentifier | None
    asn: Asn


@dataclass(frozen=True, slots=True)
class OriginChanges:
    """What differs between two. addresses: of nodes. blocks: blocks and borrowed addresses that somebody else has."""

    addresses: frozenset[bytes]
    blocks: Mapping[Family, frozenset[bytes]]


@dataclass(frozen=True, slots=True)
class Origins:
    """What etcd says of where blocks are. borrowed: host prefixes that other nodes than the block's owner hold."""

    nodes: Mapping[str, OriginNode]
    blocks: Mapping[Family, Owners]
    borrowed: Mapping[Family, Owners]
    _by_address: Mapping[bytes, OriginNode] = field(init=False, repr=False, compare=False)
    _lengths: Mapping[Family, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_address = {address: node for node in self.nodes.values() for address in node.addresses}
        lengths = {
            family: tuple(sorted({block[0] for block in blocks}, reverse=True))
            for family, blocks in self.blocks.items()
        }
        object.__setattr__(self, "_by_address", by_address)
        object.__setattr__(self, "_lengths", lengths)

    def knows(self, address: bytes) -> bool:
        """Is there a node at this address?"""
        return address in self._by_address

    def changes(self, new: "Origins") -> "OriginChanges":
        """Return what is judged otherwise by others."""
        nodes = {name for name, _ in self.nodes.items() ^ new.nodes.items()}
        addresses = {
            address
            for name in nodes
            for node in (self.nodes.get(name), new.nodes.get(name))
            if node is not None
            for address in node.addresses
        }
        blocks = {}
        for family in {*self.blocks, *new.blocks, *self.borrowed, *new.borrowed}:
            before, after = self.blocks.get(family, {}), new.blocks.get(family, {})
            changed = {block for block, _ in before.items() ^ after.items()}
            changed |= {one for one, _ in self.borrowed.get(family, {}).items() ^ new.borrowed.get(family, {}).items()}
            if nodes:
                changed.update(block for block, owners in after.items() if not nodes.isdisjoint(owners))
            blocks[family] = frozenset(changed)
        return OriginChanges(frozenset(addresses), blocks)

    def owners(self, family: Family, prefix: bytes) -> tuple[str, ...] | None:
        """Return the nodes that may announce a prefix, None = it is in no block."""
        blocks = self.blocks.get(family)
        if not blocks:
            return None
        for length in self._lengths[family]:
            if length <= prefix[0]:
                owners = blocks.get(prefix if length == prefix[0] else truncate(prefix, length))
                if owners is not None:
                    return owners + self.borrowed.get(family, {}).get(prefix, ())
        return None

    def refusal(self, path: Path, prefix: bytes) -> str:
        """Return why a peer's path may not serve the prefix, for people; empty = it may."""
        peer = self._by_address.get(path.source.address)
        if peer is None:
            return ""
        owners = self.owners(path.family, prefix)
        if owners is None or peer.name in owners:
            return ""
        nodes = [self.nodes[name] for name in owners if name in self.nodes]
        is_external = path.source.peer_type is not PeerType.INTERNAL
        if any(_is_from(node, path.attributes, peer, is_external=is_external) for node in nodes):
            return ""
        place = format_prefix(path.family, prefix)
        return f"{place} is not {peer.name}'s to announce: etcd says it is of {', '.join(owners) or 'nobody'}"


def _is_from(node: OriginNode, attributes: Attributes, peer: OriginNode, *, is_external: bool) -> bool:
    """Is it told as the node's?"""
    if attributes.next_hop[:16] in node.addresses:
        return True
    if attributes.originator_id is not None and attributes.originator_id == node.identifier:
        return True
    path = attributes.as_path
    return is_external and path.length > 1 and node.asn != peer.asn and path.origin_asn == node.asn
