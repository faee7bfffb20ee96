"""A key store in memory, with others who write between our reading and writing."""

from collections.abc import Callable

from bgpd.datastore.store import Conflict, Entry


class Memory:
    """A store; before each of our writes another writer may change something."""

    def __init__(self, other: Callable[["Memory"], None] = lambda _: None) -> None:
        self.values: dict[str, Entry] = {}
        self.revision = 0
        self._other = other

    def put(self, key: str, value: bytes) -> int:
        self.revision += 1
        self.values[key] = Entry(value, self.revision)
        return self.revision

    async def get(self, key: str) -> Entry | None:
        return self.values.get(key)

    async def entries(self, prefix: str) -> dict[str, Entry]:
        return {key: entry for key, entry in self.values.items() if key.startswith(prefix)}

    async def put_if(self, key: str, value: bytes, revision: int) -> int:
        self._check(key, revision)
        return self.put(key, value)

    async def delete_if(self, key: str, revision: int) -> int:
        self._check(key, revision)
        del self.values[key]
        return self.revision

    def _check(self, key: str, revision: int) -> None:
        self._other(self)
        entry = self.values.get(key)
        if (entry.revision if entry is not None else 0) != revision:
            raise Conflict(key)


def once(key: str, value: bytes) -> Callable[[Memory], None]:
    """Return another writer, who writes a key before our first write."""
    waiting = [value]

    def write(memory: Memory) -> None:
        if waiting:
            memory.put(key, waiting.pop())

    return write
