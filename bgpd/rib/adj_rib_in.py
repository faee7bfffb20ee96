"""Adj-RIB-In: what one peer announced in one family, as it came and as policy let it in.

RFC 4271 3.2 and 9.1; RFC 7606 section 2 (treat-as-withdraw); RFC 7911 (path identifiers); RFC 4724 section 4.2 (stale
routes), RFC 9494 4.2 (those that live long). Hot: all prefixes of a message share one path; an attribute
block is parsed, checked, judged and ranked once, then found again by its octets.

Keys are canonical wire octets, with the four octets of the path identifier before them where the session has
identifiers. Work that may touch a whole table comes as a generator: each ``next`` does a bounded slice.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from bgpd.communities import LLGR_STALE, NO_LLGR
from bgpd.families import Family
from bgpd.messages.attributes.block import parse, plain_reader, replace
from bgpd.messages.attributes.model import Attributes, Fault
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.everyday import Routes
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.admission import Admission
from bgpd.rib.decision import rank
from bgpd.rib.everyday_paths import Maker, maker
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import NextHop, Path, Source
from bgpd.rib.received_routes import ReceivedRoutes

_RENEWED: Final = 2000  # prefixes a slice when each may need a new path
_FEW: Final = 1000  # interned paths, or sources, that are not worth a sweep


class Importer(Protocol):
    """What decides which received paths may be used (admission rules, then import policy)."""

    @property
    def judges_prefixes(self) -> bool:
        """Does policy have to look at each prefix?"""

    @property
    def everyday_rules(self) -> Admission | None:
        """Return the rules that alone let a path of everyday attributes in, as it is; None = there are others, too."""

    def admit(self, path: Path) -> None:
        """Set ``rejected`` and ``imported`` of a new path: the last word, unless ``judges_prefixes``."""

    def judge(self, path: Path, prefix: bytes) -> Path | None:
        """Return the path that this prefix gets, None = policy rejects it."""

    def points_to(self, changed: Collection[NextHop]) -> bool:
        """Are some paths let in with one of these next hops instead of their own? Asked when they change."""

    def refused(self, fault: TreatAsWithdraw) -> None:
        """Hear of an attribute block whose prefixes are taken as withdrawn."""

    def discarded(self, faults: tuple[Fault, ...]) -> None:
        """Hear of attributes of a new block that were set aside."""


class AdjRibIn:
    """The routes of one family from one peer.

    routes: key → path as received. stale: keys that the peer's new session has not confirmed yet; they go at
    ``end_of_stale``.
    """

    __slots__ = (
        "_importer", "_interface", "_make_source", "_negotiated", "_next_hops", "_paths", "_sources_swept", "family",
        "routes", "stale",
    )  # fmt: skip

    def __init__(
        self,
        family: Family,
        loc_rib: LocRib,
        next_hops: NextHopTable,
        importer: Importer,
        make_source: Callable[[int], Source],
        negotiated: Negotiated,
        interface: int = 0,
    ) -> None:
        self.family = family
        self.routes = ReceivedRoutes(loc_rib, has_path_ids=family in negotiated.add_path_receive)
        self.stale: set[bytes] = set()
        self._sources_swept = _FEW  # how many there were after the last sweep
        self._next_hops = next_hops
        self._importer = importer
        self._make_source = make_source
        self._interface = interface
        self._paths: dict[Hashable, Path] = {}  # by attribute block, with next hop and path identifier if any
        self._negotiated = negotiated

    def __len__(self) -> int:
        return len(self.routes)

    @property
    def has_path_ids(self) -> bool:
        """Are there path identifiers before the prefixes?"""
        return self.routes.has_path_ids

    @property
    def sources(self) -> Mapping[int, Source]:
        """By path identifier, 0 where the session has none."""
        return self.routes.sources

    @property
    def accepted(self) -> int:
        """How many routes the Loc-RIB took."""
        return self.routes.used

    @property
    def paths_held(self) -> int:
        """How many paths are interned, those that no route holds any more and were not swept yet among them."""
        return len(self._paths)

    def renegotiate(self, negotiated: Negotiated, interface: int = 0) -> None:
        """Go on with the table of a former session (graceful restart); the new one must agree on path identifiers.

        interface: as it is now; a link that was made again has another index.
        """
        self._negotiated = negotiated
        self._interface = interface
        # The same octets may mean something else now
        refused = self.routes.refused_paths()
        self._paths = {object(): path for path in self._paths.values() if path.held or path in refused}

    def announce(self, attributes: bytes, next_hop: bytes | None, keys: list[bytes]) -> None:
        """Take the routes of one UPDATE; next_hop: octets from MP_REACH_NLRI, None = the block has NEXT_HOP.

        Raises UpdateError for what RFC 7606 still answers with a session reset.
        """
        if self.routes.has_path_ids:
            self._announce_with_ids(attributes, next_hop, keys)
            return
        interned = attributes if next_hop is None else (next_hop, attributes)
        path = self._paths.get(interned)
        if path is None:
            try:
                path = self._intern(interned, attributes, next_hop, 0)
            except TreatAsWithdraw as fault:
                self._importer.refused(fault)
                self.withdraw(keys)
                return
        if self.stale:
            self.stale.difference_update(keys)
        self._store(path, keys)

    def announce_run(self, run: Iterable[Routes]) -> int:
        """Take the routes of UPDATEs that follow each other; return how many messages it took.

        It stops at the first whose block is neither known nor plain, or whose path is not used just as it is. Only for
        sessions without path identifiers.
        """
        if self._importer.judges_prefixes:
            return 0
        self._sweep_if_worth_it()  # not behind the run: the path that ends it is still to be used
        paths, read = self._paths, plain_reader(self._negotiated)
        get, make = paths.get, None
        taken: list[tuple[Path, list[bytes]]] = []
        append = taken.append
        for attributes, next_hop, keys in run:
            interned = attributes if next_hop is None else (next_hop, attributes)
            path = get(interned)
            if path is None:
                parsed = read(attributes, next_hop)
                if parsed is None:
                    break
                if make is None:
                    make = self._everyday_maker()
                path = make(parsed) if parsed.is_everyday else None
                if path is None:
                    path = self._add_path(interned, parsed, 0)
                    if path.imported is not path:
                        break
                else:
                    paths[interned] = path
            elif path.imported is not path:
                break
            append((path, keys))
        if taken:
            if self.stale:
                self.stale.difference_update(*[keys for _, keys in taken])
            self.routes.use_all(taken)
        return len(taken)

    def withdraw(self, keys: list[bytes]) -> None:
        """Forget these routes; unknown ones are no fault (RFC 4271 3.1)."""
        if self.stale:
            self.stale.difference_update(keys)
        self.routes.withdraw(keys)

    def mark_stale(self) -> None:
        """Keep all routes, but as stale (RFC 4724 4.2)."""
        self.stale = set(self.routes.keys())

    def end_of_stale(self) -> int:
        """Withdraw what is still stale; return how many routes that were."""
        gone = list(self.stale)
        self.stale = set()
        self.withdraw(gone)
        return len(gone)

    def begin_long_lived(self) -> Iterator[None]:
        """Make what is stale a last resort, slice by slice: LLGR_STALE is attached, what has NO_LLGR goes.

        A route that the peer's new session confirms meanwhile is left alone.
        """
        renewed: dict[Path, Hashable] = {}
        keys = iter(list(self.stale))
        while chunk := list(islice(keys, _RENEWED)):
            gone: list[bytes] = []
            moved: dict[Path, list[bytes]] = {}
            for key, old in self.routes.find([key for key in chunk if key in self.stale]):
                communities = old.attributes.communities
                if NO_LLGR in communities:
                    gone.append(key)
                elif LLGR_STALE not in communities:
                    interned = renewed.setdefault(old, object())
                    new = self._paths.get(interned)
                    if new is None:
                        attributes = replace(old.attributes, communities=(*communities, LLGR_STALE))
                        new = self._paths[interned] = self._derived(old, attributes)
                    moved.setdefault(new, []).append(key)
            self.withdraw(gone)
            self._move(moved)
            yield

    def clear(self) -> Iterator[None]:
        """Withdraw everything, slice by slice; there are no routes here from the first one."""
        paths = list(self._paths.values())
        self._paths = {}
        self.stale = set()
        yield from self.routes.clear()
        yield from _let_go(paths)

    def resolve_again(self, changed: Mapping[NextHop, NextHop]) -> Iterator[None]:
        """Move the paths whose next hop changed over to its new state."""
        every = self._importer.points_to(changed.keys())
        yield from self._renew({path: key for key, path in self._paths.items() if every or path.next_hop in changed})

    def evaluate_again(self, importer: Importer) -> Iterator[None]:
        """Put every path through a changed policy; the peer need not send anything again."""
        self._importer = importer
        yield from self._renew({path: key for key, path in self._paths.items()})

    def _store(self, path: Path, prefixes: list[bytes]) -> None:
        """Give the prefixes this path, which has just been received."""
        self._hand_over(path, prefixes)
        self._sweep_if_worth_it()

    def _sweep_if_worth_it(self) -> None:
        # A path nobody holds cost a route its place, so the garbage is less than the churn; a sweep reads all of these
        if len(self._paths) > _FEW and 2 * self.routes.churn > len(self._paths) + self.routes.refused:
            self._sweep()

    def _hand_over(self, path: Path, prefixes: list[bytes]) -> None:
        """Let the prefixes use this path if they may."""
        imported = path.imported
        if path.rejected or imported is None:
            self.routes.refuse(path, prefixes)
        elif not self._importer.judges_prefixes:
            self.routes.use(path, imported, prefixes)
        else:
            judge = self._importer.judge
            judged: dict[Path | None, list[bytes]] = {}
            for prefix in prefixes:
                verdict = judge(path, prefix)
                members = judged.get(verdict)
                if members is None:
                    judged[verdict] = [prefix]
                else:
                    members.append(prefix)
            for verdict, members in judged.items():
                if verdict is None:
                    self.routes.refuse(path, members)
                else:
                    self.routes.use(path, verdict, members)

    def _move(self, moved: Mapping[Path, list[bytes]]) -> None:
        """Give routes that there are these paths; keys are given."""
        for path, keys in moved.items():
            ((_, prefixes),) = self.routes.by_path_id(keys)  # all of one source
            self._hand_over(path, prefixes)

    def _announce_with_ids(self, attributes: bytes, next_hop: bytes | None, keys: list[bytes]) -> None:
        for path_id, prefixes in self.routes.by_path_id(keys):
            interned = (path_id, next_hop, attributes)
            path = self._paths.get(interned)
            if path is None:
                try:
                    path = self._intern(interned, attributes, next_hop, path_id)
                except TreatAsWithdraw as fault:
                    self._importer.refused(fault)
                    self.withdraw(keys)
                    return
            self._store(path, prefixes)
        if self.stale:
            self.stale.difference_update(keys)

    def _intern(self, interned: Hashable, attributes: bytes, next_hop: bytes | None, path_id: int) -> Path:
        parsed = parse(attributes, self._negotiated, next_hop)
        if parsed.faults:
            self._importer.discarded(parsed.faults)
        return self._add_path(interned, parsed, path_id)

    def _everyday_maker(self) -> Maker:
        rules = self._importer.everyday_rules
        if rules is None:
            return lambda _: None
        interface, next_hop_of = self._interface, self._next_hops.get
        return maker(rules, self._source(0), self.family, lambda octets: next_hop_of(octets, interface))

    def _source(self, path_id: int) -> Source:
        source = self.routes.sources.get(path_id)
        if source is None:
            if len(self.routes.sources) > 2 * self._sources_swept:  # a peer may use new path identifiers for ever
                self._sweep()
            source = self.routes.sources[path_id] = self._make_source(path_id)
        return source

    def _add_path(self, interned: Hashable, parsed: Attributes, path_id: int) -> Path:
        source = self._source(path_id)
        path = Path(source, self.family, parsed, self._next_hops.get(parsed.next_hop, self._interface))
        rank(path)
        self._importer.admit(path)
        self._paths[interned] = path
        return path

    def _renew(self, affected: Mapping[Path, Hashable]) -> Iterator[None]:
        """Put new paths in place of these, which are given with what they are interned by.

        A block that comes meanwhile is read anew, and its path serves the others too.
        """
        for interned in affected.values():
            del self._paths[interned]
        keys = iter(self.routes.keys() if affected else ())
        while chunk := list(islice(keys, _RENEWED)):
            moved: dict[Path, list[bytes]] = {}
            same: Path | None = None  # routes that came together share a path
            members: list[bytes] | None = None
            for key, old in self.routes.find(chunk):
                if old is not same:
                    same, members = old, None
                    interned = affected.get(old)
                    if interned is not None:
                        new = self._paths.get(interned)
                        if new is None:
                            new = self._paths[interned] = self._derived(old, old.attributes)
                        members = moved.setdefault(new, [])
                if members is not None:
                    members.append(key)
            self._move(moved)
            yield
        yield from _let_go(list(affected))

    def _derived(self, old: Path, attributes: Attributes) -> Path:
        """Return a path of the same source, admitted by the rules of now."""
        next_hop = self._next_hops.get(attributes.next_hop, self._interface)
        path = Path(old.source, self.family, attributes, next_hop)
        rank(path)
        self._importer.admit(path)
        return path

    def _sweep(self) -> None:
        """Forget the paths that no route holds any more, and the sources that are left without any."""
        refused = self.routes.refused_paths()
        for interned in [key for key, path in self._paths.items() if not path.held and path not in refused]:
            self._paths.pop(interned).release()
        self.routes.churn = 0
        used, sources = {path.source for path in refused}, self.routes.sources
        for path_id in [key for key, one in sources.items() if not one.accepted and one not in used]:
            del sources[path_id]
        self._sources_swept = max(_FEW, len(sources))


def _let_go(paths: list[Path]) -> Iterator[None]:
    """Release the paths and forget them, slice by slice: what nobody holds is freed here."""
    while paths:
        for path in paths[-_RENEWED:]:
            path.release()
        del paths[-_RENEWED:]
        yield
