"""State machines brought into a state by the events that lead there, and a sample of each event."""

from typing import TypeVar

from bgpd.errors import (
    Cease,
    CeaseSubcode,
    HeaderError,
    HeaderSubcode,
    OpenError,
    RouteRefreshError,
    RouteRefreshSubcode,
    UpdateError,
    UpdateSubcode,
)
from bgpd.fsm import events
from bgpd.fsm.actions import Action
from bgpd.fsm.events import Event
from bgpd.fsm.machine import Machine
from bgpd.fsm.states import State
from bgpd.messages.capabilities import Capability
from bgpd.messages.notification import Notification
from bgpd.messages.route_refresh import RouteRefresh
from tests.support.speakers import opening, settings

SAMPLES: dict[str, Event] = {
    type(event).__name__: event
    for event in (
        events.ManualStart(),
        events.ManualStartPassive(),
        events.ManualStop(Cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, why="maintenance")),
        events.AutomaticStart(),
        events.AutomaticStartPassive(),
        events.AutomaticStop(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="reset")),
        events.ConnectRetryTimerExpired(),
        events.HoldTimerExpired(),
        events.KeepaliveTimerExpired(),
        events.DelayOpenTimerExpired(),
        events.IdleHoldTimerExpired(),
        events.ConnectionOpened(),
        events.ConnectionAccepted(),
        events.ConnectionFailed("Connection reset by peer"),
        events.OpenReceived(opening()),
        events.HeaderRejected(HeaderError(HeaderSubcode.BAD_MESSAGE_LENGTH, b"\0\x12", why="18 octets")),
        events.OpenRejected(OpenError(why="cut off")),
        events.CollisionLost(),
        events.VersionRefused(Notification(2, 1, b"\0\3")),
        events.NotificationReceived(Notification(6, 2, b"\5later")),
        events.KeepaliveReceived(),
        events.UpdateReceived(),
        events.UpdateRejected(UpdateError(UpdateSubcode.MALFORMED_ATTRIBUTE_LIST, why="attribute list")),
        events.SendHoldTimerExpired(),
        events.RouteRefreshReceived(RouteRefresh(1, 1)),
        events.RouteRefreshRejected(RouteRefreshError(RouteRefreshSubcode.INVALID_MESSAGE_LENGTH, why="3 octets")),
        events.ConnectionReplaced(),
        events.StableTimerExpired(),
    )
}

Kind = TypeVar("Kind", bound=Action)

_WAY: dict[State, tuple[Event, ...]] = {
    State.IDLE: (),
    State.CONNECT: (events.ManualStart(),),
    State.ACTIVE: (events.ManualStart(), events.ConnectionFailed("Connection refused")),
    State.OPEN_SENT: (events.ManualStart(), events.ConnectionOpened()),
    State.OPEN_CONFIRM: (events.ManualStart(), events.ConnectionOpened(), events.OpenReceived(opening())),
    State.ESTABLISHED: (
        events.ManualStart(),
        events.ConnectionOpened(),
        events.OpenReceived(opening()),
        events.KeepaliveReceived(),
    ),
}


def machine(*capabilities: Capability, jitter: float = 1.0, **changes: object) -> Machine:
    """Return a machine that was not started, of AS 65001 with the peer 10.0.0.2 in AS 65002."""
    return Machine(settings(**changes), lambda: opening(65001, "10.0.0.1", 90, *capabilities), lambda: jitter)


def machine_in(state: State, **changes: object) -> Machine:
    """Return a machine in this state, by the shortest way there."""
    made = machine(**changes)
    for event in _WAY[state]:
        made.step(event)
    assert made.state is state
    return made


def held_machine(**changes: object) -> Machine:
    """Return a machine in Idle whose idle hold timer runs."""
    made = machine_in(State.CONNECT, **changes)
    made.step(events.NotificationReceived(Notification(6, 5)))
    assert made.state is State.IDLE
    return made


def find(actions: list[Action], kind: type[Kind]) -> Kind:
    """Return the one action of this kind."""
    (found,) = [action for action in actions if isinstance(action, kind)]
    return found
