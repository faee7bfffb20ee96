"""Follows the kernel's links, addresses and routes by events, and tells of what matters, coalesced.

Events are multicast by the kernel (rtnetlink(7)); if it has to drop some (ENOBUFS), all is read again and the
differences are told. Events that our own writing causes are filtered out inside the kernel.
"""

import asyncio
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections import deque
from collections.abc import Iterable, Sequence
from errno import EAFNOSUPPORT, ENOENT, EOPNOTSUPP, ESRCH
from itertools import islice, repeat
from struct import Struct
from typing import Final, Protocol

import structlog

from bgpd.addresses import network_of
from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.kernel.learning import LearnedRun, Learner, LocalRoute
from bgpd.kernel.links import InterfaceAddress, Link, LinkEvent, addresses_request, links_request
from bgpd.kernel.links import read as read_links
from bgpd.kernel.lookup import Resolution, resolve
from bgpd.kernel.mirror import Mirror, RouteKey
from bgpd.kernel.netlink import NetlinkSocket, Overrun
from bgpd.kernel.reading import RouteMessage, RouteReader, Run, dump_request
from bgpd.kernel.rtnetlink import (
    NLM_F_REPLACE,
    RT_TABLE_MAIN,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_LINK,
)
from bgpd.kernel.settings import KernelSettings

_GROUPS: Final = (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE)
_COALESCE: Final = 0.005  # seconds from an event to the callbacks
_READS: Final = 256  # events a tick
_CHANGES: Final = 2000  # learned routes a tick
_SLICE: Final = 2000  # dumped routes a tick
_MOST_ASKED: Final = 1 << 16
_DUMP_ATTEMPTS: Final = 3
_RETRY: Final = 1.0  # seconds after a failed resynchronisation
_READ_AGAIN: Final = 10.0  # seconds after a dump that may be incomplete
_NOTHING_THERE: Final = frozenset({ENOENT, ESRCH, EAFNOSUPPORT, EOPNOTSUPP})  # no such table, no such family

_TYPE: Final = Struct("=H")

_log = structlog.get_logger(__name__)


class KernelUser(Protocol):
    """Who is told of changes; called on the loop, must not block."""

    def learned_changed(self, runs: Sequence[LearnedRun]) -> None:
        """These prefixes are learned anew or differently; None: no longer. No run is changed afterwards."""

    def topology_changed(self) -> None:
        """Links, addresses or routes that answers of ``lookup`` rest on have changed."""


class OwnRoutes(Protocol):
    """What the watcher tells the FIB writer about routes of our protocol."""

    def pause(self) -> None:
        """Do not write until ``resume``: the kernel's routes are being read."""

    def resume(self) -> None:
        """Write again."""

    async def resynchronised(self, found: Sequence[Run]) -> None:
        """These are all of our routes that the kernel has."""

    def seen(self, message: RouteMessage) -> None:
        """Somebody else added or deleted a route of our protocol."""

    def place_taken(self, family: Family, prefix: bytes, metric: int) -> None:
        """A foreign route has replaced what had that prefix and metric."""

    def place_freed(self, family: Family, prefix: bytes) -> None:
        """A foreign route of that prefix has gone."""

    def device_lost(self, family: Family, device: int) -> None:
        """The kernel has silently removed the family's routes that had no other device than this."""

    def source_lost(self, family: Family, address: bytes) -> None:
        """The kernel has silently removed routes with this preferred source."""

    def links_changed(self) -> None:
        """What failed before may succeed now."""


class Watcher:
    """Keeps the mirror. Counters: events, resyncs."""

    def __init__(self, settings: KernelSettings, user: KernelUser, own: OwnRoutes, loop: AbstractEventLoop) -> None:
        self.links: dict[int, Link] = {}
        self.addresses: dict[int, frozenset[InterfaceAddress]] = {}
        self.learned: dict[Family, dict[bytes, LocalRoute]] = {family: {} for family in FAMILIES.values()}
        self.events = 0
        self.resyncs = 0
        self.mirror = Mirror()
        self._settings = settings
        self._user = user
        self._own = own
        self._loop = loop
        self._tables = settings.tables()
        self._lookup_tables = tuple({settings.table: None, RT_TABLE_MAIN: None})
        self._learner = Learner(settings.learn, settings.table, settings.protocol)
        self._reader = RouteReader(self._tables)
        self._local_addresses: frozenset[bytes] = frozenset()
        self._asked: set[bytes] = set()
        self._asked_prefixes: dict[tuple[Family, int], set[bytes]] = {}
        self._changed: dict[Family, dict[bytes, None]] = {family: {} for family in FAMILIES.values()}
        self._to_judge: deque[tuple[Family, list[bytes]]] = deque()
        self._to_tell: deque[list[LearnedRun]] = deque()
        self._is_topology_changed = False
        self._notification: TimerHandle | None = None
        self._resync: Task[None] | None = None
        self._retry: TimerHandle | None = None
        self._read_again: TimerHandle | None = None
        self._is_torn = False  # the kernel's data changed under each attempt to read them
        self._is_resync_due = False
        self._is_all_told = False  # of what was there at the start; nothing is written before
        self._sequence = 0
        self._events: NetlinkSocket | None = None
        self._queries: NetlinkSocket | None = None

    # ------------------------------------------------------------ life

    async def start(self, own_port: int) -> None:
        """Subscribe, read everything, then follow; own_port: of the socket that writes. Raises KernelError, OSError.

        Nothing is told or written before ``learn``.
        """
        self._events = NetlinkSocket(_GROUPS)
        self._events.ignore_routes_of(own_port)
        self._queries = NetlinkSocket()
        await self._synchronise()
        self._is_topology_changed = False
        if self._notification is not None:
            self._notification.cancel()
            self._notification = None

    async def learn(self) -> None:
        """Judge everything, then tell of what is learned, a bounded number of routes a tick; then write."""
        while self._to_judge or any(self._changed.values()):
            self._judge_changed()
            await asyncio.sleep(0)
        while self._to_tell:
            self._user.learned_changed(self._to_tell.popleft())
            await asyncio.sleep(0)
        self._is_all_told = True
        if self._resync is None and self._retry is None:  # else that ends the pause
            self._own.resume()

    async def close(self) -> None:
        """Stop following."""
        for handle in (self._notification, self._retry, self._read_again):
            if handle is not None:
                handle.cancel()
        if self._resync is not None:
            self._resync.cancel()
            await asyncio.gather(self._resync, return_exceptions=True)
        if self._events is not None:
            self._loop.remove_reader(self._events.fileno())
            self._events.close()
        if self._queries is not None:
            self._queries.close()
        self._events = self._queries = None

    def apply_settings(self, settings: KernelSettings) -> None:
        """Use other learn rules; table and protocol must be what they were."""
        self._settings = settings
        self._learner = Learner(settings.learn, settings.table, settings.protocol)
        if settings.tables() != self._tables:
            self._tables = settings.tables()
            self._reader = RouteReader(self._tables)
            self.resynchronise("tables to follow have changed")
        self._judge_everything()

    # ------------------------------------------------------------ questions

    def lookup(self, address: bytes, interface: int) -> Resolution:
        """Return how an address is reached; ``topology_changed`` is called when the answer may be another one."""
        if address not in self._asked:
            if len(self._asked) >= _MOST_ASKED:
                self._asked.clear()
                self._topology_changed()
            self._asked.add(address)
            self._asked_prefixes.clear()
        return resolve(address, interface, self.mirror, self._lookup_tables, self.links, self._local_addresses)

    def interface_index(self, name: str) -> int | None:
        """Return the index of the interface with that name."""
        return next((link.index for link in self.links.values() if link.name == name), None)

    # ------------------------------------------------------------ what the FIB writer asks

    def has_foreign(self, family: Family, prefix: bytes, metric: int) -> bool:
        """Is there a route of somebody else in that place of our table?"""
        return self.mirror.has_route(self._settings.table, family, prefix, metric)

    def is_up(self, device: int) -> bool:
        """Is the interface there and up?"""
        link = self.links.get(device)
        return link is not None and link.is_up

    def why_down(self, device: int) -> str:
        """Return a sentence on an interface that is not up."""
        link = self.links.get(device)
        return f"interface {link.name} is down" if link is not None else f"there is no interface with index {device}"

    def catch_up(self) -> None:
        """Take in what has happened in the kernel so far."""
        self.read_events()

    # ------------------------------------------------------------ events

    def read_events(self) -> None:
        """Take in what has happened so far, as much as fits a tick."""
        if self._events is None or self._resync is not None:
            return
        try:
            for _ in range(_READS):
                buffer = self._events.receive()
                if buffer is None:
                    return
                self.events += 1
                self._take(buffer)
        except Overrun:
            self.resynchronise("the kernel dropped events, the receive buffer was full")

    def _take(self, buffer: bytes) -> None:
        if _TYPE.unpack_from(buffer, 4)[0] in (RTM_NEWROUTE, RTM_DELROUTE):
            for message in self._reader.read(buffer):
                self._take_route(message)
        else:
            for event in read_links(buffer):
                self._take_link(event)

    def _take_route(self, message: RouteMessage) -> None:
        kind, flags, prefix, body = message
        if body.protocol == self._settings.protocol:
            if body.table == self._settings.table:
                self._own.seen(message)
            return
        if not self.mirror.apply(message):
            return
        self._route_changed((body.table, body.family, prefix))
        if body.table == self._settings.table and not body.tos:
            if kind == RTM_DELROUTE:
                self._own.place_freed(body.family, prefix)
            elif flags & NLM_F_REPLACE:
                self._own.place_taken(body.family, prefix, body.metric)
                self._own.place_freed(body.family, prefix)

    def _route_changed(self, key: RouteKey) -> None:
        table, family, prefix = key
        if table in self._learner.tables:
            self._changed[family][prefix] = None
            self._schedule()
        if table in self._lookup_tables and prefix in self._asked_of_length(family, prefix[0]):
            self._topology_changed()

    def _asked_of_length(self, family: Family, length: int) -> set[bytes]:
        """Return the prefixes of that length which addresses that were looked up are in."""
        asked = self._asked_prefixes.get((family, length))
        if asked is None:
            asked = {network_of(address, length) for address in self._asked if len(address) == family.octets}
            self._asked_prefixes[family, length] = asked
        return asked

    def _take_link(self, event: LinkEvent) -> None:
        is_there, subject = event
        if isinstance(subject, Link):
            self._take_interface(subject, is_there=is_there)
        else:
            self._take_address(subject, is_there=is_there)

    def _take_interface(self, link: Link, *, is_there: bool) -> None:
        before = self.links.get(link.index)
        if is_there:
            self.links[link.index] = link
        else:
            self.links.pop(link.index, None)
            self.addresses.pop(link.index, None)
            self._addresses_changed()
        if before == self.links.get(link.index):
            return
        is_renamed = before is not None and is_there and before.name != link.name
        if before is None or not is_there or is_renamed:
            self._learner.forget()
        if is_renamed:
            self._judge_everything()
        if before is not None and before.is_up and not (is_there and link.is_up):
            for family in FAMILIES.values():
                self._lose_device(family, link.index)
        if is_there and link.is_up:
            self._own.links_changed()
        self._topology_changed()

    def _lose_device(self, family: Family, device: int) -> None:
        def is_dead(index: int) -> bool:
            return index == device or not self.is_up(index)

        for key in self.mirror.drop_dead(family, device, is_dead):
            self._route_changed(key)
            if key[0] == self._settings.table:
                self._own.place_freed(key[1], key[2])
        self._own.device_lost(family, device)

    def _take_address(self, address: InterfaceAddress, *, is_there: bool) -> None:
        before = self.addresses.get(address.index, frozenset())
        after = before | {address} if is_there else before - {address}
        if before == after:
            return
        self.addresses[address.index] = after
        self._addresses_changed()
        if not is_there:
            self._lose_address(address)
        self._own.links_changed()
        self._topology_changed()

    def _lose_address(self, address: InterfaceAddress) -> None:
        if address.address in self._local_addresses:
            return  # another interface has it too
        for key in self.mirror.drop_source(address.family, address.address):
            self._route_changed(key)
        self._own.source_lost(address.family, address.address)
        remaining = self.addresses[address.index]
        if address.family is IPV4_UNICAST and not any(other.family is IPV4_UNICAST for other in remaining):
            self._lose_device(IPV4_UNICAST, address.index)  # its last address takes all IPv4 routes of a device along

    def _addresses_changed(self) -> None:
        self._local_addresses = frozenset(a.address for addresses in self.addresses.values() for a in addresses)

    # ------------------------------------------------------------ telling

    def _topology_changed(self) -> None:
        self._is_topology_changed = True
        self._schedule()

    def _schedule(self) -> None:
        if self._notification is None:
            self._notification = self._loop.call_later(_COALESCE, self._notify)

    def _notify(self) -> None:
        self._notification = None
        if self._is_topology_changed:
            self._is_topology_changed = False
            self._user.topology_changed()
        self._tell_learned()
        if (self._to_judge or self._to_tell) and self._notification is None:
            self._notification = self._loop.call_later(0, self._notify)

    def _tell_learned(self) -> None:
        """Judge changed routes, a bounded number of them, and tell of those that are learned differently now."""
        self._judge_changed()
        if self._to_tell:
            self._user.learned_changed(self._to_tell.popleft())

    def _judge_changed(self) -> None:
        """Judge changed routes, a bounded number of them; those that are learned differently now are to be told."""
        for family, changed in self._changed.items():
            prefixes = list(changed)
            changed.clear()
            self._judge_later(family, prefixes)
        changes: list[LearnedRun] = []
        count = 0
        while self._to_judge and count < _CHANGES:
            family, prefixes = self._to_judge.popleft()
            changes += self._judge(family, prefixes)
            count += len(prefixes)
        if changes:
            self._to_tell.append(changes)

    def _judge_later(self, family: Family, prefixes: list[bytes]) -> None:
        self._to_judge.extend((family, prefixes[n : n + _CHANGES]) for n in range(0, len(prefixes), _CHANGES))

    def _judge(self, family: Family, prefixes: list[bytes]) -> list[LearnedRun]:
        """Note what is learned for these prefixes now; return what is not as before."""
        learned = self.learned[family]
        tables = [self.mirror.table(table, family).routes for table in self._learner.tables]
        changes: list[LearnedRun] = []
        for run in self._learner.select_runs(family, prefixes, tables, self.links):
            _, route, alike = run
            if route is None:
                gone = [prefix for prefix in alike if prefix in learned]
                for prefix in gone:
                    del learned[prefix]
                if gone:
                    changes.append((family, None, gone))
                continue
            count = len(learned)
            known = list(map(learned.setdefault, alike, repeat(route)))
            count = len(learned) - count
            if count < len(alike):  # a dict keeps its keys in the order they came in, so the new ones are its last
                pairs = zip(alike, known, strict=True)
                changed = [prefix for prefix, before in pairs if before is not route and before != route]
                learned.update(dict.fromkeys(changed, route))
                alike = [*islice(reversed(learned), count), *changed]
            if alike:
                changes.append((family, route, alike))
        return changes

    def _judge_everything(self) -> None:
        tables = self._learner.tables
        for table, family, prefixes in self.mirror.prefixes():
            if table in tables:
                self._changed[family].update(dict.fromkeys(prefixes))
        for family, learned in self.learned.items():
            self._changed[family].update(dict.fromkeys(learned))
        self._schedule()

    # ------------------------------------------------------------ reading everything

    def resynchronise(self, why: str) -> None:
        """Read everything again; told differences are like those of events."""
        self._is_resync_due = True
        if self._resync is None and self._retry is None and self._events is not None:
            _log.warning("reading the kernel's routes again", why=why)
            self.resyncs += 1
            self._resync = self._loop.create_task(self._resynchronise())

    async def _resynchronise(self) -> None:
        try:
            await self._synchronise()
        except (Overrun, OSError) as error:
            _log.error("cannot read the kernel's routes, trying again", why=str(error), after=_RETRY)
            self._retry = self._loop.call_later(_RETRY, self._retry_resync)
        finally:
            self._resync = None
        if self._is_resync_due and self._retry is None:
            self.resynchronise("the kernel dropped events while they were read")

    def _retry_resync(self) -> None:
        self._retry = None
        self.resynchronise("the last attempt failed")

    def _read_torn_again(self) -> None:
        self._read_again = None
        self.resynchronise("the kernel's data changed while they were read")

    async def _synchronise(self) -> None:
        assert self._events is not None
        self._is_resync_due = self._is_torn = False
        self._own.pause()
        self._loop.remove_reader(self._events.fileno())
        self._discard_events()
        links, addresses = await self._dump_links()
        routes = await self._dump_routes()
        protocol, table = self._settings.protocol, self._settings.table
        own = [(body, prefixes) for body, prefixes in routes if body.protocol == protocol and body.table == table]
        mirror = await self._build_mirror(run for run in routes if run[0].protocol != protocol)
        self._learner.forget()
        self.links = links
        self.addresses = addresses
        self._addresses_changed()
        for number, family, prefixes in self.mirror.differences(mirror):
            if number in self._learner.tables:
                self._judge_later(family, prefixes)
        self.mirror = mirror
        await self._own.resynchronised(own)
        self._own.links_changed()
        self._topology_changed()
        self._loop.add_reader(self._events.fileno(), self.read_events)
        if self._is_all_told:
            self._own.resume()
        if self._is_torn and self._read_again is None:
            self._read_again = self._loop.call_later(_READ_AGAIN, self._read_torn_again)

    def _discard_events(self) -> None:
        assert self._events is not None
        while True:
            try:
                if self._events.receive() is None:
                    return
            except Overrun:
                continue

    async def _dump_links(self) -> tuple[dict[int, Link], dict[int, frozenset[InterfaceAddress]]]:
        links: dict[int, Link] = {}
        addresses: dict[int, frozenset[InterfaceAddress]] = {}

        def take(buffer: bytes) -> None:
            for _, subject in read_links(buffer):
                if isinstance(subject, Link):
                    links[subject.index] = subject
                else:
                    addresses[subject.index] = addresses.get(subject.index, frozenset()) | {subject}

        assert self._queries is not None
        for request in (links_request(self._next_sequence()), addresses_request(self._next_sequence())):
            if not await self._queries.dump(self._loop, request, take):
                self._is_torn = True
        return links, addresses

    async def _dump_routes(self) -> list[Run]:
        routes: list[Run] = []
        for family in FAMILIES.values():
            for table in sorted(self._tables):
                routes += await self._dump_table(family, table)
        return routes

    async def _dump_table(self, family: Family, table: int) -> list[Run]:
        assert self._queries is not None
        found: list[Run] = []

        def take(buffer: bytes) -> None:
            found.extend(
                run for run in self._reader.read_dump(buffer) if run[0].table == table and run[0].family is family
            )

        for _ in range(_DUMP_ATTEMPTS):
            found.clear()
            try:
                if await self._queries.dump(self._loop, dump_request(family, table, self._next_sequence()), take):
                    break
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    raise
                break
        else:
            self._is_torn = True
        return found

    async def _build_mirror(self, runs: Iterable[Run]) -> Mirror:
        mirror = Mirror()
        count = 0
        for body, prefixes in runs:
            mirror.load(body, prefixes)
            count += len(prefixes)
            if count >= _SLICE:
                count = 0
                await asyncio.sleep(0)
        return mirror

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
