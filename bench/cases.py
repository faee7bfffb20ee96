"""The scenarios, and the suites of them that are run together.

A case is a scenario with its sizes. Its title is what results are told apart by; ``phase`` is what is timed, as the
load tool calls it.
"""

from dataclasses import dataclass
from typing import Final

from bench.topology import FIB_TABLE, KernelUse, Speaker, Topology, clients, routers


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with its sizes.

    size: prefixes, or clients where they are what grows. options: further ones for the load tool. without: daemons that
    are left out. is_cold: the load tool dials while the daemon starts. hold_time: seconds.
    """

    scenario: str
    sizes: str
    size: int
    prefixes: int
    feeders: int = 0
    sinks: int = 0
    clients: int = 0
    watchers: int = 0
    family: int = 4
    phase: str = "feed"
    options: tuple[str, ...] = ()
    kernel: KernelUse = KernelUse.NONE
    is_cold: bool = False
    hold_time: int = 180
    without: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """Return the name of the case."""
        return f"{self.scenario} {self.sizes}{' ipv6' if self.family == 6 else ''}"

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Return the peers of the daemon."""
        if self.clients:
            return clients(self.clients, self.family)
        return routers(self.feeders, self.sinks, self.watchers, self.family)

    def topology(self, port: int) -> Topology:
        """Return what the drivers need."""
        return Topology(port, self.speakers, self.family, self.hold_time, self.clients > 0, self.kernel)

    def load_options(self) -> list[str]:
        """Return the load tool's options for the case."""
        counts = {"feeders": self.feeders, "sinks": self.sinks, "clients": self.clients, "watchers": self.watchers}
        found = [f"--{name}={count}" for name, count in counts.items() if count]
        if self.clients:
            found.append(f"--per-client={self.prefixes // self.clients}")
        else:
            found.append(f"--prefixes={self.prefixes}")
        return [*found, f"--family={self.family}", f"--hold={self.hold_time}", *self.options]


_NO_GOBGP: Final = frozenset({"gobgp"})  # where it would need most of an hour


def fulltable(prefixes: int, sinks: int = 1, family: int = 4, without: frozenset[str] = frozenset()) -> Case:
    """One external feeder sends a table; until the last sink holds all of it."""
    sizes = f"{prefixes} → {sinks}"
    return Case("fulltable", sizes, prefixes, prefixes, feeders=1, sinks=sinks, family=family, without=without)


def reflect(count: int, each: int, family: int = 4) -> Case:
    """Reflector clients announce a few prefixes each, all at once; until each holds those of all others."""
    return Case("rr", f"{count} × {each}", count, count * each, clients=count, family=family)


def multi(feeders: int, prefixes: int, sinks: int, family: int = 4) -> Case:
    """Feeders announce the same prefixes, each is best for some of them; until the sinks hold the right ones."""
    sizes = f"{feeders} × {prefixes} → {sinks}"
    return Case("multi", sizes, prefixes, prefixes, feeders=feeders, sinks=sinks, family=family)


def failover(prefixes: int, family: int = 4) -> Case:
    """The better of two feeders goes; until the sink holds the other's routes."""
    return Case(
        *("failover", str(prefixes), prefixes, prefixes, 2, 1),
        family=family,
        phase="failover",
        options=("--event=failover",),
    )


def withdraw(prefixes: int, family: int = 4) -> Case:
    """The only feeder goes; until the sink holds nothing."""
    return Case(
        *("withdraw", str(prefixes), prefixes, prefixes, 1, 1),
        family=family,
        phase="withdraw",
        options=("--event=withdraw",),
    )


def churn(prefixes: int, size: int, seconds: float = 10, family: int = 4) -> Case:
    """A table is announced anew in rounds of random prefixes, ten rounds in flight: prefixes a second."""
    return Case(
        *("churn", f"{prefixes} by {size}", prefixes, prefixes, 1, 1),
        family=family,
        phase="churn",
        options=("--event=churn", f"--churn-size={size}", f"--churn-secs={seconds}"),
    )


def fib(prefixes: int, family: int = 4) -> Case:
    """A feeder sends a table; until the kernel has told of the last route in a routing table that was empty."""
    return Case(
        *("fib", str(prefixes), prefixes, prefixes, 1),
        family=family,
        options=(f"--fib={FIB_TABLE}",),
        kernel=KernelUse.WRITE,
    )


def learn(prefixes: int) -> Case:
    """Kernel routes are there when the daemon starts; from its start until the sink holds all."""
    return Case(
        *("learn", str(prefixes), prefixes, prefixes, 0, 1),
        phase="startup",
        options=("--event=startup", "--blocks", "--originated"),
        kernel=KernelUse.LEARN,
        is_cold=True,
    )


def startup(prefixes: int) -> Case:
    """From the start of the daemon until the sink holds a small table; peers dial all the time."""
    return Case(
        *("startup", str(prefixes), prefixes, prefixes, 1, 1),
        phase="startup",
        options=("--event=startup",),
        is_cold=True,
    )


def restart(count: int, each: int) -> Case:
    """All reflector clients lose their connections at once and dial again; until each holds those of all others."""
    return Case(
        *("restart", f"{count} × {each}", count, count * each),
        clients=count,
        phase="restart",
        options=("--event=restart", "--dial=20", "--stall=200"),
    )


def slow(prefixes: int, sinks: int) -> Case:
    """As failover with many sinks, one of which reads nothing; until all others are right. Then it reads again."""
    return Case(
        *("slow", f"{prefixes} → {sinks}", prefixes, prefixes, 2, sinks),
        phase="slow",
        options=("--event=slow", "--slow=1"),
        without=_NO_GOBGP,
    )


def unhindered(prefixes: int, sinks: int) -> Case:
    """The same as slow with all sinks reading: what the others must not be worse than."""
    return Case(
        *("unhindered", f"{prefixes} → {sinks}", prefixes, prefixes, 2, sinks),
        phase="slow",
        options=("--event=slow",),
        without=_NO_GOBGP,
    )


def idle(count: int, seconds: int) -> Case:
    """Reflector clients with nothing to say but keepalives every 30 s: CPU seconds a minute."""
    return Case(
        *("idle", f"{count} for {seconds} s", count, count),
        clients=count,
        phase="idle",
        options=("--event=idle", f"--idle-secs={seconds}"),
        hold_time=90,
    )


def punctual(prefixes: int, sinks: int) -> Case:
    """As fulltable, with three peers that expect a keepalive each second: the longest time between two of them."""
    return Case(
        *("punctual", f"{prefixes} → {sinks}", prefixes, prefixes, 1, sinks),
        watchers=3,
        without=_NO_GOBGP,
    )


FULL: Final = (
    fulltable(100_000),
    fulltable(300_000),
    fulltable(1_000_000),
    fulltable(100_000, 10),
    fulltable(300_000, 10),
    fulltable(1_000_000, 10, without=_NO_GOBGP),
    reflect(100, 20),
    reflect(200, 10),
    reflect(500, 4),
    reflect(1000, 2),
    multi(4, 100_000, 4),
    failover(100_000),
    failover(500_000),
    withdraw(100_000),
    withdraw(500_000),
    churn(100_000, 1000),
    fulltable(100_000, family=6),
    fulltable(1_000_000, family=6),
    fulltable(1_000_000, 10, family=6, without=_NO_GOBGP),
    reflect(200, 10, family=6),
    reflect(500, 4, family=6),
    reflect(1000, 2, family=6),
    multi(4, 100_000, 4, family=6),
    failover(500_000, family=6),
    withdraw(500_000, family=6),
    churn(100_000, 1000, family=6),
    fib(100_000),
    fib(100_000, family=6),
    learn(100_000),
    startup(1000),
    restart(1000, 2),
    unhindered(50_000, 500),
    slow(50_000, 500),
    idle(1000, 60),
    punctual(1_000_000, 1),
)
QUICK: Final = (fulltable(100_000), reflect(200, 10), withdraw(100_000), failover(100_000))
GUARD: Final = (fulltable(100_000), fulltable(100_000, 10), reflect(200, 10), failover(100_000), withdraw(100_000))
SMOKE: Final = (
    fulltable(2000, 2),
    reflect(20, 5),
    multi(3, 2000, 2),
    failover(2000),
    withdraw(2000),
    churn(20_000, 100, 1),
    fulltable(2000, family=6),
    reflect(20, 5, family=6),
    multi(3, 2000, 2, family=6),
    failover(2000, family=6),
    withdraw(2000, family=6),
    churn(20_000, 100, 1, family=6),
    fib(2000),
    fib(2000, family=6),
    learn(2000),
    startup(1000),
    restart(20, 5),
    unhindered(2000, 5),
    slow(2000, 5),
    idle(20, 3),
    punctual(20_000, 1),
)
SUITES: Final = {"full": FULL, "quick": QUICK, "guard": GUARD, "smoke": SMOKE}
