"""Which of two connections with one peer stays."""

import pytest

from bgpd.fsm.collision import Rank, Side, Verdict, resolve
from bgpd.fsm.states import State
from bgpd.identity import Asn, parse_identifier

LOW = Rank(parse_identifier("10.0.0.1"), Asn(65001))
HIGH = Rank(parse_identifier("10.0.0.2"), Asn(65002))
OURS, THEIRS = True, False


def _resolve(
    existing: State, is_outgoing: bool, new: bool, local: Rank, remote: Rank, *, restart: bool = False
) -> Verdict:
    return resolve(
        Side(existing, is_outgoing), Side(State.OPEN_CONFIRM, new), local, remote, has_graceful_restart=restart
    )


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize(
    ("existing", "local", "remote", "expected"),
    [
        (OURS, LOW, HIGH, Verdict.CLOSE_EXISTING),
        (OURS, HIGH, LOW, Verdict.CLOSE_NEW),
        (THEIRS, LOW, HIGH, Verdict.CLOSE_NEW),
        (THEIRS, HIGH, LOW, Verdict.CLOSE_EXISTING),
    ],
)
def test_the_connection_of_the_higher_identifier_stays(
    existing: bool, local: Rank, remote: Rank, expected: Verdict
) -> None:
    assert _resolve(State.OPEN_CONFIRM, existing, not existing, local, remote) is expected


@pytest.mark.rfc("6286", "2.3")
def test_equal_identifiers_are_decided_by_the_as_number() -> None:
    local, remote = Rank(LOW.identifier, Asn(65001)), Rank(LOW.identifier, Asn(65002))
    assert _resolve(State.OPEN_CONFIRM, OURS, THEIRS, local, remote) is Verdict.CLOSE_EXISTING
    assert _resolve(State.OPEN_CONFIRM, OURS, THEIRS, remote, local) is Verdict.CLOSE_NEW


@pytest.mark.rfc("4271", "6.8")
def test_identifiers_compare_as_unsigned_numbers() -> None:
    low, high = Rank(parse_identifier("9.255.255.255"), Asn(1)), Rank(parse_identifier("200.0.0.1"), Asn(1))
    assert _resolve(State.OPEN_CONFIRM, OURS, THEIRS, low, high) is Verdict.CLOSE_EXISTING


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize(("local", "remote"), [(LOW, HIGH), (HIGH, LOW)])
@pytest.mark.parametrize("existing", [OURS, THEIRS])
def test_both_ends_choose_the_same_connection(existing: bool, local: Rank, remote: Rank) -> None:
    here = _resolve(State.OPEN_CONFIRM, existing, not existing, local, remote)
    there = _resolve(State.OPEN_CONFIRM, not existing, existing, remote, local)
    assert here is there


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize(("local", "remote"), [(LOW, HIGH), (HIGH, LOW)])
def test_an_established_session_stays_whatever_the_identifiers(local: Rank, remote: Rank) -> None:
    assert _resolve(State.ESTABLISHED, OURS, THEIRS, local, remote) is Verdict.CLOSE_NEW


@pytest.mark.rfc("4724", "5")
def test_with_graceful_restart_the_peers_new_connection_replaces_the_session() -> None:
    assert _resolve(State.ESTABLISHED, OURS, THEIRS, LOW, HIGH, restart=True) is Verdict.REPLACE_EXISTING
    assert _resolve(State.ESTABLISHED, THEIRS, OURS, LOW, HIGH, restart=True) is Verdict.CLOSE_NEW


def test_a_connection_that_would_lose_waits_for_a_silent_one_that_would_win() -> None:
    assert _resolve(State.OPEN_SENT, OURS, THEIRS, HIGH, LOW) is Verdict.WAIT_FOR_EXISTING
    assert _resolve(State.OPEN_SENT, OURS, THEIRS, LOW, HIGH) is Verdict.NO_COLLISION


@pytest.mark.parametrize(("local", "remote"), [(LOW, HIGH), (HIGH, LOW)])
def test_a_dial_without_an_answer_yields_to_a_connection_that_spoke(local: Rank, remote: Rank) -> None:
    assert _resolve(State.CONNECT, OURS, THEIRS, local, remote) is Verdict.CLOSE_EXISTING


@pytest.mark.parametrize("state", [State.IDLE, State.ACTIVE])
def test_a_machine_without_a_connection_collides_with_nothing(state: State) -> None:
    assert _resolve(state, OURS, THEIRS, LOW, HIGH) is Verdict.NO_COLLISION


@pytest.mark.parametrize("state", [State.OPEN_SENT, State.OPEN_CONFIRM])
def test_of_two_connections_that_the_peer_dialled_the_newer_stays(state: State) -> None:
    assert _resolve(state, THEIRS, THEIRS, HIGH, LOW) is Verdict.CLOSE_EXISTING
