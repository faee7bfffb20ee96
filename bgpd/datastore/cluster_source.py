"""The configuration from bgp.toml and etcd together: the file holds what is local, etcd holds the cluster.

Changes are gathered for a moment, for one write of an operator is often several keys, and resolved at most ten times a
second. The model of the cluster is filled and resolved in a thread, one call at a time: with a thousand nodes that is
longer than a callback may take. Times are seconds.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, Protocol

import structlog

from bgpd.config import Config, ConfigError, Problem, Resolved, load, parse
from bgpd.datastore.following import Following
from bgpd.datastore.last_good import LastGood, Round
from bgpd.datastore.secret_files import SecretFiles
from bgpd.datastore.snapshot_copy import SnapshotCopy
from bgpd.datastore.source import KeyProblem, SourceState
from bgpd.datastore.store import Batch, Entry, Snapshot, StoreError, WatchedStore
from bgpd.reflector.election import MeshView

GATHER: Final = 0.01  # from a change until it is looked at
SPACING: Final = 0.1  # at least, between two looks
COPY_AFTER: Final = 3.0  # from the start, if etcd has not answered: then the copy has to do
COPY_EVERY: Final = 10.0  # at most

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class Fault(Protocol):
    """A key whose value cannot be used."""

    @property
    def key(self) -> str: ...
    @property
    def why(self) -> str: ...


class Outcome(Protocol):
    """What a cluster means for this node.

    is_waiting: what there has to be first, empty = nothing is missing. mesh: where its reflectors are elected.
    """

    @property
    def resolved(self) -> Resolved: ...
    @property
    def notices(self) -> Sequence[object]: ...
    @property
    def is_waiting(self) -> str: ...
    @property
    def mesh(self) -> MeshView | None: ...


class Secrets(Protocol):
    """Where passwords come from."""

    def lookup(self, name: str, key: str) -> str | None: ...


class Model(Protocol):
    """A cluster's keys and what they mean; see ``datastore.calico``."""

    def put(self, key: str, value: bytes) -> Fault | None: ...
    def delete(self, key: str) -> None: ...
    def replace(self, snapshot: Mapping[str, bytes]) -> Sequence[Fault]: ...
    def resolve(self, local: Config, secrets: Secrets) -> Outcome: ...


class ClusterSource:
    """A ``ConfigSource``. mesh: as it was last seen."""

    def __init__(
        self,
        path: Path,
        store: WatchedStore,
        model: Model,
        prefixes: tuple[str, ...],
        secrets: SecretFiles,
        seed: Random,
        copy: SnapshotCopy | None = None,
    ) -> None:
        self.state = SourceState("etcd", endpoint=store.endpoint, waiting="etcd has not answered yet")
        self.mesh: MeshView | None = None
        self._path = path
        self._store = store
        self._model = model
        self._secrets = secrets
        self._local: Config | None = None
        self._current: Resolved | None = None
        self._following = Following(store, prefixes, self, self.state, seed)
        self._task: asyncio.Task[None] | None = None
        self._pending: list[Snapshot | Batch] = []
        self._copy = copy
        self._values: dict[str, bytes] = {}  # of all keys, for the copy
        self._good = LastGood()
        self._is_first = True  # no list has been looked at
        self._is_copied = True
        self._copying: asyncio.Task[None] | None = None
        self._has_list = False
        self._must_list = False  # what was told was lost in a fault of our own
        self._news = asyncio.Event()
        self._resolving = asyncio.Lock()
        self._stream = self._configurations()

    @property
    def mesh_in_force(self) -> MeshView | None:
        """The mesh as it is now, None = that is not known: etcd is away, or our sessions are not those it asks for."""
        state = self.state
        return self.mesh if state.is_connected and not (state.refused or state.waiting) else None

    async def start(self) -> Resolved:
        """Return the first whole configuration. Raises ConfigError if the file is wrong."""
        await self._read_file()
        self._task = asyncio.get_running_loop().create_task(self._following.run())
        self._task.add_done_callback(lambda _: self._news.set())
        self._copying = asyncio.get_running_loop().create_task(self._keep_copy())
        return await anext(self._stream)

    async def changes(self) -> AsyncIterator[Resolved]:
        """Yield each configuration that differs from the one before."""
        async for config in self._stream:
            yield config

    async def reload(self) -> Resolved:
        """Read the file and the secrets again. Raises ConfigError."""
        former = self._local
        await self._read_file()
        self._secrets.forget()
        try:
            config = await self._resolve()
        except ConfigError:
            self._local = former
            raise
        if config is None:
            config = self._current
        if config is None:
            raise ConfigError((Problem(str(self._path), "etcd", self.state.waiting or self.state.why),))
        self._current = config
        return config

    async def plan(self, text: str | None, file: str, changes: Mapping[str, bytes | None]) -> Resolved:
        """Return what another file and changed keys would mean. Raises ConfigError, StoreError."""
        if bad := [key for key in changes if key in self.state.problems]:
            why = "cannot be used as it is now, so nothing can be compared with it; mend it first"
            raise ConfigError(tuple(Problem("etcd", key, why) for key in bad))
        assert self._local is not None  # ``start`` has read it
        local = self._local if text is None else parse(text, file)
        async with self._resolving:
            former = {key: await self._store.get(key) for key in changes}
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(None, self._rehearse, local, changes, former)
        if outcome.is_waiting:
            raise ConfigError((Problem(file, "etcd", outcome.is_waiting),))
        return outcome.resolved

    async def close(self) -> None:
        """Stop following."""
        tasks = [task for task in (self._task, self._copying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._save()

    def replaced(self, snapshot: Snapshot) -> None:
        """All keys, at one revision."""
        self._good.replaced(self._values, snapshot.values)
        self._values, self._is_copied = dict(snapshot.values), False
        self._take(snapshot)

    def changed(self, batch: Batch) -> None:
        """What changed since. Raises StoreError to have everything listed again."""
        if self._must_list:
            raise StoreError("listed again after a fault in bgpd")
        for key, value in batch.changes:
            self._good.changed(key, self._values.get(key))
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        self._is_copied = False
        self._pending.append(batch)
        self._news.set()

    def _take(self, snapshot: Snapshot) -> None:
        self._pending = [snapshot]
        self._has_list, self._must_list = True, False
        self._news.set()

    async def _keep_copy(self) -> None:
        """Start from the copy where etcd does not answer, and keep one of what it says."""
        await asyncio.sleep(COPY_AFTER)
        if not self._has_list and self._copy is not None:
            copied = await asyncio.get_running_loop().run_in_executor(None, self._copy.load)
            if copied is not None and not self._has_list:
                _log.warning("starting from a copy of etcd's keys", revision=copied.revision, reason=self.state.why)
                self._values = dict(copied.values)
                self._take(copied)
        while True:
            await self._save()
            await asyncio.sleep(COPY_EVERY)

    async def _save(self) -> None:
        # An etcd that lost our node must not spoil the copy of the one that had it, nor a value nobody has looked at
        async with self._resolving:
            if self._is_copied or self._copy is None or self.state.waiting or self._pending:
                return
            self._is_copied = True
            good = {key: value for key, value in self._good.values.items() if key in self._values}
            snapshot = Snapshot(self.state.revision, self._values | good)
        await asyncio.get_running_loop().run_in_executor(None, self._copy.save, snapshot)

    async def _read_file(self) -> None:
        self._local = await asyncio.get_running_loop().run_in_executor(None, load, self._path)

    async def _configurations(self) -> AsyncGenerator[Resolved, None]:
        loop = asyncio.get_running_loop()
        not_before = 0.0
        while True:
            await self._news.wait()
            if self._task is not None and self._task.done():
                self._task.result()
            await asyncio.sleep(max(GATHER, not_before - loop.time()))
            self._news.clear()
            began = loop.time()
            try:
                config = await self._resolve()
            except ConfigError as error:
                self._refuse(str(error))
                config = None
            except Exception:  # the root of what runs in the thread: no value in etcd may end a router's work
                _log.exception("a fault in bgpd: the cluster's configuration could not be resolved")
                self._must_list = True  # with the next change, which may be the one that mends it
                self._refuse("a fault in bgpd, see its log")
                config = None
            not_before = loop.time() + max(SPACING, loop.time() - began)
            if config is not None and config != self._current:
                self._current = config
                self.state.changed_at = loop.time()
                yield config

    async def _resolve(self) -> Resolved | None:
        """Return what file and cluster mean together, None = something has to be there first. Raises ConfigError."""
        async with self._resolving:
            if not self._has_list:
                return None
            pending, self._pending = self._pending, []
            problems = dict(self.state.problems)
            good = Round(self._good, problems)
            loop = asyncio.get_running_loop()
            try:
                outcome = await loop.run_in_executor(None, self._fill_and_resolve, pending, problems, good)
            finally:
                self._take_problems(problems)
                self._good.values = good.left(problems)
            self.state.refused = ""
            notices = tuple(map(str, outcome.notices))
            for notice in notices:
                if notice not in self.state.notices:
                    _log.warning("cluster configuration", notice=notice)
            self.state.notices = notices
            if outcome.is_waiting and outcome.is_waiting != self.state.waiting:
                _log.warning("waiting for the cluster's configuration", reason=outcome.is_waiting)
            self.state.waiting = outcome.is_waiting
            self.mesh = outcome.mesh
            return None if outcome.is_waiting else outcome.resolved

    def _fill_and_resolve(
        self, pending: list[Snapshot | Batch], problems: dict[str, KeyProblem], good: Round
    ) -> Outcome:
        """Bring the model up to date and ask it; in a thread."""
        for news in pending:
            if isinstance(news, Snapshot):
                problems.clear()
                faults = self._model.replace(news.values)
                problems.update((fault.key, KeyProblem(fault.key, fault.why)) for fault in faults)
                good.are_listed(news.values, problems)
                self._recall(news, problems, good)
                continue
            for key, value in news.changes:
                fault = self._put(key, value)
                problems.pop(key, None)
                if fault is None:
                    good.is_good(key, value)
                    continue
                good.is_bad(key)
                problems[key] = KeyProblem(fault.key, fault.why)
        assert self._local is not None  # ``start`` has read it
        return self._model.resolve(self._local, self._secrets)

    def _recall(self, snapshot: Snapshot, problems: Mapping[str, KeyProblem], good: Round) -> None:
        """Where the first list has values that cannot be used, take those of the run before."""
        is_first, self._is_first = self._is_first, False
        copied = self._copy.load() if is_first and problems and self._copy is not None else None
        if copied is not None:
            for key in problems:
                good.recall(key, snapshot.values[key], copied.values, self._model.put)

    def _rehearse(
        self, local: Config, changes: Mapping[str, bytes | None], former: Mapping[str, Entry | None]
    ) -> Outcome:
        """Ask the model with some keys changed, and change them back; in a thread. Raises ConfigError."""
        try:
            faults = [fault for key, value in changes.items() if (fault := self._put(key, value)) is not None]
            if faults:
                raise ConfigError(tuple(Problem("etcd", fault.key, fault.why) for fault in faults))
            return self._model.resolve(local, self._secrets)
        finally:
            for key, entry in former.items():
                self._put(key, entry.value if entry is not None else None)

    def _put(self, key: str, value: bytes | None) -> Fault | None:
        if value is None:
            self._model.delete(key)
            return None
        return self._model.put(key, value)

    def _take_problems(self, problems: dict[str, KeyProblem]) -> None:
        for key, problem in problems.items():
            if self.state.problems.get(key) != problem:
                _log.error(
                    "a value in etcd cannot be used", key=key, reason=problem.why, effect="its last good value stays"
                )
        self.state.problems = problems

    def _refuse(self, why: str) -> None:
        if why != self.state.refused:
            _log.error("the cluster's configuration cannot be used", reason=why, effect="the former one stays in force")
        self.state.refused = why
