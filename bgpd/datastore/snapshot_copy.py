"""A copy of the cluster's keys on disk, for a daemon that starts again while etcd is away.

Without it such a start would wait for etcd with all sessions down, though the one before routed on. The copy is always
of a whole list; it is used only until etcd answers. Passwords are not in it: the keys only name them.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bgpd.datastore.store import Snapshot

_PORTION: Final = 500  # entries
_NO_ENTRIES: Final = b"\x80"  # msgpack's fixmap of 0
_ENTRIES: Final = b"\xdf"  # msgpack's map 32, a count of four octets follows

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class _Content(msgspec.Struct, frozen=True):
    owner: str
    revision: int
    values: dict[str, bytes]


class SnapshotCopy:
    """The copy of one owner, whoever else wrote the file: a node of that name, with keys under that prefix."""

    def __init__(self, path: Path, owner: str) -> None:
        self._path = path
        self._owner = owner

    def load(self) -> Snapshot | None:
        """Return the copy, None = there is none of ours."""
        try:
            content = msgspec.msgpack.decode(self._path.read_bytes(), type=_Content)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("copy of etcd's keys cannot be read", file=str(self._path), reason=str(error))
            return None
        return Snapshot(content.revision, content.values) if content.owner == self._owner else None

    def save(self, snapshot: Snapshot) -> None:
        """Write the copy; what was there is replaced at once, or not at all."""
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.writelines(_portions(self._owner, snapshot))
            beside.replace(self._path)
        except OSError as error:
            _log.warning("copy of etcd's keys cannot be written", file=str(self._path), reason=str(error))


def _portions(owner: str, snapshot: Snapshot) -> Iterator[bytes]:
    """Yield a ``_Content`` in pieces: all of a large cluster at once would be a quarter of the daemon's memory."""
    encode = msgspec.msgpack.encode
    head = encode(_Content(owner, snapshot.revision, {}))
    assert head.endswith(_NO_ENTRIES)
    yield head.removesuffix(_NO_ENTRIES) + _ENTRIES + len(snapshot.values).to_bytes(4)
    items = iter(snapshot.values.items())
    while portion := tuple(islice(items, _PORTION)):
        yield b"".join(encode(part) for entry in portion for part in entry)
