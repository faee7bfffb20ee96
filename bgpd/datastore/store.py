"""A key-value store as the rest of bgpd sees it: octets under text keys, at revisions that grow.

What is asked of it is a Protocol, so that everything but ``datastore.etcd`` is tested without one.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Protocol

from bgpd.records import dataclass


class StoreError(Exception):
    """What was asked could not be done. hint: what to do about it, empty = wait."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


class Conflict(StoreError):
    """Somebody else changed the key first."""


class Compacted(StoreError):
    """The store has forgotten the revision that was asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value. revision: of its last change."""

    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All keys under some prefixes at one revision."""

    revision: int
    values: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were made at once; None = deleted. Without any it says that the store answers, and its revision."""

    revision: int
    changes: tuple[tuple[str, bytes | None], ...] = ()


class WatchedStore(Protocol):
    """What following a store takes. Raises StoreError."""

    @property
    def endpoint(self) -> str:
        """The member that is asked, empty before the first request."""

    async def get(self, key: str) -> Entry | None:
        """Return a key's value, None = there is no such key."""

    async def snapshot(self, prefixes: Iterable[str]) -> Snapshot:
        """Return all keys under the prefixes, all at one revision."""

    def watch(self, prefixes: Iterable[str], revision: int) -> AsyncGenerator[Batch, None]:
        """Yield what changes under the prefixes from a revision on; an empty batch first, when the store watches."""


class LeasingStore(Protocol):
    """What a key that lives as long as its writer takes. Raises StoreError."""

    async def grant(self, seconds: int) -> int:
        """Return a new lease."""

    async def keep_alive(self, lease: int) -> bool:
        """Extend a lease; False = there is none any more."""

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Write a key; return its revision."""

    async def revoke(self, lease: int) -> None:
        """End a lease, and its keys with it."""


class ElectingStore(LeasingStore, Protocol):
    """What nodes that agree on something take. Raises StoreError."""

    async def get(self, key: str) -> Entry | None:
        """Return a key's value, None = there is no such key."""

    async def put_if(self, key: str, value: bytes, revision: int, lease: int = 0) -> int:
        """Write a key if its last change is of that revision, 0 = if there is none. Raises Conflict."""

    async def delete_if(self, key: str, revision: int) -> int:
        """Delete a key if its last change is of that revision. Raises Conflict."""
