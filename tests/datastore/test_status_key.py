"""The status key: when it is written, its lease, and what happens where etcd does not take it. Virtual time."""

import asyncio
from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from bgpd.datastore.cluster_status import STATUS_PREFIX, NodeStatus, decode
from bgpd.datastore.status_key import COUNTS, LEASE, StatusKey
from bgpd.datastore.store import StoreError
from tests.support.virtual_loop import VirtualLoop


class Leases:
    """A ``LeasingStore`` that counts."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.writes: list[tuple[str, bytes]] = []
        self.alive: dict[int, float] = {}  # lease: until when
        self.failing = False
        self.made = 0

    async def grant(self, seconds: int) -> int:
        self._answer()
        self.made += 1
        self.alive[self.made] = self._loop.time() + seconds
        return self.made

    async def keep_alive(self, lease: int) -> bool:
        self._answer()
        if self.alive.get(lease, 0.0) < self._loop.time():
            return False
        self.alive[lease] = self._loop.time() + LEASE
        return True

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        self._answer()
        assert self.alive[lease] >= self._loop.time()
        self.writes.append((key, value))
        return len(self.writes)

    async def revoke(self, lease: int) -> None:
        self._answer()
        del self.alive[lease]

    def _answer(self) -> None:
        if self.failing:
            raise StoreError("etcd: connection refused")


STATUS = NodeStatus("0.1.0", "n1", "10.0.0.1", 64512, 0, ("10.0.0.1",), {"Established": ("10.0.0.2", "10.0.0.3")})


class Kept:
    """A key that is kept, and what it is to say."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.store = Leases(self.loop)
        self.status = STATUS
        self.key = StatusKey(self.store, lambda: self.status, Random(1))
        self._task = self.loop.create_task(self.key.run())
        self.loop.run_for(5)

    def change(self, **fields: object) -> None:
        """Have something else to say."""
        self.status = msgspec.structs.replace(self.status, **fields)

    def close(self) -> None:
        """Stop it."""
        self._task.cancel()
        self.loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))
        self.loop.close()


@pytest.fixture
def kept() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.close()


def test_the_key_stands_and_at_rest_is_not_written_again(kept: Kept) -> None:
    kept.loop.run_for(3600)
    ((key, value),) = kept.store.writes
    assert (key, decode(value)) == (f"{STATUS_PREFIX}n1", STATUS)
    assert kept.store.made == 1


def test_a_lost_session_is_told_within_seconds(kept: Kept) -> None:
    kept.change(sessions={"Established": ("10.0.0.2",), "Connect": ("10.0.0.3",)})
    kept.loop.run_for(3)
    assert len(kept.store.writes) == 2


def test_a_session_that_dials_and_waits_is_not_told_each_time(kept: Kept) -> None:
    kept.change(sessions={"Established": ("10.0.0.2",), "Connect": ("10.0.0.3",)})
    kept.loop.run_for(3)
    for number in range(600):
        state = ("Active", "Idle", "Connect")[number % 3]
        kept.change(sessions={"Established": ("10.0.0.2",), state: ("10.0.0.3",)})
        kept.loop.run_for(1)
    assert len(kept.store.writes) == 2


def test_counts_are_told_rarely(kept: Kept) -> None:
    for number in range(600):
        kept.change(routes={"ipv4-unicast": number})
        kept.loop.run_for(1)
    assert 600 / COUNTS * 0.5 <= len(kept.store.writes) - 1 <= 600 / COUNTS


def test_a_lease_that_ended_while_etcd_was_away_is_replaced(kept: Kept) -> None:
    kept.store.failing = True
    kept.loop.run_for(300)
    assert kept.key.why == "etcd: connection refused"
    kept.store.failing = False
    kept.loop.run_for(30)
    assert kept.key.why == ""
    assert (kept.store.made, len(kept.store.writes)) == (2, 2)


def test_a_fault_of_ours_is_told_and_does_not_leave_the_node_dead_for_the_others(kept: Kept) -> None:
    faults = [RuntimeError("boom")]
    grant = kept.store.grant

    async def broken(seconds: int) -> int:
        if faults:
            raise faults.pop()
        return await grant(seconds)

    kept.store.grant = broken  # type: ignore[method-assign]  # fails once
    kept.store.alive.clear()
    while faults:
        kept.loop.run_for(0.5)
    assert (faults, kept.key.why) == ([], "a fault in bgpd, see its log")
    kept.loop.run_for(30)
    assert (kept.key.why, len(kept.store.writes)) == ("", 2)


def test_the_key_goes_with_the_daemon(kept: Kept) -> None:
    kept.loop.run_until_complete(kept.key.remove())
    assert kept.store.alive == {}


def test_an_etcd_that_is_away_does_not_hold_up_the_end(kept: Kept) -> None:
    kept.store.failing = True
    kept.loop.run_until_complete(kept.key.remove())
