"""Writes our routes: batches, one barrier acknowledgement each, errors mapped back by sequence number. Hot.

- A place (prefix and metric) that is free, or not known to be ours, is written with NLM_F_EXCL, so a foreign route is
  never overwritten. NLM_F_REPLACE, which is atomic, is for places where our own route stands and no foreign one beside
  it. Deletions name our protocol.
- A route that cannot be written is reported with the kernel's text and tried again, with growing pauses, and at once
  when a foreign route leaves its place or a link comes up. If it was to take the place of another of ours, that one is
  deleted: a stale route is worse than none.
- A route of ours that somebody else deletes or changes is put right.
- Routes found at start are inherited: they stay until programmed again or swept.
"""

from asyncio import AbstractEventLoop, Future, Handle, sleep
from collections.abc import Callable, Iterable, Mapping, Sequence
from errno import EEXIST, ENETDOWN, ENODEV, ENOENT, ESRCH
from itertools import groupby
from operator import itemgetter
from typing import Final, Protocol

import structlog

from bgpd.addresses import format_prefix
from bgpd.families import FAMILIES, Family
from bgpd.kernel.batch import NEW, Batch
from bgpd.kernel.fib_table import FibTable
from bgpd.kernel.netlink import NetlinkSocket, Overrun, Refusal
from bgpd.kernel.packing import Shape
from bgpd.kernel.reading import RouteMessage, Run
from bgpd.kernel.retries import FibFailure, Key, Retries
from bgpd.kernel.routes import FibRoute, RouteBody, fib_route, is_written, metric_of
from bgpd.kernel.rtnetlink import NLM_F_CREATE, NLM_F_REPLACE, RTM_NEWROUTE
from bgpd.kernel.settings import KernelSettings
from bgpd.records import dataclass

_BATCH: Final = 256  # prefixes; if all of them fail the answers still fit a receive buffer of the default size
_MOST_OCTETS: Final = 1 << 17  # of a datagram
_SLICE: Final = 0.010  # seconds of writing a tick
_SLICE_ROUTES: Final = 5000  # dumped routes a tick
_LOGGED_FAILURES: Final = 5  # of a batch
_RESYNC_PAUSE: Final = 10.0  # seconds between reading everything because of a route that should not be there
_ALREADY_GONE: Final = frozenset({ESRCH, ENOENT, ENODEV})

_route_of = itemgetter(1)  # of a change

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FibStats:
    """Counters: routes written and deleted, refusals, routes put right after somebody else's doing, datagrams."""

    written: int = 0
    deleted: int = 0
    errors: int = 0
    reinstalled: int = 0
    batches: int = 0


class Surroundings(Protocol):
    """What the writer asks about the rest of the kernel."""

    def has_foreign(self, family: Family, prefix: bytes, metric: int) -> bool:
        """Is there a route of somebody else in that place?"""

    def is_up(self, device: int) -> bool:
        """Is the interface there and up?"""

    def why_down(self, device: int) -> str:
        """Return a sentence on an interface that is not up."""

    def catch_up(self) -> None:
        """Take in what has happened in the kernel so far."""

    def resynchronise(self, why: str) -> None:
        """Read everything again."""


class Fib:
    """The routes of our protocol in one kernel table, IPv4 and IPv6.

    on_written: called with the prefixes of each batch that the kernel accepted.
    """

    def __init__(self, settings: KernelSettings, loop: AbstractEventLoop) -> None:
        self.stats = FibStats()
        self.on_written: list[Callable[[Family, Sequence[bytes]], None]] = []
        self._surroundings: Surroundings
        self._netlink: NetlinkSocket
        self._loop = loop
        self._tables = {family: FibTable(family, settings.table, settings.protocol) for family in FAMILIES.values()}
        self._retries = Retries(loop, self._requeue)
        self._tick: Handle | None = None
        self._waiters: list[Future[None]] = []
        self._is_paused = True  # until the kernel's routes have been read
        self._is_swept = False
        self._sequence = 0
        self._most = _BATCH
        self._last_resync = float("-inf")

    def start(self, surroundings: Surroundings, netlink: NetlinkSocket) -> None:
        """Get ready; writing begins with ``resume``."""
        self._surroundings = surroundings
        self._netlink = netlink

    def close(self) -> None:
        """Stop writing; what is in the kernel stays."""
        self._is_paused = True
        self._retries.close()
        if self._tick is not None:
            self._tick.cancel()
        for waiter in self._waiters:
            waiter.cancel()

    # ------------------------------------------------------------ what the speaker asks for

    def program(self, family: Family, changes: Mapping[bytes, FibRoute | None]) -> None:
        """Write these routes, None: delete; a later change of a prefix supersedes one that is still queued."""
        table, may_be_there = self._tables[family], self._is_paused  # what the kernel has is found out then
        table.queue.update({p: r for p, r in changes.items() if r is not None or may_be_there or table.knows(p)})
        self._schedule()

    async def flushed(self) -> None:
        """Return when nothing is queued."""
        if self.queued():
            waiter: Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            self._schedule()
            await waiter

    def begin_sweep(self) -> None:
        """Treat all our routes in the kernel as inherited: they stay until ``sweep`` unless programmed again."""
        self._is_swept = False
        for table in self._tables.values():
            table.inherit()
        self._retries.forget_all()

    def sweep(self) -> int:
        """Delete the inherited routes that nobody has programmed; return how many."""
        self._is_swept = True
        count = 0
        for table in self._tables.values():
            unwanted = table.unwanted()
            count += len(unwanted)
            table.queue.update(dict.fromkeys(unwanted))
            table.queue.update({p: table.wanted.get(p) for p in table.strays if p not in table.queue})
        self._schedule()
        return count

    def flush_all(self) -> None:
        """Delete all our routes."""
        self._is_swept = True
        for table in self._tables.values():
            table.queue = dict.fromkeys((*table.wanted, *table.actual, *table.strays))
        self._schedule()

    # ------------------------------------------------------------ views

    @property
    def failures(self) -> Mapping[Key, FibFailure]:
        """Routes that are wanted and not in the kernel."""
        return self._retries.failures

    def installed(self, family: Family) -> int:
        """Return how many prefixes of the family have a route of ours in the kernel."""
        return self._tables[family].installed()

    def queued(self) -> int:
        """Return how many prefixes wait to be written."""
        return sum(len(table.queue) for table in self._tables.values())

    def route(self, family: Family, prefix: bytes) -> FibRoute | None:
        """Return our route in the kernel for a prefix."""
        return self._tables[family].current(prefix)

    def routes(self, family: Family) -> Mapping[bytes, FibRoute]:
        """Return all our routes of a family in the kernel: a new mapping."""
        return self._tables[family].routes()

    # ------------------------------------------------------------ writing

    def _schedule(self) -> None:
        if self._tick is None and not self._is_paused:
            self._tick = self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._tick = None
        deadline = self._loop.time() + _SLICE
        while not self._is_paused:
            self._surroundings.catch_up()
            queues = [table for table in self._tables.values() if table.queue]
            for table in queues:
                self._write_batch(table)
            if not queues:
                self._wake()
                return
            if self._loop.time() >= deadline:
                self._schedule()
                return

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _write_batch(self, table: FibTable) -> None:
        batch = Batch(table, self._sequence + 1, self._surroundings.has_foreign)
        changes = table.take(self._most)
        planned = 0
        for route, alike in groupby(changes, _route_of):
            prefixes = [prefix for prefix, _ in alike]
            planned += self._plan(table, batch, prefixes, route)
            if batch.octets > _MOST_OCTETS:
                table.give_back(changes[planned:])
                break
        self._send(table, batch)

    def _plan(self, table: FibTable, batch: Batch, prefixes: list[bytes], route: FibRoute | None) -> int:
        """Add what has to be done for these prefixes, until the datagram is full; return for how many."""
        if route is None:
            for prefix in prefixes:
                self._plan_strays(table, batch, prefix)
                self._plan_deletion(table, batch, prefix)
            return len(prefixes)
        shape = table.packer.shape(route)
        why_down = self._why_down(shape.devices)
        if not why_down and table.is_new(prefixes):
            room = 1 + max(0, _MOST_OCTETS - batch.octets) // shape.size
            batch.write_new(prefixes[:room], shape)
            return min(room, len(prefixes))
        for count, prefix in enumerate(prefixes, 1):
            self._plan_strays(table, batch, prefix)
            self._plan_writing(table, batch, prefix, shape, why_down)
            if batch.octets > _MOST_OCTETS:
                return count
        return len(prefixes)

    def _plan_strays(self, table: FibTable, batch: Batch, prefix: bytes) -> None:
        for stray in table.strays.pop(prefix, ()):
            batch.delete(prefix, stray)

    def _plan_deletion(self, table: FibTable, batch: Batch, prefix: bytes) -> None:
        old = table.current(prefix)
        table.wanted.pop(prefix, None)
        if not self._retries.is_empty():
            self._retries.forget((table.family, prefix))
        if old is not None:
            table.actual[prefix] = old
            batch.delete(prefix, old)
        else:
            table.actual.pop(prefix, None)

    def _plan_writing(self, table: FibTable, batch: Batch, prefix: bytes, shape: Shape, why_down: str) -> None:
        old = table.current(prefix)
        route = shape.route
        if old is None:
            if why_down:
                self._give_up(table, prefix, route, Refusal(ENETDOWN, why_down))
            else:
                batch.write(prefix, shape, NEW, None)
        elif old is route or is_written(table.family, old, route):
            table.wanted[prefix] = route
            table.actual.pop(prefix, None)
            self._retries.forget((table.family, prefix))
        elif why_down:
            self._give_up(table, prefix, route, Refusal(ENETDOWN, why_down))
            batch.delete(prefix, old)
        elif metric_of(table.family, old) != metric_of(table.family, route):
            batch.write(prefix, shape, NEW, old)
            batch.delete(prefix, old)
        elif self._has_foreign(table.family, prefix, route):
            batch.delete(prefix, old)
            batch.write(prefix, shape, NEW, old)
        else:
            batch.write(prefix, shape, NLM_F_CREATE | NLM_F_REPLACE, old)

    def _send(self, table: FibTable, batch: Batch) -> None:
        self._sequence = batch.sequence
        if not batch.operations:
            return
        self.stats.batches += 1
        try:
            refusals = self._netlink.exchange(batch.datagram(), batch.sequence)
        except Overrun:
            table.wanted.update({prefix: route for prefix, route, _ in batch.operations if route is not None})
            self._most = max(1, self._most // 2)
            self.pause()
            self._surroundings.resynchronise("the kernel dropped acknowledgements, the receive buffer was full")
            return
        except OSError as error:
            refusal = Refusal(error.errno or 0, f"cannot send to the kernel: {error.strerror}")
            refusals = dict.fromkeys(range(batch.first, batch.sequence), refusal)
        self._conclude(table, batch, refusals)

    def _conclude(self, table: FibTable, batch: Batch, refusals: Mapping[int, Refusal]) -> None:
        """Note what the kernel has done."""
        wanted, actual = table.wanted, table.actual
        if not refusals and not actual and not batch.deletes:
            new = {prefix: route for prefix, route, _ in batch.operations if route is not None}
            wanted.update(new)
            self._conclude_written(table.family, list(new))
            return
        written: list[bytes] = []
        refused: list[tuple[bytes, FibRoute, Refusal]] = []
        for sequence, (prefix, route, old) in enumerate(batch.operations, batch.first):
            refusal = refusals.get(sequence) if refusals else None
            if route is None:
                self._conclude_deletion(table, prefix, old, refusal)
            elif refusal is None:
                wanted[prefix] = route
                actual.pop(prefix, None)
                written.append(prefix)
            else:
                refused.append((prefix, route, refusal))
        if written:
            self._conclude_written(table.family, written)
        if refused:
            self._conclude_refused(table, refused)

    def _conclude_deletion(self, table: FibTable, prefix: bytes, old: FibRoute | None, refusal: Refusal | None) -> None:
        if refusal is None or refusal.errno in _ALREADY_GONE:
            self.stats.deleted += refusal is None
            if table.current(prefix) is old:
                table.note(prefix, None)
            return
        self.stats.errors += 1
        _log.error("cannot delete a route", prefix=format_prefix(table.family, prefix), why=refusal.text)
        self._retries.wait((table.family, prefix))

    def _conclude_written(self, family: Family, written: list[bytes]) -> None:
        self.stats.written += len(written)
        if not self._retries.is_empty():
            for prefix in written:
                self._retries.forget((family, prefix))
        for callback in self.on_written:
            callback(family, written)

    def _conclude_refused(self, table: FibTable, refused: list[tuple[bytes, FibRoute, Refusal]]) -> None:
        self.stats.errors += len(refused)
        stale = Batch(table, self._sequence + 1, self._surroundings.has_foreign)
        news = 0
        for prefix, route, refusal in refused:
            old = table.current(prefix)
            if self._give_up(table, prefix, route, refusal):
                news += 1
                if news <= _LOGGED_FAILURES:
                    _log.error("cannot write a route", prefix=format_prefix(table.family, prefix), why=refusal.text)
            if old is not None:
                stale.delete(prefix, old)
            if refusal.errno == EEXIST and not self._has_foreign(table.family, prefix, route):
                self._find_out(f"{format_prefix(table.family, prefix)} is in the kernel and nobody is known for it")
        if news > _LOGGED_FAILURES:
            _log.error("cannot write more routes", count=news - _LOGGED_FAILURES)
        self._send(table, stale)

    def _has_foreign(self, family: Family, prefix: bytes, route: FibRoute) -> bool:
        return self._surroundings.has_foreign(family, prefix, metric_of(family, route))

    def _why_down(self, devices: Iterable[int]) -> str:
        """Return why the devices cannot be used, empty if all of them can; the kernel would say less."""
        down = next((device for device in devices if device and not self._surroundings.is_up(device)), None)
        return "" if down is None else self._surroundings.why_down(down)

    def _give_up(self, table: FibTable, prefix: bytes, route: FibRoute, refusal: Refusal) -> bool:
        """Note that a wanted route is not in the kernel; is it news?"""
        old = table.current(prefix)
        table.wanted[prefix] = route
        table.note(prefix, old)
        return self._retries.failed((table.family, prefix), refusal)

    def _find_out(self, why: str) -> None:
        now = self._loop.time()
        if now - self._last_resync > _RESYNC_PAUSE:
            self._last_resync = now
            self._surroundings.resynchronise(why)

    def _requeue(self, keys: Iterable[Key]) -> None:
        for family, prefix in keys:
            table = self._tables[family]
            table.queue.setdefault(prefix, table.wanted.get(prefix))
        self._schedule()

    # ------------------------------------------------------------ what the watcher tells

    def pause(self) -> None:
        """Do not write until ``resume``."""
        self._is_paused = True

    def resume(self) -> None:
        """Write again."""
        self._is_paused = False
        self._schedule()

    async def resynchronised(self, found: Sequence[Run]) -> None:
        """Take in all our routes that the kernel has; where that is not what is wanted, it is to be written."""
        routes: dict[Family, dict[bytes, tuple[FibRoute, ...]]] = {family: {} for family in self._tables}
        alone: dict[RouteBody, tuple[FibRoute, ...]] = {}
        count = 0
        for body, prefixes in found:
            route = alone.get(body)
            if route is None:
                route = alone[body] = (fib_route(body),)
            of_family = routes[body.family]
            if of_family.keys().isdisjoint(prefixes):
                of_family.update(dict.fromkeys(prefixes, route))
            else:
                of_family.update({prefix: of_family.get(prefix, ()) + route for prefix in prefixes})
            count += len(prefixes)
            if count >= _SLICE_ROUTES:
                count = 0
                await sleep(0)
        for family, table in self._tables.items():
            for _ in table.compare(routes[family], _SLICE_ROUTES):
                await sleep(0)
        if self._is_swept:
            self.sweep()

    def seen(self, message: RouteMessage) -> None:
        """Somebody else has added or deleted a route of our protocol."""
        kind, _, prefix, body = message
        table = self._tables[body.family]
        route = fib_route(body)
        if kind == RTM_NEWROUTE:
            if table.appeared(prefix, route) and (prefix in table.wanted or self._is_swept):
                self._put_right(table, prefix)
        elif table.vanished(prefix, route):
            down = self._why_down(leg.device for leg in table.wanted[prefix].legs)
            if down:  # the kernel itself took it away
                self._retries.failed((table.family, prefix), Refusal(ENETDOWN, down))
            else:
                self._put_right(table, prefix)

    def _put_right(self, table: FibTable, prefix: bytes) -> None:
        if prefix in table.queue:
            return
        self.stats.reinstalled += 1
        if self._retries.interfered((table.family, prefix), is_wanted=prefix in table.wanted):
            table.queue[prefix] = table.wanted.get(prefix)
            self._schedule()

    def place_taken(self, family: Family, prefix: bytes, metric: int) -> None:
        """A foreign route has replaced what had that prefix and metric."""
        table = self._tables[family]
        current = table.current(prefix)
        if current is None or metric_of(family, current) != metric:
            return
        table.note(prefix, None)
        if prefix in table.wanted:  # writing it will be refused, and the failure names the reason
            table.queue.setdefault(prefix, table.wanted[prefix])
            self._schedule()

    def place_freed(self, family: Family, prefix: bytes) -> None:
        """A foreign route of that prefix has gone."""
        if (family, prefix) in self._retries.failures:
            self._requeue([(family, prefix)])

    def device_lost(self, family: Family, device: int) -> None:
        """The kernel has silently removed our routes that have no other living device than this."""

        def is_affected(route: FibRoute) -> bool:
            devices = {leg.device for leg in route.legs}
            return device in devices and not any(self._surroundings.is_up(other) for other in devices - {device})

        table = self._tables[family]
        self._lost(table, table.affected(is_affected, is_possible=device in table.packer.devices))

    def source_lost(self, family: Family, address: bytes) -> None:
        """The kernel has silently removed our routes with this preferred source."""
        table = self._tables[family]
        is_possible = address in table.packer.sources
        self._lost(table, table.affected(lambda route: route.source == address, is_possible=is_possible))

    def _lost(self, table: FibTable, prefixes: list[bytes]) -> None:
        for prefix in prefixes:
            table.note(prefix, None)
            if prefix in table.wanted:
                table.queue.setdefault(prefix, table.wanted[prefix])
        self._schedule()

    def links_changed(self) -> None:
        """Try again soon what failed before."""
        self._retries.soon()
