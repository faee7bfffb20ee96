"""Graceful restart, the receiving side: which routes of a lost peer stay for a while, and when they go.

RFC 4724 4.2; RFC 8538 (NOTIFICATION and hold time too, if both sides announced the N flag). Seconds. One ``Helper`` for
each peer; its owner tells it what happens and does what it answers: it marks and flushes in the Adj-RIB-In, and runs
the one timer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bgpd.errors import CeaseSubcode, ErrorCode
from bgpd.families import Family
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.messages.negotiated import Negotiated

MAX_STALE_TIME: Final = 360
"""Seconds that stale routes may wait for End-of-RIB once the peer is back."""


class Phase(Enum):
    """Where the peer is in its restart."""

    NORMAL = "normal"
    AWAY = "away"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Mark:
    """Keep the routes of these families as stale."""

    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class Flush:
    """Remove all routes of these families."""

    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class FlushStale:
    """Remove what is still stale in these families."""

    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class StartRestartTimer:
    """Call ``timer_expired`` after so many seconds; replaces a timer that runs."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StopRestartTimer:
    """Forget the timer."""


Step = Mark | Flush | FlushStale | StartRestartTimer | StopRestartTimer


def families_to_keep(
    end: SessionEnd, negotiated: Negotiated, *, is_enabled: bool, has_notification: bool
) -> frozenset[Family]:
    """Return the families whose routes outlive the session; empty = flush all.

    is_enabled, has_notification: what we announced ourselves: the capability, and its N flag.
    """
    peer = negotiated.peer_graceful_restart
    if (
        peer is None
        or not is_enabled
        or not _is_survivable(end, both_notify=has_notification and peer.has_notification)
    ):
        return frozenset()
    return peer.families & frozenset(negotiated.families)


def _is_survivable(end: SessionEnd, *, both_notify: bool) -> bool:
    match end.kind:
        case EndKind.CONNECTION_LOST | EndKind.REPLACED:
            return True
        case EndKind.RECEIVED_NOTIFICATION:
            # RFC 8538 section 4: all but a hard reset
            return both_notify and (end.code, end.subcode) != (ErrorCode.CEASE, CeaseSubcode.HARD_RESET)
        case EndKind.SENT_NOTIFICATION:
            return both_notify and end.code != ErrorCode.CEASE
        case _:
            return False


class Helper:
    """Graceful restart state of one peer. stale: families with stale routes in the Adj-RIB-In."""

    __slots__ = ("phase", "stale", "stale_time")

    def __init__(self, stale_time: float = MAX_STALE_TIME) -> None:
        self.phase = Phase.NORMAL
        self.stale: frozenset[Family] = frozenset()
        self.stale_time = stale_time

    def session_down(
        self, end: SessionEnd, negotiated: Negotiated, *, is_enabled: bool, has_notification: bool
    ) -> list[Step]:
        """Return what to do with the routes of a session that ended."""
        keep = families_to_keep(end, negotiated, is_enabled=is_enabled, has_notification=has_notification)
        peer = negotiated.peer_graceful_restart
        steps: list[Step] = []
        # RFC 4724 4.2: what is still stale from an earlier restart goes before the rest is marked
        if again := self.stale & keep:
            steps.append(FlushStale(again))
        if lost := frozenset(negotiated.families) - keep:
            steps.append(Flush(lost))
        if peer is None or not keep:
            return steps + self._leave()
        self.phase, self.stale = Phase.AWAY, keep
        return [*steps, Mark(keep), StartRestartTimer(peer.restart_time)]

    def session_up(self, negotiated: Negotiated) -> list[Step]:
        """Return what to do now that the peer is back: flush what it did not keep, wait for the rest (RFC 4724 4.2)."""
        if not self.stale:
            return self._leave()
        peer = negotiated.peer_graceful_restart
        kept = peer.families & peer.preserved & frozenset(negotiated.families) if peer is not None else frozenset()
        steps: list[Step] = []
        if lost := self.stale - kept:
            steps.append(FlushStale(lost))
        self.stale &= kept
        if not self.stale:
            return steps + self._leave()
        self.phase = Phase.RETURNING
        return [*steps, StartRestartTimer(self.stale_time)]

    def end_of_rib(self, family: Family) -> list[Step]:
        """Return what to do when the peer has sent all it has of a family."""
        if self.phase is not Phase.RETURNING or family not in self.stale:
            return []
        self.stale -= {family}
        steps: list[Step] = [FlushStale(frozenset({family}))]
        return steps if self.stale else steps + self._leave()

    def timer_expired(self) -> list[Step]:
        """Return what to do when the peer did not come back in time, or never finished."""
        return self._flush_stale(self.stale)

    def stopped(self) -> list[Step]:
        """Return what to do when the peer is stopped or removed while its routes are stale."""
        return self._flush_stale(self.stale)

    def _flush_stale(self, families: Iterable[Family]) -> list[Step]:
        steps: list[Step] = [FlushStale(frozenset(families))] if families else []
        return steps + self._leave()

    def _leave(self) -> list[Step]:
        was_waiting = self.phase is not Phase.NORMAL
        self.phase, self.stale = Phase.NORMAL, frozenset()
        return [StopRestartTimer()] if was_waiting else []
