"""Whether nodes of the cluster announce only what is theirs, by what etcd says; and whom a change of that concerns.

The rules are ``policy.origins``; this holds the newest ones for all peers.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from bgpd.addresses import truncate
from bgpd.families import Family
from bgpd.policy.origins import Origins
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.path import Path

_PATH_ID: Final = 4  # octets before the prefix, with path identifiers


class Announcer(Protocol):
    """A peer and what it announced."""

    adj_ribs_in: dict[Family, AdjRibIn]

    @property
    def address(self) -> bytes: ...
    def import_again(self) -> None: ...


class OriginCheck:
    """The rules in force; None = nothing is checked."""

    def __init__(self, origins: Origins | None) -> None:
        self._origins = origins

    def applies_to(self, address: bytes) -> bool:
        """Is a peer at this address judged at all?"""
        return self._origins is not None and self._origins.knows(address)

    def refusal(self, path: Path, prefix: bytes) -> str:
        """Return why the path may not serve the prefix, for people; empty = it may."""
        return "" if self._origins is None else self._origins.refusal(path, prefix)

    def use(self, origins: Origins | None, peers: Iterable[Announcer]) -> list[Announcer]:
        """Check by new rules from now on; return the peers whose routes have to be judged again."""
        old, self._origins = self._origins, origins
        if old is None or origins is None:
            known = old or origins
            return [peer for peer in peers if known is not None and known.knows(peer.address)]
        change = old.changes(origins)
        lengths = {family: tuple({block[0] for block in blocks}) for family, blocks in change.blocks.items() if blocks}
        return [
            peer
            for peer in peers
            if peer.address in change.addresses
            or (lengths and origins.knows(peer.address) and _has_inside(peer, change.blocks, lengths))
        ]


def _has_inside(
    peer: Announcer, blocks: Mapping[Family, frozenset[bytes]], lengths: Mapping[Family, tuple[int, ...]]
) -> bool:
    return any(
        truncate(prefix, length) in blocks[family]
        for family, rib in peer.adj_ribs_in.items()
        if family in lengths
        for prefix in _prefixes(rib)
        for length in lengths[family]
        if length <= prefix[0]
    )


def _prefixes(rib: AdjRibIn) -> Iterator[bytes]:
    skip, keys = _PATH_ID if rib.has_path_ids else 0, rib.routes.keys()
    return (key[skip:] for key in keys)
