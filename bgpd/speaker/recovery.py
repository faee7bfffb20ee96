"""After a restart: who has to tell its routes again before anything is announced, and before old routes are swept.

RFC 4724 4.1. Seconds on the loop's clock.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog

from bgpd.config import Resolved, ResolvedPeer
from bgpd.kernel import Kernel
from bgpd.speaker.peer import Peer

_SETTLE: Final = 3.0  # seconds a peer without End-of-RIB gets to tell what it has
_CHECK: Final = 0.25  # seconds
_PATIENCE: Final = 40.0  # seconds a peer gets that hangs up at first; GoBGP's idle hold time is 30, and 10 to dial

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


def longest_kept(config: Resolved) -> float:
    """Return for how many seconds some peer keeps our routes after it lost us."""
    return max((p.restart_time + p.stale_time for p in _templates(config) if p.graceful_restart), default=0)


def longest_wait(config: Resolved) -> float:
    """Return for how many seconds some peer waits for us to come back."""
    return max((peer.restart_time for peer in _templates(config)), default=0)


class Recovery:
    """The speaker's. is_under_way: nothing is announced and nothing swept. awaited: peers from ranges that had sessions
    with the run before, by name.
    """

    def __init__(
        self,
        peers: Mapping[str, Peer],
        loop: asyncio.AbstractEventLoop,
        kernel: Kernel | None,
        flush: Callable[[], None],
    ) -> None:
        self.is_under_way = False
        self.awaited: frozenset[str] = frozenset()
        self._peers = peers
        self._loop = loop
        self._kernel = kernel
        self._flush = flush
        self._timer: asyncio.TimerHandle | None = None
        self._ends = self._patient_until = 0.0

    def begin(self, longest: float, age: float) -> None:
        """Wait for the peers. longest: seconds that a peer waits for us, which began ``age`` ago."""
        now = self._loop.time()
        self._ends = now + max(longest - age if age < longest else longest, _SETTLE)
        self._patient_until = now + _PATIENCE
        _log.info("restarted: nothing is announced or swept before the peers have told all they have")
        self.check()

    def stop(self) -> None:
        """Wait no more: the speaker ends."""
        if self._timer is not None:
            self._timer.cancel()

    def check(self) -> None:
        """End the recovery if all that can be waited for has come."""
        if not self.is_under_way:
            return
        if self._timer is not None:
            self._timer.cancel()
        waiting = [name for name in self.awaited if name not in self._peers]
        waiting += [name for name, peer in self._peers.items() if not self._has_all_routes(peer)]
        if (waiting or not self._peers) and self._loop.time() < self._ends:
            self._timer = self._loop.call_later(_CHECK, self.check)
            return
        self.is_under_way = False
        self._timer = None
        if waiting:
            _log.warning("recovery ends although peers have not told all their routes", peers=waiting)
        for peer in self._peers.values():
            peer.join_groups()
        self._flush()
        self._sweep()

    def _sweep(self) -> None:
        """Delete the routes of an earlier run that nobody has told again.

        A peer that restarts itself is not waited for, but it is still about to tell its routes: until it has, what
        leads through it stays.
        """
        is_early = self._loop.time() < self._ends
        if is_early and any(_is_restarting(peer) and not peer.session.resting for peer in self._peers.values()):
            self._timer = self._loop.call_later(_CHECK, self._sweep)
            return
        self._timer = None
        if self._kernel is not None:
            gone = self._kernel.sweep()
            _log.info("recovery is over", swept=gone)

    def _has_all_routes(self, peer: Peer) -> bool:
        """Has the peer told us all it has, or can it not be waited for?"""
        session, negotiated, settings = peer.session, peer.negotiated, peer.settings
        if not peer.is_wanted:
            return True
        if settings.is_unnumbered and not settings.address:
            return self._loop.time() - session.since >= _SETTLE  # until then it may be found yet
        if settings.held_down:
            return True
        if negotiated is None:
            if session.is_hanging_up and self._loop.time() < self._patient_until:
                return False
            return bool(session.last_error) and not settings.passive
        restart = negotiated.peer_graceful_restart
        if restart is not None and restart.is_restarting:
            return True  # RFC 4724 4.1: it waits for us
        if peer.got_end_of_rib >= set(negotiated.families):
            return True
        return restart is None and self._loop.time() - session.since >= _SETTLE


def _is_restarting(peer: Peer) -> bool:
    """Has the peer restarted, and not told all its routes since?"""
    negotiated = peer.negotiated
    restart = negotiated.peer_graceful_restart if negotiated is not None else None
    if negotiated is None or restart is None or not restart.is_restarting:
        return False
    return not peer.got_end_of_rib >= set(negotiated.families)


def _templates(config: Resolved) -> Iterator[ResolvedPeer]:
    yield from config.peers
    yield from (one.template for one in config.ranges)
