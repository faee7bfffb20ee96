"""The Loc-RIB: the usable paths of every prefix of one family, best first, and which prefixes changed.

RFC 4271 3.2 and 9.1. Hot: about two dictionary operations for each prefix. The key is the prefix's canonical wire
octets, the value a tuple of paths; a prefix with one path holds that path's own 1-tuple, so nothing is allocated for
it.

Whoever has to hear of changes (update groups, the FIB) compares what a prefix had when they last looked, which
``take_changes`` hands out, with what it has now. Paths never change, so both sides can be judged at any later time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import Final, TypeVar

from bgpd.families import Family
from bgpd.rib.changes import Changes, ends
from bgpd.rib.decision import insert, keep_oldest, order
from bgpd.rib.path import Candidates, Path, Source

Member = TypeVar("Member")

SLICE: Final = 2500  # prefixes put in order again in one go
_NEW: Final = object()  # the kind of change that gives a prefix its first path
_Merged = tuple[Path | None, Candidates, Candidates]
"""A path, the candidates it was added to, and what that gave."""
_NOTHING_MERGED: Final[_Merged] = (None, (), ())
_Run = tuple[Candidates | None, Path | None, list[bytes] | None]
"""What is left (None = nothing), which path went, and from which prefixes; None: the source has no path there."""


class LocRib:
    """The paths of one family.

    on_change: called when the first prefix changes after ``take_changes``. prefers_oldest: an external path that is
    best stays so against others that are as good (RFC 5004).
    """

    __slots__ = ("_changes", "_merged", "_on_change", "family", "prefers_oldest", "table")

    def __init__(self, family: Family, on_change: Callable[[], None]) -> None:
        self.family = family
        self.table: dict[bytes, Candidates] = {}
        self.prefers_oldest = False
        self._changes = Changes()
        self._merged = _NOTHING_MERGED  # the last time
        self._on_change = on_change

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_changes(self) -> bool:
        """Is there something that ``take_changes`` would return?"""
        return bool(self._changes)

    def announce(self, prefixes: Sequence[bytes], path: Path) -> list[bytes]:
        """Give each prefix this path, in place of any it had from the same source; return those that had none, once.

        The sequence must not be changed afterwards.
        """
        return self.announce_all(((path, prefixes),))

    def announce_all(self, routes: Iterable[tuple[Path, Sequence[bytes]]]) -> list[bytes]:
        """Do the same with several paths and their prefixes, in this order."""
        table, changes = self.table, self._changes
        place, was_quiet = table.setdefault, not changes
        new: list[bytes] = []
        for path, prefixes in routes:
            alone = path.alone
            before = len(table)
            found: Sequence[Candidates] = (
                (place(prefixes[0], alone),) if len(prefixes) == 1 else [place(prefix, alone) for prefix in prefixes]
            )
            count = len(table) - before
            if count:  # a dict keeps its keys in the order they came in, so the new ones are its last
                fresh = prefixes if count == len(prefixes) else list(islice(reversed(table), count))
                changes.add(None, alone, fresh, _NEW)
                (path.received or path).held += count
                new += fresh
            if count < len(prefixes):
                more = self._give(path, prefixes, found)
                count += len(more)
                new += more
            path.source.accepted += count
        if was_quiet and changes:
            self._on_change()
        return new

    def withdraw(self, prefixes: Sequence[bytes], source: Source) -> Sequence[bytes]:
        """Take the source's path, if there is one, from each prefix; return those that had one."""
        was_quiet = not self._changes
        gone: Sequence[bytes] = ()
        if prefixes and _is_alone(self.table.get(prefixes[0]), source):
            gone, prefixes = self._take_out(prefixes, source)
        if prefixes:
            gone = [*gone, *self._take_from(prefixes, source)]
        if not self.table:  # give its room back: deletions alone leave it as large as it was, or twice after much churn
            self.table.clear()
        source.accepted -= len(gone)
        if was_quiet and self._changes:
            self._on_change()
        return gone

    def take_changes(self) -> Changes:
        """Return what changed, and start afresh."""
        changes = self._changes
        self._changes = Changes()
        self._merged = _NOTHING_MERGED
        return changes

    def at_last_take(self, prefixes: Mapping[bytes, object]) -> list[Candidates | None]:
        """Return what each of these prefixes had when changes were last taken (None = nothing)."""
        changed, get = self._changes.before, self.table.get
        if not changed:
            return list(map(get, prefixes))
        return [changed[prefix] if prefix in changed else get(prefix) for prefix in prefixes]

    def prefixes(self) -> dict[bytes, None]:
        """Return the prefixes that have a path, or had one when changes were last taken."""
        found = dict.fromkeys(self.table)
        found.update(dict.fromkeys(self._changes.before))
        return found

    def order_again(self) -> Iterator[None]:
        """Return the job that decides anew where there are several paths: ``prefers_oldest`` has changed."""
        self._merged = _NOTHING_MERGED
        prefixes = iter(list(self.table))
        while chunk := list(islice(prefixes, SLICE)):
            self._order_again(chunk)
            yield

    def before_changes(self) -> dict[bytes, Candidates]:
        """Return a copy of the table as it was when changes were last taken."""
        before = dict(self.table)
        for prefix, old in self._changes.before.items():
            if old is None:
                before.pop(prefix, None)
            else:
                before[prefix] = old
        return before

    def _give(self, path: Path, prefixes: Sequence[bytes], found: Sequence[Candidates]) -> Sequence[bytes]:
        """Give prefixes with these candidates the path, too; return those that had none from its source."""
        old, source = found[0], path.source
        if old is found[-1] and found.count(old) == len(found):  # they came together before, too
            return self._give_alike(path, prefixes, old)
        for old in found:
            was = old[0]
            if len(old) > 1 or was.source is not source or was is path:
                return self._give_some(path, dict(zip(prefixes, found, strict=True)))
        given = dict.fromkeys(prefixes, path.alone)
        if len(given) < len(found):
            return self._give_some(path, dict(zip(prefixes, found, strict=True)))
        for old in found:
            was = old[0]
            (was.received or was).held -= 1
        self.table.update(given)
        self._changes.own(found, path.alone, prefixes)
        (path.received or path).held += len(found)
        return ()

    def _give_some(self, path: Path, found: Mapping[bytes, Candidates]) -> list[bytes]:
        """Do so where they have different ones; path: may be among them."""
        alike: dict[Candidates, list[bytes]] = {}
        for prefix, old in found.items():
            alike.setdefault(old, []).append(prefix)
        new: list[bytes] = []
        for old, members in alike.items():
            new += self._give_alike(path, members, old)
        return new

    def _give_alike(self, path: Path, prefixes: Sequence[bytes], old: Candidates) -> Sequence[bytes]:
        """Do so where all have the same."""
        was = _of(path.source, old)
        if was is path:
            return ()
        now = path.alone if was is not None and len(old) == 1 else self._merge(old, path, was)
        if len(prefixes) == 1:
            self.table[prefixes[0]] = now
        else:
            given = dict.fromkeys(prefixes, now)
            if len(given) < len(prefixes):
                prefixes = list(given)
            self.table.update(given)
        self._changes.add(old, now, prefixes, None)
        (path.received or path).held += len(prefixes)
        if was is None:
            return prefixes
        (was.received or was).held -= len(prefixes)
        return ()

    def _take_out(self, prefixes: Sequence[bytes], source: Source) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Take prefixes out of the table that have nothing but a path of the source; return them, and the others."""
        table = self.table
        found: list[Candidates] = list(map(table.pop, prefixes, repeat(())))
        others: list[bytes] = []
        left: list[tuple[int, int]] = []  # which are not taken out
        start = 0
        for stop in ends(found):
            same = found[start]
            if len(same) == 1 and same[0].source is source:
                was = same[0]
                (was.received or was).held -= stop - start
            else:
                left.append((start, stop))
                if same:
                    run = prefixes[start:stop]
                    table.update(dict.fromkeys(run, same))
                    others += run
            start = stop
        if left:
            prefixes, found = _outside(prefixes, left), _outside(found, left)
        if prefixes:
            self._changes.own(found, None, prefixes, source)
        return prefixes, others

    def _take_from(self, prefixes: Sequence[bytes], source: Source) -> list[bytes]:
        """Take the source's path from prefixes, which may have others; return those that had one."""
        table, get = self.table, self.table.get
        runs: dict[Candidates, _Run] = {}
        same: Candidates = ()  # prefixes that came together share candidates
        rest: Candidates | None = None
        members: list[bytes] | None = None
        for prefix in prefixes:
            old = get(prefix)
            if old is not same:
                if old is None:
                    continue
                run = runs.get(old)
                if run is None:
                    run = runs[old] = self._without(old, source)
                same = old
                rest, _, members = run
            if members is None:
                continue
            if rest is None:
                del table[prefix]
            else:
                table[prefix] = rest
            members.append(prefix)
        gone: list[bytes] = []
        for old, (rest, was, members) in runs.items():
            if members and was is not None:
                self._changes.add(old, rest, members, source)
                (was.received or was).held -= len(members)
                gone += members
        return gone

    def _merge(self, old: Candidates, path: Path, was: Path | None) -> Candidates:
        """Return the candidates with the path added. was: the one of them that it replaces.

        Prefixes that had the same ones share the result.
        """
        last, before, now = self._merged
        if path is last and old is before:
            return now
        if was is None and not self.prefers_oldest:
            now = insert(path, old)
        else:
            now = self._order([*[other for other in old if other is not was], path], old[0].source)
        self._merged = path, old, now
        return now

    def _without(self, old: Candidates, source: Source) -> _Run:
        """Return what becomes of prefixes with these candidates when those of the source go."""
        was = _of(source, old)
        if was is None:
            return old, None, None
        if len(old) == 1:
            return None, was, []
        rest = [path for path in old if path is not was]
        return (self._order(rest, old[0].source) if len(rest) > 1 else rest[0].alone), was, []

    def _order(self, paths: Iterable[Path], present: Source) -> Candidates:
        """Return the paths best first; present: where the best one came from until now."""
        candidates = order(paths)
        return keep_oldest(candidates, present) if self.prefers_oldest else candidates

    def _order_again(self, prefixes: Iterable[bytes]) -> None:
        table, changes = self.table, self._changes
        was_quiet = not changes
        for prefix in prefixes:
            old = table.get(prefix)
            if old is None or len(old) == 1:
                continue
            new = self._order(old, old[0].source)
            if new != old:
                table[prefix] = new
                changes.add(old, new, (prefix,), None)
        if was_quiet and changes:
            self._on_change()


def _is_alone(candidates: Candidates | None, source: Source) -> bool:
    """Is there a path of this source, and no other?"""
    return candidates is not None and len(candidates) == 1 and candidates[0].source is source


def _of(source: Source, candidates: Candidates) -> Path | None:
    for path in candidates:
        if path.source is source:
            return path
    return None


def _outside(members: Sequence[Member], spans: Sequence[tuple[int, int]]) -> list[Member]:
    """Return the members that are not in the spans, which are in order."""
    found: list[Member] = []
    start = 0
    for stop, behind in spans:
        found += members[start:stop]
        start = behind
    found += members[start:]
    return found
