"""What the edge must do for the state machine, in the order given.

RFC 4271 8.2.2. Times are seconds. ``Close`` drops the connection or the dial of this machine, if there is one.
"""

from enum import Enum

from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.records import dataclass


class Timer(Enum):
    """The timers of one machine (RFC 4271 8 and 10, RFC 9687)."""

    CONNECT_RETRY = "ConnectRetryTimer"
    HOLD = "HoldTimer"
    KEEPALIVE = "KeepaliveTimer"
    DELAY_OPEN = "DelayOpenTimer"
    IDLE_HOLD = "IdleHoldTimer"
    SEND_HOLD = "SendHoldTimer"
    STABLE = "StableTimer"


class EndKind(Enum):
    """How a connection or a session ended."""

    SENT_NOTIFICATION = "sent"
    RECEIVED_NOTIFICATION = "received"
    CONNECTION_LOST = "lost"
    REPLACED = "replaced"
    ADMINISTRATIVE = "administrative"
    COLLISION = "collision"


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session, or an attempt at one, ended.

    code, subcode, data: of the NOTIFICATION that was sent or received; code 0 = there was none. why: for people.
    """

    kind: EndKind
    code: int
    subcode: int
    data: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class Dial(Action):
    """Open a TCP connection to the peer."""


@dataclass(frozen=True, slots=True)
class SendOpen(Action):
    """Send this OPEN."""

    message: Open


@dataclass(frozen=True, slots=True)
class SendKeepalive(Action):
    """Send a KEEPALIVE."""


@dataclass(frozen=True, slots=True)
class SendNotification(Action):
    """Send this NOTIFICATION; a ``Close`` follows."""

    message: Notification


@dataclass(frozen=True, slots=True)
class Close(Action):
    """Drop the connection, or the dial that is under way."""


@dataclass(frozen=True, slots=True)
class StartTimer(Action):
    """Start the timer, or start it again, to expire after so many seconds."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer(Action):
    """Stop the timer if it runs."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class StopTimers(Action):
    """Stop all timers of this machine."""


@dataclass(frozen=True, slots=True)
class ResolveCollision(Action):
    """Compare with the peer's other connection (RFC 4271 6.8).

    If this one loses, the actions that follow are void; if it must wait, they wait, and so does what the peer sends.
    """

    message: Open


@dataclass(frozen=True, slots=True)
class SessionUp(Action):
    """Tell the speaker that the session is established."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class SessionDown(Action):
    """Tell the speaker that the established session is over."""

    end: SessionEnd


@dataclass(frozen=True, slots=True)
class AttemptFailed(Action):
    """Keep for people why no session came of this attempt."""

    end: SessionEnd


@dataclass(frozen=True, slots=True)
class DeliverRouteRefresh(Action):
    """Hand the ROUTE-REFRESH to the speaker."""

    message: RouteRefresh
