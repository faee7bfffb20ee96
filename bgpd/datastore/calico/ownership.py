"""Who owns which block: affinities and borrowed addresses of all nodes, kept up to date key by key."""

from collections.abc import Iterable, Mapping

from bgpd.datastore.calico.model import Affinity, BlockState, Borrowed, Node
from bgpd.datastore.calico.values import Cidr
from bgpd.families import FAMILIES, Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.policy.origins import OriginNode, Origins

# A block that is about to be given up may be announced by its owner until it is
_MAY_ANNOUNCE = (BlockState.OWNED, BlockState.LEAVING)


class Ownership:
    """All blocks. version: counts changes of who may announce what; own_version: of what the node itself has."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._affinities: dict[str, Affinity] = {}  # by key
        self._borrowed: dict[str, Borrowed] = {}
        self._blocks: dict[Family, dict[bytes, tuple[str, ...]]] = {family: {} for family in FAMILIES.values()}
        self._holders: dict[Family, dict[bytes, tuple[str, ...]]] = {family: {} for family in FAMILIES.values()}
        self._own: dict[str, Affinity] = {}
        self.others = 0  # affinities of other nodes
        self.version = 0
        self.own_version = 0

    @property
    def has_affinities(self) -> bool:
        """Does etcd list any?"""
        return bool(self._affinities)

    @property
    def own(self) -> list[tuple[Cidr, BlockState]]:
        """Return the node's own blocks."""
        return sorted(
            (((one.family, one.prefix), one.state) for one in self._own.values()),
            key=lambda item: (item[0][0].bits, item[0][1]),
        )

    def affinity(self, key: str, new: Affinity | None) -> None:
        """Take an affinity, or that there is none under a key any more."""
        old = self._affinities.get(key)
        if new == old:
            return
        for one, sign in ((old, -1), (new, 1)):
            if one is not None and one.node != self._node:
                self.others += sign
        if new is None:
            self._affinities.pop(key, None)
        else:
            self._affinities[key] = new
        concerned = old or new
        if concerned is not None and concerned.node == self._node:
            self.own_version += 1
            if new is None:
                self._own.pop(key, None)
            else:
                self._own[key] = new
        for one in (old, new):
            if one is not None and one.state in _MAY_ANNOUNCE:
                owners = self._blocks[one.family]
                kept = [name for name in owners.get(one.prefix, ()) if name != one.node]
                _enter(owners, one.prefix, [*kept, one.node] if one is new else kept)
                self.version += 1

    def block(self, key: str, new: Borrowed | None) -> None:
        """Take which addresses of a block are borrowed, or that the block is gone."""
        old = self._borrowed.get(key)
        if new is not None and not new.holders:
            new = None
        if new == old:
            return
        if new is None:
            self._borrowed.pop(key, None)
        else:
            self._borrowed[key] = new
        for one in (old, new):
            if one is None:
                continue
            holders = self._holders[one.family]
            for prefix, name in one.holders:
                kept = [other for other in holders.get(prefix, ()) if other != name]
                _enter(holders, prefix, [*kept, name] if one is new else kept)
        self.version += 1

    def origins(self, nodes: Mapping[str, OriginNode], pod_cidrs: Iterable[tuple[Cidr, str]]) -> Origins:
        """Return what may come from where. pod_cidrs: of nodes with host-local IPAM."""
        blocks = {family: dict(found) for family, found in self._blocks.items() if found}
        for (family, prefix), name in pod_cidrs:
            of_family = blocks.setdefault(family, {})
            of_family[prefix] = (*of_family.get(prefix, ()), name)
        return Origins(nodes, blocks, {family: dict(found) for family, found in self._holders.items() if found})


def origin_node(node: Node, asn: Asn) -> OriginNode:
    """Return how a node is known in paths."""
    identifier = BgpIdentifier(int.from_bytes(node.ipv4.address)) if node.ipv4 is not None else None
    return OriginNode(node.name, frozenset(one.address for one in node.addresses), identifier, asn)


def _enter(table: dict[bytes, tuple[str, ...]], prefix: bytes, names: list[str]) -> None:
    if names:
        table[prefix] = tuple(sorted(names))
    else:
        table.pop(prefix, None)
