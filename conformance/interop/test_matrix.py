"""Every combination of iBGP and eBGP, who dials, IPv4, IPv6 or both, with and without TCP-MD5.

RFC 4271 5.1 and 9.2 (attributes), RFC 4760, RFC 8950 (IPv4 over IPv6), RFC 2385.
"""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from conformance.interop.bird import BirdRoute
from conformance.interop.pair import Pair
from conformance.interop.plan import (
    BEHIND_BIRD,
    BEHIND_US,
    COMMUNITIES,
    LOCAL_PREF,
    MED,
    NETWORK,
    OUR_ASN,
    OUR_MED,
    Dialling,
    Plan,
    matrix,
)
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

PLANS: Final = matrix()
CARRIED: Final = [(plan, family) for plan in PLANS for family in plan.families]
INTERNAL_SOURCE, EXTERNAL_SOURCE = (
    next(plan for plan in PLANS if plan.is_internal is internal and len(plan.families) == 2)
    for internal in (True, False)
)
BIRD_COMMUNITIES: Final = {
    "community": "(65020,1)",
    "large_community": "(65020, 1, 2)",
    "ext_community": "(rt, 65020, 1)",
}

each_session = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
each_family = pytest.mark.parametrize(
    ("plan", "family"), CARRIED, ids=[f"{plan.name}: {family}" for plan, family in CARRIED]
)


@each_session
def test_the_session_is_established(crowd: Pair, plan: Plan) -> None:
    assert crowd.state(plan) == ("Established", "Established")


@each_session
def test_the_right_side_dialled(crowd: Pair, plan: Plan) -> None:
    connections = set(_connections(crowd, plan))

    assert len(connections) == 1
    we_dialled = connections.pop()
    assert plan.dialling is Dialling.BOTH or we_dialled is (plan.dialling is Dialling.WE)


@each_family
def test_our_routes_reach_bird_with_their_attributes(crowd: Pair, plan: Plan, family: str) -> None:
    route = eventually("our network is in BIRD's table", lambda: crowd.bird.route(plan.table(family), NETWORK[family]))

    assert route.attributes | {"Type": ""} == {
        "Type": "",
        "origin": "IGP",
        "as_path": _path(*([] if plan.is_internal else [OUR_ASN]), BEHIND_US),
        "next_hop": plan.next_hop(family),
        "med": str(OUR_MED),
        "local_pref": "100",
        "community": "(64512,77)",
        "ext_community": "(rt, 64512, 77)",
        "large_community": "(64512, 1, 2)",
    }
    assert (route.protocol, route.gateway, route.device) == (plan.protocol, plan.next_hop(family), "eth0")


@each_family
def test_routes_of_bird_reach_us_with_their_attributes(crowd: Pair, plan: Plan, family: str) -> None:
    row = eventually("BIRD's route is here", lambda: crowd.bgpd.route_in(plan.name, plan.bird_prefix(family)))

    assert row.as_path == _path(*([] if plan.is_internal else [plan.bird_asn]), BEHIND_BIRD)
    assert (row.origin, row.med) == ("EGP", MED)
    assert row.local_pref == (LOCAL_PREF if plan.is_internal else None)
    assert set(row.communities) == set(COMMUNITIES)
    assert row.rejected == ""
    assert row.is_best


@each_family
def test_routes_of_bird_are_in_our_kernel_with_the_right_next_hop(crowd: Pair, plan: Plan, family: str) -> None:
    announced = eventually("in the kernel", lambda: crowd.bgpd.kernel_route(plan.bird_prefix(family)))
    beyond = eventually("in the kernel", lambda: crowd.bgpd.kernel_route(plan.beyond(family)))

    is_over_ipv6 = family == "ipv4" and plan.transport == "ipv6"
    assert (announced.dev, announced.way) == ("eth0", plan.bird_address("ipv6" if is_over_ipv6 else family))
    assert (beyond.dev, beyond.way) == ("eth0", plan.other_router(family))


@each_family
def test_what_bird_withdraws_leaves_our_kernel_and_comes_back(crowd: Pair, plan: Plan, family: str) -> None:
    prefix = plan.bird_prefix(family)
    eventually("in the kernel", lambda: crowd.bgpd.kernel_route(prefix))

    crowd.bird.ask(f"disable {plan.static(family)}")
    try:
        eventually("gone from our kernel", lambda: not crowd.bgpd.kernel_route_or_none(prefix))
        assert crowd.bgpd.routes_in(plan.name, prefix) == []
    finally:
        crowd.bird.ask(f"enable {plan.static(family)}")

    eventually("in the kernel again", lambda: crowd.bgpd.kernel_route(prefix))


@each_family
def test_what_we_withdraw_leaves_the_table_of_bird_and_comes_back(crowd: Pair, plan: Plan, family: str) -> None:
    prefix, table = plan.container(family), plan.table(family)
    eventually("the container is in BIRD's table", lambda: crowd.bird.route(table, prefix))

    crowd.remove_container(prefix)
    try:
        eventually("gone from BIRD's table", lambda: not crowd.bird.routes(table, prefix))
    finally:
        crowd.add_container(prefix)

    eventually("in BIRD's table again", lambda: crowd.bird.route(table, prefix))


@each_family
def test_an_external_route_passes_through_us_unchanged_where_it_must(crowd: Pair, plan: Plan, family: str) -> None:
    if plan is EXTERNAL_SOURCE:
        source = next(
            other for other in PLANS if not other.is_internal and other is not plan and family in other.families
        )
    else:
        source = EXTERNAL_SOURCE

    route = eventually("the route arrives", lambda: crowd.bird.route(plan.table(family), source.beyond(family)))

    if plan.is_internal:
        assert _told(route) == {
            "origin": "EGP",
            "as_path": _path(source.bird_asn, BEHIND_BIRD),
            "next_hop": source.other_router(family),
            "med": str(MED),
            "local_pref": "100",
            **BIRD_COMMUNITIES,
        }
    else:
        assert _told(route) == {
            "origin": "EGP",
            "as_path": _path(OUR_ASN, source.bird_asn, BEHIND_BIRD),
            "next_hop": plan.next_hop(family),
            "local_pref": "100",
            **BIRD_COMMUNITIES,
        }


@each_family
def test_an_internal_route_goes_to_external_peers_only(crowd: Pair, plan: Plan, family: str) -> None:
    prefix = INTERNAL_SOURCE.beyond(family)
    if plan.is_internal:
        eventually("all routes are here", lambda: crowd.bird.route(plan.table(family), EXTERNAL_SOURCE.beyond(family)))
        assert plan is INTERNAL_SOURCE or crowd.bird.routes(plan.table(family), prefix) == []
        return

    route = eventually("the route arrives", lambda: crowd.bird.route(plan.table(family), prefix))

    assert _told(route) == {
        "origin": "EGP",
        "as_path": _path(OUR_ASN, BEHIND_BIRD),
        "next_hop": plan.next_hop(family),
        "local_pref": "100",  # BIRD's own default: eBGP sends none
        **BIRD_COMMUNITIES,
    }


def _connections(crowd: Pair, plan: Plan) -> Iterator[bool]:
    """Yield for each TCP connection of the session whether we dialled it."""
    ours, theirs = plan.our_address(plan.transport), plan.bird_address(plan.transport)
    for line in crowd.here.run("ss", "-Htn", "state", "established").splitlines():
        local, remote = (re.sub(r"[\[\]]", "", end).rpartition(":") for end in line.split()[2:4])
        if (local[0].partition("%")[0], remote[0].partition("%")[0]) == (ours, theirs):
            yield remote[2] == "179"


def _told(route: BirdRoute) -> dict[str, str]:
    return {name: value for name, value in route.attributes.items() if name != "Type"}


def _path(*asns: int) -> str:
    return " ".join(str(asn) for asn in asns)
