"""Pacing: rounds of work that many events ask for, spaced so that what comes close together shares one.

To tell 1,000 peers of one change takes longer than a session needs to come up. If 1,000 sessions come up or end
together and each had a round of its own, all of them would take a time that grows with the square of their number. So a
long round is followed by a rest in proportion to what it took; the first after a quiet time starts at once. Seconds.
"""

import asyncio
from collections.abc import Callable
from typing import Final

LONG: Final = 0.005  # a shorter round is not worth a rest
SHARE: Final = 3.0  # of a round's own time, that the next one waits
LONGEST: Final = 0.1


class Pacer:
    """The rounds of one kind of work on a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rest_until = 0.0  # loop time

    def soon(self, work: Callable[[], None]) -> asyncio.Handle:
        """Do the work once the rest is over; the handle can cancel it."""
        rest = self._rest_until - self._loop.time()
        return self._loop.call_later(rest, self._do, work) if rest > 0 else self._loop.call_soon(self._do, work)

    def _do(self, work: Callable[[], None]) -> None:
        began = self._loop.time()
        work()
        ended = self._loop.time()
        took = ended - began
        self._rest_until = ended + min(SHARE * took, LONGEST) if took > LONG else ended
