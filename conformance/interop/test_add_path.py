"""Several paths for a prefix, sent to a BIRD that takes them, and to one that does not (RFC 7911)."""

from collections.abc import Iterator
from typing import Final

import pytest

from conformance.interop.bird import BirdRoute
from conformance.interop.pair import Pair, pair
from conformance.interop.plan import BEHIND_BIRD, OUR_ASN, Plan, bgpd_config, bird_config
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

FAMILIES: Final = ("ipv4", "ipv6")
SHARED: Final = {"ipv4": "10.180.0.0/24", "ipv6": "fd80::/48"}
FIRST: Final = Plan(11, "first source", 65011, families=FAMILIES)
SECOND: Final = Plan(12, "second source", 65012, families=FAMILIES)
THIRD: Final = Plan(13, "third source", 65013, families=FAMILIES)
SOURCES: Final = (FIRST, SECOND, THIRD)
TAKES_ALL: Final = Plan(14, "takes all", OUR_ASN, families=FAMILIES, ours='add_path = "send"', channel="add paths rx;")
TAKES_TWO: Final = Plan(
    15,
    "takes two",
    65015,
    families=FAMILIES,
    ours='add_path = "both"\nadd_path_send_limit = 2',
    channel="add paths on;",
)
REFUSES: Final = Plan(16, "takes one", OUR_ASN, families=FAMILIES, ours='add_path = "send"', channel="add paths tx;")
PLANS: Final = (*SOURCES, TAKES_ALL, TAKES_TWO, REFUSES)


def shared_source(plan: Plan, family: str) -> str:
    return f"shared{plan.number}{family}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, bird_version: str) -> Iterator[Pair]:
    """Three external sources of one prefix in each family, and three receivers."""
    extra = "".join(
        f"protocol static {shared_source(plan, family)} {{ {family} {{ table {plan.table(family)}; }};"
        f" route {SHARED[family]} via {plan.other_router(family)}; }}\n"
        for plan in SOURCES
        for family in FAMILIES
    )
    with pair(tmp_path_factory.mktemp("add-path"), PLANS) as made:
        made.bird.configure(bird_config(PLANS, extra))
        made.bgpd.configure(bgpd_config(PLANS))
        made.bird.start()
        made.bgpd.start()
        made.wait_established(PLANS)
        yield made


def told(running: Pair, plan: Plan, family: str) -> list[BirdRoute]:
    routes = running.bird.told(plan.protocol, plan.table(family))
    return [route for route in routes if route.prefix == SHARED[family]]


def neighbours(running: Pair, plan: Plan, family: str) -> set[int]:
    """Return the AS numbers that the paths BIRD was told of came from."""
    behind = [int(route.attributes["as_path"].split()[-2]) for route in told(running, plan, family)]
    assert len(behind) == len(set(behind))
    return set(behind)


def wait_for(running: Pair, plan: Plan, family: str, *sources: Plan) -> None:
    expected = {source.bird_asn for source in sources}
    eventually(f"{plan.name} has {sorted(expected)}", lambda: neighbours(running, plan, family) == expected)


@pytest.mark.rfc("7911", "4")
@pytest.mark.parametrize("family", FAMILIES)
def test_bird_has_every_path_if_it_takes_several(running: Pair, family: str) -> None:
    wait_for(running, TAKES_ALL, family, *SOURCES)
    wait_for(running, TAKES_TWO, family, FIRST, SECOND)
    wait_for(running, REFUSES, family, FIRST)

    for route in told(running, TAKES_ALL, family):
        assert route.attributes["as_path"].endswith(str(BEHIND_BIRD))
    rows = running.bgpd.routes_out(TAKES_ALL.name, SHARED[family])
    assert len({row.path_id for row in rows}) == 3
    assert [row.path_id for row in running.bgpd.routes_out(REFUSES.name, SHARED[family])] == [0]
    agreed = running.bgpd.peer(TAKES_ALL.name).negotiated["add path"]
    assert agreed == "receive none; send ipv4-unicast, ipv6-unicast"


@pytest.mark.rfc("7911", "4")
@pytest.mark.parametrize("family", FAMILIES)
def test_paths_go_and_come_back_one_by_one(running: Pair, family: str) -> None:
    wait_for(running, TAKES_ALL, family, *SOURCES)
    for source, others in ((FIRST, (SECOND, THIRD)), (THIRD, (FIRST, SECOND))):
        running.bird.ask(f"disable {shared_source(source, family)}")
        try:
            wait_for(running, TAKES_ALL, family, *others)
            wait_for(running, TAKES_TWO, family, *others)
            wait_for(running, REFUSES, family, others[0])
        finally:
            running.bird.ask(f"enable {shared_source(source, family)}")
        wait_for(running, TAKES_ALL, family, *SOURCES)
        wait_for(running, TAKES_TWO, family, FIRST, SECOND)


@pytest.mark.rfc("2918", "4")
def test_bird_has_the_same_paths_after_a_refresh(running: Pair) -> None:
    wait_for(running, TAKES_ALL, "ipv4", *SOURCES)
    flaps = running.bgpd.peer(TAKES_ALL.name).flaps
    _, marks = running.bgpd.messages(TAKES_ALL.name, "ROUTE_REFRESH")
    running.bird.ask(f"reload in {TAKES_ALL.protocol}")
    eventually(  # BoRR and EoRR of each family: what was not told between them is gone from BIRD now
        "the refresh is over", lambda: running.bgpd.messages(TAKES_ALL.name, "ROUTE_REFRESH")[1] == marks + 4
    )
    wait_for(running, TAKES_ALL, "ipv4", *SOURCES)
    assert running.bgpd.peer(TAKES_ALL.name).flaps == flaps
