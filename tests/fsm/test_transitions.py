"""The table of the state machine, against a table of its own written from RFC 4271 8.2.2."""

import dataclasses
import inspect

import pytest

from bgpd.errors import Cease, CeaseSubcode, UpdateError
from bgpd.fsm import events
from bgpd.fsm.actions import (
    Action,
    AttemptFailed,
    Close,
    DeliverRouteRefresh,
    Dial,
    EndKind,
    ResolveCollision,
    SendKeepalive,
    SendNotification,
    SendOpen,
    SessionDown,
    SessionUp,
    StartTimer,
    StopTimer,
    StopTimers,
    Timer,
)
from bgpd.fsm.events import Event
from bgpd.fsm.machine import Machine
from bgpd.fsm.states import State
from bgpd.fsm.transitions import OTHERWISE, TRANSITIONS
from bgpd.messages.notification import Notification
from tests.support.machines import SAMPLES, find, held_machine, machine, machine_in
from tests.support.speakers import RESTART, opening

# Next state and the NOTIFICATION sent on the way: Idle, Connect, Active, S OpenSent, F OpenConfirm, Established.
# "stopped" is Idle before a start, "held" is Idle with the idle hold timer running.
EXPECTED = """
event                     stopped held Connect Active OpenSent OpenConfirm Established
ManualStart               C       C    C       A      S        F           E
ManualStartPassive        A       A    C       A      S        F           E
ManualStop                I       I    I       I      I:6/2    I:6/2       I:6/2
AutomaticStart            C       C    C       A      S        F           E
AutomaticStartPassive     A       A    C       A      S        F           E
AutomaticStop             I       I    I       I      I:6/4    I:6/4       I:6/4
ConnectRetryTimerExpired  I       I    C       C      I:5/1    I:5/2       I:5/3
HoldTimerExpired          I       I    I       I      I:4/0    I:4/0       I:4/0
KeepaliveTimerExpired     I       I    I       I      I:5/1    F           E
DelayOpenTimerExpired     I       I    S       S      I:5/1    I:5/2       I:5/3
IdleHoldTimerExpired      I       C    I       I      I:5/1    I:5/2       I:5/3
ConnectionOpened          I       I    S       S      S        F           E
ConnectionAccepted        I       S    S       S      S        F           E
ConnectionFailed          I       I    A       I      A        I           I
OpenReceived              I       I    I       I      F        I:5/2       I:5/3
HeaderRejected            I       I    I       I      I:1/2    I:1/2       I:1/2
OpenRejected              I       I    I       I      I:2/0    I:2/0       I:5/3
CollisionLost             I       I    I       I      I:6/7    I:6/7       I:6/7
VersionRefused            I       I    I       I      I        I           I
NotificationReceived      I       I    I       I      I        I           I
KeepaliveReceived         I       I    I       I      I:5/1    E           E
UpdateReceived            I       I    I       I      I:5/1    I:5/2       E
UpdateRejected            I       I    I       I      I:5/1    I:5/2       I:3/1
SendHoldTimerExpired      I       I    I       I      I:5/1    I:5/2       I:8/0
RouteRefreshReceived      I       I    I       I      I:5/1    I:5/2       E
RouteRefreshRejected      I       I    I       I      I:5/1    I:5/2       I:7/1
ConnectionReplaced        I       I    I       I      I:5/1    I:5/2       I
StableTimerExpired        I       I    I       I      I:5/1    I:5/2       E
"""
_HEADER, *_ROWS = [line.split() for line in EXPECTED.strip().splitlines()]
_LETTERS = dict(zip("ICASFE", State, strict=True))
CELLS = [(row[0], column, cell) for row in _ROWS for column, cell in zip(_HEADER[1:], row[1:], strict=True)]


def _machine_for(column: str) -> Machine:
    if column == "held":
        return held_machine()
    return machine_in(State.IDLE if column == "stopped" else next(s for s in State if s.title == column))


@pytest.mark.rfc("4271", "8.2.2")
@pytest.mark.rfc("6608", "3")
@pytest.mark.parametrize(("event", "column", "cell"), CELLS)
def test_each_event_in_each_state_leads_where_the_rfc_says(event: str, column: str, cell: str) -> None:
    made = _machine_for(column)
    actions = made.step(SAMPLES[event])
    letter, _, codes = cell.partition(":")
    sent = [f"{a.message.code}/{a.message.subcode}" for a in actions if isinstance(a, SendNotification)]
    assert made.state is _LETTERS[letter]
    assert sent == ([codes] if codes else [])


def test_the_expected_table_has_every_event_and_every_state() -> None:
    declared = {
        name for name, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, Event) and kind != Event
    }
    assert {row[0] for row in _ROWS} == declared == set(SAMPLES)
    assert {state.title for state in State} <= {*_HEADER, "Idle"}


@pytest.mark.parametrize(("event", "column", "cell"), CELLS)
def test_whatever_leads_down_to_idle_stops_timers_and_closes(event: str, column: str, cell: str) -> None:
    made = _machine_for(column)
    before = made.state
    actions = made.step(SAMPLES[event])
    if made.state is not State.IDLE or before is State.IDLE:
        return
    assert StopTimers() in actions
    assert Close() in actions
    assert isinstance(actions[-1], SessionDown if before is State.ESTABLISHED else AttemptFailed)
    is_held = any(isinstance(action, StartTimer) and action.timer is Timer.IDLE_HOLD for action in actions)
    is_final = event == "ManualStop" or (event == "ConnectionReplaced" and before is State.ESTABLISHED)
    assert is_held is not is_final


def test_no_row_of_the_table_is_unreachable_or_leads_elsewhere_than_it_says() -> None:
    for (state, event), row in TRANSITIONS.items():
        assert SAMPLES[event.__name__]
        assert row.targets
        assert state in State
    assert set(OTHERWISE) == set(State)


@pytest.mark.rfc("4271", "8.2.2")
def test_a_start_dials_and_a_passive_start_does_not() -> None:
    assert Dial() in machine().step(events.ManualStart())
    assert machine().step(events.ManualStartPassive()) == [StopTimer(Timer.IDLE_HOLD)]


def test_a_passive_peer_is_never_dialled() -> None:
    made = machine(is_passive=True)
    made.step(events.ManualStartPassive())
    assert made.step(events.ConnectRetryTimerExpired()) == []
    made.step(events.ConnectionAccepted())
    assert not any(isinstance(a, StartTimer) for a in made.step(events.ConnectionFailed("gone")))
    assert made.state is State.ACTIVE


def test_idle_hold_ends_in_active_for_a_passive_peer() -> None:
    made = held_machine(is_passive=True)
    made.step(events.IdleHoldTimerExpired())
    assert made.state is State.ACTIVE


@pytest.mark.rfc("4271", "8.2.2")
def test_a_connection_starts_with_our_open_and_a_long_hold_time() -> None:
    actions = machine_in(State.CONNECT).step(events.ConnectionOpened())
    assert find(actions, SendOpen).message.asn == 65001
    assert StartTimer(Timer.HOLD, 240) in actions


@pytest.mark.rfc("4271", "8.2.2")
def test_an_open_is_checked_for_collision_before_it_is_answered() -> None:
    actions = machine_in(State.OPEN_SENT).step(events.OpenReceived(opening()))
    assert isinstance(actions[0], ResolveCollision)
    assert SendKeepalive() in actions
    assert StartTimer(Timer.KEEPALIVE, 30) in actions
    assert StartTimer(Timer.HOLD, 90) in actions


@pytest.mark.rfc("4271", "4.2")
@pytest.mark.rfc("9687", "4.3")
def test_hold_time_zero_runs_neither_hold_nor_keepalive_nor_send_hold_timer() -> None:
    made = machine_in(State.OPEN_SENT)
    actions = [*made.step(events.OpenReceived(opening(hold_time=0))), *made.step(events.KeepaliveReceived())]
    started = {action.timer for action in actions if isinstance(action, StartTimer)}
    assert started == {Timer.STABLE}
    assert StopTimer(Timer.HOLD) in actions


@pytest.mark.rfc("4271", "8.2.2")
def test_a_keepalive_in_openconfirm_establishes_the_session() -> None:
    actions = machine_in(State.OPEN_CONFIRM).step(events.KeepaliveReceived())
    assert find(actions, SessionUp).negotiated.hold_time == 90
    assert actions[-1] == find(actions, SessionUp)


@pytest.mark.rfc("9687", "6")
@pytest.mark.parametrize(("offer", "seconds"), [(3, 480), (90, 480), (240, 480), (241, 482), (600, 1200)])
def test_send_hold_time_is_eight_minutes_or_twice_the_hold_time(offer: int, seconds: int) -> None:
    made = machine()
    made._make_open = lambda: opening(65001, "10.0.0.1", offer)
    made.step(events.ManualStart())
    made.step(events.ConnectionOpened())
    made.step(events.OpenReceived(opening(hold_time=offer)))
    assert StartTimer(Timer.SEND_HOLD, seconds) in made.step(events.KeepaliveReceived())


def test_a_refused_open_is_answered_with_its_error_and_counts_as_failure() -> None:
    made = machine_in(State.OPEN_SENT)
    actions = made.step(events.OpenReceived(opening(asn=65099)))
    assert find(actions, SendNotification).message == Notification(2, 2)
    end = find(actions, AttemptFailed).end
    assert (end.kind, end.why) == (EndKind.SENT_NOTIFICATION, "the peer is AS 65099, expected AS 65002")
    assert made.failures == 1


def test_an_update_error_carries_its_own_code_and_data() -> None:
    actions = machine_in(State.ESTABLISHED).step(events.UpdateRejected(UpdateError(3, b"\2", why="no AS_PATH")))
    assert find(actions, SendNotification).message == Notification(3, 3, b"\2")
    assert find(actions, SessionDown).end.why == "no AS_PATH"


def test_a_route_refresh_is_handed_to_the_speaker() -> None:
    actions = machine_in(State.ESTABLISHED).step(SAMPLES["RouteRefreshReceived"])
    assert isinstance(actions[0], DeliverRouteRefresh)


# --- Stop ---


def test_a_stop_without_a_cease_sends_nothing() -> None:
    actions = machine_in(State.ESTABLISHED).step(events.ManualStop(None))
    assert not any(isinstance(action, SendNotification) for action in actions)
    assert find(actions, SessionDown).end.kind is EndKind.ADMINISTRATIVE


def test_a_stopped_machine_refuses_connections_and_does_not_restart() -> None:
    made = machine_in(State.ESTABLISHED)
    made.step(SAMPLES["ManualStop"])
    assert made.step(events.IdleHoldTimerExpired()) == []
    assert made.step(events.ConnectionAccepted()) == [Close()]
    assert made.state is State.IDLE


@pytest.mark.rfc("8538", "3")
@pytest.mark.parametrize(
    ("subcode", "expected"),
    [
        (CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, Notification(6, 9, b"\6\2hi")),
        (CeaseSubcode.PEER_DECONFIGURED, Notification(6, 9, b"\6\3hi")),
        (CeaseSubcode.MAXIMUM_PREFIXES_REACHED, Notification(6, 9, b"\6\1hi")),
        (CeaseSubcode.ADMINISTRATIVE_RESET, Notification(6, 4, b"hi")),
        (CeaseSubcode.CONNECTION_REJECTED, Notification(6, 5, b"hi")),
        (CeaseSubcode.OTHER_CONFIGURATION_CHANGE, Notification(6, 6, b"hi")),
        (CeaseSubcode.OUT_OF_RESOURCES, Notification(6, 8, b"hi")),
    ],
)
def test_a_shutdown_is_a_hard_reset_where_notifications_keep_routes(
    subcode: CeaseSubcode, expected: Notification
) -> None:
    made = machine(RESTART)
    made.step(events.ManualStart())
    made.step(events.ConnectionOpened())
    made.step(events.OpenReceived(opening(65002, "10.0.0.2", 90, RESTART)))
    made.step(events.KeepaliveReceived())
    actions = made.step(events.ManualStop(Cease(subcode, b"hi", why="bye")))
    assert find(actions, SendNotification).message == expected


@pytest.mark.rfc("8538", "5.1")
def test_too_many_prefixes_in_an_update_are_a_hard_reset_too() -> None:
    made = machine(RESTART)
    made.step(events.ManualStart())
    made.step(events.ConnectionOpened())
    made.step(events.OpenReceived(opening(65002, "10.0.0.2", 90, RESTART)))
    made.step(events.KeepaliveReceived())
    cease = Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, b"\0\1\1\0\0\0\3", why="4 prefixes")
    actions = made.step(events.UpdateRejected(cease))
    assert find(actions, SendNotification).message == Notification(6, 9, b"\6\1\0\1\1\0\0\0\3")
    assert find(actions, SessionDown).end.why == "4 prefixes"


def test_a_shutdown_is_not_a_hard_reset_if_only_one_side_has_the_flag() -> None:
    made = machine(dataclasses.replace(RESTART, has_notification=False))
    made.step(events.ManualStart())
    made.step(events.ConnectionOpened())
    made.step(events.OpenReceived(opening(65002, "10.0.0.2", 90, RESTART)))
    actions = made.step(events.ManualStop(Cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, why="bye")))
    assert find(actions, SendNotification).message == Notification(6, 2)


# --- Pauses ---


def _pause(actions: list[Action], timer: Timer) -> float:
    (seconds,) = [a.seconds for a in actions if isinstance(a, StartTimer) and a.timer is timer]
    return seconds


def _fail(made: Machine) -> float:
    made.step(events.ConnectionOpened())
    actions = made.step(events.NotificationReceived(Notification(6, 5)))
    made.step(events.IdleHoldTimerExpired())
    return _pause(actions, Timer.IDLE_HOLD)


def test_idle_hold_doubles_with_each_failure_up_to_its_limit() -> None:
    made = machine_in(State.CONNECT, idle_hold_first=1, idle_hold_max=30)
    assert [_fail(made) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_hundred_failures_do_not_overflow_the_pause() -> None:
    made = machine_in(State.CONNECT)
    made.failures = 10_000
    assert _fail(made) == 30


def test_a_session_that_lasted_forgives_earlier_failures() -> None:
    made = machine_in(State.ESTABLISHED)
    made.failures = 5
    made.step(events.StableTimerExpired())
    actions = made.step(events.ConnectionFailed("gone"))
    assert _pause(actions, Timer.IDLE_HOLD) == 1


def test_a_session_that_did_not_last_does_not() -> None:
    made = machine_in(State.ESTABLISHED)
    made.failures = 3
    assert _pause(made.step(events.ConnectionFailed("gone")), Timer.IDLE_HOLD) == 8


def test_a_manual_start_forgives_earlier_failures_and_an_automatic_one_does_not() -> None:
    made = held_machine()
    made.step(events.AutomaticStart())
    assert made.failures == 1
    made = held_machine()
    made.step(events.ManualStart())
    assert made.failures == 0


@pytest.mark.rfc("4271", "10")
def test_every_pause_is_scaled_by_the_random_factor() -> None:
    made = machine(jitter=0.75)
    assert _pause(made.step(events.ManualStart()), Timer.CONNECT_RETRY) == 3.75
    made.step(events.ConnectionOpened())
    assert _pause(made.step(events.OpenReceived(opening())), Timer.KEEPALIVE) == 22.5
    made.step(events.KeepaliveReceived())
    assert _pause(made.step(events.KeepaliveTimerExpired()), Timer.KEEPALIVE) == 22.5
    assert _pause(made.step(events.ConnectionFailed("gone")), Timer.IDLE_HOLD) == 0.75


@pytest.mark.rfc("4271", "4.4")
@pytest.mark.parametrize(("offer", "seconds"), [(3, 1.0), (4, 1.0), (6, 1.5), (90, 22.5)])
def test_keepalives_come_at_most_once_a_second(offer: int, seconds: float) -> None:
    made = machine(jitter=0.75)
    made.step(events.ManualStart())
    made.step(events.ConnectionOpened())
    first = made.step(events.OpenReceived(opening(hold_time=offer)))
    then = made.step(events.KeepaliveTimerExpired())
    assert _pause(first, Timer.KEEPALIVE) == _pause(then, Timer.KEEPALIVE) == seconds


@pytest.mark.rfc("4271", "8.2.2")
@pytest.mark.parametrize("state", [State.OPEN_CONFIRM, State.ESTABLISHED])
def test_a_keepalive_timer_that_expires_sends_one_and_runs_again(state: State) -> None:
    actions = machine_in(state).step(events.KeepaliveTimerExpired())
    assert actions == [SendKeepalive(), StartTimer(Timer.KEEPALIVE, 30)]


def test_a_refused_dial_is_tried_again_soon_at_first() -> None:
    made = machine(connect_retry_time=5, idle_hold_first=1)
    made.step(events.ManualStart())
    pauses = []
    for _ in range(5):
        pauses.append(_pause(made.step(events.ConnectionFailed("Connection refused")), Timer.CONNECT_RETRY))
        made.step(events.ConnectRetryTimerExpired())
    assert pauses == [1, 2, 4, 5, 5]


def test_a_dial_without_an_answer_is_given_up_and_noted() -> None:
    actions = machine_in(State.CONNECT).step(events.ConnectRetryTimerExpired())
    kinds = [type(action) for action in actions]
    assert kinds.index(Close) < kinds.index(Dial)
    assert find(actions, AttemptFailed).end.why == "no answer to our dial"


# --- DelayOpen ---


@pytest.mark.rfc("4271", "8.2.1.3")
@pytest.mark.parametrize("column", ["Connect", "Active"])
def test_delay_open_waits_for_the_peer_to_speak_first(column: str) -> None:
    state = next(s for s in State if s.title == column)
    made = machine_in(state, delay_open_time=7)
    actions = made.step(events.ConnectionAccepted())
    assert made.state is state
    assert StartTimer(Timer.DELAY_OPEN, 7) in actions
    assert not any(isinstance(action, SendOpen) for action in actions)
    assert find(made.step(events.DelayOpenTimerExpired()), SendOpen)
    assert made.state is State.OPEN_SENT


@pytest.mark.rfc("4271", "8.2.2")
def test_an_early_open_is_answered_with_open_and_keepalive() -> None:
    made = machine_in(State.ACTIVE, delay_open_time=7)
    made.step(events.ConnectionAccepted())
    kinds = [type(action) for action in made.step(events.OpenReceived(opening()))]
    assert made.state is State.OPEN_CONFIRM
    assert kinds.index(ResolveCollision) < kinds.index(SendOpen) < kinds.index(SendKeepalive)


def test_an_early_open_that_is_wrong_is_refused_after_our_own() -> None:
    made = machine_in(State.ACTIVE, delay_open_time=7)
    made.step(events.ConnectionAccepted())
    actions = made.step(events.OpenReceived(opening(asn=1)))
    kinds = [type(action) for action in actions]
    assert made.state is State.IDLE
    assert kinds.index(SendOpen) < kinds.index(SendNotification) < kinds.index(Close)


def test_idle_hold_accepts_a_connection_and_delays_the_open() -> None:
    made = held_machine(delay_open_time=7)
    actions = made.step(events.ConnectionAccepted())
    assert made.state is State.ACTIVE
    assert StopTimer(Timer.IDLE_HOLD) in actions


def test_a_connection_that_is_lost_during_the_delay_is_dialled_again() -> None:
    made = machine_in(State.CONNECT, delay_open_time=7)
    made.step(events.ConnectionOpened())
    made.step(events.ConnectionFailed("gone"))
    assert made.state is State.ACTIVE
    assert not made.is_delaying
