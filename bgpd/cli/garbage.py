"""When the cyclic garbage collector runs.

Left alone it goes through a full routing table again and again while that loads, though nearly all of it lives on: a
quarter of the CPU time of a 300,000-prefix feed. So what exists before the speaker starts is taken out of its sight
(``gc.freeze``), new objects are looked at once, every ten seconds or when there are very many, and everything is
looked at when the daemon has nothing else to do, and rarely. Only if new objects have piled up for long enough that
memory matters more than a pause, is a full look taken under load. When it is idle after work, the allocator gives back
what that left free too. Times are seconds.
"""

import asyncio
import gc
import time
from typing import Final

import structlog

from bgpd.cli.allocator import give_back

YOUNG: Final = 1_000_000  # new containers before they are looked at whatever the time: about 0.3 s, a full table's
FEW: Final = 5_000  # new containers that are not worth a look
NEVER: Final = 1 << 30
INTERVAL: Final = 10.0
IDLE: Final = 0.05  # share of the last interval's time that the process was running
IDLE_SHARE: Final = 1000  # while idle, a full look waits so many times as long as the last one took
BUSY_SHARE: Final = 50  # and under load
WORK: Final = 0.2  # CPU time since the allocator last gave back, before it is asked again
PILED_UP: Final = 4_000_000  # new containers since the last full look

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.garbage")


class Garbage:
    """The collector's timetable on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._ended = 0.0  # loop time at which the last full look ended
        self._took = 0.0
        self._looks = 0  # at new objects, before the last interval
        self._new = 0  # containers since the last full look
        self._ran = time.process_time()
        self._gave_back = 0.0  # CPU time at which the allocator last did

    def start(self) -> None:
        """Take what exists by now out of the collector's sight, and keep the timetable.

        Only here: what is frozen under load and becomes a cycle of garbage afterwards would never be freed.
        """
        gc.freeze()
        gc.set_threshold(YOUNG, NEVER, NEVER)
        gc.enable()
        self._timer = self._loop.call_later(INTERVAL, self._look)

    def stop(self) -> None:
        """Keep it no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        ran, self._ran = self._ran, time.process_time()
        is_idle = self._ran - ran < IDLE * INTERVAL
        unseen, looks, _ = gc.get_count()
        self._new += (looks - self._looks) * YOUNG
        if is_due(self._new + unseen, self._loop.time() - self._ended, self._took, is_idle=is_idle):
            began = time.perf_counter()
            found = gc.collect()
            self._took = time.perf_counter() - began
            self._ended = self._loop.time()
            self._new = 0
            _log.debug("garbage collected", objects=found, seconds=round(self._took, 4))
        elif unseen >= FEW:
            gc.collect(0)
            self._new += unseen
        self._looks = gc.get_count()[1]
        if is_idle and self._ran - self._gave_back >= WORK:
            self._gave_back = self._ran
            give_back()
        self._timer = self._loop.call_later(INTERVAL, self._look)


def is_due(new: int, waited: float, took: float, *, is_idle: bool) -> bool:
    """Is it time for a full look?

    new: containers since the last full one. waited: since that. took: the last one.
    """
    if is_idle:
        return new >= FEW and waited >= IDLE_SHARE * took
    return new >= PILED_UP and waited >= BUSY_SHARE * took
