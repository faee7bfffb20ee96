"""bgpd and BIRD, each in a namespace of its own, joined by a wire."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Final

from conformance.interop.bird import Bird
from conformance.interop.daemon import Daemon
from conformance.interop.plan import DEVICE, NODE, Plan
from conformance.interop.waiting import LIMIT, NotYet, eventually
from tests.support.netns import Namespace, join, namespaces

CONTAINER_DEVICE: Final = "cali0"
_MARK: Final = "10.65.255.255/32"
_FAMILIES: Final = ("ipv4", "ipv6")
_ACCEPT_DAD: Final = Path("/proc/sys/net/ipv6/conf/default/accept_dad")
_MASK: Final = {"ipv4": 24, "ipv6": 64}


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
class Pair:
    """The two of them; neither runs yet. here, there: the namespaces."""

    bgpd: Daemon
    bird: Bird
    here: Namespace
    there: Namespace

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

    def state(self, plan: Plan) -> tuple[str, str]:
        """Return the session's state at our end and at BIRD's."""
        return self.bgpd.peers()[plan.name].state, self.bird.bgp_state(plan.protocol)

    def wait_established(self, plans: Iterable[Plan], limit: float = LIMIT) -> None:
        """Wait until these sessions are up at both ends."""
        names = [plan.name for plan in plans]

        def is_up() -> bool:
            rows = self.bgpd.peers()
            down = [f"{name} is {rows[name].state} ({rows[name].last_error})" for name in names if not rows[name].is_up]
            if down:
                raise NotYet("; ".join(down))
            return True

        eventually("all sessions are established", is_up, limit)


@contextmanager
def pair(directory: Path, plans: Iterable[Plan]) -> Iterator[Pair]:
    """Make namespaces with the addresses of these plans; end both daemons and delete them at the end."""
    plans = list(plans)
    with namespaces("bgpd", "bird") as (here, there):
        for namespace in (here, there):
            _use_addresses_at_once(namespace)
        join(here, DEVICE, there, DEVICE)
        join(here, CONTAINER_DEVICE, there, "unused")
        here.ip_batch(_addresses(plans, NODE, is_ours=True))
        there.ip_batch(_addresses(plans, {"ipv4": "10.0.0.2", "ipv6": "fd00::2"}, is_ours=False))
        made = Pair(Daemon(here, directory), Bird(there, directory), here, there)
        try:
            yield made
        finally:
            made.bgpd.stop()
            made.bird.stop()
        assert made.bgpd.faults() == []


def _use_addresses_at_once(namespace: Namespace) -> None:
    """Let link-local addresses be used without duplicate address detection, which takes about two seconds."""
    with namespace.entered():
        _ACCEPT_DAD.write_text("0")


def _addresses(plans: Iterable[Plan], first: dict[str, str], *, is_ours: bool) -> Iterator[str]:
    for family in _FAMILIES:
        own = [plan.our_address(family) if is_ours else plan.bird_address(family) for plan in plans]
        for address in (first[family], *own):
            nodad = " nodad" if family == "ipv6" else ""
            yield f"address add {address}/{_MASK[family]} dev {DEVICE}{nodad}"


def _family(prefix: str) -> str:
    return "-6" if ":" in prefix else "-4"
