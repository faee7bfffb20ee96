"""Pacing: rounds of work that many events ask for, spaced so that what comes close together shares one.

To tell 1,000 peers of one change takes longer than a session needs to come up. If 1,000 sessions come up or end
together and each had a round of its own, all of them would take a time that grows with the square of their number. So a
round waits while the loop has other things to do, at most in proportion to what rounds take, and begins at once when
there is nothing else. Where a round goes to hundreds, the loop has to be quiet for a moment first, and sleeps then:
what many peers send at once may only be beginning, and who sends it may need this processor. Changes that come one by
one without end find a loop that has nothing else to do: they may have rounds one after the other for a while, then a
round waits in any case. Seconds.
"""

import asyncio
from collections.abc import Callable
from typing import Final

SHARE: Final = 3.0  # of a round's own time, that the next one waits at most
SHORTEST: Final = 0.005  # a shorter wait is not worth it
LONGEST: Final = 0.1
MOMENT: Final = 0.001  # of quiet before a round that is known to take long
CREDIT: Final = 1.0  # of the time that rounds and their waits should take, that may be used in advance


class Round:
    """Work that was asked for and has not begun.

    latest: loop time until which it may wait. is_long: it goes to many. has_rested: the loop was quiet for a moment.
    """

    __slots__ = ("handle", "has_rested", "is_long", "latest", "work")

    def __init__(self, work: Callable[[], None], latest: float, *, is_long: bool) -> None:
        self.work = work
        self.latest = latest
        self.is_long = is_long
        self.has_rested = False
        self.handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        """Do not begin it."""
        if self.handle is not None:
            self.handle.cancel()


class Pacer:
    """The rounds of one kind of work on a loop. activity: returns a number that grows with all that the loop does."""

    __slots__ = ("_activity", "_loop", "_took", "_used_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, activity: Callable[[], int]) -> None:
        self._loop = loop
        self._activity = activity
        self._took = 0.0  # the last round
        self._used_until = 0.0  # loop time that rounds and the waits they should have had would have filled by now

    def soon(self, work: Callable[[], None], least: float = 0.0) -> Round:
        """Do the work once the loop has nothing else to do; what is returned can cancel it.

        least: what it will take at least.
        """
        wait = SHARE * max(self._took, least)
        latest = self._loop.time() + (min(wait, LONGEST) if wait >= SHORTEST else 0.0)
        waiting = Round(work, latest, is_long=SHARE * least >= SHORTEST)
        self._wait(waiting)
        return waiting

    def _wait(self, waiting: Round) -> None:
        waiting.handle = self._loop.call_soon(self._look, waiting, self._activity())

    def _look(self, waiting: Round, activity: int) -> None:
        """Begin the round if nothing else was done for a turn of the loop, or if it waited long enough."""
        now = self._loop.time()
        if now < waiting.latest:
            if self._activity() != activity:
                waiting.has_rested = False
                self._wait(waiting)
                return
            if now < self._used_until - CREDIT:
                waiting.handle = self._loop.call_at(waiting.latest, self._begin, waiting)
                return
            if waiting.is_long and not waiting.has_rested:
                waiting.handle = self._loop.call_later(MOMENT, self._look_again, waiting, activity)
                return
        self._begin(waiting)

    def _look_again(self, waiting: Round, activity: int) -> None:
        """Look again after a moment, and after what lies in the sockets: a loop wakes its timers before it reads."""
        waiting.has_rested = self._activity() == activity
        self._wait(waiting)

    def _begin(self, waiting: Round) -> None:
        began = self._loop.time()
        waiting.work()
        self._took = self._loop.time() - began
        self._used_until = max(self._used_until, began) + (1 + SHARE) * self._took
