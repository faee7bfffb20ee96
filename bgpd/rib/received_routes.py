"""The routes that one peer announced in one family, without a table of their own.

RFC 4271 3.2, RFC 7911 (path identifiers). Hot. A route that is in use is in the Loc-RIB anyway, with a path that leads
back to the one received: only its key is noted, to find it by. What is not in use (rejected, or refused for its prefix)
is kept here. Keys are canonical wire octets, with the four octets of the path identifier before them where the session
has identifiers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from bgpd.rib.key_log import KeyLog
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Candidates, Path, Source

SLICE: Final = 10_000  # prefixes a slice
_PATH_ID: Final = 4  # octets


class ReceivedRoutes:
    """Which there are, with their paths as received.

    sources: by path identifier, 0 where the session has none. churn: how many times a route left a path; whoever counts
    sets it to 0.
    """

    __slots__ = ("_loc_rib", "_refused", "_used", "churn", "has_path_ids", "sources")

    def __init__(self, loc_rib: LocRib, *, has_path_ids: bool) -> None:
        self.has_path_ids = has_path_ids
        self.sources: dict[int, Source] = {}
        self.churn = 0
        self._loc_rib = loc_rib
        self._used = KeyLog()
        self._refused: dict[bytes, Path] = {}

    def __len__(self) -> int:
        return len(self._used) + len(self._refused)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def get(self, key: bytes) -> Path | None:
        """Return the path of a route, None = there is no such route."""
        return next((path for _, path in self.find((key,))), None)

    def keys(self) -> list[bytes]:
        """Return the keys of all routes, in a list of the caller's own."""
        return self._used.keys() + list(self._refused)

    def items(self) -> Iterator[tuple[bytes, Path]]:
        """Yield key and path of each route that is here now, and still is when its turn comes."""
        return self.find(self.keys())

    def find(self, keys: Iterable[bytes]) -> Iterator[tuple[bytes, Path]]:
        """Yield key and path of those routes that there are."""
        refused, get, source = self._refused, self._loc_rib.table.get, self.sources.get(0)
        path: Path | None = None
        same: Candidates | None = None  # routes that came together share candidates
        for key in keys:
            if key in refused:
                yield key, refused[key]
                continue
            if self.has_path_ids:
                source = self.sources.get(int.from_bytes(key[:_PATH_ID]))
                path = _received(source, get(key[_PATH_ID:]))
            else:
                candidates = get(key)
                if candidates is not same:
                    path, same = _received(source, candidates), candidates
            if path is not None:
                yield key, path

    @property
    def used(self) -> int:
        """How many are in use."""
        return len(self._used)

    @property
    def refused(self) -> int:
        """How many are not in use."""
        return len(self._refused)

    def refused_paths(self) -> set[Path]:
        """Return the paths of the routes that are not in use; of the others, ``held`` is not 0."""
        return set(self._refused.values())

    def use(self, path: Path, imported: Path, prefixes: list[bytes]) -> None:
        """Give the prefixes this path, and the Loc-RIB what was let in of it: itself or a copy."""
        if imported is not path:
            imported.received = path
        new = self._loc_rib.announce(prefixes, imported)
        if new:
            self._used.add(self._keys(new, path.source) if self.has_path_ids else new)
        self.churn += len(prefixes) - len(new)
        if self._refused:
            self._forget_refused(self._keys(prefixes, path.source))

    def use_all(self, received: Sequence[tuple[Path, list[bytes]]]) -> None:
        """Give each of the lists of prefixes its path, in this order. Only for paths that are used as they are."""
        new = self._loc_rib.announce_all(received)
        self._used.add(new)
        self.churn += sum([len(prefixes) for _, prefixes in received]) - len(new)
        if self._refused:
            for _, prefixes in received:
                self._forget_refused(prefixes)

    def refuse(self, path: Path, prefixes: list[bytes]) -> None:
        """Give the prefixes this path, which they may not use."""
        self._stop_using(prefixes, path.source)
        refused, before = self._refused, len(self._refused)
        refused.update(dict.fromkeys(self._keys(prefixes, path.source), path))
        self.churn += len(prefixes) + before - len(refused)

    def withdraw(self, keys: list[bytes]) -> None:
        """Forget those routes that there are of these."""
        if self._refused:
            self._forget_refused(keys)
        for path_id, prefixes in self.by_path_id(keys):
            source = self.sources.get(path_id)
            if source is not None:
                self._stop_using(prefixes, source)

    def clear(self) -> Iterator[None]:
        """Forget all, slice by slice; from the first one there are none, but in the Loc-RIB."""
        keys = iter(self._used.keys())
        self._used = KeyLog()
        self._refused.clear()
        while chunk := list(islice(keys, SLICE)):
            for path_id, prefixes in self.by_path_id(chunk):
                self._loc_rib.withdraw(prefixes, self.sources[path_id])
            yield

    def by_path_id(self, keys: list[bytes]) -> Iterable[tuple[int, list[bytes]]]:
        """Return the prefixes that the keys have with each path identifier, which is 0 if the session has none."""
        if not self.has_path_ids:
            return ((0, keys),)
        found: dict[int, list[bytes]] = {}
        for key in keys:
            found.setdefault(int.from_bytes(key[:_PATH_ID]), []).append(key[_PATH_ID:])
        return found.items()

    def _stop_using(self, prefixes: list[bytes], source: Source) -> None:
        if source.accepted:
            gone = self._loc_rib.withdraw(prefixes, source)
            if gone:
                self._used.remove(self._keys(gone, source))
                self.churn += len(gone)

    def _forget_refused(self, keys: Sequence[bytes]) -> None:
        pop, before = self._refused.pop, len(self._refused)
        for key in keys:
            pop(key, None)
        self.churn += before - len(self._refused)

    def _keys(self, prefixes: Sequence[bytes], source: Source) -> Sequence[bytes]:
        if not self.has_path_ids:
            return prefixes
        path_id = source.path_id.to_bytes(_PATH_ID)
        return [path_id + prefix for prefix in prefixes]


def _received(source: Source | None, candidates: Candidates | None) -> Path | None:
    """Return the path of the source as it came, None = it is not among the candidates."""
    for path in candidates or ():
        if path.source is source:
            return path.received or path
    return None
