"""bgpd as route reflector of BIRDs: what its clients and non-clients are told, and what each route carries.

RFC 4456 sections 6 to 8.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from conformance.interop.pair import Pair, pair
from conformance.interop.plan import BEHIND_BIRD, COMMUNITIES, LOCAL_PREF, MED, OUR_ASN, Plan, bgpd_config, bird_config
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

CLUSTER: Final = "244.0.0.1"
_FAMILIES: Final = ("ipv4", "ipv6")


def _plan(number: int, name: str, ours: str) -> Plan:
    """Return an iBGP session with a BIRD that has an identifier of its own, as if it were a router of its own."""
    return Plan(number, name, OUR_ASN, families=_FAMILIES, ours=ours, theirs=f"router id 10.0.0.{number};")


CLIENTS: Final = tuple(_plan(number, f"client {number}", "reflector_client = true") for number in (11, 12, 13))
OTHERS: Final = tuple(_plan(number, f"non-client {number}", "") for number in (21, 22))
EXTERNAL: Final = replace(_plan(31, "external", ""), bird_asn=65031)
ALL: Final = (*CLIENTS, *OTHERS, EXTERNAL)


@pytest.fixture(scope="module")
def reflector(tmp_path_factory: pytest.TempPathFactory, bird_version: str) -> Iterator[Pair]:
    """A reflector with three clients, two non-clients and an external peer."""
    with pair(tmp_path_factory.mktemp("reflector"), ALL) as made:
        made.bird.configure(bird_config(ALL))
        made.bgpd.configure(bgpd_config(ALL, extra=f'cluster_id = "{CLUSTER}"'))
        made.bird.start()
        made.bgpd.start()
        made.wait_established(ALL)
        yield made


REFLECTED: Final = [
    (source, target)
    for source in (*CLIENTS, *OTHERS)
    for target in (*CLIENTS, *OTHERS)
    if source is not target and (source in CLIENTS or target in CLIENTS)
]
NOT_REFLECTED: Final = [(source, target) for source in OTHERS for target in OTHERS if source is not target]


def _names(pairs: list[tuple[Plan, Plan]]) -> list[str]:
    return [f"{source.name} to {target.name}" for source, target in pairs]


@pytest.mark.parametrize("family", _FAMILIES)
@pytest.mark.parametrize(("source", "target"), REFLECTED, ids=_names(REFLECTED))
def test_reflected_routes_carry_originator_and_cluster_and_are_else_unchanged(
    reflector: Pair, source: Plan, target: Plan, family: str
) -> None:
    route = eventually(
        "the route is reflected", lambda: reflector.bird.route(target.table(family), source.beyond(family))
    )

    assert {name: value for name, value in route.attributes.items() if name != "Type"} == {
        "origin": "EGP",
        "as_path": str(BEHIND_BIRD),
        "next_hop": source.other_router(family),
        "med": str(MED),
        "local_pref": str(LOCAL_PREF),
        "originator_id": f"10.0.0.{source.number}",
        "cluster_list": CLUSTER,
        "community": "(65020,1)",
        "large_community": "(65020, 1, 2)",
        "ext_community": "(rt, 65020, 1)",
    }


@pytest.mark.parametrize("family", _FAMILIES)
@pytest.mark.parametrize(("source", "target"), NOT_REFLECTED, ids=_names(NOT_REFLECTED))
def test_routes_of_a_non_client_do_not_go_to_another(reflector: Pair, source: Plan, target: Plan, family: str) -> None:
    eventually("others have come", lambda: reflector.bird.route(target.table(family), CLIENTS[0].beyond(family)))
    eventually("it is here", lambda: reflector.bgpd.route_in(source.name, source.beyond(family)))

    assert reflector.bird.routes(target.table(family), source.beyond(family)) == []


@pytest.mark.parametrize("family", _FAMILIES)
@pytest.mark.parametrize("target", [*CLIENTS, *OTHERS], ids=lambda plan: plan.name)
def test_external_routes_go_to_all_without_originator(reflector: Pair, target: Plan, family: str) -> None:
    route = eventually("the route arrives", lambda: reflector.bird.route(target.table(family), EXTERNAL.beyond(family)))

    assert not {"originator_id", "cluster_list"} & route.attributes.keys()
    assert route.attributes["as_path"] == f"{EXTERNAL.bird_asn} {BEHIND_BIRD}"
    assert route.attributes["next_hop"] == EXTERNAL.other_router(family)


@pytest.mark.parametrize("family", _FAMILIES)
def test_reflection_leaves_no_trace_on_external_sessions(reflector: Pair, family: str) -> None:
    source = CLIENTS[0]
    route = eventually("the route arrives", lambda: reflector.bird.route(EXTERNAL.table(family), source.beyond(family)))

    assert not {"originator_id", "cluster_list", "med"} & route.attributes.keys()
    assert route.attributes["as_path"] == f"{OUR_ASN} {BEHIND_BIRD}"


def test_withdrawals_are_reflected(reflector: Pair) -> None:
    source, prefix = CLIENTS[0], CLIENTS[0].beyond("ipv4")
    tables = [target.table("ipv4") for target in (*CLIENTS[1:], *OTHERS)]

    def holders() -> int:
        return sum(bool(reflector.bird.routes(table, prefix)) for table in tables)

    eventually("all have it", lambda: holders() == len(tables))

    reflector.bird.ask(f"disable {source.static('ipv4')}")
    try:
        eventually("none has it", lambda: holders() == 0)
    finally:
        reflector.bird.ask(f"enable {source.static('ipv4')}")
    eventually("all have it again", lambda: holders() == len(tables))


def test_a_reflector_forwards_by_what_it_reflects(reflector: Pair) -> None:
    source = CLIENTS[0]
    row = eventually("it is here", lambda: reflector.bgpd.route_in(source.name, source.beyond("ipv4")))

    assert set(row.communities) == set(COMMUNITIES)
    kernel = eventually("in the kernel", lambda: reflector.bgpd.kernel_route(source.beyond("ipv4")))
    assert kernel.way == source.other_router("ipv4")
