"""The routes of a lost session: how long they are kept, and when they become a last resort or go.

RFC 4724 4.2, RFC 9494 4.2. The rules are ``fsm.graceful_restart``; this does what they say to the tables. Seconds on
the loop's clock.
"""

import asyncio
from typing import Protocol

import structlog

from bgpd.families import Family
from bgpd.fsm.graceful_restart import (
    BeginLongLived,
    Flush,
    FlushStale,
    Helper,
    Mark,
    StartRestartTimer,
    StartStaleTimer,
    Step,
    StopRestartTimer,
    StopStaleTimer,
)
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.speaker.slices import Slicer


class Announcing(Protocol):
    """The peer, as its routes' keeper sees it."""

    adj_ribs_in: dict[Family, AdjRibIn]

    @property
    def negotiated(self) -> Negotiated | None:
        """What the present session allows; None = there is none."""

    def progressed(self) -> None:
        """Learn that routes are gone for which somebody may have waited."""


class KeptRoutes:
    """Those of one peer. helper: the state of its graceful restart."""

    __slots__ = ("_loop", "_peer", "_restart_timer", "_slicer", "_stale_timers", "helper", "log")

    def __init__(
        self,
        peer: Announcing,
        loop: asyncio.AbstractEventLoop,
        slicer: Slicer,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.helper = Helper()
        self._peer = peer
        self._loop = loop
        self._slicer = slicer
        self.log = log
        self._restart_timer: asyncio.TimerHandle | None = None
        self._stale_timers: dict[Family, asyncio.TimerHandle] = {}

    def until(self, family: Family) -> float | None:
        """Return the loop time at which the family's stale routes go or become a last resort; None = there are none."""
        timer = self._stale_timers.get(family)
        if timer is None and family in self.helper.stale:
            timer = self._restart_timer
        return timer.when() if timer is not None else None

    def perform(self, steps: list[Step]) -> None:
        """Do what ``helper`` says."""
        ribs = self._peer.adj_ribs_in
        for step in steps:
            match step:
                case Mark(families):
                    for family in families & ribs.keys():
                        ribs[family].mark_stale()
                    self.log.info("routes kept while the peer restarts", families=[f.name for f in families])
                case Flush(families):
                    self._clear(families)
                case FlushStale(families):
                    self._flush_stale(families)
                case StartRestartTimer(seconds):
                    self._stop_timer()
                    self._restart_timer = self._loop.call_later(seconds, self._restart_timer_expired)
                case StopRestartTimer():
                    self._stop_timer()
                case BeginLongLived(families):
                    self.log.warning("stale routes are a last resort now", families=[f.name for f in families])
                    for family in families & ribs.keys():
                        self._slicer.add(ribs[family].begin_long_lived())
                case StartStaleTimer(family, seconds):
                    later = self._loop.call_later
                    self._stale_timers[family] = later(seconds, self._stale_timer_expired, family)
                case StopStaleTimer(family):
                    self._stale_timers.pop(family).cancel()

    def _clear(self, families: frozenset[Family]) -> None:
        ribs = self._peer.adj_ribs_in
        for family in families & ribs.keys():
            self._slicer.add(ribs.pop(family).clear())

    def _flush_stale(self, families: frozenset[Family]) -> None:
        for family in families & self._peer.adj_ribs_in.keys():
            rib = self._peer.adj_ribs_in[family]
            if self._peer.negotiated is None and len(rib.stale) == len(rib):
                self._clear(frozenset({family}))
                continue
            gone = rib.end_of_stale()  # without a session: of the one before, the last one's routes are marked yet
            if gone:
                self.log.info("stale routes removed", family=family.name, routes=gone)

    def _restart_timer_expired(self) -> None:
        self._restart_timer = None
        self.log.warning("restart time is over")
        self.perform(self.helper.timer_expired())
        self._peer.progressed()

    def _stale_timer_expired(self, family: Family) -> None:
        del self._stale_timers[family]
        self.log.warning("long-lived stale time is over, stale routes go", family=family.name)
        self.perform(self.helper.stale_timer_expired(family))
        self._peer.progressed()

    def _stop_timer(self) -> None:
        if self._restart_timer is not None:
            self._restart_timer.cancel()
            self._restart_timer = None
