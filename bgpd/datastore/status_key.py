"""Keeps our status key in etcd: under a lease, written when it changed, and not at each change. Times are seconds.

A session that comes or goes is told soon, counts of routes rarely. A lease that is extended costs etcd no write, so a
node at rest writes nothing.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from bgpd.datastore.cluster_status import STATUS_PREFIX, NodeStatus, encode
from bgpd.datastore.lease import Lease, Upkeep
from bgpd.datastore.store import LeasingStore

LEASE: Final = 30
LOOK: Final = 2.0  # between two looks at what is to be told
EXTEND: Final = 10.0  # between two extensions of the lease
COUNTS: Final = 30.0  # at least, between two writes when only counts changed
LONGEST_PAUSE: Final = 15.0


class StatusKey:
    """The status key of one node. writes: so far."""

    def __init__(self, store: LeasingStore, status: Callable[[], NodeStatus], random: Random) -> None:
        self._store = store
        self._status = status
        self._lease = Lease(store, LEASE, EXTEND)
        self._upkeep = Upkeep(self._look, "status key not written", random, every=LOOK, longest=LONGEST_PAUSE)
        self._written: NodeStatus | None = None
        self._written_at = 0.0
        self.writes = 0

    @property
    def why(self) -> str:
        """Why it is not written, empty = it is."""
        return self._upkeep.why

    async def run(self) -> None:
        """Keep it for ever."""
        await self._upkeep.run()

    async def remove(self) -> None:
        """Take the key away, as far as that can be done soon."""
        await self._lease.part()

    async def _look(self) -> None:
        """Do what is due."""
        now = asyncio.get_running_loop().time()
        if await self._lease.hold():
            self._written = None
        status = self._status()
        if self._is_due(status, now):
            await self._store.put(f"{STATUS_PREFIX}{status.node}", encode(status), self._lease.number)
            self._written, self._written_at = status, now
            self.writes += 1

    def _is_due(self, status: NodeStatus, now: float) -> bool:
        if self._written is None or status.gist() != self._written.gist():
            return True
        return now - self._written_at >= COUNTS and status.settled() != self._written.settled()
