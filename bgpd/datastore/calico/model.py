"""What the cluster is, however it was written: nodes, settings, peers, filters, pools and blocks.

Both layouts become these records. ``None`` is what was not given. Times are seconds, prefixes canonical wire octets.
``notices`` are for people: what was taken otherwise than written.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from bgpd.communities import Communities
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.peer import NextHopMode
from bgpd.config.tables.process import LogLevel
from bgpd.datastore.calico.values import Cidr, NodeAddress, SecretRef
from bgpd.families import IPV4_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.policy.rules import Rule
from bgpd.records import dataclass


class RouteOwner(Enum):
    """Whose routes of pools are ours to write (``programClusterRoutes``)."""

    NOBODY = "Disabled"
    NO_ENCAPSULATION = "EnabledNoEncapOnly"
    IPIP = "EnabledIPIPOnly"
    ALL = "Enabled"


class BlockState(Enum):
    """What a block affinity says."""

    OWNED = "confirmed"
    PENDING = "pending"
    LEAVING = "pendingDeletion"
    GONE = "deleted"


@dataclass(frozen=True, slots=True)
class Node:
    """A node. ipv4, ipv6: where it speaks BGP. cluster_id: of a route reflector. pod_cidrs: host-local IPAM's."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ipv4: NodeAddress | None = None
    ipv6: NodeAddress | None = None
    asn: Asn | None = None
    cluster_id: BgpIdentifier | None = None
    has_bgp: bool = True
    has_wireguard: bool = False
    pod_cidrs: tuple[Cidr, ...] = ()
    notices: tuple[str, ...] = ()

    def address(self, family: Family) -> NodeAddress | None:
        """Return its address in a family, None = it has none."""
        return self.ipv4 if family is IPV4_UNICAST else self.ipv6

    @property
    def addresses(self) -> tuple[NodeAddress, ...]:
        """All that it speaks BGP with."""
        return tuple(one for one in (self.ipv4, self.ipv6) if one is not None)


@dataclass(frozen=True, slots=True)
class Advertisement:
    """Communities for the routes inside a prefix."""

    family: Family
    prefix: bytes
    communities: Communities


@dataclass(frozen=True, slots=True)
class Settings:
    """A BGPConfiguration, the cluster's or a node's; of a node's only those that may be per node are used.

    priority: of ordinary routes, by family. advertisements: a node's replace the cluster's.
    """

    asn: Asn | None = None
    is_mesh: bool | None = None
    listen_port: int | None = None
    log_level: LogLevel | None = None
    cluster_ips: tuple[Cidr, ...] = ()
    external_ips: tuple[Cidr, ...] = ()
    load_balancer_ips: tuple[Cidr, ...] = ()
    aggregates_load_balancers: bool = True
    advertisements: tuple[Advertisement, ...] | None = None
    listens_on_node_address: bool = False
    mesh_restart_time: int | None = None
    mesh_password: SecretRef | None = None
    route_owner: RouteOwner | None = None
    priority_v4: int = 1024
    priority_v6: int = 1024
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """A BGPPeer. node and node_selector both empty: every node. address: None = peer_selector, or workloads.

    port, asn: None = not given. is_reversed: nodes that are its target are configured too.
    """

    name: str
    node: str = ""
    node_selector: str = ""
    address: bytes | None = None
    port: int | None = None
    peer_selector: str = ""
    is_of_workloads: bool = False
    asn: Asn | None = None
    local_asn: Asn | None = None
    uses_node_address: bool = True
    next_hop: NextHopMode = NextHopMode.AUTO
    keeps_external_next_hop: bool = False
    password: SecretRef | None = None
    restart_time: int | None = None
    keepalive_time: int | None = None
    allow_own_as: int = 0
    ttl_security: int = 0
    reachable_by: str = ""
    filters: tuple[str, ...] = ()
    is_reversed: bool = True
    notices: tuple[str, ...] = ()

    @property
    def is_global(self) -> bool:
        """Does every node have it?"""
        return not (self.node or self.node_selector)


@dataclass(frozen=True, slots=True)
class Filter:
    """A BGPFilter: its rules for received and for sent routes, those of both families one after the other."""

    name: str
    imports: tuple[Rule, ...] = ()
    exports: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPPool. is_exported: routes inside may be sent to peers."""

    name: str
    family: Family
    prefix: bytes
    ipip: IpipMode = IpipMode.NEVER
    is_vxlan: bool = False
    is_exported: bool = True
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Affinity:
    """That a node owns a block, or did."""

    node: str
    family: Family
    prefix: bytes
    state: BlockState


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Addresses of a block that nodes hold which may not own it."""

    holders: tuple[tuple[bytes, str], ...]  # host prefix, node
    family: Family
