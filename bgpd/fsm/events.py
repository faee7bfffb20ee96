"""What can happen to a session: the events of the finite state machine.

RFC 4271 8.1; ``number`` is the RFC's, 0 where the event is not one of its own. Events 6 and 7 are 3 and 5 here, since
idle hold always damps; 14 and 15 are the listener's, which refuses a connection before a machine sees it; 20 is 19 with
the DelayOpen timer running. RFC 9687 (send hold timer), RFC 4724 section 5 (a restarted peer's new connection),
RFC 7313 (ROUTE-REFRESH).
"""

from typing import ClassVar

from bgpd.errors import BgpError, Cease
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. number: the RFC's, 0 = none."""

    number: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class ManualStart(Event):
    """The operator wants the session, and us to dial."""

    number: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class ManualStop(Event):
    """The operator does not want the session. cease: what to tell the peer; None = close without a word."""

    number: ClassVar[int] = 2
    cease: Cease | None = None


@dataclass(frozen=True, slots=True)
class AutomaticStart(Event):
    """The speaker wants the session again, and us to dial; earlier failures still count."""

    number: ClassVar[int] = 3


@dataclass(frozen=True, slots=True)
class ManualStartPassive(Event):
    """The operator wants the session, the peer is to dial."""

    number: ClassVar[int] = 4


@dataclass(frozen=True, slots=True)
class AutomaticStartPassive(Event):
    """The speaker wants the session again, the peer is to dial."""

    number: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class AutomaticStop(Event):
    """The speaker ends the session for now; it comes back after the idle hold time. cease: what to tell the peer."""

    number: ClassVar[int] = 8
    cease: Cease


@dataclass(frozen=True, slots=True)
class ConnectRetryTimerExpired(Event):
    """It is time to dial (again)."""

    number: ClassVar[int] = 9


@dataclass(frozen=True, slots=True)
class HoldTimerExpired(Event):
    """The peer was silent for too long."""

    number: ClassVar[int] = 10


@dataclass(frozen=True, slots=True)
class KeepaliveTimerExpired(Event):
    """A KEEPALIVE is due."""

    number: ClassVar[int] = 11


@dataclass(frozen=True, slots=True)
class DelayOpenTimerExpired(Event):
    """The peer had its chance to send its OPEN first."""

    number: ClassVar[int] = 12


@dataclass(frozen=True, slots=True)
class IdleHoldTimerExpired(Event):
    """The pause after an error is over."""

    number: ClassVar[int] = 13


@dataclass(frozen=True, slots=True)
class ConnectionOpened(Event):
    """The connection that we dialled is there (Tcp_CR_Acked)."""

    number: ClassVar[int] = 16


@dataclass(frozen=True, slots=True)
class ConnectionAccepted(Event):
    """A connection that the peer dialled is there (TcpConnectionConfirmed)."""

    number: ClassVar[int] = 17


@dataclass(frozen=True, slots=True)
class ConnectionFailed(Event):
    """The connection is gone, or the dial failed. why: for people."""

    number: ClassVar[int] = 18
    why: str


@dataclass(frozen=True, slots=True)
class OpenReceived(Event):
    """An OPEN came. It is well-formed; whether we accept what it says is for the machine to find out."""

    number: ClassVar[int] = 19
    message: Open


@dataclass(frozen=True, slots=True)
class HeaderRejected(Event):
    """A message header was wrong: nothing behind it can be read."""

    number: ClassVar[int] = 21
    error: BgpError


@dataclass(frozen=True, slots=True)
class OpenRejected(Event):
    """An OPEN could not be decoded."""

    number: ClassVar[int] = 22
    error: BgpError


@dataclass(frozen=True, slots=True)
class CollisionLost(Event):
    """Another connection with this peer stays instead of this one (OpenCollisionDump)."""

    number: ClassVar[int] = 23


@dataclass(frozen=True, slots=True)
class VersionRefused(Event):
    """The peer's NOTIFICATION says that it does not speak our version."""

    number: ClassVar[int] = 24
    message: Notification


@dataclass(frozen=True, slots=True)
class NotificationReceived(Event):
    """Any other NOTIFICATION came."""

    number: ClassVar[int] = 25
    message: Notification


@dataclass(frozen=True, slots=True)
class KeepaliveReceived(Event):
    """A KEEPALIVE came."""

    number: ClassVar[int] = 26


@dataclass(frozen=True, slots=True)
class UpdateReceived(Event):
    """An UPDATE came. In Established the connection hands UPDATEs to the speaker without asking the machine."""

    number: ClassVar[int] = 27


@dataclass(frozen=True, slots=True)
class UpdateRejected(Event):
    """An UPDATE, or what it leads to, has a fault that ends the session."""

    number: ClassVar[int] = 28
    error: BgpError


@dataclass(frozen=True, slots=True)
class SendHoldTimerExpired(Event):
    """The peer has not read for too long (RFC 9687)."""

    number: ClassVar[int] = 29


@dataclass(frozen=True, slots=True)
class RouteRefreshReceived(Event):
    """A ROUTE-REFRESH came."""

    message: RouteRefresh


@dataclass(frozen=True, slots=True)
class RouteRefreshRejected(Event):
    """A ROUTE-REFRESH could not be decoded (RFC 7313 section 5)."""

    error: BgpError


@dataclass(frozen=True, slots=True)
class ConnectionReplaced(Event):
    """The peer restarted and opened a new connection: this one is as good as lost (RFC 4724 section 5)."""


@dataclass(frozen=True, slots=True)
class StableTimerExpired(Event):
    """The session has lasted: earlier failures no longer count for the idle hold time."""
