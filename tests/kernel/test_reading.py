"""Route messages as the kernel sends them, and octets that it never would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.packing import RoutePacker
from bgpd.kernel.reading import RouteReader, dump_request
from bgpd.kernel.routes import FibRoute, Leg
from bgpd.kernel.rtnetlink import RTM_NEWROUTE

# What Linux 6.18 answered to a dump, after ``ip route add`` of each; without the sender's port.
GATEWAY_ROUTE = bytes.fromhex(
    "3c000000 1800 2200 01000000 00000000"  # nlmsghdr: 60 octets, RTM_NEWROUTE, NLM_F_MULTI | NLM_F_DUMP_FILTERED
    "02 18 00 00 fe ba 00 01 00000000"  # IPv4, /24, main, protocol 186, global, unicast
    "0800 0f00 fe000000"  # RTA_TABLE 254
    "0800 0100 0a010000"  # RTA_DST 10.1.0.0
    "0800 0500 0a000002"  # RTA_GATEWAY 10.0.0.2
    "0800 0400 03000000"  # RTA_OIF 3
)
DEFAULT_ROUTE = bytes.fromhex(
    "34000000 1800 2200 01000000 00000000"
    "02 00 00 00 fe 10 00 01 00000000"
    "0800 0f00 fe000000"
    "0800 0500 0a000002"
    "0800 0400 03000000"
)
BLACK_HOLE6 = bytes.fromhex(
    "74000000 1800 2200 01000000 00000000"
    "0a 40 00 00 fe ba 00 06 00000000"
    "0800 0f00 fe000000"
    "1400 0100 fd030000000000000000000000000000"
    "0800 0600 00040000"  # RTA_PRIORITY 1024
    "0800 0400 01000000"  # RTA_OIF lo
    "2400 0c00 0000000000000000000000000000000000000000000000000000000000000000"  # RTA_CACHEINFO
    "0500 1400 00000000"  # RTA_PREF
)
MULTIPATH6 = bytes.fromhex(
    "a8000000 1800 2200 01000000 00000000"
    "0a 40 00 00 fe ba 00 01 00000000"
    "0800 0f00 fe000000"
    "1400 0100 fd020000000000000000000000000000"
    "0800 0600 00040000"
    "3c00 0900"  # RTA_MULTIPATH
    "1c00 00 00 03000000 1400 0500 fd000000000000000000000000000002"
    "1c00 00 01 03000000 1400 0500 fd000000000000000000000000000003"
    "2400 0c00 0000000000000000000000000000000000000000000000000000000000000000"
    "0500 1400 00000000"
)

TABLES = frozenset({254})


def test_a_route_through_a_gateway_is_read() -> None:
    ((kind, flags, prefix, body),) = RouteReader(TABLES).read(GATEWAY_ROUTE)
    assert (kind, flags, prefix) == (RTM_NEWROUTE, 0x22, parse_prefix("10.1.0.0/24")[1])
    assert (body.table, body.protocol, body.metric) == (254, 186, 0)
    assert body.legs == (Leg(parse_address("10.0.0.2"), 3),)


def test_a_default_route_has_no_destination_attribute() -> None:
    ((_, _, prefix, body),) = RouteReader(TABLES).read(DEFAULT_ROUTE)
    assert prefix == b"\0"
    assert body.protocol == 16


def test_the_loopback_device_of_an_ipv6_black_hole_is_no_leg() -> None:
    ((_, _, prefix, body),) = RouteReader(TABLES).read(BLACK_HOLE6)
    assert prefix == parse_prefix("fd03::/64")[1]
    assert (body.kind, body.legs, body.metric) == (6, (), 1024)


def test_an_ipv6_multipath_route_is_read_with_its_weights() -> None:
    ((_, _, prefix, body),) = RouteReader(TABLES).read(MULTIPATH6)
    assert prefix == parse_prefix("fd02::/64")[1]
    assert body.legs == (Leg(parse_address("fd00::2"), 3), Leg(parse_address("fd00::3"), 3, weight=2))


def test_a_datagram_may_hold_many_messages() -> None:
    messages = RouteReader(TABLES).read(GATEWAY_ROUTE + DEFAULT_ROUTE + BLACK_HOLE6)
    assert [message[2][0] for message in messages] == [24, 0, 64]


def test_routes_that_differ_only_in_their_prefix_share_a_body() -> None:
    other = GATEWAY_ROUTE.replace(bytes.fromhex("0a010000"), bytes.fromhex("0a020000"))
    first, second = RouteReader(TABLES).read(GATEWAY_ROUTE + other)
    assert first[3] is second[3]


def test_routes_of_other_tables_are_passed_over() -> None:
    assert RouteReader(frozenset({100})).read(GATEWAY_ROUTE) == []


def test_attributes_in_another_order_are_understood() -> None:
    head, table, destination, rest = GATEWAY_ROUTE[:28], GATEWAY_ROUTE[28:36], GATEWAY_ROUTE[36:44], GATEWAY_ROUTE[44:]
    ((_, _, prefix, body),) = RouteReader(TABLES).read(head + rest + destination + table)
    assert prefix == parse_prefix("10.1.0.0/24")[1]
    assert body.legs == (Leg(parse_address("10.0.0.2"), 3),)


def test_a_dump_request_names_its_table() -> None:
    request = dump_request(IPV6_UNICAST, 100_000, 5)
    assert len(request) == int.from_bytes(request[:4], "little") == 36
    assert request[32:36] == (100_000).to_bytes(4, "little")


def _dumped(message: bytes, table: int) -> bytes:
    """Return a message of ours as the kernel would dump it: the table's number comes first."""
    attribute = bytes.fromhex("08000f00") + table.to_bytes(4, "little")
    return (len(message) + len(attribute)).to_bytes(4, "little") + message[4:28] + attribute + message[28:]


def test_a_dump_of_like_routes_is_one_run() -> None:
    packer = RoutePacker(IPV6_UNICAST, 254, 4)
    shape = packer.shape(FibRoute((Leg(b"", 3),)))
    prefixes = [parse_prefix(text)[1] for text in ("fd00::/64", "fd00:0:0:1::1/128", "fd00:0:0:200::/56")]
    ((body, found),) = RouteReader(TABLES).read_dump(
        b"".join(_dumped(packer.write(prefix, shape, 0, 7), 254) for prefix in prefixes)
    )
    assert found == prefixes
    assert body.legs == (Leg(b"", 3),)


@pytest.mark.parametrize("family", [IPV4_UNICAST, IPV6_UNICAST])
@given(data=st.data())
def test_a_dump_is_read_in_runs_as_message_by_message(family: Family, data: st.DataObject) -> None:
    gateways = [Leg(bytes(family.octets - 1) + bytes((number,)), 3) for number in (1, 2)]
    routes = [FibRoute((gateways[0],)), FibRoute((gateways[1],)), FibRoute((gateways[0],), metric=5)]
    routes = routes[: data.draw(st.sampled_from((1, 3)))]
    packers = [(RoutePacker(family, table, protocol), table) for table, protocol in ((254, 4), (254, 186), (100, 4))]
    packers = packers[data.draw(st.integers(0, 2)) :]
    datagram = b""
    for _ in range(data.draw(st.integers(1, 6))):
        (packer, table), route = data.draw(st.sampled_from(packers)), data.draw(st.sampled_from(routes))
        bits = data.draw(st.integers(0, 8 * family.octets))
        prefix = bytes((bits,)) + data.draw(st.binary(min_size=(bits + 7) // 8, max_size=(bits + 7) // 8))
        datagram += _dumped(packer.write(prefix, packer.shape(route), 0, 1), table)
    if data.draw(st.booleans()):
        datagram += DEFAULT_ROUTE
    if data.draw(st.booleans()):
        changed = bytearray(datagram)
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        datagram = bytes(changed)
    reader = RouteReader(TABLES)
    plain = [(body, prefix) for _, _, prefix, body in reader.read(datagram)]
    assert [(body, prefix) for body, prefixes in reader.read_dump(datagram) for prefix in prefixes] == plain


@given(st.data())
def test_no_octets_raise_anything(data: st.DataObject) -> None:
    packer = RoutePacker(IPV4_UNICAST, 254, 186)
    route = FibRoute((Leg(parse_address("10.0.0.2"), 3), Leg(parse_address("fd00::2"), 4)))
    whole = bytearray(GATEWAY_ROUTE + MULTIPATH6 + packer.write(b"\x18\x0a\x01\x02", packer.shape(route), 0, 1))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    reader = RouteReader(TABLES)
    for _, _, prefix, _ in reader.read(bytes(whole[:cut])):
        assert len(prefix) <= 1 + (prefix[0] + 7) // 8
    for _, prefixes in reader.read_dump(bytes(whole[:cut])):
        assert all(len(prefix) <= 1 + (prefix[0] + 7) // 8 for prefix in prefixes)
