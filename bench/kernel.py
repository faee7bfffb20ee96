"""How long the kernel part takes: routes written, replaced and deleted, inherited and learned at start.

Run as root, from the repository: ``python -m bench.kernel [routes]``. Everything happens in a namespace of its own.
Seconds: CPU of this process, system time included (the kernel's share of netlink is ours), and wall clock.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop

from bgpd.addresses import format_prefix, parse_address
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel import FibRoute, Kernel, KernelSettings, LearnedRun, LearnRule, Leg
from tests.support.netns import Namespace, add_address, join

LEARN = KernelSettings(learn=(LearnRule(frozenset({4}), ("cali*",)),))


class Listener:
    """Counts what is learned, and the longest time that the loop was not free."""

    def __init__(self) -> None:
        self.learned = 0
        self.longest = 0.0
        self._last = 0.0

    def learned_changed(self, runs: Sequence[LearnedRun]) -> None:
        self.learned += sum(len(prefixes) for _, _, prefixes in runs)

    def topology_changed(self) -> None:
        pass

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.perf_counter() - before)


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{what:34} {cpu:6.2f} s CPU {wall:6.2f} s wall {count / wall:10,.0f} routes/s")


async def measure(host: Namespace, count: int) -> None:
    loop = asyncio.get_running_loop()
    listener = Listener()
    kernel = Kernel(LEARN, listener, loop)
    await kernel.start()
    await kernel.learn()
    device = kernel.interface_index("eth0") or 0
    prefixes: dict[Family, list[bytes]] = {
        IPV4_UNICAST: [b"\x20" + (0x14000000 + n).to_bytes(4) for n in range(count)],
        IPV6_UNICAST: [b"\x80\xfd\x40" + bytes(8) + n.to_bytes(6) for n in range(count)],
    }
    gateways = {IPV4_UNICAST: ("10.0.0.2", "10.0.0.3"), IPV6_UNICAST: ("fd00::2", "fd00::3")}
    watcher = loop.create_task(listener.watch())
    for family, keys in prefixes.items():
        legs = [Leg(parse_address(text), device) for text in gateways[family]]
        for what, chosen in (("write", legs[:1]), ("replace", legs[1:]), ("to ECMP", legs)):
            route = FibRoute(tuple(chosen))
            with timed(f"{what} {family.name}", count):
                kernel.program(family, dict.fromkeys(keys, route))
                await kernel.flushed()
    print(f"{'longest time without the loop':34} {listener.longest * 1000:6.1f} ms")
    watcher.cancel()
    await kernel.close()
    kernel = Kernel(LEARN, listener, loop)
    with timed("start, inheriting both families", 2 * count):
        await kernel.start()
        await kernel.learn()
    for family, keys in prefixes.items():
        with timed(f"delete {family.name}", count):
            kernel.program(family, dict.fromkeys(keys))
            await kernel.flushed()
    await kernel.close()
    texts = [format_prefix(IPV4_UNICAST, key) for key in prefixes[IPV4_UNICAST]]
    host.ip_batch(f"route add {text} dev cali1 proto static" for text in texts)
    kernel = Kernel(LEARN, listener, loop)
    with timed("start, learning", count):
        await kernel.start()
        await kernel.learn()
    assert len(kernel.learned[IPV4_UNICAST]) == count
    with timed("losing all by link down", count):
        host.ip("link set cali1 down")
        while kernel.learned[IPV4_UNICAST]:
            await asyncio.sleep(0.001)
    await kernel.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with Namespace("bench") as host:
        join(host, "eth0", host, "eth0-peer")
        join(host, "cali1", host, "cali1-peer")
        add_address(host, "eth0", "10.0.0.1/24")
        add_address(host, "eth0", "fd00::1/64")
        with host.entered(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(host, count))


if __name__ == "__main__":
    main()
