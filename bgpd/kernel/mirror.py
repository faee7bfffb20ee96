"""A mirror of the routes in the kernel that are not ours, kept by dumps and events.

How events change a table differs by family. IPv4 holds several routes of one prefix and metric in an order, and each
event is one whole route. IPv6 joins routes with gateways of one prefix and metric into one multipath route: an
addition shows the whole of it, a deletion only the legs that go. A link that goes down takes IPv4 routes with it
without an event.
"""

from collections.abc import Callable

from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.reading import RouteMessage
from bgpd.kernel.routes import RouteBody
from bgpd.kernel.rtnetlink import NLM_F_APPEND, NLM_F_REPLACE, RTM_NEWROUTE

RouteKey = tuple[int, Family, bytes]
"""Table, family, prefix."""

Bodies = tuple[RouteBody, ...]


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


class Mirror:
    """Others' routes by table and family, and the prefix lengths that each table has."""

    def __init__(self) -> None:
        self.tables: dict[tuple[int, Family], dict[bytes, Bodies]] = {}
        self.lengths: dict[tuple[int, Family], dict[int, int]] = {}
        self._by_device: dict[int, set[RouteKey]] = {}

    def bodies(self, table: int, family: Family, prefix: bytes) -> Bodies:
        """Return the routes of a prefix, best first."""
        routes = self.tables.get((table, family))
        return routes.get(prefix, ()) if routes is not None else ()

    def has_route(self, table: int, family: Family, prefix: bytes, metric: int) -> bool:
        """Is there a route in the place that a route of ours with that metric would take?"""
        return any(body.metric == metric and not body.tos for body in self.bodies(table, family, prefix))

    def apply(self, message: RouteMessage) -> RouteKey | None:
        """Take one event or one dumped route in; return its key if it changed anything."""
        kind, flags, prefix, body = message
        key = (body.table, body.family, prefix)
        existing = self.bodies(*key)
        after = insert(existing, body, flags) if kind == RTM_NEWROUTE else remove(existing, body)
        if after is existing or after == existing:
            return None
        self.put(key, after)
        return key

    def put(self, key: RouteKey, bodies: Bodies) -> None:
        """Set the routes of a prefix."""
        table, family, prefix = key
        routes = self.tables.get((table, family))
        if routes is None:
            routes = self.tables[(table, family)] = {}
            self.lengths[(table, family)] = {}
        lengths = self.lengths[(table, family)]
        before = routes.get(prefix, ())
        if not bodies:
            if before:
                del routes[prefix]
                lengths[prefix[0]] -= 1
                if not lengths[prefix[0]]:
                    del lengths[prefix[0]]
        else:
            routes[prefix] = bodies
            if not before:
                lengths[prefix[0]] = lengths.get(prefix[0], 0) + 1
        self._index(key, before, bodies)

    def _index(self, key: RouteKey, before: Bodies, after: Bodies) -> None:
        devices = {leg.device for body in after for leg in body.legs}
        for body in before:
            for leg in body.legs:
                if leg.device not in devices and leg.device in self._by_device:
                    keys = self._by_device[leg.device]
                    keys.discard(key)
                    if not keys:
                        del self._by_device[leg.device]
        for device in devices:
            self._by_device.setdefault(device, set()).add(key)

    def drop_dead(self, device: int, is_dead: Callable[[Family, int], bool]) -> list[RouteKey]:
        """Remove the routes over a device that have no living leg left; return their keys."""
        changed: list[RouteKey] = []
        for key in tuple(self._by_device.get(device, ())):
            before = self.bodies(*key)
            after = tuple(b for b in before if not b.legs or not all(is_dead(b.family, leg.device) for leg in b.legs))
            if len(after) < len(before):
                self.put(key, after)
                changed.append(key)
        return changed

    def drop_source(self, family: Family, address: bytes) -> list[RouteKey]:
        """Remove the routes that prefer a source address, which has gone; return their keys."""
        found = [
            (table, owner, prefix)
            for (table, owner), routes in self.tables.items()
            if owner is family
            for prefix, bodies in routes.items()
            if any(body.source == address for body in bodies)
        ]
        for key in found:
            self.put(key, tuple(body for body in self.bodies(*key) if body.source != address))
        return found

    def replace(self, fresh: "Mirror") -> set[RouteKey]:
        """Become what a fresh mirror shows; return the keys that differ from before."""
        changed = self._differences(fresh) | fresh._differences(self)
        self.tables, self.lengths, self._by_device = fresh.tables, fresh.lengths, fresh._by_device
        return changed

    def _differences(self, other: "Mirror") -> set[RouteKey]:
        empty: dict[bytes, Bodies] = {}
        return {
            (table, family, prefix)
            for (table, family), routes in self.tables.items()
            for theirs in (other.tables.get((table, family), empty),)
            for prefix, bodies in routes.items()
            if theirs.get(prefix) != bodies
        }
