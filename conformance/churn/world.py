"""What etcd's keys say, read by code of our own: nodes, peers, filters, pools, and whose each block is; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final, TypeAlias

import msgspec

from conformance.churn import documents
from conformance.churn.keys import IPAM, RESOURCES, Interface, Network

Address: TypeAlias = IPv4Address | IPv6Address
VERSIONS: Final = (4, 6)

# The words of the selectors that the actions write
_ALL: Final = "all()"


@dataclass(frozen=True, slots=True)
class Node:
    """A node. addresses: with mask, by IP version."""

    name: str
    labels: Mapping[str, str]
    addresses: Mapping[int, Interface]
    cluster_id: str

    def address(self, version: int) -> Address | None:
        """Return where it speaks BGP in a family."""
        interface = self.addresses.get(version)
        return None if interface is None else interface.ip


@dataclass(frozen=True, slots=True)
class Peer:
    """A BGPPeer. restart_time: as written, empty = the default."""

    name: str
    node: str
    node_selector: str
    address: Address | None
    peer_selector: str
    filters: tuple[str, ...]
    is_reversed: bool
    restart_time: str


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPPool."""

    cidr: Network
    ipip: str
    is_vxlan: bool
    is_exported: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a BGPFilter. cidr: None = any. lengths: of prefixes that fit."""

    cidr: Network | None
    operator: str
    lengths: tuple[int, int]
    is_of_remote: bool
    is_accept: bool

    def matches(self, prefix: Network, *, is_remote: bool) -> bool:
        """Do all conditions hold?"""
        if self.is_of_remote and not is_remote:
            return False
        if self.cidr is None:
            return True
        if self.operator in ("Equal", "NotEqual"):
            return (prefix == self.cidr) is (self.operator == "Equal")
        low, high = self.lengths
        is_in = is_inside(prefix, self.cidr) and max(low, self.cidr.prefixlen) <= prefix.prefixlen <= high
        return is_in is (self.operator == "In")


@dataclass(frozen=True, slots=True)
class World:
    """All of it. filters: rules by name, direction and IP version. blocks: their owner and state.

    holders: nodes of containers by address, where a block lists them. has_mesh: are nodes that do not reflect meshed?
    """

    nodes: Mapping[str, Node] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    filters: Mapping[tuple[str, str, int], tuple[Rule, ...]] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    blocks: Mapping[Network, tuple[str, str]] = field(default_factory=dict)
    holders: Mapping[Address, str] = field(default_factory=dict)
    has_mesh: bool = True

    def owned(self, node: str, *states: str) -> list[Network]:
        """Return a node's blocks in one of some states."""
        return [block for block, (owner, state) in self.blocks.items() if owner == node and state in states]

    def pool_of(self, prefix: Network) -> Pool | None:
        """Return the pool that a prefix is in; they do not overlap."""
        return next((pool for pool in self.pools if is_inside(prefix, pool.cidr)), None)


def is_inside(prefix: Network, other: Network) -> bool:
    """Is it equal or more specific?"""
    return prefix.version == other.version and prefix.subnet_of(other)  # type: ignore[arg-type]  # the same version


def is_selected(selector: str, labels: Mapping[str, str]) -> bool:
    """Does a selector of the kinds that the actions write match?"""
    if selector == _ALL:
        return True
    if selector.startswith("!"):
        return not is_selected(selector[1:], labels)
    if selector.startswith("has("):
        return selector[4:-1] in labels
    label, operator, value = selector.split()
    return (labels.get(label) == value.strip("'")) is (operator == "==")


def read(contents: Mapping[str, str]) -> World:
    """Return what the keys say."""
    resources: dict[str, dict[str, str]] = {}
    blocks: dict[Network, tuple[str, str]] = {}
    holders: dict[Address, str] = {}
    for key, value in contents.items():
        if key.startswith(RESOURCES):
            plural, name = key.removeprefix(RESOURCES).split("/")
            resources.setdefault(plural, {})[name] = value
            continue
        words = key.removeprefix(IPAM).split("/")
        cidr = ip_network(words[-1].replace("-", "/"))
        if words[0] == "host":
            blocks[cidr] = (words[1], msgspec.json.decode(value, type=documents.Affinity).state)
        else:
            block = msgspec.json.decode(value, type=documents.Block)
            for place, number in enumerate(block.allocations):
                if number is not None:
                    holders[cidr[place]] = block.attributes[number].secondary["node"]
    settings = documents.specs(resources.get("bgpconfigurations", {}), documents.Settings).get("default")
    return World(
        nodes={
            name: _node(name, msgspec.json.decode(value, type=documents.Node))
            for name, value in sorted(resources.get("nodes", {}).items())
        },
        peers=tuple(
            _peer(name, spec)
            for name, spec in sorted(documents.specs(resources.get("bgppeers", {}), documents.Peer).items())
        ),
        filters={
            (name, direction, version): tuple(_rule(rule, version) for rule in rules)
            for name, spec in documents.specs(resources.get("bgpfilters", {}), documents.Filter).items()
            for (direction, version), rules in spec.rules().items()
        },
        pools=tuple(_pool(spec) for spec in documents.specs(resources.get("ippools", {}), documents.Pool).values()),
        blocks=blocks,
        holders=holders,
        has_mesh=settings is None or settings.node_to_node_mesh_enabled,
    )


def _node(name: str, document: documents.Node) -> Node:
    bgp = document.spec.bgp
    written = {4: bgp.ipv4_address, 6: bgp.ipv6_address}
    addresses = {version: ip_interface(text) for version, text in written.items() if text}
    return Node(name, document.metadata.labels, addresses, bgp.route_reflector_cluster_id)


def _peer(name: str, spec: documents.Peer) -> Peer:
    return Peer(
        name,
        node=spec.node,
        node_selector=spec.node_selector,
        address=ip_address(spec.peer_ip) if spec.peer_ip else None,
        peer_selector=spec.peer_selector,
        filters=spec.filters,
        is_reversed=spec.reverse_peering == "Auto",
        restart_time=spec.max_restart_time,
    )


def _pool(spec: documents.Pool) -> Pool:
    return Pool(
        ip_network(spec.cidr),
        ipip=spec.ipip_mode,
        is_vxlan=spec.vxlan_mode != "Never",
        is_exported=not spec.disable_bgp_export,
    )


def _rule(spec: documents.Rule, version: int) -> Rule:
    longest = 32 if version == 4 else 128
    return Rule(
        ip_network(spec.cidr) if spec.cidr else None,
        spec.match_operator,
        (spec.prefix_length.min, min(spec.prefix_length.max, longest)),
        is_of_remote=spec.source == "RemotePeers",
        is_accept=spec.action == "Accept",
    )
