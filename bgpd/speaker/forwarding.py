"""From the Loc-RIB to the kernel: which route each prefix needs there.

RFC 4271 9.1.3 and the rules of ``kernel.programming`` (pools, IPIP, black holes). Changes are given to the FIB writer
in one batch for each flush. What a set of paths needs is a function of the paths and of the programmer, so what was
asked for before is worked out again from the paths of before.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from bgpd.families import FAMILIES, Family
from bgpd.kernel import FibRoute, Hop, Kernel, Programmer
from bgpd.rib.changes import Changes, Run
from bgpd.rib.decision import equal_cost
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Candidates, SourceKind
from bgpd.speaker.convergence import Histogram

_SLICE: Final = 10_000  # prefixes
_DEFAULT_ROUTE: Final = b"\0"


class Forwarding:
    """Keeps the kernel's routes what the Loc-RIBs say.

    tunnel: index of the tunnel device that routes go through, 0 = none. written: seconds from the arrival of a change
    to the kernel's acknowledgement.
    """

    def __init__(
        self,
        kernel: Kernel,
        programmer: Programmer,
        clock: Callable[[], float],
        *,
        import_default_route: bool,
    ) -> None:
        self._kernel = kernel
        self._programmer = programmer
        self.tunnel = 0
        self._clock = clock
        self.import_default_route = import_default_route
        self.written = Histogram()
        # Prefixes of which ``changed`` will be told, and that it has to program whatever they had
        self._unsure: dict[Family, set[bytes]] = {family: set() for family in FAMILIES.values()}
        self._waiting: deque[tuple[Family, bytes, float]] = deque()  # one prefix of each batch, when it arrived
        kernel.on_written.append(self._on_written)

    def use(self, programmer: Programmer, tunnel: int) -> None:
        """Work with changed pools or another tunnel device from now on; ``program_all`` tells the kernel."""
        self._programmer = programmer
        self.tunnel = tunnel

    def changed(self, family: Family, changes: Changes, table: Mapping[bytes, Candidates], arrived: float) -> None:
        """Program what differs between the paths of before and those of now. arrived: loop time of the first change."""
        route_of = self._asked_once(family)
        routes: dict[bytes, FibRoute | None] = {}
        unsure = self._unsure[family]
        for old, new, prefixes in self._alike(family, changes, table):
            if new is old and unsure.isdisjoint(prefixes):
                continue
            route = route_of(prefixes[0], new)
            if route is not route_of(prefixes[0], old) or not unsure.isdisjoint(prefixes):
                routes.update(dict.fromkeys(prefixes, route))
        unsure.clear()
        if routes:
            self._watch(family, routes, arrived)
            self._kernel.program(family, routes)

    def _alike(self, family: Family, changes: Changes, table: Mapping[bytes, Candidates]) -> Iterator[Run]:
        """Return the changes in runs of prefixes that need the same route; where there are pools, one by one."""
        runs = () if self._unsure[family] else changes.runs
        if runs:
            has_pools = self._programmer.has_pools(family)
            for old, new, prefixes in runs:
                if has_pools or _DEFAULT_ROUTE in prefixes:
                    for prefix in prefixes:
                        yield old, new, (prefix,)
                elif prefixes:
                    yield old, new, prefixes
        else:
            for prefix, old in changes.before.items():
                yield old, table.get(prefix), (prefix,)

    def _asked_once(self, family: Family) -> Callable[[bytes, Candidates | None], FibRoute | None]:
        """Return ``route`` of the family with a memory: what paths need is the same for all prefixes of one pool."""
        pool_of, memory = self._programmer.pool, dict[object, FibRoute | None]()

        def route_of(prefix: bytes, candidates: Candidates | None) -> FibRoute | None:
            if candidates is None or prefix == _DEFAULT_ROUTE:
                return self.route(family, prefix, candidates)
            pool = id(pool_of(family, prefix))
            key: object = (candidates, pool)
            if len(candidates) == 1:  # all that ``route`` looks at: paths of their own mostly have a next hop in common
                path = candidates[0]
                key = (path.next_hop, path.source, path.is_black_hole, path.attributes.local_pref, pool)
            if key in memory:
                return memory[key]
            route = memory[key] = self.route(family, prefix, candidates)
            return route

        return route_of

    def program_all(self, loc_rib: LocRib) -> Iterator[None]:
        """Return the job that programs every prefix again: pools, the tunnel device or a limit have changed.

        Those that lose their paths from now on, or just have, are among them: what was asked for by other rules cannot
        be worked out any more. And those of which ``changed`` will be told are left to it.
        """
        return self._program(loc_rib, list(loc_rib.prefixes()))

    def _program(self, loc_rib: LocRib, listed: list[bytes]) -> Iterator[None]:
        family, table = loc_rib.family, loc_rib.table
        prefixes = iter(listed)
        while chunk := dict.fromkeys(islice(prefixes, _SLICE)):
            route_of = self._asked_once(family)
            routes: dict[bytes, FibRoute | None] = {}
            for prefix, old in zip(chunk, loc_rib.at_last_take(chunk), strict=True):
                new = table.get(prefix)
                if new is old:
                    routes[prefix] = route_of(prefix, new)
                else:
                    self._unsure[family].add(prefix)
            self._kernel.program(family, routes)
            yield

    def route(self, family: Family, prefix: bytes, candidates: Candidates | None) -> FibRoute | None:
        """Return the kernel route that these paths ask for; None: there should be none of ours."""
        if candidates is None:
            return None
        best = candidates[0]
        if best.source.kind is SourceKind.PEER:
            if prefix == _DEFAULT_ROUTE and not self.import_default_route:
                return None
            if best.is_black_hole:
                return self._programmer.black_hole(family, prefix)
            chosen = equal_cost(candidates, self._kernel.settings.ecmp)
            hops = tuple(
                [
                    Hop(path.next_hop.address or path.next_hop.link_local, path.next_hop.gateway, path.next_hop.device)
                    for path in chosen
                    if not path.is_black_hole
                ]
            )
            return self._programmer.route(family, prefix, hops, best.attributes.local_pref)
        if best.is_black_hole:
            return self._programmer.black_hole(family, prefix)
        return None

    def why_not(self, family: Family, prefix: bytes, candidates: Candidates) -> str:
        """Return why the paths ask for no route of ours, for people; empty = they do."""
        if self.route(family, prefix, candidates) is not None:
            return ""
        match candidates[0].source.kind:
            case SourceKind.KERNEL:
                return "the kernel has this route from somebody else, which we announce"
            case SourceKind.NETWORK:
                return "a network of ours without a black hole route"
            case SourceKind.PEER if prefix == _DEFAULT_ROUTE and not self.import_default_route:
                return "a default route from a peer is not written ([kernel] import_default_route)"
            case SourceKind.PEER if not self._programmer.is_left_alone(family, prefix):
                return "its next hops are nodes that WireGuard leads to, which is another agent's business"
            case _:
                return "its pool is programmed by another agent"

    def _watch(self, family: Family, changes: Mapping[bytes, FibRoute | None], arrived: float) -> None:
        for prefix, route in changes.items():
            if route is not None:
                self._waiting.append((family, prefix, arrived))
                return

    def _on_written(self, family: Family, prefixes: Sequence[bytes]) -> None:
        if not self._waiting:
            return
        written = set(prefixes)
        now = self._clock()
        kept: deque[tuple[Family, bytes, float]] = deque(maxlen=1024)
        for item in self._waiting:
            if item[0] is family and item[1] in written:
                self.written.observe(now - item[2])
            else:
                kept.append(item)
        self._waiting = kept
