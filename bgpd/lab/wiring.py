"""From a topology to namespaces joined by veth pairs, with the addresses and routes that a real host has.

A container sees what a Calico container sees: its own address with a full mask, and a gateway that is no address of
anybody (169.254.1.1 by proxy ARP; fe80::ecee:eeff:feee:eeee, the link-local address of the host's end). The host
sees what Felix writes: a device route for each container, protocol boot, scope link.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from bgpd.lab.namespaces import Namespace
from bgpd.lab.options import Underlay
from bgpd.lab.topology import ContainerPlan, HostPlan, InterfacePlan, Role, Topology

_CALI_MAC: Final = "ee:ee:ee:ee:ee:ee"
_CALI_LINK_LOCAL: Final = "fe80::ecee:eeff:feee:eeee"
_PROXY_GATEWAY: Final = "169.254.1.1"
_BRIDGE: Final = "br0"

# Hosts in one subnet that may look each other up. For all namespaces together the kernel remembers 1,024 neighbours
# (gc_thresh3) besides those that are written down; a mesh of more hosts loses some again and again.
_LOOKED_UP: Final = 20

# Set before the first link exists: new links inherit "default".
_EVERYWHERE: Final[Mapping[str, int]] = {
    "ipv6/conf/all/disable_ipv6": 0,
    "ipv6/conf/default/disable_ipv6": 0,
    "ipv6/conf/default/accept_dad": 0,  # addresses are usable at once
    "ipv6/conf/default/accept_ra": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
}
_ON_HOSTS: Final[Mapping[str, int]] = {
    **_EVERYWHERE,
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv6/conf/default/forwarding": 1,
}


def wire(topology: Topology, underlay: Namespace, hosts: Mapping[str, Namespace]) -> None:
    """Join the hosts' namespaces and give them their addresses; containers are added one by one afterwards.

    underlay is the bridge's namespace; on an L3 underlay the router's, which is in hosts as well.
    """
    for namespace in hosts.values():
        namespace.set_sysctls(_ON_HOSTS)
    if topology.underlay is Underlay.BRIDGE:
        underlay.set_sysctls(_EVERYWHERE)
        underlay.ip_batch(_bridge_lines(topology, hosts))
    else:
        underlay.ip_batch(_router_lines(topology, hosts))
    is_meshed = topology.underlay is Underlay.BRIDGE and len(topology.hosts) > _LOOKED_UP
    for host in topology.hosts:
        if host.role is not Role.ROUTER:
            others = [other for other in topology.hosts if other is not host] if is_meshed else []
            hosts[host.name].ip_batch([*_host_lines(host), *_neighbour_lines(others)])


def _bridge_lines(topology: Topology, hosts: Mapping[str, Namespace]) -> list[str]:
    lines = ["link set lo up", f"link add {_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"]
    gateway = topology.hosts[0].gateway
    link = topology.hosts[0].interfaces[0]
    assert gateway is not None
    lines.append(f"address add {gateway[0]}/{link.ipv4.network.prefixlen} dev {_BRIDGE}")
    lines.append(f"address add {gateway[1]}/{link.ipv6.network.prefixlen} dev {_BRIDGE}")
    lines.append(f"link set {_BRIDGE} up")
    for host in topology.hosts:
        port = f"to-{host.name}"
        lines += _pair_lines(port, "eth0", hosts[host.name])
        lines.append(f"link set {port} master {_BRIDGE} up")
    return lines


def _router_lines(topology: Topology, hosts: Mapping[str, Namespace]) -> list[str]:
    lines = ["link set lo up"]
    router = next(host for host in topology.hosts if host.role is Role.ROUTER)
    others = [host for host in topology.hosts if host is not router]
    for host, link in zip(others, router.interfaces, strict=True):
        lines += _pair_lines(link.device, "eth0", hosts[host.name])
        lines += _address_lines(link)
    return lines


def _host_lines(host: HostPlan) -> list[str]:
    lines = ["link set lo up", f"link set eth0 address {link_address(host)}", *_address_lines(host.interfaces[0])]
    if host.gateway is not None:
        ipv4, ipv6 = host.gateway
        lines.append(f"route add default via {ipv4} proto static")
        lines.append(f"route add ::/0 via {ipv6} proto static")
    return lines


def _neighbour_lines(others: Iterable[HostPlan]) -> list[str]:
    """Return the lines that tell a host where others are, so that it does not have to ask."""
    return [
        f"neigh replace {address.ip} lladdr {link_address(other)} dev eth0 nud permanent"
        for other in others
        for link in other.interfaces
        for address in (link.ipv4, link.ipv6)
    ]


def link_address(host: HostPlan) -> str:
    """Return the Ethernet address of a host's uplink."""
    return f"02:00:00:00:{host.role is Role.REFLECTOR:02x}:{host.number:02x}"


def _pair_lines(device: str, far_device: str, far: Namespace) -> list[str]:
    return [f"link add {device} type veth peer name {far_device} netns {far.path}"]


def _address_lines(link: InterfacePlan) -> list[str]:
    return [
        f"address add {link.ipv4} dev {link.device}",
        f"address add {link.ipv6} dev {link.device}",
        f"link set {link.device} up",
    ]


def wire_container(plan: ContainerPlan, host: Namespace, container: Namespace) -> None:
    """Put a container behind a veth pair of the host; its routes are added apart, as Felix does."""
    container.set_sysctls(_EVERYWHERE)
    host.ip_batch(
        [
            *_pair_lines(plan.device, "eth0", container),
            f"link set {plan.device} address {_CALI_MAC} up",
        ]
    )
    host.set_sysctls(
        {
            f"ipv4/conf/{plan.device}/proxy_arp": 1,
            f"ipv4/neigh/{plan.device}/proxy_delay": 0,
            f"ipv6/conf/{plan.device}/proxy_ndp": 1,
        }
    )
    container.ip_batch(
        [
            "link set lo up",
            "link set eth0 up",
            f"address add {plan.ipv4}/32 dev eth0",
            f"address add {plan.ipv6}/128 dev eth0",
            f"route add {_PROXY_GATEWAY} dev eth0 scope link",
            f"route add default via {_PROXY_GATEWAY} dev eth0",
            f"route add ::/0 via {_CALI_LINK_LOCAL} dev eth0",
        ]
    )


def container_route_lines(plan: ContainerPlan, action: str) -> list[str]:
    """Return the ``ip`` lines that add or delete a container's host routes as Felix writes them."""
    return [
        f"route {action} {plan.ipv4}/32 dev {plan.device} scope link proto boot",
        f"route {action} {plan.ipv6}/128 dev {plan.device} proto boot",
    ]
