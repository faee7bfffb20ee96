"""Sessions with one option each: what was agreed is what happens.

RFC 2918 and 7313 (route refresh), RFC 4456 (we are the client), RFC 5082 (GTSM), RFC 6793 (four-octet AS numbers),
RFC 7911 (ADD-PATH), RFC 8654 (extended messages), RFC 9003 (shutdown text), RFC 4271 5 and 9 (attributes that nobody
knows).
"""

from collections.abc import Iterator

import pytest

from conformance.interop import special
from conformance.interop.pair import Pair
from conformance.interop.plan import (
    BEHIND_BIRD,
    BEHIND_US,
    COMMUNITIES,
    LONG_LIST,
    MED,
    NETWORK,
    OUR_ASN,
    Plan,
)
from conformance.interop.scripted import OPTIONAL_TRANSITIVE, PARTIAL, WELL_KNOWN, ScriptedPeer
from conformance.interop.waiting import eventually, throughout

pytestmark = [pytest.mark.interop, pytest.mark.netns]

INJECTED = "198.51.100.0/24"
OPTIONAL_LOCAL = 0x80


@pytest.mark.parametrize("plan", special.UP, ids=lambda plan: plan.name)
def test_the_session_carries_routes_both_ways(crowd: Pair, plan: Plan) -> None:
    crowd.wait_established([plan])

    family = plan.transport
    ours = eventually(
        "our network is in BIRD's table",
        lambda: [
            route for route in crowd.bird.told(plan.protocol, plan.table(family)) if route.prefix == NETWORK[family]
        ],
    )[0]
    kernel = eventually("in the kernel", lambda: crowd.bgpd.kernel_route(plan.bird_prefix(family)))

    assert ours.attributes["next_hop"] == plan.next_hop(family)
    assert ours.attributes["as_path"] == _path(*([] if plan.is_internal else [plan.our_asn]), BEHIND_US)
    assert plan.bird_address(family) in kernel.ways


@pytest.mark.parametrize(
    "plan",
    [
        special.BIG_EXTERNAL,
        special.BIG_INTERNAL,
        special.OLD_EXTERNAL,
        special.OLD_INTERNAL,
        special.NO_CAPABILITIES,
    ],
    ids=lambda plan: plan.name,
)
def test_long_as_numbers_come_through_whole(crowd: Pair, plan: Plan) -> None:
    crowd.wait_established([plan, special.BIG_EXTERNAL])

    row = eventually("BIRD's route is here", lambda: crowd.bgpd.route_in(plan.name, plan.bird_prefix("ipv4")))
    assert row.as_path == _path(*([] if plan.is_internal else [plan.bird_asn]), BEHIND_BIRD)
    if plan is not special.BIG_EXTERNAL:
        transit = eventually(
            "a route of another four-octet AS arrives",
            lambda: crowd.bird.route(plan.table("ipv4"), special.BIG_EXTERNAL.beyond("ipv4")),
        )
        ours = [] if plan.is_internal else [plan.our_asn]
        assert transit.attributes["as_path"] == _path(*ours, special.BIG_EXTERNAL.bird_asn, BEHIND_BIRD)


def test_a_session_without_four_octet_as_numbers_is_seen_as_one(crowd: Pair) -> None:
    crowd.wait_established([special.OLD_EXTERNAL, special.BIG_EXTERNAL])

    assert crowd.bgpd.peer(special.OLD_EXTERNAL.name).negotiated["four-octet AS"] == "no"
    assert crowd.bgpd.peer(special.BIG_EXTERNAL.name).negotiated["four-octet AS"] == "yes"


def test_both_paths_of_add_path_arrive_and_share_the_traffic(crowd: Pair) -> None:
    plan = special.ADD_PATH
    crowd.wait_established([plan])

    rows = eventually("two paths", lambda: [*crowd.bgpd.routes_in(plan.name, special.TWICE)] * _is_two(crowd, plan))
    kernel = eventually("both in the kernel", lambda: crowd.bgpd.kernel_route(special.TWICE))

    assert {row.next_hop for row in rows} == {"10.0.74.3", "10.0.74.4"}
    assert len({row.path_id for row in rows}) == 2
    assert kernel.ways == {"10.0.74.3", "10.0.74.4"}


def test_a_path_withdrawn_by_its_identifier_leaves_the_other(crowd: Pair) -> None:
    plan = special.ADD_PATH
    crowd.wait_established([plan])
    eventually("both in the kernel", lambda: len(crowd.bgpd.kernel_route(special.TWICE).ways) == 2)

    crowd.bird.ask("disable second_way")
    try:
        eventually("one way is left", lambda: crowd.bgpd.kernel_route(special.TWICE).ways == {"10.0.74.3"})
        assert [row.next_hop for row in crowd.bgpd.routes_in(plan.name, special.TWICE)] == ["10.0.74.3"]
    finally:
        crowd.bird.ask("enable second_way")


def test_attributes_too_long_for_a_plain_message_go_where_long_ones_are_allowed(crowd: Pair) -> None:
    crowd.wait_established([special.LONG_SENDER, special.LONG_RECEIVER, special.SHORT_RECEIVER])

    eventually(
        "the route arrives with all its communities",
        lambda: crowd.bird.where(
            f"bgp_community.len = {LONG_LIST}", special.LONG_RECEIVER.table("ipv4"), special.LONG_PREFIX
        ),
    )
    assert crowd.bird.routes(special.SHORT_RECEIVER.table("ipv4"), special.LONG_PREFIX) == []
    reasons = {export.peer: export.why for export in crowd.bgpd.explain(special.LONG_PREFIX).exports}
    assert "4096 octets" in reasons[special.SHORT_RECEIVER.name]
    assert "octets" not in reasons[special.LONG_RECEIVER.name]


def test_route_refresh_asked_by_bird_sends_everything_again_and_loses_nothing(crowd: Pair) -> None:
    plan = special.HOPS_4
    crowd.wait_established([plan])
    eventually("our network is there", lambda: crowd.bird.route(plan.table("ipv4"), NETWORK["ipv4"]))
    requests, marks = crowd.bgpd.messages(plan.name, "ROUTE_REFRESH")
    _, updates = crowd.bgpd.messages(plan.name, "UPDATE")
    imported = _import_updates(crowd, plan)

    crowd.bird.ask(f"reload in {plan.protocol}")

    eventually("the request and our two marks", lambda: _refreshes(crowd, plan) == (requests + 1, marks + 2))
    throughout(
        "our network is in BIRD's table", lambda: crowd.bird.routes(plan.table("ipv4"), NETWORK["ipv4"]), seconds=0.3
    )
    assert crowd.bgpd.messages(plan.name, "UPDATE")[1] > updates
    assert _import_updates(crowd, plan) > imported
    assert crowd.bgpd.peers()[plan.name].is_up


def test_a_refresh_that_bird_starts_keeps_its_routes_in_our_kernel(crowd: Pair) -> None:
    plan = special.HOPS_4
    crowd.wait_established([plan])
    eventually("in the kernel", lambda: crowd.bgpd.kernel_route(plan.bird_prefix("ipv4")))
    marks, _ = crowd.bgpd.messages(plan.name, "ROUTE_REFRESH")

    with crowd.watch_kernel() as watch:
        crowd.bird.ask(f"reload out {plan.protocol}")
        eventually("begin and end of the refresh", lambda: _refreshes(crowd, plan)[0] == marks + 2)

    assert watch.changes(plan.bird_prefix("ipv4")) == []
    assert not any(row.is_stale for row in crowd.bgpd.routes_in(plan.name))


def test_a_refresh_drops_what_bird_no_longer_has(crowd: Pair) -> None:
    plan = special.MULTIHOP
    crowd.wait_established([plan])
    prefix = plan.bird_prefix("ipv4")
    eventually("in the kernel", lambda: crowd.bgpd.kernel_route(prefix))

    crowd.bird.ask(f"disable {plan.static('ipv4')}")
    crowd.bird.ask(f"reload out {plan.protocol}")
    try:
        eventually("gone", lambda: not crowd.bgpd.kernel_route_or_none(prefix))
    finally:
        crowd.bird.ask(f"enable {plan.static('ipv4')}")


@pytest.fixture
def injected(crowd: Pair) -> Iterator[ScriptedPeer]:
    """A client of BIRD's that announced a route with attributes that nobody knows."""
    with ScriptedPeer(crowd.here, special.INJECTOR, "10.0.72.2", OUR_ASN, "10.0.0.77") as peer:
        peer.announce(
            INJECTED,
            [
                (WELL_KNOWN, 1, b"\0"),
                (WELL_KNOWN, 2, b""),
                (WELL_KNOWN, 3, bytes((10, 0, 72, 3))),
                (WELL_KNOWN, 5, (200).to_bytes(4)),
                (OPTIONAL_TRANSITIVE, 200, b"\x01\x02\x03"),
                (OPTIONAL_TRANSITIVE | PARTIAL, 201, b"\x04" * 30),
                (OPTIONAL_LOCAL, 202, b"\x05"),
            ],
        )
        yield peer


def test_what_bird_reflects_to_us_carries_originator_and_cluster(crowd: Pair, injected: ScriptedPeer) -> None:
    plan = special.CLIENT_OF_BIRD
    crowd.wait_established([plan])

    row = eventually("the reflected route is here", lambda: crowd.bgpd.route_in(plan.name, INJECTED))

    assert (row.originator, row.cluster_list) == ("10.0.0.77", (special.CLUSTER,))
    assert (row.next_hop, row.local_pref, row.rejected) == ("10.0.72.3", 200, "")
    assert eventually("in the kernel", lambda: crowd.bgpd.kernel_route(INJECTED)).way == "10.0.72.3"


def test_our_own_routes_reflected_back_to_us_are_refused(crowd: Pair) -> None:
    plans = (special.CLIENT_OF_BIRD, special.CLIENT_AGAIN)
    crowd.wait_established(plans)

    rows = eventually(
        "BIRD reflects our network to one of the sessions",
        lambda: [row for plan in plans for row in crowd.bgpd.routes_in(plan.name, NETWORK["ipv4"])],
    )

    assert all(row.originator == "10.0.0.1" for row in rows)
    assert all(row.rejected for row in rows)
    assert crowd.bgpd.kernel_route_or_none(NETWORK["ipv4"]) is None


def test_transitive_attributes_that_nobody_knows_pass_and_others_stop(crowd: Pair, injected: ScriptedPeer) -> None:
    plan = special.HOPS_4
    crowd.wait_established([special.CLIENT_OF_BIRD, plan])

    route = eventually("the route comes out of us", lambda: crowd.bird.route(plan.table("ipv4"), INJECTED))

    assert route.attributes["c8"] == "01 02 03"
    assert route.attributes["c9"] == " ".join(["04"] * 30)
    assert "ca" not in route.attributes
    assert not {"originator_id", "cluster_list"} & route.attributes.keys()


def test_each_side_says_why_it_closed_the_session(crowd: Pair) -> None:
    plan = special.NO_REFRESH
    crowd.wait_established([plan])

    crowd.bird.ask(f'disable {plan.protocol} "moving racks"')
    eventually("we say what BIRD said", lambda: "moving racks" in crowd.bgpd.peers()[plan.name].last_error)
    assert eventually("its routes go", lambda: not crowd.bgpd.kernel_route_or_none(plan.bird_prefix("ipv4")))
    crowd.bird.ask(f"enable {plan.protocol}")
    crowd.wait_established([plan])

    crowd.bgpd.reset(plan.name)
    eventually(
        "BIRD says what we said", lambda: "Administrative reset" in crowd.bird.ask(f"show protocols {plan.protocol}")
    )
    crowd.wait_established([plan])


def test_the_negotiated_options_are_those_that_bird_offered(crowd: Pair) -> None:
    crowd.wait_established(special.UP)
    negotiated = {plan.name: crowd.bgpd.peer(plan.name).negotiated for plan in special.UP}

    assert negotiated[special.NO_REFRESH.name]["route refresh"] == "no"
    assert negotiated[special.HOPS_4.name]["route refresh"] == "enhanced"
    assert negotiated[special.LONG_RECEIVER.name]["longest message"].startswith("65535 octets sent")
    assert negotiated[special.SHORT_RECEIVER.name]["longest message"].startswith("4096 octets sent")
    assert negotiated[special.ADD_PATH.name]["add path"].startswith("receive ipv4-unicast")
    assert negotiated[special.NO_CAPABILITIES.name]["families"] == "ipv4-unicast"


def test_attributes_of_routes_stay_whole_on_an_old_session(crowd: Pair) -> None:
    plan = special.NO_CAPABILITIES
    crowd.wait_established([plan])

    row = eventually("BIRD's route is here", lambda: crowd.bgpd.route_in(plan.name, plan.bird_prefix("ipv4")))

    assert (row.origin, row.med, set(row.communities)) == ("EGP", MED, set(COMMUNITIES))


def _is_two(crowd: Pair, plan: Plan) -> bool:
    return len(crowd.bgpd.routes_in(plan.name, special.TWICE)) == 2


def _refreshes(crowd: Pair, plan: Plan) -> tuple[int, int]:
    return crowd.bgpd.messages(plan.name, "ROUTE_REFRESH")


def _import_updates(crowd: Pair, plan: Plan) -> int:
    for line in crowd.bird.protocol(plan.protocol).splitlines():
        if line.strip().startswith("Import updates:"):
            return int(line.split()[2])
    raise AssertionError("BIRD counts no imported updates")


def _path(*asns: int) -> str:
    return " ".join(str(asn) for asn in asns)
