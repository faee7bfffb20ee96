"""One batch of Loc-RIB changes, sorted by path: what all update groups and the FIB read.

RFC 4271 9.2. Hot: the per-prefix work of a flush that does not depend on who is told is done here, once for all groups.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from bgpd.records import dataclass
from bgpd.rib.path import Candidates, Path

Key = TypeVar("Key")


Run = tuple[Candidates | None, Candidates | None, Sequence[bytes]]
"""What prefixes had, what they have now (None = nothing), and which they are."""


class Changes:
    """What changed in a Loc-RIB since somebody last asked.

    runs: prefixes that changed alike. While all that happens is of one kind, as when a full table comes in or a peer's
    table goes, no prefix is looked at one by one; the first change of another kind makes all of them entries of
    ``before``. replaced: if a source did nothing but replace paths of prefixes that have no others, none of them twice,
    its new paths, each with what its prefixes had; all of them are in ``before``, too.
    """

    __slots__ = ("_before", "_kind", "replaced", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.replaced: list[tuple[Path, Mapping[bytes, Candidates]]] = []
        self._kind: object = None
        self._before: dict[bytes, Candidates | None] = {}

    def __bool__(self) -> bool:
        return bool(self.runs or self._before)

    def add(self, kind: object, old: Candidates | None, new: Candidates | None, prefixes: Sequence[bytes]) -> None:
        """Note a run. kind: no prefix changes twice by what is of one kind, compared by identity."""
        if self._before or (self.runs and kind is not self._kind):
            before = self.singly()
            for prefix in prefixes:
                before.setdefault(prefix, old)
        else:
            self._kind = kind
            self.runs.append((old, new, prefixes))

    def replace(self, path: Path, olds: Mapping[bytes, Candidates]) -> None:
        """Note prefixes that have this path now and nothing else, as before; olds: what they had, from its source."""
        before = self.before
        if (self.replaced or not before) and before.keys().isdisjoint(olds):
            before.update(olds)
            self.replaced.append((path, olds))
        else:
            self.singly().update({prefix: old for prefix, old in olds.items() if prefix not in before})

    def singly(self) -> dict[bytes, Candidates | None]:
        """Return ``before``, for changes of other kinds to be noted in it."""
        self.replaced = []
        return self.before

    @property
    def before(self) -> dict[bytes, Candidates | None]:
        """What each changed prefix had before, None = nothing. An entry stays as it was first made."""
        before = self._before
        if self.runs:
            runs, self.runs = self.runs, []
            for old, _, prefixes in runs:
                for prefix in prefixes:
                    before[prefix] = old
        return before


@dataclass(slots=True, eq=False)
class Batch:
    """Prefixes whose best path changed.

    changes: of all paths, also those that are not best. gained: the new best path → its prefixes. gone: the former best
    path → prefixes that have none now. moved: (former best path, peer token of the new one) → prefixes that went from
    one peer to another: the new one had been told the former path and must unlearn it, since it is not sent its own.
    left: peer token → how many prefixes left a best path of that peer.
    """

    changes: Changes
    gained: Mapping[Path, Sequence[bytes]]
    gone: Mapping[Path, Sequence[bytes]]
    moved: Mapping[tuple[Path, object], Sequence[bytes]]
    left: Mapping[object, int]
    _lost: Mapping[Path, int] | None = None

    @property
    def lost(self) -> Mapping[Path, int]:
        """The former best path → how many prefixes left it."""
        if self._lost is None:
            replaced = self.changes.replaced
            self._lost = Counter([old[0] for _, olds in replaced for old in olds.values()])
        return self._lost


def sort_by_path(changes: Changes, table: Mapping[bytes, Candidates]) -> Batch:
    """Return the batch for what changed (from ``LocRib.take_changes``) and the table as it is now."""
    if changes.runs:
        return _sort_runs(changes)
    if changes.replaced:
        return _sort_replaced(changes)
    gained: dict[Path, list[bytes]] = {}
    gone: dict[Path, list[bytes]] = {}
    moved: dict[tuple[Path, object], list[bytes]] = {}
    lost: list[Path] = []
    get, bucket = table.get, gained.get
    for prefix, old in changes.before.items():
        new = get(prefix)
        if new is old:
            continue
        if new is not None:
            best = new[0]
            if old is not None:
                was = old[0]
                if was is best:
                    continue
                lost.append(was)
                peer = best.source.peer
                if was.source.peer is not peer:
                    moved.setdefault((was, peer), []).append(prefix)
            members = bucket(best)
            if members is None:
                gained[best] = [prefix]
            else:
                members.append(prefix)
        elif old is not None:
            was = old[0]
            members = gone.get(was)
            if members is None:
                gone[was] = [prefix]
            else:
                members.append(prefix)
    left = Counter(lost)
    for was, prefixes in gone.items():
        left[was] += len(prefixes)
    return Batch(changes, gained, gone, moved, _by_peer(left), left)


def _by_peer(left: Mapping[Path, int]) -> dict[object, int]:
    found: dict[object, int] = {}
    for was, count in left.items():
        peer = was.source.peer
        found[peer] = found.get(peer, 0) + count
    return found


def _sort_replaced(changes: Changes) -> Batch:
    gained: dict[Path, Sequence[bytes]] = {}
    left: dict[object, int] = {}
    for path, olds in changes.replaced:
        peer = path.source.peer
        left[peer] = left.get(peer, 0) + len(olds)
        prefixes = list(olds)
        if gained.setdefault(path, prefixes) is not prefixes:
            _gather(gained, path, prefixes)
    return Batch(changes, gained, {}, {}, left)


class _Gathered(list[bytes]):
    """The prefixes of several runs; those of one alone are the run's own."""

    __slots__ = ()


def _sort_runs(changes: Changes) -> Batch:
    gained: dict[Path, Sequence[bytes]] = {}
    gone: dict[Path, Sequence[bytes]] = {}
    moved: dict[tuple[Path, object], Sequence[bytes]] = {}
    left: dict[Path, int] = {}
    for old, new, prefixes in changes.runs:
        if new is not None:
            best = new[0]
            if old is None:
                if gained.setdefault(best, prefixes) is not prefixes:
                    _gather(gained, best, prefixes)
                continue
            was = old[0]
            if best is was:
                continue
            _gather(gained, best, prefixes)
            peer = best.source.peer
            if was.source.peer is not peer:
                _gather(moved, (was, peer), prefixes)
        elif old is None:
            continue
        else:
            was = old[0]
            _gather(gone, was, prefixes)
        left[was] = left.get(was, 0) + len(prefixes)
    return Batch(changes, gained, gone, moved, _by_peer(left), left)


def _gather(found: dict[Key, Sequence[bytes]], key: Key, prefixes: Sequence[bytes]) -> None:
    """Add the prefixes of a run; no two runs have a prefix in common."""
    members = found.setdefault(key, prefixes)
    if members is prefixes:
        return
    if type(members) is not _Gathered:
        members = found[key] = _Gathered(members)
    members += prefixes
