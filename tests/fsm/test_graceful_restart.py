"""Which routes of a lost peer stay, and when they go."""

from dataclasses import replace

import pytest

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.fsm.graceful_restart import (
    BeginLongLived,
    Flush,
    FlushStale,
    Helper,
    Mark,
    Phase,
    StartRestartTimer,
    StartStaleTimer,
    Step,
    StopRestartTimer,
    StopStaleTimer,
    families_to_keep,
)
from bgpd.identity import Asn, parse_identifier
from bgpd.messages.negotiated import GracefulRestart, LongLivedRestart, Negotiated

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
        (_end(EndKind.ADMINISTRATIVE, 6, 4), False, True),
        (_end(EndKind.ADMINISTRATIVE, 6, 6), False, True),
        (_end(EndKind.ADMINISTRATIVE, 6, 9), False, False),
        (_end(EndKind.SENT_NOTIFICATION, 6, 9), False, False),
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


HOUR = 3600


def _long(
    *,
    restart_time: int = 120,
    families: frozenset[Family] = BOTH,
    preserved: frozenset[Family] = BOTH,
    times: tuple[tuple[Family, int], ...] = ((IPV4_UNICAST, HOUR),),
    lasting: frozenset[Family] = BOTH,
) -> Negotiated:
    restart = GracefulRestart(restart_time, families, preserved, is_restarting=False, has_notification=False)
    return replace(_session(restart), peer_long_lived=LongLivedRestart(times, lasting))


def _lose(helper: Helper, session: Negotiated, longest: int = 0xFFFFFF) -> list[Step]:
    return helper.session_down(LOST, session, is_enabled=True, has_notification=False, max_stale_time=longest)


@pytest.mark.rfc("9494", "4.2")
def test_after_the_restart_time_routes_live_on_as_a_last_resort_for_their_own_time() -> None:
    helper = Helper()
    assert _lose(helper, _long()) == [Mark(BOTH), StartRestartTimer(120)]
    assert helper.timer_expired() == [FlushStale(V6), BeginLongLived(V4), StartStaleTimer(IPV4_UNICAST, HOUR)]
    assert (helper.phase, helper.stale, helper.long_lived) == (Phase.LONG_LIVED, V4, V4)
    assert helper.stale_timer_expired(IPV4_UNICAST) == [FlushStale(V4)]
    assert (helper.phase, helper.stale, helper.long_lived) == (Phase.NORMAL, frozenset(), frozenset())


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(
    "session", [_long(restart_time=0), _long(families=frozenset())], ids=["restart time 0", "not in the other one"]
)
def test_without_a_restart_time_the_last_resort_begins_at_once(session: Negotiated) -> None:
    helper = Helper()
    assert _lose(helper, session) == [
        Flush(V6),
        Mark(V4),
        BeginLongLived(V4),
        StartStaleTimer(IPV4_UNICAST, HOUR),
    ]
    assert helper.phase is Phase.LONG_LIVED


@pytest.mark.rfc("9494", "4.2")
def test_one_family_may_be_a_last_resort_while_the_other_waits() -> None:
    helper = Helper()
    session = _long(families=V6, times=((IPV4_UNICAST, 50), (IPV6_UNICAST, 60)))
    assert _lose(helper, session) == [
        Mark(BOTH),
        StartRestartTimer(120),
        BeginLongLived(V4),
        StartStaleTimer(IPV4_UNICAST, 50),
    ]
    assert helper.stale_timer_expired(IPV4_UNICAST) == [FlushStale(V4)]
    assert helper.timer_expired() == [BeginLongLived(V6), StartStaleTimer(IPV6_UNICAST, 60)]


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(("longest", "expected"), [(600, 600), (7200, HOUR)])
def test_our_own_limit_shortens_the_time_and_never_makes_it_longer(longest: int, expected: int) -> None:
    helper = Helper()
    _lose(helper, _long(), longest)
    assert StartStaleTimer(IPV4_UNICAST, expected) in helper.timer_expired()


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(
    ("session", "longest"), [(_long(times=((IPV4_UNICAST, 0),)), 600), (_long(times=()), 600), (_long(), 0)]
)
def test_with_a_time_of_zero_on_either_side_nothing_outlives_the_restart_time(
    session: Negotiated, longest: int
) -> None:
    helper = Helper()
    _lose(helper, session, longest)
    assert helper.timer_expired() == [FlushStale(BOTH), StopRestartTimer()]


@pytest.mark.rfc("9494", "4.2")
def test_with_both_times_zero_nothing_is_kept() -> None:
    helper = Helper()
    assert _lose(helper, _long(restart_time=0, times=())) == [Flush(BOTH)]


def _last_resort(helper: Helper) -> None:
    _lose(helper, _long(times=((IPV4_UNICAST, HOUR), (IPV6_UNICAST, HOUR))))
    helper.timer_expired()


@pytest.mark.rfc("9494", "4.2")
def test_a_peer_that_is_back_confirms_its_last_resort_by_end_of_rib_while_its_timer_runs() -> None:
    helper = Helper()
    _last_resort(helper)
    assert helper.session_up(_long()) == [StartRestartTimer(360)]
    assert helper.long_lived == BOTH
    assert helper.end_of_rib(IPV4_UNICAST) == [FlushStale(V4), StopStaleTimer(IPV4_UNICAST)]
    assert helper.end_of_rib(IPV6_UNICAST) == [FlushStale(V6), StopStaleTimer(IPV6_UNICAST), StopRestartTimer()]
    assert helper.phase is Phase.NORMAL


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(
    "back", [_long(lasting=V6), _long(lasting=frozenset(), preserved=BOTH), _session(_offer()), _session(None)]
)
def test_a_last_resort_goes_when_the_peer_comes_back_without_its_forwarding(back: Negotiated) -> None:
    helper = Helper()
    _lose(helper, _long(families=frozenset()))
    assert helper.session_up(back) == [FlushStale(V4), StopStaleTimer(IPV4_UNICAST)]
    assert helper.phase is Phase.NORMAL


@pytest.mark.rfc("9494", "4.2")
def test_within_the_restart_time_the_other_capabilitys_forwarding_bit_counts() -> None:
    helper = Helper()
    _lose(helper, _long(times=((IPV4_UNICAST, HOUR), (IPV6_UNICAST, HOUR))))
    assert helper.session_up(_long(preserved=V6)) == [FlushStale(V4), StartRestartTimer(360)]


@pytest.mark.rfc("9494", "4.2")
def test_a_second_restart_neither_removes_what_may_live_long_nor_touches_its_timer() -> None:
    helper = Helper()
    _lose(helper, _long())
    helper.timer_expired()
    helper.session_up(_long())
    again = _lose(helper, _long(times=((IPV4_UNICAST, 9999),)))
    assert again == [Mark(BOTH), StartRestartTimer(120)]
    assert helper.timer_expired() == [FlushStale(V6), BeginLongLived(V4)]
    assert helper.stale_timer_expired(IPV4_UNICAST) == [FlushStale(V4)]


@pytest.mark.rfc("9494", "4.2")
def test_a_time_that_ran_out_before_end_of_rib_leaves_no_second_chance() -> None:
    helper = Helper()
    _lose(helper, _long(times=((IPV4_UNICAST, HOUR), (IPV6_UNICAST, HOUR)), families=frozenset()))
    helper.session_up(_long())
    assert helper.stale_timer_expired(IPV4_UNICAST) == [FlushStale(V4)]
    assert Flush(V4) in _lose(helper, _long())


@pytest.mark.rfc("9494", "4.2")
def test_end_of_rib_after_the_time_ran_out_is_a_new_beginning() -> None:
    helper = Helper()
    _lose(helper, _long(families=frozenset()))
    helper.session_up(_long())
    helper.stale_timer_expired(IPV4_UNICAST)
    helper.end_of_rib(IPV4_UNICAST)
    assert _lose(helper, _long()) == [Mark(BOTH), StartRestartTimer(120)]


def test_a_peer_that_is_stopped_takes_its_last_resort_along() -> None:
    helper = Helper()
    _lose(helper, _long(families=frozenset()))
    assert helper.stopped() == [FlushStale(V4), StopStaleTimer(IPV4_UNICAST)]


@pytest.mark.rfc("9494", "4.5")
def test_the_capability_alone_keeps_nothing() -> None:
    helper = Helper()
    alone = replace(_session(None), peer_long_lived=LongLivedRestart(((IPV4_UNICAST, HOUR),), BOTH))
    assert _lose(helper, alone) == [Flush(BOTH)]
