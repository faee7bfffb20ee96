"""Graceful restart, the receiving side: which routes of a lost peer stay for a while, and when they go.

RFC 4724 4.2; RFC 8538 (NOTIFICATION and hold time too, if both sides announced the N flag); RFC 9494 4.2 (long-lived:
beyond the restart time, as a last resort). Seconds. One ``Helper`` for each peer; its owner tells it what happens and
does what it answers: it marks and flushes in the Adj-RIB-In, and runs the timers: one of the peer, and one of each
family whose stale routes live long.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from bgpd.errors import CeaseSubcode, ErrorCode
from bgpd.families import Family
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.messages.negotiated import Negotiated
from bgpd.records import dataclass

MAX_STALE_TIME: Final = 360
"""Seconds that stale routes may wait for End-of-RIB once the peer is back."""


class Phase(Enum):
    """Where the peer is in its restart."""

    NORMAL = "normal"
    AWAY = "away"
    LONG_LIVED = "long-lived"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Mark:
    """Keep the routes of these families as stale."""

    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class BeginLongLived:
    """Make the stale routes of these families a last resort (RFC 9494 4.2, 4.3)."""

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


@dataclass(frozen=True, slots=True)
class StartStaleTimer:
    """Call ``stale_timer_expired`` for the family after so many seconds."""

    family: Family
    seconds: float


@dataclass(frozen=True, slots=True)
class StopStaleTimer:
    """Forget the timer of the family."""

    family: Family


_KEEPING: Final = (CeaseSubcode.ADMINISTRATIVE_RESET, CeaseSubcode.OTHER_CONFIGURATION_CHANGE)

Step = (
    Mark | BeginLongLived | Flush | FlushStale | StartRestartTimer | StopRestartTimer | StartStaleTimer | StopStaleTimer
)


def families_to_keep(
    end: SessionEnd, negotiated: Negotiated, *, is_enabled: bool, has_notification: bool, max_stale_time: int = 0
) -> frozenset[Family]:
    """Return the families whose routes outlive the session; empty = flush all.

    is_enabled, has_notification: what we announced ourselves: the capability, and its N flag. max_stale_time: longest
    that we keep long-lived stale routes, 0 = not at all.
    """
    peer = negotiated.peer_graceful_restart
    if (
        peer is None
        or not is_enabled
        or not _is_survivable(end, both_notify=has_notification and peer.has_notification)
    ):
        return frozenset()
    return _with_restart_time(negotiated) | _stale_times(negotiated, max_stale_time).keys()


def _with_restart_time(negotiated: Negotiated) -> frozenset[Family]:
    """Return the families that are kept for the restart time (RFC 9494 4.2: one that is not listed has none)."""
    peer = negotiated.peer_graceful_restart
    if peer is None or not peer.restart_time:
        return frozenset()
    return peer.families & frozenset(negotiated.families)


def _stale_times(negotiated: Negotiated, longest: int) -> dict[Family, int]:
    """Return how long the routes of each family live on as a last resort; families without such a time are left out."""
    peer = negotiated.peer_long_lived
    if peer is None:
        return {}
    times = {family: min(seconds, longest) for family, seconds in peer.times if family in negotiated.families}
    return {family: seconds for family, seconds in times.items() if seconds}


def _is_survivable(end: SessionEnd, *, both_notify: bool) -> bool:
    match end.kind:
        case EndKind.CONNECTION_LOST | EndKind.REPLACED:
            return True
        case EndKind.RECEIVED_NOTIFICATION:
            # RFC 8538 section 4: all but a hard reset
            return both_notify and (end.code, end.subcode) != (ErrorCode.CEASE, CeaseSubcode.HARD_RESET)
        case EndKind.SENT_NOTIFICATION:
            return both_notify and end.code != ErrorCode.CEASE
        case EndKind.ADMINISTRATIVE:
            # RFC 8538 section 4 binds both ends: the peer keeps our routes over what is not a hard reset
            return both_notify and end.code == ErrorCode.CEASE and end.subcode in _KEEPING
        case _:
            return False


class Helper:
    """Graceful restart state of one peer.

    stale: families with stale routes in the Adj-RIB-In. long_lived: those of them whose own timer runs. stale_time:
    seconds that a peer which is back has for End-of-RIB.
    """

    __slots__ = ("_spent", "_times", "long_lived", "phase", "stale", "stale_time")

    def __init__(self, stale_time: float = MAX_STALE_TIME) -> None:
        self.phase = Phase.NORMAL
        self.stale: frozenset[Family] = frozenset()
        self.long_lived: frozenset[Family] = frozenset()
        self.stale_time = stale_time
        self._times: dict[Family, int] = {}  # what the lost session agreed on
        self._spent: frozenset[Family] = frozenset()  # timer over, End-of-RIB not there since

    def session_down(
        self,
        end: SessionEnd,
        negotiated: Negotiated,
        *,
        is_enabled: bool,
        has_notification: bool,
        max_stale_time: int = 0,
    ) -> list[Step]:
        """Return what to do with the routes of a session that ended; the arguments are those of families_to_keep."""
        keep = families_to_keep(
            end,
            negotiated,
            is_enabled=is_enabled,
            has_notification=has_notification,
            max_stale_time=max_stale_time,
        )
        # RFC 9494 4.2: a family whose time ran out before the peer had told all of it gets no second one
        keep, self._spent = keep - self._spent, frozenset()
        self._times = _stale_times(negotiated, max_stale_time) if keep else {}
        steps: list[Step] = []
        # RFC 4724 4.2: what is still stale from an earlier restart goes before the rest is marked; RFC 9494 4.2: not
        # where it may live on
        if again := (self.stale & keep) - self._times.keys() - self.long_lived:
            steps.append(FlushStale(again))
        if lost := (frozenset(negotiated.families) | self.stale) - keep:
            steps.append(Flush(lost))
            steps += self._stop_stale_timers(lost)
        peer = negotiated.peer_graceful_restart
        if peer is None or not keep:
            return steps + self._leave()
        self.stale = keep
        steps.append(Mark(keep))
        waiting = keep & _with_restart_time(negotiated)
        if waiting:
            self.phase = Phase.AWAY
            steps.append(StartRestartTimer(peer.restart_time))
        else:
            if self.phase in (Phase.AWAY, Phase.RETURNING):
                steps.append(StopRestartTimer())
            self.phase = Phase.LONG_LIVED
        return steps + self._begin_long_lived(keep - waiting)

    def session_up(self, negotiated: Negotiated) -> list[Step]:
        """Return what to do now that the peer is back: flush what it did not keep, wait for the rest.

        RFC 4724 4.2; RFC 9494 4.2: where routes live long already, that capability's F bit counts.
        """
        self._spent = frozenset()
        if not self.stale:
            return self._leave()
        restart, long_lived = negotiated.peer_graceful_restart, negotiated.peer_long_lived
        listed = restart.families if restart is not None else frozenset()
        kept = listed & restart.preserved if restart is not None else frozenset()
        lasting = long_lived.preserved if long_lived is not None else frozenset()
        kept = ((kept | (lasting - listed)) - self.long_lived) | (lasting & self.long_lived)
        kept &= frozenset(negotiated.families)
        steps: list[Step] = []
        if lost := self.stale - kept:
            steps.append(FlushStale(lost))
            steps += self._stop_stale_timers(lost)
        self.stale &= kept
        if not self.stale:
            return steps + self._leave()
        self.phase = Phase.RETURNING
        return [*steps, StartRestartTimer(self.stale_time)]

    def end_of_rib(self, family: Family) -> list[Step]:
        """Return what to do when the peer has sent all it has of a family."""
        self._spent -= {family}
        if self.phase is not Phase.RETURNING or family not in self.stale:
            return []
        done = frozenset({family})
        self.stale -= done
        steps: list[Step] = [FlushStale(done), *self._stop_stale_timers(done)]
        return steps if self.stale else steps + self._leave()

    def timer_expired(self) -> list[Step]:
        """Return what to do when the peer did not come back in time, or never finished."""
        lasting = self.stale & (self._times.keys() | self.long_lived)
        if self.phase is not Phase.AWAY or not lasting:
            return self._flush_stale(self.stale)
        steps: list[Step] = []
        if gone := self.stale - lasting:
            steps.append(FlushStale(gone))
        self.phase, self.stale = Phase.LONG_LIVED, lasting
        return steps + self._begin_long_lived(lasting)

    def stale_timer_expired(self, family: Family) -> list[Step]:
        """Return what to do when a family's stale routes have lived long enough."""
        gone = frozenset({family})
        self.long_lived -= gone
        if self.phase is Phase.RETURNING:
            self._spent |= gone
        self.stale -= gone
        steps: list[Step] = [FlushStale(gone)]
        return steps if self.stale else steps + self._leave()

    def stopped(self) -> list[Step]:
        """Return what to do when the peer is stopped or removed while its routes are stale."""
        return self._flush_stale(self.stale)

    def _begin_long_lived(self, families: frozenset[Family]) -> list[Step]:
        if not families:
            return []
        steps: list[Step] = [BeginLongLived(families)]
        # RFC 9494 4.2: a timer that runs goes on as it is until the peer has told all of the family
        steps += [
            StartStaleTimer(family, self._times[family])
            for family in self._times
            if family in families - self.long_lived
        ]
        self.long_lived |= families
        return steps

    def _stop_stale_timers(self, families: frozenset[Family]) -> list[Step]:
        running = self.long_lived & families
        self.long_lived -= running
        return [StopStaleTimer(family) for family in sorted(running, key=lambda f: (f.afi, f.safi))]

    def _flush_stale(self, families: Iterable[Family]) -> list[Step]:
        steps: list[Step] = [FlushStale(frozenset(families))] if families else []
        return steps + self._leave()

    def _leave(self) -> list[Step]:
        runs_timer = self.phase in (Phase.AWAY, Phase.RETURNING)
        self.phase, self.stale = Phase.NORMAL, frozenset()
        steps: list[Step] = [StopRestartTimer()] if runs_timer else []
        return steps + self._stop_stale_timers(self.long_lived)
