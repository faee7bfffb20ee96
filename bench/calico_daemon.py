"""A whole daemon against a real etcd with a large cluster in it: its start, and a change of one key of each kind.

Daemon and etcd are in a network namespace of their own; the daemon is node n0, whose sessions are all passive and never
come up, as there are no other nodes. CPU time is that of all threads of the daemon. Seconds, unless a name says so.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from bench import machine
from bench.calico_keys import BLOCKS, RESOURCES, affinity, cluster, contents, node, pool
from bgpd.config import ResolvedEtcd
from bgpd.datastore.etcd import Etcd
from bgpd.lab.namespaces import Namespace
from bgpd.lab.processes import become_dependent

PATIENCE: Final = 120.0
REPEATS: Final = 5
_POLL: Final = 0.001
_AT_REST: Final = 0.3  # without work, until a change counts as done
_REST_SHARE: Final = 0.03  # of a core, that a daemon at rest may use
_BATCH: Final = 400  # keys written at once
_URL: Final = "http://127.0.0.1:2379"
_PEERS: Final = "http://127.0.0.1:2380"
_UP, _CHANGED = "bgpd is up", "configuration changed in etcd"

Change = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Started:
    """What a start took until it was told, and until there was nothing more to do; CPU time, real time."""

    cpu: float
    wall: float
    cpu_settled: float


@dataclass(frozen=True, slots=True)
class Handled:
    """What a change took: CPU time, and real time from the write until the log tells it, 0.0 = it meant nothing."""

    cpu: float
    wall: float


class Store:
    """An etcd on loopback, with nothing in it at first."""

    def __init__(self, directory: Path) -> None:
        command = [
            *("etcd", "--data-dir", str(directory / "etcd"), "--max-txn-ops", str(_BATCH), "--unsafe-no-fsync"),
            *("--listen-client-urls", _URL, "--advertise-client-urls", _URL),
            *("--listen-peer-urls", _PEERS, "--initial-advertise-peer-urls", _PEERS),
            *("--initial-cluster", f"default={_PEERS}"),
        ]
        self.process = _start(command, directory / "etcd.log")
        self._runner = asyncio.Runner()
        self._client = Etcd(ResolvedEtcd((_URL,), *("", "", "", "", ""), "/calico"), Random(1))
        _until(lambda: _etcdctl("get", "/").returncode == 0)

    def fill(self, keys: Mapping[str, bytes]) -> None:
        """Write many keys."""
        lines = [f"put {key} {json.dumps(value.decode())}" for key, value in keys.items()]
        for first in range(0, len(lines), _BATCH):
            done = _etcdctl("txn", given="\n" + "\n".join(lines[first : first + _BATCH]) + "\n\n\n")
            if done.returncode:
                raise RuntimeError(f"etcd was not filled: {done.stderr}")

    def change(self, key: str, value: bytes | None) -> None:
        """Write or delete one key."""
        if value is not None:
            self._runner.run(self._client.put(key, value))
            return
        entry = self._runner.run(self._client.get(key))
        if entry is not None:
            self._runner.run(self._client.delete_if(key, entry.revision))

    def close(self) -> None:
        """End it."""
        self._runner.run(self._client.close())
        self._runner.close()
        self.process.kill()
        self.process.wait()


class Daemon:
    """The daemon of node n0."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "bgpd.log"
        self._config = directory / "bgp.toml"
        self._config.write_text(
            f'[node]\nname = "n0"\n[etcd]\nendpoints = ["{_URL}"]\n[control]\nsocket = "{directory}/bgpd.sock"\n'
            '[http]\nlisten = ""\n[log]\nformat = "json"\n'
        )
        self.process: subprocess.Popen[bytes]
        self._read = 0

    def start(self) -> Started:
        """Start it, and wait until it is configured and at rest."""
        began = time.monotonic()
        self.process = _start([sys.executable, "-m", "bgpd", "--config", str(self._config)], self._log)
        _until(lambda: _UP in self._news())
        cpu, wall = self.cpu_seconds(), time.monotonic() - began
        return Started(cpu, wall, self.rest())

    def handle(self, write: Callable[[], None], *, is_told: bool) -> Handled:
        """Have a key changed, and wait until the daemon is at rest. is_told: does it mean anything?"""
        self._news()
        before = self.rest()
        began = time.monotonic()
        write()
        if is_told:
            _until(lambda: _CHANGED in self._news())
        wall = time.monotonic() - began if is_told else 0.0
        return Handled(self.rest() - before, wall)

    def rest(self) -> float:
        """Wait until the daemon has nothing to do; return the CPU seconds that it has spent."""
        while True:
            before = self.cpu_seconds()
            time.sleep(_AT_REST)
            spent = self.cpu_seconds()
            if spent - before < _REST_SHARE * _AT_REST:
                return before

    def cpu_seconds(self) -> float:
        """Return what all its threads have spent."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # it has ended
                total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def peak_mib(self) -> float:
        """Return the most memory that it has had."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()

    def _news(self) -> str:
        if self.process.poll() is not None:
            raise RuntimeError(f"bgpd ended: {self._log.read_text()[-2000:]}")
        with self._log.open() as log:
            log.seek(self._read)
            found = log.read()
            self._read = log.tell()
        return found


def run(nodes: int) -> None:
    """Print a line for the start and for each kind of change."""
    keys = cluster(nodes) | dict(PEERING)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        host = Namespace("bench")
        stack.callback(host.close)
        host.ip_batch(
            [
                *("link set lo up", "link add eth0 type veth peer name underlay", "link set underlay up"),
                *("link set eth0 up", "address add 10.200.0.1/16 dev eth0"),
            ]
        )
        stack.enter_context(host.entered())
        store = Store(directory)
        stack.callback(store.close)
        store.fill(keys)
        busy, own, began = machine.busy_seconds(), 0.0, time.monotonic()
        daemon = Daemon(directory)
        started = daemon.start()
        stack.callback(daemon.close)
        print(
            f"{'start':24} {started.cpu:7.2f} s of CPU until all is configured, {started.cpu_settled:.2f} s until it is"
            f" at rest; {started.wall:.2f} s of real time"
        )
        for name, (there, back) in changes(nodes).items():
            found = [
                daemon.handle(lambda change=change: store.change(*change), is_told=name not in SILENT)  # type: ignore[misc]  # its own change
                for _ in range(REPEATS)
                for change in (there, back)
            ]
            cpu, wall = (sorted(figures) for figures in zip(*((one.cpu, one.wall) for one in found), strict=True))
            print(
                f"{name:24} {1e3 * median(cpu):7.1f} ms of CPU (at most {1e3 * cpu[-1]:.1f}),"
                f" {1e3 * median(wall):7.1f} ms until it is in force (at most {1e3 * wall[-1]:.1f})"
            )
        print(f"{daemon.peak_mib():.0f} MiB at most")
        own = machine.own_seconds([daemon.process.pid, store.process.pid])
        spent, real = machine.busy_seconds() - busy, time.monotonic() - began
        print(f"others used {max(spent - own, 0.0) / real:.2f} of {machine.cores()} cores")


PEERING: Final = (
    (f"{RESOURCES}bgppeers/tor", b'{"spec":{"peerIP":"10.199.0.1","asNumber":65001,"filters":["some"]}}'),
    (f"{RESOURCES}bgpfilters/some", b'{"spec":{"exportV4":[{"action":"Accept"}]}}'),
)
SILENT: Final = ("a node changes its rack", "a container elsewhere")  # they mean nothing for node n0


def changes(nodes: int) -> dict[str, tuple[Change, Change]]:
    """Return for each kind a change and its opposite."""
    far, ours = affinity(3, nodes * BLOCKS), affinity(0, nodes * BLOCKS + 1)
    peer = (f"{RESOURCES}bgppeers/other", b'{"spec":{"peerIP":"10.199.0.2","asNumber":65002}}')
    filtering = b'{"spec":{"exportV4":[{"cidr":"10.64.0.0/16","matchOperator":"In","action":"Reject"}]}}'
    return {
        "a node comes or goes": (node(nodes), (node(nodes)[0], None)),
        "a node moves": (node(5, host=nodes + 1), node(5)),
        "a node changes its rack": (node(7, rack=1), node(7)),
        "another node's block": (far, (far[0], None)),
        "a block of ours": (ours, (ours[0], None)),
        "a container elsewhere": (contents(9, 93, borrower=9), contents(9, 93)),
        "a borrowed address": (contents(9, 93, borrower=17), contents(9, 93)),
        "a pool": (pool("Always"), pool()),
        "a peer comes or goes": (peer, (peer[0], None)),
        "a filter": ((PEERING[1][0], filtering), PEERING[1]),
    }


def _start(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=become_dependent,  # noqa: PLW1509 - two system calls, no lock taken
        )


def _etcdctl(*words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["etcdctl", "--endpoints", _URL, *words]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the daemon, or etcd, does not get there")
        time.sleep(_POLL)
