"""A mirror of the routes in the kernel that are not ours, kept by dumps and events.

How events change a table differs by family. IPv4 holds several routes of one prefix and metric in an order, and each
event is one whole route. IPv6 joins routes with gateways of one prefix and metric into one multipath route: an
addition shows the whole of it, a deletion only the legs that go. A link that goes down takes IPv4 routes with it
without an event.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Final

from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.reading import RouteMessage
from bgpd.kernel.routes import RouteBody
from bgpd.kernel.rtnetlink import NLM_F_APPEND, NLM_F_REPLACE, RTM_NEWROUTE

RouteKey = tuple[int, Family, bytes]
"""Table, family, prefix."""

Bodies = tuple[RouteBody, ...]

_length = itemgetter(0)  # of a prefix, bits


def insert(existing: Bodies, body: RouteBody, flags: int) -> Bodies:
    """Return a prefix's routes after an RTM_NEWROUTE with these message flags; ordered as the kernel looks at them."""
    if not existing:
        return body.alone
    rest = list(existing)
    position = _replaced(rest, body, is_replacement=bool(flags & NLM_F_REPLACE))
    if position is not None:
        rest[position] = body
        return tuple(rest)
    position = 0
    while position < len(rest) and rest[position].metric < body.metric:
        position += 1
    if flags & NLM_F_APPEND:
        while position < len(rest) and rest[position].metric == body.metric:
            position += 1
    rest.insert(position, body)
    return tuple(rest)


def _replaced(existing: list[RouteBody], body: RouteBody, *, is_replacement: bool) -> int | None:
    """Return the position of the route that the new one takes the place of."""
    slot = [n for n, other in enumerate(existing) if other.metric == body.metric and other.tos == body.tos]
    for position in slot:
        if existing[position].is_like(body):
            return position
    if body.family is not IPV4_UNICAST:
        of_its_kind = [n for n in slot if _has_gateway(existing[n]) == _has_gateway(body)]
        if of_its_kind and (is_replacement or _has_gateway(body)):
            return of_its_kind[0]
    return slot[0] if slot and is_replacement else None


def _has_gateway(body: RouteBody) -> bool:
    return any(leg.gateway for leg in body.legs)


def remove(existing: Bodies, body: RouteBody) -> Bodies:
    """Return a prefix's routes after an RTM_DELROUTE; unchanged if it fits none."""
    for position, other in enumerate(existing):
        if other.is_like(body):
            return existing[:position] + existing[position + 1 :]
    for position, other in enumerate(existing):
        if other.metric != body.metric or other.tos != body.tos or other.protocol != body.protocol:
            continue
        rest = tuple(leg for leg in other.legs if leg not in body.legs)
        if body.family is not IPV4_UNICAST and rest and len(rest) < len(other.legs):
            return (*existing[:position], other.with_legs(rest), *existing[position + 1 :])
        if other.kind == body.kind:
            return existing[:position] + existing[position + 1 :]
    return existing


class RouteTable:
    """The routes of one table and family: by prefix, best first.

    What only some questions need is worked out when the first of them is asked, and kept up from then on.
    """

    def __init__(self) -> None:
        self.routes: dict[bytes, Bodies] = {}
        self._lengths: Counter[int] | None = None
        self._by_device: defaultdict[int, set[bytes]] | None = None

    @property
    def lengths(self) -> Counter[int]:
        """How many prefixes of each length there are."""
        if self._lengths is None:
            self._lengths = Counter(map(_length, self.routes))
        return self._lengths

    def over(self, device: int) -> tuple[bytes, ...]:
        """Return the prefixes that have a route over a device."""
        if self._by_device is None:
            alike: defaultdict[Bodies, list[bytes]] = defaultdict(list)
            for prefix, bodies in self.routes.items():
                alike[bodies].append(prefix)
            self._by_device = defaultdict(set)
            for bodies, prefixes in alike.items():
                for index in _devices(bodies):
                    self._by_device[index].update(prefixes)
        return tuple(self._by_device.get(device, ()))

    def apply(self, kind: int, flags: int, prefix: bytes, body: RouteBody) -> bool:
        """Take an event or a dumped route in; has it changed anything?"""
        before = self.routes.get(prefix, ())
        after = insert(before, body, flags) if kind == RTM_NEWROUTE else remove(before, body)
        if after is before or after == before:
            return False
        self._put(prefix, before, after)
        return True

    def load(self, body: RouteBody, prefixes: Sequence[bytes]) -> None:
        """Take dumped routes in that differ in their prefix only."""
        if self._lengths is not None or self._by_device is not None:
            for prefix in prefixes:
                self.apply(RTM_NEWROUTE, 0, prefix, body)
            return
        count, alone = len(self.routes), body.alone
        found = list(map(self.routes.setdefault, prefixes, repeat(alone)))
        if len(self.routes) - count < len(prefixes):  # some had a route
            for prefix, before in zip(prefixes, found, strict=True):
                if before is not alone:
                    self.apply(RTM_NEWROUTE, 0, prefix, body)

    def _put(self, prefix: bytes, before: Bodies, after: Bodies) -> None:
        if after:
            self.routes[prefix] = after
        else:
            del self.routes[prefix]
        lengths, by_device = self._lengths, self._by_device
        if lengths is not None:
            lengths[prefix[0]] += bool(after) - bool(before)
            if not lengths[prefix[0]]:
                del lengths[prefix[0]]
        if by_device is None:
            return
        devices = _devices(after)
        for device in _devices(before) - devices:
            prefixes = by_device[device]
            prefixes.discard(prefix)
            if not prefixes:
                del by_device[device]
        for device in devices:
            by_device[device].add(prefix)

    def drop_dead(self, device: int, is_dead: Callable[[int], bool]) -> list[bytes]:
        """Remove the routes over a device that have no living leg left; return their prefixes."""
        changed: list[bytes] = []
        verdicts: dict[RouteBody, bool] = {}
        for prefix in self.over(device):
            before = self.routes[prefix]
            for body in before:
                if body not in verdicts:
                    verdicts[body] = bool(body.legs) and all(is_dead(leg.device) for leg in body.legs)
            after = tuple([body for body in before if not verdicts[body]])
            if len(after) < len(before):
                self._put(prefix, before, after)
                changed.append(prefix)
        return changed

    def drop_source(self, address: bytes) -> list[bytes]:
        """Remove the routes that prefer a source address, which has gone; return their prefixes."""
        found = [p for p, bodies in self.routes.items() if any(body.source == address for body in bodies)]
        for prefix in found:
            before = self.routes[prefix]
            self._put(prefix, before, tuple(body for body in before if body.source != address))
        return found

    def differences(self, other: "RouteTable") -> list[bytes]:
        """Return the prefixes whose routes are not the same in the other table."""
        ours, theirs = self.routes, other.routes
        if not ours:
            return list(theirs)
        different = [prefix for prefix, bodies in theirs.items() if ours.get(prefix) != bodies]
        return different + [prefix for prefix in ours if prefix not in theirs]


def _devices(bodies: Bodies) -> set[int]:
    return {leg.device for body in bodies for leg in body.legs}


_EMPTY: Final = RouteTable()


class Mirror:
    """Others' routes in all tables that are followed."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, Family], RouteTable] = {}

    def table(self, table: int, family: Family) -> RouteTable:
        """Return one table, to be read; an empty one if there is none."""
        return self._tables.get((table, family), _EMPTY)

    def bodies(self, table: int, family: Family, prefix: bytes) -> Bodies:
        """Return the routes of a prefix, best first."""
        routes = self._tables.get((table, family))
        return () if routes is None else routes.routes.get(prefix, ())

    def has_route(self, table: int, family: Family, prefix: bytes, metric: int) -> bool:
        """Is there a route in the place that a route of ours with that metric would take?"""
        return any(body.metric == metric and not body.tos for body in self.bodies(table, family, prefix))

    def apply(self, message: RouteMessage) -> bool:
        """Take an event or a dumped route in; has it changed anything?"""
        kind, flags, prefix, body = message
        return self._table_of(body).apply(kind, flags, prefix, body)

    def load(self, body: RouteBody, prefixes: Sequence[bytes]) -> None:
        """Take dumped routes in that differ in their prefix only."""
        self._table_of(body).load(body, prefixes)

    def _table_of(self, body: RouteBody) -> RouteTable:
        key = (body.table, body.family)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = RouteTable()
        return table

    def drop_dead(self, family: Family, device: int, is_dead: Callable[[int], bool]) -> list[RouteKey]:
        """Remove the routes of a family over a device that have no living leg left; return their keys."""
        return [
            (number, owner, prefix)
            for (number, owner), table in self._tables.items()
            if owner is family
            for prefix in table.drop_dead(device, is_dead)
        ]

    def drop_source(self, family: Family, address: bytes) -> list[RouteKey]:
        """Remove the routes that prefer a source address, which has gone; return their keys."""
        return [
            (number, owner, prefix)
            for (number, owner), table in self._tables.items()
            if owner is family
            for prefix in table.drop_source(address)
        ]

    def differences(self, other: "Mirror") -> list[tuple[int, Family, list[bytes]]]:
        """Return the prefixes whose routes are not the same in the other mirror, by table number and family."""
        return [
            (number, family, self.table(number, family).differences(other.table(number, family)))
            for number, family in self._tables.keys() | other._tables.keys()
        ]

    def prefixes(self) -> Iterator[tuple[int, Family, Collection[bytes]]]:
        """Return the prefixes of all routes, by table number and family."""
        for (number, family), table in self._tables.items():
            yield number, family, table.routes.keys()
