"""The edge of one state machine: it does what the machine says, and tells it what happens on its connection.

RFC 4271 8.2; RFC 9687 (send hold timer). Seconds on the loop's clock. A driver has at most one connection or dial at a
time. What it tells its owner may make the owner step it again; the actions of the outer step are then void.
"""

import asyncio
from functools import lru_cache
from typing import Final, Protocol

from bgpd.errors import BgpError, ErrorCode, HeaderError, OpenSubcode, RouteRefreshError, UpdateError
from bgpd.fsm.actions import (
    Action,
    AttemptFailed,
    Close,
    DeliverRouteRefresh,
    Dial,
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
from bgpd.fsm.collision import Verdict
from bgpd.fsm.events import (
    CollisionLost,
    ConnectionAccepted,
    ConnectionFailed,
    ConnectionOpened,
    ConnectRetryTimerExpired,
    DelayOpenTimerExpired,
    Event,
    HeaderRejected,
    HoldTimerExpired,
    IdleHoldTimerExpired,
    KeepaliveReceived,
    KeepaliveTimerExpired,
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
from bgpd.fsm.machine import Machine
from bgpd.messages import codec
from bgpd.messages.framing import MessageType, frame
from bgpd.messages.keepalive import KEEPALIVE
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.connection import Connection, Deliver
from bgpd.session.counts import MessageCounts
from bgpd.session.settings import SessionSettings
from bgpd.session.sockets import Network, describe
from bgpd.session.timers import Timers

SECOND_LOOK: Final = 0.1
"""Seconds for the loop to read what lies in the socket before silence counts: a loop that was stopped wakes its timers
before it reads."""
COLLISION_WAIT: Final = 1.0
"""Seconds that a connection which would lose waits for the first word on the one which would win."""
SEND_HOLD_SAMPLES: Final = 4
"""Looks at a connection's progress in one send hold time; it expires at most one of these late."""

_encoded: Final = lru_cache(maxsize=16)(codec.encode)  # hundreds of peers are sent the same OPEN

_EXPIRED: Final[dict[Timer, type[Event]]] = {
    Timer.CONNECT_RETRY: ConnectRetryTimerExpired,
    Timer.HOLD: HoldTimerExpired,
    Timer.KEEPALIVE: KeepaliveTimerExpired,
    Timer.DELAY_OPEN: DelayOpenTimerExpired,
    Timer.IDLE_HOLD: IdleHoldTimerExpired,
    Timer.SEND_HOLD: SendHoldTimerExpired,
    Timer.STABLE: StableTimerExpired,
}


class DriverOwner(Protocol):
    """Who keeps the drivers of one peer."""

    def state_moved(self, driver: "Driver") -> None:
        """Learn that the machine's state changed; must not step a machine."""

    def judge_collision(self, driver: "Driver", message: Open) -> Verdict:
        """Answer what becomes of this connection, now that an OPEN came on it (RFC 4271 6.8).

        If the other one must go, it is gone when this returns.
        """

    def session_up(self, driver: "Driver", negotiated: Negotiated) -> None:
        """Learn that the session is established."""

    def session_down(self, driver: "Driver", end: SessionEnd) -> None:
        """Learn that the established session is over."""

    def attempt_failed(self, driver: "Driver", end: SessionEnd) -> None:
        """Learn why no session came about."""

    def stepped(self, driver: "Driver") -> None:
        """Learn that an event was dealt with entirely."""

    @property
    def deliver(self) -> Deliver:
        """Who takes UPDATEs; may raise BgpError. Asked once for each session, so that no call stands in between."""

    def batch_received(self) -> None:
        """Learn that the UPDATEs at hand were all handed over."""

    def route_refresh_received(self, message: RouteRefresh) -> None:
        """Take a ROUTE-REFRESH."""

    def drained(self) -> None:
        """Learn that the connection is no longer congested."""

    def closing(self, connection: Connection) -> None:
        """Learn that a connection was told to close, and may take a moment."""


class Driver:
    """One machine with its timers and its connection.

    is_outgoing: we dialled the connection. connection: None while there is none. message: what is being dealt with,
    with its header; b"" = no message, or an UPDATE without a fault.
    """

    __slots__ = (
        "_counts",
        "_dial",
        "_dialling",
        "_has_looked",
        "_loop",
        "_network",
        "_owner",
        "_progress",
        "_send_hold",
        "_stalled_since",
        "_steps",
        "_timers",
        "_waiting",
        "connection",
        "is_outgoing",
        "machine",
        "message",
        "settings",
    )

    def __init__(
        self,
        owner: DriverOwner,
        machine: Machine,
        settings: SessionSettings,
        network: Network,
        loop: asyncio.AbstractEventLoop,
        counts: MessageCounts,
    ) -> None:
        self.machine = machine
        self.settings = settings
        self.connection: Connection | None = None
        self.is_outgoing = False
        self.message = b""
        self._owner = owner
        self._network = network
        self._loop = loop
        self._counts = counts
        self._timers = Timers(loop, self._expired)
        self._dial: asyncio.Task[None] | None = None
        self._dialling: Connection | None = None
        self._steps = 0
        self._waiting: tuple[list[Action], int] | None = None
        self._has_looked = False
        self._send_hold = 0.0
        self._progress = 0
        self._stalled_since = 0.0

    def step(self, event: Event) -> None:
        """Apply an event, and do what the machine answers."""
        self._steps = this = self._steps + 1
        before = self.machine.state
        actions = self.machine.step(event)
        if self.machine.state is not before:
            self._owner.state_moved(self)
        self._perform_all(actions, this)

    def go_on(self) -> None:
        """Do what had to wait for the peer's other connection."""
        if self._waiting is None:
            return
        (actions, this), self._waiting = self._waiting, None
        if self._steps == this:
            self._perform_all(actions, this)
            if self._steps == this and self.connection is not None:
                self.connection.release()

    def accept(self, connection: Connection) -> None:
        """Take a connection that the peer opened."""
        self._adopt(connection)
        self.is_outgoing = False
        self.step(ConnectionAccepted())

    def discard(self) -> None:
        """Drop all there is, without a word to the owner."""
        self._steps += 1
        self._timers.stop_all()
        self._close()

    def remaining(self, timer: Timer) -> float | None:
        """Return the seconds until a timer of the machine expires; None if it does not run."""
        return self._timers.remaining(timer)

    # --- Actions ------------------------------------------------------------------------------------------------

    def _perform_all(self, actions: list[Action], this: int) -> None:
        for index, action in enumerate(actions):
            if isinstance(action, ResolveCollision):
                if self._must_wait(action.message):
                    self._waiting = actions[index + 1 :], this
                    self._loop.call_later(COLLISION_WAIT, self.go_on)
                    break
            else:
                self._perform(action)
            if self._steps != this:
                return
        self._owner.stepped(self)

    def _perform(self, action: Action) -> None:
        match action:
            case SendKeepalive():
                self._send(MessageType.KEEPALIVE, KEEPALIVE)
            case StartTimer(timer, seconds):
                self._start_timer(timer, seconds)
            case StopTimer(timer):
                self._timers.stop(timer)
            case StopTimers():
                self._timers.stop_all()
            case Dial():
                self._dialling = Connection(self._loop, self._dialled)
                self._dial = self._loop.create_task(self._run_dial(self._dialling))
            case SendOpen(message):
                self._send(MessageType.OPEN, _encoded(message))
            case SendNotification(message):
                self._send(MessageType.NOTIFICATION, codec.encode(message))
            case Close():
                self._close()
            case SessionUp(negotiated):
                self._establish(negotiated)
            case SessionDown(end):
                self._owner.session_down(self, end)
            case AttemptFailed(end):
                self._owner.attempt_failed(self, end)
            case DeliverRouteRefresh(message):
                self._owner.route_refresh_received(message)
            case _:
                raise TypeError(f"no such action: {action}")

    def _send(self, kind: MessageType, octets: bytes) -> None:
        if self.connection is not None:
            self._counts.sent[kind] += 1
            self.connection.write(octets)

    def _must_wait(self, message: Open) -> bool:
        """Resolve the collision if there is one; answer whether the other connection comes first."""
        connection, negotiated = self.connection, self.machine.negotiated
        assert connection is not None  # the OPEN came on it
        assert negotiated is not None  # the machine accepted the OPEN
        connection.set_max_length(negotiated.max_receive)
        connection.settle()
        verdict = self._owner.judge_collision(self, message)
        if verdict is Verdict.CLOSE_NEW:
            self.step(CollisionLost())
        elif verdict is Verdict.WAIT_FOR_EXISTING:
            connection.hold()
            return True
        return False

    def _establish(self, negotiated: Negotiated) -> None:
        if self.connection is not None:
            self.connection.deliver = self._owner.deliver
        self._owner.session_up(self, negotiated)

    def _close(self) -> None:
        if self._dial is not None:
            self._dial.cancel()
            self._dial = self._dialling = None
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.close()
            self._owner.closing(connection)

    # --- TCP ----------------------------------------------------------------------------------------------------

    async def _run_dial(self, connection: Connection) -> None:
        try:
            await self._network.dial(self.settings, connection)
        except (OSError, ValueError) as error:
            if self._dialling is connection:
                self._dial = self._dialling = None
                why = describe(error) if isinstance(error, OSError) else str(error)
                self.step(ConnectionFailed(why))

    def _dialled(self, connection: Connection) -> None:
        if self._dialling is not connection:
            connection.close()  # given up meanwhile
            return
        self._dial = self._dialling = None
        self._adopt(connection)
        self.is_outgoing = True
        self.step(ConnectionOpened())

    def _adopt(self, connection: Connection) -> None:
        assert self.connection is None  # a machine has one connection
        self.connection = connection
        connection.user = self
        connection.counts = self._counts

    def connection_lost(self, connection: Connection, why: str) -> None:
        """Tell the machine that TCP is gone."""
        if connection is self.connection:
            self.connection = None
            self.step(ConnectionFailed(why))

    # --- Messages -----------------------------------------------------------------------------------------------

    def message_received(self, connection: Connection, kind: int, body: bytes) -> None:
        """Decode a rare message and tell the machine."""
        if connection is not self.connection:
            return
        self.message = frame(kind, body)
        self.step(self._event(kind, body))
        self.message = b""

    def _event(self, kind: int, body: bytes) -> Event:
        if kind == MessageType.UPDATE:
            return UpdateReceived()
        try:
            message = codec.decode(kind, body)
        except BgpError as error:
            return _rejected(kind, error)
        match message:
            case Open():
                return OpenReceived(message)
            case Notification():
                return _notified(message)
            case RouteRefresh():
                return RouteRefreshReceived(message)
            case _:
                return KeepaliveReceived()

    def stream_failed(self, connection: Connection, error: BgpError) -> None:
        """Tell the machine that the octets, or what an UPDATE says, end the session."""
        if connection is self.connection:
            self.message = error.message
            self.step(HeaderRejected(error) if isinstance(error, HeaderError) else UpdateRejected(error))
            self.message = b""

    def batch_received(self) -> None:
        """Pass on that no more UPDATEs are at hand."""
        self._owner.batch_received()

    def drained(self) -> None:
        """Pass on that the peer caught up."""
        self._owner.drained()

    # --- Timers -------------------------------------------------------------------------------------------------

    def _start_timer(self, timer: Timer, seconds: float) -> None:
        if timer is Timer.HOLD:
            self._has_looked = False
        elif timer is Timer.SEND_HOLD:
            self._send_hold = seconds
            self._stalled_since = self._loop.time()
            seconds /= SEND_HOLD_SAMPLES
        self._timers.start(timer, seconds)

    def _expired(self, timer: Timer) -> None:
        if timer is Timer.HOLD and self._was_heard():
            return
        if timer is Timer.SEND_HOLD and self._makes_progress():
            return
        self.step(_EXPIRED[timer]())

    def _was_heard(self) -> bool:
        """Did a message come since the timer was started? UPDATEs do not start it again one by one."""
        negotiated, connection = self.machine.negotiated, self.connection
        if negotiated is None or connection is None:
            return False
        left = connection.last_heard + negotiated.hold_time - self._loop.time()
        if left > 0:
            self._start_timer(Timer.HOLD, left)
            return True
        if self._has_looked:
            return False
        self._has_looked = True
        self._timers.start(Timer.HOLD, SECOND_LOOK)
        return True

    def _makes_progress(self) -> bool:
        """Does the peer read, or is there nothing to read (RFC 9687 4.3)?"""
        connection = self.connection
        if connection is None:
            return False
        now = self._loop.time()
        unsent = connection.unsent
        taken = connection.octets_written - unsent
        if unsent == 0 or taken != self._progress:
            self._progress = taken
            self._stalled_since = now
        left = self._stalled_since + self._send_hold - now
        if left <= 0:
            return False
        self._timers.start(Timer.SEND_HOLD, min(left, self._send_hold / SEND_HOLD_SAMPLES))
        return True


def _rejected(kind: int, error: BgpError) -> Event:
    match error:
        case RouteRefreshError():
            return RouteRefreshRejected(error)
        case HeaderError():
            return HeaderRejected(error)
        case UpdateError():
            return UpdateRejected(error)
        case _:
            return OpenRejected(error) if kind == MessageType.OPEN else HeaderRejected(error)


def _notified(message: Notification) -> Event:
    if (message.code, message.subcode) == (ErrorCode.OPEN_MESSAGE, OpenSubcode.UNSUPPORTED_VERSION_NUMBER):
        return VersionRefused(message)
    return NotificationReceived(message)
