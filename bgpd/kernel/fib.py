"""Writes our routes into the kernel: batches, one barrier acknowledgement each, errors mapped back by sequence number.
Hot.

What we want of a prefix and what the kernel has of ours is one table plus the exceptions, so a million routes cost one
dict. A place is a prefix with a metric (and no TOS). Rules:
- A place that is free or not known to be ours is written with NLM_F_EXCL, so a foreign route is never overwritten;
  NLM_F_REPLACE (atomic) is used only where our own route stands and no foreign one shares the place. Deletions name
  our protocol.
- A route that cannot be written is reported with the kernel's text and tried again: with growing pauses, and at once
  when a foreign route leaves its place or a link comes up. If it was to replace another one of ours, that one is
  deleted: a stale route is worse than none.
- A route of ours that somebody else deleted or replaced is written again, at once the first time, then with growing
  pauses.
- Routes found at start are inherited: in place until programmed again or swept.
"""

from asyncio import AbstractEventLoop, Future, Handle, TimerHandle, sleep
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from errno import EEXIST, ENETDOWN, ENODEV, ENOENT, ESRCH
from itertools import islice
from struct import Struct
from typing import Final, Protocol

import structlog

from bgpd.addresses import format_prefix
from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.kernel.netlink import NetlinkSocket, Overrun, Refusal
from bgpd.kernel.routes import (
    FibRoute,
    RouteBody,
    RouteMessage,
    RoutePacker,
    fib_route,
    is_written,
    metric_of,
)
from bgpd.kernel.rtnetlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    NLMSG_NOOP,
    RTM_NEWROUTE,
)
from bgpd.kernel.settings import KernelSettings

_BATCH: Final = 256  # prefixes; all of them failing still fits a receive buffer of the default size
_MOST_OCTETS: Final = 1 << 17  # of a datagram
_SLICE: Final = 0.010  # seconds of writing a tick
_FIRST_PAUSE: Final = 1.0  # seconds until a failed route is tried again, doubling
_LONGEST_PAUSE: Final = 30.0
_CALM: Final = 10.0  # seconds without interference after which a deleted route is put back at once again
_SOON: Final = 0.05  # seconds from a link's news to trying failed routes again
_LOGGED_FAILURES: Final = 5  # a batch
_SLICE_ROUTES: Final = 5000  # dumped routes a tick
_ALREADY_GONE: Final = frozenset({ESRCH, ENOENT, ENODEV})
_BARRIER: Final = Struct("=IHHII")  # a message that does nothing but ask for an acknowledgement

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FibFailure:
    """Why a route is not in the kernel. since: loop time of the first attempt. attempts: since then."""

    text: str
    errno: int
    since: float
    attempts: int


@dataclass(slots=True)
class FibStats:
    """Counters of messages that the kernel accepted or refused."""

    written: int = 0
    deleted: int = 0
    errors: int = 0
    reinstalled: int = 0
    batches: int = 0


@dataclass(slots=True)
class _Interference:
    """Somebody else's hands on a route of ours. count: in a row. at: loop time of the last."""

    count: int
    at: float


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


_Operation = tuple[bytes, FibRoute | None, FibRoute | None]
"""Prefix, route to write (None: delete), our route that was there before (the one to delete)."""


class _Table:
    """One family's routes: wanted, and where the kernel differs from it.

    queue: changes not yet written; None = delete. actual: what the kernel has of ours for prefixes where that is not
    what is wanted; None = nothing. strays: further routes of ours for the same prefix, with another metric.
    """

    __slots__ = ("actual", "family", "packer", "queue", "strays", "wanted")

    def __init__(self, family: Family, settings: KernelSettings) -> None:
        self.family = family
        self.packer = RoutePacker(family, settings.table, settings.protocol)
        self.queue: dict[bytes, FibRoute | None] = {}
        self.wanted: dict[bytes, FibRoute] = {}
        self.actual: dict[bytes, FibRoute | None] = {}
        self.strays: dict[bytes, tuple[FibRoute, ...]] = {}

    def current(self, prefix: bytes) -> FibRoute | None:
        """Return what the kernel has of ours for the prefix."""
        return self.actual[prefix] if prefix in self.actual else self.wanted.get(prefix)

    def note(self, prefix: bytes, route: FibRoute | None) -> None:
        """Remember that the kernel has this of ours for the prefix now."""
        wanted = self.wanted.get(prefix)
        if route is None or wanted is None:
            is_as_wanted = route is wanted
        else:
            is_as_wanted = is_written(self.family, route, wanted)
        if is_as_wanted:
            self.actual.pop(prefix, None)
        else:
            self.actual[prefix] = route

    def installed(self) -> int:
        """Return how many prefixes have a route of ours in the kernel."""
        count = len(self.wanted)
        for prefix, route in self.actual.items():
            count += (route is not None) - (prefix in self.wanted)
        return count

    def routes_over(self, is_affected: Callable[[FibRoute], bool]) -> list[bytes]:
        """Return the prefixes whose route in the kernel is of an affected kind."""
        found = [prefix for prefix, route in self.actual.items() if route is not None and is_affected(route)]
        affected = {id(route) for route in self.packer.routes() if is_affected(route)}
        if affected:
            found += [p for p, route in self.wanted.items() if id(route) in affected and p not in self.actual]
        return found


class Fib:
    """The routes of our protocol in one kernel table, IPv4 and IPv6."""

    def __init__(self, settings: KernelSettings, loop: AbstractEventLoop) -> None:
        self.stats = FibStats()
        self.failures: dict[tuple[Family, bytes], FibFailure] = {}
        self.on_written: list[Callable[[Family, Sequence[bytes]], None]] = []
        self._surroundings: Surroundings
        self._netlink: NetlinkSocket
        self._loop = loop
        self._tables = {family: _Table(family, settings) for family in FAMILIES.values()}
        self._interference: dict[tuple[Family, bytes], _Interference] = {}
        self._retry_at: dict[tuple[Family, bytes], float] = {}
        self._retry: TimerHandle | None = None
        self._retry_all: TimerHandle | None = None
        self._tick: Handle | None = None
        self._waiters: list[Future[None]] = []
        self._is_paused = True  # until the kernel's routes have been read
        self._is_swept = False
        self._sequence = 0
        self._last_unexplained = float("-inf")

    def start(self, surroundings: Surroundings, netlink: NetlinkSocket) -> None:
        """Get ready; writing begins with ``resynchronised``."""
        self._surroundings = surroundings
        self._netlink = netlink

    # ------------------------------------------------------------ what the speaker asks for

    def program(self, family: Family, changes: Mapping[bytes, FibRoute | None]) -> None:
        """Write these routes, None: delete; a later change of a prefix supersedes a queued one."""
        self._tables[family].queue.update(changes)
        self._schedule()

    async def flushed(self) -> None:
        """Return when nothing is queued."""
        if self.queued():
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            self._schedule()
            await waiter

    def begin_sweep(self) -> None:
        """Treat all our routes in the kernel as inherited: they stay until ``sweep`` unless programmed again."""
        self._is_swept = False
        for table in self._tables.values():
            table.actual = {**table.wanted, **table.actual}
            table.wanted = {}
        self._retry_at.clear()
        self.failures.clear()

    def sweep(self) -> int:
        """Delete the inherited routes that nobody has programmed; return how many."""
        self._is_swept = True
        count = 0
        for table in self._tables.values():
            stale = dict.fromkeys(
                prefix
                for prefix, route in table.actual.items()
                if route is not None and prefix not in table.wanted and prefix not in table.queue
            )
            count += len(stale)
            table.queue.update(stale)
            table.queue.update({p: table.wanted.get(p) for p in table.strays if p not in table.queue})
        self._schedule()
        return count

    def flush_all(self) -> None:
        """Delete all our routes."""
        for table in self._tables.values():
            table.queue = dict.fromkeys((*table.wanted, *table.actual, *table.strays))
        self._is_swept = True
        self._schedule()

    def close(self) -> None:
        """Stop writing; what is in the kernel stays."""
        for handle in (self._tick, self._retry, self._retry_all):
            if handle is not None:
                handle.cancel()
        for waiter in self._waiters:
            waiter.cancel()
        self._is_paused = True

    # ------------------------------------------------------------ views

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
        table = self._tables[family]
        merged = {**table.wanted, **table.actual}
        return {prefix: route for prefix, route in merged.items() if route is not None}

    # ------------------------------------------------------------ writing

    def _schedule(self) -> None:
        if self._tick is None and not self._is_paused:
            self._tick = self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._tick = None
        deadline = self._loop.time() + _SLICE
        while not self._is_paused:
            self._surroundings.catch_up()
            is_idle = True
            for table in self._tables.values():
                if table.queue:
                    is_idle = False
                    self._write_batch(table)
            if is_idle:
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

    def _write_batch(self, table: _Table) -> None:
        operations, datagram, first = self._build(table)
        if not operations:
            return
        self.stats.batches += 1
        try:
            refusals = self._netlink.exchange(datagram, self._sequence)
        except Overrun:
            for prefix, route, _ in operations:
                if route is not None:
                    table.wanted[prefix] = route
            self._lose_track("acknowledgements were lost")
            return
        except OSError as error:
            refusal = Refusal(error.errno or 0, f"cannot send to the kernel: {error.strerror}")
            refusals = dict.fromkeys(range(first, first + len(operations)), refusal)
        self._conclude(table, operations, refusals, first)

    def _build(self, table: _Table) -> tuple[list[_Operation], bytes, int]:
        """Take changes from the queue; return what is to be done, the datagram for it and its first sequence number."""
        family, packer, wanted, actual, strays = table.family, table.packer, table.wanted, table.actual, table.strays
        shape_of, pack = packer.shape, packer.new
        operations: list[_Operation] = []
        messages: list[bytes] = []
        reasons: dict[FibRoute, str] = {}
        octets = taken = 0
        first = sequence = self._sequence + 1
        items = list(islice(table.queue.items(), _BATCH))
        for prefix, route in items:
            taken += 1
            old = actual[prefix] if prefix in actual else wanted.get(prefix)
            if strays and prefix in strays:
                for stray in strays.pop(prefix):
                    operations.append((prefix, None, stray))
                    messages.append(self._pack_delete(table, prefix, stray, sequence))
                    sequence += 1
            if route is None:
                self._forget(table, prefix)
                if old is not None:
                    actual[prefix] = old
                    operations.append((prefix, None, old))
                    messages.append(self._pack_delete(table, prefix, old, sequence))
                    sequence += 1
                continue
            shape = shape_of(route)
            route = shape.route
            if old is not None and (old is route or is_written(family, old, route)):
                wanted[prefix] = route
                actual.pop(prefix, None)
                self._succeeded(family, prefix)
                continue
            if route not in reasons:
                reasons[route] = next((self._why_down(d) for d in shape.devices if not self._is_up(d)), "")
            if reasons[route]:
                self._give_up(table, prefix, route, old, Refusal(ENETDOWN, reasons[route]))
                if old is not None:
                    operations.append((prefix, None, old))
                    messages.append(self._pack_delete(table, prefix, old, sequence))
                    sequence += 1
                continue
            flags = NLM_F_CREATE | NLM_F_EXCL
            is_moved = False
            if old is not None:
                metric = metric_of(family, route)
                is_moved = metric != metric_of(family, old)
                if not is_moved and not self._surroundings.has_foreign(family, prefix, metric):
                    flags = NLM_F_CREATE | NLM_F_REPLACE
                elif not is_moved:
                    operations.append((prefix, None, old))
                    messages.append(self._pack_delete(table, prefix, old, sequence))
                    sequence += 1
            operations.append((prefix, route, old))
            message = pack(prefix, shape, flags, sequence)
            messages.append(message)
            sequence += 1
            if is_moved and old is not None:
                operations.append((prefix, None, old))
                messages.append(self._pack_delete(table, prefix, old, sequence))
                sequence += 1
            octets += len(message)
            if octets > _MOST_OCTETS:
                break
        queue = table.queue
        for prefix, _ in items[:taken]:
            del queue[prefix]
        messages.append(_BARRIER.pack(_BARRIER.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, sequence, 0))
        self._sequence = sequence
        return operations, b"".join(messages), first

    def _pack_delete(self, table: _Table, prefix: bytes, route: FibRoute, sequence: int) -> bytes:
        metric = metric_of(table.family, route)
        is_shared = self._surroundings.has_foreign(table.family, prefix, metric)
        return table.packer.delete(prefix, metric, sequence, legs=route.legs if is_shared else ())

    def _conclude(
        self, table: _Table, operations: Sequence[_Operation], refusals: Mapping[int, Refusal], first: int
    ) -> None:
        """Note what the kernel has done."""
        family, wanted, actual = table.family, table.wanted, table.actual
        written: list[bytes] = []
        refused: list[tuple[bytes, FibRoute, FibRoute | None, Refusal]] = []
        sequence = first - 1
        for prefix, route, old in operations:
            sequence += 1
            refusal = refusals.get(sequence) if refusals else None
            if route is not None:
                if refusal is None:
                    wanted[prefix] = route
                    if actual:
                        actual.pop(prefix, None)
                    written.append(prefix)
                else:
                    refused.append((prefix, route, table.current(prefix), refusal))
            elif refusal is None or refusal.errno in _ALREADY_GONE:
                self.stats.deleted += 1
                if table.current(prefix) is old:
                    table.note(prefix, None)
            else:
                self.stats.errors += 1
                _log.error("cannot delete a route", prefix=format_prefix(family, prefix), why=refusal.text)
                if prefix not in table.wanted:
                    self._retry_at[family, prefix] = self._loop.time() + _FIRST_PAUSE
                    self._arm_retry()
        self.stats.written += len(written)
        if self.failures or self._retry_at:
            for prefix in written:
                self._succeeded(family, prefix)
        if written:
            for callback in self.on_written:
                callback(family, written)
        if refused:
            self._refused(table, refused)

    def _refused(self, table: _Table, refused: list[tuple[bytes, FibRoute, FibRoute | None, Refusal]]) -> None:
        family = table.family
        self.stats.errors += len(refused)
        fresh = [entry for entry in refused if (family, entry[0]) not in self.failures]
        for prefix, _, _, refusal in fresh[:_LOGGED_FAILURES]:
            _log.error("cannot write a route", prefix=format_prefix(family, prefix), why=refusal.text)
        if len(fresh) > _LOGGED_FAILURES:
            _log.error("cannot write more routes", count=len(fresh) - _LOGGED_FAILURES)
        for prefix, route, old, refusal in refused:
            self._give_up(table, prefix, route, old, refusal)
            is_explained = self._surroundings.has_foreign(family, prefix, metric_of(family, route))
            if refusal.errno == EEXIST and not is_explained:
                self._lose_track_of_place(family, prefix)
        stale = [(prefix, old) for prefix, _, old, _ in refused if old is not None]
        for start in range(0, len(stale), _BATCH):
            self._delete_now(table, stale[start : start + _BATCH])

    def _delete_now(self, table: _Table, stale: Sequence[tuple[bytes, FibRoute]]) -> None:
        first = self._sequence + 1
        messages = [self._pack_delete(table, prefix, old, first + n) for n, (prefix, old) in enumerate(stale)]
        self._sequence = last = first + len(stale)
        messages.append(_BARRIER.pack(_BARRIER.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, last, 0))
        try:
            refusals = self._netlink.exchange(b"".join(messages), last)
        except (Overrun, OSError):
            self._lose_track("acknowledgements were lost")
            return
        self._conclude(table, [(prefix, None, old) for prefix, old in stale], refusals, first)

    # ------------------------------------------------------------ failure and retrying

    def _is_up(self, device: int) -> bool:
        return not device or self._surroundings.is_up(device)

    def _why_down(self, device: int) -> str:
        return self._surroundings.why_down(device)

    def _give_up(self, table: _Table, prefix: bytes, route: FibRoute, old: FibRoute | None, refusal: Refusal) -> None:
        """Note that a wanted route is not in the kernel, and when to try again."""
        table.wanted[prefix] = route
        table.note(prefix, old)
        self._failed(table.family, prefix, refusal)

    def _failed(self, family: Family, prefix: bytes, refusal: Refusal) -> None:
        key = (family, prefix)
        before = self.failures.get(key)
        now = self._loop.time()
        attempts = before.attempts + 1 if before else 1
        self.failures[key] = FibFailure(refusal.text, refusal.errno, before.since if before else now, attempts)
        self._retry_at[key] = now + _pause(attempts)
        self._arm_retry()

    def _succeeded(self, family: Family, prefix: bytes) -> None:
        self.failures.pop((family, prefix), None)
        self._retry_at.pop((family, prefix), None)

    def _forget(self, table: _Table, prefix: bytes) -> None:
        table.wanted.pop(prefix, None)
        if self.failures or self._retry_at:
            self._succeeded(table.family, prefix)

    def _arm_retry(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_later(_FIRST_PAUSE, self._retry_due)

    def _retry_due(self) -> None:
        self._retry = None
        now = self._loop.time()
        self._requeue([key for key, at in self._retry_at.items() if at <= now])
        self._interference = {key: seen for key, seen in self._interference.items() if now - seen.at < _CALM}
        if self._retry_at:
            self._arm_retry()

    def _retry_everything(self) -> None:
        self._retry_all = None
        self._requeue(list(self._retry_at))

    def _requeue(self, keys: Iterable[tuple[Family, bytes]]) -> None:
        for family, prefix in keys:
            self._retry_at.pop((family, prefix), None)
            table = self._tables[family]
            table.queue.setdefault(prefix, table.wanted.get(prefix))
        self._schedule()

    def _lose_track_of_place(self, family: Family, prefix: bytes) -> None:
        now = self._loop.time()
        if now - self._last_unexplained > _CALM:
            self._last_unexplained = now
            self._lose_track(f"{format_prefix(family, prefix)} is in the kernel and we do not know why")

    def _lose_track(self, why: str) -> None:
        self._surroundings.resynchronise(why)

    # ------------------------------------------------------------ what the watcher tells

    def pause(self) -> None:
        """Do not write until ``resynchronised``."""
        self._is_paused = True

    async def resynchronised(self, found: Sequence[RouteMessage]) -> None:
        """Take in all our routes that the kernel has, and go on writing where it has not what is wanted."""
        bodies: dict[RouteBody, FibRoute] = {}
        routes: dict[Family, dict[bytes, tuple[FibRoute, ...]]] = {family: {} for family in self._tables}
        for count, (_, _, prefix, body) in enumerate(found, 1):
            route = bodies.get(body)
            if route is None:
                route = bodies[body] = fib_route(body)
            of_family = routes[body.family]
            of_family[prefix] = (*of_family[prefix], route) if prefix in of_family else (route,)
            if not count % _SLICE_ROUTES:
                await sleep(0)
        for family, table in self._tables.items():
            await self._compare(table, routes[family])
        self._is_paused = False
        self._schedule()

    async def _compare(self, table: _Table, found: dict[bytes, tuple[FibRoute, ...]]) -> None:
        table.actual = {}
        table.strays = {}
        for count, (prefix, wanted) in enumerate(list(table.wanted.items()), 1):
            candidates = found.pop(prefix, ())
            mine = _closest(table.family, candidates, wanted)
            if mine is None or not is_written(table.family, mine, wanted):
                table.actual[prefix] = mine
                table.queue.setdefault(prefix, wanted)
            if len(candidates) > 1:
                table.strays[prefix] = tuple(route for route in candidates if route is not mine)
                table.queue.setdefault(prefix, wanted)
            if not count % _SLICE_ROUTES:
                await sleep(0)
        for prefix, candidates in found.items():
            table.actual[prefix] = candidates[0]
            if len(candidates) > 1:
                table.strays[prefix] = candidates[1:]
            if self._is_swept:
                table.queue.setdefault(prefix, None)

    def seen(self, message: RouteMessage) -> None:
        """Somebody else has added or deleted a route of our protocol."""
        kind, _, prefix, body = message
        table = self._tables[body.family]
        route = fib_route(body)
        current = table.current(prefix)
        if kind == RTM_NEWROUTE:
            self._appeared(table, prefix, route, current)
        elif current is None or metric_of(table.family, current) != metric_of(table.family, route):
            strays = tuple(s for s in table.strays.get(prefix, ()) if not is_written(table.family, s, route))
            table.strays[prefix] = strays
            if not strays:
                del table.strays[prefix]
        else:
            self._vanished(table, prefix, _without(table.family, current, route))

    def _appeared(self, table: _Table, prefix: bytes, route: FibRoute, current: FibRoute | None) -> None:
        if current is not None and is_written(table.family, current, route):
            return
        if current is None or metric_of(table.family, current) == metric_of(table.family, route):
            table.note(prefix, route)
        else:
            table.strays[prefix] = (*table.strays.get(prefix, ()), route)
        if prefix in table.wanted or self._is_swept:
            self._interfered(table, prefix)

    def _vanished(self, table: _Table, prefix: bytes, rest: FibRoute | None) -> None:
        if rest is not None and rest is table.current(prefix):
            return  # it was another one
        table.note(prefix, rest)
        wanted = table.wanted.get(prefix)
        if wanted is None:
            if rest is None:
                table.actual.pop(prefix, None)
            return
        down = next((self._why_down(leg.device) for leg in wanted.legs if not self._is_up(leg.device)), "")
        if down:
            self._failed(table.family, prefix, Refusal(ENETDOWN, down))
        else:
            self._interfered(table, prefix)

    def _interfered(self, table: _Table, prefix: bytes) -> None:
        """Put right what somebody else did, at once if it is the first time in a while."""
        if prefix in table.queue:
            return
        key = (table.family, prefix)
        now = self._loop.time()
        seen = self._interference.setdefault(key, _Interference(0, now))
        seen.count = 1 if now - seen.at > _CALM else seen.count + 1
        seen.at = now
        self.stats.reinstalled += 1
        if seen.count == 1:
            table.queue[prefix] = table.wanted.get(prefix)
            self._schedule()
            return
        if prefix in table.wanted:
            text = "another program keeps changing or deleting it"
            self.failures[key] = FibFailure(
                text, 0, self.failures[key].since if key in self.failures else now, seen.count
            )
        self._retry_at[key] = now + _pause(seen.count - 1)
        self._arm_retry()

    def place_taken(self, family: Family, prefix: bytes, metric: int) -> None:
        """A foreign route has replaced what had that prefix and metric."""
        table = self._tables[family]
        current = table.current(prefix)
        if current is None or metric_of(family, current) != metric:
            return
        table.note(prefix, None)
        if prefix in table.wanted:
            table.queue.setdefault(prefix, table.wanted[prefix])  # is refused; the failure names the reason
            self._schedule()

    def place_freed(self, family: Family, prefix: bytes) -> None:
        """A foreign route of that prefix has gone."""
        if (family, prefix) in self.failures:
            self._requeue([(family, prefix)])

    def device_lost(self, family: Family, device: int) -> None:
        """The kernel has silently removed our routes that have no other living device than this."""

        def is_affected(route: FibRoute) -> bool:
            devices = {leg.device for leg in route.legs}
            return device in devices and not any(self._is_up(other) for other in devices - {device})

        self._lost(self._tables[family], is_affected)

    def source_lost(self, family: Family, address: bytes) -> None:
        """The kernel has silently removed our routes with this preferred source."""
        self._lost(self._tables[family], lambda route: route.source == address)

    def _lost(self, table: _Table, is_affected: Callable[[FibRoute], bool]) -> None:
        for prefix in table.routes_over(is_affected):
            if prefix in table.wanted:
                table.actual[prefix] = None
                table.queue.setdefault(prefix, table.wanted[prefix])
            else:
                del table.actual[prefix]
        self._schedule()

    def links_changed(self) -> None:
        """Try again soon what failed before."""
        if self._retry_at and self._retry_all is None:
            self._retry_all = self._loop.call_later(_SOON, self._retry_everything)


def _pause(attempts: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, 10))


def _closest(family: Family, found: tuple[FibRoute, ...], wanted: FibRoute) -> FibRoute | None:
    """Return the route that is the wanted one, else the one in its place, else any."""
    for route in found:
        if is_written(family, route, wanted):
            return route
    metric = metric_of(family, wanted)
    in_place = [route for route in found if metric_of(family, route) == metric]
    return next(iter(in_place or found), None)


def _without(family: Family, current: FibRoute, gone: FibRoute) -> FibRoute | None:
    """Return what is left of our route after a deletion in its place; None: nothing, itself: it was another one."""
    if is_written(family, current, gone):
        return None
    if family is not IPV4_UNICAST:
        rest = tuple(leg for leg in current.legs if leg not in gone.legs)
        return FibRoute(rest, current.kind, current.source, current.metric) if rest and rest != current.legs else None
    return current
