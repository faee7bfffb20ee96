"""The whole configuration from bgp.toml alone; it changes when somebody asks for a reload."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from bgpd.config import ConfigError, Problem, Resolved, load, parse, resolve
from bgpd.datastore.source import SourceState


class FileSource:
    """A ``ConfigSource``."""

    def __init__(self, path: Path, first: Resolved) -> None:
        self._path = path
        self._first = first
        self.state = SourceState("file")

    async def start(self) -> Resolved:
        """Return what the file meant when it was first read."""
        return self._first

    async def changes(self) -> AsyncIterator[Resolved]:
        """Yield nothing, for ever: a file is read when it is asked for."""
        await asyncio.get_running_loop().create_future()
        yield await self.reload()

    async def reload(self) -> Resolved:
        """Read the file again. Raises ConfigError."""
        return await asyncio.get_running_loop().run_in_executor(None, self._read)

    async def plan(self, text: str | None, file: str, changes: Mapping[str, bytes | None]) -> Resolved:
        """Return what a text means. Raises ConfigError."""
        if changes:
            raise ConfigError((Problem(str(self._path), "etcd", "is missing; the keys of no cluster can be changed"),))
        return await self.reload() if text is None else resolve(parse(text, file), file=file)

    async def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _read(self) -> Resolved:
        return resolve(load(self._path), file=str(self._path))
