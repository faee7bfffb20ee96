"""An asyncio event loop whose clock jumps to the next timer whenever there is nothing else to do.

Seconds, from 0. Nothing waits: an hour of keepalives takes milliseconds, and the same program runs the same way each
time. Only for code whose octets move in memory: a socket would have to wait for the world.
"""

import asyncio
import selectors
from collections.abc import Callable


class StalledError(AssertionError):
    """Nothing is left that could ever happen."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """The standard loop on virtual time."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual time."""
        return self._now

    def run_for(self, seconds: float) -> None:
        """Let everything happen that is due within so many seconds."""
        self.run_until_complete(asyncio.sleep(seconds))

    def run_until(self, condition: Callable[[], bool], within: float, what: str = "") -> float:
        """Let things happen until the condition holds; return when it did. It is checked every 10 ms."""
        limit = self._now + within
        while not condition():
            if self._now >= limit:
                raise AssertionError(f"not within {within} s: {what or condition}")
            self.run_for(0.01)
        return self._now

    def _jump(self, seconds: float | None) -> None:
        if seconds is None:
            raise StalledError(f"nothing is left to happen at {self._now} s")
        self._now += seconds


class _JumpingSelector(selectors.SelectSelector):
    """Reports what is ready now; instead of waiting for more, moves the clock."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready
