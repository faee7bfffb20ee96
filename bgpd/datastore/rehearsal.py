"""A store that reads what there is and keeps what is written to itself: what a command would do, without doing it."""

from bgpd.datastore.object_store import KeyStore
from bgpd.datastore.store import Conflict, Entry


class Rehearsal:
    """A ``KeyStore`` over another one."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._written: dict[str, Entry | None] = {}
        self._revision = 1 << 62  # beyond all that the store has

    def changes(self) -> dict[str, str | None]:
        """Return what was written, None = deleted."""
        return {key: None if entry is None else entry.value.decode() for key, entry in self._written.items()}

    async def get(self, key: str) -> Entry | None:
        """Return a key's value."""
        return self._written[key] if key in self._written else await self._store.get(key)

    async def entries(self, prefix: str) -> dict[str, Entry]:
        """Return all keys under a prefix."""
        found: dict[str, Entry | None] = {**await self._store.entries(prefix)}
        found.update((key, entry) for key, entry in self._written.items() if key.startswith(prefix))
        return {key: entry for key, entry in found.items() if entry is not None}

    async def put_if(self, key: str, value: bytes, revision: int) -> int:
        """Keep a value. Raises Conflict."""
        await self._check(key, revision)
        self._revision += 1
        self._written[key] = Entry(value, self._revision)
        return self._revision

    async def delete_if(self, key: str, revision: int) -> int:
        """Keep that a key is gone. Raises Conflict."""
        await self._check(key, revision)
        self._written[key] = None
        return self._revision

    async def _check(self, key: str, revision: int) -> None:
        entry = await self.get(key)
        if (entry.revision if entry is not None else 0) != revision:
            raise Conflict(f"{key}: changed by somebody else", "look at it again")
