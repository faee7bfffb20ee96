"""When the cyclic garbage collector runs.

Left alone it goes through a full routing table again and again while that loads, though nearly all of it lives on. So
what exists after the start is taken out of its sight (``gc.freeze``), young objects are looked at in portions small
enough for a callback, and everything is looked at only when the daemon has nothing to do, and then rarely: never more
than a thousandth of the time. Times are seconds.
"""

import asyncio
import gc
import time
from typing import Final

import structlog

YOUNG: Final = 20_000  # new containers before the young are looked at: about 1 ms
MIDDLE: Final = 10  # times that, before the middle generation is: about 10 ms
NEVER: Final = 1 << 30
INTERVAL: Final = 60.0
SHARE: Final = 1000  # a full look waits so many times as long as the last one took
IDLE: Final = 0.1  # share of the last interval's time that the process was running

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.garbage")


class Garbage:
    """The collector's timetable on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._ran = time.process_time()

    def start(self) -> None:
        """Take what exists by now out of the collector's sight, and keep the timetable."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        self._timer = self._loop.call_later(INTERVAL, self._look)

    def stop(self) -> None:
        """Keep it no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        ran, self._ran = self._ran, time.process_time()
        is_idle = self._ran - ran < IDLE * INTERVAL
        has_news = gc.get_count()[2] > 0  # something has grown old since the last full look
        if is_idle and has_news and self._loop.time() >= self._not_before:
            began = time.perf_counter()
            found = gc.collect()
            took = time.perf_counter() - began
            self._not_before = self._loop.time() + SHARE * took
            _log.debug("garbage collected", objects=found, seconds=round(took, 4))
        self._timer = self._loop.call_later(INTERVAL, self._look)
