"""Network namespaces held by file descriptor.

Nothing is mounted below /run/netns: a namespace lives as long as our descriptor or a process in it. So two labs never
clash over a name, and the kernel removes a lab whose process dies, however it dies. ``ip`` and the daemons are started
while the calling thread is inside the namespace; they inherit it. Without CAP_SYS_ADMIN the whole process first moves
into a user namespace of its own, where it has it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bgpd.lab.options import LabError
from bgpd.lab.system_calls import CLONE_NEWNET, CLONE_NEWUSER, check, libc

_CAP_SYS_ADMIN: Final = 21
_OWN: Final = "/proc/thread-self/ns/net"


def have_privileges() -> bool:
    """Return whether this process may create network namespaces."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
    return False


def enter_user_namespace() -> None:
    """Make this process the root of a user namespace of its own; it must have one thread only. Raises LabError."""
    user, group = os.geteuid(), os.getegid()
    check(
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET),
        "not root, and the kernel gives no user namespace (sysctl user.max_user_namespaces, or a container's limits)",
    )
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise LabError(f"not root, and the user namespace cannot be set up: {error}") from error


class Namespace:
    """A network namespace, new and empty; closed, it goes with its last process."""

    def __init__(self, name: str) -> None:
        self.name = name
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(libc.unshare(CLONE_NEWNET), f"cannot create network namespace {name}")
            self._descriptor = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
            check(libc.setns(home, CLONE_NEWNET), "cannot return from a new network namespace")
        finally:
            os.close(home)

    @property
    def path(self) -> str:
        """Return a path that ``ip ... netns`` and ``nsenter --net=`` take, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread in: sockets opened and processes started meanwhile belong to the namespace."""
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(libc.setns(self._descriptor, CLONE_NEWNET), f"cannot enter network namespace {self.name}")
            try:
                yield
            finally:
                check(libc.setns(home, CLONE_NEWNET), f"cannot leave network namespace {self.name}")
        finally:
            os.close(home)

    def run(self, command: Sequence[str], given: str = "") -> str:
        """Run a command inside, given on its standard input; return what it printed. Raises LabError."""
        with self.entered():
            done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            text = " ".join(command)
            raise LabError(f"{self.name}: {text} exits {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def ip(self, *arguments: str) -> str:
        """Run one ``ip`` command inside."""
        return self.run([_ip_command(), *arguments])

    def ip_batch(self, lines: Sequence[str]) -> None:
        """Run ``ip`` command lines inside, with one process."""
        self.run([_ip_command(), "-batch", "-"], "\n".join(lines) + "\n")

    def set_sysctls(self, settings: Mapping[str, int]) -> None:
        """Write settings, keys being paths below /proc/sys/net."""
        with self.entered():
            for key, value in settings.items():
                try:
                    Path("/proc/sys/net", key).write_text(str(value))
                except OSError as error:
                    raise LabError(f"{self.name}: cannot set net/{key} to {value}: {error.strerror}") from error

    def close(self) -> None:
        """Let the namespace go."""
        os.close(self._descriptor)


def _ip_command() -> str:
    found = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise LabError("iproute2 is needed: no 'ip' in PATH, /usr/sbin or /sbin")
    return found
