"""Which sessions each node must want, and which of them must be up; pure.

A session may only be reset by what it rests on, at either end: the two addresses, the BGP Identifier (the IPv4 address)
and the time of graceful restart, which the OPEN tells. Neither which object asks for it nor its filters, the keepalive
time, who is a client or reflects, pools, blocks, containers, labels, masks or an IPv6 address are part of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from conformance.churn.world import VERSIONS, Address, Node, Peer, World, is_selected


@dataclass(frozen=True, slots=True)
class Session:
    """What one end wants. restart_time: as written, empty = the default."""

    own: Address
    address: Address
    identifier: Address | None
    restart_time: str
    filters: tuple[str, ...]
    is_client: bool

    @property
    def rests_on(self) -> tuple[object, ...]:
        """Return what may not change without a reset being allowed."""
        return (self.own, self.address, self.identifier, self.restart_time)


Sessions = Mapping[Address, Session]  # of one node, by the peer's address


def wanted(world: World) -> dict[str, Sessions]:
    """Return what each node of the cluster wants."""
    return {name: _of_node(node, world) for name, node in world.nodes.items()}


def by_address(world: World) -> dict[Address, Node]:
    """Return the nodes by their addresses."""
    return {interface.ip: node for node in world.nodes.values() for interface in node.addresses.values()}


def up(world: World, everything: Mapping[str, Sessions], running: Iterable[str]) -> dict[str, Sessions]:
    """Return the sessions that both ends want and can have."""
    nodes, alive = by_address(world), set(running)
    found: dict[str, Sessions] = {}
    for name, sessions in everything.items():
        found[name] = {
            address: one
            for address, one in sessions.items()
            if name in alive
            and (other := nodes.get(address)) is not None
            and other.name in alive
            and one.own in everything[other.name]
        }
    return found


def _of_node(me: Node, world: World) -> Sessions:
    nodes = by_address(world)
    found: dict[Address, Session] = {}

    def add(version: int, address: Address, peer: Peer | None) -> None:
        own = me.address(version)
        if own is None or own == address or address in found:
            return
        other = nodes.get(address)
        other_id = other.cluster_id if other is not None else ""
        found[address] = Session(
            own,
            address,
            me.address(4),
            "" if peer is None else peer.restart_time,
            () if peer is None else peer.filters,
            is_client=bool(me.cluster_id) and other_id != me.cluster_id,
        )

    for is_global in (True, False):
        for peer in world.peers:
            if is_global is not (not peer.node and not peer.node_selector):
                continue
            if is_global or _is_local_end(peer, me):
                for version, address in _targets(peer, world):
                    add(version, address, peer)
    for peer in world.peers:
        if peer.is_reversed:
            for version in _targeted(peer, me):
                for node in world.nodes.values():
                    source = node.address(version)
                    is_end = (not peer.node and not peer.node_selector) or _is_local_end(peer, node)
                    if is_end and source is not None:
                        add(version, source, peer)
    if world.has_mesh and not me.cluster_id:
        for node in world.nodes.values():
            for version, interface in node.addresses.items():
                if not node.cluster_id:
                    add(version, interface.ip, None)
    return found


def _is_local_end(peer: Peer, node: Node) -> bool:
    return peer.node == node.name if peer.node else is_selected(peer.node_selector, node.labels)


def _targets(peer: Peer, world: World) -> Iterator[tuple[int, Address]]:
    if peer.address is not None:
        yield peer.address.version, peer.address
        return
    for node in world.nodes.values():
        if is_selected(peer.peer_selector, node.labels):
            for version, interface in node.addresses.items():
                yield version, interface.ip


def _targeted(peer: Peer, node: Node) -> tuple[int, ...]:
    """Return the families in which a node is a peer's target."""
    if peer.address is None:
        return VERSIONS if is_selected(peer.peer_selector, node.labels) else ()
    version = peer.address.version
    return (version,) if node.address(version) == peer.address else ()
