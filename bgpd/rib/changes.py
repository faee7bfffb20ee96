"""One batch of Loc-RIB changes, sorted by path: what all update groups and the FIB read.

RFC 4271 9.2. Hot: the per-prefix work of a flush that does not depend on who is told is done here, once for all groups.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bgpd.rib.path import Candidates, Path


@dataclass(frozen=True, slots=True)
class Batch:
    """Prefixes whose best path changed.

    before: what each changed prefix had. gained: the new best path → its prefixes. gone: the former best path →
    prefixes that have none now. moved: (former best path, peer token of the new one) → prefixes that went from one
    peer to another: the new one had been told the former path and must unlearn it, since it is not sent its own.
    lost: the former best path → how many prefixes left it.
    """

    before: Mapping[bytes, Candidates | None]
    gained: Mapping[Path, list[bytes]]
    gone: Mapping[Path, list[bytes]]
    moved: Mapping[tuple[Path, object], list[bytes]]
    lost: Mapping[Path, int]


def sort_by_path(before: Mapping[bytes, Candidates | None], table: Mapping[bytes, Candidates]) -> Batch:
    """Return the batch for what changed (from ``LocRib.take_changes``) and the table as it is now."""
    gained: dict[Path, list[bytes]] = {}
    gone: dict[Path, list[bytes]] = {}
    moved: dict[tuple[Path, object], list[bytes]] = {}
    lost: list[Path] = []
    get, bucket = table.get, gained.get
    for prefix, old in before.items():
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
            lost.append(was)
            members = gone.get(was)
            if members is None:
                gone[was] = [prefix]
            else:
                members.append(prefix)
    return Batch(before, gained, gone, moved, Counter(lost))
