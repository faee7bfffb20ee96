"""The cluster's objects in etcd: listed, written and deleted only if nobody else changed them meanwhile.

Every write is conditional on the revision that it was made from. Without a resource version in the file the object is
read again and the write made anew; with one, the file was made from that revision and no other.
"""

from collections.abc import Callable
from typing import Final, Protocol

from bgpd.datastore.block_release import release_blocks
from bgpd.datastore.resources.bgp_configuration import NODE_PREFIX
from bgpd.datastore.resources.files import Written
from bgpd.datastore.resources.ip_pool import block_conflicts, overlaps
from bgpd.datastore.resources.kinds import API_VERSION, BGP_CONFIGURATION, BGP_PEER, IP_POOL, NODE, Kind
from bgpd.datastore.resources.old import stored_name
from bgpd.datastore.resources.shapes import Document, Fault, part
from bgpd.datastore.resources.usage import DIRECTORY, block_of_key, contains
from bgpd.datastore.resources.values import network
from bgpd.datastore.resources.writing import (
    Birth,
    Verb,
    created,
    decode,
    encode,
    faults_of,
    faults_of_update,
    updated,
)
from bgpd.datastore.store import Conflict, Entry
from bgpd.records import dataclass

ATTEMPTS: Final = 8  # at a write that others are quicker with


class KeyStore(Protocol):
    """What is asked of etcd. Raises StoreError."""

    async def get(self, key: str) -> Entry | None:
        """Return a key's value."""

    async def entries(self, prefix: str) -> dict[str, Entry]:
        """Return all keys under a prefix."""

    async def put_if(self, key: str, value: bytes, revision: int) -> int:
        """Write a key if its last change is of that revision, 0 = if there is none."""

    async def delete_if(self, key: str, revision: int) -> int:
        """Delete a key if its last change is of that revision."""


class ObjectRefusal(Exception):
    """What was asked is not done. reasons: one line each."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


class AlreadyExists(ObjectRefusal):
    """There is such an object."""


class NotFound(ObjectRefusal):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it is stored. revision: of its last change."""

    kind: Kind
    name: str
    document: Document
    revision: int

    @property
    def spec(self) -> Document:
        """What it says."""
        return part(self.document, "spec")


@dataclass(frozen=True, slots=True)
class _Change:
    """What a write would do. document: None = the object goes. former: None = there is none."""

    name: str
    document: Document | None
    former: Stored | None


class ObjectStore:
    """The objects under one prefix. All methods raise StoreError."""

    def __init__(self, store: KeyStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def all_of(self, kind: Kind) -> tuple[list[Stored], list[str]]:
        """Return the objects of a kind by name, and a line about each value that is none."""
        directory = kind.directory(self._prefix)
        found, unreadable = [], []
        for key, entry in sorted((await self._store.entries(directory)).items()):
            try:
                found.append(_stored(kind, key.removeprefix(directory), entry))
            except ObjectRefusal as refusal:
                unreadable.append(str(refusal))
        return found, unreadable

    async def get(self, kind: Kind, name: str) -> Stored | None:
        """Return an object. Raises ObjectRefusal for a value that is none."""
        entry = await self._store.get(kind.key(self._prefix, name))
        return None if entry is None else _stored(kind, name, entry)

    async def find(self, one: Written) -> Stored | None:
        """Return the object that a document is about."""
        return await self.get(one.kind, await self._name(one))

    async def write(self, one: Written, verb: Verb, birth: Birth) -> bool:
        """Do with a document what is asked; return whether that changed anything. Raises ObjectRefusal."""
        for _ in range(ATTEMPTS):
            change = await self._change(one, verb, birth)
            former = change.former
            key = one.kind.key(self._prefix, change.name)
            try:
                if change.document is None:
                    assert former is not None  # only what is there is deleted
                    await self._store.delete_if(key, await self._emptied(former))
                elif former is None or change.document != former.document:
                    await self._store.put_if(key, encode(change.document), former.revision if former else 0)
                else:
                    return False
            except Conflict:
                continue  # read again: what was allowed may not be any more
            return True
        raise ObjectRefusal(f"{one.kind.name} {one.name}: others keep changing it; try again")

    async def edit(self, kind: Kind, name: str, edit: Callable[[Document], Document], birth: Birth) -> Stored:
        """Change the spec of an object, a new one if there is none; return what is stored then.

        The rest of the object stays as it is. Raises ObjectRefusal.
        """
        for _ in range(ATTEMPTS):
            former = await self.get(kind, name)
            document = former.document if former is not None else created(_blank(kind, name), birth)
            made = {**document, "spec": edit(dict(part(document, "spec")))}
            faults = list(faults_of_update(kind, made, made))
            if faults:
                raise ObjectRefusal(*(f"{kind.name} {name}: {fault}" for fault in faults))
            if former is not None and made == former.document:
                return former
            try:
                revision = former.revision if former is not None else 0
                revision = await self._store.put_if(kind.key(self._prefix, name), encode(made), revision)
            except Conflict:
                continue
            return Stored(kind, name, made, revision)
        raise ObjectRefusal(f"{kind.name} {name}: others keep changing it; try again")

    async def _change(self, one: Written, verb: Verb, birth: Birth) -> _Change:
        name = await self._name(one)
        former = await self.get(one.kind, name)
        title = f"{one.kind.name} {name}"
        _check_presence(one, verb, former, title)
        if verb is Verb.DELETE:
            return _Change(name, None, former)
        document = former.document if former is not None else None
        faults = list(faults_of(one, document))
        made: Document | None = None
        if not faults and former is not None:
            made = updated(one, former.document, verb)
            faults = list(faults_of_update(one.kind, former.document, made))
        elif not faults:
            made = created(one, birth)
            if one.kind is IP_POOL:
                faults = await self._pool_faults(name, part(made, "spec"))
        if faults:
            raise ObjectRefusal(*(f"{title}: {fault}" for fault in faults))
        return _Change(name, made, former)

    async def _emptied(self, going: Stored) -> int:
        """Take away what goes with an object, as calicoctl does; return the object's revision then. Raises Conflict.

        A pool is disabled and its blocks are released; with a node go its blocks, its own settings and peers.
        """
        if going.kind is IP_POOL:
            return await self._emptied_pool(going)
        if going.kind is NODE:
            await release_blocks(self._store, self._prefix, lambda _, node: node == going.name)
            peers, _ = await self.all_of(BGP_PEER)
            settings = await self.get(BGP_CONFIGURATION, f"{NODE_PREFIX}{going.name}")
            own = [peer for peer in peers if peer.spec.get("node") == going.name]
            for one in own if settings is None else [*own, settings]:
                await self._store.delete_if(one.kind.key(self._prefix, one.name), one.revision)
        return going.revision

    async def _emptied_pool(self, pool: Stored) -> int:
        revision = pool.revision
        if not pool.spec.get("disabled"):
            disabled = {**pool.document, "spec": {**pool.spec, "disabled": True}}
            revision = await self._store.put_if(pool.kind.key(self._prefix, pool.name), encode(disabled), revision)
        try:
            whole = network(pool.spec.get("cidr"))
        except ValueError:
            return revision  # no block can be in it
        await release_blocks(self._store, self._prefix, lambda block, _: contains(whole, block))
        return revision

    async def _name(self, one: Written) -> str:
        if one.old is None:
            return one.name
        stored, _ = await self.all_of(one.kind)
        return stored_name(one.old, ((other.name, other.spec) for other in stored))

    async def _pool_faults(self, name: str, spec: Document) -> list[Fault]:
        stored, _ = await self.all_of(IP_POOL)
        keys = await self._store.entries(f"{self._prefix.rstrip('/')}/{DIRECTORY}assignment/")
        blocks = filter(None, (block_of_key(key, self._prefix) for key in keys))
        return [
            *overlaps(spec, ((other.name, other.spec) for other in stored if other.name != name)),
            *block_conflicts(spec, (block for block, _ in blocks)),
        ]


def _check_presence(one: Written, verb: Verb, former: Stored | None, title: str) -> None:
    version = one.resource_version
    if verb is Verb.CREATE:
        if former is not None:
            raise AlreadyExists(f"{title}: there is one already: apply or replace changes it")
        if version:
            raise ObjectRefusal(
                f"{title}: metadata.resourceVersion: expected none for a new object: get --export omits it"
            )
    elif former is None and (verb is not Verb.APPLY or version):
        raise NotFound(
            f"{title}: there is none"
            + ("; without metadata.resourceVersion it is created" if verb is Verb.APPLY else "")
        )
    if former is not None and version and version != str(former.revision):
        raise ObjectRefusal(
            f"{title}: metadata.resourceVersion: expected {former.revision}, found {version}: "
            "it was changed since the file was made; get it again"
        )


def _stored(kind: Kind, name: str, entry: Entry) -> Stored:
    try:
        return Stored(kind, name, decode(entry.value), entry.revision)
    except ValueError:
        raise ObjectRefusal(
            f"{kind.name} {name}: what is stored ({len(entry.value)} octets) is no JSON object: mend it with etcdctl"
        ) from None


def _blank(kind: Kind, name: str) -> Written:
    return Written("", kind, name, {"kind": kind.name, "apiVersion": API_VERSION, "metadata": {"name": name}})
