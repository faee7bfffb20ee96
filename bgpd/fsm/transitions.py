"""The table of the finite state machine: what each event does in each state.

RFC 4271 8.2.2, event by event; RFC 6608 (subcodes of what is unexpected), RFC 9687 (send hold timer). A transition is
a function from machine and event to the next state and the actions; the states it may lead to stand beside it, and
``docs/fsm.md`` is drawn from them. Where we leave the RFC, the function says so and why. Times are seconds.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeVar, cast

from bgpd.errors import (
    BgpError,
    Cease,
    CeaseSubcode,
    FsmError,
    FsmSubcode,
    HoldTimerExpiredError,
    OpenError,
    SendHoldTimerExpiredError,
    format_error,
)
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
    SessionEnd,
    SessionUp,
    StartTimer,
    StopTimer,
    StopTimers,
    Timer,
)
from bgpd.fsm.events import (
    AutomaticStart,
    AutomaticStartPassive,
    AutomaticStop,
    CollisionLost,
    ConnectionAccepted,
    ConnectionFailed,
    ConnectionOpened,
    ConnectionReplaced,
    ConnectRetryTimerExpired,
    DelayOpenTimerExpired,
    Event,
    HeaderRejected,
    HoldTimerExpired,
    IdleHoldTimerExpired,
    KeepaliveReceived,
    KeepaliveTimerExpired,
    ManualStart,
    ManualStartPassive,
    ManualStop,
    NotificationReceived,
    OpenReceived,
    OpenRejected,
    RouteRefreshReceived,
    RouteRefreshRejected,
    SendHoldTimerExpired,
    StableTimerExpired,
    UpdateReceived,
    UpdateRejected,
    VersionRefused,
)
from bgpd.fsm.open_checks import ExpectedPeer, check
from bgpd.fsm.states import State
from bgpd.messages.framing import MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import Notification, from_error, harden
from bgpd.messages.open import Open
from bgpd.records import dataclass

OPEN_HOLD_TIME: Final = 240
"""Seconds to wait for an OPEN (RFC 4271 8.2.2: a large value, 4 minutes suggested)."""

MIN_SEND_HOLD_TIME: Final = 480
"""Seconds; RFC 9687 section 6: the greater of this and twice the hold time."""

LEAST_KEEPALIVE_TIME: Final = 1.0
"""Seconds between two KEEPALIVEs (RFC 4271 4.4)."""

HARD_CEASES: Final = frozenset(
    {
        CeaseSubcode.MAXIMUM_PREFIXES_REACHED,
        CeaseSubcode.ADMINISTRATIVE_SHUTDOWN,
        CeaseSubcode.PEER_DECONFIGURED,
    }
)
"""Reasons for a session to stay down, which go as a Hard Reset where RFC 8538 is in use (its section 5.1)."""


class MachineSettings(ExpectedPeer, Protocol):
    """What the machine must know of the peer.

    Times are seconds; delay_open_time 0 = off; keepalive_time 0 = a third of the hold time.
    authentication: what segments are signed with, for people.
    """

    @property
    def is_passive(self) -> bool: ...
    @property
    def connect_retry_time(self) -> float: ...
    @property
    def idle_hold_first(self) -> float: ...
    @property
    def idle_hold_max(self) -> float: ...
    @property
    def delay_open_time(self) -> float: ...
    @property
    def keepalive_time(self) -> int: ...
    @property
    def authentication(self) -> str: ...


class Context(Protocol):
    """The machine, as the transitions see it.

    is_started: the operator wants the session. failures: how often in a row it ended or did not come about (the
    RFC's ConnectRetryCounter). dials: how often in a row a dial led nowhere. is_delaying: the DelayOpen timer runs.
    local_open, negotiated: of the connection at hand. has_notification_restart: both announced RFC 8538's N flag.
    """

    state: State
    is_started: bool
    failures: int
    dials: int
    is_delaying: bool
    local_open: Open | None
    negotiated: Negotiated | None

    @property
    def settings(self) -> MachineSettings: ...
    @property
    def has_notification_restart(self) -> bool: ...
    def make_open(self) -> Open: ...
    def jitter(self) -> float: ...


Step = tuple[State, list[Action]]
Function = Callable[[Context, Event], Step]
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of the table. targets: the states that it may lead to."""

    function: Function
    targets: tuple[State, ...]


# --- Starting and stopping ---------------------------------------------------------------------------------------


def start(machine: Context, _: ManualStart) -> Step:
    """Event 1: forget earlier failures and dial."""
    machine.failures = machine.dials = 0
    return _dial(machine)


def start_passive(machine: Context, _: ManualStartPassive) -> Step:
    """Event 4: forget earlier failures and wait for the peer."""
    machine.failures = machine.dials = 0
    return _listen(machine)


def restart(machine: Context, _: AutomaticStart) -> Step:
    """Event 3: dial."""
    return _dial(machine)


def restart_passive(machine: Context, _: AutomaticStartPassive) -> Step:
    """Event 5: wait for the peer."""
    return _listen(machine)


def idle_hold_expired(machine: Context, _: IdleHoldTimerExpired) -> Step:
    """Event 13: the pause is over; start as event 6 or 7 would."""
    if not machine.is_started:
        return State.IDLE, []
    return _listen(machine) if machine.settings.is_passive else _dial(machine)


def stop(machine: Context, event: ManualStop) -> Step:
    """Event 2: the end, until somebody starts the session again."""
    machine.is_started = False
    machine.failures = machine.dials = 0
    if event.cease is None or machine.state < State.OPEN_SENT:
        why = "closed without a NOTIFICATION" if event.cease is None else event.cease.why
        return _end(machine, SessionEnd(EndKind.ADMINISTRATIVE, 0, 0, b"", why))
    message = _cease(machine, event.cease)
    end = SessionEnd(EndKind.ADMINISTRATIVE, message.code, message.subcode, message.data, event.cease.why)
    return _end(machine, end, message)


def stop_for_now(machine: Context, event: AutomaticStop) -> Step:
    """Event 8: the end, until the idle hold time has passed."""
    if machine.state < State.OPEN_SENT:
        return _hold(machine, SessionEnd(EndKind.ADMINISTRATIVE, 0, 0, b"", event.cease.why))
    message = _cease(machine, event.cease)
    end = SessionEnd(EndKind.ADMINISTRATIVE, message.code, message.subcode, message.data, event.cease.why)
    return _hold(machine, end, message)


# --- Timers ------------------------------------------------------------------------------------------------------


def dial_again(machine: Context, _: ConnectRetryTimerExpired) -> Step:
    """Event 9: give the dial up and dial anew. A passive peer never dials, though the RFC lets this event do it."""
    if machine.settings.is_passive:
        return machine.state, []
    is_unanswered = machine.state is State.CONNECT and not machine.is_delaying
    machine.is_delaying = False
    state, actions = _dial(machine)
    actions = [StopTimer(Timer.DELAY_OPEN), Close(), *actions]
    if is_unanswered:
        secret = machine.settings.authentication
        hint = f", or one with another {secret}" if secret else ""
        why = f"no answer to our dial{hint}"
        actions.append(AttemptFailed(SessionEnd(EndKind.CONNECTION_LOST, 0, 0, b"", why)))
    return state, actions


def send_open(machine: Context, _: DelayOpenTimerExpired) -> Step:
    """Event 12: the peer said nothing; speak first."""
    return _send_open(machine)


def hold_expired(machine: Context, _: HoldTimerExpired) -> Step:
    """Event 10."""
    if machine.negotiated is None:
        why = f"no OPEN within {OPEN_HOLD_TIME} seconds"
    else:
        why = f"nothing heard for {machine.negotiated.hold_time} seconds"
    return _reject(machine, HoldTimerExpiredError(why=why))


def send_hold_expired(machine: Context, _: SendHoldTimerExpired) -> Step:
    """RFC 9687 4.3, event 29: the peer keeps its side alive but does not read ours."""
    return _reject(machine, SendHoldTimerExpiredError(why="the peer has not read anything for the send hold time"))


def keep_alive(machine: Context, _: KeepaliveTimerExpired) -> Step:
    """Event 11."""
    return machine.state, [SendKeepalive(), *_keepalive_timer(machine)]


def stable(machine: Context, _: StableTimerExpired) -> Step:
    """The session lasted longer than the longest idle hold time: the next failure counts as the first."""
    machine.failures = 0
    return machine.state, []


# --- TCP ---------------------------------------------------------------------------------------------------------


def connected(machine: Context, _: ConnectionOpened | ConnectionAccepted) -> Step:
    """Events 16 and 17: say who we are, or give the peer time to say it first."""
    if machine.settings.delay_open_time > 0:
        machine.is_delaying = True
        delay = machine.settings.delay_open_time * machine.jitter()
        return machine.state, [StopTimer(Timer.CONNECT_RETRY), StartTimer(Timer.DELAY_OPEN, delay)]
    return _send_open(machine)


def connected_in_hold(machine: Context, _: ConnectionAccepted) -> Step:
    """Event 17 in Idle: the peer is ready, so the pause that would keep us from dialling it has no purpose.

    The RFC refuses connections here. It would let a peer that restarts wait for a timer of ours.
    """
    if not machine.is_started:
        return State.IDLE, [Close()]
    if machine.settings.delay_open_time > 0:
        machine.is_delaying = True
        delay = machine.settings.delay_open_time * machine.jitter()
        return State.ACTIVE, [StopTimer(Timer.IDLE_HOLD), StartTimer(Timer.DELAY_OPEN, delay)]
    return _send_open(machine)


def dial_failed(machine: Context, event: ConnectionFailed) -> Step:
    """Event 18 before we sent an OPEN to a peer we dialled: listen, and dial again before long.

    The RFC goes to Idle if DelayOpen does not run; we listen in any case, since a peer that is just starting is the
    common reason.
    """
    return _await_retry(machine, event.why)


def connection_failed_before_open(machine: Context, event: ConnectionFailed) -> Step:
    """Event 18 in OpenSent: the peer hung up before it said who it is. It may be about to dial us."""
    return _await_retry(machine, event.why)


def connection_failed(machine: Context, event: ConnectionFailed) -> Step:
    """Event 18."""
    return _hold(machine, SessionEnd(EndKind.CONNECTION_LOST, 0, 0, b"", event.why))


def replaced(machine: Context, _: ConnectionReplaced) -> Step:
    """RFC 4724 section 5: as if TCP had failed, and no NOTIFICATION."""
    return _end(machine, SessionEnd(EndKind.REPLACED, 0, 0, b"", "the peer restarted and opened a new connection"))


def collision_lost(machine: Context, _: CollisionLost) -> Step:
    """Event 23. The RFC counts it as a failure; it is none of the peer's."""
    why = "the other connection with this peer stays"
    if machine.state < State.OPEN_SENT:
        return _pause(machine, SessionEnd(EndKind.COLLISION, 0, 0, b"", why))
    message = from_error(Cease(CeaseSubcode.CONNECTION_COLLISION_RESOLUTION, why=why))
    return _pause(machine, SessionEnd(EndKind.COLLISION, message.code, message.subcode, b"", why), message)


# --- Messages ----------------------------------------------------------------------------------------------------


def accept_open(machine: Context, event: OpenReceived) -> Step:
    """Event 19 in OpenSent."""
    local = machine.local_open
    assert local is not None  # sent when the state was entered
    try:
        negotiated = check(event.message, local, machine.settings)
    except OpenError as error:
        return _reject(machine, error)
    machine.dials = 0
    machine.negotiated = negotiated
    hold: Action = StartTimer(Timer.HOLD, negotiated.hold_time) if negotiated.hold_time else StopTimer(Timer.HOLD)
    return State.OPEN_CONFIRM, [
        ResolveCollision(event.message),
        StopTimer(Timer.CONNECT_RETRY),
        StopTimer(Timer.DELAY_OPEN),
        SendKeepalive(),
        *_keepalive_timer(machine),
        hold,
    ]


def accept_early_open(machine: Context, event: OpenReceived) -> Step:
    """Event 20: the peer spoke first, while the DelayOpen timer ran."""
    if not machine.is_delaying:
        return unexpected_before_open(machine, event)
    _, first = _send_open(machine)
    state, then = accept_open(machine, event)
    if state is not State.OPEN_CONFIRM:
        return state, [*first, *then]
    resolve, *rest = then  # no OPEN on a connection that loses: the peer would have to choose as well
    return state, [resolve, *first, *rest]


def establish(machine: Context, _: KeepaliveReceived) -> Step:
    """Event 26 in OpenConfirm: the peer accepts our OPEN too."""
    negotiated = machine.negotiated
    assert negotiated is not None  # OpenConfirm is entered with it
    return State.ESTABLISHED, [
        *_hold_timer(machine),
        *_send_hold_timer(negotiated.hold_time),
        StartTimer(Timer.STABLE, machine.settings.idle_hold_max),
        SessionUp(negotiated),
    ]


def heard(machine: Context, _: KeepaliveReceived | UpdateReceived) -> Step:
    """Events 26 and 27 in Established."""
    return State.ESTABLISHED, _hold_timer(machine)


def refresh(machine: Context, event: RouteRefreshReceived) -> Step:
    """RFC 2918 section 4."""
    return machine.state, [DeliverRouteRefresh(event.message)]


def reject(machine: Context, event: HeaderRejected | OpenRejected | UpdateRejected | RouteRefreshRejected) -> Step:
    """Events 21, 22, 28: tell the peer what was wrong."""
    return _reject(machine, event.error)


def notified(machine: Context, event: NotificationReceived) -> Step:
    """Event 25. Never answered with another NOTIFICATION (RFC 4271 6.4), in OpenSent either."""
    return _hold(machine, _received(event.message))


def version_refused(machine: Context, event: VersionRefused) -> Step:
    """Event 24. We have no other version to offer, so it counts as a failure like any other."""
    return _hold(machine, _received(event.message))


# --- What is not in the table ------------------------------------------------------------------------------------


def ignore(machine: Context, _: Event) -> Step:
    """Nothing happens."""
    return machine.state, []


def unexpected_before_open(machine: Context, event: Event) -> Step:
    """Connect, Active: any other event drops the connection without a word (no OPEN was sent)."""
    error = getattr(event, "error", None)
    why = error.why if isinstance(error, BgpError) else f"{type(event).__name__} in state {machine.state}"
    return _hold(machine, SessionEnd(EndKind.CONNECTION_LOST, 0, 0, b"", why))


def unexpected(machine: Context, event: Event) -> Step:
    """OpenSent and later: a finite state machine error (RFC 4271 6.6) with the state's subcode (RFC 6608).

    Its data is the type of the message, if it was one.
    """
    why = f"{type(event).__name__} in state {machine.state}"
    kind = _MESSAGE_TYPES.get(type(event))
    data = bytes((kind,)) if kind is not None else b""
    return _reject(machine, FsmError(_FSM_SUBCODES[machine.state], data, why=why))


_FSM_SUBCODES: Final = {
    State.OPEN_SENT: FsmSubcode.UNEXPECTED_IN_OPEN_SENT,
    State.OPEN_CONFIRM: FsmSubcode.UNEXPECTED_IN_OPEN_CONFIRM,
    State.ESTABLISHED: FsmSubcode.UNEXPECTED_IN_ESTABLISHED,
}
_MESSAGE_TYPES: Final[Mapping[type[Event], MessageType]] = {
    OpenReceived: MessageType.OPEN,
    OpenRejected: MessageType.OPEN,
    UpdateReceived: MessageType.UPDATE,
    UpdateRejected: MessageType.UPDATE,
    KeepaliveReceived: MessageType.KEEPALIVE,
    RouteRefreshReceived: MessageType.ROUTE_REFRESH,
    RouteRefreshRejected: MessageType.ROUTE_REFRESH,
}


# --- Parts of transitions ----------------------------------------------------------------------------------------


def _dial(machine: Context) -> Step:
    machine.is_started = True
    machine.dials += 1
    retry = machine.settings.connect_retry_time * machine.jitter()
    return State.CONNECT, [StopTimer(Timer.IDLE_HOLD), StartTimer(Timer.CONNECT_RETRY, retry), Dial()]


def _listen(machine: Context) -> Step:
    machine.is_started = True
    return State.ACTIVE, [StopTimer(Timer.IDLE_HOLD)]


def _await_retry(machine: Context, why: str) -> Step:
    """Wait in Active for the peer, and dial it again: soon at first, later each connect retry time."""
    actions: list[Action] = [StopTimers(), Close()]
    machine.is_delaying = False
    machine.negotiated = machine.local_open = None
    if not machine.settings.is_passive:
        settings = machine.settings
        pause = min(settings.connect_retry_time, _doubled(settings.idle_hold_first, machine.dials - 1))
        actions.append(StartTimer(Timer.CONNECT_RETRY, pause * machine.jitter()))
    return State.ACTIVE, [*actions, AttemptFailed(SessionEnd(EndKind.CONNECTION_LOST, 0, 0, b"", why))]


def _send_open(machine: Context) -> Step:
    machine.is_delaying = False
    machine.local_open = machine.make_open()
    return State.OPEN_SENT, [
        StopTimer(Timer.IDLE_HOLD),
        StopTimer(Timer.CONNECT_RETRY),
        StopTimer(Timer.DELAY_OPEN),
        SendOpen(machine.local_open),
        StartTimer(Timer.HOLD, OPEN_HOLD_TIME),
    ]


def _hold_timer(machine: Context) -> list[Action]:
    assert machine.negotiated is not None  # OpenConfirm is entered with it
    seconds = machine.negotiated.hold_time
    return [StartTimer(Timer.HOLD, seconds)] if seconds else []


def _send_hold_timer(hold_time: int) -> list[Action]:
    """RFC 9687 4.3: without a hold time it does not run."""
    return [StartTimer(Timer.SEND_HOLD, max(MIN_SEND_HOLD_TIME, 2 * hold_time))] if hold_time else []


def _keepalive_timer(machine: Context) -> list[Action]:
    assert machine.negotiated is not None  # OpenConfirm is entered with it
    seconds: float = machine.negotiated.keepalive_time
    if seconds and machine.settings.keepalive_time:
        seconds = min(seconds, machine.settings.keepalive_time)
    # 4.4: no more often than once a second, whatever the random factor
    return [StartTimer(Timer.KEEPALIVE, max(LEAST_KEEPALIVE_TIME, seconds * machine.jitter()))] if seconds else []


def _reject(machine: Context, error: BgpError) -> Step:
    message = _cease(machine, error) if isinstance(error, Cease) else from_error(error)
    end = SessionEnd(EndKind.SENT_NOTIFICATION, message.code, message.subcode, message.data, error.why)
    return _hold(machine, end, message)


def _received(message: Notification) -> SessionEnd:
    why = format_error(message.code, message.subcode)
    return SessionEnd(EndKind.RECEIVED_NOTIFICATION, message.code, message.subcode, message.data, why)


def _cease(machine: Context, cease: Cease) -> Notification:
    """Return the NOTIFICATION; RFC 8538 5.1: what is meant to last goes as a Hard Reset, which ends the routes too.

    A Hard Reset that is asked for goes as what is inside it where the peer does not know the wrapping.
    """
    message = from_error(cease)
    if cease.subcode == CeaseSubcode.HARD_RESET and not machine.has_notification_restart:
        return message.inside_hard_reset or message
    if not machine.has_notification_restart or cease.subcode not in HARD_CEASES:
        return message
    return from_error(harden(cease))


def _hold(machine: Context, end: SessionEnd, message: Notification | None = None) -> Step:
    """End, and count it as a failure."""
    step = _pause(machine, end, message)
    machine.failures += 1
    return step


def _pause(machine: Context, end: SessionEnd, message: Notification | None = None) -> Step:
    """End, and stay idle for a while: twice as long after each failure in a row."""
    settings = machine.settings
    pause = min(settings.idle_hold_max, _doubled(settings.idle_hold_first, machine.failures))
    return _end(machine, end, message, StartTimer(Timer.IDLE_HOLD, pause * machine.jitter()))


def _end(machine: Context, end: SessionEnd, message: Notification | None = None, *last: Action) -> Step:
    actions: list[Action] = [StopTimers()]
    if message is not None:
        actions.append(SendNotification(message))
    # What the speaker is told comes last: it may call back
    told = SessionDown(end) if machine.state is State.ESTABLISHED else AttemptFailed(end)
    machine.is_delaying = False
    machine.negotiated = machine.local_open = None
    return State.IDLE, [*actions, Close(), *last, told]


def _doubled(first: float, times: int) -> float:
    return first * float(1 << min(max(times, 0), 16))  # further doubling only meets the caller's limit


# --- The table ---------------------------------------------------------------------------------------------------


def _on(event: type[E], function: Callable[[Context, E], Step], *targets: State) -> tuple[type[Event], Transition]:
    # The table is looked up by the event's own type, so the function only ever meets an E
    return event, Transition(cast("Function", function), targets)


_STARTS: Final = (ManualStart, AutomaticStart, ManualStartPassive, AutomaticStartPassive)
# 8.2.2: a second connection is tracked until its OPEN comes; by a machine of its own
_SECOND_CONNECTION: Final = (ConnectionOpened, ConnectionAccepted)


def _ignoring(state: State, *events: type[Event]) -> list[tuple[type[Event], Transition]]:
    return [_on(event, ignore, state) for event in events]


def _table(
    rows: Mapping[State, Iterable[tuple[type[Event], Transition]]],
) -> dict[tuple[State, type[Event]], Transition]:
    return {(state, event): transition for state, of_state in rows.items() for event, transition in of_state}


_IDLE, _CONNECT, _ACTIVE = State.IDLE, State.CONNECT, State.ACTIVE
_OPEN_SENT, _OPEN_CONFIRM, _ESTABLISHED = State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED

TRANSITIONS: Final[Mapping[tuple[State, type[Event]], Transition]] = MappingProxyType(
    _table(
        {
            State.IDLE: [
                _on(ManualStart, start, _CONNECT),
                _on(ManualStartPassive, start_passive, _ACTIVE),
                _on(AutomaticStart, restart, _CONNECT),
                _on(AutomaticStartPassive, restart_passive, _ACTIVE),
                _on(IdleHoldTimerExpired, idle_hold_expired, _CONNECT, _ACTIVE, _IDLE),
                _on(ConnectionAccepted, connected_in_hold, _OPEN_SENT, _ACTIVE, _IDLE),
                _on(ManualStop, stop, _IDLE),
            ],
            State.CONNECT: [
                *_ignoring(_CONNECT, *_STARTS),
                _on(ManualStop, stop, _IDLE),
                _on(AutomaticStop, stop_for_now, _IDLE),
                _on(ConnectRetryTimerExpired, dial_again, _CONNECT),
                _on(DelayOpenTimerExpired, send_open, _OPEN_SENT),
                _on(ConnectionOpened, connected, _OPEN_SENT, _CONNECT),
                _on(ConnectionAccepted, connected, _OPEN_SENT, _CONNECT),
                _on(ConnectionFailed, dial_failed, _ACTIVE),
                _on(OpenReceived, accept_early_open, _OPEN_CONFIRM, _IDLE),
                _on(CollisionLost, collision_lost, _IDLE),
                _on(NotificationReceived, notified, _IDLE),
                _on(VersionRefused, version_refused, _IDLE),
            ],
            State.ACTIVE: [
                *_ignoring(_ACTIVE, *_STARTS),
                _on(ManualStop, stop, _IDLE),
                _on(AutomaticStop, stop_for_now, _IDLE),
                _on(ConnectRetryTimerExpired, dial_again, _CONNECT, _ACTIVE),
                _on(DelayOpenTimerExpired, send_open, _OPEN_SENT),
                _on(ConnectionOpened, connected, _OPEN_SENT, _ACTIVE),
                _on(ConnectionAccepted, connected, _OPEN_SENT, _ACTIVE),
                _on(ConnectionFailed, connection_failed, _IDLE),
                _on(OpenReceived, accept_early_open, _OPEN_CONFIRM, _IDLE),
                _on(CollisionLost, collision_lost, _IDLE),
                _on(NotificationReceived, notified, _IDLE),
                _on(VersionRefused, version_refused, _IDLE),
            ],
            State.OPEN_SENT: [
                *_ignoring(_OPEN_SENT, *_STARTS, *_SECOND_CONNECTION),
                _on(ManualStop, stop, _IDLE),
                _on(AutomaticStop, stop_for_now, _IDLE),
                _on(HoldTimerExpired, hold_expired, _IDLE),
                _on(ConnectionFailed, connection_failed_before_open, _ACTIVE),
                _on(OpenReceived, accept_open, _OPEN_CONFIRM, _IDLE),
                _on(HeaderRejected, reject, _IDLE),
                _on(OpenRejected, reject, _IDLE),
                _on(CollisionLost, collision_lost, _IDLE),
                _on(NotificationReceived, notified, _IDLE),
                _on(VersionRefused, version_refused, _IDLE),
            ],
            State.OPEN_CONFIRM: [
                *_ignoring(_OPEN_CONFIRM, *_STARTS, *_SECOND_CONNECTION),
                _on(ManualStop, stop, _IDLE),
                _on(AutomaticStop, stop_for_now, _IDLE),
                _on(HoldTimerExpired, hold_expired, _IDLE),
                _on(KeepaliveTimerExpired, keep_alive, _OPEN_CONFIRM),
                _on(ConnectionFailed, connection_failed, _IDLE),
                _on(HeaderRejected, reject, _IDLE),
                _on(OpenRejected, reject, _IDLE),
                _on(CollisionLost, collision_lost, _IDLE),
                _on(NotificationReceived, notified, _IDLE),
                _on(VersionRefused, version_refused, _IDLE),
                _on(KeepaliveReceived, establish, _ESTABLISHED),
            ],
            State.ESTABLISHED: [
                *_ignoring(_ESTABLISHED, *_STARTS, *_SECOND_CONNECTION),
                _on(ManualStop, stop, _IDLE),
                _on(AutomaticStop, stop_for_now, _IDLE),
                _on(HoldTimerExpired, hold_expired, _IDLE),
                _on(SendHoldTimerExpired, send_hold_expired, _IDLE),
                _on(KeepaliveTimerExpired, keep_alive, _ESTABLISHED),
                _on(StableTimerExpired, stable, _ESTABLISHED),
                _on(ConnectionFailed, connection_failed, _IDLE),
                _on(ConnectionReplaced, replaced, _IDLE),
                _on(HeaderRejected, reject, _IDLE),
                _on(CollisionLost, collision_lost, _IDLE),
                _on(NotificationReceived, notified, _IDLE),
                _on(VersionRefused, version_refused, _IDLE),
                _on(KeepaliveReceived, heard, _ESTABLISHED),
                _on(UpdateReceived, heard, _ESTABLISHED),
                _on(UpdateRejected, reject, _IDLE),
                _on(RouteRefreshReceived, refresh, _ESTABLISHED),
                _on(RouteRefreshRejected, reject, _IDLE),
            ],
        }
    )
)
"""8.2.2. An event that its state does not list has the state's row of ``OTHERWISE``."""

OTHERWISE: Final[Mapping[State, Transition]] = MappingProxyType(
    {
        State.IDLE: Transition(ignore, (_IDLE,)),
        State.CONNECT: Transition(unexpected_before_open, (_IDLE,)),
        State.ACTIVE: Transition(unexpected_before_open, (_IDLE,)),
        State.OPEN_SENT: Transition(unexpected, (_IDLE,)),
        State.OPEN_CONFIRM: Transition(unexpected, (_IDLE,)),
        State.ESTABLISHED: Transition(unexpected, (_IDLE,)),
    }
)
