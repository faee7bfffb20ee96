"""File and store together: the first whole configuration, changes gathered, what happens when the store is away."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from random import Random

import pytest

from bgpd.config import ConfigError, Resolved
from bgpd.datastore import following
from bgpd.datastore.cluster_source import ClusterSource
from bgpd.datastore.secret_files import SecretFiles
from bgpd.datastore.store import Compacted, StoreError
from tests.support.cluster_model import MemoryStore, PeerList

LOCAL = """
[node]
name = "n1"
addresses = ["10.0.0.1/24"]
[etcd]
endpoints = ["http://127.0.0.1:2379"]
"""
PATIENCE = 5.0


class Followed:
    """A source whose configurations are collected as they come."""

    def __init__(self, directory: Path, store: MemoryStore) -> None:
        self.file = directory / "bgp.toml"
        self.file.write_text(LOCAL)
        self.secrets = directory / "secrets"
        self.store = store
        self.model = PeerList()
        self.source = ClusterSource(self.file, store, self.model, ("/c/",), SecretFiles(str(self.secrets)), Random(1))
        self.seen: list[Resolved] = []
        self._task = asyncio.get_running_loop().create_task(self._collect())

    @property
    def peers(self) -> list[str]:
        """The peers that the last configuration has."""
        return [peer.name for peer in self.seen[-1].peers]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Stop it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.source.close()

    async def _collect(self) -> None:
        self.seen.append(await self.source.start())
        async for config in self.source.changes():
            self.seen.append(config)


Follow = Callable[[MemoryStore], Followed]


@pytest.fixture
async def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Follow, None]:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.01)
    made: list[Followed] = []

    def start(store: MemoryStore) -> Followed:
        made.append(Followed(tmp_path, store))
        return made[-1]

    yield start
    for one in made:
        await one.close()


async def test_the_first_configuration_is_file_and_store_together(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: bool(one.seen))
    assert (one.seen[0].node.name, one.seen[0].node.asn, one.peers) == ("n1", 64512, ["b"])
    await one.until(lambda: one.source.state.is_connected)
    assert (one.source.state.waiting, one.source.state.why, one.source.state.revision) == ("", "", 1)
    assert one.source.state.notices == ("1 peers",)


async def test_it_waits_for_what_has_to_be_there_and_says_so(follow: Follow) -> None:
    one = follow(MemoryStore(b="10.0.0.2"))
    await one.until(lambda: one.source.state.waiting == "no key /c/us")
    assert one.seen == []
    one.store.change("us", "64512")
    await one.until(lambda: bool(one.seen))
    assert one.source.state.waiting == ""


async def test_it_waits_for_a_store_that_does_not_answer(follow: Follow) -> None:
    store = MemoryStore(us="64512")
    store.failing = StoreError("memory: connection refused")
    one = follow(store)
    await one.until(lambda: store.lists > 3)
    assert (one.source.state.is_connected, one.source.state.why) == (False, "memory: connection refused")
    with pytest.raises(ConfigError, match="etcd has not answered"):
        await one.source.reload()
    store.failing = None
    await one.until(lambda: bool(one.seen))


async def test_a_burst_of_changes_is_one_configuration(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    for number in range(2, 202):
        one.store.change(f"p{number}", f"10.0.0.{number}")
    await one.until(lambda: len(one.peers) == 200)
    assert len(one.seen) <= 3


async def test_a_change_that_means_nothing_gives_no_configuration(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    asked = one.model.resolved
    one.store.change("b", "10.0.0.2")
    await one.until(lambda: one.model.resolved > asked)
    one.store.change("c", "10.0.0.3")
    await one.until(lambda: one.peers == ["b", "c"])
    assert len(one.seen) == 2


async def test_a_value_that_cannot_be_used_is_told_by_its_key_and_changes_nothing(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    one.store.change("b", "hunter2")
    await one.until(lambda: bool(one.source.state.problems))
    assert one.source.state.problems["/c/b"].why == "expected an address"
    assert len(one.seen) == 1
    one.store.change("b", "10.0.0.9")
    await one.until(lambda: len(one.seen) == 2)
    assert one.source.state.problems == {}


@pytest.mark.parametrize("error", [StoreError("gone"), Compacted("compacted")])
async def test_what_changed_while_we_were_away_is_found_by_comparing(follow: Follow, error: StoreError) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2", c="10.0.0.3"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    one.store.change_unseen("b", None)
    one.store.change_unseen("c", "nonsense")
    one.store.change_unseen("d", "10.0.0.4")
    one.store.fail(error)
    await one.until(lambda: one.peers == ["c", "d"])
    assert (one.store.lists, one.source.state.lists, one.source.state.disconnects) == (2, 2, 1)
    assert list(one.source.state.problems) == ["/c/c"]


async def test_a_store_that_is_away_changes_nothing_and_is_tried_again_ever_more_slowly(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    one.store.fail(StoreError("memory: no answer in time"), for_good=True)
    await one.until(lambda: one.store.lists > 5)
    assert (len(one.seen), one.source.state.is_connected, one.source.state.disconnects) == (1, False, 1)
    assert one.source.state.why == "memory: no answer in time"
    one.store.failing = None
    one.store.change_unseen("c", "10.0.0.3")
    await one.until(lambda: len(one.seen) == 2)
    assert one.peers == ["b", "c"]


async def test_a_store_that_lost_all_takes_nothing_away(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    one.store.values.clear()
    one.store.fail(StoreError("gone"))
    await one.until(lambda: one.source.state.waiting == "no key /c/us")
    assert len(one.seen) == 1


async def test_a_cluster_that_contradicts_the_file_leaves_the_former_configuration(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    one.store.change("twin", "10.0.0.2")
    await one.until(lambda: bool(one.source.state.refused))
    assert "10.0.0.2" in one.source.state.refused
    one.store.change("twin", None)
    await one.until(lambda: not one.source.state.refused)
    assert len(one.seen) == 1


async def test_the_mesh_is_known_only_while_what_etcd_says_is_in_force(follow: Follow) -> None:
    """Else a node would decide about roles from what it saw last, which may be hours ago."""
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.mesh_in_force is not None)
    one.store.change("twin", "10.0.0.2")
    await one.until(lambda: bool(one.source.state.refused))
    assert one.source.mesh_in_force is None
    one.store.change("twin", None)
    await one.until(lambda: one.source.mesh_in_force is not None)
    one.store.fail(StoreError("memory: connection refused"), for_good=True)
    await one.until(lambda: not one.source.state.is_connected)
    assert one.source.mesh is not None
    assert one.source.mesh_in_force is None


async def test_a_fault_of_ours_leaves_the_former_configuration_and_the_next_change_is_looked_at(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))

    def broken(key: str, value: bytes) -> None:
        raise IndexError(key)

    with monkeypatch.context() as patch:
        patch.setattr(one.model, "put", broken)
        one.store.change("c", "10.0.0.3")
        await one.until(lambda: "a fault in bgpd" in one.source.state.refused)
    assert len(one.seen) == 1
    one.store.change("d", "10.0.0.4")
    await one.until(lambda: one.peers == ["b", "c", "d"])
    assert one.source.state.refused == ""


async def test_a_reload_reads_the_file_and_the_secrets_again(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    (one.secrets / "mesh").mkdir(parents=True)
    (one.secrets / "mesh" / "b").write_text("sesame\n")
    one.file.write_text(LOCAL + '[[network]]\nprefix = "10.65.0.0/24"\n')
    config = await one.source.reload()
    assert (len(config.networks), config.peers[0].password) == (1, "sesame")
    one.file.write_text("nonsense")
    with pytest.raises(ConfigError, match="not TOML"):
        await one.source.reload()
    one.store.change("c", "10.0.0.3")
    await one.until(lambda: one.peers == ["b", "c"])
    assert len(one.seen[-1].networks) == 1


async def test_changed_keys_are_tried_and_leave_no_trace(follow: Follow) -> None:
    one = follow(MemoryStore(us="64512", b="10.0.0.2"))
    await one.until(lambda: one.source.state.is_connected and bool(one.seen))
    source = one.source
    planned = await source.plan(None, "", {"/c/b": None, "/c/c": b"10.0.0.3"})
    assert [peer.name for peer in planned.peers] == ["c"]
    with_network = LOCAL + '[[network]]\nprefix = "10.65.0.0/24"\n'
    assert len((await source.plan(with_network, "x.toml", {})).networks) == 1
    with pytest.raises(ConfigError, match="etcd: /c/b: expected an address"):
        await source.plan(None, "", {"/c/b": b"nonsense", "/c/d": b"10.0.0.4"})
    assert (await source.plan(None, "", {})).peers == one.seen[-1].peers
    assert len(one.seen) == 1
    one.store.change("b", "broken")
    await one.until(lambda: bool(source.state.problems))
    with pytest.raises(ConfigError, match="mend it first"):
        await source.plan(None, "", {"/c/b": b"10.0.0.9"})
