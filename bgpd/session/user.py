"""What a session's user has to offer: the speaker's side of one peer."""

from typing import Protocol

from bgpd.fsm.actions import SessionEnd
from bgpd.fsm.states import State
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.connection import Inbox


class SessionUser(Protocol):
    """What the speaker gives to a session. All is called on the loop, and none may block."""

    def local_open(self) -> Open:
        """Return our OPEN; asked for each connection, so that capabilities may vary."""

    def session_up(self, negotiated: Negotiated) -> None:
        """Learn that the session is established."""

    def session_down(self, end: SessionEnd) -> None:
        """Learn that it is over; only after ``session_up``."""

    def updates_received(self, inbox: Inbox, stop: int) -> None:
        """Take UPDATEs (see ``connection.Deliver``). A BgpError raised here ends the session. Hot."""

    def batch_received(self) -> None:
        """Learn that the UPDATEs of one read, or of a slice of it, were all handed over."""

    def route_refresh_received(self, message: RouteRefresh) -> None:
        """Take a ROUTE-REFRESH."""

    def drained(self) -> None:
        """Learn that ``is_congested`` is no longer true."""

    def state_changed(self, old: State, new: State) -> None:
        """Learn of the new state, before what follows from it is done; must not call the session."""
