"""What is written for the best paths: pools, IPIP, cross-subnet, ECMP."""

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.kernel.programming import Hop, Ipip, Pool, Programmer
from bgpd.kernel.routes import FibRoute, Leg, RouteKind

NEAR = parse_address("172.18.4.20")
FAR = parse_address("172.19.0.8")
ROUTER = parse_address("172.18.0.1")
ETH0, TUNNEL = 3, 4
NEAR_HOP = Hop(NEAR, b"", ETH0)
FAR_HOP = Hop(FAR, ROUTER, ETH0)
BLOCK = parse_prefix("10.65.9.0/26")[1]
SUBNET = parse_prefix("172.18.0.0/20")


def pool(ipip: Ipip, *, is_programmed: bool = True) -> Pool:
    return Pool(*parse_prefix("10.65.0.0/16"), ipip, is_programmed)


def programmer(*pools: Pool, tunnel: int = TUNNEL, ecmp: int = 16, metric: int = 0) -> Programmer:
    return Programmer(pools, [SUBNET], tunnel=tunnel, ecmp=ecmp, metric=metric)


def test_a_prefix_outside_all_pools_is_plain() -> None:
    route = programmer(pool(Ipip.ALWAYS)).route(IPV4_UNICAST, parse_prefix("10.96.0.10/32")[1], (FAR_HOP,))
    assert route == FibRoute((Leg(ROUTER, ETH0),))


def test_a_connected_next_hop_is_its_own_gateway() -> None:
    assert programmer().route(IPV4_UNICAST, BLOCK, (NEAR_HOP,)) == FibRoute((Leg(NEAR, ETH0),))


def test_an_always_pool_goes_through_the_tunnel_to_the_bgp_next_hop() -> None:
    route = programmer(pool(Ipip.ALWAYS)).route(IPV4_UNICAST, BLOCK, (FAR_HOP,))
    assert route == FibRoute((Leg(FAR, TUNNEL, is_onlink=True),))


@pytest.mark.parametrize(
    ("hop", "leg"), [(NEAR_HOP, Leg(NEAR, ETH0)), (FAR_HOP, Leg(FAR, TUNNEL, is_onlink=True))], ids=["near", "far"]
)
def test_a_cross_subnet_pool_uses_the_tunnel_only_beyond_our_subnet(hop: Hop, leg: Leg) -> None:
    assert programmer(pool(Ipip.CROSS_SUBNET)).route(IPV4_UNICAST, BLOCK, (hop,)) == FibRoute((leg,))


def test_each_leg_of_a_multipath_route_goes_its_own_way() -> None:
    route = programmer(pool(Ipip.CROSS_SUBNET)).route(IPV4_UNICAST, BLOCK, (NEAR_HOP, FAR_HOP))
    assert route == FibRoute((Leg(NEAR, ETH0), Leg(FAR, TUNNEL, is_onlink=True)))


def test_without_a_tunnel_device_the_route_is_plain() -> None:
    route = programmer(pool(Ipip.ALWAYS), tunnel=0).route(IPV4_UNICAST, BLOCK, (FAR_HOP,))
    assert route == FibRoute((Leg(ROUTER, ETH0),))


def test_ipip_does_not_carry_ipv6() -> None:
    hop = Hop(parse_address("fd10::2"), b"", ETH0)
    pools = Pool(*parse_prefix("fd00:65::/48"), Ipip.ALWAYS)
    route = programmer(pools).route(IPV6_UNICAST, parse_prefix("fd00:65::/122")[1], (hop,))
    assert route == FibRoute((Leg(hop.address, ETH0),))


def test_an_ipv6_next_hop_of_an_ipv4_pool_is_plain() -> None:
    hop = Hop(parse_address("fd10::2"), b"", ETH0)
    assert programmer(pool(Ipip.ALWAYS)).route(IPV4_UNICAST, BLOCK, (hop,)) == FibRoute((Leg(hop.address, ETH0),))


def test_a_pool_of_another_agent_is_left_alone() -> None:
    work = programmer(pool(Ipip.ALWAYS, is_programmed=False))
    assert work.route(IPV4_UNICAST, BLOCK, (FAR_HOP,)) is None
    assert work.black_hole(IPV4_UNICAST, BLOCK) is None


def test_a_network_of_ours_is_a_black_hole() -> None:
    assert programmer(metric=1024).black_hole(IPV4_UNICAST, BLOCK) == FibRoute((), RouteKind.BLACKHOLE, metric=1024)


def test_no_more_legs_than_allowed_are_written() -> None:
    route = programmer(ecmp=1).route(IPV4_UNICAST, BLOCK, (NEAR_HOP, FAR_HOP))
    assert route == FibRoute((Leg(NEAR, ETH0),))


def test_hops_behind_one_gateway_make_one_leg() -> None:
    other = Hop(parse_address("172.19.0.9"), ROUTER, ETH0)
    assert programmer().route(IPV4_UNICAST, BLOCK, (FAR_HOP, other)) == FibRoute((Leg(ROUTER, ETH0),))


def test_the_most_specific_pool_counts() -> None:
    inner = Pool(*parse_prefix("10.65.8.0/21"), Ipip.NEVER)
    assert programmer(pool(Ipip.ALWAYS), inner).pool(IPV4_UNICAST, BLOCK) is inner


def test_a_prefix_shorter_than_the_pool_is_not_in_it() -> None:
    assert programmer(pool(Ipip.ALWAYS)).pool(IPV4_UNICAST, parse_prefix("10.64.0.0/15")[1]) is None


def test_the_same_hops_give_the_same_object() -> None:
    work = programmer(pool(Ipip.NEVER))
    first = work.route(IPV4_UNICAST, BLOCK, (NEAR_HOP, FAR_HOP))
    assert work.route(IPV4_UNICAST, parse_prefix("10.65.10.0/26")[1], (NEAR_HOP, FAR_HOP)) is first


def test_no_hops_make_no_route() -> None:
    assert programmer().route(IPV4_UNICAST, BLOCK, ()) is None
