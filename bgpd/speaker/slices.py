"""Work on whole tables in bounded slices, so that no callback keeps the loop from sessions and timers.

A job is an iterator that does a little with each ``next``. Jobs run one after the other, in order: a later one sees
what the earlier ones left.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

BUDGET: Final = 0.008  # seconds of work a callback may do


class Slicer:
    """Runs jobs on the loop, a few milliseconds at a time. turns: how often it did."""

    __slots__ = ("_jobs", "_loop", "_scheduled", "turns")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turns = 0
        self._loop = loop
        self._jobs: deque[Iterator[None]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Iterator[None]) -> None:
        """Run the job after those that wait; its first slice is not run here."""
        self._jobs.append(job)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self.turns += 1
        try:
            self._work()
        finally:  # a job that failed is over, and no reason for the others to wait for ever
            if self._jobs:
                self._loop.call_soon(self._run)
            else:
                self._scheduled = False

    def _work(self) -> None:
        clock, jobs = self._loop.time, self._jobs
        end = clock() + BUDGET
        while jobs:
            try:
                next(jobs[0])
            except StopIteration:
                jobs.popleft()
            if clock() >= end:
                return
