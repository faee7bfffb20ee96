"""Network namespaces for tests: made with fresh names, torn down whatever happens.

Needs root and iproute2. A test enters a namespace with its own thread (``entered``): sockets that it opens there, and
processes that it starts there, belong to it. ``namespaces`` is the way in:

    with namespaces("a", "b") as (a, b):
        join(a, "eth0", b, "eth0")
        a.ip("address add 10.0.0.1/24 dev eth0")
        with a.entered(): ...
"""

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import pytest

_CLONE_NEWNET: Final = 0x40000000
_STOP_PATIENCE: Final = 5.0  # seconds that a process has to end after SIGTERM
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def _run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Enterable(Protocol):
    """A network namespace, whoever made it."""

    def entered(self) -> AbstractContextManager[None]:
        """Put the calling thread inside for the length of a with statement."""


class Namespace:
    """One network namespace, with its loopback up. Close it, or use it as a context manager."""

    def __init__(self, label: str = "ns") -> None:
        if os.geteuid() != 0:
            pytest.skip("network namespaces need root")
        self.name = f"t{os.getpid()}-{next(_numbers)}-{label}"
        _run("ip", "netns", "add", self.name)
        self._processes: list[subprocess.Popen[str]] = []
        self.ip("link set lo up")

    def __enter__(self) -> "Namespace":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes started here and delete the namespace."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(_STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        if Path("/run/netns", self.name).exists():
            _run("ip", "netns", "delete", self.name)

    def ip(self, arguments: str) -> str:
        """Run ``ip`` with these arguments, split at blanks, inside; return what it prints."""
        return _run("ip", "-n", self.name, *arguments.split())

    def ip_batch(self, lines: Iterable[str]) -> None:
        """Run many ``ip`` commands, one a line, in one process."""
        _run("ip", "-n", self.name, "-batch", "-", given="\n".join(lines))

    def run(self, *command: str) -> str:
        """Run a command inside; return what it prints."""
        return _run("ip", "netns", "exec", self.name, *command)

    def spawn(
        self, *command: str, stdout: int | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a process inside; it is ended with the namespace."""
        stderr = subprocess.STDOUT if stdout else None
        full = ("ip", "netns", "exec", self.name, *command)
        process = subprocess.Popen(full, stdout=stdout, stderr=stderr, text=True, env=env)
        self._processes.append(process)
        return process

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put the calling thread inside for the length of a with statement."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _set_namespace(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _set_namespace(before)
        finally:
            os.close(before)


@contextmanager
def namespaces(*labels: str) -> Iterator[tuple[Namespace, ...]]:
    """Make one namespace for each label; delete them all at the end."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(Namespace(label)) for label in labels)


def join(one: Namespace, one_device: str, other: Namespace, other_device: str) -> None:
    """Join two namespaces (or one with itself) by a veth pair, both ends up."""
    one.ip(f"link add {one_device} type veth peer name {other_device} netns {other.name}")
    one.ip(f"link set {one_device} up")
    other.ip(f"link set {other_device} up")


def add_address(namespace: Namespace, device: str, address: str) -> None:
    """Give a device an address with its prefix length; an IPv6 one is usable at once."""
    is_ipv6 = ":" in address
    namespace.ip(f"{'-6 ' if is_ipv6 else ''}address add {address} dev {device}{' nodad' if is_ipv6 else ''}")
