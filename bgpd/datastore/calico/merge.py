"""The configuration of a node: what is local from its file, what is the cluster's from etcd.

Where both say something of the cluster (AS number, addresses, pools), etcd's word counts, as all other nodes act on it;
where both say something of this node alone (peers, networks, policies), the file's does. Both cases are named.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

import msgspec

from bgpd.addresses import covers, format_prefix
from bgpd.config import syntax
from bgpd.config.model import Config
from bgpd.config.resolve import resolve
from bgpd.config.resolved import Resolved, ResolvedKernel, ResolvedNetwork, ResolvedPeer, ResolvedPool
from bgpd.config.tables.cluster import PoolRoutes
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.node import NodeTable
from bgpd.config.tables.process import LogLevel
from bgpd.datastore.calico import announcing
from bgpd.datastore.calico.announcing import Announced
from bgpd.datastore.calico.model import BlockState, Filter, Node, Pool, RouteOwner, Settings
from bgpd.datastore.calico.peers import PeerMaker, Secrets
from bgpd.datastore.calico.problems import Problem
from bgpd.datastore.calico.sessions import SessionKind, Wanted
from bgpd.datastore.calico.values import Cidr
from bgpd.datastore.calico.world import World
from bgpd.families import IPV4_UNICAST
from bgpd.identity import BgpIdentifier, format_identifier
from bgpd.policy.origins import Origins
from bgpd.policy.rules import Policy
from bgpd.records import dataclass
from bgpd.reflector.election import MeshView

_NODE: Final = NodeTable()
_OWNERS: Final = {
    PoolRoutes.NONE: RouteOwner.NOBODY,
    PoolRoutes.NO_ENCAPSULATION: RouteOwner.NO_ENCAPSULATION,
    PoolRoutes.IPIP: RouteOwner.IPIP,
    PoolRoutes.ALL: RouteOwner.ALL,
}


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A node's configuration with the cluster in it.

    problems: what is not used as it stands, in etcd or in the file. notices: the file's conflicts with etcd once more,
    and what is done otherwise than written, or not done. is_waiting: why there are no sessions of the cluster's yet,
    empty = there is nothing to wait for. mesh: as those see it that elect reflectors, None = we are not in etcd yet.
    """

    resolved: Resolved
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    is_waiting: str = ""
    mesh: MeshView | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What etcd says, for one node. me: None = there is no such node yet. blocks: the node's own."""

    name: str
    me: Node | None
    world: World
    sessions: tuple[Wanted, ...]
    filters: Mapping[str, Filter]
    filters_version: int
    pools: tuple[Pool, ...]
    blocks: tuple[tuple[Cidr, BlockState], ...]
    encrypted_hops: frozenset[bytes]
    origins: Callable[[], Origins]
    has_others: bool


class Merger:
    """Puts both together; keeps what it made for as long as nothing of it has changed."""

    def __init__(self) -> None:
        self._local: Config | None = None
        self._filled: Config | None = None
        self._base: Resolved | None = None
        self._announced: Announced | None = None
        self._export: Policy | None = None
        self._filters_version = -1
        self._filter_policies: tuple[Policy, ...] = ()
        self._peers = PeerMaker()

    def merge(self, view: View, local: Config, secrets: Secrets) -> ClusterConfig:
        """Return the configuration. Raises ConfigError where the file has faults with etcd's values in it."""
        conflicts: list[Problem] = []
        notices: list[str] = []
        waiting = "" if view.me is not None else f"etcd has no node {view.name} yet"
        if view.me is not None and not view.me.has_bgp:
            notices.append(f"node {view.name}: no spec.bgp in etcd: it takes no part in the cluster's BGP")
        base, is_guessed = self._resolved(view, local, conflicts, notices)
        settings = view.world.settings
        owner = _owner(local, settings, conflicts)
        kernel = self._kernel(base.kernel, view, local)
        own_peers = base.peers
        if waiting and is_guessed:
            own_peers = tuple(replace(peer, held_down=peer.held_down or waiting) for peer in own_peers)
        blocks = tuple(cidr for cidr, state in view.blocks if announcing.is_block_announced(cidr, state))
        ranges = announcing.announced_ranges(settings, view.me) if view.me is not None else ()
        announced = self._announced_by(view, base, blocks, ranges, owner, kernel)
        withheld = announcing.withheld_policy(view.pools)
        if withheld is not None:
            own_peers = tuple(_withholding(peer) for peer in own_peers)
        sessions = view.sessions
        if not local.mesh.enabled:
            sessions = tuple(one for one in sessions if one.kind is not SessionKind.MESH)
            if len(sessions) < len(view.sessions):
                notices.append("mesh.enabled: false in this file: this node has no mesh sessions, whatever etcd says")
        assert self._filled is not None  # by ``_resolved``
        made = self._peers.make(sessions, view.world.settings, view.filters, base, self._filled, secrets)
        conflicts += made.problems
        notices += made.notices
        notices += _service_notices(settings)
        level = base.log.level
        if settings_level := view.world.own_settings(view.name).log_level or settings.log_level:
            if level in (LogLevel.INFO, settings_level):
                level = settings_level
            else:
                conflicts.append(Problem("log.level", f"{level} in this file is used; etcd has {settings_level}"))
        is_validating = local.calico.origin_validation
        resolved = replace(
            base,
            peers=(*own_peers, *made.peers),
            ranges=base.ranges
            if withheld is None
            else tuple(replace(one, template=_withholding(one.template)) for one in base.ranges),
            networks=_networks(base.networks, announcing.originated(blocks, ranges), conflicts),
            policies=self._policies(base.policies, view, announced, withheld, conflicts),
            pools=_pools(base.pools, view, owner, conflicts),
            kernel=kernel,
            log=replace(base.log, level=level),
            origins=view.origins() if (view.has_others if is_validating is None else is_validating) else None,
        )
        return ClusterConfig(resolved, tuple(conflicts), (*map(str, conflicts), *notices), waiting)

    def _resolved(
        self, view: View, local: Config, conflicts: list[Problem], notices: list[str]
    ) -> tuple[Resolved, bool]:
        """Return the file's configuration with etcd's node in it, and whether its BGP Identifier is made up."""
        node, is_guessed = _node(view, local.node, conflicts, notices)
        if self._base is None or self._local is not local or self._filled is None or self._filled.node != node:
            self._filled = msgspec.structs.replace(local, node=node)
            self._base = resolve(self._filled)
            self._local = local
        return self._base, is_guessed

    def _kernel(self, kernel: ResolvedKernel, view: View, local: Config) -> ResolvedKernel:
        settings = view.world.settings
        is_told = local.calico.priorities
        return replace(
            kernel,
            priority_ipv4=settings.priority_v4 if is_told else 0,
            priority_ipv6=settings.priority_v6 if is_told else 0,
            encrypted_hops=view.encrypted_hops,
        )

    def _announced_by(
        self,
        view: View,
        base: Resolved,
        blocks: tuple[Cidr, ...],
        ranges: tuple[Cidr, ...],
        owner: RouteOwner,
        kernel: ResolvedKernel,
    ) -> Announced:
        settings = view.world.settings
        advertisements = view.world.own_settings(view.name).advertisements
        if advertisements is None:
            advertisements = settings.advertisements or ()
        priorities = (("ipv4-unicast", kernel.priority_ipv4), ("ipv6-unicast", kernel.priority_ipv6))
        is_reflector = view.me is not None and view.me.cluster_id is not None
        own_blocks = {cidr for cidr, _ in view.blocks}
        return Announced(
            pools=view.pools,
            blocks=blocks,
            networks=tuple((one.family, one.prefix) for one in base.networks),
            ranges=tuple(one for one in ranges if one not in own_blocks),
            reflected=announcing.reflected_ranges(settings) if is_reflector else (),
            advertisements=advertisements,
            priorities=tuple(one for one in priorities if one[1]),
            leaves_ipip=owner not in (RouteOwner.IPIP, RouteOwner.ALL),
            tunnel=kernel.tunnel_device,
        )

    def _policies(
        self,
        local: tuple[Policy, ...],
        view: View,
        announced: Announced,
        withheld: Policy | None,
        conflicts: list[Problem],
    ) -> tuple[Policy, ...]:
        if self._export is None or announced != self._announced:
            self._announced, self._export = announced, announcing.export_policy(announced)
        if view.filters_version != self._filters_version:
            filters = [view.filters[name] for name in sorted(view.filters)]
            self._filter_policies = announcing.filter_policies(filters)
            self._filters_version = view.filters_version
        made = [*self._filter_policies, *([] if withheld is None else [withheld]), self._export]
        names = {policy.name for policy in made}
        for policy in local:
            if policy.name in names:
                conflicts.append(Problem(f"policy {policy.name}", "is the name of one that etcd makes, which is used"))
        return (*(policy for policy in local if policy.name not in names), *made)


def _node(view: View, local: NodeTable, conflicts: list[Problem], notices: list[str]) -> tuple[NodeTable, bool]:
    """Return ``[node]`` as etcd has it, and whether the BGP Identifier is made up."""
    me, world = view.me, view.world
    asn = world.asn if me is None else world.asn_of(me)
    if me is not None and local.asn and syntax.asn_value(local.asn) != asn:
        conflicts.append(Problem("node.asn", f"{local.asn} in this file is not used; etcd has {asn}"))
    written = asn if me is not None or not local.asn else local.asn
    addresses = _addresses(me, local, conflicts)
    cluster_id = local.cluster_id
    if me is not None and me.cluster_id is not None:
        told = format_identifier(me.cluster_id)
        if cluster_id not in (None, told):
            conflicts.append(Problem("node.cluster_id", f"{cluster_id} in this file is not used; etcd has {told}"))
        cluster_id = told
    port, told_port = local.port, world.port_of(view.name)
    if told_port is not None:
        if port not in (_NODE.port, told_port):
            conflicts.append(Problem("node.port", f"{port} in this file is not used; etcd has {told_port}"))
        port = told_port
    elif port != _NODE.port:
        conflicts.append(Problem("node.port", f"etcd has no listenPort, so other nodes dial {_NODE.port}, not {port}"))
    listen = local.listen
    if world.settings.listens_on_node_address and me is not None:
        if listen == _NODE.listen:
            listen = tuple(one.text for one in me.addresses)
        else:
            conflicts.append(Problem("node.listen", "of this file is used; etcd has bindMode NodeIP"))
    router_id, is_guessed = local.router_id, False
    if router_id is None and not any(":" not in one for one in addresses):
        router_id, is_guessed = format_identifier(hashed_identifier(view.name)), True
        if me is not None and me.has_bgp:
            notices.append(f"node.router_id: there is no IPv4 address to take it from, so it is {router_id}, by name")
    node = msgspec.structs.replace(
        local,
        name=view.name,
        asn=written,
        addresses=addresses,
        cluster_id=cluster_id,
        port=port,
        listen=listen,
        router_id=router_id,
    )
    return node, is_guessed


def hashed_identifier(name: str) -> BgpIdentifier:
    """Return the BGP Identifier that Calico makes of a node's name: the first octets of its SHA-256."""
    octets = bytearray(sha256(name.encode()).digest()[:4])
    if octets[0] > 223:
        octets[0] -= 32
    return BgpIdentifier(int.from_bytes(octets) or 1)


def _addresses(me: Node | None, local: NodeTable, conflicts: list[Problem]) -> tuple[str, ...]:
    """Return the node's addresses: etcd's, and the file's in a family that etcd has none of."""
    if me is None:
        return local.addresses
    told = [f"{one.text}/{one.length}" for one in me.addresses]
    families = {one.family for one in me.addresses}
    for written in local.addresses:
        address, length = syntax.address_and_length(written)
        if not any(family.octets == len(address) for family in families):
            told.append(written)
        elif (address, length) not in [(one.address, one.length) for one in me.addresses]:
            conflicts.append(Problem("node.addresses", f"{written} in this file is not used; etcd has {told[0]}"))
    return tuple(told)


def _owner(local: Config, settings: Settings, conflicts: list[Problem]) -> RouteOwner:
    chosen = local.calico.program_routes
    if chosen is None:
        return settings.route_owner or RouteOwner.ALL
    owner = _OWNERS[chosen]
    if settings.route_owner not in (None, owner):
        why = f"{chosen} in this file is used; etcd has programClusterRoutes {settings.route_owner.value}"
        conflicts.append(Problem("calico.program_routes", why))
    return owner


def _withholding(peer: ResolvedPeer) -> ResolvedPeer:
    """Return a peer of the file that is not told pools which are not exported."""
    if not peer.exports and peer.ebgp_requires_policy and peer.peer_type == "external":
        return peer  # it is told nothing at all (RFC 8212)
    return replace(peer, exports=(announcing.WITHHELD_POLICY, *peer.exports))


def _networks(
    local: tuple[ResolvedNetwork, ...], told: tuple[ResolvedNetwork, ...], conflicts: list[Problem]
) -> tuple[ResolvedNetwork, ...]:
    known = {(one.family, one.prefix) for one in local}
    for one in told:
        if (one.family, one.prefix) in known:
            key = f"network {format_prefix(one.family, one.prefix)}"
            conflicts.append(Problem(key, "of this file is used; etcd has the same"))
    return (*local, *(one for one in told if (one.family, one.prefix) not in known))


def _pools(
    local: tuple[ResolvedPool, ...], view: View, owner: RouteOwner, conflicts: list[Problem]
) -> tuple[ResolvedPool, ...]:
    """Return the pools of both, and the ranges of services, which are never written to the kernel."""
    ranges = announcing.service_ranges(view.world.settings)
    has_subnet = view.me is not None and view.me.ipv4 is not None
    told = {(one.family, one.prefix): _pool(one, ranges, owner, has_ipv4_subnet=has_subnet) for one in view.pools}
    kept = []
    for one in local:
        other = told.get((one.family, one.prefix))
        if other is None:
            kept.append(one)
        elif (one.ipip, one.export) != (other.ipip, other.export):
            key = f"pool {format_prefix(one.family, one.prefix)}"
            conflicts.append(Problem(key, "of this file is not used; etcd has it otherwise"))
    for family, prefix in ranges:
        told[family, prefix] = ResolvedPool(family, prefix, IpipMode.NEVER, export=True, is_programmed=False)
    return (*kept, *told.values())


def _pool(pool: Pool, ranges: tuple[Cidr, ...], owner: RouteOwner, *, has_ipv4_subnet: bool) -> ResolvedPool:
    """Return a pool; that it is not exported is the business of policy, where a filter may come before it."""
    ipip, is_programmed = pool.ipip, not pool.is_vxlan
    if pool.family is IPV4_UNICAST and not has_ipv4_subnet:
        ipip, is_programmed = IpipMode.NEVER, True
    elif ipip is IpipMode.NEVER:
        is_programmed &= owner in (RouteOwner.NO_ENCAPSULATION, RouteOwner.ALL)
    else:
        is_programmed &= owner in (RouteOwner.IPIP, RouteOwner.ALL)
    if any(family is pool.family and covers(prefix, pool.prefix) for family, prefix in ranges):
        is_programmed = False
    return ResolvedPool(pool.family, pool.prefix, ipip, export=True, is_programmed=is_programmed)


def _service_notices(settings: Settings) -> Iterator[str]:
    for family, prefix in announcing.service_hosts(settings):
        text = format_prefix(family, prefix)
        yield f"service address {text}: not announced: only Kubernetes knows which nodes serve it; write a [[network]]"
    if settings.load_balancer_ips and not settings.aggregates_load_balancers:
        yield "serviceLoadBalancerAggregation: Disabled: only Kubernetes knows single services, none is announced"
