"""What was set aside of a peer's routes: counted, the newest reason kept, and logged at a bounded rate."""

import asyncio
from collections import Counter
from typing import Final

import structlog

from bgpd.session.faulty_message import LineLimit

OF_UPDATES: Final = frozenset({"treated as withdraw", "attribute discarded"})
"""Kinds that are reported with the whole message (RFC 7606 section 2)."""


class RouteFaults:
    """Those of one peer. by_kind: counts; last: kind → newest reason, for people."""

    __slots__ = ("_lines", "_loop", "by_kind", "last", "log")

    def __init__(self, loop: asyncio.AbstractEventLoop, log: structlog.typing.FilteringBoundLogger) -> None:
        self.by_kind: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self._loop = loop
        self.log = log
        self._lines = LineLimit()

    def report(self, kind: str, reason: str, **more: str) -> None:
        """Count one, keep the reason, and log it. more: for the log."""
        self.by_kind[kind] += 1
        self.last[kind] = reason
        left = self._lines.left(self._loop.time())
        if left:
            self.log.warning(kind, reason=reason, **more)
        if left == 1:
            self.log.warning("more such lines are left out until the minute is over; counts go on")
