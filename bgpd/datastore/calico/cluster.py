"""All that is known of the cluster, key by key, and what a node's configuration is with it.

A value that cannot be used leaves the last good one of its key in place. Everything that is derived is kept, and
worked out again only where a key that it rests on has changed.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Generic, TypeVar

from bgpd.config.model import Config
from bgpd.datastore.calico import flat, resources
from bgpd.datastore.calico.electorate import RoleKeys, mesh_view, why_apart
from bgpd.datastore.calico.flat import FlatKeys
from bgpd.datastore.calico.layout import Kind, Place, place
from bgpd.datastore.calico.merge import ClusterConfig, Merger, View
from bgpd.datastore.calico.model import BlockState, Filter, Node, Peer, Pool, Settings
from bgpd.datastore.calico.ownership import Ownership, origin_node
from bgpd.datastore.calico.peers import Secrets
from bgpd.datastore.calico.problems import Problem
from bgpd.datastore.calico.sessions import Wanted, wanted_sessions
from bgpd.datastore.calico.values import Cidr, UnreadableError
from bgpd.datastore.calico.world import Selections, World
from bgpd.datastore.role_keys import ElectionKeys
from bgpd.policy.origins import OriginNode, Origins
from bgpd.reflector.roles import CLUSTER_ID

Record = TypeVar("Record")
Made = TypeVar("Made")

_CLUSTER_SETTINGS: Final = "default"
_OF_NODE: Final = "node."


class _Table(Generic[Record]):
    """The objects of one kind, by name. version: counts changes."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.version = 0

    def put(self, name: str, record: Record) -> bool:
        """Take an object; return whether it is another than before."""
        if name in self.records and self.records[name] == record:
            return False
        self.records[name] = record
        self.version += 1
        return True

    def delete(self, name: str) -> bool:
        """Forget an object; return whether there was one."""
        if self.records.pop(name, None) is None:
            return False
        self.version += 1
        return True


class _Kept(Generic[Made]):
    """Something derived, and what it was derived from."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._value: Made | None = None

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return it, made again if the key is another."""
        if self._value is None or key != self._key:
            self._value, self._key = make(), key
        return self._value


class Cluster:
    """The cluster as etcd tells it to one node; no I/O, no clock."""

    def __init__(self, node: str, prefix: str = "/calico") -> None:
        self._name = node
        self._prefix = prefix
        self._keys: dict[str, int] = {}  # those that concern us, with their values' hashes: a list repeats most
        self._problems: dict[str, Problem] = {}
        self._nodes: _Table[Node] = _Table()  # of both layouts
        self._resource_nodes: dict[str, Node] = {}
        self._settings: _Table[Settings] = _Table()
        self._peers: _Table[Peer] = _Table()
        self._filters: _Table[Filter] = _Table()
        self._pools: _Table[Pool] = _Table()
        self._flat_pools: _Table[Pool] = _Table()
        self._flat = FlatKeys()
        self._ownership = Ownership(node)
        self._selections = Selections()
        self._world: _Kept[World] = _Kept()
        self._sessions: _Kept[tuple[Wanted, ...]] = _Kept()
        self._election_keys = ElectionKeys(prefix)
        self._roles = RoleKeys(node, self._election_keys)
        self._origin_nodes: dict[str, tuple[Node, OriginNode]] = {}
        self._origins: _Kept[Origins] = _Kept()
        self._encrypted: _Kept[frozenset[bytes]] = _Kept()
        self._merged_pools: _Kept[tuple[Pool, ...]] = _Kept()
        self._merger = Merger()

    def put(self, key: str, value: bytes) -> Problem | None:
        """Take a value. Return why it cannot be used, None = it can, or does not concern us."""
        if key.startswith(self._election_keys.start):
            self._roles.put(key, value)
            return None
        found = place(key, self._prefix)
        if found is None:
            return None
        seen = hash(value)
        if self._keys.get(key) == seen:
            return self._problems.get(key)
        self._keys[key] = seen
        try:
            self._take(key, found, value)
        except UnreadableError as error:
            problem = self._problems[key] = Problem(key, str(error))
            return problem
        self._problems.pop(key, None)
        return None

    def delete(self, key: str) -> None:
        """Forget a key."""
        if key.startswith(self._election_keys.start):
            self._roles.delete(key)
            return
        self._keys.pop(key, None)
        self._problems.pop(key, None)
        found = place(key, self._prefix)
        if found is not None:
            self._forget(key, found)

    def replace(self, snapshot: Mapping[str, bytes]) -> tuple[Problem, ...]:
        """Take a whole list: what is not in it is gone. Return why some of it cannot be used."""
        for key in (self._keys.keys() | self._roles.values.keys()) - snapshot.keys():
            self.delete(key)
        problems = (self.put(key, value) for key, value in snapshot.items())
        return tuple(problem for problem in problems if problem is not None)

    def resolve(self, local: Config, secrets: Secrets) -> ClusterConfig:
        """Return the node's configuration: what is local from its file, what is the cluster's from etcd.

        Raises ConfigError where the file has faults with etcd's values in it.
        """
        key = (self._nodes.version, self._settings.version, self._peers.version, self._flat.version)
        world = self._world.get(key, self._make_world)
        me = world.nodes.get(self._name)
        self._roles.decide(is_taking_part=me is not None and not why_apart(me, world, local))
        roles = self._roles.seen
        view = View(
            name=self._name,
            me=me if me is None or not roles.reflects(self._name) else replace(me, cluster_id=CLUSTER_ID),
            world=world,
            sessions=()
            if me is None
            else self._sessions.get((key, self._roles.version), lambda: wanted_sessions(me, world, roles)),
            filters=self._filters.records,
            filters_version=self._filters.version,
            pools=self._merged_pools.get((self._pools.version, self._flat_pools.version), self._all_pools),
            blocks=self._blocks(me),
            encrypted_hops=self._encrypted.get(key, lambda: _encrypted_hops(me, world)),
            origins=lambda: self._origins.get((key, self._ownership.version), lambda: self._make_origins(world)),
            has_others=self._ownership.others > 0,
        )
        found = self._merger.merge(view, local, secrets)
        problems = tuple(self._problems[key] for key in sorted(self._problems))
        notices = [*self._notices(), *found.notices]
        if me is not None and local.mesh.auto_reflectors is not None and (why := why_apart(me, world, local)):
            notices.append(f"mesh.auto_reflectors: this node takes no part: {why}")
        mesh = None if me is None else mesh_view(me, world, local, self._roles.told)
        return replace(found, problems=problems + found.problems, notices=tuple(notices), mesh=mesh)

    def _take(self, key: str, found: Place, value: bytes) -> None:
        name = found.name
        match found.kind:
            case Kind.NODE:
                self._resource_nodes[name] = resources.node(name, value)
                self._node_changed(name)
            case Kind.SETTINGS:
                self._settings.put(name, resources.settings(name, value))
            case Kind.PEER:
                self._peers.put(name, resources.peer(name, value))
            case Kind.FILTER:
                self._filters.put(name, resources.bgp_filter(name, value))
            case Kind.POOL:
                self._pools.put(name, resources.pool(name, value))
            case Kind.AFFINITY if found.family is not None:
                self._ownership.affinity(key, resources.affinity(found.node, found.family, name, value))
            case Kind.BLOCK if found.family is not None:
                self._ownership.block(key, resources.borrowed(found.family, name, value))
            case Kind.FLAT_POOL if found.family is not None:
                self._flat_pools.put(key, flat.pool(found.family, name, value))
            case Kind.FLAT:
                host = self._flat.put(name, value)
                if host:
                    self._node_changed(host)

    def _forget(self, key: str, found: Place) -> None:
        name = found.name
        match found.kind:
            case Kind.NODE:
                self._resource_nodes.pop(name, None)
                self._node_changed(name)
            case Kind.SETTINGS:
                self._settings.delete(name)
            case Kind.PEER:
                self._peers.delete(name)
            case Kind.FILTER:
                self._filters.delete(name)
            case Kind.POOL:
                self._pools.delete(name)
            case Kind.AFFINITY:
                self._ownership.affinity(key, None)
            case Kind.BLOCK:
                self._ownership.block(key, None)
            case Kind.FLAT_POOL:
                self._flat_pools.delete(key)
            case Kind.FLAT:
                host = self._flat.delete(name)
                if host:
                    self._node_changed(host)

    def _node_changed(self, name: str) -> None:
        """Take the node that both layouts make together: a resource comes before flat keys."""
        node = self._resource_nodes.get(name) or self._flat.node(name)
        is_changed = self._nodes.delete(name) if node is None else self._nodes.put(name, node)
        if is_changed:
            self._selections.node_changed(name, node)

    def _make_world(self) -> World:
        nodes = dict(sorted(self._nodes.records.items()))
        by_address: dict[bytes, Node] = {}
        for node in nodes.values():
            for one in node.addresses:
                by_address.setdefault(one.address, node)
        peers = [self._peers.records[name] for name in sorted(self._peers.records)] + self._flat.peers()
        self._selections.keep(text for peer in peers for text in (peer.node_selector, peer.peer_selector) if text)
        node_settings = {host: self._flat.settings(host) for host in self._flat.hosts if host}
        for name, settings in self._settings.records.items():
            if name.startswith(_OF_NODE):
                host = name.removeprefix(_OF_NODE)
                node_settings[host] = _filled(settings, node_settings.get(host))
        settings = self._settings.records.get(_CLUSTER_SETTINGS, Settings())
        return World(
            nodes,
            by_address,
            _filled(settings, self._flat.settings("")),
            node_settings,
            tuple(peers),
            dict(self._flat.reflectors),
            self._selections,
        )

    def _all_pools(self) -> tuple[Pool, ...]:
        """Return the pools of both layouts; the one of the resources stays where both have a CIDR."""
        found: dict[Cidr, Pool] = {}
        for table in (self._pools.records, self._flat_pools.records):
            for name in sorted(table):
                found.setdefault((table[name].family, table[name].prefix), table[name])
        return tuple(found.values())

    def _blocks(self, me: Node | None) -> tuple[tuple[Cidr, BlockState], ...]:
        """Return the node's own blocks; with host-local IPAM, what Kubernetes gave it."""
        if me is None:
            return ()
        if not self._ownership.has_affinities:
            return tuple((cidr, BlockState.OWNED) for cidr in me.pod_cidrs)
        return tuple(self._ownership.own)

    def _make_origins(self, world: World) -> Origins:
        known, self._origin_nodes = self._origin_nodes, {}
        for name, node in world.nodes.items():
            asn = world.asn_of(node)
            former = known.get(name)
            if former is None or former[0] is not node or former[1].asn != asn:
                former = (node, origin_node(node, asn))
            self._origin_nodes[name] = former
        nodes = {name: made for name, (_, made) in self._origin_nodes.items()}
        pod_cidrs: list[tuple[Cidr, str]] = []
        if not self._ownership.has_affinities:
            pod_cidrs = [(cidr, name) for name, node in world.nodes.items() for cidr in node.pod_cidrs]
        return self._ownership.origins(nodes, pod_cidrs)

    def _notices(self) -> Iterator[str]:
        """Yield what is done otherwise than etcd says, object by object."""
        has_resources = self._resource_nodes or self._settings.records or self._peers.records or self._pools.records
        if has_resources and not (self._flat.is_empty and not self._flat_pools.records):
            yield "etcd has both layouts, Calico 3's and Calico 2's: what both have is taken from Calico 3's"
        if not self._ownership.has_affinities and any(node.pod_cidrs for node in self._nodes.records.values()):
            yield "etcd has no block affinities: the podCIDRs of nodes stand in for them"
        for name, settings in sorted(self._settings.records.items()):
            if name != _CLUSTER_SETTINGS and not name.startswith(_OF_NODE):
                yield f"BGPConfiguration {name}: not used: the names are default and node.NAME"
            for notice in settings.notices:
                yield f"BGPConfiguration {name}: {notice}"
        for name, peer in sorted(self._peers.records.items()):
            for notice in peer.notices:
                yield f"BGPPeer {name}: {notice}"
        for name, pool in sorted(self._pools.records.items()):
            for notice in pool.notices:
                yield f"IPPool {name}: {notice}"
        owners: dict[bytes, str] = {}
        for name, node in sorted(self._nodes.records.items()):
            for address in node.addresses:
                other = owners.setdefault(address.address, name)
                if other != name:
                    yield f"nodes {other} and {name} have the same address {address.text}"


def _filled(settings: Settings, other: Settings | None) -> Settings:
    """Return settings with what they lack taken from the flat layout's."""
    if other is None:
        return settings
    return replace(
        settings,
        asn=settings.asn or other.asn,
        is_mesh=other.is_mesh if settings.is_mesh is None else settings.is_mesh,
        listen_port=settings.listen_port or other.listen_port,
        log_level=settings.log_level or other.log_level,
    )


def _encrypted_hops(me: Node | None, world: World) -> frozenset[bytes]:
    """Return the addresses of nodes that WireGuard leads to: they and we run it."""
    if me is None or not me.has_wireguard:
        return frozenset()
    others = (node for node in world.nodes.values() if node.has_wireguard and node.name != me.name)
    return frozenset(one.address for node in others for one in node.addresses)
