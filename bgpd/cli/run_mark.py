"""The mark of a run: a file beside the control socket by which the next start knows that it is a restart.

RFC 4724 section 4.1 and 3 (the R bit): a route reflector without kernel routes finds nothing else that tells it. The
file holds the names of peers from ranges, as JSON; its time of change is when the run was last alive. It lies where the
socket does, in a directory that a restart of the machine empties, and goes with the routes: at a stop after a drain or
with --flush.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from bgpd.speaker.former_run import FormerRun

SUFFIX: Final = ".run"
INTERVAL: Final = 5.0  # seconds between signs of life

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class RunMark:
    """The file. socket: path of the control socket."""

    def __init__(self, socket: Path) -> None:
        self._path = socket.with_name(socket.name + SUFFIX)
        self._written: list[str] | None = None
        self._has_failed = False

    def former(self) -> FormerRun | None:
        """Return what the file says of the run before; None = there was none, or it gave its routes up."""
        try:
            age = time.time() - self._path.stat().st_mtime
            peers = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("mark of the last run cannot be read, taken as a first start", reason=str(error))
            return None
        names = [name for name in peers if isinstance(name, str)] if isinstance(peers, list) else []
        return FormerRun(max(age, 0.0), frozenset(names))

    def alive(self, peers: Iterable[str]) -> None:
        """Note that this run is alive, and with whom from ranges it has sessions."""
        names = sorted(peers)
        try:
            if names == self._written and self._path.exists():
                os.utime(self._path)
                return
            new = self._path.with_name(self._path.name + ".new")
            new.write_text(json.dumps(names))
            new.replace(self._path)
            self._written = names
        except OSError as error:
            if not self._has_failed:
                _log.warning("a restart will not be known as one: no mark of this run", reason=str(error))
            self._has_failed = True

    def remove(self) -> None:
        """Forget the run: its routes are given up."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the next start will be taken for a restart: the mark of this run stays", reason=str(error))
