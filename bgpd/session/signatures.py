"""Whether a peer that we wait for dials with another key: the kernel drops its segments and tells nobody whose.

RFC 2385 and 5925. Seconds.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from bgpd.session.sockets import Network

_WAIT: Final = 10.0  # seconds between looks at the kernel's count


class SignatureWatch:
    """Looks from time to time, and tells how many segments were dropped since the last look, if any were."""

    __slots__ = ("_dropped", "_loop", "_network", "_timer")

    def __init__(self, network: Network, loop: asyncio.AbstractEventLoop, dropped: Callable[[int], None]) -> None:
        self._network = network
        self._loop = loop
        self._dropped = dropped
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on."""
        self._timer = self._loop.call_later(_WAIT, self._look, self._network.unsigned_segments())

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: int | None) -> None:
        self.start()
        now = self._network.unsigned_segments()
        if before is not None and now is not None and now > before:
            self._dropped(now - before)
