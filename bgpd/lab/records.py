"""The directory of a running lab, and who runs it: how a kept lab is found again.

One directory for each lab in the system's place for temporary files, readable by its owner only; in it the hosts'
directories and a file that names the process which holds the namespaces, with that process's start time, so that
another process with the same number is never taken for it.
"""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from bgpd.lab.options import LabError

_PREFIX: Final = "bgpd-lab-"
_HOLDER: Final = "holder"
_PATIENCE: Final = 15.0  # seconds from SIGTERM to SIGKILL
_POLL: Final = 0.02  # seconds


def directory_of(name: str) -> Path:
    """Return where the lab of that name keeps its files."""
    return Path(tempfile.gettempdir(), _PREFIX + name)


def create(name: str) -> Path:
    """Return the new directory of a lab that this process holds."""
    directory = directory_of(name)
    directory.mkdir(mode=0o700)
    (directory / _HOLDER).write_text(f"{os.getpid()} {_start_time(os.getpid())}\n")
    return directory


def remove(directory: Path) -> None:
    """Delete a lab's directory."""
    shutil.rmtree(directory, ignore_errors=True)


def sweep() -> None:
    """Delete our directories of labs whose process is gone without having cleaned up."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_ours(directory) and (directory / _HOLDER).exists() and _holder(directory) is None:
            remove(directory)


def take_down(name: str) -> None:
    """End the process that holds a kept lab and wait until it has cleaned up. Raises LabError."""
    directory = directory_of(name)
    if not name or "/" in name or not _is_ours(directory):
        raise LabError(f"there is no lab {name!r} of yours (no directory {directory})")
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, 1.0)):
        holder = _holder(directory)
        if holder is None:
            break
        os.kill(holder, number)
        deadline = time.monotonic() + patience
        while _holder(directory) == holder and time.monotonic() < deadline:
            time.sleep(_POLL)
    remove(directory)


def _is_ours(directory: Path) -> bool:
    try:
        return directory.is_dir() and not directory.is_symlink() and directory.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _holder(directory: Path) -> int | None:
    """Return the process that holds the lab, None if it is gone."""
    try:
        pid, started = (directory / _HOLDER).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if there is none (or only its exit status)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
