"""Calico's keys in a real etcd that is killed, wiped, compacted, frozen or loses members: what a node makes of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bgpd.addresses import format_address
from bgpd.config import Resolved
from bgpd.datastore import etcd
from bgpd.datastore.calico import Cluster, prefixes
from bgpd.datastore.cluster_source import ClusterSource
from bgpd.datastore.etcd import Etcd
from bgpd.datastore.secret_files import SecretFiles
from bgpd.datastore.store import Batch, StoreError
from tests.support.daemon import free_port
from tests.support.etcd import EtcdCluster
from tests.support.slow_etcd import SlowEtcd

pytestmark = pytest.mark.etcd

PATIENCE = 40.0
NODES = "/calico/resources/v3/projectcalico.org/nodes"


def node(number: int) -> bytes:
    spec = {"bgp": {"ipv4Address": f"10.0.0.{number}/24"}}
    return json.dumps({"kind": "Node", "metadata": {"name": f"n{number}"}, "spec": spec}).encode()


class Follower:
    """The source of node n1, and the configurations that it came to."""

    def __init__(self, directory: Path, etcd: Etcd) -> None:
        self._file = directory / "bgp.toml"
        self._file.write_text('[node]\nname = "n1"\n[etcd]\nendpoints = ["http://127.0.0.1:2379"]\n')
        self.etcd = etcd
        self.source = ClusterSource(self._file, self.etcd, Cluster("n1"), prefixes("n1"), SecretFiles(""), Random(1))
        self.seen: list[Resolved] = []
        self._task = asyncio.get_running_loop().create_task(self._collect())

    @property
    def peers(self) -> list[int]:
        """The numbers of the nodes that we peer with now."""
        if not self.seen:
            return []
        return sorted(int(format_address(peer.address).rpartition(".")[2]) for peer in self.seen[-1].peers)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Stop it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.source.close()
        await self.etcd.close()

    async def _collect(self) -> None:
        self.seen.append(await self.source.start())
        async for config in self.source.changes():
            self.seen.append(config)


async def write(client: Etcd, *numbers: int) -> None:
    """Write nodes, however often that has to be tried."""
    for number in numbers:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await client.put(f"{NODES}/n{number}", node(number))
                    break
                except StoreError:
                    await asyncio.sleep(0.1)


async def delete(client: Etcd, number: int) -> None:
    entry = await client.get(f"{NODES}/n{number}")
    assert entry is not None
    await client.delete_if(f"{NODES}/n{number}", entry.revision)


class Lab:
    """An etcd and a follower of it, and a client that changes what is in it."""

    def __init__(self, directory: Path, members: int) -> None:
        self.etcd = EtcdCluster(directory, members)
        self.client = self.etcd.client(seed=7)
        self._directory = directory
        self.follower: Follower

    async def start(self) -> None:
        """Write three nodes and follow."""
        await self.etcd.answering(self.client)
        await write(self.client, 1, 2, 3)
        self.follower = Follower(self._directory, self.etcd.client())
        await self.follower.until(lambda: self.follower.peers == [2, 3])
        await self.follower.until(lambda: self.follower.source.state.is_connected)

    async def close(self) -> None:
        """End it all."""
        await self.follower.close()
        await self.client.close()


@pytest.fixture
async def single(tmp_path: Path) -> AsyncGenerator[Lab, None]:
    lab = Lab(tmp_path, 1)
    try:
        await lab.start()
        yield lab
        await lab.close()
    finally:
        lab.etcd.close()


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncGenerator[Lab, None]:
    lab = Lab(tmp_path, 3)
    try:
        await lab.start()
        yield lab
        await lab.close()
    finally:
        lab.etcd.close()


async def test_a_restart_with_compaction_and_changes_while_we_were_away(single: Lab) -> None:
    follower, member = single.follower, single.etcd.members[0]
    member.stop()
    await follower.until(lambda: not follower.source.state.is_connected)
    assert follower.peers == [2, 3]
    ours = member.url
    member.url = f"http://127.0.0.1:{free_port()}"  # the follower does not see what happens there
    single.etcd.start(member)
    elsewhere = single.etcd.client()
    await single.etcd.answering(elsewhere)
    await write(elsewhere, 4)
    await delete(elsewhere, 2)
    await elsewhere.put(f"{NODES}/n3", b"{corrupted")
    revision = await elsewhere.put("/other", b"x")
    single.etcd.etcdctl("compact", str(revision))
    await elsewhere.close()
    member.stop()
    assert follower.peers == [2, 3]
    member.url = ours
    single.etcd.start(member)
    await follower.until(lambda: follower.peers == [3, 4])
    await follower.until(lambda: f"{NODES}/n3" in follower.source.state.problems)
    assert follower.source.state.disconnects == 1


async def test_an_etcd_that_lost_everything_takes_no_session_away(single: Lab) -> None:
    follower, member = single.follower, single.etcd.members[0]
    member.stop()
    member.erase()
    single.etcd.start(member)
    await follower.until(lambda: bool(follower.source.state.waiting))
    assert follower.peers == [2, 3]
    await write(single.client, 1, 2, 5)
    await follower.until(lambda: follower.peers == [2, 5])


async def test_members_that_go_one_after_the_other_are_not_missed(trio: Lab) -> None:
    follower = trio.follower
    for number, member in enumerate(trio.etcd.members, 10):
        member.stop()  # each has led or been followed by now
        await write(trio.client, number)
        await follower.until(lambda number=number: number in follower.peers)
        trio.etcd.start(member)
        alone = trio.etcd.client()
        await trio.etcd.answering(alone)
        await alone.close()
    assert follower.peers == [2, 3, 10, 11, 12]
    assert all(len(one.peers) >= 2 for one in follower.seen)


async def test_two_lost_of_three_change_nothing_until_one_is_back(trio: Lab) -> None:
    follower = trio.follower
    for member in trio.etcd.members[:2]:
        member.stop()
    await follower.until(lambda: not follower.source.state.is_connected)
    assert follower.source.state.why
    assert follower.peers == [2, 3]
    trio.etcd.start(trio.etcd.members[0])
    await write(trio.client, 9)
    await follower.until(lambda: follower.peers == [2, 3, 9])


async def test_a_member_that_says_nothing_any_more_is_left(trio: Lab) -> None:
    follower = trio.follower
    followed = next(member for member in trio.etcd.members if member.url == follower.source.state.endpoint)
    followed.freeze()
    await write(trio.client, 8)
    await follower.until(lambda: follower.peers == [2, 3, 8])
    assert follower.source.state.endpoint != followed.url


class Forgetful(Etcd):
    """A client of an etcd that is compacted between the first list and the watch that follows it."""

    compact: Callable[[], None] | None = None

    def watch(self, prefixes: Iterable[str], revision: int) -> AsyncGenerator[Batch, None]:
        if self.compact is not None:
            self.compact()
            self.compact = None
        return super().watch(prefixes, revision)


async def test_a_compaction_between_list_and_watch_is_answered_by_another_list(tmp_path: Path) -> None:
    cluster = EtcdCluster(tmp_path)
    writer = cluster.client(seed=7)
    forgetful = Forgetful(cluster.settings(), Random(1))
    try:
        await cluster.answering(writer)
        await write(writer, 1, 2)

        def change_and_compact() -> None:
            for number in (3, 4):
                cluster.etcdctl("put", f"{NODES}/n{number}", node(number).decode())
            revision = json.loads(cluster.etcdctl("get", "/", "-w", "json"))["header"]["revision"]
            cluster.etcdctl("compact", str(revision))

        forgetful.compact = change_and_compact
        follower = Follower(tmp_path, forgetful)
        await follower.until(lambda: follower.peers == [2, 3, 4])
        await follower.until(lambda: follower.source.state.is_connected)
        assert follower.source.state.lists == 2
        await write(writer, 5)
        await follower.until(lambda: follower.peers == [2, 3, 4, 5])
        await follower.close()
        await writer.close()
    finally:
        cluster.close()


async def test_an_etcd_whose_answers_always_come_too_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "TIMEOUT", 0.2)
    monkeypatch.setattr(etcd, "QUIET", 0.5)
    cluster = EtcdCluster(tmp_path)
    writer = cluster.client(seed=7)
    slow = SlowEtcd(cluster.members[0].url, 0.5)
    try:
        await cluster.answering(writer)
        await write(writer, 1, 2)
        await slow.start()
        follower = Follower(tmp_path, cluster.client(replace(cluster.settings(), endpoints=(slow.url,))))
        await follower.until(lambda: follower.source.state.is_connected and follower.peers == [2])
        for number in (3, 4):
            await write(writer, number)
            await follower.until(lambda number=number: number in follower.peers)
        lists = follower.source.state.lists
        slow.delay = 0.0
        await write(writer, 5)
        await follower.until(lambda: follower.peers == [2, 3, 4, 5])
        assert follower.source.state.lists == lists
        await follower.close()
        await writer.close()
    finally:
        await slow.close()
        cluster.close()
