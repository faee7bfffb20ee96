"""The mark of a drain: a file beside the control socket by which the next start knows what an operator took out.

Whoever drained a node or a peer for maintenance does not want it back because bgpd was started anew in the meantime.
The file is JSON (``node``: all of it; ``peers``: names) and there only while something is taken out. It lies where the
socket does, in a directory that a restart of the machine empties.
"""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from bgpd.speaker.draining import NOTHING, TakenOut

SUFFIX: Final = ".drained"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class DrainMark:
    """The file. socket: path of the control socket."""

    def __init__(self, socket: Path) -> None:
        self._path = socket.with_name(socket.name + SUFFIX)
        self._written: TakenOut | None = None
        self._has_failed = False

    def read(self) -> TakenOut:
        """Return what the run before had taken out."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=TakenOut)
        except FileNotFoundError:
            return NOTHING
        except (OSError, msgspec.DecodeError) as error:
            _log.error("mark of a drain cannot be read, nothing is taken out", file=str(self._path), reason=str(error))
            return NOTHING

    def keep(self, taken_out: TakenOut) -> None:
        """Write what is taken out now, unless the file says so already."""
        if taken_out == self._written:
            return
        try:
            if taken_out == NOTHING:
                self._path.unlink(missing_ok=True)
            else:
                new = self._path.with_name(self._path.name + ".new")
                new.write_bytes(msgspec.json.encode(taken_out))
                new.replace(self._path)
            self._written, self._has_failed = taken_out, False
        except OSError as error:
            if not self._has_failed:
                _log.warning("the next start will not know what is drained", file=str(self._path), reason=str(error))
            self._has_failed = True
