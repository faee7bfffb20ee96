"""What lives in etcd as long as we do: a lease that is extended, and the task that keeps looking after it.

Times are seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Final

import structlog

from bgpd.datastore.store import LeasingStore, StoreError

FAREWELL: Final = 1.0  # at most, for ending a lease
_JITTER: Final = 0.2  # share of a pause

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class Lease:
    """One lease. lives: how long after the last extension. extend: between two of them. number: 0 = there is none."""

    def __init__(self, store: LeasingStore, lives: int, extend: float) -> None:
        self._store = store
        self._lives = lives
        self._extend = extend
        self._extended_at = 0.0
        self.number = 0

    async def hold(self) -> bool:
        """Extend it if that is due; return whether it is another one now, under which nothing stands yet.

        An extension costs etcd no write. Raises StoreError.
        """
        now = asyncio.get_running_loop().time()
        if self.number and now - self._extended_at >= self._extend:
            if not await self._store.keep_alive(self.number):
                self.number = 0
            self._extended_at = now
        if self.number:
            return False
        self.number = await self._store.grant(self._lives)
        self._extended_at = now
        return True

    async def end(self) -> None:
        """End it, and the keys under it with it. Raises StoreError."""
        if self.number:
            number, self.number = self.number, 0
            await self._store.revoke(number)

    async def part(self) -> None:
        """End it as far as that can be done soon: it ends by itself where etcd does not answer."""
        with suppress(StoreError, TimeoutError):
            await asyncio.wait_for(self.end(), FAREWELL)


class Upkeep:
    """Does something again and again, as well as etcd lets it.

    look: does what is due; may raise StoreError. event: what the log says when it fails. every, longest: pauses, when
    it works and at most when it does not. why: why it does not work, empty = it does.
    """

    def __init__(
        self, look: Callable[[], Awaitable[None]], event: str, random: Random, *, every: float, longest: float
    ) -> None:
        self._look = look
        self._event = event
        self._random = random
        self._every = every
        self._longest = longest
        self.why = ""

    async def run(self) -> None:
        """Go on for ever."""
        pause = self._every
        while True:
            why = ""
            try:
                await self._look()
            except StoreError as error:
                why = str(error)
                if self.why != why:
                    _log.warning(self._event, reason=why, hint=error.hint)
            except Exception:  # the root of a task: without it the node would be dead for the others, unnoticed
                why = "a fault in bgpd, see its log"
                if self.why != why:
                    _log.exception(f"a fault in bgpd: {self._event}")
            self.why = why
            pause = min(pause * 2, self._longest) if why else self._every
            await asyncio.sleep(pause * self._random.uniform(1 - _JITTER, 1 + _JITTER))
