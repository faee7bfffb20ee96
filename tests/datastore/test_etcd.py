"""The client of etcd against a real one: reads at one revision, watches, leases, TLS, users, members that go."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from bgpd.datastore import etcd
from bgpd.datastore.etcd import Etcd
from bgpd.datastore.store import Batch, Compacted, Conflict, Entry, StoreError
from tests.support.etcd import PATIENCE, EtcdCluster, Tls

pytestmark = pytest.mark.etcd


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path_factory.mktemp("etcd"))
    yield cluster
    cluster.close()


@pytest.fixture
async def client(single: EtcdCluster) -> AsyncGenerator[Etcd, None]:
    made = single.client()
    await single.answering(made)
    yield made
    await made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EtcdCluster]:
    """A member that a test may harm."""
    cluster = EtcdCluster(tmp_path)
    yield cluster
    cluster.close()


async def following(watch: AsyncGenerator[Batch, None], changes: int) -> list[tuple[str, bytes | None]]:
    found: list[tuple[str, bytes | None]] = []
    async with asyncio.timeout(PATIENCE), aclosing(watch):
        async for batch in watch:
            found += batch.changes
            if len(found) >= changes:
                break
    return found


async def test_what_was_written_is_read(client: Etcd) -> None:
    revision = await client.put("/a/one", b"1")
    assert await client.get("/a/one") == Entry(b"1", revision)
    assert await client.get("/a/two") is None


async def test_a_snapshot_of_several_prefixes_is_of_one_revision(client: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "PAGE", 3)
    for number in range(10):
        await client.put(f"/s/a/{number}", b"%d" % number)
    await client.put("/s/b/x", b"old")
    reading = client.snapshot(["/s/a/", "/s/b/", "/s/none/"])
    snapshot = await reading
    assert snapshot.values == {f"/s/a/{number}": b"%d" % number for number in range(10)} | {"/s/b/x": b"old"}
    assert await client.put("/s/b/x", b"new") == snapshot.revision + 1


async def test_pages_are_of_the_first_ones_revision(client: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "PAGE", 2)
    for number in range(5):
        await client.put(f"/p/{number}", b"old")
    pages = client._pages("/p/", 0)
    first = await anext(pages)
    await client.put("/p/4", b"new")
    values = [one.value for one in first.kvs] + [one.value async for page in pages for one in page.kvs]
    assert values == [b"old"] * 5


async def test_a_watch_tells_every_change_after_a_revision_in_order(client: Etcd) -> None:
    start = await client.put("/w/1", b"a")
    await client.put("/w/1", b"b")
    await client.put("/other", b"c")
    await client.put("/w2/x", b"d")
    entry = await client.get("/w/1")
    assert entry is not None
    await client.delete_if("/w/1", entry.revision)
    found = await following(client.watch(["/w/", "/w2/"], start + 1), 3)
    assert [change for change in found if change[0] == "/w/1"] == [("/w/1", b"b"), ("/w/1", None)]
    assert ("/w2/x", b"d") in found


async def test_a_watch_says_that_it_stands_before_anything_changes(client: Etcd) -> None:
    watch = client.watch(["/quiet/", "/quiet2/"], 0)
    async with asyncio.timeout(PATIENCE), aclosing(watch):
        assert (await anext(watch)).changes == ()


async def test_a_watch_from_a_compacted_revision_says_so(own: EtcdCluster) -> None:
    client = own.client()
    await own.answering(client)
    start = await client.put("/c", b"1")
    revision = await client.put("/c", b"2")
    own.etcdctl("compact", str(revision))
    with pytest.raises(Compacted):
        await following(client.watch(["/c"], start), 1)
    assert await client.get("/c") is not None
    await client.close()


async def test_a_key_that_somebody_else_changed_is_not_written(client: Etcd) -> None:
    made = await client.put_if("/x/one", b"1", 0)
    with pytest.raises(Conflict):
        await client.put_if("/x/one", b"2", 0)
    changed = await client.put_if("/x/one", b"2", made)
    with pytest.raises(Conflict):
        await client.delete_if("/x/one", made)
    await client.delete_if("/x/one", changed)
    assert await client.get("/x/one") is None


async def test_a_key_goes_with_its_lease(client: Etcd) -> None:
    lease = await client.grant(30)
    await client.put("/lease/one", b"1", lease)
    assert await client.keep_alive(lease)
    await client.revoke(lease)
    assert await client.get("/lease/one") is None
    assert not await client.keep_alive(lease)


async def test_a_member_that_is_not_there_is_named(tmp_path: Path, single: EtcdCluster) -> None:
    settings = replace(single.settings(), endpoints=("http://127.0.0.1:1",))
    client = single.client(settings)
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:1: cannot read /a: connection refused"):
        await client.get("/a")
    await client.close()


async def test_another_member_is_asked_in_place_of_one_that_is_not_there(single: EtcdCluster) -> None:
    await single.answering()
    for seed in range(4):
        settings = replace(single.settings(), endpoints=("http://127.0.0.1:1", single.members[0].url))
        client = single.client(settings, seed)
        assert await client.get("/nothing") is None
        assert client.endpoint == single.members[0].url
        await client.close()


async def test_a_member_that_restarts_ends_the_watch_and_is_found_again(own: EtcdCluster) -> None:
    client = own.client()
    await own.answering(client)
    watch = client.watch(["/r/"], 0)
    async with asyncio.timeout(PATIENCE):
        await anext(watch)
        own.members[0].stop()
        with pytest.raises(StoreError):
            await anext(watch)
    with pytest.raises(StoreError):
        await client.get("/r/")
    own.start(own.members[0])
    await own.answering(client)
    await client.put("/r/1", b"1")
    assert (await client.snapshot(["/r/"])).values == {"/r/1": b"1"}
    await client.close()


async def test_a_user_that_is_missing_or_not_needed_is_no_riddle(own: EtcdCluster, tmp_path: Path) -> None:
    await own.answering()
    (tmp_path / "password").write_text("secret\n")
    named = own.settings("root", str(tmp_path / "password"))
    early = own.client(named)
    assert await early.get("/a") is None  # etcd knows no users yet
    own.etcdctl("user", "add", "root:secret")
    own.etcdctl("auth", "enable")
    nobody = own.client()
    with pytest.raises(StoreError, match="it wants a user") as refused:
        await nobody.get("/a")
    assert "username" in refused.value.hint
    with pytest.raises(StoreError, match="it wants a user"):
        await following(nobody.watch(["/a"], 0), 1)
    late = own.client(named)
    await late.put("/a", b"1")
    assert await early.get("/a") is not None
    for client in (early, nobody, late):
        await client.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("tls"))


class TestThreeMembersWithTlsAndUsers:
    """A cluster as it stands in production."""

    @pytest.fixture
    def trio(self, tmp_path: Path, tls: Tls) -> Iterator[EtcdCluster]:
        cluster = EtcdCluster(tmp_path, 3, tls)
        (tmp_path / "password").write_text("correct horse\n")
        yield cluster
        cluster.close()

    async def test_all_of_it(self, trio: EtcdCluster, tmp_path: Path) -> None:
        await trio.answering()
        for words in (
            "user add root:secret", "user grant-role root root", "role add bgp",
            "role grant-permission bgp --prefix=true readwrite /calico/", "auth enable",
        ):  # fmt: skip
            trio.etcdctl(*words.split())
            if words == "role add bgp":
                trio.etcdctl("user", "add", "bgpd:correct horse")
                trio.etcdctl("user", "grant-role", "bgpd", "bgp")
        good = trio.settings("bgpd", str(tmp_path / "password"))
        client = trio.client(good)
        await client.put("/calico/a", b"1")
        with pytest.raises(StoreError, match="cannot read /other: user bgpd may not do that"):
            await client.get("/other")
        with pytest.raises(StoreError, match="user bgpd may not do that"):
            await following(client.watch(["/other"], 0), 1)

        nobody = trio.client()
        with pytest.raises(StoreError, match="the user of our certificate may not do that"):
            await nobody.get("/calico/a")
        await nobody.close()

        (tmp_path / "wrong").write_text("wrong")
        wrong = trio.client(trio.settings("bgpd", str(tmp_path / "wrong")))
        with pytest.raises(StoreError, match=r"refuses user bgpd or the password in .*wrong"):
            await wrong.get("/calico/a")
        await wrong.close()

        # a watch goes on while another member is lost; the member that is asked is replaced when it is lost itself
        watch = client.watch(["/calico/"], 0)
        async with asyncio.timeout(PATIENCE):
            await anext(watch)
            mine = next(member for member in trio.members if member.url == client.endpoint)
            others = [member for member in trio.members if member is not mine]
            others[0].stop()
            await asyncio.sleep(0)
            while True:
                try:
                    await client.put("/calico/b", b"2")
                    break
                except StoreError:  # the lost one led: a new leader is being found
                    await asyncio.sleep(0.1)
            trio.start(others[0])
        await watch.aclose()
        await trio.answering(client, "/calico/a")

        # tokens live in a member's memory: one that restarted knows ours no more
        for member in trio.members:
            alone = trio.client(replace(good, endpoints=(member.url,)))
            await trio.answering(alone, "/calico/a")
            await alone.close()
        mine = next(member for member in trio.members if member.url == client.endpoint)
        mine.stop()
        assert (await client.get("/calico/a")) is not None
        assert client.endpoint != mine.url
        trio.start(mine)
        for member in trio.members:
            if member is not mine:
                member.stop()
                trio.start(member)
        await trio.answering(client, "/calico/a")
        await client.close()

    async def test_an_authority_that_is_not_ours_is_named(self, trio: EtcdCluster, tmp_path: Path) -> None:
        await trio.answering()
        other = Tls(tmp_path / "other")
        client = trio.client(replace(trio.settings(), ca_file=str(other.ca)))
        with pytest.raises(StoreError, match=r"certificate is not one of the authority in .*other/ca\.pem"):
            await client.get("/a")
        await client.close()

        client = trio.client(replace(trio.settings(), cert_file="", key_file=""))
        with pytest.raises(StoreError, match="certificate of ours"):
            await client.get("/a")
        await client.close()

        client = trio.client(replace(trio.settings(), ca_file="/nowhere/ca.pem"))
        with pytest.raises(StoreError, match=r"/nowhere/ca\.pem cannot be read: No such file"):
            await client.get("/a")
        await client.close()


async def test_tls_to_a_member_without_it_is_named(single: EtcdCluster, tmp_path: Path) -> None:
    await single.answering()
    tls = Tls(tmp_path / "tls")
    where = single.members[0].url.replace("http:", "https:")
    client = single.client(replace(single.settings(), endpoints=(where,), ca_file=str(tls.ca)))
    with pytest.raises(StoreError, match="may not speak TLS"):
        await client.get("/a")
    await client.close()
