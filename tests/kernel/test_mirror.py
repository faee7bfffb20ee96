"""How events change what we know of others' routes."""

from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.mirror import Mirror, RouteTable
from bgpd.kernel.reading import RouteMessage
from bgpd.kernel.routes import Leg, RouteBody
from bgpd.kernel.rtnetlink import NLM_F_APPEND, NLM_F_REPLACE, RTM_DELROUTE, RTM_NEWROUTE

P4 = parse_prefix("10.65.0.7/32")[1]
P6 = parse_prefix("fd00:65::/64")[1]


def body(
    *legs: tuple[str, int], family: Family = IPV4_UNICAST, metric: int = 0, protocol: int = 3, source: str = ""
) -> RouteBody:
    return RouteBody(
        family,
        254,
        protocol,
        metric=metric,
        legs=tuple(Leg(parse_address(gateway) if gateway else b"", device) for gateway, device in legs),
        source=parse_address(source) if source else b"",
    )


def new(route: RouteBody, flags: int = 0) -> RouteMessage:
    return RTM_NEWROUTE, flags, P4 if route.family is IPV4_UNICAST else P6, route


def gone(route: RouteBody) -> RouteMessage:
    return RTM_DELROUTE, 0, P4 if route.family is IPV4_UNICAST else P6, route


def mirror_of(*messages: RouteMessage) -> Mirror:
    mirror = Mirror()
    for message in messages:
        mirror.apply(message)
    return mirror


def legs_of(mirror: Mirror, family: Family) -> list[tuple[Leg, ...]]:
    prefix = P4 if family is IPV4_UNICAST else P6
    return [found.legs for found in mirror.bodies(254, family, prefix)]


def test_routes_of_a_prefix_are_ordered_by_metric() -> None:
    mirror = mirror_of(new(body(("", 5), metric=100)), new(body(("", 6))), new(body(("", 7), metric=50)))
    assert [found.metric for found in mirror.bodies(254, IPV4_UNICAST, P4)] == [0, 50, 100]


def test_a_replacement_takes_the_place_of_the_first_with_its_metric() -> None:
    mirror = mirror_of(new(body(("", 5))), new(body(("", 6)), NLM_F_APPEND), new(body(("", 7)), NLM_F_REPLACE))
    assert legs_of(mirror, IPV4_UNICAST) == [(Leg(b"", 7),), (Leg(b"", 6),)]


def test_a_route_told_of_twice_is_there_once() -> None:
    mirror = mirror_of(new(body(("", 5))))
    mirror.apply(new(body(("", 5))))
    assert len(mirror.bodies(254, IPV4_UNICAST, P4)) == 1


def test_the_same_event_object_changes_nothing() -> None:
    message = new(body(("", 5)))
    assert mirror_of(message).apply(message) is False


def test_a_deletion_removes_the_very_route() -> None:
    mirror = mirror_of(new(body(("", 5))), new(body(("", 6)), NLM_F_APPEND), gone(body(("", 6))))
    assert legs_of(mirror, IPV4_UNICAST) == [(Leg(b"", 5),)]


def test_a_deletion_of_something_unknown_changes_nothing() -> None:
    assert mirror_of(new(body(("", 5)))).apply(gone(body(("", 6), metric=9))) is False


def test_an_addition_to_an_ipv6_multipath_route_shows_all_of_it() -> None:
    one = body(("fd00::2", 3), family=IPV6_UNICAST)
    both = body(("fd00::2", 3), ("fd00::3", 3), family=IPV6_UNICAST)
    assert legs_of(mirror_of(new(one), new(both, NLM_F_APPEND)), IPV6_UNICAST) == [both.legs]


def test_the_deletion_of_a_leg_leaves_the_others_of_an_ipv6_route() -> None:
    both = body(("fd00::2", 3), ("fd00::3", 3), family=IPV6_UNICAST)
    mirror = mirror_of(new(both), gone(body(("fd00::2", 3), family=IPV6_UNICAST)))
    assert legs_of(mirror, IPV6_UNICAST) == [(Leg(parse_address("fd00::3"), 3),)]


def test_two_ipv6_device_routes_stand_side_by_side() -> None:
    mirror = mirror_of(new(body(("", 3), family=IPV6_UNICAST)), new(body(("", 4), family=IPV6_UNICAST)))
    assert len(legs_of(mirror, IPV6_UNICAST)) == 2


def test_a_link_that_goes_down_takes_its_routes_along() -> None:
    mirror = mirror_of(new(body(("", 5))), new(body(("10.0.0.2", 6), ("10.0.0.3", 5), metric=9)))
    assert mirror.drop_dead(IPV4_UNICAST, 5, lambda device: device == 5) == [(254, IPV4_UNICAST, P4)]
    assert [found.metric for found in mirror.bodies(254, IPV4_UNICAST, P4)] == [9]
    assert mirror.drop_dead(IPV4_UNICAST, 6, lambda device: True) == [(254, IPV4_UNICAST, P4)]
    assert mirror.table(254, IPV4_UNICAST).lengths == {}


def test_an_address_that_goes_takes_the_routes_that_prefer_it_along() -> None:
    mirror = mirror_of(new(body(("10.0.0.2", 5), source="10.0.0.1")))
    assert mirror.drop_source(IPV4_UNICAST, parse_address("10.0.0.1")) == [(254, IPV4_UNICAST, P4)]
    assert mirror.bodies(254, IPV4_UNICAST, P4) == ()


def test_only_a_route_of_the_same_metric_is_in_the_way() -> None:
    mirror = mirror_of(new(body(("", 5), metric=100)))
    assert mirror.has_route(254, IPV4_UNICAST, P4, 100)
    assert not mirror.has_route(254, IPV4_UNICAST, P4, 0)


def test_two_mirrors_differ_in_what_either_has_alone() -> None:
    one, two = mirror_of(new(body(("", 5)))), mirror_of(new(body(("", 5), family=IPV6_UNICAST)))
    assert sorted(one.differences(two), key=lambda found: found[1].afi) == [
        (254, IPV4_UNICAST, [P4]),
        (254, IPV6_UNICAST, [P6]),
    ]
    assert [(table, family, list(prefixes)) for table, family, prefixes in one.prefixes()] == [
        (254, IPV4_UNICAST, [P4])
    ]


PREFIXES = [parse_prefix(text)[1] for text in ("10.1.0.0/24", "10.1.1.0/24", "10.2.0.0/16", "10.3.0.1/32")]
BODIES = [body(("", 5)), body(("10.0.0.2", 6), ("10.0.0.3", 5)), body(("", 7), metric=9)]
EVENTS = st.lists(st.tuples(st.sampled_from((RTM_NEWROUTE, RTM_DELROUTE)), *map(st.sampled_from, (PREFIXES, BODIES))))
DUMP = st.lists(st.tuples(st.sampled_from(BODIES), st.lists(st.sampled_from(PREFIXES))))


@given(DUMP, EVENTS)
def test_what_a_table_knows_does_not_depend_on_when_it_is_asked(
    dump: list[tuple[RouteBody, list[bytes]]], events: list[tuple[int, bytes, RouteBody]]
) -> None:
    early, late = RouteTable(), RouteTable()
    assert (early.lengths, early.over(5)) == ({}, ())
    for of_all, prefixes in dump:
        early.load(of_all, prefixes)
        late.load(of_all, prefixes)
    for kind, prefix, of_one in events:
        assert early.apply(kind, 0, prefix, of_one) == late.apply(kind, 0, prefix, of_one)
    assert early.routes == late.routes
    assert early.lengths == late.lengths
    for device in (5, 6, 7):
        assert sorted(early.over(device)) == sorted(late.over(device))
