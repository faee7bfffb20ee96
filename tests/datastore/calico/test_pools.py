"""What is written to the kernel: pools and their classes, services, WireGuard, metrics."""

import pytest

from bgpd.addresses import format_prefix, parse_address, parse_prefix
from bgpd.config import Config
from bgpd.config.tables.kernel import IpipMode
from bgpd.families import IPV4_UNICAST
from bgpd.kernel import FibRoute, Hop, Ipip, Pool, Programmer
from bgpd.kernel.routes import Leg, RouteKind
from tests.support.calico import Etcd, document, key, local

NEAR, FAR, ETH0, TUNNEL = parse_address("172.18.4.20"), parse_address("172.19.0.8"), 3, 4
ROUTER = parse_address("172.18.0.1")
NEAR_HOP, FAR_HOP = Hop(NEAR, b"", ETH0), Hop(FAR, ROUTER, ETH0)
PLAIN_NEAR, PLAIN_FAR = Leg(NEAR, ETH0), Leg(ROUTER, ETH0)
TUNNEL_NEAR, TUNNEL_FAR = Leg(NEAR, TUNNEL, is_onlink=True), Leg(FAR, TUNNEL, is_onlink=True)


def a_cluster() -> Etcd:
    etcd = Etcd()
    etcd.node("w1", "172.18.4.13/20", "fd10:4::13/64")
    return etcd


def programmer(etcd: Etcd, config: Config | None = None, *, tunnel: int = TUNNEL) -> Programmer:
    """Return the kernel's rules as the speaker makes them."""
    found = etcd.config(config).resolved
    priorities = {IPV4_UNICAST: found.kernel.priority_ipv4} if found.kernel.priority_ipv4 else {}
    subnets = [parse_prefix("172.18.0.0/20")] if any(len(a) == 4 for a, _ in found.node.addresses) else []
    if any(length == 32 for _, length in found.node.addresses):
        subnets = [parse_prefix("172.18.4.13/32")]
    return Programmer(
        [Pool(one.family, one.prefix, Ipip(one.ipip.value), one.is_programmed) for one in found.pools],
        subnets,
        tunnel=tunnel,
        ecmp=found.kernel.ecmp,
        metric=found.kernel.metric,
        encrypted=found.kernel.encrypted_hops,
        priorities=priorities,
    )


def legs(
    rules: Programmer, *hops: Hop, prefix: str = "10.65.9.0/26", local_pref: int | None = None
) -> tuple[Leg, ...] | None:
    route = rules.route(*parse_prefix(prefix), hops, local_pref)
    return None if route is None else route.legs


@pytest.mark.parametrize(
    ("mode", "near", "far"),
    [
        ("Never", PLAIN_NEAR, PLAIN_FAR),
        ("Always", TUNNEL_NEAR, TUNNEL_FAR),
        ("CrossSubnet", PLAIN_NEAR, TUNNEL_FAR),
        ("Sometimes", PLAIN_NEAR, PLAIN_FAR),  # an unknown word counts as Never
    ],
)
def test_ipip_is_decided_for_each_leg(mode: str, near: Leg, far: Leg) -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", ipipMode=mode)
    rules = programmer(etcd)
    assert legs(rules, NEAR_HOP) == (near,)
    assert legs(rules, FAR_HOP) == (far,)
    assert legs(rules, NEAR_HOP, FAR_HOP) == (near, far)


def test_an_unknown_word_is_told() -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", ipipMode="Sometimes", vxlanMode="Perhaps")
    notices = etcd.config().notices
    assert any("IPPool pods: ipipMode: unknown word" in one for one in notices)
    assert any("IPPool pods: vxlanMode: unknown word" in one for one in notices)


def test_an_address_without_mask_makes_every_node_one_of_another_subnet() -> None:
    etcd = a_cluster()
    etcd.node("w1", "172.18.4.13")
    etcd.pool("pods", "10.65.0.0/16", ipipMode="CrossSubnet")
    assert legs(programmer(etcd), NEAR_HOP) == (TUNNEL_NEAR,)


def test_without_the_tunnel_device_routes_are_plain() -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", ipipMode="Always")
    assert legs(programmer(etcd, tunnel=0), FAR_HOP) == (PLAIN_FAR,)


@pytest.mark.parametrize("mode", ["Always", "CrossSubnet"])
def test_vxlan_pools_are_left_alone(mode: str) -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", vxlanMode=mode)
    etcd.pool("pods6", "fd65::/48", vxlanMode=mode)
    rules = programmer(etcd)
    assert legs(rules, NEAR_HOP) is None
    assert rules.black_hole(*parse_prefix("10.65.3.64/26")) is None
    assert legs(rules, Hop(parse_address("fd10:4::20"), b"", ETH0), prefix="fd65::/122") is None


def test_what_is_outside_of_all_pools_is_written() -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", vxlanMode="Always")
    assert legs(programmer(etcd), FAR_HOP, prefix="192.168.7.0/24") == (PLAIN_FAR,)


def test_service_ranges_are_never_written_and_their_hosts_are() -> None:
    etcd = a_cluster()
    etcd.settings(
        serviceClusterIPs=[{"cidr": "10.96.0.0/12"}], serviceExternalIPs=[{"cidr": "203.0.113.9/32"}],
        serviceLoadBalancerIPs=[{"cidr": "198.51.100.128/25"}], serviceLoadBalancerAggregation="Disabled",
    )  # fmt: skip
    rules = programmer(etcd)
    for prefix in ("10.96.0.0/12", "10.96.0.10/32", "198.51.100.128/25", "198.51.100.129/32"):
        assert legs(rules, NEAR_HOP, prefix=prefix) is None
        assert rules.black_hole(*parse_prefix(prefix)) is None
    assert legs(rules, NEAR_HOP, prefix="203.0.113.9/32") == (PLAIN_NEAR,)
    assert rules.black_hole(*parse_prefix("203.0.113.9/32")) == FibRoute((), RouteKind.BLACKHOLE)


def test_a_pool_inside_a_service_range_is_not_written() -> None:
    etcd = a_cluster()
    etcd.pool("balanced", "10.96.5.0/24")
    etcd.settings(serviceLoadBalancerIPs=[{"cidr": "10.96.0.0/16"}])
    assert legs(programmer(etcd), NEAR_HOP, prefix="10.96.5.0/26") is None


@pytest.mark.parametrize(
    ("switch", "writes_plain", "writes_ipip"),
    [
        (None, True, True),
        ("Enabled", True, True),
        ("Disabled", False, False),
        ("EnabledNoEncapOnly", True, False),
        ("EnabledIPIPOnly", False, True),
        ("Maybe", True, True),
    ],
)
def test_each_class_of_pools_may_be_anothers(switch: str | None, writes_plain: bool, writes_ipip: bool) -> None:
    etcd = a_cluster()
    etcd.pool("plain", "10.65.0.0/16")
    etcd.pool("ipip", "10.66.0.0/16", ipipMode="CrossSubnet")
    if switch is not None:
        etcd.settings(programClusterRoutes=switch)
    rules = programmer(etcd)
    for prefix, is_written in (("10.65.9.0/26", writes_plain), ("10.66.9.0/26", writes_ipip)):
        assert (legs(rules, NEAR_HOP, prefix=prefix) is not None) is is_written
        assert (rules.black_hole(*parse_prefix(prefix)) is not None) is is_written  # our own blocks too
    assert legs(rules, NEAR_HOP, prefix="192.168.7.0/24") is not None


def test_the_files_word_on_that_comes_first_and_the_conflict_is_named() -> None:
    etcd = a_cluster()
    etcd.pool("ipip", "10.66.0.0/16", ipipMode="Always")
    etcd.settings(programClusterRoutes="Enabled")
    config = local('[calico]\nprogram_routes = "no-encapsulation"\n')
    assert legs(programmer(etcd, config), FAR_HOP, prefix="10.66.9.0/26") is None
    assert [problem.key for problem in etcd.config(config).problems] == ["calico.program_routes"]


def test_without_an_ipv4_subnet_of_ours_the_class_does_not_count() -> None:
    etcd = Etcd()
    etcd.node("w1", ipv6="fd10:4::13/64")
    etcd.pool("vxlan", "10.65.0.0/16", vxlanMode="Always")
    etcd.pool("ipip", "10.66.0.0/16", ipipMode="Always")
    etcd.settings(programClusterRoutes="Disabled")
    rules = programmer(etcd)
    assert legs(rules, FAR_HOP) == (PLAIN_FAR,)
    assert legs(rules, FAR_HOP, prefix="10.66.9.0/26") == (PLAIN_FAR,)


def test_ipip_carries_ipv4_only() -> None:
    etcd = a_cluster()
    etcd.pool("pods6", "fd65::/48", ipipMode="Always")
    found = etcd.config()
    assert [one.ipip for one in found.resolved.pools] == [IpipMode.NEVER]
    assert any("IPIP carries IPv4 only" in notice for notice in found.notices)


def test_next_hops_that_wireguard_leads_to_are_left_alone_on_each_leg() -> None:
    wireguard = {"interfaceIPv4Address": "10.65.3.9"}
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16")
    etcd.put(key("nodes", "w2"), document({"bgp": {"ipv4Address": "172.18.4.20/20"}, "wireguard": wireguard}))
    etcd.node("w3", "172.19.0.8/20")
    assert legs(programmer(etcd), NEAR_HOP) == (PLAIN_NEAR,)  # we do not run it
    etcd.put(key("nodes", "w1"), document({"bgp": {"ipv4Address": "172.18.4.13/20"}, "wireguard": wireguard}))
    rules = programmer(etcd)
    assert legs(rules, NEAR_HOP) is None
    assert legs(rules, FAR_HOP) == (PLAIN_FAR,)
    assert legs(rules, NEAR_HOP, FAR_HOP) == (PLAIN_FAR,)


@pytest.mark.parametrize(
    ("local_pref", "metric"), [(2147482623, 1024), (None, 2147483547), (100, 2147483547), (2147483647, 1), (1 << 31, 1)]
)
def test_with_priorities_local_pref_makes_the_metric(local_pref: int | None, metric: int) -> None:
    config = local("[calico]\npriorities = true\n")
    route = programmer(a_cluster(), config).route(*parse_prefix("10.65.9.0/26"), (NEAR_HOP,), local_pref)
    assert route is not None
    assert route.metric == metric


def test_with_priorities_a_black_hole_has_the_ordinary_metric() -> None:
    etcd = a_cluster()
    etcd.settings(ipv4NormalRoutePriority=2048)
    rules = programmer(etcd, local("[calico]\npriorities = true\n"))
    assert rules.black_hole(*parse_prefix("10.65.3.64/26")) == FibRoute((), RouteKind.BLACKHOLE, metric=2048)


def test_without_priorities_the_metric_is_the_files() -> None:
    config = local("[kernel]\nmetric = 77\nprotocol = 12\n")
    found = a_cluster().config(config).resolved
    assert (found.kernel.metric, found.kernel.protocol) == (77, 12)
    route = programmer(a_cluster(), config).route(*parse_prefix("10.65.9.0/26"), (NEAR_HOP,), 2147482623)
    assert route is not None
    assert route.metric == 77


def test_pools_of_the_file_stand_beside_those_of_etcd_and_conflicts_are_named() -> None:
    etcd = a_cluster()
    etcd.pool("pods", "10.65.0.0/16", ipipMode="Always")
    found = etcd.config(local('[[pool]]\ncidr = "10.65.0.0/16"\n[[pool]]\ncidr = "10.70.0.0/16"\nipip = "always"\n'))
    pools = {format_prefix(one.family, one.prefix): one.ipip for one in found.resolved.pools}
    assert pools == {"10.70.0.0/16": IpipMode.ALWAYS, "10.65.0.0/16": IpipMode.ALWAYS}
    assert [problem.key for problem in found.problems] == ["pool 10.65.0.0/16"]
