"""One batch of Loc-RIB changes, sorted by path: what all update groups and the FIB read.

RFC 4271 9.2. Hot: the per-prefix work of a flush that does not depend on who is told is done here, once for all groups.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bgpd.rib.path import Candidates, Path


class Changes:
    """What changed in a Loc-RIB since somebody last asked.

    fresh: prefixes that had nothing and now have this path, in runs. While nothing else changes, as when a full table
    comes in, no prefix is looked at one by one; the first other change makes all of them entries of ``before``.
    """

    __slots__ = ("_before", "fresh")

    def __init__(self) -> None:
        self.fresh: list[tuple[Path, Sequence[bytes]]] = []
        self._before: dict[bytes, Candidates | None] = {}

    def __bool__(self) -> bool:
        return bool(self.fresh or self._before)

    @property
    def before(self) -> dict[bytes, Candidates | None]:
        """What each changed prefix had before, None = nothing. An entry stays as it was first made."""
        before = self._before
        if self.fresh:
            runs, self.fresh = self.fresh, []
            setdefault = before.setdefault
            for _, prefixes in runs:
                for prefix in prefixes:
                    setdefault(prefix, None)
        return before

    @property
    def is_fresh(self) -> bool:
        """Are the runs in ``fresh`` all that changed?"""
        return not self._before


@dataclass(frozen=True, slots=True)
class Batch:
    """Prefixes whose best path changed.

    changes: of all paths, also those that are not best. gained: the new best path → its prefixes. gone: the former best
    path → prefixes that have none now. moved: (former best path, peer token of the new one) → prefixes that went from
    one peer to another: the new one had been told the former path and must unlearn it, since it is not sent its own.
    lost: the former best path → how many prefixes left it.
    """

    changes: Changes
    gained: Mapping[Path, Sequence[bytes]]
    gone: Mapping[Path, list[bytes]]
    moved: Mapping[tuple[Path, object], list[bytes]]
    lost: Mapping[Path, int]


def sort_by_path(changes: Changes, table: Mapping[bytes, Candidates]) -> Batch:
    """Return the batch for what changed (from ``LocRib.take_changes``) and the table as it is now."""
    if changes.is_fresh:
        return Batch(changes, _joined(changes.fresh), {}, {}, {})
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
    return Batch(changes, gained, gone, moved, left)


def _joined(runs: list[tuple[Path, Sequence[bytes]]]) -> Mapping[Path, Sequence[bytes]]:
    """Return the prefixes of each path."""
    single = dict(runs)
    if len(single) == len(runs):
        return single
    joined: dict[Path, list[bytes]] = {}
    for path, prefixes in runs:
        joined.setdefault(path, []).extend(prefixes)
    return joined
