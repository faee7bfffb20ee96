"""What the drivers share: a daemon's configuration in a directory of its own, the process in the foreground, its end.

A driver signals only processes that it started. Memory is in MiB, times in seconds.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from bench.topology import Topology

_START_PATIENCE: Final = 60.0
_STOP_PATIENCE: Final = 10.0
_SETTLING: Final = 0.5  # after the port listens: some daemons still read their neighbours
_PAUSE: Final = 0.02
_LISTENING: Final = "0A"  # state of a socket in /proc/net/tcp


class DriverError(Exception):
    """A daemon did not start."""


class Driver(ABC):
    """One daemon, from its start to its end."""

    name: ClassVar[str]
    binary: ClassVar[str]
    can_use_kernel: ClassVar[bool] = False

    def __init__(self) -> None:
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None

    # For each daemon

    @abstractmethod
    def version(self) -> str:
        """Return the daemon's version in its own words."""

    @abstractmethod
    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        """Return the configuration files to write into the directory, by name."""

    @abstractmethod
    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        """Return the command that runs the daemon in the foreground."""

    def is_installed(self) -> bool:
        """Return whether the daemon can be started here."""
        return shutil.which(self.binary) is not None

    def loop_lag(self) -> float | None:
        """Return an upper bound of how late the daemon's event loop has been, if it tells."""
        return None

    # For all

    def launch(self, topology: Topology) -> None:
        """Start the daemon and return at once."""
        directory = self._directory = Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        directory.chmod(0o755)  # daemons that drop their privileges go on reading
        for name, text in self.files(topology, directory).items():
            path = directory / name
            path.write_text(text)
            path.chmod(0o600 if self.name == "openbgpd" else 0o644)  # it refuses what others can read
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(topology, directory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )

    def start(self, topology: Topology) -> None:
        """Start the daemon and wait until it listens. Raises DriverError."""
        self.launch(topology)
        end = time.monotonic() + _START_PATIENCE
        while not _is_listening(topology.port):
            status = self.exit_status()
            if status is not None or time.monotonic() > end:
                raise DriverError(f"{self.name} did not start, exit status {status}: {self.last_words()}")
            time.sleep(_PAUSE)
        time.sleep(_SETTLING)

    def exit_status(self) -> int | None:
        """Return the exit status of a daemon that has ended."""
        return self._process.poll() if self._process else None

    def last_words(self) -> str:
        """Return the end of what the daemon printed."""
        return (self._directory / "log").read_bytes()[-600:].decode(errors="replace").strip()

    def processes(self) -> list[int]:
        """Return the daemon's processes, the first one first."""
        found, waiting = list[int](), [self._process.pid] if self._process else []
        while waiting:
            number = waiting.pop()
            found.append(number)
            with contextlib.suppress(OSError):  # a process that just ended has no children
                for task in Path(f"/proc/{number}/task").iterdir():
                    waiting += [int(word) for word in (task / "children").read_text().split()]
        return found

    def peak_memory(self) -> float:
        """Return the most memory that was resident, summed over the processes (shared pages count for each)."""
        kibibytes = 0
        for number in self.processes():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{number}/status").read_text().splitlines():
                    if line.startswith("VmHWM"):
                        kibibytes += int(line.split()[1])
        return kibibytes / 1024

    def stop(self) -> None:
        """End the daemon and forget its directory."""
        process = self._process
        if process and process.poll() is None:
            started = self.processes()
            process.terminate()
            try:
                process.wait(_STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                for number in started:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
                process.wait()
        if self._directory.name:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._process, self._directory = None, Path()


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def first_line(*command: str) -> str:
    """Return the first line that a command prints, on whichever stream."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip().partition("\n")[0]


def _is_listening(port: int) -> bool:
    # A connection would tell too, but disturb the daemon
    rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[3] == _LISTENING and int(row.split()[1].partition(":")[2], 16) == port for row in rows)
