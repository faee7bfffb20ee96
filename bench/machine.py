"""The machine: what it is, how busy it is, and whose turn it is to measure."""

import fcntl
import os
import platform
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_QUIET: Final = 0.1  # cores that others may use
_ROOT: Final = Path(__file__).parents[1]


def describe() -> str:
    """Return the processor, the number of cores that this process may use, and the memory."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{model}, {cores()} cores, {memory / 2**20:.0f} GiB"


def system() -> str:
    """Return the distribution and the kernel."""
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"
    return f"Linux {platform.release()}"


def revision() -> str:
    """Return the commit of this checkout, with a + when files differ from it; empty outside a repository."""
    command = ("git", "-C", str(_ROOT), "describe", "--always", "--dirty=+", "--match=")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """Return the CPU seconds that all processes have spent, with time stolen by the host.

    Without interrupts: the run's own traffic over loopback causes them.
    """
    user, nice, system_, _, _, _, _, steal = map(int, _lines("/proc/stat")[0].split()[1:9])
    return (user + nice + system_ + steal) / _TICKS


def own_seconds(processes: Iterable[int]) -> float:
    """Return the CPU seconds of these processes, of this one, and of its children that have ended."""
    spent = 0.0
    for number in processes:
        with suppress(OSError):
            spent += sum(map(int, Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[11:13])) / _TICKS
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


def wait_until_quiet(seconds: float) -> None:
    """Wait, at most that long, for a second in which others use hardly anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(1)
        if busy_seconds() - before < _QUIET:
            return


@contextmanager
def turn() -> Iterator[None]:
    """Wait until no other run of the suite is at work on this machine."""
    with (Path(tempfile.gettempdir()) / "bgpd-bench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
