"""Which routes of a lost peer stay, and when they go."""

import pytest

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.fsm.graceful_restart import (
    Flush,
    FlushStale,
    Helper,
    Mark,
    Phase,
    StartRestartTimer,
    Step,
    StopRestartTimer,
    families_to_keep,
)
from bgpd.identity import Asn, parse_identifier
from bgpd.messages.negotiated import GracefulRestart, Negotiated

V4, V6 = frozenset({IPV4_UNICAST}), frozenset({IPV6_UNICAST})
BOTH = V4 | V6


def _offer(
    families: frozenset[Family] = BOTH, preserved: frozenset[Family] = BOTH, *, notifies: bool = False
) -> GracefulRestart:
    return GracefulRestart(120, families, preserved, is_restarting=True, has_notification=notifies)


def _session(offer: GracefulRestart | None) -> Negotiated:
    return Negotiated(
        Asn(65001),
        Asn(65002),
        parse_identifier("10.0.0.1"),
        parse_identifier("10.0.0.2"),
        90,
        30,
        (IPV4_UNICAST, IPV6_UNICAST),
        peer_graceful_restart=offer,
    )


def _end(kind: EndKind, code: int = 0, subcode: int = 0) -> SessionEnd:
    return SessionEnd(kind, code, subcode, b"", "test")


LOST = _end(EndKind.CONNECTION_LOST)


def _down(helper: Helper, offer: GracefulRestart | None = None, end: SessionEnd = LOST) -> list[Step]:
    return helper.session_down(end, _session(offer or _offer()), is_enabled=True, has_notification=False)


@pytest.mark.rfc("4724", "4.2")
@pytest.mark.rfc("8538", "4")
@pytest.mark.parametrize(
    ("end", "without_n", "with_n"),
    [
        (LOST, True, True),
        (_end(EndKind.REPLACED), True, True),
        (_end(EndKind.SENT_NOTIFICATION, 4), False, True),
        (_end(EndKind.SENT_NOTIFICATION, 8), False, True),
        (_end(EndKind.SENT_NOTIFICATION, 3, 1), False, True),
        (_end(EndKind.SENT_NOTIFICATION, 6, 1), False, False),
        (_end(EndKind.RECEIVED_NOTIFICATION, 4), False, True),
        (_end(EndKind.RECEIVED_NOTIFICATION, 6, 2), False, True),
        (_end(EndKind.RECEIVED_NOTIFICATION, 6, 9), False, False),
        (_end(EndKind.ADMINISTRATIVE, 6, 2), False, False),
        (_end(EndKind.COLLISION, 6, 7), False, False),
    ],
)
def test_what_ended_the_session_decides_whether_its_routes_stay(end: SessionEnd, without_n: bool, with_n: bool) -> None:
    def keep(peer: bool, own: bool) -> bool:
        offer = _session(_offer(notifies=peer))
        return bool(families_to_keep(end, offer, is_enabled=True, has_notification=own))

    assert keep(peer=False, own=True) is keep(peer=True, own=False) is without_n
    assert keep(peer=True, own=True) is with_n


@pytest.mark.rfc("4724", "4.2")
def test_nothing_is_kept_unless_both_announced_it() -> None:
    assert not families_to_keep(LOST, _session(None), is_enabled=True, has_notification=True)
    assert not families_to_keep(LOST, _session(_offer()), is_enabled=False, has_notification=True)


def test_only_the_families_that_the_peer_named_are_kept() -> None:
    helper = Helper()
    assert _down(helper, _offer(families=V4)) == [Flush(V6), Mark(V4), StartRestartTimer(120)]
    assert helper.phase is Phase.AWAY
    assert helper.stale == V4


def test_a_session_that_does_not_restart_gracefully_is_flushed() -> None:
    helper = Helper()
    assert _down(helper, end=_end(EndKind.RECEIVED_NOTIFICATION, 6, 2)) == [Flush(BOTH)]
    assert helper.phase is Phase.NORMAL


@pytest.mark.rfc("4724", "4.2")
def test_a_peer_that_does_not_come_back_in_time_loses_its_stale_routes() -> None:
    helper = Helper()
    _down(helper)
    assert helper.timer_expired() == [FlushStale(BOTH), StopRestartTimer()]
    assert helper.phase is Phase.NORMAL
    assert helper.timer_expired() == []


@pytest.mark.rfc("4724", "4.2")
def test_each_end_of_rib_flushes_what_is_still_stale_of_its_family() -> None:
    helper = Helper(stale_time=300)
    _down(helper)
    assert helper.session_up(_session(_offer())) == [StartRestartTimer(300)]
    assert helper.phase is Phase.RETURNING
    assert helper.end_of_rib(IPV4_UNICAST) == [FlushStale(V4)]
    assert helper.end_of_rib(IPV4_UNICAST) == []
    assert helper.end_of_rib(IPV6_UNICAST) == [FlushStale(V6), StopRestartTimer()]
    assert helper.phase is Phase.NORMAL


@pytest.mark.rfc("4724", "4.2")
def test_a_family_whose_forwarding_state_was_lost_is_flushed_when_the_peer_is_back() -> None:
    helper = Helper(stale_time=300)
    _down(helper)
    assert helper.session_up(_session(_offer(preserved=V6))) == [FlushStale(V4), StartRestartTimer(300)]
    assert helper.stale == V6


@pytest.mark.rfc("4724", "4.2")
@pytest.mark.parametrize("offer", [None, _offer(families=frozenset()), _offer(preserved=frozenset())])
def test_a_peer_that_comes_back_without_anything_kept_loses_all(offer: GracefulRestart | None) -> None:
    helper = Helper()
    _down(helper)
    assert helper.session_up(_session(offer)) == [FlushStale(BOTH), StopRestartTimer()]


@pytest.mark.rfc("4724", "4.2")
def test_a_second_restart_before_end_of_rib_flushes_the_first_ones_stale_routes() -> None:
    helper = Helper()
    _down(helper)
    helper.session_up(_session(_offer()))
    helper.end_of_rib(IPV6_UNICAST)
    assert _down(helper) == [FlushStale(V4), Mark(BOTH), StartRestartTimer(120)]


def test_a_peer_that_is_back_but_never_ends_its_rib_is_cut_off() -> None:
    helper = Helper()
    _down(helper)
    helper.session_up(_session(_offer()))
    assert helper.timer_expired() == [FlushStale(BOTH), StopRestartTimer()]


def test_a_first_session_has_nothing_to_wait_for() -> None:
    helper = Helper()
    assert helper.session_up(_session(_offer())) == []
    assert helper.end_of_rib(IPV4_UNICAST) == []


def test_a_peer_that_is_stopped_while_away_loses_its_routes() -> None:
    helper = Helper()
    _down(helper)
    assert helper.stopped() == [FlushStale(BOTH), StopRestartTimer()]
    assert helper.stopped() == []
