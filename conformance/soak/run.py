"""The soak test: ``python -m conformance.soak.run [--seconds 120] [--peers 200] [--routes 100000] [--seed 1]``.

Compared is the daemon with all sessions up and all routes loaded, idle, before and after the flapping; each time all
peers have left together, the daemon was empty, and all came back. Three things must be as they were.

- Sessions, prefixes, paths, tasks and descriptors: exactly.
- The resident set: within a tenth. While peers flap it is several times as large, since each peer that is behind has a
  table of what it is owed. What the allocators can give back of that depends on which block of an arena lives on, and
  a table that saw much churn may be twice as large as a fresh one: a first round took up to 9 MB of 80 that later ones
  did not add to. So the daemon is measured after a round in which each peer flapped about twice.
- The objects alive (``census``): a tenth of the resident set would hide some ten kilobytes a session. What a peer keeps
  of its last session, and one kilobyte for each session, may be added. Garbage and room in tables do not count.

Exit status 1: something was left.
"""

import argparse
import asyncio
import re
import signal
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

from conformance.soak import census
from conformance.soak.census import Census
from conformance.soak.peers import SoakPeer
from tests.support.wire_daemon import ADDRESS, Remote, WireDaemon

MEMORY: Final = 0.10  # share by which the resident set may differ
LEFT_BEHIND: Final = 1000  # octets of objects that a session may leave on average
KEPT: Final = 1000  # and a peer for its last one: how it ended, the message that was at fault
_IDLE: Final = 22.0  # seconds without work: the daemon gives memory back when it was idle for one of its intervals
_MEAN_UP: Final = 40.0  # seconds between two mishaps of a peer
_WARM_UP: Final = 10.0  # seconds of flapping before the first measurement
_WARM_UPS: Final = 2.0  # mishaps of a peer in that time
_BUSY: Final = 0.05  # share of a second's CPU time that still counts as idle
_OPTIONS: Final = "idle_hold = { first = 1, max = 2 }"
_LIMIT: Final = 240.0  # seconds to settle, or to count the objects


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
    """Before and after with the same sessions and routes, and when all had left.

    mishaps: what happened between. sessions: how many came up between. heap_before, heap_after: the objects.
    """

    before: Measure
    after: Measure
    empty: Measure
    mishaps: Counter[str]
    sessions: int
    heap_before: Census
    heap_after: Census

    @property
    def growth(self) -> float:
        """By what share the resident set grew."""
        return self.after.memory / self.before.memory - 1

    @property
    def added(self) -> int:
        """Octets of objects that there are more."""
        return census.octets(self.heap_after) - census.octets(self.heap_before)

    def faults(self) -> list[str]:
        """Return what was left behind."""
        found = []
        for name in ("established", "prefixes", "paths", "tasks", "descriptors"):
            was, now = getattr(self.before, name), getattr(self.after, name)
            if was != now:
                found.append(f"{name}: {was} before, {now} after")
        if abs(self.growth) > MEMORY:
            found.append(f"memory: {self.growth:+.1%}")
        if self.added > KEPT * self.before.established + LEFT_BEHIND * self.sessions:
            found.append(f"objects: {self.added:+,} octets after {self.sessions} sessions:")
            found += census.grown(self.heap_before, self.heap_after)
        if (self.empty.established, self.empty.prefixes, self.empty.paths) != (0, 0, 0):
            found.append(f"left when all had gone: {self.empty}")
        return found


def soak(
    seconds: float,
    peers: int,
    routes: int,
    seed: int,
    *,
    mean: float = _MEAN_UP,
    idle: float = _IDLE,
    interval: float = 0.0,
) -> Outcome:
    """Run the test. Raises AssertionError if the daemon does not settle or logs a fault of its own.

    mean: seconds between two mishaps of a peer. idle: seconds without work before the daemon is measured.
    interval: seconds between two samples that are shown meanwhile, 0 = none.
    """
    remotes = [Remote(number, 65100 + number, _OPTIONS) for number in range(2, peers + 2)]
    with tempfile.TemporaryDirectory() as directory, _Daemon(Path(directory), remotes) as daemon:
        random, where = Random(seed), (ADDRESS, daemon.port)
        made = [SoakPeer(remote, where, routes // peers, Random(random.random())) for remote in remotes]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Soak(daemon, made, routes // peers * peers, mean, idle, interval).run(seconds))


class _Daemon(WireDaemon):
    """The daemon, and what can be seen of it from outside."""

    def __init__(self, directory: Path, remotes: list[Remote]) -> None:
        self._census = directory / "census.json"
        super().__init__(directory, remotes, program=("-m", "conformance.soak.census", str(self._census)))

    def census(self) -> Census:
        """Return what its memory holds."""
        self.process.send_signal(signal.SIGUSR1)
        limit = time.monotonic() + _LIMIT
        while not self._census.exists():
            assert time.monotonic() < limit, "no census"
            time.sleep(0.1)
        found = census.load(self._census)
        self._census.unlink()
        return found

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

    def __init__(
        self, daemon: _Daemon, peers: list[SoakPeer], routes: int, mean: float, idle: float, interval: float
    ) -> None:
        self._daemon = daemon
        self._peers = peers
        self._routes = routes
        self._mean = mean
        self._idle = idle
        self._interval = interval

    async def run(self, seconds: float) -> Outcome:
        """Flap, measure, flap, measure; each time all leave and come back before."""
        await self._everybody(SoakPeer.stay_up)
        await self._flap(min(seconds, _WARM_UP), min(self._mean, _WARM_UP / _WARM_UPS))
        await self._everybody(SoakPeer.leave)
        print(f"warm:   {await self._settled(0, 0)}", flush=True)
        warm = self._mishaps
        before, heap_before = await self._loaded()
        print(f"before: {before}", flush=True)
        sessions = self._sessions
        await self._flap(seconds, self._mean)
        mishaps = self._mishaps - warm
        print(f"{mishaps.total()} mishaps: {dict(sorted(mishaps.items()))}", flush=True)
        await self._everybody(SoakPeer.leave)
        empty = await self._settled(0, 0)
        print(f"empty:  {empty}", flush=True)
        # Whoever has other routes now than at first gets those of the first day again
        after, heap_after = await self._loaded()
        outcome = Outcome(before, after, empty, mishaps, self._sessions - sessions, heap_before, heap_after)
        await self._everybody(SoakPeer.leave)
        print(f"after:  {after} ({outcome.growth:+.1%})", flush=True)
        print(f"objects: {outcome.added:+,} octets after {outcome.sessions} sessions", flush=True)
        return outcome

    @property
    def _mishaps(self) -> Counter[str]:
        return sum((Counter(peer.counts) for peer in self._peers), Counter[str]())

    @property
    def _sessions(self) -> int:
        return sum(peer.sessions for peer in self._peers)

    async def _loaded(self) -> tuple[Measure, Census]:
        await self._everybody(SoakPeer.stay_up)
        found = await self._settled(len(self._peers), self._routes)
        return found, await asyncio.to_thread(self._daemon.census)

    async def _flap(self, seconds: float, mean: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            sampling = group.create_task(self._sample()) if self._interval else None
            await self._everybody(lambda peer: peer.flap(end, mean))
            if sampling is not None:
                sampling.cancel()

    async def _sample(self) -> None:
        """Show what the daemon has meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(self._interval)
            found = await asyncio.to_thread(self._daemon.measure)
            print(f"{loop.time() - began:6.0f} s: {self._sessions} sessions so far; {found}", flush=True)

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
    parser.add_argument("--samples", type=float, default=0, help="seconds between two samples meanwhile, 0 = none")
    options = parser.parse_args()
    began = time.monotonic()
    outcome = soak(options.seconds, options.peers, options.routes, options.seed, interval=options.samples)
    faults = outcome.faults()
    for fault in faults:
        print(f"FAILED: {fault}")
    print(f"{'failed' if faults else 'passed'} after {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
