"""Follows a store: everything at one revision, then each change; everything again whenever the thread is lost.

A connection that comes back may be to a store that compacted, lost or restored what it had, so nothing is taken up
where it was left: the list is read again and compared. After a failure the next try waits, longer each time, with a
random part so that a thousand nodes do not come back at once. Times are seconds.
"""

import asyncio
from contextlib import aclosing
from random import Random
from typing import Final, Protocol

import structlog

from bgpd.datastore.source import SourceState
from bgpd.datastore.store import Batch, Compacted, Snapshot, StoreError, WatchedStore

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class Follower(Protocol):
    """What is told."""

    def replaced(self, snapshot: Snapshot) -> None:
        """All keys, at one revision: there are no others."""

    def changed(self, batch: Batch) -> None:
        """What changed since, in order."""


class Following:
    """Keeps one follower up to date."""

    def __init__(
        self, store: WatchedStore, prefixes: tuple[str, ...], follower: Follower, state: SourceState, random: Random
    ) -> None:
        self._store = store
        self._prefixes = prefixes
        self._follower = follower
        self._state = state
        self._random = random
        self._pause = FIRST_PAUSE
        state.is_connected = False
        state.why = "not asked yet"

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self._once()
            except Compacted as error:
                self._lost(str(error), error.hint)  # the list tells what is still known
            except StoreError as error:
                self._lost(str(error), error.hint)
                await asyncio.sleep(self._pause * self._random.uniform(0.5, 1.5))
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _once(self) -> None:
        """List and watch until that fails."""
        state = self._state
        snapshot = await self._store.snapshot(self._prefixes)
        state.lists += 1
        state.revision = snapshot.revision
        self._follower.replaced(snapshot)
        async with aclosing(self._store.watch(self._prefixes, snapshot.revision + 1)) as batches:
            async for batch in batches:
                if not state.is_connected:
                    self._found()
                state.revision = max(state.revision, batch.revision)
                if batch.changes:
                    self._follower.changed(batch)

    def _found(self) -> None:
        state = self._state
        state.is_connected, state.why, state.endpoint = True, "", self._store.endpoint
        self._pause = FIRST_PAUSE
        _log.info("following etcd", endpoint=state.endpoint, revision=state.revision)

    def _lost(self, why: str, hint: str) -> None:
        state = self._state
        if state.is_connected:
            state.disconnects += 1
        if state.why != why:
            _log.warning("not following etcd", reason=why, hint=hint)
        state.is_connected, state.why = False, why
