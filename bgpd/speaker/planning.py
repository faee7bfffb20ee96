"""What a configuration would do to a running speaker: which sessions it resets, which routes change. Changes nothing.

Policies old and new are asked about the routes that are there now, in slices, and what they decide is compared. What
follows from it elsewhere (another path becomes best, next hops move) is not worked out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from bgpd.addresses import covers
from bgpd.config import PeerChange, Resolved, ResolvedPeer, diff
from bgpd.families import Family
from bgpd.identity import PeerType
from bgpd.policy.chain import Chain
from bgpd.rib.add_path import PATH_ID
from bgpd.rib.export import refusal
from bgpd.rib.path import Path
from bgpd.speaker.peer import Peer
from bgpd.speaker.speaker import Speaker

SLICE: Final = 1000  # routes asked about between two turns of the event loop
_NAMED: Final = 3  # peers that a line names
_POLICY: Final = "import policy: "

Item = TypeVar("Item")


async def plan(speaker: Speaker, config: Resolved) -> list[str]:
    """Return a line for each difference, and one for each lot of routes that it concerns."""
    changes = diff(speaker.config, config)
    lines = changes.summary()
    gone = [(peer, "go") for peer in _known(speaker, (one.name for one in changes.peers_removed))]
    closed = [one.old.name for one in changes.peers_changed if one.reset]
    gone += [(peer, "go until it is up again") for peer in _known(speaker, closed)]
    for peer, what in gone:
        if count := sum(rib.accepted for rib in peer.adj_ribs_in.values()):
            lines.append(f"peer {peer.settings.name}: {count} routes of it {what}")
    judged = [one for one in changes.peers_changed if not one.reset and one.old.name in speaker.peers]
    comparison = _Comparison(speaker, config)
    for change in judged:
        if change.imports:
            lines += await comparison.imports(speaker.peers[change.old.name], change)
    lines += await comparison.exports([change for change in judged if change.exports])
    return lines


class _Comparison:
    """Two configurations, asked about the routes of one speaker."""

    def __init__(self, speaker: Speaker, config: Resolved) -> None:
        self._speaker = speaker
        self._before, self._after = speaker.config, config

    async def imports(self, peer: Peer, change: PeerChange) -> list[str]:
        """Return what becomes of a peer's routes."""
        old = _Filter(self._before, change.old, change.old.imports)
        new = _Filter(self._after, change.new, change.new.imports)
        counts: Counter[str] = Counter()
        for rib in peer.adj_ribs_in.values():
            skip = PATH_ID if rib.has_path_ids else 0
            async for key, path in _sliced(list(rib.routes.items())):
                if not path.rejected or path.rejected.startswith(_POLICY):  # else no policy is asked
                    counts[self._compare(old, new, peer, path, key[skip:])] += 1
        return list(_words(counts, f"peer {peer.settings.name}: import", "accepted"))

    async def exports(self, changes: list[PeerChange]) -> list[str]:
        """Return what peers would be told otherwise; those with the same policies are asked about once."""
        alike: dict[tuple[object, ...], list[PeerChange]] = {}
        for change in changes:
            families = tuple(self._speaker.peers[change.old.name].members)
            by_name = any(one.looks_at_peer for one in (*self._before.policies, *self._after.policies))
            kind = (change.old.exports, change.new.exports, change.new.peer_type, families, by_name and change.old.name)
            alike.setdefault(kind, []).append(change)
        lines: list[str] = []
        for group in alike.values():
            peer = self._speaker.peers[group[0].old.name]
            old = _Filter(self._before, group[0].old, group[0].old.exports, is_export=True)
            new = _Filter(self._after, group[0].new, group[0].new.exports, is_export=True)
            counts: Counter[str] = Counter()
            for family, (told, _) in peer.members.items():
                rule = replace(told.rib.rule, denies_all=False)
                async for prefix, paths in _sliced(list(self._speaker.loc_ribs[family].table.items())):
                    if paths[0].source.peer is not peer and not refusal(paths[0], rule):
                        counts[self._compare(old, new, peer, paths[0], prefix)] += 1
            names = ", ".join(change.old.name for change in group[:_NAMED])
            more = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
            lines += _words(counts, f"export to {names}{more}", "sent")
        return lines

    def _compare(self, old: "_Filter", new: "_Filter", peer: Peer, path: Path, prefix: bytes) -> str:
        before, after = (one.judge(path, prefix, peer) for one in (old, new))
        if before == after:
            return ""
        return "lost" if after is None else "new" if before is None else "changed"


class _Filter:
    """The policies of a peer in one configuration."""

    def __init__(
        self, config: Resolved, peer: ResolvedPeer, names: tuple[str, ...], *, is_export: bool = False
    ) -> None:
        policies = {policy.name: policy for policy in config.policies}
        self._chain = Chain([policies[name] for name in names if name in policies])
        self._denies_all = peer.peer_type == PeerType.EXTERNAL.value and peer.ebgp_requires_policy and not names
        self._withheld = [(one.family, one.prefix) for one in config.pools if is_export and not one.export]
        self._is_export = is_export

    def judge(self, path: Path, prefix: bytes, peer: Peer) -> tuple[bytes, bytes, int] | None:
        """Return what comes out, None = nothing."""
        if self._denies_all or self._withholds(path.family, prefix):
            return None
        attributes = path.attributes if self._is_export else path.taken
        verdict = self._chain.judge(path, attributes, prefix, peer.context, path.interface)
        return (verdict.attributes.octets, verdict.attributes.next_hop, verdict.weight) if verdict.accepted else None

    def _withholds(self, family: Family, prefix: bytes) -> bool:
        return any(family is other and covers(pool, prefix) for other, pool in self._withheld)


async def _sliced(items: list[Item]) -> AsyncIterator[Item]:
    for start in range(0, len(items), SLICE):
        for item in items[start : start + SLICE]:
            yield item
        await asyncio.sleep(0)


def _known(speaker: Speaker, names: Iterable[str]) -> Iterator[Peer]:
    return (speaker.peers[name] for name in names if name in speaker.peers)


def _words(counts: Counter[str], where: str, done: str) -> Iterator[str]:
    for kind, what in (
        ("new", f"routes more are {done}"),
        ("lost", f"routes are {done} no more"),
        ("changed", f"routes are {done} with other attributes"),
    ):
        if counts[kind]:
            yield f"{where}: {counts[kind]} {what}"
