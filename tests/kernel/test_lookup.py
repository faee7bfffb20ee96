"""How next hops are reached."""

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.kernel.links import Link
from bgpd.kernel.lookup import Resolution, resolve
from bgpd.kernel.mirror import Mirror
from bgpd.kernel.routes import Leg, RouteBody
from bgpd.kernel.rtnetlink import RTM_NEWROUTE, RTN_BLACKHOLE, RTN_THROW, RTPROT_KERNEL

LINKS = {3: Link(3, "eth0", is_up=True), 4: Link(4, "eth1", is_up=False)}
NOBODY: frozenset[bytes] = frozenset()


def mirror_of(*routes: tuple[str, int, str, int, int], kind: int = 1, table: int = 254) -> Mirror:
    """Return the mirror of routes: prefix, protocol, gateway, device, metric."""
    mirror = Mirror()
    for text, protocol, gateway, device, metric in routes:
        family, prefix = parse_prefix(text)
        legs = (Leg(parse_address(gateway) if gateway else b"", device),) if device else ()
        body = RouteBody(family, table, protocol, kind=kind, metric=metric, legs=legs)
        mirror.apply((RTM_NEWROUTE, 0, prefix, body))
    return mirror


def look(mirror: Mirror, address: str, interface: int = 0, ours: frozenset[bytes] = NOBODY) -> Resolution:
    return resolve(parse_address(address), interface, mirror, (100, 254), LINKS, ours)


def test_a_connected_address_has_metric_0_and_no_gateway() -> None:
    mirror = mirror_of(("10.0.0.0/24", RTPROT_KERNEL, "", 3, 0), ("fd00::/64", RTPROT_KERNEL, "", 3, 256))
    assert look(mirror, "10.0.0.2") == Resolution(is_reachable=True, device=3, device_name=LINKS[3].name)
    assert look(mirror, "fd00::2") == Resolution(is_reachable=True, device=3, device_name=LINKS[3].name)


def test_the_longest_prefix_wins() -> None:
    mirror = mirror_of(("0.0.0.0/0", 16, "10.0.0.1", 3, 100), ("172.19.0.0/16", 4, "10.0.0.9", 3, 5))
    assert look(mirror, "172.19.0.8") == Resolution(True, 5, parse_address("10.0.0.9"), 3, LINKS[3].name)
    assert look(mirror, "172.20.0.8") == Resolution(True, 100, parse_address("10.0.0.1"), 3, LINKS[3].name)


def test_the_lowest_metric_with_a_living_device_wins() -> None:
    mirror = mirror_of(("10.9.0.0/16", 4, "10.1.0.1", 4, 1), ("10.9.0.0/16", 4, "10.0.0.9", 3, 7))
    assert look(mirror, "10.9.0.1").metric == 7


def test_a_shorter_prefix_is_used_if_all_devices_are_down() -> None:
    mirror = mirror_of(("10.9.0.0/16", 4, "10.1.0.1", 4, 1), ("10.0.0.0/8", 4, "10.0.0.9", 3, 7))
    assert look(mirror, "10.9.0.1").metric == 7


def test_without_a_route_an_address_is_unreachable() -> None:
    assert look(mirror_of(), "10.9.0.1") == Resolution(is_reachable=False, why="no route to 10.9.0.1")


def test_a_black_hole_makes_unreachable_and_says_so() -> None:
    mirror = mirror_of(("10.9.0.0/16", 4, "", 0, 0), kind=RTN_BLACKHOLE)
    assert look(mirror, "10.9.0.1").why == "its route 10.9.0.0/16 is a black hole"


def test_a_throw_route_is_passed_over() -> None:
    mirror = mirror_of(("10.9.0.0/16", 4, "", 0, 0), kind=RTN_THROW)
    assert look(mirror, "10.9.0.1").why == "no route to 10.9.0.1"


def test_an_address_of_this_host_is_no_next_hop() -> None:
    mirror = mirror_of(("10.0.0.0/24", RTPROT_KERNEL, "", 3, 0))
    found = look(mirror, "10.0.0.1", ours=frozenset({parse_address("10.0.0.1")}))
    assert found.why == "10.0.0.1 is an address of this host"


def test_our_own_table_is_looked_into_too() -> None:
    assert look(mirror_of(("10.9.0.0/16", 4, "10.0.0.9", 3, 7), table=100), "10.9.0.1").is_reachable


def test_a_link_local_address_is_reached_on_its_interface() -> None:
    assert look(mirror_of(), "fe80::1", 3) == Resolution(is_reachable=True, device=3, device_name=LINKS[3].name)


@pytest.mark.parametrize(("interface", "why"), [(0, "no interface"), (4, "eth1"), (9, "is gone")])
def test_a_link_local_address_needs_a_living_interface(interface: int, why: str) -> None:
    found = look(mirror_of(), "fe80::1", interface)
    assert not found.is_reachable
    assert why in found.why
