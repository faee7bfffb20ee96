"""Our side of a test: bgpd and the kernel of its namespace, whose routes can be watched."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Final

from conformance.interop.daemon import Daemon
from conformance.interop.waiting import eventually
from tests.support.netns import Namespace

CONTAINER_DEVICE: Final = "cali0"
_MARK: Final = "10.65.255.255/32"
_ACCEPT_DAD: Final = Path("/proc/sys/net/ipv6/conf/default/accept_dad")


class KernelWatch:
    """What ``ip monitor route`` printed. lines: as it wrote them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def read(self, output: IO[str]) -> None:
        """Take lines until the monitor ends."""
        for line in output:
            self.lines.append(line.strip())

    def changes(self, prefix: str) -> list[str]:
        """Return what happened to a prefix."""
        return [line for line in self.lines if prefix in line.split()]

    def deletions(self, prefix: str) -> list[str]:
        """Return how a prefix was deleted; a replacement is none."""
        return [line for line in self.changes(prefix) if line.startswith("Deleted")]


@dataclass(frozen=True, slots=True)
class OurSide:
    """bgpd, and its namespace."""

    bgpd: Daemon
    here: Namespace

    def add_container(self, prefix: str) -> None:
        """Put a container's host route into our kernel, as an agent would."""
        self.here.ip(f"{_family(prefix)} route add {prefix} dev {CONTAINER_DEVICE}")

    def remove_container(self, prefix: str) -> None:
        """Take a container's host route away."""
        self.here.ip(f"{_family(prefix)} route del {prefix} dev {CONTAINER_DEVICE}")

    @contextmanager
    def watch_kernel(self) -> Iterator[KernelWatch]:
        """Note every change of our kernel's routes for the length of a with statement."""
        with self.here.entered():
            process = subprocess.Popen(["ip", "monitor", "route"], stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None  # it is a pipe
            watch = KernelWatch()
            reader = Thread(target=watch.read, args=(process.stdout,))
            reader.start()
            try:
                eventually("the monitor listens", lambda: self._is_seen(watch))
                yield watch
            finally:
                process.terminate()
                reader.join()

    def _is_seen(self, watch: KernelWatch) -> bool:
        """Let a route come and go: the monitor itself does not say when it is ready."""
        self.add_container(_MARK)
        self.remove_container(_MARK)
        return bool(watch.lines)


def use_addresses_at_once(namespace: Namespace) -> None:
    """Let link-local addresses be used without duplicate address detection, which takes about two seconds."""
    with namespace.entered():
        _ACCEPT_DAD.write_text("0")


def _family(prefix: str) -> str:
    return "-6" if ":" in prefix else "-4"
