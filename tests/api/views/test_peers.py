"""Peers as rows: what an operator sees of a peer that is not up."""

from bgpd.api.rows import PeerDetail
from bgpd.api.views import Moment, peer_detail
from bgpd.cli import show
from tests.support.cluster import Cluster, address, cluster, network, peer

ABSENT = '"/nonexistent/bgpd/key"'


def detail(made: Cluster, number: int) -> PeerDetail:
    return peer_detail(made.speakers[1].peers[address(number)], Moment(made.loop.time(), 0.0))


def state(made: Cluster, number: int) -> str:
    cell = next(column.cell for column in show.PEERS if column.heading == "STATE")
    return str(cell(detail(made, number).row))


def test_a_disabled_peer_is_not_expected_and_the_list_says_disabled() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3, enabled="false"))
        made.peer(1, 2).disable("for now")
        for number in (2, 3):
            assert not detail(made, number).row.is_expected
            assert not detail(made, number).is_enabled
            assert state(made, number) == "Idle (disabled)"


def test_a_peer_that_is_held_down_is_expected_until_it_is_disabled() -> None:
    with cluster() as made:
        made.start(1, peer(2, password_file=ABSENT))
        assert detail(made, 2).row.is_expected
        assert detail(made, 2).is_enabled
        assert state(made, 2) == "Idle"
        made.peer(1, 2).disable("for now")
        assert not detail(made, 2).row.is_expected
        assert not detail(made, 2).is_enabled


def test_a_drained_peer_is_drained_and_not_disabled() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.speakers[1].drain()
        assert not detail(made, 2).row.is_expected
        assert detail(made, 2).is_enabled
        assert state(made, 2) == "Idle (drained)"


def test_a_peer_that_is_disabled_in_the_file_and_enabled_by_an_operator_is_expected() -> None:
    with cluster() as made:
        made.start(1, peer(2, enabled="false"))
        made.peer(1, 2).enable()
        assert detail(made, 2).row.is_expected
        assert detail(made, 2).is_enabled


def trouble(made: Cluster, number: int) -> str:
    cell = next(column.cell for column in show.PEERS if column.heading == "LAST-ERROR")
    return str(cell(detail(made, number).row))


def test_the_list_says_what_ended_the_session_and_then_why_no_new_one_came() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1, max_prefixes="{ limit = 1, restart_after = 0 }"))
        made.run(5)
        assert trouble(made, 2) == "-"
        made.speakers[1].reload(made.config(1, peer(2) + network("10.65.1.0/24") + network("10.65.2.0/24")))
        made.run(30)
        ended, refused = "Received: Cease/Hard Reset", "Received: Cease/Connection Rejected"
        shown = trouble(made, 2)
        assert shown.startswith(ended)
        assert f"; then {refused}" in shown
        assert "Maximum Prefixes Reached" in detail(made, 2).row.ended_by
        assert detail(made, 2).row.last_error.startswith(refused)
        made.peer(2, 1).enable()
        made.speakers[1].reload(made.config(1, peer(2)))
        made.peer(2, 1).session.start()
        made.run(60)
        assert detail(made, 2).row.is_up
        assert trouble(made, 2) == detail(made, 2).row.ended_by
