"""Adj-RIB-Out of an update group: what its members have been told, as a function of the Loc-RIB.

RFC 4271 3.2, 9.1.3 and 9.2. Hot. Nothing is stored for a prefix: paths never change, so what a group was told of a
prefix is the export of the path that was best at the last flush, and what it has to be told is the export of the one
that is best now. Only the counts are kept. ``rib.add_path`` has the variant that tells several paths for a prefix.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from bgpd.messages.update import announce
from bgpd.rib.changes import Batch
from bgpd.rib.export import Exported, ExportRule
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.packing import Packed, announced, together, withdrawn
from bgpd.rib.path import Candidates, Path
from bgpd.rib.splice import Splice

SLICE: Final = 2500  # prefixes counted in one go


class Exporter(Protocol):
    """What decides which paths a group is told, and how: export rules, then export policy."""

    @property
    def judges_prefixes(self) -> bool:
        """Does the verdict depend on the prefix?"""

    @property
    def message(self) -> Splice:
        """What makes, of a path and prefixes, the message that announces them; its b"" = ask ``export``."""

    def permits(self, path: Path) -> bool:
        """Does ``export`` return something? Always the same answer for the same path."""

    def export(self, path: Path) -> Exported | None:
        """Return the path as members are told it, None = not at all. Only asked without ``judges_prefixes``."""

    def judge(self, path: Path, prefix: bytes) -> Exported | None:
        """Return the path as members are told it for this prefix, None = not at all; equal verdicts are one object."""

    def refusal(self, path: Path, prefix: bytes) -> str:
        """Return why the path does not go out for this prefix, for people; empty = it does."""

    def policy(self, path: Path, prefix: bytes) -> str:
        """Return the policy rule that lets the path out for this prefix, for people; empty = no policy is asked."""


class AdjRibOut:
    """What the members of a group hold.

    members: their tokens. total: routes exported, whoever they came from; right once the job of ``counting`` has run.
    """

    __slots__ = ("_by_peer", "_is_counted", "_tells_all", "exporter", "loc_rib", "members", "rule", "total")

    def __init__(self, rule: ExportRule, exporter: Exporter, loc_rib: LocRib) -> None:
        self.rule = rule
        self.exporter = exporter
        self.loc_rib = loc_rib
        self.members: Container[object] = ()
        self.total = 0
        self._by_peer: dict[object, int] = {}
        self._is_counted = False
        self._tells_all = True  # no path was refused yet; only asked for where the prefix does not matter

    @property
    def routes_per_prefix(self) -> int:
        """About how many routes a prefix stands for, at least 1."""
        return 1

    def advertised(self, peer: object) -> int:
        """Return how many routes the member with this token holds from us: all but its own."""
        return self.total - self._by_peer.get(peer, 0)

    def counting(self) -> Iterator[None]:
        """Return the job that counts what the Loc-RIB had at the last flush; changes may go on meanwhile."""
        return self._count(self.loc_rib.before_changes())

    def changes(self, batch: Batch) -> list[Packed]:
        """Return the messages that bring members which were up to date up to date again."""
        return self._changes_by_prefix(batch) if self.exporter.judges_prefixes else self._changes_by_path(batch)

    def state(self, owed: Mapping[bytes, Candidates | None], told_by: "AdjRibOut") -> list[Packed]:
        """Return the messages that tell members these prefixes as they were at the last flush.

        owed: prefix → the candidates when the members were last told of it, None = they hold nothing for it. told_by:
        whose members they were then.
        """
        by_prefix, judge, goes_out = self.exporter.judges_prefixes, self.exporter.judge, asked_once(self.exporter)
        was_told = asked_once(told_by.exporter)
        gained: dict[Path, list[bytes]] = {}  # only without ``by_prefix``
        told: dict[tuple[Exported, object], list[bytes]] = {}  # only with it
        untold: dict[object, list[bytes]] = {}
        withheld: dict[object, list[bytes]] = {}
        for (prefix, old), candidates in zip(owed.items(), self.loc_rib.at_last_take(owed), strict=True):
            peer, is_told = None, False
            if candidates is not None:
                path = candidates[0]
                peer = path.source.peer
                if by_prefix:
                    exported = judge(path, prefix)
                    is_told = exported is not None
                    if exported is not None:
                        told.setdefault((exported, peer), []).append(prefix)
                elif goes_out(path, prefix):
                    is_told = True
                    gained.setdefault(path, []).append(prefix)
            if old is not None and was_told(old[0], prefix):
                former = old[0].source.peer
                if not is_told:
                    untold.setdefault(former, []).append(prefix)
                elif peer is not None and former is not peer:
                    withheld.setdefault(peer, []).append(prefix)
        family, limit = self.rule.family, self.rule.max_message
        packed = self._announced(gained)[0]
        packed += [announced(family, exported, keys, peer, limit) for (exported, peer), keys in told.items()]
        packed += [withdrawn(family, keys, limit, only=peer) for peer, keys in withheld.items()]
        packed += [withdrawn(family, keys, limit, skip=peer) for peer, keys in untold.items()]
        return packed

    def path_id(self, path: Path) -> int:
        """Return the path identifier that the path goes out with (RFC 7911); 0 = without one."""
        del path
        return 0

    def told(self, candidates: Candidates, prefix: bytes, peer: object) -> tuple[Path, ...]:
        """Return which of a prefix's candidates the member with this token is told, best first."""
        path = candidates[0]
        is_own = path.source.peer is peer and peer is not None
        return (path,) if not is_own and asked_once(self.exporter)(path, prefix) else ()

    def exported(self, path: Path, prefix: bytes) -> Exported | None:
        """Return the path as members are told it for the prefix, None = not at all."""
        exporter = self.exporter
        if exporter.judges_prefixes:
            return exporter.judge(path, prefix)
        return exporter.export(path) if exporter.permits(path) else None

    def why_untold(self, path: Path, prefix: bytes, peer: object) -> str:
        """Return why the member is not told the best path, for people; empty = it is."""
        if path.source.peer is peer and peer is not None:
            return "the best path is from this peer"
        return self.exporter.refusal(path, prefix)

    def _changes_by_path(self, batch: Batch) -> list[Packed]:
        family, limit, permits = self.rule.family, self.rule.max_message, self.exporter.permits
        packed, counts, refused = self._announced(batch.gained)
        was_told: Callable[[Path], bool]
        if self._is_counted and self._tells_all:  # then all that was best went out, and paths are not judged again
            was_told = _always
            for peer, count in batch.left.items():
                counts[peer] = counts.get(peer, 0) - count
        else:
            verdicts = {was: permits(was) for was in batch.lost}
            was_told = verdicts.__getitem__
            for was, count in batch.lost.items():
                if verdicts[was]:
                    peer = was.source.peer
                    counts[peer] = counts.get(peer, 0) - count
        if refused:
            self._tells_all = False
        for peer, count in counts.items():
            self._add(peer, count)
        untold: dict[object, list[bytes]] = {}
        withheld: dict[object, list[bytes]] = {}
        if batch.left:
            for path in refused:
                _forget(untold, path.source.peer, batch.gained[path], batch.changes.before, was_told)
        if was_told is _always:
            for peer, prefixes in batch.cleared.items():
                untold.setdefault(peer, []).extend(prefixes)
        else:
            for was, prefixes in batch.gone.items():
                if was_told(was):
                    untold.setdefault(was.source.peer, []).extend(prefixes)
        members = self.members
        for (was, peer), prefixes in batch.moved.items():
            if peer in members and was_told(was):
                withheld.setdefault(peer, []).extend(prefixes)
        packed += [withdrawn(family, prefixes, limit, only=peer) for peer, prefixes in withheld.items()]
        packed += [withdrawn(family, prefixes, limit, skip=peer) for peer, prefixes in untold.items()]
        return packed

    def _announced(self, gained: Mapping[Path, Sequence[bytes]]) -> tuple[list[Packed], dict[object, int], list[Path]]:
        """Return the messages for these paths and their prefixes, and two things about them.

        These are: how many routes of each peer are in the messages, and the paths that do not go out.
        """
        family, limit = self.rule.family, self.rule.max_message
        splice, export = self.exporter.message, self.exporter.export
        packed: list[Packed] = []
        counts: dict[object, int] = {}
        refused: list[Path] = []
        messages: list[bytes] = []  # that announce paths of one peer
        announcer: object = None
        routes = 0
        for path, prefixes in gained.items():
            peer = path.source.peer
            message = splice(path, prefixes)
            if not message:
                exported = export(path)
                if exported is None:
                    refused.append(path)
                    continue
            if peer is not announcer:
                if messages:
                    packed.append(together(messages, announcer))
                    counts[announcer] = counts.get(announcer, 0) + routes
                    messages, routes = [], 0
                announcer = peer
            if message:
                messages.append(message)
            elif exported is not None:
                messages += announce(family, exported.octets, exported.next_hop, prefixes, limit)
            routes += len(prefixes)
        if messages:
            packed.append(together(messages, announcer))
            counts[announcer] = counts.get(announcer, 0) + routes
        return packed, counts, refused

    def _changes_by_prefix(self, batch: Batch) -> list[Packed]:
        family, limit, judge = self.rule.family, self.rule.max_message, self.exporter.judge
        table, add = self.loc_rib.table, self._add
        told: dict[tuple[Exported, object], list[bytes]] = {}
        untold: dict[object, list[bytes]] = {}
        withheld: dict[object, list[bytes]] = {}
        for prefix, old in batch.changes.before.items():
            candidates = table.get(prefix)
            best = candidates[0] if candidates else None
            was = old[0] if old else None
            if best is was:
                continue
            held = judge(was, prefix) if was is not None else None
            exported = judge(best, prefix) if best is not None else None
            if was is not None and held is not None:
                add(was.source.peer, -1)
            if best is not None and exported is not None:
                peer = best.source.peer
                add(peer, 1)
                told.setdefault((exported, peer), []).append(prefix)
                if held is not None and was is not None and peer is not None and was.source.peer is not peer:
                    withheld.setdefault(peer, []).append(prefix)
            elif was is not None and held is not None:
                untold.setdefault(was.source.peer, []).append(prefix)
        packed = [announced(family, exported, keys, peer, limit) for (exported, peer), keys in told.items()]
        packed += [withdrawn(family, keys, limit, only=peer) for peer, keys in withheld.items()]
        packed += [withdrawn(family, keys, limit, skip=peer) for peer, keys in untold.items()]
        return packed

    def _count(self, before: Mapping[bytes, Candidates]) -> Iterator[None]:
        is_told, routes = asked_once(self.exporter), iter(before.items())
        while chunk := list(islice(routes, SLICE)):
            best = [(candidates[0], prefix) for prefix, candidates in chunk]
            told = Counter([path for path, prefix in best if is_told(path, prefix)])
            for path, count in told.items():
                self._add(path.source.peer, count)
            if told.total() < len(best):
                self._tells_all = False
            yield
        self._is_counted = True

    def _add(self, peer: object, routes: int) -> None:
        """Count so many routes more, or less, that came from a peer."""
        self.total += routes
        self._add_own(peer, routes)

    def _add_own(self, peer: object, routes: int) -> None:
        """Count so many routes more, or less, of the total that the peer itself is not told."""
        held = self._by_peer.get(peer, 0) + routes
        if held:
            self._by_peer[peer] = held
        else:
            self._by_peer.pop(peer, None)  # nothing here keeps a peer alive that is gone


def asked_once(exporter: Exporter) -> Callable[[Path, bytes], bool]:
    """Return what tells whether a path goes out for a prefix; where the prefix does not matter it asks once a path."""
    if exporter.judges_prefixes:
        return lambda path, prefix: exporter.judge(path, prefix) is not None
    verdicts: dict[Path, bool] = {}

    def permits(path: Path, _: bytes) -> bool:
        verdict = verdicts.get(path)
        if verdict is None:
            verdict = verdicts[path] = exporter.permits(path)
        return verdict

    return permits


def _always(_: Path) -> bool:
    return True


def _forget(
    untold: dict[object, list[bytes]],
    peer: object,
    prefixes: Sequence[bytes],
    before: Mapping[bytes, Candidates | None],
    was_told: Callable[[Path], bool],
) -> None:
    """Note which prefixes have to be withdrawn, as their new path, which is from this peer, does not go out."""
    for prefix in prefixes:
        old = before[prefix]
        if old is not None and was_told(old[0]):
            former = old[0].source.peer
            if peer is not None and peer is not former:  # it hears by ``moved``
                former = peer if former is None else frozenset((former, peer))
            untold.setdefault(former, []).append(prefix)
