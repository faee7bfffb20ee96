"""A terminal on a host: one shell that keeps its variables and directory from one command to the next."""

import os
import secrets
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bgpd.lab.confinement import become_host
from bgpd.lab.namespaces import Namespace
from bgpd.lab.options import LabError
from bgpd.lab.processes import become_dependent, signals_held
from bgpd.records import dataclass

_AT_ONCE: Final = 1 << 16  # octets


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to. status: its exit status. lines: on both of its outputs."""

    status: int
    lines: tuple[str, ...]


class Terminal:
    """A shell in a host's namespace, with a host name and a /run of its own.

    It lives as long as the process that made it; what it left in the background is for that process's namespace to end.
    """

    def __init__(self, host: str, namespace: Namespace, directory: Path, environment: Mapping[str, str]) -> None:
        self.host = host
        self._mark = secrets.token_hex(8)

        def prepare() -> None:
            become_dependent()
            become_host(host)

        directory.mkdir()
        try:
            with namespace.entered(), signals_held():
                self._shell = subprocess.Popen(
                    ["sh"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=directory,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=prepare,  # noqa: PLW1509 - system calls only, no lock taken
                )
        except subprocess.SubprocessError as error:
            raise LabError(f"{host}: no host name, or no /run of its own: the kernel allows neither") from error

    def run(self, command: str, patience: float) -> Answer:
        """Return what a command came to. Raises LabError if it takes longer than patience, in seconds."""
        assert self._shell.stdin is not None
        # The command must not read what is typed next.
        text = f"{{\n{command}\n}} </dev/null\nprintf '\\n%s %d\\n' {self._mark} $?\n"
        try:
            self._shell.stdin.write(text.encode())
            self._shell.stdin.flush()
        except OSError as error:
            raise LabError(f"{self.host}: the shell has ended: {error}") from error
        return self._answer(command, time.monotonic() + patience)

    def _answer(self, command: str, deadline: float) -> Answer:
        assert self._shell.stdout is not None
        descriptor = self._shell.stdout.fileno()
        printed = b""
        mark = f"\n{self._mark} ".encode()
        while not (mark in printed and printed.endswith(b"\n")):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(descriptor, _AT_ONCE) if ready else b""
            if not more:
                why = "the shell has ended" if ready else "no end of it"
                raise LabError(f"{self.host}# {command}: {why}; so far:\n{printed.decode(errors='replace')}")
            printed += more
        output, _, status = printed.rpartition(mark)
        return Answer(int(status), tuple(output.decode(errors="replace").rstrip("\n").splitlines()))

    def close(self) -> None:
        """Let go of the shell."""
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe is not None
            pipe.close()
        self._shell.kill()
        self._shell.wait()
