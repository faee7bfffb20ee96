"""How late the event loop is: a timer that looks how long after its time it was called.

Seconds. One timer, four times a second; what it finds is a distribution and the latest and worst values.
"""

import asyncio
from typing import Final

from bgpd.api.statistics import LAG_BOUNDS, Histogram, Sample

INTERVAL: Final = 0.25  # seconds


class LoopLag:
    """The lag of one loop. latest: of the last look; worst: since the start."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.distribution = Histogram(LAG_BOUNDS)
        self.latest = 0.0
        self.worst = 0.0
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        self._timer = self._loop.call_at(self._loop.time() + INTERVAL, self._look, self._loop.time() + INTERVAL)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sample(self) -> Sample:
        """Return the distribution as it is now."""
        found = self.distribution
        return Sample(found.bounds, tuple(found.counts), found.total)

    def _look(self, due: float) -> None:
        self.latest = max(0.0, self._loop.time() - due)
        self.worst = max(self.worst, self.latest)
        self.distribution.observe(self.latest)
        self.start()
