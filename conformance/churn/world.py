"""What etcd's keys say, read by code of our own: nodes, peers, filters, pools, and whose each block is; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Any, Final, TypeAlias

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
    """A BGPPeer. options: what a session of it is made with."""

    name: str
    node: str
    node_selector: str
    address: Address | None
    peer_selector: str
    filters: tuple[str, ...]
    is_reversed: bool
    options: tuple[tuple[str, str], ...]


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
    mesh_options: tuple[tuple[str, str], ...] = ()

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
    objects: dict[str, dict[str, Any]] = {}
    blocks: dict[Network, tuple[str, str]] = {}
    holders: dict[Address, str] = {}
    for key, value in contents.items():
        if key.startswith(RESOURCES):
            plural, name = key.removeprefix(RESOURCES).split("/")
            objects.setdefault(plural, {})[name] = json.loads(value)
            continue
        words = key.removeprefix(IPAM).split("/")
        cidr = ip_network(words[-1].replace("-", "/"))
        if words[0] == "host":
            blocks[cidr] = (words[1], json.loads(value)["state"])
        else:
            document = json.loads(value)
            for place, number in enumerate(document["allocations"]):
                if number is not None:
                    holders[cidr[place]] = document["attributes"][number]["secondary"]["node"]
    settings = objects.get("bgpconfigurations", {}).get("default", {}).get("spec", {})
    return World(
        nodes={name: _node(name, one) for name, one in sorted(objects.get("nodes", {}).items())},
        peers=tuple(_peer(name, one["spec"]) for name, one in sorted(objects.get("bgppeers", {}).items())),
        filters={
            (name, direction, version): tuple(_rule(rule, version) for rule in rules)
            for name, one in objects.get("bgpfilters", {}).items()
            for direction in ("import", "export")
            for version in VERSIONS
            if (rules := one["spec"].get(f"{direction}V{version}"))
        },
        pools=tuple(_pool(one["spec"]) for one in objects.get("ippools", {}).values()),
        blocks=blocks,
        holders=holders,
        has_mesh=settings.get("nodeToNodeMeshEnabled", True),
        mesh_options=_options(settings, "nodeMeshMaxRestartTime"),
    )


def _node(name: str, document: Any) -> Node:
    bgp = document["spec"]["bgp"]
    addresses = {version: ip_interface(bgp[key]) for version in VERSIONS if (key := f"ipv{version}Address") in bgp}
    return Node(name, document["metadata"].get("labels", {}), addresses, bgp.get("routeReflectorClusterID", ""))


def _peer(name: str, spec: Any) -> Peer:
    return Peer(
        name,
        node=spec.get("node", ""),
        node_selector=spec.get("nodeSelector", ""),
        address=ip_address(spec["peerIP"]) if "peerIP" in spec else None,
        peer_selector=spec.get("peerSelector", ""),
        filters=tuple(spec.get("filters", ())),
        is_reversed=spec.get("reversePeering", "Auto") == "Auto",
        options=_options(spec, "keepaliveTime", "maxRestartTime", "nextHopMode"),
    )


def _options(spec: Any, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, spec[name]) for name in names if name in spec)


def _pool(spec: Any) -> Pool:
    return Pool(
        ip_network(spec["cidr"]),
        ipip=spec.get("ipipMode", "Never"),
        is_vxlan=spec.get("vxlanMode", "Never") != "Never",
        is_exported=not spec.get("disableBGPExport", False),
    )


def _rule(spec: Any, version: int) -> Rule:
    span = spec.get("prefixLength", {})
    return Rule(
        ip_network(spec["cidr"]) if "cidr" in spec else None,
        spec.get("matchOperator", ""),
        (span.get("min", 0), span.get("max", 32 if version == 4 else 128)),
        is_of_remote=spec.get("source") == "RemotePeers",
        is_accept=spec["action"] == "Accept",
    )
