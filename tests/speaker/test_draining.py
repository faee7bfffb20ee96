"""Taking a session or a node out of service: others move away before the way closes (RFC 8326)."""

import pytest

from bgpd.communities import GRACEFUL_SHUTDOWN
from bgpd.errors import CeaseSubcode
from bgpd.families import IPV4_UNICAST
from bgpd.messages.notification import administrative, hard_reset
from bgpd.rib.path import Path
from bgpd.speaker.draining import NOTHING, Stage, TakenOut
from tests.support.cluster import Cluster, address, cluster, network, peer

ROUTE = "10.65.9.0/26"
OPEN = {"ebgp_requires_policy": "false"}


def source(path: Path | None) -> str:
    assert path is not None
    return path.source.name


def diamond(made: Cluster, **options: str) -> None:
    """1 (AS 65001) originates; 2 and 3 (AS 65002, 65003) pass it on to 4 (AS 65004), which prefers 2."""
    made.start(1, peer(2, asn="65002", **OPEN) + peer(3, asn="65003", **OPEN) + network(ROUTE), asn=65001)
    made.start(2, peer(1, asn="65001", **OPEN) + peer(4, asn="65004", **OPEN), asn=65002)
    made.start(3, peer(1, asn="65001", **OPEN) + peer(4, asn="65004", **OPEN), asn=65003)
    made.start(4, peer(2, asn="65002", **OPEN, **options) + peer(3, asn="65003", **OPEN, **options), asn=65004)
    made.established()
    made.until(4, ROUTE)
    made.run(2)
    assert source(made.best(4, ROUTE)) == address(2)


def history(made: Cluster, number: int) -> list[str]:
    """Note where the best path of the route comes from, each time that it changes; empty = nowhere."""
    rib = made.speakers[number].loc_ribs[IPV4_UNICAST]
    seen: list[str] = []
    take = rib.take_changes

    def note() -> dict[bytes, tuple[Path, ...] | None]:
        best = made.best(number, ROUTE)
        seen.append(best.source.name if best is not None else "")
        return take()

    made.speakers[number].loc_ribs = {**made.speakers[number].loc_ribs, IPV4_UNICAST: _Watched(rib, note)}  # type: ignore[dict-item]
    return seen


class _Watched:
    def __init__(self, rib: object, note: object) -> None:
        self._rib = rib
        self.take_changes = note

    def __getattr__(self, name: str) -> object:
        return getattr(self._rib, name)


@pytest.mark.rfc("8326", "4.1")
def test_neighbours_have_moved_away_before_the_session_closes() -> None:
    with cluster() as made:
        diamond(made)
        seen = history(made, 4)
        made.speakers[2].drain(10)
        made.run(5)
        left = made.best(4, ROUTE)
        assert source(left) == address(3)
        tagged = made.speakers[4].loc_ribs[IPV4_UNICAST].table[bytes((26, 10, 65, 9, 0))][1]
        assert tagged.attributes.local_pref == 0
        assert tagged.attributes.communities == (GRACEFUL_SHUTDOWN,)
        assert made.peer(4, 2).negotiated is not None
        made.run(5.05)
        assert made.peer(4, 2).negotiated is None
        assert "node is drained" in made.peer(4, 2).session.last_error
        made.run(5)
        assert "" not in seen
        assert set(seen) == {address(3)}


@pytest.mark.rfc("8326", "4.1")
def test_it_can_be_taken_back_before_and_after_the_session_closed() -> None:
    with cluster() as made:
        diamond(made)
        made.speakers[2].drain(10)
        made.run(5)
        made.speakers[2].undrain()
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(2)
        made.run(30)
        assert made.peer(4, 2).session.flaps == 0
        made.speakers[2].drain(10)
        made.run(15)
        assert made.peer(4, 2).negotiated is None
        made.run(60)
        assert made.peer(4, 2).negotiated is None
        made.speakers[2].undrain()
        made.established(within=40)
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(2)


def test_routes_with_the_community_are_ordinary_where_an_operator_says_so() -> None:
    with cluster() as made:
        diamond(made, graceful_shutdown="false")
        made.speakers[2].drain(10)
        made.run(5)
        best = made.best(4, ROUTE)
        assert source(best) == address(2)
        assert best is not None
        assert best.attributes.communities == (GRACEFUL_SHUTDOWN,)
        assert best.attributes.local_pref is None


def test_import_policy_may_take_the_community_off_or_set_local_pref_before() -> None:
    policy = (
        '[[policy]]\nname = "own"\nrules = [ { action = "accept", set_local_pref = 300 } ]\n'
        '[[policy]]\nname = "deaf"\nrules = [ { action = "accept", delete_communities = ["graceful-shutdown"] } ]\n'
    )
    tagged = network(ROUTE, communities='["graceful-shutdown"]')
    for name, expected in (("own", 0), ("deaf", None)):
        with cluster() as made:
            made.start(1, peer(2, asn="65002", **OPEN) + tagged, asn=65001)
            made.start(2, policy + peer(1, asn="65001", import_=f'["{name}"]'), asn=65002)
            made.until(2, ROUTE)
            best = made.best(2, ROUTE)
            assert best is not None
            assert best.attributes.local_pref == expected


@pytest.mark.rfc("8326", "4.2")
def test_within_the_as_local_pref_says_it_and_the_community_alone_does_not() -> None:
    with cluster() as made:
        made.start(1, peer(3) + network(ROUTE))
        made.start(2, peer(3) + network(ROUTE))
        made.start(3, peer(1) + peer(2))
        made.established()
        made.run(2)
        assert source(made.best(3, ROUTE)) == address(1)
        made.speakers[1].drain(10)
        made.run(3)
        assert source(made.best(3, ROUTE)) == address(2)
        made.speakers[1].undrain()
        made.speakers[1].reload(made.config(1, peer(3) + network(ROUTE, communities='["graceful-shutdown"]')))
        made.run(3)
        assert source(made.best(3, ROUTE)) == address(1)


@pytest.mark.rfc("8326", "4.1")
def test_one_session_is_drained_both_ways_and_the_others_stay() -> None:
    with cluster() as made:
        diamond(made)
        made.peer(4, 2).drain.begin(10, "maintenance of the link")
        made.run(3)
        assert source(made.best(4, ROUTE)) == address(3)
        assert made.peer(4, 2).drain.stage is Stage.LEAVING
        last = made.speakers[4].loc_ribs[IPV4_UNICAST].table[bytes((26, 10, 65, 9, 0))][1]
        assert last.attributes.communities == (GRACEFUL_SHUTDOWN,)
        made.run(7.05)
        assert made.peer(4, 2).drain.stage is Stage.CLOSED
        assert made.peer(2, 4).negotiated is None
        assert "maintenance of the link" in made.peer(2, 4).session.last_error
        assert made.peer(4, 3).negotiated is not None
        made.peer(4, 2).drain.end()
        made.established(within=40)
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(2)


def test_a_reload_does_not_bring_back_what_is_drained() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.established(2)
        made.speakers[1].drain(3)
        made.speakers[1].reload(made.config(1, peer(2, hold_time="30") + peer(3) + network(ROUTE)))
        made.run(2)
        assert made.peer(1, 3).negotiated is None
        made.run(20)
        made.speakers[1].reload(made.config(1, peer(2, hold_time="60") + peer(3) + network(ROUTE)))
        made.run(20)
        assert made.peer(1, 2).negotiated is None
        assert made.peer(1, 3).negotiated is None
        made.speakers[1].undrain()
        made.established(within=60)
        made.until(3, ROUTE)


def test_a_session_that_comes_back_while_it_is_drained_is_still_a_last_resort() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1))
        made.established()
        made.speakers[1].drain(30)
        made.run(1)
        made.network.cut(address(1), address(2))
        made.run(1)
        made.established(within=10)
        made.run(2)
        best = made.best(2, ROUTE)
        assert best is not None
        assert best.attributes.local_pref == 0
        assert not best.is_stale
        made.run(30)
        assert made.peer(2, 1).negotiated is None
        assert made.best(2, ROUTE) is None


def test_a_peer_that_was_disabled_is_not_brought_up_by_taking_the_drain_back() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3, enabled="false"))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.established(2)
        made.speakers[1].drain(1)
        made.run(5)
        made.speakers[1].undrain()
        made.run(40)
        assert made.peer(1, 2).negotiated is not None
        assert made.peer(1, 3).negotiated is None


def test_a_peer_that_does_not_read_cannot_hold_the_drain_up_for_ever() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1))
        made.established()
        made.network.block(address(1), address(2))
        made.speakers[1].drain(5)
        made.run(50)
        assert made.peer(1, 2).drain.stage is Stage.CLOSED


@pytest.mark.rfc("8538", "3")
@pytest.mark.rfc("8538", "4")
@pytest.mark.parametrize(("is_hard", "is_kept"), [(False, True), (True, False)])
def test_a_reset_leaves_the_routes_on_both_sides_unless_it_is_a_hard_one(is_hard: bool, is_kept: bool) -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1) + network("10.65.8.0/26"))
        made.established()
        made.until(2, ROUTE)
        made.until(1, "10.65.8.0/26")
        reset = administrative(CeaseSubcode.ADMINISTRATIVE_RESET, "now")
        made.peer(1, 2).session.reset(hard_reset("now") if is_hard else reset)
        made.run(0.1)
        assert made.peer(2, 1).negotiated is None
        assert "now" in made.peer(2, 1).session.received_error
        assert ("Hard Reset" in made.peer(2, 1).session.received_error) is is_hard
        assert (made.best(2, ROUTE) is not None) is is_kept
        assert (made.best(1, "10.65.8.0/26") is not None) is is_kept
        made.established(within=10)
        made.run(1)
        assert made.best(2, ROUTE) is not None
        assert not made.peer(2, 1).kept_routes.helper.stale


@pytest.mark.rfc("8538", "3")
def test_a_hard_reset_is_a_plain_one_for_a_peer_that_does_not_know_it() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1, graceful_restart="{ enabled = false }"))
        made.established()
        made.peer(1, 2).session.reset(hard_reset("now"))
        made.run(0.1)
        assert made.peer(2, 1).session.received_error == "Received: Cease/Administrative Reset: now"


@pytest.mark.rfc("8538", "4")
@pytest.mark.rfc("8538", "5.1")
@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ({"hold_time": "60"}, True),
        ({"password": '"x"'}, True),
        ({"ttl_security": "2"}, True),
        ({"families": '["ipv4-unicast", "ipv6-unicast"]'}, False),
        ({"graceful_restart": "{ enabled = false }"}, False),
        ({"enabled": "false"}, False),
    ],
)
def test_a_changed_option_keeps_the_routes_on_both_sides_or_on_none(change: dict[str, str], is_kept: bool) -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE))
        made.start(2, peer(1) + network("10.65.8.0/26"))
        made.established()
        made.until(2, ROUTE)
        made.until(1, "10.65.8.0/26")
        made.speakers[1].reload(made.config(1, peer(2, **change) + network(ROUTE)))
        made.run(0.002)  # the Cease has come, and a new session has not come up yet
        error = made.peer(2, 1).session.received_error
        assert "Other Configuration Change" in error
        assert ("Hard Reset" in error) is not is_kept
        assert (made.best(2, ROUTE) is not None) is is_kept
        assert (made.best(1, "10.65.8.0/26") is not None) is is_kept


def test_a_peer_that_a_reload_enables_while_the_node_is_drained_comes_up_with_the_node() -> None:
    with cluster() as made:
        made.start(1, peer(2, enabled="false"))
        made.start(2, peer(1))
        made.speakers[1].drain(1)
        made.speakers[1].reload(made.config(1, peer(2)))
        made.run(30)
        assert made.peer(1, 2).negotiated is None
        made.speakers[1].undrain()
        made.established(within=60)


def test_a_session_that_rests_for_too_many_prefixes_comes_up_when_a_drain_is_taken_back() -> None:
    with cluster() as made:
        made.start(1, peer(2, max_prefixes="{ limit = 1, restart_after = 30 }"))
        made.start(2, peer(1) + network(ROUTE) + network("10.65.8.0/26"))
        made.run(5)
        assert made.peer(1, 2).session.resting
        made.speakers[1].drain(5)
        made.speakers[2].reload(made.config(2, peer(1) + network(ROUTE)))
        made.run(60)
        assert made.peer(1, 2).negotiated is None
        made.speakers[1].undrain()
        made.established(within=60)


def test_a_peer_that_an_operator_disabled_stays_down_whatever_is_reloaded_or_taken_back() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1))
        made.established()
        one = made.peer(1, 2)
        one.disable("for now")
        made.speakers[1].reload(made.config(1, peer(2, enabled="false")))
        made.speakers[1].reload(made.config(1, peer(2)))
        made.speakers[1].drain(0)
        made.speakers[1].undrain()
        made.run(60)
        assert one.negotiated is None
        one.enable()
        made.established(within=60)


@pytest.mark.rfc("8326", "4.2")
def test_a_weight_that_a_policy_gives_does_not_keep_traffic_on_a_session_about_to_close() -> None:
    heavy = '[[policy]]\nname = "heavy"\nrules = [ { action = "accept", set_weight = 10 } ]\n'
    options = {"ebgp_requires_policy": "false"}
    with cluster() as made:
        for number in (2, 3):
            made.start(number, peer(4, asn="65004", **options) + network(ROUTE), asn=65000 + number)
        made.start(
            4, peer(2, asn="65002", import_='["heavy"]', **options) + peer(3, asn="65003", **options) + heavy, asn=65004
        )
        made.established()
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(2)
        made.peer(4, 2).drain.begin(10, "maintenance")
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(3)
        made.peer(4, 2).drain.end()
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(2)
        made.speakers[2].drain(10)
        made.run(2)
        assert source(made.best(4, ROUTE)) == address(3)


def test_what_a_former_run_had_taken_out_stays_out_until_it_is_brought_back() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3), taken_out=TakenOut(peers=frozenset({address(2)})))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.run(30)
        assert (made.peer(2, 1).negotiated, made.peer(3, 1).negotiated is None) == (None, False)
        assert made.speakers[1].taken_out == TakenOut(peers=frozenset({address(2)}))
        made.peer(1, 2).drain.end()
        made.established(within=30)
        assert made.speakers[1].taken_out == NOTHING


def test_a_node_that_a_former_run_had_taken_out_has_no_session_until_it_is_brought_back() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network(ROUTE), taken_out=TakenOut(node=True))
        made.start(2, peer(1))
        made.run(30)
        assert made.peer(2, 1).negotiated is None
        assert made.speakers[1].taken_out == TakenOut(node=True)
        made.speakers[1].undrain()
        made.until(2, ROUTE, within=30)


def test_a_peer_of_a_range_that_a_former_run_had_taken_out_is_not_let_in() -> None:
    source = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\n'
    with cluster() as made:
        made.start(1, source, taken_out=TakenOut(peers=frozenset({address(2)})))
        assert made.speakers[1].taken_out == TakenOut(peers=frozenset({address(2)}))
        made.start(2, peer(1))
        made.run(200)
        assert made.peer(2, 1).negotiated is None
        assert made.speakers[1].taken_out == TakenOut(peers=frozenset({address(2)}))
        made.peer(1, 2).drain.end()
        made.established(2, within=60)
