"""Which sessions a node wants: mesh, global, node and reverse peers, each in its family over that family.

The mesh holds all nodes that are no reflectors; where it elects some, what is left of it (``reflector.roles``).
Explicit peers come before it, global ones before a node's own, those before reverse ones. In the mesh, whoever has the
higher address, compared as text, dials.
"""

from collections.abc import Iterator
from enum import Enum

from bgpd.addresses import format_address
from bgpd.config.tables.peer import NextHopMode
from bgpd.datastore.calico.model import Node, Peer
from bgpd.datastore.calico.values import NodeAddress
from bgpd.datastore.calico.world import DEFAULT_PORT, World
from bgpd.families import FAMILIES, FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.identity import Asn
from bgpd.records import dataclass
from bgpd.reflector.roles import NO_ROLES, Roles


class SessionKind(Enum):
    """Why there is a session; the value begins its name, by which status tools tell."""

    MESH = "Mesh"
    GLOBAL = "Global"
    NODE = "Node"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session.

    port: where the peer listens. asn: the peer's. local_asn: ours there. own_address: what we dial from, empty = the
    kernel chooses. source: the object that asks for it, None = the mesh.
    """

    name: str
    kind: SessionKind
    address: bytes
    port: int
    asn: Asn
    local_asn: Asn
    own_address: bytes
    is_passive: bool
    is_client: bool
    next_hop: NextHopMode
    source: Peer | None = None


def wanted_sessions(me: Node, world: World, roles: Roles = NO_ROLES) -> tuple[Wanted, ...]:
    """Return all sessions of a node, sorted by name; two never share address and port. roles: that the mesh elected."""
    explicit = _explicit(me, world)
    taken = {address for address, _ in explicit}
    mesh: dict[bytes, Wanted] = {}
    for one in _mesh(me, world, roles):
        if one.address not in taken:
            mesh.setdefault(one.address, one)  # of nodes with the same address the first one by name
    return tuple(sorted([*explicit.values(), *mesh.values()], key=lambda one: one.name))


def session_name(kind: SessionKind, text: str, port: int | None = None) -> str:
    """Return the name of a session with an address; port: only if the peering carries one."""
    name = f"{kind.value}_{text.replace('.', '_').replace(':', '_')}"
    return name if port is None else f"{name}_port_{port}"


def _mesh(me: Node, world: World, roles: Roles) -> Iterator[Wanted]:
    if world.settings.is_mesh is False or me.cluster_id is not None:
        return
    local_asn = world.asn_of(me)
    for own in me.addresses:
        for node in world.nodes.values():
            other = node.address(own.family)
            if other is None or node.cluster_id is not None or node.name == me.name or other.address == own.address:
                continue
            if not roles.wants_session(me.name, node.name):
                continue
            asn = world.asn_of(node)
            yield Wanted(
                session_name(SessionKind.MESH, other.text),
                SessionKind.MESH,
                other.address,
                world.port_of(node.name) or DEFAULT_PORT,
                asn,
                local_asn,
                own.address,
                is_passive=other.text > own.text,
                is_client=asn == local_asn and roles.is_client(me.name, node.name),
                next_hop=NextHopMode.AUTO,
            )


def _explicit(me: Node, world: World) -> dict[tuple[bytes, int], Wanted]:
    """Return the sessions of BGPPeers by address and port; what comes first stays."""
    found: dict[tuple[bytes, int], Wanted] = {}
    for sessions in (_of_global_peers(me, world), _of_node_peers(me, world), _reverse(me, world)):
        for one in sessions:
            found.setdefault((one.address, one.port), one)
    return found


def _of_global_peers(me: Node, world: World) -> Iterator[Wanted]:
    for peer in world.peers:
        if peer.is_global and not peer.is_of_workloads:
            yield from _forward(me, world, peer, SessionKind.GLOBAL)


def _of_node_peers(me: Node, world: World) -> Iterator[Wanted]:
    for peer in world.peers:
        if peer.is_global or peer.is_of_workloads:
            continue
        if peer.node == me.name if peer.node else me.name in world.selections.matching(peer.node_selector):
            yield from _forward(me, world, peer, SessionKind.NODE)


def _forward(me: Node, world: World, peer: Peer, kind: SessionKind) -> Iterator[Wanted]:
    """Yield the sessions that a peer makes at the nodes it is for."""
    local_asn = peer.local_asn or world.asn_of(me)
    if peer.address is None:
        for node in world.selections.matching(peer.peer_selector).values():
            for family in FAMILIES.values():
                yield from _to_node(me, world, peer, kind, node, family, world.asn_of(node), local_asn)
        return
    own = me.address(FAMILY_BY_ADDRESS_SIZE[len(peer.address)])
    if own is None or own.address == peer.address:
        return
    asn, port = peer.asn or world.asn, peer.port
    known = world.by_address.get(peer.address)
    if port is None and known is not None and world.asn_of(known) == asn:
        port = world.port_of(known.name)
    text = format_address(peer.address)
    is_passive = kind is SessionKind.GLOBAL and known is not None and text > own.text
    yield _wanted(me, world, peer, kind, own, peer.address, text, port, asn, local_asn, is_passive=is_passive)


def _reverse(me: Node, world: World) -> Iterator[Wanted]:
    """Yield the sessions with nodes that have a peer whose target we are."""
    for peer in world.peers:
        if not peer.is_reversed or peer.is_of_workloads:
            continue
        families = _targeted(me, world, peer)
        if not families:
            continue
        if peer.node:
            sources = {peer.node: world.nodes[peer.node]} if peer.node in world.nodes else {}
        elif peer.node_selector:
            sources = dict(world.selections.matching(peer.node_selector))
        else:
            sources = dict(world.nodes)
        for node in sources.values():
            for family in families:
                asn = peer.local_asn or world.asn_of(node)
                yield from _to_node(me, world, peer, SessionKind.NODE, node, family, asn, world.asn_of(me))


def _targeted(me: Node, world: World, peer: Peer) -> tuple[Family, ...]:
    """Return the families in which we are the target of a peer."""
    if peer.address is None:
        is_target = me.name in world.selections.matching(peer.peer_selector)
        return tuple(FAMILIES.values()) if is_target else ()
    family = FAMILY_BY_ADDRESS_SIZE[len(peer.address)]
    own = me.address(family)
    if own is None or own.address != peer.address or (peer.asn or world.asn) != world.asn_of(me):
        return ()
    is_our_port = peer.port is None or peer.port == (world.port_of(me.name) or DEFAULT_PORT)
    return (family,) if is_our_port else ()


def _to_node(
    me: Node, world: World, peer: Peer, kind: SessionKind, node: Node, family: Family, asn: Asn, local_asn: Asn
) -> Iterator[Wanted]:
    own, other = me.address(family), node.address(family)
    if own is None or other is None or own.address == other.address or node.name == me.name:
        return
    port = world.port_of(node.name)
    yield _wanted(me, world, peer, kind, own, other.address, other.text, port, asn, local_asn, is_passive=False)


def _wanted(
    me: Node,
    world: World,
    peer: Peer,
    kind: SessionKind,
    own: NodeAddress,
    address: bytes,
    text: str,
    port: int | None,
    asn: Asn,
    local_asn: Asn,
    *,
    is_passive: bool,
) -> Wanted:
    is_internal = asn == local_asn
    # Whoever is not known to be in our own cluster is a client, peers outside of Calico too
    is_client = me.cluster_id is not None and is_internal and world.cluster_id_at(address) != me.cluster_id
    keeps = peer.keeps_external_next_hop and not is_internal
    return Wanted(
        session_name(kind, text, port),
        kind,
        address,
        port or DEFAULT_PORT,
        asn,
        local_asn,
        own.address if peer.uses_node_address else b"",
        is_passive,
        is_client,
        NextHopMode.KEEP if keeps else peer.next_hop,
        peer,
    )
