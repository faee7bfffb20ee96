"""A program of another project as a child in a namespace: started by path, its output in a log, ended with the test."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.netns import Namespace

_PATHS: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin")  # not on every user's search path
_STOP_PATIENCE: Final = 10.0  # seconds
_DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL", "--")


class MissingDaemon(Exception):
    """A daemon is not installed, or is another version."""


def find(program: str, package: str) -> str:
    """Return the program's path: a name is looked up, a path is taken. Raises MissingDaemon, which says what to do."""
    for found in (shutil.which(program), *(shutil.which(program, path=path) for path in _PATHS)):
        if found:
            return found
    raise MissingDaemon(f"{program} is not installed: the interoperability tests need it (apt-get install {package})")


def said(*command: str) -> str:
    """Return what a command prints, on either output, whatever its exit status."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class Process:
    """One program, running or not. log: its output, of all its runs."""

    def __init__(self, namespace: Namespace, log: Path) -> None:
        self.namespace = namespace
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Start the program inside the namespace; the kernel ends it if we are ended."""
        with self.log.open("ab") as log, self.namespace.entered():
            self._process = subprocess.Popen(
                [*_DIES_WITH_US, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )

    def check(self) -> None:
        """Raise AssertionError if the program has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            last = self.log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"{self._process.args!r} ended with status {self._process.returncode}:\n{last}")

    def kill(self) -> None:
        """End the program as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask the program to end; by force if it does not go."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the program do nothing for the length of a with statement; the kernel keeps its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def lines(self, *parts: str) -> list[str]:
        """Return the lines of the log that hold all of these texts."""
        if not self.log.exists():
            return []
        every = self.log.read_text(errors="replace").splitlines()
        return [line.strip() for line in every if all(part in line for part in parts)]
