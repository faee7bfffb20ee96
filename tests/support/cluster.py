"""Whole speakers in memory on virtual time, each from a bgp.toml."""

import asyncio
import contextlib
from collections.abc import Iterator
from random import Random

from bgpd.addresses import parse_prefix
from bgpd.config import Resolved, parse, resolve
from bgpd.rib.path import Path
from bgpd.speaker import Speaker
from bgpd.speaker.draining import NOTHING, TakenOut
from bgpd.speaker.former_run import FormerRun
from bgpd.speaker.peer import Peer
from tests.support.memory_network import MemoryNetwork
from tests.support.virtual_loop import VirtualLoop

_COMMON = """
[kernel]
enabled = false
[http]
listen = ""
"""


class Cluster:
    """Speakers by name; node n has the address 10.0.0.n and that BGP Identifier."""

    def __init__(self, *, latency: float = 0.001, spread: float = 0.0, seed: int = 1) -> None:
        self.loop = VirtualLoop()
        self.network = MemoryNetwork(self.loop, latency, spread, seed)
        self.speakers: dict[int, Speaker] = {}
        self._seed = seed

    def start(
        self,
        number: int,
        text: str,
        *,
        asn: int = 64512,
        node: str = "",
        former: FormerRun | None = None,
        taken_out: TakenOut = NOTHING,
    ) -> Speaker:
        """Start speaker 10.0.0.number; text: tables below [node], node: further keys of it. former: its last run.

        taken_out: what was drained then.
        """
        host = self.network.hosts.get(bytes((10, 0, 0, number))) or self.network.host(address(number))
        config = self.config(number, text, asn=asn, node=node)
        speaker = Speaker(config, self.loop, host, Random(self._seed + number))
        self.speakers[number] = speaker
        self.loop.run_until_complete(speaker.start(former, taken_out))
        return speaker

    def config(self, number: int, text: str, *, asn: int = 64512, node: str = "") -> Resolved:
        """Return the configuration that ``start`` would use."""
        head = (
            f'[node]\nname = "node{number}"\nasn = {asn}\naddresses = ["{address(number)}/24", "fd00::{number}/64"]\n'
        )
        return resolve(parse(f'{head}listen = ["{address(number)}"]\n{node}\n{text}\n{_COMMON}', "bgp.toml"))

    def run(self, seconds: float) -> None:
        self.loop.run_for(seconds)

    def established(self, *numbers: int, within: float = 10.0) -> float:
        """Wait until all configured sessions of these speakers (default: of all) are up; return when that was."""
        chosen = [self.speakers[number] for number in numbers or self.speakers]
        return self.loop.run_until(
            lambda: all(p.negotiated is not None for s in chosen for p in s.peers.values() if p.settings.enabled),
            within,
            "all sessions established",
        )

    def until(self, number: int, prefix: str, *, present: bool = True, within: float = 10.0) -> float:
        """Wait until a speaker has the prefix, or has it no more."""
        return self.loop.run_until(lambda: (self.best(number, prefix) is not None) is present, within, prefix)

    def best(self, number: int, prefix: str) -> Path | None:
        """Return the best path of the prefix."""
        family, key = parse_prefix(prefix)
        candidates = self.speakers[number].loc_ribs[family].table.get(key)
        return candidates[0] if candidates else None

    def peer(self, number: int, other: int) -> Peer:
        """Return how one speaker sees another."""
        return self.speakers[number].peers[address(other)]

    def close(self) -> None:
        """End all speakers and the loop."""
        self.loop.run_until_complete(self._stop())
        self.loop.close()

    async def _stop(self) -> None:
        await asyncio.gather(*(speaker.stop() for speaker in self.speakers.values()))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def address(number: int) -> str:
    return f"10.0.0.{number}"


def peer(number: int, *, asn: str = '"internal"', **options: str) -> str:
    """Return a [[peer]] table for speaker 10.0.0.number."""
    lines = [f"{key.rstrip('_')} = {value}" for key, value in options.items()]
    return "\n".join(["[[peer]]", f'address = "{address(number)}"', f"asn = {asn}", *lines, ""])


def network(prefix: str, **options: str) -> str:
    """Return a [[network]] table."""
    lines = [f"{key} = {value}" for key, value in options.items()]
    return "\n".join(["[[network]]", f'prefix = "{prefix}"', *lines, ""])


def mesh(made: Cluster, count: int) -> None:
    """Start so many speakers, each with a session to all others; speaker n originates 10.65.n.0/26."""
    for number in range(1, count + 1):
        others = "".join(peer(other) for other in range(1, count + 1) if other != number)
        made.start(number, others + network(f"10.65.{number}.0/26"))


@contextlib.contextmanager
def cluster(**options: float) -> Iterator[Cluster]:
    """A cluster for one test."""
    made = Cluster(**options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
