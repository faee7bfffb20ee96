"""Where a daemon's configuration comes from: whole configurations, the first one and each that follows.

A source never gives half of one: what it cannot read, parse or resolve leaves the former configuration in force, and
``state`` says why.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import field
from typing import Protocol

from bgpd.config import Resolved
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """A key whose value cannot be used; the last good value stays in force. Never the value: it may hold a secret."""

    key: str
    why: str


@dataclass(slots=True)
class SourceState:
    """How a source is.

    kind: ``file`` or ``etcd``. endpoint: the member that is asked. why: why it is not connected, empty = it is, or
    need not be. waiting: what the first configuration waits for. refused: why the latest one could not be used, empty =
    it is in force. revision: of the store, as last heard. changed_at: when a configuration last came, on the loop's
    clock; 0 = never. lists: how often everything was read. disconnects: how often the connection was lost. notices:
    what the configuration asks for and gets otherwise.
    """

    kind: str
    endpoint: str = ""
    is_connected: bool = True
    why: str = ""
    waiting: str = ""
    refused: str = ""
    revision: int = 0
    changed_at: float = 0.0
    lists: int = 0
    disconnects: int = 0
    problems: dict[str, KeyProblem] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class ConfigSource(Protocol):
    """Gives configurations."""

    @property
    def state(self) -> SourceState:
        """How it is."""

    async def start(self) -> Resolved:
        """Return the first configuration, however long that takes. Raises ConfigError if its file is wrong."""

    def changes(self) -> AsyncIterator[Resolved]:
        """Yield each configuration that differs from the one before, for ever."""

    async def reload(self) -> Resolved:
        """Read again what does not tell of its changes, and return the whole. Raises ConfigError."""

    async def plan(self, text: str | None, file: str, changes: Mapping[str, bytes | None]) -> Resolved:
        """Return what another text in the file, None = as it is, and changed keys would mean, and change nothing.

        Raises ConfigError, StoreError.
        """

    async def close(self) -> None:
        """Let go of everything."""
