"""The keys of a table that has none of its own: which they are, in the order they came, at eight octets each.

Hot: the keys of a message are one extension of a list. What goes is noted beside it, and taken out of it when that is
as much as what is left, so a key that comes and goes costs the same however many there are.
"""

from collections.abc import Collection
from typing import Final

_FEW: Final = 1000  # keys that went and are not worth a look at all


class KeyLog:
    """A set of keys. Whoever has it knows which are in it: each is added once, and removed once."""

    __slots__ = ("_gone", "_keys")

    def __init__(self) -> None:
        self._keys: list[bytes] = []  # each key once: those that are in, and those that are gone
        self._gone: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._keys) - len(self._gone)

    def keys(self) -> list[bytes]:
        """Return a list of them, the caller's own."""
        gone = self._gone
        return [key for key in self._keys if key not in gone] if gone else self._keys.copy()

    def add(self, keys: Collection[bytes]) -> None:
        """Take keys that are not in it, each once."""
        gone = self._gone
        if gone:
            back = gone.intersection(keys)
            if back:
                gone -= back
                keys = [key for key in keys if key not in back]
        self._keys += keys

    def remove(self, keys: Collection[bytes]) -> None:
        """Take out keys that are in it, each once."""
        gone, known = self._gone, self._keys
        gone.update(keys)
        if len(gone) == len(known):
            self._keys, self._gone = [], set()
        elif len(gone) > _FEW and 2 * len(gone) > len(known):
            self._keys, self._gone = self.keys(), set()
