"""A store in memory that does what it is told, and a model of a cluster that is only a list of peers.

The keys are ``/c/<name>``, the values addresses; ``/c/us`` has our AS number, and nothing goes without it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from bgpd.config import Config, Resolved, resolve
from bgpd.config.tables.peer import PeerTable
from bgpd.datastore.cluster_source import Secrets
from bgpd.datastore.source import KeyProblem
from bgpd.datastore.store import Batch, Entry, Snapshot, StoreError
from bgpd.reflector.election import MeshView
from bgpd.reflector.roles import NO_ROLES


class MemoryStore:
    """A ``WatchedStore``. failing: what every request gets in place of an answer."""

    def __init__(self, **values: str) -> None:
        self.endpoint = "memory"
        self.values = {f"/c/{name}": value.encode() for name, value in values.items()}
        self.revision = 1
        self.failing: StoreError | None = None
        self.lists = 0
        self._watch: asyncio.Queue[Batch | StoreError] = asyncio.Queue()

    async def get(self, key: str) -> Entry | None:
        """Return a value."""
        return Entry(self.values[key], self.revision) if key in self.values else None

    async def snapshot(self, prefixes: Iterable[str]) -> Snapshot:
        """Return all there is."""
        self.lists += 1
        if self.failing is not None:
            raise self.failing
        return Snapshot(self.revision, dict(self.values))

    async def watch(self, prefixes: Iterable[str], revision: int) -> AsyncGenerator[Batch, None]:
        """Yield what ``change`` is told."""
        if self.failing is not None:
            raise self.failing
        self._watch = asyncio.Queue()
        yield Batch(self.revision)
        while True:
            news = await self._watch.get()
            if isinstance(news, StoreError):
                raise news
            yield news

    def change(self, name: str, value: str | None) -> None:
        """Write or delete a key, and tell the watch."""
        self.change_unseen(name, value)
        self._watch.put_nowait(Batch(self.revision, ((f"/c/{name}", None if value is None else value.encode()),)))

    def change_unseen(self, name: str, value: str | None) -> None:
        """Write or delete a key while nobody watches."""
        self.revision += 1
        if value is None:
            del self.values[f"/c/{name}"]
        else:
            self.values[f"/c/{name}"] = value.encode()

    def fail(self, error: StoreError, *, for_good: bool = False) -> None:
        """End the watch."""
        self.failing = error if for_good else None
        self._watch.put_nowait(error)


@dataclass(frozen=True)
class Meaning:
    """What the model says."""

    resolved: Resolved
    notices: tuple[str, ...] = ()
    is_waiting: str = ""
    mesh: MeshView | None = None


class PeerList:
    """A ``Model``. resolved: how often it was asked."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.resolved = 0
        self._last: Resolved | None = None

    def put(self, key: str, value: bytes) -> KeyProblem | None:
        """Take a value that is an address or a number."""
        text = value.decode()
        if not text.replace(".", "").isdigit():
            return KeyProblem(key, "expected an address")
        self.values[key] = text
        return None

    def delete(self, key: str) -> None:
        """Forget it."""
        self.values.pop(key, None)

    def replace(self, snapshot: Mapping[str, bytes]) -> list[KeyProblem]:
        """Take all; a key with a value that cannot be used keeps the one that it had."""
        for key in set(self.values) - set(snapshot):
            del self.values[key]
        return [problem for key, value in snapshot.items() if (problem := self.put(key, value)) is not None]

    def resolve(self, local: Config, secrets: Secrets) -> Meaning:
        """Return our AS and the peers."""
        self.resolved += 1
        asn = self.values.get("/c/us", "")
        node = msgspec.structs.replace(local.node, asn=asn or "1")
        peers = tuple(
            PeerTable(
                name=key.removeprefix("/c/"), address=value, asn="internal", password=secrets.lookup("mesh", key[3:])
            )
            for key, value in sorted(self.values.items())
            if key != "/c/us"
        )
        resolved = resolve(msgspec.structs.replace(local, node=node, peer=(*local.peer, *peers)))
        mesh = MeshView("n1", None, {}, NO_ROLES)
        return Meaning(resolved, (f"{len(peers)} peers",), "" if asn else "no key /c/us", mesh)
