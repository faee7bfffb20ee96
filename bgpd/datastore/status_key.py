"""Keeps our status key in etcd: under a lease, written when it changed, and not at each change. Times are seconds.

A session that comes or goes is told soon, counts of routes rarely. A lease that is extended costs etcd no write, so a
node at rest writes nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

import structlog

from bgpd.datastore.cluster_status import STATUS_PREFIX, NodeStatus, encode
from bgpd.datastore.store import LeasingStore, StoreError

LEASE: Final = 30
LOOK: Final = 2.0  # between two looks at what is to be told
EXTEND: Final = 10.0  # between two extensions of the lease
COUNTS: Final = 30.0  # at least, between two writes when only counts changed
LONGEST_PAUSE: Final = 15.0
FAREWELL: Final = 1.0  # at most, for taking the key away

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class StatusKey:
    """The status key of one node. why: why it is not written, empty = it is. writes: so far."""

    def __init__(self, store: LeasingStore, status: Callable[[], NodeStatus], random: Random) -> None:
        self._store = store
        self._status = status
        self._random = random
        self._lease = 0
        self._extended_at = 0.0
        self._written: NodeStatus | None = None
        self._written_at = 0.0
        self.why = ""
        self.writes = 0

    async def run(self) -> None:
        """Keep it for ever."""
        pause = LOOK
        while True:
            why = ""
            try:
                await self._look()
            except StoreError as error:
                why = str(error)
                if self.why != why:
                    _log.warning("status key not written", reason=why, hint=error.hint)
            except Exception:  # the root of a task: without it the node would be dead for the others, unnoticed
                why = "a fault in bgpd, see its log"
                if self.why != why:
                    _log.exception("a fault in bgpd: status key not written")
            self.why = why
            pause = min(pause * 2, LONGEST_PAUSE) if why else LOOK
            await asyncio.sleep(pause * self._random.uniform(0.8, 1.2))

    async def remove(self) -> None:
        """Take the key away, as far as that can be done soon."""
        if self._lease:
            with suppress(StoreError, TimeoutError):  # it ends by itself where etcd does not answer
                await asyncio.wait_for(self._store.revoke(self._lease), FAREWELL)

    async def _look(self) -> None:
        """Do what is due."""
        now = asyncio.get_running_loop().time()
        if self._lease and now - self._extended_at >= EXTEND:
            if not await self._store.keep_alive(self._lease):
                self._lease = 0
            self._extended_at = now
        if not self._lease:
            self._lease = await self._store.grant(LEASE)
            self._extended_at = now
            self._written = None
        status = self._status()
        if self._is_due(status, now):
            await self._store.put(f"{STATUS_PREFIX}{status.node}", encode(status), self._lease)
            self._written, self._written_at = status, now
            self.writes += 1

    def _is_due(self, status: NodeStatus, now: float) -> bool:
        if self._written is None or status.gist() != self._written.gist():
            return True
        return now - self._written_at >= COUNTS and status.settled() != self._written.settled()
