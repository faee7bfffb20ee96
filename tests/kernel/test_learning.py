"""Which kernel routes are ours to announce."""

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.kernel.learning import Learner, LocalRoute, is_special
from bgpd.kernel.links import Link
from bgpd.kernel.routes import Leg, RouteBody
from bgpd.kernel.rtnetlink import RTM_F_CLONED, RTN_BLACKHOLE, RTN_THROW
from bgpd.kernel.settings import KernelSettings, LearnRule, parse_protocol

LINKS = {5: Link(5, "cali1a2b3c", is_up=True), 6: Link(6, "eth0", is_up=True)}
PREFIX = parse_prefix("10.65.0.7/32")[1]
OTHER_PREFIX = parse_prefix("10.65.0.8/32")[1]
FELIX = LearnRule(frozenset({3, 4}), ("cali*",))
CONTAINER = (Leg(b"", 5),)


def learned(*bodies: RouteBody, rules: tuple[LearnRule, ...] = (FELIX,), prefix: bytes = PREFIX) -> LocalRoute | None:
    (route,) = Learner(rules, 254, 186).select(IPV4_UNICAST, [prefix], [{prefix: bodies}], LINKS)
    return route


def body(
    protocol: int = 3,
    legs: tuple[Leg, ...] = CONTAINER,
    *,
    metric: int = 0,
    kind: int = 1,
    table: int = 254,
    tos: int = 0,
    flags: int = 0,
) -> RouteBody:
    return RouteBody(IPV4_UNICAST, table, protocol, kind=kind, metric=metric, legs=legs, tos=tos, flags=flags)


def test_the_route_of_a_container_is_learned() -> None:
    assert learned(body()) == LocalRoute(5, "cali1a2b3c", b"", 0, 3, 0)


@pytest.mark.parametrize(
    "other",
    [
        body(protocol=16),
        body(legs=(Leg(b"", 6),)),
        body(legs=(Leg(b"", 99),)),
        body(legs=(Leg(parse_address("10.0.0.2"), 5),)),
        body(legs=(Leg(b"", 5), Leg(b"", 6))),
        body(legs=(), kind=RTN_BLACKHOLE),
        body(table=100),
        body(tos=8),
        body(flags=RTM_F_CLONED),
        body(kind=RTN_THROW),
    ],
    ids=["protocol", "device", "unknown device", "gateway", "a leg", "no device", "table", "tos", "clone", "throw"],
)
def test_a_route_that_fails_one_part_of_the_rule_is_not_learned(other: RouteBody) -> None:
    assert learned(other) is None


@pytest.mark.parametrize("protocol", [0, 1, 2, 186])
def test_kernel_redirect_and_own_routes_are_never_learned(protocol: int) -> None:
    assert learned(body(protocol), rules=(LearnRule(gateway=True),)) is None


def test_gateways_are_learned_if_the_rule_says_so() -> None:
    route = learned(body(legs=(Leg(parse_address("10.0.0.2"), 6),)), rules=(LearnRule(gateway=True),))
    assert route is not None
    assert route.gateway == parse_address("10.0.0.2")


def test_a_rule_without_devices_takes_black_holes() -> None:
    route = learned(body(protocol=80, legs=(), kind=RTN_BLACKHOLE), rules=(LearnRule(frozenset({80})),))
    assert route == LocalRoute(0, "", b"", 0, 80, 0)


def test_the_lowest_metric_wins() -> None:
    route = learned(body(metric=1024), body(protocol=4, metric=10))
    assert route is not None
    assert route.metric == 10


def test_the_earlier_rule_wins_at_the_same_metric() -> None:
    rules = (LearnRule(frozenset({4})), FELIX)
    route = learned(body(), body(protocol=4), rules=rules)
    assert route is not None
    assert route.rule == 0


def test_a_rule_may_look_into_another_table() -> None:
    assert learned(body(table=100), rules=(LearnRule(table=100),)) is not None
    assert KernelSettings(learn=(LearnRule(table=100),)).tables() == {100, 254}


@pytest.mark.parametrize("text", ["127.0.0.0/8", "127.1.2.3/32", "169.254.1.1/32", "224.0.0.5/32"])
def test_special_destinations_are_never_learned(text: str) -> None:
    assert learned(body(), prefix=parse_prefix(text)[1]) is None


@pytest.mark.parametrize("text", ["::1/128", "fe80::1/128", "ff02::/16"])
def test_special_ipv6_destinations_are_known(text: str) -> None:
    assert is_special(IPV6_UNICAST, parse_prefix(text)[1])


@pytest.mark.parametrize("text", ["0.0.0.0/0", "240.0.0.0/4", "169.0.0.0/8", "10.0.0.0/8"])
def test_ordinary_destinations_are_not_special(text: str) -> None:
    assert not is_special(IPV4_UNICAST, parse_prefix(text)[1])


def test_like_routes_give_the_same_object() -> None:
    learner = Learner((FELIX,), 254, 186)
    table = {PREFIX: (body(),), OTHER_PREFIX: (body(),)}
    first, second = learner.select(IPV4_UNICAST, [PREFIX, OTHER_PREFIX], [table], LINKS)
    assert first is not None
    assert first is second


def test_each_prefix_gets_what_is_learned_for_it() -> None:
    container, host = body(), body(legs=(Leg(b"", 6),))
    special = parse_prefix("169.254.1.1/32")[1]
    table = {PREFIX: (host,), OTHER_PREFIX: (container,), special: (container,)}
    prefixes = [special, PREFIX, parse_prefix("10.65.0.9/32")[1], OTHER_PREFIX]
    routes = Learner((FELIX,), 254, 186).select(IPV4_UNICAST, prefixes, [table], LINKS)
    assert routes == [None, None, None, LocalRoute(5, "cali1a2b3c", b"", 0, 3, 0)]


def test_the_better_route_of_two_tables_is_learned_whichever_has_it() -> None:
    rules = (LearnRule(frozenset({3}), (), table=254), LearnRule(frozenset({3}), (), table=100))
    near, far = body(metric=5), body(metric=9, table=100)
    learner = Learner(rules, 254, 186)
    both = [{PREFIX: (near,)}, {PREFIX: (far,), OTHER_PREFIX: (far,)}]
    for tables in (both, both[::-1]):
        routes = learner.select(IPV4_UNICAST, [PREFIX, OTHER_PREFIX], tables, LINKS)
        assert [route.metric for route in routes if route is not None] == [5, 9]


def test_without_rules_nothing_is_learned() -> None:
    assert Learner((), 254, 186).select(IPV4_UNICAST, [PREFIX], [], LINKS) == [None]


def test_a_renamed_device_is_judged_anew_after_forgetting() -> None:
    learner, table = Learner((FELIX,), 254, 186), {PREFIX: (body(),)}
    assert learner.select(IPV4_UNICAST, [PREFIX], [table], LINKS) != [None]
    learner.forget()
    assert learner.select(IPV4_UNICAST, [PREFIX], [table], {5: Link(5, "veth9", is_up=True)}) == [None]


def test_protocols_have_names_and_numbers() -> None:
    assert (parse_protocol("static"), parse_protocol("186"), parse_protocol(80)) == (4, 186, 80)


@pytest.mark.parametrize("wrong", ["boots", "256", "-1"])
def test_a_wrong_protocol_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="route protocol"):
        parse_protocol(wrong)
