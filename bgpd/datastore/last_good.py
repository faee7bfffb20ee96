"""The last good values of keys whose present ones cannot be used, so that a daemon that starts again has them too.

The model keeps what it made of them as long as it lives; the copy on disk has the octets. What a key had before is
known of the changes at hand alone: the rest of the cluster is not held twice.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

Values: TypeAlias = Mapping[str, bytes]


class LastGood:
    """values: by key. former: what keys had before the changes that are to be looked at."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.former: dict[str, bytes] = {}

    def replaced(self, old: Values, new: Values) -> None:
        """All keys were listed: remember what those had that are others now."""
        for key, value in old.items():
            if new.get(key) != value:
                self.former.setdefault(key, value)

    def changed(self, key: str, old: bytes | None) -> None:
        """A key was changed: remember what it had."""
        if old is not None:
            self.former.setdefault(key, old)


class Round:
    """One look at changes, in a thread. problems: keys whose values could not be used before it."""

    def __init__(self, good: LastGood, problems: Mapping[str, object]) -> None:
        self._former, good.former = good.former, {}
        self._bad = set(problems)
        self.values = dict(good.values)

    def are_listed(self, values: Values, problems: Mapping[str, object]) -> None:
        """All keys were listed; problems: those of them that cannot be used. What they had before may be older."""
        for key in (self._former.keys() | self._bad) - problems.keys():
            self.is_good(key, values.get(key))
        for key in problems:
            self.is_bad(key)

    def is_good(self, key: str, value: bytes | None) -> None:
        """A change can be used; None = the key is gone."""
        self._bad.discard(key)
        self.values.pop(key, None)
        if value is None:
            self._former.pop(key, None)
        else:
            self._former[key] = value

    def is_bad(self, key: str) -> None:
        """A value cannot be used; the one before, if that could, is the last good one."""
        if key not in self._bad and key in self._former:
            self.values[key] = self._former[key]
        self._bad.add(key)

    def recall(self, key: str, bad: bytes, copied: Values, put: Callable[[str, bytes], object]) -> None:
        """Have the model take what a former run had for a key, and then what the key has."""
        found = copied.get(key)
        if found is not None and found != bad and put(key, found) is None:
            put(key, bad)
            self.values[key] = found

    def left(self, problems: Mapping[str, object]) -> dict[str, bytes]:
        """Return the last good values of the keys whose present ones cannot be used."""
        return {key: value for key, value in self.values.items() if key in problems}
