"""What is wrong with a configuration, for the person who wrote it."""

from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the file, the key's path (``peer[2].hold_time``, counted from 0; empty = the whole file), and what was
    expected and found. line: where the key or its table stands, 0 = not known.
    """

    file: str
    key: str
    message: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be used, with all that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before its file is known.

    reads: other keys that the message rests on; where one of those has a fault of its own, this one need not be said.
    """

    key: str
    message: str
    reads: tuple[str, ...] = ()
