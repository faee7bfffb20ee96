"""One family's routes of ours: what is wanted, and where the kernel differs from it. Hot.

The two are one dictionary plus the exceptions, so a million routes cost one entry each. A place is a prefix with a
metric.
"""

from collections.abc import Callable, Iterator
from itertools import islice

from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.packing import RoutePacker
from bgpd.kernel.routes import FibRoute, is_written, metric_of


class FibTable:
    """Routes of one family, by prefix.

    queue: changes that are not written yet; None = delete. wanted: as programmed. actual: what the kernel has of ours
    for prefixes where that is not what is wanted; None = nothing. strays: further routes of ours for the same prefix,
    with another metric.
    """

    __slots__ = ("_order", "actual", "family", "packer", "queue", "strays", "wanted")

    def __init__(self, family: Family, table: int, protocol: int) -> None:
        self.family = family
        self.packer = RoutePacker(family, table, protocol)
        self.queue: dict[bytes, FibRoute | None] = {}
        self.wanted: dict[bytes, FibRoute] = {}
        self.actual: dict[bytes, FibRoute | None] = {}
        self.strays: dict[bytes, tuple[FibRoute, ...]] = {}
        self._order: Iterator[bytes] = iter(())  # over keys that the queue has or had

    def take(self, most: int) -> list[tuple[bytes, FibRoute | None]]:
        """Remove that many changes from the queue, oldest first, and return them."""
        # A dict whose first entries are deleted one by one is slow to iterate: so its keys are listed once.
        queue = self.queue
        taken: list[tuple[bytes, FibRoute | None]] = []
        while queue and len(taken) < most:
            prefixes = list(islice(self._order, most - len(taken)))
            if not prefixes:
                self._order = iter(list(queue))
            taken += [(prefix, queue.pop(prefix)) for prefix in prefixes if prefix in queue]
        return taken

    def give_back(self, changes: list[tuple[bytes, FibRoute | None]]) -> None:
        """Put changes that were taken and not written at the end of the queue, unless they are superseded."""
        for prefix, route in changes:
            self.queue.setdefault(prefix, route)

    def knows(self, prefix: bytes) -> bool:
        """Is there a route of ours for the prefix, in the kernel or only wanted?"""
        return prefix in self.wanted or prefix in self.queue or prefix in self.actual or prefix in self.strays

    def is_new(self, prefixes: list[bytes]) -> bool:
        """Is nothing of ours known for any of the prefixes?"""
        return all(known.keys().isdisjoint(prefixes) for known in (self.wanted, self.actual, self.strays))

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

    def inherit(self) -> None:
        """Want nothing; what the kernel has of ours stays noted."""
        self.actual = {prefix: route for prefix, route in {**self.wanted, **self.actual}.items() if route is not None}
        self.wanted = {}

    def unwanted(self) -> list[bytes]:
        """Return the prefixes with a route of ours in the kernel that is neither wanted nor about to be changed."""
        queue, wanted = self.queue, self.wanted
        return [
            prefix
            for prefix, route in self.actual.items()
            if route is not None and prefix not in wanted and prefix not in queue
        ]

    def installed(self) -> int:
        """Return how many prefixes have a route of ours in the kernel."""
        count = len(self.wanted)
        for prefix, route in self.actual.items():
            count += (route is not None) - (prefix in self.wanted)
        return count

    def routes(self) -> dict[bytes, FibRoute]:
        """Return all routes of ours in the kernel."""
        merged = {**self.wanted, **self.actual}
        return {prefix: route for prefix, route in merged.items() if route is not None}

    def affected(self, is_affected: Callable[[FibRoute], bool], *, is_possible: bool) -> list[bytes]:
        """Return the prefixes whose route in the kernel is of some kind; is_possible: may a written one be?"""
        found = [prefix for prefix, route in self.actual.items() if route is not None and is_affected(route)]
        if is_possible:
            verdicts: dict[int, bool] = {}
            for prefix, route in self.wanted.items():
                verdict = verdicts.get(id(route))
                if verdict is None:
                    verdict = verdicts[id(route)] = is_affected(route)
                if verdict and prefix not in self.actual:
                    found.append(prefix)
        return found

    def compare(self, found: dict[bytes, tuple[FibRoute, ...]], slice_size: int) -> Iterator[None]:
        """Note what the kernel was found to have and queue what has to be put right; pause every so many prefixes."""
        self.actual = {}
        self.strays = {}
        for count, (prefix, wanted) in enumerate(list(self.wanted.items()), 1):
            routes = found.pop(prefix, ())
            closest = _closest(self.family, routes, wanted)
            if closest is None or not is_written(self.family, closest, wanted):
                self.actual[prefix] = closest
                self.queue.setdefault(prefix, wanted)
            if len(routes) > 1:
                self.strays[prefix] = tuple(route for route in routes if route is not closest)
                self.queue.setdefault(prefix, wanted)
            if not count % slice_size:
                yield
        for prefix, routes in found.items():
            self.actual[prefix] = routes[0]
            if len(routes) > 1:
                self.strays[prefix] = routes[1:]

    def appeared(self, prefix: bytes, route: FibRoute) -> bool:
        """Note a route that somebody else wrote under our protocol; is anything different now?"""
        current = self.current(prefix)
        if current is not None and is_written(self.family, current, route):
            return False
        if current is None or metric_of(self.family, current) == metric_of(self.family, route):
            self.note(prefix, route)
        else:
            self.strays[prefix] = (*self.strays.get(prefix, ()), route)
        return True

    def vanished(self, prefix: bytes, route: FibRoute) -> bool:
        """Note that a route of ours was deleted by somebody else; is one missing that is wanted?"""
        current = self.current(prefix)
        if current is None or metric_of(self.family, current) != metric_of(self.family, route):
            strays = tuple(s for s in self.strays.pop(prefix, ()) if not is_written(self.family, s, route))
            if strays:
                self.strays[prefix] = strays
            return False
        rest = _without(self.family, current, route)
        if rest is current:
            return False
        self.note(prefix, rest)
        return prefix in self.wanted


def _closest(family: Family, found: tuple[FibRoute, ...], wanted: FibRoute) -> FibRoute | None:
    """Return the route that is the wanted one, else the one in its place, else any."""
    for route in found:
        if is_written(family, route, wanted):
            return route
    metric = metric_of(family, wanted)
    in_place = [route for route in found if metric_of(family, route) == metric]
    return next(iter(in_place or found), None)


def _without(family: Family, current: FibRoute, gone: FibRoute) -> FibRoute | None:
    """Return what a deletion in its place leaves of our route; None: nothing; itself: another one was deleted."""
    if is_written(family, current, gone):
        return None
    if family is IPV4_UNICAST:  # its deletions are of whole routes
        return current
    rest = tuple(leg for leg in current.legs if leg not in gone.legs)
    if len(rest) == len(current.legs):
        return current
    return FibRoute(rest, current.kind, current.source, current.metric) if rest else None
