"""The JSON documents of the v3 layout, as they are written; fields that we have no use for are passed over.

One Struct for each object, its fields under Calico's names. Faults name the path and the type, never a value.
"""

from typing import TypeVar

import msgspec
from msgspec import field

from bgpd.datastore.calico.values import UnreadableError

Document = TypeVar("Document")


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    pass


class SecretKeyRef(_Object, frozen=True):
    name: str = ""
    key: str = ""


class SecretSource(_Object, frozen=True):
    secret_key_ref: SecretKeyRef | None = None


class Metadata(_Object, frozen=True):
    labels: dict[str, str] | None = None


class NodeBgp(_Object, frozen=True):
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    as_number: int | str | None = None
    route_reflector_cluster_id: str | None = field(default=None, name="routeReflectorClusterID")


class NodeWireguard(_Object, frozen=True):
    interface_ipv4_address: str | None = field(default=None, name="interfaceIPv4Address")
    interface_ipv6_address: str | None = field(default=None, name="interfaceIPv6Address")


class NodeSpec(_Object, frozen=True):
    bgp: NodeBgp | None = None
    wireguard: NodeWireguard | None = None


class NodeStatus(_Object, frozen=True):
    pod_cidrs: list[str] | None = field(default=None, name="podCIDRs")
    wireguard_public_key: str | None = None
    wireguard_public_key_v6: str | None = field(default=None, name="wireguardPublicKeyV6")


class NodeDocument(_Object, frozen=True):
    metadata: Metadata | None = None
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class ServiceRange(_Object, frozen=True):
    cidr: str | None = None


class NamedCommunity(_Object, frozen=True):
    name: str = ""
    value: str = ""


class PrefixAdvertisement(_Object, frozen=True):
    cidr: str | None = None
    communities: list[str] | None = None


class BgpConfigurationSpec(_Object, frozen=True):
    as_number: int | str | None = None
    node_to_node_mesh_enabled: bool | None = None
    listen_port: int | None = None
    log_severity_screen: str | None = None
    service_cluster_ips: list[ServiceRange] | None = field(default=None, name="serviceClusterIPs")
    service_external_ips: list[ServiceRange] | None = field(default=None, name="serviceExternalIPs")
    service_load_balancer_ips: list[ServiceRange] | None = field(default=None, name="serviceLoadBalancerIPs")
    service_load_balancer_aggregation: str | None = None
    communities: list[NamedCommunity] | None = None
    prefix_advertisements: list[PrefixAdvertisement] | None = None
    bind_mode: str | None = None
    node_mesh_max_restart_time: str | None = None
    node_mesh_password: SecretSource | None = None
    program_cluster_routes: str | None = None
    ipv4_normal_route_priority: int | None = None
    ipv6_normal_route_priority: int | None = None
    local_workload_peering_ipv4: str | None = field(default=None, name="localWorkloadPeeringIPV4")
    local_workload_peering_ipv6: str | None = field(default=None, name="localWorkloadPeeringIPV6")


class BgpConfigurationDocument(_Object, frozen=True):
    spec: BgpConfigurationSpec | None = None


class BgpPeerSpec(_Object, frozen=True):
    node: str | None = None
    node_selector: str | None = None
    peer_ip: str | None = field(default=None, name="peerIP")
    peer_selector: str | None = None
    local_workload_selector: str | None = None
    as_number: int | str | None = None
    local_as_number: int | str | None = field(default=None, name="localASNumber")
    source_address: str | None = None
    next_hop_mode: str | None = None
    keep_original_next_hop: bool | None = None
    password: SecretSource | None = None
    max_restart_time: str | None = None
    keepalive_time: str | None = None
    num_allowed_local_as_numbers: int | None = field(default=None, name="numAllowedLocalASNumbers")
    ttl_security: int | None = field(default=None, name="ttlSecurity")
    reachable_by: str | None = None
    filters: list[str] | None = None
    reverse_peering: str | None = None


class BgpPeerDocument(_Object, frozen=True):
    spec: BgpPeerSpec


class PrefixLength(_Object, frozen=True):
    min: int | None = None
    max: int | None = None


class FilterCommunities(_Object, frozen=True):
    values: list[str] | None = None


class AddCommunity(_Object, frozen=True):
    value: str = ""


class PrependAsPath(_Object, frozen=True):
    prefix: list[int | str] | None = None


class SetPriority(_Object, frozen=True):
    value: int | None = None


class FilterOperation(_Object, frozen=True):
    add_community: AddCommunity | None = None
    prepend_as_path: PrependAsPath | None = field(default=None, name="prependASPath")
    set_priority: SetPriority | None = None


class FilterRule(_Object, frozen=True):
    cidr: str | None = None
    match_operator: str | None = None
    prefix_length: PrefixLength | None = None
    source: str | None = None
    interface: str | None = None
    peer_type: str | None = None
    communities: FilterCommunities | None = None
    as_path_prefix: list[int | str] | None = None
    priority: int | None = None
    action: str = ""
    operations: list[FilterOperation] | None = None


class BgpFilterSpec(_Object, frozen=True):
    import_v4: list[FilterRule] | None = field(default=None, name="importV4")
    export_v4: list[FilterRule] | None = field(default=None, name="exportV4")
    import_v6: list[FilterRule] | None = field(default=None, name="importV6")
    export_v6: list[FilterRule] | None = field(default=None, name="exportV6")


class BgpFilterDocument(_Object, frozen=True):
    spec: BgpFilterSpec | None = None


class IpPoolSpec(_Object, frozen=True):
    cidr: str
    ipip_mode: str | None = None
    vxlan_mode: str | None = None
    disable_bgp_export: bool | None = field(default=None, name="disableBGPExport")


class IpPoolDocument(_Object, frozen=True):
    spec: IpPoolSpec


class AffinityDocument(_Object, frozen=True):
    state: str | None = None
    deleted: bool | str | None = None


class AllocationAttribute(_Object, frozen=True):
    secondary: dict[str, str] | None = None


class BlockDocument(_Object, frozen=True):
    cidr: str | None = None
    affinity: str | None = None
    allocations: list[int | None] | None = None
    attributes: list[AllocationAttribute] | None = None
    deleted: bool | None = None


class FlatPeerDocument(msgspec.Struct, frozen=True):
    """A peer of the flat layout; the names are those of its JSON."""

    ip: str = ""
    as_num: int | str | None = None
    port: int | str | None = None
    local_as_num: int | str | None = None
    next_hop_mode: str | None = None
    keep_next_hop: bool | None = None
    restart_time: str | None = None
    keepalive_time: str | None = None
    num_allow_local_as: int | None = None
    ttl_security: int | None = None
    reachable_by: str | None = None
    source_addr: str | None = None
    password: str | None = None
    filters: list[str] | None = None


class FlatMeshDocument(msgspec.Struct, frozen=True):
    enabled: bool = True


class FlatPoolDocument(msgspec.Struct, frozen=True):
    cidr: str | None = None
    ipip: str | None = None
    ipip_mode: str | None = None
    vxlan_mode: str | None = None
    disable_bgp_export: bool | None = None


class FlatReflectorDocument(msgspec.Struct, frozen=True):
    ip: str = ""
    cluster_id: str = ""


_DECODERS: dict[type, msgspec.json.Decoder[object]] = {}


def read(value: bytes, kind: type[Document]) -> Document:
    """Return the document. Raises UnreadableError."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        found = decoder.decode(value)
    except msgspec.ValidationError as error:  # its text has types and the path, and no values
        raise UnreadableError("", f"another document: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableError("", f"JSON, found {len(value)} octets that are none") from None
    assert isinstance(found, kind)
    return found
