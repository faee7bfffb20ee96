"""Adj-RIB-Out of a group whose members take several paths for a prefix: all that may go to them, or the best few.

RFC 7911 sections 3 and 4. A path's identifier is the number of its source: as no prefix has two paths from one source,
it tells them apart, and a source's next path takes the place of its former one under the same identifier. What a member
is told of a prefix is a function of the candidates: those that exporting permits and that did not come from this
member, best first, up to the limit. Where nothing is left out for the limit, members differ only by what they sent us
themselves; where something is, those whose paths are among the best get others in their place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from bgpd.rib.adj_rib_out import SLICE, AdjRibOut, asked_once
from bgpd.rib.changes import Batch
from bgpd.rib.export import Exported
from bgpd.rib.packing import Packed, announced, withdrawn
from bgpd.rib.path import Candidates, Path, Source

PATH_ID: Final = 4  # octets


class Told(NamedTuple):
    """What the members of a group are told of a prefix.

    shared: paths, best first, each for all but the peer that it came from. instead: for peers that hold something else,
    what that is.
    """

    shared: tuple[Path, ...]
    instead: Mapping[object, tuple[Path, ...]]

    def to(self, peer: object) -> tuple[Path, ...]:
        """Return the paths that the member with this token is told."""
        if peer in self.instead:
            return self.instead[peer]
        return tuple([path for path in self.shared if peer is None or path.source.peer is not peer])


_NOTHING: Final = Told((), {})


class AddPathRibOut(AdjRibOut):
    """What the members of a group with path identifiers hold."""

    __slots__ = ()

    @property
    def routes_per_prefix(self) -> int:
        """About how many routes a prefix stands for, at least 1."""
        return 1 + max(self.total, 0) // (len(self.loc_rib) or 1)  # below 0 while what is lost was not counted yet

    def changes(self, batch: Batch) -> list[Packed]:
        """Return the messages that bring members which were up to date up to date again."""
        get, tell = self.loc_rib.table.get, self._teller()
        messages = _Messages(self)
        routes = ((prefix, old, get(prefix)) for prefix, old in batch.changes.before.items())
        for old, new, prefixes in _alike(routes, self):
            was, now = tell(old, prefixes[0]), tell(new, prefixes[0])
            self._tally(was, -len(prefixes))
            self._tally(now, len(prefixes))
            messages.add(was, now, was, prefixes)
        return messages.packed()

    def state(self, owed: Mapping[bytes, Candidates | None], told_by: AdjRibOut) -> list[Packed]:
        """Return the messages that tell members these prefixes as they were at the last flush (see ``AdjRibOut``)."""
        assert isinstance(told_by, AddPathRibOut)  # whether a session has path identifiers never changes
        now = self.loc_rib.at_last_take(owed)
        tell, told = self._teller(), told_by._teller()
        routes = ((prefix, old, new) for (prefix, old), new in zip(owed.items(), now, strict=True))
        messages = _Messages(self)
        for old, new, prefixes in _alike(routes, self, told_by):
            messages.add(told(old, prefixes[0]), tell(new, prefixes[0]), _NOTHING, prefixes)
        return messages.packed()

    def path_id(self, path: Path) -> int:
        """Return the path identifier that the path goes out with."""
        return path.source.number

    def told(self, candidates: Candidates, prefix: bytes, peer: object) -> tuple[Path, ...]:
        """Return which of a prefix's candidates the member with this token is told, best first."""
        return self._teller()(candidates, prefix).to(peer)

    def why_untold(self, path: Path, prefix: bytes, peer: object) -> str:
        """Return why the member is not told the path, for people."""
        if path.source.peer is peer and peer is not None:
            return "it is from this peer"
        why = self.exporter.refusal(path, prefix)
        return why or f"{self.rule.path_limit} better paths are sent (add_path_send_limit)"

    def _teller(self) -> Callable[[Candidates | None, bytes], Told]:
        """Return what says what members are told of candidates; where prefixes do not matter it works it out once."""
        limit, goes_out, by_prefix = self.rule.path_limit or 0, asked_once(self.exporter), self.exporter.judges_prefixes
        known: dict[Candidates, Told] = {}

        def tell(candidates: Candidates | None, prefix: bytes) -> Told:
            if candidates is None:
                return _NOTHING
            told = None if by_prefix else known.get(candidates)
            if told is None:
                told = _chosen([path for path in candidates if goes_out(path, prefix)], limit)
                if not by_prefix:
                    known[candidates] = told
            return told

        return tell

    def _tally(self, told: Told, prefixes: int) -> None:
        count = len(told.shared)
        self.total += count * prefixes
        for peer in {path.source.peer for path in told.shared}:
            if peer is not None:
                self._add_own(peer, (count - len(told.to(peer))) * prefixes)

    def _count(self, before: Mapping[bytes, Candidates]) -> Iterator[None]:
        tell, routes = self._teller(), iter(before.items())
        while chunk := list(islice(routes, SLICE)):
            for prefix, candidates in chunk:
                self._tally(tell(candidates, prefix), 1)
            yield


def _chosen(permitted: list[Path], limit: int) -> Told:
    """Return what is told of the paths that may go out; limit: 0 = none."""
    if not limit or len(permitted) <= limit:
        return Told(tuple(permitted), {})
    shared = tuple(permitted[:limit])
    peers = {path.source.peer for path in shared if path.source.peer is not None}
    instead = {peer: tuple([path for path in permitted if path.source.peer is not peer][:limit]) for peer in peers}
    return Told(shared, instead)


_Route = tuple[bytes, Candidates | None, Candidates | None]


def _alike(
    routes: Iterable[_Route], *ribs: AdjRibOut
) -> Iterator[tuple[Candidates | None, Candidates | None, list[bytes]]]:
    """Yield (old, new, prefixes): those together that have the same candidates, unless a verdict needs the prefix."""
    if any(rib.exporter.judges_prefixes for rib in ribs):
        for prefix, old, new in routes:
            yield old, new, [prefix]
        return
    found: dict[tuple[Candidates | None, Candidates | None], list[bytes]] = {}
    for prefix, old, new in routes:
        found.setdefault((old, new), []).append(prefix)
    for (old, new), prefixes in found.items():
        yield old, new, prefixes


class _Messages:
    """Collects what members have to be told, message by message: (skip, only) → what is in it."""

    def __init__(self, rib: AddPathRibOut) -> None:
        self._rib = rib
        self._exports: dict[Path, Exported] = {}  # only where the prefix does not matter
        self._announced: dict[tuple[Exported, Source, object, object], list[bytes]] = {}
        self._withdrawn: dict[tuple[object, object], list[bytes]] = {}

    def add(self, was: Told, now: Told, known: Told, prefixes: list[bytes]) -> None:
        """Bring members from one state to another for these prefixes; known: paths that need not be told again."""
        members = self._rib.members
        apart = frozenset([peer for peer in was.instead.keys() | now.instead.keys() if peer in members])
        self._add(was.shared, now.shared, known.shared, prefixes, _to_all_but(apart))
        for peer in apart:
            self._add(was.to(peer), now.to(peer), known.to(peer), prefixes, _to_only(peer))

    def packed(self) -> list[Packed]:
        """Return the messages; a path that takes another's place comes before that one's withdrawal."""
        family, limit = self._rib.rule.family, self._rib.rule.max_message
        packed: list[Packed] = []
        for (exported, _, skip, only), keys in self._announced.items():
            message = announced(family, exported, keys, skip, limit)
            packed.append(message if only is None else message._replace(only=only))
        packed += [
            withdrawn(family, keys, limit, skip=skip, only=only) for (skip, only), keys in self._withdrawn.items()
        ]
        return packed

    def _add(
        self,
        was: tuple[Path, ...],
        now: tuple[Path, ...],
        known: tuple[Path, ...],
        prefixes: list[bytes],
        address: Callable[[Source], tuple[object, object]],
    ) -> None:
        kept = {path.source for path in now}
        for path in now:
            if path not in known:
                source = path.source
                key = (self._exported(path, prefixes[0]), source, *address(source))
                self._announced.setdefault(key, []).extend(_identified(source, prefixes))
        for path in was:
            source = path.source
            if source not in kept:
                self._withdrawn.setdefault(address(source), []).extend(_identified(source, prefixes))

    def _exported(self, path: Path, prefix: bytes) -> Exported:
        exported = self._exports.get(path)
        if exported is None:
            exported = self._rib.exported(path, prefix)
            assert exported is not None  # it was chosen because it goes out
            if not self._rib.exporter.judges_prefixes:
                self._exports[path] = exported
        return exported


def _to_all_but(apart: frozenset[object]) -> Callable[[Source], tuple[object, object]]:
    """Return (skip, only) of messages to all but the peer that their paths are from, and others."""
    if not apart:
        return lambda source: (source.peer, None)
    return lambda source: (apart if source.peer is None else apart | {source.peer}, None)


def _to_only(peer: object) -> Callable[[Source], tuple[object, object]]:
    return lambda _: (None, peer)


def _identified(source: Source, prefixes: list[bytes]) -> list[bytes]:
    path_id = source.number.to_bytes(PATH_ID)
    return [path_id + prefix for prefix in prefixes]
