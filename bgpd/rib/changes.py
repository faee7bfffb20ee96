"""One batch of Loc-RIB changes, sorted by path: what all update groups and the FIB read.

RFC 4271 9.2. Hot: the per-prefix work of a flush that does not depend on who is told is done here, once for all groups.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, compress, islice, repeat
from operator import is_not
from typing import TypeVar

from bgpd.records import dataclass
from bgpd.rib.path import Candidates, Path

Key = TypeVar("Key")
Run = tuple[Candidates | None, Candidates | None, Sequence[bytes]]
"""What prefixes had, what they have now (None = nothing), and which they are."""
Entry = tuple[Candidates | None, Candidates | None, Sequence[bytes], Sequence[Candidates] | None]
"""The same; the last is what each of them had, where they had paths of one source and no others.

The first is None then, as they need not have had the same.
"""


class Changes:
    """What changed in a Loc-RIB since somebody last asked.

    entries: what happened, in that order. Where no prefix is in it twice nobody has to look at prefixes one by one.
    """

    __slots__ = ("_before", "_checked", "_kind", "_noted", "_once", "entries")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._kind: object = None  # of all entries; None: of several
        self._checked = 0  # entries that ``_once`` speaks of
        self._once = True
        self._before: dict[bytes, Candidates | None] = {}
        self._noted = 0  # entries that are in ``_before``

    def __bool__(self) -> bool:
        return bool(self.entries)

    def add(self, old: Candidates | None, new: Candidates | None, prefixes: Sequence[bytes], kind: object) -> None:
        """Note prefixes that changed alike, each once.

        kind: no prefix changes twice by what is of one kind, compared by identity; None = that is not sure.
        """
        if kind is not self._kind:
            self._kind = None if self.entries else kind
        self.entries.append((old, new, prefixes, None))

    def own(
        self, olds: Sequence[Candidates], new: Candidates | None, prefixes: Sequence[bytes], kind: object = None
    ) -> None:
        """Note prefixes, each once, that had a path each from one source, and have another from it now, or nothing."""
        if kind is not self._kind:
            self._kind = None if self.entries else kind
        self.entries.append((None, new, prefixes, olds))

    def are_apart(self) -> bool:
        """Is no prefix in two of the entries?"""
        entries = self.entries
        if self._once and self._kind is None and self._checked < len(entries):
            self._checked = len(entries)
            lists = [prefixes for _, _, prefixes, _ in entries]
            distinct = self._before if self._noted == len(entries) else set(chain.from_iterable(lists))
            self._once = len(distinct) == sum(map(len, lists))
        return self._once

    @property
    def runs(self) -> list[Run]:
        """All that changed, in runs of prefixes that changed alike; nothing if some of them changed twice."""
        found: list[Run] = []
        if self.are_apart():
            for old, new, prefixes, olds in self.entries:
                if olds is None:
                    found.append((old, new, prefixes))
                    continue
                start = 0
                for stop in ends(olds):
                    found.append((olds[start], new, prefixes[start:stop]))
                    start = stop
        return found

    @property
    def before(self) -> dict[bytes, Candidates | None]:
        """What each changed prefix had before, None = nothing."""
        before, entries = self._before, self.entries
        if not self._noted:
            for old, _, prefixes, olds in reversed(entries):  # the first of a prefix is the last word
                before.update(dict.fromkeys(prefixes, old) if olds is None else zip(prefixes, olds, strict=True))
        elif self._noted < len(entries):
            note = before.setdefault
            for old, _, prefixes, olds in islice(entries, self._noted, None):
                for prefix, had in zip(prefixes, repeat(old) if olds is None else olds, strict=False):
                    note(prefix, had)
        self._noted = len(entries)
        return before


def ends(candidates: Sequence[object]) -> Iterator[int]:
    """Return where each run of one and the same object ends. There must be one."""
    behind = range(1, len(candidates))
    return chain(compress(behind, map(is_not, candidates, islice(candidates, 1, None))), (len(candidates),))


@dataclass(slots=True, eq=False)
class Batch:
    """Prefixes whose best path changed.

    changes: of all paths, also those that are not best. gained: the new best path → its prefixes. moved: (former best
    path, peer token of the new one) → prefixes that went from one peer to another: the new one had been told the former
    path and must unlearn it, since it is not sent its own. cleared: peer token → prefixes that had its path as the best
    and have none now. left: peer token → how many prefixes left a best path of that peer.
    """

    changes: Changes
    gained: Mapping[Path, Sequence[bytes]]
    moved: Mapping[tuple[Path, object], Sequence[bytes]]
    cleared: Mapping[object, Sequence[bytes]]
    left: Mapping[object, int]
    _gone: Mapping[Path, Sequence[bytes]] | None = None
    _lost: Mapping[Path, int] | None = None

    @property
    def gone(self) -> Mapping[Path, Sequence[bytes]]:
        """The former best path → prefixes that have none now."""
        if self._gone is None:
            gone: dict[Path, Sequence[bytes]] = {}
            for old, new, prefixes in self.changes.runs:
                if new is None and old is not None:
                    _gather(gone, old[0], prefixes)
            self._gone = gone
        return self._gone

    @property
    def lost(self) -> Mapping[Path, int]:
        """The former best path → how many prefixes left it."""
        if self._lost is None:
            self._lost = _lost(self.changes.entries)
        return self._lost


def sort_by_path(changes: Changes, table: Mapping[bytes, Candidates]) -> Batch:
    """Return the batch for what changed (from ``LocRib.take_changes``) and the table as it is now."""
    if changes.are_apart():
        return _sort_entries(changes)
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
    cleared: dict[object, Sequence[bytes]] = {}
    for was, prefixes in gone.items():
        left[was] += len(prefixes)
        _gather(cleared, was.source.peer, prefixes)
    return Batch(changes, gained, moved, cleared, _by_peer(left), gone, left)


def _by_peer(left: Mapping[Path, int]) -> dict[object, int]:
    found: dict[object, int] = {}
    for was, count in left.items():
        peer = was.source.peer
        found[peer] = found.get(peer, 0) + count
    return found


class _Gathered(list[bytes]):
    """The prefixes of several runs; those of one alone are the run's own."""

    __slots__ = ()


def _sort_entries(changes: Changes) -> Batch:
    gained: dict[Path, Sequence[bytes]] = {}
    moved: dict[tuple[Path, object], Sequence[bytes]] = {}
    cleared: dict[object, Sequence[bytes]] = {}
    left: dict[object, int] = {}
    for old, new, prefixes, olds in changes.entries:
        if new is not None:
            best = new[0]
            if old is not None and old[0] is best:
                continue
            if gained.setdefault(best, prefixes) is not prefixes:
                _gather(gained, best, prefixes)
            if old is not None:
                was = old[0]
                peer = was.source.peer
                if best.source.peer is not peer:
                    _gather(moved, (was, best.source.peer), prefixes)
            elif olds is not None:
                peer = best.source.peer
            else:
                continue
        else:
            had = old if olds is None else olds[0]
            if had is None:
                continue
            peer = had[0].source.peer
            _gather(cleared, peer, prefixes)
        left[peer] = left.get(peer, 0) + len(prefixes)
    return Batch(changes, gained, moved, cleared, left)


def _lost(entries: Sequence[Entry]) -> Counter[Path]:
    """Return the former best path → how many prefixes left it, where no prefix is in two of the entries."""
    lost = Counter[Path]()
    for old, new, prefixes, olds in entries:
        if olds is not None:
            lost.update([one[0] for one in olds])
        elif old is not None and (new is None or new[0] is not old[0]):
            lost[old[0]] += len(prefixes)
    return lost


def _gather(found: dict[Key, Sequence[bytes]], key: Key, prefixes: Sequence[bytes]) -> None:
    """Add the prefixes of a run; no two runs have a prefix in common."""
    members = found.setdefault(key, prefixes)
    if members is prefixes:
        return
    if type(members) is not _Gathered:
        members = found[key] = _Gathered(members)
    members += prefixes
