"""A copy of the cluster's keys on disk, for a daemon that starts again while etcd is away.

Without it such a start would wait for etcd with all sessions down, though the one before routed on. The copy is always
of a whole list; it is used only until etcd answers. Passwords are not in it: the keys only name them.
"""

import os
from pathlib import Path

import msgspec
import structlog

from bgpd.datastore.store import Snapshot

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
        octets = msgspec.msgpack.encode(_Content(self._owner, snapshot.revision, dict(snapshot.values)))
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(octets)
            beside.replace(self._path)
        except OSError as error:
            _log.warning("copy of etcd's keys cannot be written", file=str(self._path), reason=str(error))
