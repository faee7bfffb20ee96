"""The v3 layout: each resource's document as a record of the model.

A value that cannot be used makes the object unusable (UnreadableError); a word that we do not know counts as the
field's default, and a notice says so.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from bgpd.addresses import host_prefix
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.peer import NextHopMode
from bgpd.config.tables.process import LogLevel
from bgpd.datastore.calico import documents, filters, values
from bgpd.datastore.calico.model import (
    Advertisement,
    Affinity,
    BlockState,
    Borrowed,
    Filter,
    Node,
    Peer,
    Pool,
    RouteOwner,
    Settings,
)
from bgpd.datastore.calico.selectors import SelectorError, compiled
from bgpd.datastore.calico.values import MAX_RESTART_TIME, Cidr, SecretRef, UnreadableError
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family

Word = TypeVar("Word")

_IPIP: Final = {"Never": IpipMode.NEVER, "Always": IpipMode.ALWAYS, "CrossSubnet": IpipMode.CROSS_SUBNET}
_VXLAN: Final = {"Never": False, "Always": True, "CrossSubnet": True}
_NEXT_HOPS: Final = {"Auto": NextHopMode.AUTO, "Self": NextHopMode.SELF, "Keep": NextHopMode.KEEP}
_LOG_LEVELS: Final = {"debug": LogLevel.DEBUG, "info": LogLevel.INFO}  # to BGP all others are quiet
_OWNERS: Final = {owner.value: owner for owner in RouteOwner}
_STATES: Final = {state.value: state for state in BlockState}


def node(name: str, value: bytes) -> Node:
    """Return a Node. Raises UnreadableError, as all of these do."""
    document = documents.read(value, documents.NodeDocument)
    spec, status = document.spec or documents.NodeSpec(), document.status or documents.NodeStatus()
    bgp = spec.bgp
    labels = (document.metadata.labels if document.metadata is not None else None) or {}
    wireguard = spec.wireguard
    keys = status.wireguard_public_key or status.wireguard_public_key_v6
    has_wireguard = bool(keys) or bool(
        wireguard is not None and (wireguard.interface_ipv4_address or wireguard.interface_ipv6_address)
    )
    pod_cidrs = tuple(values.cidr(one, f"status.podCIDRs[{index}]") for index, one in enumerate(status.pod_cidrs or ()))
    if bgp is None:
        return Node(name, labels, has_bgp=False, has_wireguard=has_wireguard, pod_cidrs=pod_cidrs)
    cluster_id = bgp.route_reflector_cluster_id
    return Node(
        name,
        labels,
        ipv4=values.node_address(bgp.ipv4_address, IPV4_UNICAST, "spec.bgp.ipv4Address"),
        ipv6=values.node_address(bgp.ipv6_address, IPV6_UNICAST, "spec.bgp.ipv6Address"),
        asn=values.asn(bgp.as_number, "spec.bgp.asNumber"),
        cluster_id=values.identifier(cluster_id, "spec.bgp.routeReflectorClusterID") if cluster_id else None,
        has_wireguard=has_wireguard,
        pod_cidrs=pod_cidrs,
    )


def settings(name: str, value: bytes) -> Settings:
    """Return a BGPConfiguration."""
    del name
    spec = documents.read(value, documents.BgpConfigurationDocument).spec
    if spec is None:
        return Settings()
    words = _Words()
    port = spec.listen_port
    level = spec.log_severity_screen
    aggregation = words.known(
        "serviceLoadBalancerAggregation", spec.service_load_balancer_aggregation, {"Enabled": True, "Disabled": False}
    )
    password = spec.node_mesh_password
    if spec.local_workload_peering_ipv4 or spec.local_workload_peering_ipv6:
        words.notices.append("localWorkloadPeeringIPV4/6: not done: sessions with containers are not made")
    return Settings(
        asn=values.asn(spec.as_number, "spec.asNumber"),
        is_mesh=spec.node_to_node_mesh_enabled,
        listen_port=values.port_number(port, "spec.listenPort") if port else None,
        log_level=_LOG_LEVELS.get(level.lower(), LogLevel.ERROR) if level else None,
        cluster_ips=_ranges(spec.service_cluster_ips, "spec.serviceClusterIPs"),
        external_ips=_ranges(spec.service_external_ips, "spec.serviceExternalIPs"),
        load_balancer_ips=_ranges(spec.service_load_balancer_ips, "spec.serviceLoadBalancerIPs"),
        aggregates_load_balancers=True if aggregation is None else aggregation,
        advertisements=_advertisements(spec, words),
        listens_on_node_address=bool(words.known("bindMode", spec.bind_mode, {"None": False, "NodeIP": True})),
        mesh_restart_time=_restart_time(spec.node_mesh_max_restart_time, "nodeMeshMaxRestartTime", words),
        mesh_password=_secret(password, "spec.nodeMeshPassword"),
        route_owner=words.known("programClusterRoutes", spec.program_cluster_routes, _OWNERS),
        priority_v4=_priority(spec.ipv4_normal_route_priority, "spec.ipv4NormalRoutePriority"),
        priority_v6=_priority(spec.ipv6_normal_route_priority, "spec.ipv6NormalRoutePriority"),
        notices=tuple(words.notices),
    )


def peer(name: str, value: bytes) -> Peer:
    """Return a BGPPeer."""
    spec = documents.read(value, documents.BgpPeerDocument).spec
    words = _Words()
    _check_combination(spec)
    address, port = values.peer_address(spec.peer_ip, "spec.peerIP") if spec.peer_ip else (None, None)
    for key, text in (("nodeSelector", spec.node_selector), ("peerSelector", spec.peer_selector)):
        if text:
            try:
                compiled(text)
            except SelectorError as error:
                words.notices.append(f"{key}: matches nothing: {error}")
    next_hop = words.known("nextHopMode", spec.next_hop_mode, _NEXT_HOPS)
    source = words.known("sourceAddress", spec.source_address, {"UseNodeIP": True, "None": False})
    reverse = words.known("reversePeering", spec.reverse_peering, {"Auto": True, "Manual": False})
    if spec.local_workload_selector:
        words.notices.append("localWorkloadSelector: not done: sessions with containers are not made")
    if spec.reachable_by:
        words.notices.append("reachableBy: not done: no route to the peer is installed")
    return Peer(
        name,
        node=spec.node or "",
        node_selector=spec.node_selector or "",
        address=address,
        port=port,
        peer_selector=spec.peer_selector or "",
        is_of_workloads=bool(spec.local_workload_selector),
        asn=values.asn(spec.as_number, "spec.asNumber"),
        local_asn=values.asn(spec.local_as_number, "spec.localASNumber"),
        uses_node_address=True if source is None else source,
        next_hop=next_hop or NextHopMode.AUTO,
        keeps_external_next_hop=bool(spec.keep_original_next_hop) and next_hop is None,
        password=_secret(spec.password, "spec.password"),
        restart_time=_restart_time(spec.max_restart_time, "maxRestartTime", words),
        keepalive_time=values.duration(spec.keepalive_time, "spec.keepaliveTime"),
        allow_own_as=values.within(spec.num_allowed_local_as_numbers, 255, "spec.numAllowedLocalASNumbers"),
        ttl_security=values.within(spec.ttl_security, 254, "spec.ttlSecurity"),
        reachable_by=spec.reachable_by or "",
        filters=tuple(spec.filters or ()),
        is_reversed=True if reverse is None else reverse,
        notices=tuple(words.notices),
    )


def bgp_filter(name: str, value: bytes) -> Filter:
    """Return a BGPFilter."""
    return filters.filter_of(name, documents.read(value, documents.BgpFilterDocument))


def pool(name: str, value: bytes) -> Pool:
    """Return an IPPool."""
    spec = documents.read(value, documents.IpPoolDocument).spec
    family, prefix = values.cidr(spec.cidr, "spec.cidr")
    words = _Words()
    ipip = words.known("ipipMode", spec.ipip_mode, _IPIP) or IpipMode.NEVER
    if ipip is not IpipMode.NEVER and family is not IPV4_UNICAST:
        words.notices.append("ipipMode: IPIP carries IPv4 only, taken as Never")
        ipip = IpipMode.NEVER
    return Pool(
        name,
        family,
        prefix,
        ipip=ipip,
        is_vxlan=bool(words.known("vxlanMode", spec.vxlan_mode, _VXLAN)),
        is_exported=not spec.disable_bgp_export,
        notices=tuple(words.notices),
    )


def affinity(node_name: str, family: Family, key: str, value: bytes) -> Affinity:
    """Return a block affinity. key: the block as keys write it. A state that we do not know counts as pending."""
    _, prefix = values.key_cidr(key, "key")
    if not value:
        return Affinity(node_name, family, prefix, BlockState.OWNED)
    document = documents.read(value, documents.AffinityDocument)
    state = _STATES.get(document.state, BlockState.PENDING) if document.state else BlockState.OWNED
    if document.deleted in (True, "true"):
        state = BlockState.GONE
    return Affinity(node_name, family, prefix, state)


def borrowed(family: Family, key: str, value: bytes) -> Borrowed:
    """Return which addresses of a block are held by other nodes than the one it is affine to."""
    _, prefix = values.key_cidr(key, "key")
    document = documents.read(value, documents.BlockDocument)
    owner = (document.affinity or "").removeprefix("host:")
    others = {
        index: name
        for index, one in enumerate(document.attributes or ())
        if one.secondary is not None and (name := one.secondary.get("node", "")) and name != owner
    }
    if not others or document.deleted:
        return Borrowed((), family)
    first = int.from_bytes(prefix[1:].ljust(family.octets, b"\0"))
    size = 1 << family.bits - prefix[0]
    holders = [
        (host_prefix((first + offset).to_bytes(family.octets)), others[index])
        for offset, index in enumerate((document.allocations or ())[:size])
        if index is not None and index in others
    ]
    return Borrowed(tuple(holders), family)


class _Words:
    """Looks words up, and takes note of those that are not known."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def known(self, key: str, word: str | None, table: Mapping[str, Word]) -> Word | None:
        """Return what a word means, None = it is not there or not known."""
        if not word:
            return None
        if word not in table:
            self.notices.append(f"{key}: unknown word, the default is taken; known are {', '.join(table)}")
            return None
        return table[word]


def _check_combination(spec: documents.BgpPeerSpec) -> None:
    if spec.node and spec.node_selector:
        raise UnreadableError("spec", "node or nodeSelector, not both")
    if sum(map(bool, (spec.peer_ip, spec.peer_selector, spec.local_workload_selector))) != 1:
        raise UnreadableError("spec", "one of peerIP, peerSelector and localWorkloadSelector")
    if spec.peer_selector and values.asn(spec.as_number, "spec.asNumber") is not None:
        raise UnreadableError("spec.asNumber", "none, as peerSelector is there")


def _ranges(written: Sequence[documents.ServiceRange] | None, where: str) -> tuple[Cidr, ...]:
    return tuple(
        dict.fromkeys(
            values.cidr(one.cidr, f"{where}[{index}].cidr") for index, one in enumerate(written or ()) if one.cidr
        )
    )


def _advertisements(spec: documents.BgpConfigurationSpec, words: _Words) -> tuple[Advertisement, ...] | None:
    """Return the prefix advertisements, the names of communities resolved inside the object."""
    if spec.prefix_advertisements is None:
        return None
    named = {one.name: one.value for one in spec.communities or ()}
    found: list[Advertisement] = []
    for index, one in enumerate(spec.prefix_advertisements):
        where = f"spec.prefixAdvertisements[{index}]"
        if not one.cidr:
            continue
        texts = []
        for text in one.communities or ():
            if text in named or ":" in text:
                texts.append(named.get(text, text))
            else:
                words.notices.append(f"prefixAdvertisements[{index}]: passes over a community that has no such name")
        family, prefix = values.cidr(one.cidr, f"{where}.cidr")
        found.append(Advertisement(family, prefix, filters.communities(texts, f"{where}.communities")))
    return tuple(dict.fromkeys(found))


def _secret(source: documents.SecretSource | None, where: str) -> SecretRef | None:
    if source is None or source.secret_key_ref is None:
        return None
    reference = source.secret_key_ref
    if not (reference.name and reference.key):
        raise UnreadableError(f"{where}.secretKeyRef", "name and key")
    return SecretRef(reference.name, reference.key)


def _restart_time(written: str | None, key: str, words: _Words) -> int | None:
    seconds = values.duration(written, f"spec.{key}")
    if seconds is not None and seconds > MAX_RESTART_TIME:
        words.notices.append(f"{key}: {MAX_RESTART_TIME} s is the longest that BGP can say, taken so")
        return MAX_RESTART_TIME
    return seconds


def _priority(value: int | None, where: str) -> int:
    if value is None:
        return 1024
    if not 1 <= value < filters.HIGHEST_PRIORITY:
        raise UnreadableError(where, f"a number from 1 to {filters.HIGHEST_PRIORITY - 1}")
    return value
