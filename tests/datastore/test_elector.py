"""One node's part in elections, written to a store: leases, transactions, and a store that is away."""

import asyncio
from collections.abc import Collection
from random import Random

import pytest

from bgpd.datastore import elector as module
from bgpd.datastore import role_keys
from bgpd.datastore.elector import Elector, resign
from bgpd.datastore.store import Conflict, Entry, StoreError
from bgpd.reflector.election import MeshNode, MeshView, Rules
from bgpd.reflector.roles import Member, Mode, Phase, Role, Roles

RULES = Rules(above=2, count=1)
KEYS = role_keys.ElectionKeys()
NODES = {name: MeshNode("", ()) for name in "abc"}


class MemoryStore:
    """An ``ElectingStore``. failing: what every request gets. ended: leases that are no more."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.leases: dict[str, int] = {}
        self.revision = 0
        self.granted = 0
        self.ended: set[int] = set()
        self.failing: StoreError | None = None

    async def grant(self, seconds: int) -> int:
        self._answer()
        self.granted += 1
        return self.granted

    async def keep_alive(self, lease: int) -> bool:
        self._answer()
        return lease not in self.ended

    async def revoke(self, lease: int) -> None:
        self._answer()
        self.ended.add(lease)
        for key in [key for key, owner in self.leases.items() if owner == lease]:
            del self.leases[key], self.entries[key]

    async def get(self, key: str) -> Entry | None:
        self._answer()
        return self.entries.get(key)

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        self._answer()
        self.revision += 1
        self.entries[key] = Entry(value, self.revision)
        if lease:
            self.leases[key] = lease
        return self.revision

    async def put_if(self, key: str, value: bytes, revision: int, lease: int = 0) -> int:
        self._check(key, revision)
        return await self.put(key, value, lease)

    async def delete_if(self, key: str, revision: int) -> int:
        self._check(key, revision)
        del self.entries[key]
        return self.revision

    def roles(self) -> Roles:
        return KEYS.decode({key: entry.value for key, entry in self.entries.items()})

    def _check(self, key: str, revision: int) -> None:
        entry = self.entries.get(key)
        if (entry.revision if entry is not None else 0) != revision:
            raise Conflict("changed")

    def _answer(self) -> None:
        if self.failing is not None:
            raise self.failing


class Ready:
    """Sessions that are all up, and routes that rest on none."""

    def are_up(self, nodes: Collection[str]) -> bool:
        return True

    def has_any(self, nodes: Collection[str]) -> bool:
        return True

    def reaches_any(self, nodes: Collection[str]) -> bool:
        return True

    def rests_on(self, nodes: Collection[str]) -> bool:
        return False

    def rests_on_reflection(self, reflectors: Collection[str]) -> bool:
        return False


class Part:
    """An elector, and what it sees."""

    def __init__(self, me: str, store: MemoryStore, rules: Rules | None = RULES) -> None:
        self.store, self.me, self.rules = store, me, rules
        self.frozen: Roles | None = None
        self.is_blind = self.is_drained = False
        self.elector = Elector(store, KEYS, self._view, Ready(), Random(1))

    def _view(self) -> MeshView | None:
        if self.is_blind:
            return None
        return MeshView(self.me, self.rules, NODES, self.frozen or self.store.roles(), is_drained=self.is_drained)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.reflector.election.GRACE", 0.0)
    monkeypatch.setattr(module, "EXTEND", 0.0)


async def test_a_node_lives_declares_itself_takes_the_role_and_serves() -> None:
    store = MemoryStore()
    one, other = Part("a", store), Part("b", store)
    for part in (one, other, one, other, one, other, one, other):
        await part.elector.look()
    assert store.roles() == Roles(
        {0: Role("a", Phase.SERVING)},
        {"a": Member(), "b": Member(Mode.REFLECTED)},
        {"a": True, "b": True},
    )
    assert store.leases == {KEYS.alive("a"): 1, KEYS.alive("b"): 2}


async def test_of_two_that_want_a_role_one_gets_it() -> None:
    store = MemoryStore()
    alive = Roles(alive={"a": True})
    one, other = Part("a", store), Part("b", store)
    one.frozen, other.frozen = alive, Roles(alive={"b": True})  # each sees itself alone
    for part in (one, other, one, other):
        await part.elector.look()
    assert store.roles().roles == {0: Role("a", Phase.PREPARING)}


async def test_a_lease_that_ended_is_taken_anew_and_what_stood_under_it_is_written_again() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await part.elector.look()
    await store.revoke(1)
    assert store.roles().alive == {}
    await part.elector.look()
    assert (store.roles().alive, store.granted) == ({"a": True}, 2)


async def test_a_node_that_would_not_reflect_any_more_says_so() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await part.elector.look()
    part.rules = Rules(above=2, count=1, is_candidate=False)
    await part.elector.look()
    assert store.roles().alive == {"a": False}


async def test_who_takes_no_part_writes_nothing_and_who_ends_to_leaves_nothing() -> None:
    store = MemoryStore()
    part = Part("a", store, rules=None)
    await part.elector.look()
    assert store.entries == {}
    part.rules = RULES
    await part.elector.look()
    part.rules = None
    for _ in range(3):
        await part.elector.look()
    assert store.entries == {}


async def test_nobody_waits_for_a_node_that_is_drained_and_has_no_role() -> None:
    """Its sessions are closed, so who is to reflect could wait for them for ever."""
    store = MemoryStore()
    part = Part("a", store)
    await part.elector.look()
    part.is_drained = True
    part.rules = Rules(above=2, count=1, is_candidate=False)
    await part.elector.look()
    assert (store.roles().alive, store.roles().members) == ({}, {"a": Member()})
    part.is_drained, part.rules = False, RULES
    await part.elector.look()
    assert store.roles().alive == {"a": True}


async def test_a_drained_reflector_lives_until_it_has_left() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await store.put(KEYS.role(0), role_keys.encode_role(Role("a", Phase.SERVING)))
    part.is_drained, part.rules = True, Rules(above=2, count=1, is_candidate=False)
    await part.elector.look()
    assert store.roles().alive == {"a": False}
    for _ in range(3):
        await part.elector.look()
    assert (store.roles().alive, store.roles().roles) == ({}, {})


async def test_a_key_that_somebody_deleted_under_the_lease_is_written_again() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await part.elector.look()
    del store.entries[KEYS.alive("a")]
    await part.elector.look()
    assert (store.roles().alive, store.granted) == ({"a": True}, 1)


async def test_a_late_view_writes_no_role_twice() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await store.put(KEYS.role(0), role_keys.encode_role(Role("a", Phase.PREPARING)))
    part.frozen = Roles({0: Role("a", Phase.PREPARING)}, {"a": Member()}, {"a": True})
    await part.elector.look()
    written = store.entries[KEYS.role(0)]
    await part.elector.look()
    assert store.roles().roles == {0: Role("a", Phase.SERVING)}
    assert store.entries[KEYS.role(0)] == written


async def test_a_fault_of_ours_is_told_and_the_next_look_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.005)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)
    store = MemoryStore()
    part = Part("a", store)
    faults = [RuntimeError("boom")]

    async def grant(seconds: int) -> int:
        if faults:
            raise faults.pop()
        return 1

    monkeypatch.setattr(store, "grant", grant)
    task = asyncio.get_running_loop().create_task(part.elector.run())
    async with asyncio.timeout(5):
        while not part.elector.why:
            await asyncio.sleep(0.001)
        while part.elector.why or not store.roles().members:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_node_that_stops_is_dead_at_once() -> None:
    store = MemoryStore()
    part = Part("a", store)
    await part.elector.look()
    await part.elector.close()
    assert store.roles().alive == {}
    assert store.roles().members == {"a": Member()}


async def test_a_store_that_is_away_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.005)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)
    store = MemoryStore()
    store.failing = StoreError("memory: connection refused")
    part = Part("a", store)
    task = asyncio.get_running_loop().create_task(part.elector.run())
    async with asyncio.timeout(5):
        while part.elector.why != "memory: connection refused":
            await asyncio.sleep(0.005)
        store.failing = None
        while part.elector.why or not store.roles().members:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_decided_while_the_cluster_is_not_seen() -> None:
    store = MemoryStore()
    part = Part("a", store)
    part.is_blind = True
    await part.elector.look()
    assert store.entries == {}


async def test_a_daemon_without_the_option_takes_back_what_an_earlier_one_declared() -> None:
    store = MemoryStore()
    await store.put(KEYS.member("a"), role_keys.encode_member(Member(Mode.REFLECTED)))
    await resign(store, KEYS, "a")
    await resign(store, KEYS, "a")
    assert store.entries == {}


def test_keys_that_cannot_be_read_count_as_absent() -> None:
    values = {
        f"{KEYS.start}roles/0": b"{",
        f"{KEYS.start}roles/x": role_keys.encode_role(Role("a", Phase.SERVING)),
        f"{KEYS.start}roles/1": b'{"holder": "a", "phase": "dancing"}',
        f"{KEYS.start}roles/2": role_keys.encode_role(Role("b", Phase.RETIRING)),
        f"{KEYS.start}roles/02": role_keys.encode_role(Role("c", Phase.SERVING)),  # would hide 2
        f"{KEYS.start}roles/{'9' * 5000}": role_keys.encode_role(Role("a", Phase.SERVING)),  # int() refuses it
        f"{KEYS.start}roles/3": b'{"x":' + b"[" * 100_000,
        f"{KEYS.start}members/a": b"[]",
        f"{KEYS.start}alive/a": b"1",
        "/calico/other": b"x",
    }
    assert KEYS.decode(values) == Roles({2: Role("b", Phase.RETIRING)})


def test_clusters_that_share_an_etcd_elect_each_for_itself() -> None:
    one, other, nested = (role_keys.ElectionKeys(prefix) for prefix in ("/calico", "/calico2", "/calico/roles"))
    values = {
        keys.role(number): role_keys.encode_role(Role("a", Phase.SERVING))
        for number, keys in enumerate((one, other, nested))
    }
    assert [list(keys.decode(values).roles) for keys in (one, other, nested)] == [[0], [1], [2]]
    assert [[key.startswith(keys.start) for key in values].count(True) for keys in (one, other, nested)] == [1, 1, 1]


async def test_a_role_that_cannot_be_read_is_free() -> None:
    store = MemoryStore()
    await store.put(KEYS.role(0), b"{")
    part = Part("a", store)
    for _ in range(4):
        await part.elector.look()
    assert store.roles().roles[0].holder == "a"
