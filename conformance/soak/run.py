"""The soak test: ``python -m conformance.soak.run [--seconds 120] [--peers 200] [--routes 100000] [--seed 1]``.

What is compared is the daemon with all sessions up and all routes loaded, idle, before and after the flapping. Memory
is the resident set. Two things make it grow that are no leak. What ended sessions leave in cycles (construct's contexts
of each OPEN, about 10 kB a session) waits for the collector's timetable (``bgpd.cli.garbage``): up to 20,000 young
containers, and older ones until a full look is due. And the allocator does not give back arenas that are partly used.
Both have a bound, but one in megabytes: with a collector that looks often, hundreds of sessions more add nothing. A
longer or denser run than the standard one may so pass a tenth of a small table. Exit status 1: something was left.
"""

import argparse
import asyncio
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import uvloop

from conformance.soak.peers import SoakPeer
from tests.support.wire_daemon import ADDRESS, Remote, WireDaemon

MEMORY: Final = 0.10  # share by which the resident set may differ
_IDLE: Final = 12.0  # seconds without work: more than the interval of the daemon's garbage collection
_MEAN_UP: Final = 40.0  # seconds between two mishaps of a peer
_BUSY: Final = 0.05  # share of a second's CPU time that still counts as idle
_OPTIONS: Final = "idle_hold = { first = 1, max = 2 }"
_LIMIT: Final = 240.0  # seconds to settle


@dataclass(frozen=True, slots=True)
class Measure:
    """The daemon at one moment. memory: octets resident. established: sessions."""

    established: int
    prefixes: int
    paths: int
    tasks: int
    descriptors: int
    memory: int

    def __str__(self) -> str:
        return (
            f"{self.established} sessions, {self.prefixes} prefixes, {self.paths} paths, {self.tasks} tasks,"
            f" {self.descriptors} descriptors, {self.memory / 1e6:.1f} MB"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Before and after with the same sessions and routes, and when all had left; mishaps: what happened between."""

    before: Measure
    after: Measure
    empty: Measure
    mishaps: Counter[str]

    def faults(self) -> list[str]:
        """Return what was left behind."""
        found = []
        for name in ("established", "prefixes", "paths", "tasks", "descriptors"):
            was, now = getattr(self.before, name), getattr(self.after, name)
            if was != now:
                found.append(f"{name}: {was} before, {now} after")
        growth = self.after.memory / self.before.memory - 1
        if abs(growth) > MEMORY:
            found.append(f"memory: {growth:+.1%}")
        if (self.empty.established, self.empty.prefixes, self.empty.paths) != (0, 0, 0):
            found.append(f"left when all had gone: {self.empty}")
        return found


def soak(seconds: float, peers: int, routes: int, seed: int, *, mean: float = _MEAN_UP, idle: float = _IDLE) -> Outcome:
    """Run the test. Raises AssertionError if the daemon does not settle or logs a fault of its own.

    mean: seconds between two mishaps of a peer. idle: seconds without work before the daemon is measured.
    """
    remotes = [Remote(number, 65100 + number, _OPTIONS) for number in range(2, peers + 2)]
    with tempfile.TemporaryDirectory() as directory, _Daemon(Path(directory), remotes) as daemon:
        random, where = Random(seed), (ADDRESS, daemon.port)
        made = [SoakPeer(remote, where, routes // peers, Random(random.random())) for remote in remotes]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Soak(daemon, made, routes // peers * peers, mean, idle).run(seconds))


class _Daemon(WireDaemon):
    """The daemon, and what can be seen of it from outside."""

    def metrics(self) -> dict[str, float]:
        """Return its metrics: name with labels → value."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.directory / "bgpd.sock"))
            asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: bgpd\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: asking.recv(1 << 16), b"")).decode()
        return {
            name: float(value) for name, value in re.findall(r"^((?:bgpd|process)_\S+) (\S+)$", answer, re.MULTILINE)
        }

    def measure(self) -> Measure:
        """Return the daemon as it is now."""
        metrics = self.metrics()
        return Measure(
            established=int(metrics['bgpd_peers{state="Established"}']),
            prefixes=int(metrics['bgpd_rib_prefixes{family="ipv4-unicast"}']),
            paths=int(metrics['bgpd_rib_paths{family="ipv4-unicast"}']),
            tasks=int(metrics["bgpd_tasks"]),
            descriptors=int(metrics["process_open_fds"]),
            memory=int(metrics["process_resident_memory_bytes"]),
        )


class _Soak:
    """One run."""

    def __init__(self, daemon: _Daemon, peers: list[SoakPeer], routes: int, mean: float, idle: float) -> None:
        self._daemon = daemon
        self._peers = peers
        self._routes = routes
        self._mean = mean
        self._idle = idle

    async def run(self, seconds: float) -> Outcome:
        """Settle, measure, flap, settle, measure, leave, measure."""
        await self._everybody(SoakPeer.stay_up)
        before = await self._settled(len(self._peers), self._routes)
        print(f"before: {before}", flush=True)
        end = asyncio.get_running_loop().time() + seconds
        await self._everybody(lambda peer: peer.flap(end, self._mean))
        mishaps = sum((Counter(peer.counts) for peer in self._peers), Counter[str]())
        print(f"{mishaps.total()} mishaps: {dict(sorted(mishaps.items()))}", flush=True)
        # All once more: whoever has other routes now than at first gets those of the first day again
        await self._everybody(SoakPeer.leave)
        await self._everybody(SoakPeer.stay_up)
        after = await self._settled(len(self._peers), self._routes)
        print(f"after:  {after} ({after.memory / before.memory - 1:+.1%})", flush=True)
        await self._everybody(SoakPeer.leave)
        empty = await self._settled(0, 0)
        print(f"empty:  {empty}", flush=True)
        return Outcome(before, after, empty, mishaps)

    async def _everybody(self, does: Callable[[SoakPeer], Awaitable[None]]) -> None:
        await asyncio.gather(*(does(peer) for peer in self._peers))

    async def _settled(self, sessions: int, prefixes: int) -> Measure:
        """Return the daemon when it has these sessions and prefixes and nothing to do for long enough."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + _LIMIT
        quiet_since, used = loop.time(), self._daemon.processor_time
        while True:
            await asyncio.sleep(1)
            now, used_now = loop.time(), self._daemon.processor_time
            found = await asyncio.to_thread(self._daemon.measure)
            used, spent = self._daemon.processor_time, used_now - used
            if spent > _BUSY or (found.established, found.prefixes) != (sessions, prefixes):
                quiet_since = now
            if now - quiet_since >= self._idle:
                return found
            assert now < limit, f"not settled: {found}, {spent:.2f} s of CPU in the last second"
            if sessions:
                await self._everybody(SoakPeer.stay_up)


def main() -> int:
    """Run the test and say what was left behind."""
    parser = argparse.ArgumentParser(prog="python -m conformance.soak.run")
    parser.add_argument("--seconds", type=float, default=120, help="of flapping")
    parser.add_argument("--peers", type=int, default=200, help="at most 250")
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    faults = soak(options.seconds, options.peers, options.routes, options.seed).faults()
    for fault in faults:
        print(f"FAILED: {fault}")
    print(f"{'failed' if faults else 'passed'} after {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
