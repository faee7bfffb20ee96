"""Packed messages are read back by pyroute2, by our own reader, and say the same."""

import pytest
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import FAMILIES, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.packing import RoutePacker
from bgpd.kernel.reading import RouteReader
from bgpd.kernel.routes import FibRoute, Leg, RouteKind, fib_route, is_written
from bgpd.kernel.rtnetlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, RTM_DELROUTE, RTM_NEWROUTE

GATEWAY = parse_address("10.0.0.2")
OTHER = parse_address("10.0.0.3")
GATEWAY6 = parse_address("fd00::2")

ROUTES: list[tuple[Family, str, FibRoute]] = [
    (IPV4_UNICAST, "10.65.7.0/26", FibRoute((Leg(GATEWAY, 3),))),
    (IPV4_UNICAST, "0.0.0.0/0", FibRoute((Leg(GATEWAY, 3),), metric=100)),
    (IPV4_UNICAST, "10.65.0.7/32", FibRoute((Leg(b"", 7),))),
    (IPV4_UNICAST, "10.65.9.0/26", FibRoute((Leg(GATEWAY, 4, is_onlink=True),))),
    (IPV4_UNICAST, "10.96.0.10/32", FibRoute((Leg(GATEWAY, 3, weight=1), Leg(OTHER, 4, is_onlink=True, weight=5)))),
    (IPV4_UNICAST, "10.65.3.64/26", FibRoute((), RouteKind.BLACKHOLE, metric=1024)),
    (IPV4_UNICAST, "10.1.0.0/16", FibRoute((Leg(GATEWAY, 3),), source=parse_address("10.0.0.1"))),
    (IPV4_UNICAST, "10.2.0.0/16", FibRoute((Leg(GATEWAY6, 3),))),
    (IPV4_UNICAST, "10.3.0.0/16", FibRoute((Leg(GATEWAY6, 3), Leg(GATEWAY, 3)))),
    (IPV6_UNICAST, "fd01::/64", FibRoute((Leg(GATEWAY6, 3),))),
    (IPV6_UNICAST, "fd01::1/128", FibRoute((Leg(b"", 7),), metric=5)),
    (IPV6_UNICAST, "::/0", FibRoute((Leg(GATEWAY6, 3),))),
    (IPV6_UNICAST, "fd02::/122", FibRoute((), RouteKind.BLACKHOLE)),
    (IPV6_UNICAST, "fd03::/48", FibRoute((Leg(GATEWAY6, 3), Leg(parse_address("fe80::1"), 4)))),
]


def packed(family: Family, text: str, route: FibRoute, table: int = 254) -> bytes:
    packer = RoutePacker(family, table, 186)
    return packer.write(parse_prefix(text)[1], packer.shape(route), NLM_F_CREATE | NLM_F_EXCL, 7)


@pytest.mark.parametrize(("family", "text", "route"), ROUTES)
@pytest.mark.parametrize("table", [254, 100, 100_000])
def test_a_packed_route_is_read_back_as_it_was(family: Family, text: str, route: FibRoute, table: int) -> None:
    ((kind, _, prefix, body),) = RouteReader(frozenset({table})).read(packed(family, text, route, table))
    assert (kind, prefix, body.family, body.table, body.protocol) == (
        RTM_NEWROUTE,
        parse_prefix(text)[1],
        family,
        table,
        186,
    )
    assert is_written(family, fib_route(body), route)


@pytest.mark.parametrize(("family", "text", "route"), ROUTES)
@pytest.mark.parametrize("table", [254, 100_000])
def test_many_are_packed_as_one_by_one(family: Family, text: str, route: FibRoute, table: int) -> None:
    packer = RoutePacker(family, table, 186)
    shape, flags = packer.shape(route), NLM_F_CREATE | NLM_F_EXCL
    prefixes = [parse_prefix(text)[1], b"\0", b"\x07\x0a", bytes((8 * family.octets,)) + bytes(range(family.octets))]
    one_by_one = [packer.write(prefix, shape, flags, sequence) for sequence, prefix in enumerate(prefixes, 90)]
    assert packer.write_all(prefixes, shape, flags, 90) == one_by_one


@pytest.mark.parametrize(("family", "text", "route"), ROUTES)
def test_pyroute2_reads_the_same(family: Family, text: str, route: FibRoute) -> None:
    data = packed(family, text, route)
    message = rtmsg(data)
    message.decode()
    assert message["header"]["length"] == len(data)
    assert message["header"]["flags"] == NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
    assert message["header"]["sequence_number"] == 7
    assert (message["family"], message["dst_len"]) == (family.kernel, parse_prefix(text)[1][0])
    assert (message["proto"], message["table"], message["type"]) == (186, 254, route.kind)
    assert parse_address(message.get_attr("RTA_DST")) == parse_address(text.partition("/")[0])
    assert message.get_attr("RTA_PRIORITY") == route.metric
    if len(route.legs) == 1:
        assert message.get_attr("RTA_OIF") == route.legs[0].device
        assert bool(message["flags"] & 4) is route.legs[0].is_onlink
    elif route.legs:
        legs = message.get_attr("RTA_MULTIPATH")
        assert [(leg["oif"], leg["hops"] + 1, bool(leg["flags"] & 4)) for leg in legs] == [
            (leg.device, leg.weight, leg.is_onlink) for leg in route.legs
        ]


def test_a_deletion_names_protocol_and_metric() -> None:
    packer = RoutePacker(IPV6_UNICAST, 254, 186)
    data = packer.delete(parse_prefix("fd01::/64")[1], FibRoute((Leg(GATEWAY6, 3),)), 9)
    message = rtmsg(data)
    message.decode()
    assert message["header"]["type"] == RTM_DELROUTE
    assert message["proto"] == 186
    assert message.get_attr("RTA_PRIORITY") == 1024
    assert message.get_attr("RTA_GATEWAY") is None


def test_a_deletion_of_some_legs_names_them() -> None:
    packer = RoutePacker(IPV6_UNICAST, 254, 186)
    route = FibRoute((Leg(GATEWAY6, 3),))
    message = rtmsg(packer.delete(parse_prefix("fd01::/64")[1], route, 9, route.legs))
    message.decode()
    assert message.get_attr("RTA_GATEWAY") == "fd00::2"


def test_a_unicast_route_without_a_leg_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a leg"):
        RoutePacker(IPV4_UNICAST, 254, 186).shape(FibRoute(()))


def test_equal_routes_share_one_shape() -> None:
    packer = RoutePacker(IPV4_UNICAST, 254, 186)
    first = packer.shape(FibRoute((Leg(GATEWAY, 3),)))
    assert packer.shape(FibRoute((Leg(GATEWAY, 3),))) is first
    assert packer.devices == {3}


def test_every_family_can_be_packed() -> None:
    for family in FAMILIES.values():
        RoutePacker(family, 254, 186)
