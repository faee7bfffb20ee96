"""The decision process: which of a prefix's paths is best, and by which step.

RFC 4271 9.1.2 with a weight of our own before it, RFC 9494 4.3 and 4.4 (long-lived stale comes last), RFC 4456 section
9 (ORIGINATOR_ID, CLUSTER_LIST length), RFC 5065 5.3 (confederations). MED is compared within one neighbouring AS only
and in a way that does not depend on the order of arrival: the paths of each neighbouring AS are put in order first,
then the heads of these lists are compared without MED. Only RFC 5004, where it is asked for, lets the past decide.
Ranks are tuples in which lower is better; they are filled once for a path, not for a prefix.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Final

from bgpd.communities import LLGR_STALE
from bgpd.identity import PeerType
from bgpd.messages.attributes.model import Origin
from bgpd.messages.attributes.plain import preferences
from bgpd.rib.path import Candidates, Path, Source, SourceKind

DEFAULT_LOCAL_PREF: Final = 100


class Step(Enum):
    """The step of the decision process that set two paths apart; the value is for people."""

    ONLY = "only path"
    PREFERENCE = "our own route before a peer's"
    STALE = "fresh before long-lived stale"
    WEIGHT = "higher weight"
    LOCAL_PREF = "higher LOCAL_PREF"
    AS_PATH = "shorter AS_PATH"
    ORIGIN = "lower ORIGIN"
    MED = "lower MED from the same neighbouring AS"
    PEER_TYPE = "eBGP before iBGP"
    IGP_METRIC = "nearer next hop"
    OLDEST_EXTERNAL = "external path that was best already"
    IDENTIFIER = "lower BGP Identifier or ORIGINATOR_ID"
    CLUSTER_LIST = "shorter CLUSTER_LIST"
    ADDRESS = "lower peer address"
    PATH_ID = "lower path identifier"


_RANK_STEPS: Final = (Step.PREFERENCE, Step.STALE, Step.WEIGHT, Step.LOCAL_PREF, Step.AS_PATH, Step.ORIGIN)
_TAIL_STEPS: Final = (
    Step.PEER_TYPE, Step.IGP_METRIC, Step.IDENTIFIER, Step.CLUSTER_LIST, Step.ADDRESS, Step.PATH_ID,
)  # fmt: skip
_EQUAL_COST: Final = 2  # how many elements of the tail two paths of an ECMP set share
_BEFORE_IDENTIFIER: Final = _TAIL_STEPS.index(Step.IDENTIFIER)
_RANK: Final = attrgetter("rank")
_WITHOUT_MED: Final = attrgetter("rank", "tail")

# In an everyday block (see ``Attributes``): ORIGIN, the octets of AS_PATH and, unless there are none, how many numbers
# it has and the first of them
_ORIGIN_AT: Final = 3
_AS_PATH_SIZE_AT: Final = 6
_COUNT_AT: Final = 8
_FIRST_AT: Final = 9
_LONGEST: Final = (255 - 2) // 4  # AS numbers
_LOCAL_PREF: Final = b"\x40\x05\x04"  # the head of the attribute; something else may have these octets by chance
_number: Final = Struct("!I").unpack_from


def rank(path: Path) -> None:
    """Fill what the path is compared by. Its attributes, source, next hop and weight must be in place.

    Whoever attached LLGR_STALE, we ourselves or a speaker before us, such a path is long-lived stale.
    """
    attributes, source = path.attributes, path.source
    if attributes.is_everyday and not path.is_stale:
        octets = attributes.octets
        path.med, local_pref = preferences(octets)
        length = path.group = 0
        if octets[_AS_PATH_SIZE_AT]:
            length = octets[_COUNT_AT]
            (path.group,) = _number(octets, _FIRST_AT)
        if (local_pref is None or local_pref == DEFAULT_LOCAL_PREF) and not path.weight:
            path.rank = _ranks(source.preference)[octets[_ORIGIN_AT]][length]
        else:
            path.rank = _rank(path, local_pref, length, octets[_ORIGIN_AT])
        is_plain = True
    else:
        if LLGR_STALE in attributes.communities:
            path.is_stale = True
        as_path = attributes.as_path
        path.rank = _rank(path, attributes.local_pref, as_path.length, attributes.origin)
        path.group = as_path.neighbour
        path.med = attributes.med or 0  # 9.1.2.2 c: absent is the lowest value
        is_plain = attributes.originator_id is None and not attributes.cluster_list
    if is_plain:
        tails, metric = source.tails, path.next_hop.metric
        tail = tails.get(metric)
        if tail is None:
            tail = tails[metric] = _tail(path)
        path.tail = tail
    else:
        path.tail = _tail(path)


def _rank_everyday(path: Path) -> tuple[int, ...]:
    """Fill what is compared before MED, and only that, of a path of everyday attributes; return it."""
    octets = path.attributes.octets
    origin, length = octets[_ORIGIN_AT], octets[_COUNT_AT] if octets[_AS_PATH_SIZE_AT] else 0
    local_pref = preferences(octets)[1] if _LOCAL_PREF in octets else None
    if (local_pref is None or local_pref == DEFAULT_LOCAL_PREF) and not path.weight:
        found = _ranks(path.source.preference)[origin][length]
    else:
        found = _rank(path, local_pref, length, origin)
    path.rank = found
    return found


def _rank(path: Path, local_pref: int | None, length: int, origin: int) -> tuple[int, ...]:
    return (
        -path.source.preference,
        path.is_stale,
        -path.weight,
        -(DEFAULT_LOCAL_PREF if local_pref is None else local_pref),
        length,
        origin,
    )


@lru_cache(maxsize=16)
def _ranks(preference: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return the ranks that most paths of such sources share: by ORIGIN, by the length of AS_PATH."""
    return tuple(
        tuple((-preference, False, 0, -DEFAULT_LOCAL_PREF, length, int(origin)) for length in range(_LONGEST + 1))
        for origin in Origin
    )


def _tail(path: Path) -> tuple[int | bytes, ...]:
    attributes, source = path.attributes, path.source
    originator = attributes.originator_id
    return (
        source.kind is SourceKind.PEER and source.peer_type is not PeerType.EXTERNAL,
        path.next_hop.metric,
        source.identifier if originator is None else originator,
        len(attributes.cluster_list),
        source.address,
        source.path_id,
    )


def order(paths: Iterable[Path]) -> Candidates:
    """Return the paths best first; the result depends on the paths alone, not on their order.

    Those that were never compared before are ranked here, as far as they have to be: most paths are alone with their
    prefixes and never need it, and of most others it is enough to know what is compared before MED.
    """
    found = list(paths)
    for path in found:
        if not path.rank:
            _rank_everyday(path)
    found.sort(key=_RANK)
    last = None
    for path in found:
        if path.rank == last:
            break
        last = path.rank
    else:
        return tuple(found)  # what is compared before MED decides
    for path in found:
        if not hasattr(path, "tail"):
            rank(path)
    if len({path.med for path in found}) == 1 or len({path.group for path in found}) == len(found):
        return tuple(sorted(found, key=_WITHOUT_MED))  # MED sets none of them apart
    return _order_with_med(found)


def insert(path: Path, candidates: Candidates) -> Candidates:
    """Return what ``order`` would of the path and candidates that are in order.

    If none of them is as good up to MED its place is between those that are better and those that are not.
    """
    mine = path.rank or _rank_everyday(path)
    place = 0
    for other in candidates:
        theirs = other.rank or _rank_everyday(other)
        if mine <= theirs:
            if mine == theirs:
                return order((path, *candidates))
            break
        place += 1
    if not place:
        return (path, *candidates)
    return (*candidates[:place], path, *candidates[place:])


def _order_with_med(paths: Iterable[Path]) -> Candidates:
    """Return the paths best first, whatever their MEDs are."""
    lists: dict[int, list[Path]] = {}
    for path in paths:
        lists.setdefault(path.group, []).append(path)
    for members in lists.values():
        members.sort(key=_within_group)
    if len(lists) == 1:
        return tuple(next(iter(lists.values())))
    heads = [members[::-1] for members in lists.values()]  # best last, so that it can be popped
    ordered: list[Path] = []
    while heads:
        nearest = min(heads, key=_across_groups)
        ordered.append(nearest.pop())
        if not nearest:
            heads.remove(nearest)
    return tuple(ordered)


def keep_oldest(candidates: Candidates, present: Source) -> Candidates:
    """Return the candidates with the present best path in front, if RFC 5004 section 3 keeps it.

    candidates: as ``order`` returns them. present: where the best path came from until now; its path may be a new one.
    """
    best = candidates[0]
    kept = next((path for path in candidates if path.source is present), best)
    if (
        kept is best
        or best.source.peer_type is not PeerType.EXTERNAL
        or present.peer_type is not PeerType.EXTERNAL
        or present.identifier == best.source.identifier  # parallel sessions: their addresses were chosen on purpose
        or kept.rank != best.rank
        or kept.tail[:_BEFORE_IDENTIFIER] != best.tail[:_BEFORE_IDENTIFIER]
        or any(path.group == kept.group and path.rank == kept.rank and path.med < kept.med for path in candidates)
    ):
        return candidates
    return (kept, *(path for path in candidates if path is not kept))


def equal_cost(candidates: Candidates, limit: int) -> Candidates:
    """Return the paths that may share traffic with the best: equal down to the IGP metric; at most ``limit``.

    A second path by the same gateway adds nothing and is left out. Only paths from peers are put together.
    """
    best = candidates[0]
    if len(candidates) == 1 or limit == 1 or best.source.kind is not SourceKind.PEER:
        return candidates[:1]
    chosen = [best]
    seen = {best.next_hop.address or best.next_hop.link_local}
    for path in candidates[1:]:
        address = path.next_hop.address or path.next_hop.link_local
        if (
            path.rank == best.rank
            and path.tail[:_EQUAL_COST] == best.tail[:_EQUAL_COST]
            and (path.med == best.med or path.group != best.group)
            and address not in seen
        ):
            seen.add(address)
            chosen.append(path)
            if len(chosen) == limit:
                break
    return tuple(chosen)


def why(winner: Path, loser: Path) -> Step:
    """Return the step that put the winner before the loser, both heads of what ``order`` compared."""
    for step, ours, theirs in zip(_RANK_STEPS, winner.rank, loser.rank, strict=True):
        if ours != theirs:
            return step
    if winner.group == loser.group and winner.med != loser.med:
        return Step.MED
    for tail_step, left, right in zip(_TAIL_STEPS, winner.tail, loser.tail, strict=True):
        if left != right:
            return tail_step
    return Step.ONLY


def against_best(candidates: Candidates) -> tuple[Step, ...]:
    """Return, for each path, the step that set it apart from the best; for the best itself, from the second."""
    best = candidates[0]
    if len(candidates) == 1:
        return (Step.ONLY,)
    plain = order(candidates)
    better = plain[: plain.index(best)]  # by the steps alone, without RFC 5004
    steps = [Step.OLDEST_EXTERNAL if path in better else why(best, path) for path in candidates[1:]]
    return (steps[0], *steps)


def _within_group(path: Path) -> tuple[tuple[int, ...], int, tuple[int | bytes, ...]]:
    return path.rank, path.med, path.tail


def _across_groups(members: list[Path]) -> tuple[tuple[int, ...], tuple[int | bytes, ...]]:
    head = members[-1]
    return head.rank, head.tail
