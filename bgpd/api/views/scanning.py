"""Reading a table of any size in slices.

The keys are copied first, each slice then looks up what its keys hold by then, so that the table may change meanwhile.
A key is a prefix, with the octets of a path identifier before it where the table has them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Final, Protocol, TypeVar

from bgpd.addresses import covers, format_prefix, truncate
from bgpd.api.operations import SLICE, RouteQuery, Slice
from bgpd.families import Family

Row = TypeVar("Row")
Value = TypeVar("Value")
Held = TypeVar("Held", covariant=True)

PATH_ID: Final = 4  # octets before the prefix in the keys of a table with path identifiers
_SORTED: Final = 10_000  # prefixes: a table of at most so many is shown in order, a larger one as it lies in memory


class Scanned(Protocol[Held]):
    """A table by key, be it a dictionary or not."""

    def __contains__(self, key: object, /) -> bool: ...
    def keys(self) -> Iterable[bytes]: ...
    def get(self, key: bytes, /) -> Held | None: ...


def scan(
    tables: Sequence[tuple[Family, Scanned[Value]]],
    query: RouteQuery,
    rows: Callable[[Family, str, Value, bytes], list[Row]],
    with_path_ids: Set[Family] = frozenset(),
) -> Iterator[Slice[Row]]:
    """Yield the rows that the query asks for, slice by slice; at least one slice."""
    chosen = [
        (family, table, _keys(table, query, PATH_ID if family in with_path_ids else 0))
        for family, table in tables
        if query.family in (None, family)
    ]
    total = sum(len(keys) for _, _, keys in chosen)
    left = query.limit or total * 1000 + 1
    position, start = 0, query.start
    found: list[Row] = []
    looked = 0
    for family, table, keys in chosen:
        skip = PATH_ID if family in with_path_ids else 0
        first = min(max(start - position, 0), len(keys))
        wanted = _filter(query, skip)
        for offset in range(first, len(keys)):
            key = keys[offset]
            looked += 1
            value = table.get(key) if wanted is None or wanted(key) else None
            if value is not None:
                found += rows(family, format_prefix(family, key[skip:]), value, key)
                if len(found) >= left:
                    at = position + offset + 1
                    yield Slice(found, at if at < total else None)
                    return
            if looked >= SLICE:
                looked = 0
                left -= len(found)
                yield Slice(found, position + offset + 1)
                found = []
        position += len(keys)
    yield Slice(found, None)


def longest_match(table: Scanned[object], address: bytes) -> bytes | None:
    """Return the most specific prefix of the table that covers a host prefix, None = there is none."""
    for length in range(address[0], -1, -1):
        prefix = truncate(address, length)
        if prefix in table:
            return prefix
    return None


def _keys(table: Scanned[object], query: RouteQuery, skip: int) -> list[bytes]:
    """Return the keys to look at, in the order in which they are shown."""
    prefix = query.prefix
    if prefix is not None and not query.longer and not skip:
        if prefix in table:
            return [prefix]
        match = longest_match(table, prefix) if query.is_address else None
        return [match] if match is not None else []
    keys = list(table.keys())
    if len(keys) <= _SORTED:
        keys.sort(key=lambda key: (key[skip + 1 :], key[skip]))
    return keys


def _filter(query: RouteQuery, skip: int) -> Callable[[bytes], bool] | None:
    prefix = query.prefix
    if prefix is None:
        return None
    if query.longer:
        return lambda key: covers(prefix, key[skip:])
    if skip:
        return lambda key: key[skip:] == prefix
    return None
