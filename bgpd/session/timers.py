"""The timers of one state machine, on the loop's clock.

RFC 4271 10. Seconds. A timer that is started again before it expires only moves its deadline: the one pending call
wakes up, sees the later deadline and goes back to sleep, so a restart per message costs a dictionary entry.
"""

import asyncio
from collections.abc import Callable

from bgpd.fsm.actions import Timer


class Timers:
    """Deadlines by timer. expired: called with the timer whose time has come."""

    __slots__ = ("_deadlines", "_expired", "_loop", "_pending")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[Timer], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadlines: dict[Timer, float] = {}
        self._pending: dict[Timer, tuple[float, asyncio.TimerHandle]] = {}

    def start(self, timer: Timer, seconds: float) -> None:
        """Let the timer expire after so many seconds, whether or not it runs already."""
        deadline = self._loop.time() + seconds
        self._deadlines[timer] = deadline
        pending = self._pending.get(timer)
        if pending is None:
            self._arm(timer, deadline)
        elif pending[0] > deadline:
            pending[1].cancel()
            self._arm(timer, deadline)

    def stop(self, timer: Timer) -> None:
        """Forget the timer."""
        self._deadlines.pop(timer, None)
        if pending := self._pending.pop(timer, None):
            pending[1].cancel()

    def stop_all(self) -> None:
        """Forget all timers."""
        for timer in tuple(self._deadlines):
            self.stop(timer)

    def remaining(self, timer: Timer) -> float | None:
        """Return the seconds until the timer expires; None if it does not run."""
        deadline = self._deadlines.get(timer)
        return None if deadline is None else max(0.0, deadline - self._loop.time())

    def _arm(self, timer: Timer, when: float) -> None:
        self._pending[timer] = when, self._loop.call_at(when, self._wake, timer)

    def _wake(self, timer: Timer) -> None:
        woken_for, _ = self._pending.pop(timer)
        deadline = self._deadlines[timer]
        if deadline > woken_for:
            self._arm(timer, deadline)
            return
        del self._deadlines[timer]
        self._expired(timer)
