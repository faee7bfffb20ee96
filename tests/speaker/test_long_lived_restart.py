"""Long-lived graceful restart between whole speakers (RFC 9494): a reflector helps, its other clients watch."""

import pytest

from bgpd.communities import LLGR_STALE
from bgpd.families import IPV4_UNICAST
from bgpd.rib.decision import Step, why
from tests.support.cluster import Cluster, address, cluster, network, peer

KNOWS = "{ stale_time = 3600 }"
ROUTE, GUARDED = "10.65.1.0/26", "10.65.1.64/26"
CLUSTER_ID = 'cluster_id = "10.0.0.2"'
RESTART = "{ restart_time = 10 }"


def client(number: int, **options: str) -> str:
    return peer(number, reflector_client="true", **options)


def star(made: Cluster, *, first: str = KNOWS, at_reflector: str = KNOWS, partial: str = "") -> None:
    """1 restarts, 2 reflects and helps, 3 does long-lived graceful restart, 4 does not."""
    made.start(
        1,
        peer(2, graceful_restart=RESTART, long_lived_graceful_restart=first)
        + network(ROUTE)
        + network(GUARDED, communities='["no-llgr"]'),
    )
    made.start(
        2,
        client(1, long_lived_graceful_restart=at_reflector)
        + client(3, long_lived_graceful_restart=KNOWS)
        + client(4, long_lived_graceful_restart=partial or "{ stale_time = 0 }"),
        node=CLUSTER_ID,
    )
    made.start(3, peer(2, long_lived_graceful_restart=KNOWS))
    made.start(4, peer(2))
    made.established()
    for number in (2, 3, 4):
        made.until(number, ROUTE)
        made.until(number, GUARDED)


def lose(made: Cluster) -> None:
    made.network.block(address(1), address(2))
    made.network.cut(address(1), address(2))


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.rfc("9494", "4.3")
def test_stale_routes_live_on_as_a_last_resort_among_those_who_know_them() -> None:
    with cluster() as made:
        star(made)
        lose(made)
        made.run(9)
        best = made.best(3, ROUTE)
        assert best is not None
        assert not best.is_stale
        assert made.best(4, ROUTE) is not None
        made.run(3)
        kept = made.best(2, ROUTE)
        assert kept is not None
        assert kept.is_stale
        assert kept.attributes.communities == (LLGR_STALE,)
        told = made.best(3, ROUTE)
        assert told is not None
        assert told.is_stale
        assert told.attributes.communities == (LLGR_STALE,)
        assert made.best(4, ROUTE) is None
        made.run(3500)
        assert made.best(3, ROUTE) is not None
        made.until(3, ROUTE, present=False, within=110)
        assert made.best(2, ROUTE) is None
        assert IPV4_UNICAST not in made.peer(2, 1).adj_ribs_in


@pytest.mark.rfc("9494", "3.3")
@pytest.mark.rfc("9494", "4.2")
def test_routes_with_no_llgr_go_when_the_restart_time_is_over() -> None:
    with cluster() as made:
        star(made)
        lose(made)
        made.run(9)
        assert made.best(3, GUARDED) is not None
        made.until(3, GUARDED, present=False, within=3)
        assert made.best(2, GUARDED) is None
        assert made.best(2, ROUTE) is not None


@pytest.mark.rfc("9494", "4.6")
def test_an_internal_peer_without_the_capability_gets_it_where_an_operator_asks_for_it() -> None:
    with cluster() as made:
        star(made, partial="{ partial_deployment = true }")
        lose(made)
        made.run(15)
        told = made.best(4, ROUTE)
        assert told is not None
        assert told.attributes.local_pref == 0
        assert set(told.attributes.communities) == {LLGR_STALE, 0xFFFFFF01}


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(
    ("first", "at_reflector", "seconds"),
    [
        ("{ stale_time = 100 }", KNOWS, 110),
        (KNOWS, "{ stale_time = 50 }", 60),
        (KNOWS, "{ stale_time = 0, max_stale_time = 70 }", 80),
        ("{ stale_time = 90 }", "{ stale_time = 5, max_stale_time = 1000 }", 100),
        (KNOWS, "{ stale_time = 0 }", 10),
        ("{ stale_time = 0, max_stale_time = 500 }", KNOWS, 10),
    ],
)
def test_the_shorter_of_what_is_asked_and_what_we_allow_counts(first: str, at_reflector: str, seconds: int) -> None:
    with cluster() as made:
        star(made, first=first, at_reflector=at_reflector)
        lost = made.loop.time()
        lose(made)
        made.run(seconds - 2)
        assert made.best(2, ROUTE) is not None
        gone = made.until(2, ROUTE, present=False, within=5)
        assert gone - lost == pytest.approx(seconds, abs=1)


@pytest.mark.rfc("9494", "4.2")
def test_a_peer_that_is_back_confirms_its_routes_and_the_mark_goes() -> None:
    with cluster() as made:
        star(made)
        lose(made)
        made.run(60)
        assert made.best(4, ROUTE) is None
        made.speakers[1].reload(
            made.config(1, peer(2, graceful_restart=RESTART, long_lived_graceful_restart=KNOWS) + network(ROUTE))
        )
        made.network.unblock(address(1), address(2))
        made.until(4, ROUTE, within=60)
        best = made.best(2, ROUTE)
        assert best is not None
        assert not best.is_stale
        assert not made.peer(2, 1).kept_routes.helper.stale
        assert made.peer(2, 1).kept_routes.until(IPV4_UNICAST) is None
        made.run(4000)
        assert made.best(3, ROUTE) is not None


@pytest.mark.rfc("9494", "4.3")
@pytest.mark.rfc("9494", "4.4")
def test_any_fresh_path_wins_over_a_last_resort() -> None:
    with cluster() as made:
        made.start(1, peer(3, long_lived_graceful_restart=KNOWS, graceful_restart=RESTART) + network(ROUTE))
        made.start(2, peer(3) + network(ROUTE))
        high = '[[policy]]\nname = "high"\nrules = [ { action = "accept", set_local_pref = 500 } ]\n'
        made.start(3, high + peer(1, import_='["high"]', long_lived_graceful_restart=KNOWS) + peer(2))
        made.established()
        made.run(2)
        best = made.best(3, ROUTE)
        assert best is not None
        assert best.source.name == address(1)
        made.network.block(address(1), address(3))
        made.network.cut(address(1), address(3))
        made.run(15)
        best = made.best(3, ROUTE)
        assert best is not None
        assert best.source.name == address(2)
        last = made.speakers[3].loc_ribs[IPV4_UNICAST].table[bytes((26, 10, 65, 1, 0))][1]
        assert why(best, last) is Step.STALE


@pytest.mark.rfc("9494", "3.2")
@pytest.mark.rfc("9494", "4.3")
def test_policy_sees_the_mark_and_cannot_take_it_off_what_goes_on() -> None:
    strip = '[[policy]]\nname = "strip"\nrules = [ { action = "accept", set_communities = [] } ]\n'
    with cluster() as made:
        star(made)
        made.speakers[2].reload(
            made.config(
                2,
                strip
                + client(1, long_lived_graceful_restart=KNOWS, import_='["strip"]')
                + client(3, long_lived_graceful_restart=KNOWS, export='["strip"]')
                + client(4),
                node=CLUSTER_ID,
            )
        )
        lose(made)
        made.run(15)
        told = made.best(3, ROUTE)
        assert told is not None
        assert told.attributes.communities == (LLGR_STALE,)
        assert made.best(4, ROUTE) is None


def test_the_capability_goes_out_only_beside_the_other_one_and_when_asked_for() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3, long_lived_graceful_restart=KNOWS, graceful_restart="{ enabled = false }"))
        made.start(2, peer(1, long_lived_graceful_restart="{ stale_time = 0, max_stale_time = 60 }"))
        made.start(3, peer(1, long_lived_graceful_restart="{ stale_time = 77 }"))
        made.established()
        assert made.peer(2, 1).negotiated.peer_long_lived is None  # type: ignore[union-attr]
        assert made.peer(3, 1).negotiated.peer_long_lived is None  # type: ignore[union-attr]
        aware = made.peer(1, 2).negotiated.peer_long_lived  # type: ignore[union-attr]
        assert aware is not None
        assert aware.times == ()
        asking = made.peer(1, 3).negotiated.peer_long_lived  # type: ignore[union-attr]
        assert asking is not None
        assert asking.times == ((IPV4_UNICAST, 77),)
        assert asking.preserved == {IPV4_UNICAST}


def test_routes_that_are_kept_while_a_peer_restarts_are_judged_by_a_changed_policy() -> None:
    tables = peer(1, import_='["p"]', graceful_restart="{ restart_time = 100 }")
    policy = '[[policy]]\nname = "p"\nrules = [ {{ action = "{}" }} ]\n'
    with cluster() as made:
        made.start(1, peer(2, graceful_restart="{ restart_time = 100 }") + network(ROUTE))
        made.start(2, tables + policy.format("accept"))
        made.until(2, ROUTE)
        lose(made)
        made.run(5)
        assert made.best(2, ROUTE) is not None
        made.speakers[2].reload(made.config(2, tables + policy.format("reject")))
        made.until(2, ROUTE, present=False, within=1)
        made.speakers[2].reload(made.config(2, tables + policy.format("accept")))
        made.until(2, ROUTE, within=1)


def test_a_reset_that_keeps_routes_judges_them_by_a_policy_that_changed_with_it() -> None:
    policy = '[[policy]]\nname = "p"\nrules = [ {{ action = "{}" }} ]\n'
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1, import_='["p"]') + policy.format("accept"))
        made.until(2, ROUTE)
        made.network.block(address(1), address(2))
        tables = peer(1, import_='["p"]', hold_time="60") + policy.format("reject")
        made.speakers[2].reload(made.config(2, tables))
        made.until(2, ROUTE, present=False, within=1)
