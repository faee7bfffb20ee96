"""Who is in the lab, with which addresses, and who peers with whom; pure.

Hosts are the nodes (with containers), the reflectors, and on an L3 underlay the router, which speaks BGP as well: it
must know where the containers are, as there is no tunnel. Addresses, IPv4 and IPv6:

    bridge    172.30.0.(16+h)/16   fd30::(16+h)/64     gateway 172.30.0.1, fd30::1
    l3        172.30.h.2/24        fd30:0:0:h::2/64    gateway 172.30.h.1, fd30:0:0:h::1
    container 10.65.n.m/32         fd65::n:m/128       (n, m decimal in IPv4, hexadecimal in IPv6)

with h the number of the host: nodes first, then reflectors.
"""

from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

from bgpd.identity import Asn
from bgpd.lab.options import LabOptions, Underlay
from bgpd.records import dataclass

CLUSTER_ASN: Final = Asn(64512)  # of every node, or one less than node 1's where each node has its own
ROUTER_ASN: Final = Asn(65000)  # of the L3 underlay's router, where each node has its own

POOL_V4: Final = "10.65.0.0/16"
POOL_V6: Final = "fd65::/64"

_BRIDGE_V4: Final = int(IPv4Address("172.30.0.0"))
_BRIDGE_V6: Final = int(IPv6Address("fd30::"))
_PODS_V4: Final = int(IPv4Address("10.65.0.0"))
_PODS_V6: Final = int(IPv6Address("fd65::"))
_FIRST_HOST: Final = 16  # addresses of the bridged subnet below are the gateway's and spare


class Role(Enum):
    """What a host is in the cluster."""

    NODE = "node"
    REFLECTOR = "reflector"
    ROUTER = "router"


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """A container: one address of each family behind a veth pair."""

    name: str
    number: int
    device: str  # the host's end
    ipv4: IPv4Address
    ipv6: IPv6Address

    @property
    def prefixes(self) -> tuple[str, str]:
        """Return the two host prefixes that the rest of the cluster must learn."""
        return f"{self.ipv4}/32", f"{self.ipv6}/128"


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """A host's interface to the underlay."""

    device: str
    ipv4: IPv4Interface
    ipv6: IPv6Interface


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """One session as one side configures it."""

    name: str
    address: IPv4Address | IPv6Address
    local_address: IPv4Address | IPv6Address
    asn: Asn
    is_client: bool  # of ours: we reflect


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host that runs bgpd."""

    name: str
    role: Role
    number: int
    asn: Asn
    interfaces: tuple[InterfacePlan, ...]
    gateway: tuple[IPv4Address, IPv6Address] | None
    containers: tuple[ContainerPlan, ...]
    peers: tuple[PeerPlan, ...]
    cluster_id: str  # "" = does not reflect


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole lab on paper."""

    underlay: Underlay
    hosts: tuple[HostPlan, ...]

    @property
    def containers(self) -> tuple[ContainerPlan, ...]:
        """Return the containers of all hosts."""
        return tuple(container for host in self.hosts for container in host.containers)

    def foreign_prefixes(self, host: HostPlan) -> frozenset[str]:
        """Return the prefixes that this host can only learn by BGP."""
        return frozenset(
            prefix
            for other in self.hosts
            if other is not host
            for container in other.containers
            for prefix in container.prefixes
        )


def plan(options: LabOptions) -> Topology:
    """Return the topology for these options. Raises LabError if they make none."""
    options.check()
    hosts = [_host(options, Role.NODE, n) for n in range(1, options.nodes + 1)]
    hosts += [_host(options, Role.REFLECTOR, r) for r in range(1, options.reflectors + 1)]
    if options.underlay is Underlay.L3:
        hosts.append(_router(options, len(hosts)))
    return Topology(options.underlay, tuple(_with_peers(host, hosts) for host in hosts))


def _host(options: LabOptions, role: Role, number: int) -> HostPlan:
    host = number if role is Role.NODE else options.nodes + number
    interface, gateway = _uplink(options.underlay, host)
    is_node = role is Role.NODE
    return HostPlan(
        name=f"node{number}" if is_node else f"rr{number}",
        role=role,
        number=number,
        asn=Asn(CLUSTER_ASN + number) if options.as_per_node else CLUSTER_ASN,
        interfaces=(interface,),
        gateway=gateway,
        containers=tuple(plan_container(number, m) for m in range(1, options.containers + 1)) if is_node else (),
        peers=(),
        cluster_id="" if is_node else f"244.0.0.{number}",
    )


def _uplink(underlay: Underlay, host: int) -> tuple[InterfacePlan, tuple[IPv4Address, IPv6Address]]:
    if underlay is Underlay.BRIDGE:
        ipv4 = IPv4Interface((_BRIDGE_V4 + _FIRST_HOST + host, 16))
        ipv6 = IPv6Interface((_BRIDGE_V6 + _FIRST_HOST + host, 64))
    else:
        ipv4 = IPv4Interface(f"172.30.{host}.2/24")
        ipv6 = IPv6Interface(f"fd30:0:0:{host:x}::2/64")
    return InterfacePlan("eth0", ipv4, ipv6), (ipv4.network[1], ipv6.network[1])


def _router(options: LabOptions, hosts: int) -> HostPlan:
    return HostPlan(
        name="router",
        role=Role.ROUTER,
        number=0,
        asn=ROUTER_ASN if options.as_per_node else CLUSTER_ASN,
        interfaces=tuple(
            InterfacePlan(f"to{h}", IPv4Interface(f"172.30.{h}.1/24"), IPv6Interface(f"fd30:0:0:{h:x}::1/64"))
            for h in range(1, hosts + 1)
        ),
        gateway=None,
        containers=(),
        peers=(),
        cluster_id="",
    )


def plan_container(node: int, number: int) -> ContainerPlan:
    """Return the plan of a node's container."""
    return ContainerPlan(
        name=f"node{node}-c{number}",
        number=number,
        device=f"cali{node}c{number}",
        ipv4=IPv4Address(_PODS_V4 + (node << 8) + number),
        ipv6=IPv6Address(_PODS_V6 + (node << 16) + number),
    )


def _with_peers(host: HostPlan, hosts: list[HostPlan]) -> HostPlan:
    roles = {other.role for other in hosts}
    peers: list[PeerPlan] = []
    for other in hosts:
        if other is not host and _are_peers(host, other, roles):
            peers += _sessions(host, other)
    return replace(host, peers=tuple(peers))


def _are_peers(one: HostPlan, other: HostPlan, roles: set[Role]) -> bool:
    """Return whether two hosts of a cluster in which there are these roles have sessions."""
    ends = {one.role, other.role}
    if one.asn != other.asn and Role.ROUTER in roles:
        return Role.ROUTER in ends  # a rack's node speaks to its top-of-rack router alone
    if Role.REFLECTOR in roles:
        return Role.REFLECTOR in ends
    return True


def _sessions(host: HostPlan, other: HostPlan) -> list[PeerPlan]:
    """Return the two sessions to that host, one for each family, between the interfaces that face each other."""
    ours, theirs = _facing(host, other)
    is_client = host.role is Role.REFLECTOR and other.role is not Role.REFLECTOR
    return [
        PeerPlan(other.name, theirs.ipv4.ip, ours.ipv4.ip, other.asn, is_client),
        PeerPlan(f"{other.name}-v6", theirs.ipv6.ip, ours.ipv6.ip, other.asn, is_client),
    ]


def _facing(host: HostPlan, other: HostPlan) -> tuple[InterfacePlan, InterfacePlan]:
    """Return the interfaces in the same subnet, or the only ones, as far as a router is between them."""
    if len(host.interfaces) == len(other.interfaces) == 1:
        return host.interfaces[0], other.interfaces[0]
    return next(
        (ours, theirs)
        for ours in host.interfaces
        for theirs in other.interfaces
        if ours.ipv4.network == theirs.ipv4.network
    )
