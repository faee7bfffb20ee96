"""The run: ``python -m conformance.churn.run [--nodes 50] [--seconds 120] [--seed 1]``.

A round is some random changes one after the other, without a pause; then all must settle within a limit, and what must
hold is checked (``checks``). Everything that is done goes to a log; the same seed with ``--rounds`` does it again.
Exit status 1: something did not hold.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from conformance.churn import checks
from conformance.churn.actions import Actions
from conformance.churn.fleet import Fleet
from conformance.churn.routes import Expected, expected
from conformance.churn.world import read

LIMIT: Final = 60.0  # seconds in which all must settle
_EACH: Final = 5.0  # seconds more for each daemon that starts at the beginning
_POLL: Final = 0.1  # seconds
_MOST_ACTIONS: Final = 5  # of a round
_SAMPLE: Final = 3  # nodes whose Adj-RIBs-In are looked at in each round
_MOST_FAULTS: Final = 40  # printed


@dataclass(slots=True)
class Outcome:
    """What was done, and what did not hold. settling: seconds of each round; checked: routes and sessions, summed."""

    actions: Counter[str] = field(default_factory=Counter)
    settling: list[float] = field(default_factory=list)
    sessions: int = 0
    routes: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        times = sorted(self.settling)
        return (
            f"{self.actions.total()} actions in {len(times)} rounds; settled in {times[len(times) // 2]:.2f} s median, "
            f"{times[-1]:.2f} s at most; checked {self.sessions} sessions and {self.routes} kernel routes"
        )


class _Run:
    """One run in a cluster that is there."""

    def __init__(self, fleet: Fleet, random: Random, log: "Log", limit: float) -> None:
        self._fleet = fleet
        self._random = random
        self._log = log
        self._limit = limit
        self._actions = Actions(fleet, random)
        self.outcome = Outcome()

    def run(self, seconds: float, rounds: int) -> None:
        """Set up, then change and check until the time is over, the rounds are done, or something does not hold."""
        self._actions.begin(len(self._fleet.names) * 9 // 10)
        before = self._settled("set-up", limit=self._limit + _EACH * len(self._fleet.names))
        self._log.show(f"up after {self._log.age:.1f} s: {self._describe()}")
        self.outcome.settling.clear()
        end = time.monotonic() + seconds
        number = 0
        while not self.outcome.faults and (number < rounds if rounds else time.monotonic() < end):
            number += 1
            self._fleet.look()
            self._log.write(f"round {number}")
            for _ in range(self._random.randint(1, _MOST_ACTIONS)):
                self._actions.step()
            before = self._settled(f"round {number}", before)
        self.outcome.actions = self._actions.done
        if not self.outcome.faults:
            self._check_all()

    def _settled(self, what: str, before: checks.Since | None = None, limit: float = 0) -> checks.Since:
        """Wait until all holds; return since when each session is up."""
        due = self._fleet.due
        began = time.monotonic()
        faults = self._unsettled(due, self._fleet.running)
        while faults and time.monotonic() < began + (limit or self._limit):
            self._fleet.check_running()
            time.sleep(_POLL)
            faults = self._unsettled(due, faults) or self._unsettled(due, self._fleet.running)
        took = time.monotonic() - began
        self.outcome.settling.append(took)
        after = checks.since(self._fleet)
        found = [f"{fault} (after {took:.0f} s)" for some in faults.values() for fault in some]
        if before is not None:
            found += checks.reset_faults(before, after, self._fleet.touched | self._fleet.touched_before)
            found += checks.break_faults(self._fleet)
        if not found:
            for name in self._sample():
                found += checks.told_faults(self._fleet, name, due)
        self._log.write(f"  {what}: {took:.2f} s, {self._describe()}")
        self.outcome.faults += [f"{what}: {fault}" for fault in found]
        self.outcome.sessions += sum(map(len, self._fleet.up.values())) // 2
        self.outcome.routes += sum(map(len, due.kernel.values()))
        return after

    def _unsettled(self, due: Expected, names: "set[str] | dict[str, list[str]]") -> dict[str, list[str]]:
        found = {name: checks.node_faults(self._fleet, name, due) for name in sorted(names)}
        return {name: faults for name, faults in found.items() if faults}

    def _sample(self) -> list[str]:
        alive = sorted(self._fleet.running & set(self._fleet.world.nodes))
        return Random(len(self.outcome.settling)).sample(alive, min(_SAMPLE, len(alive)))

    def _check_all(self) -> None:
        """Look once more at everything: all Adj-RIBs-In, and whether etcd has what we think it has."""
        due = expected(read(self._fleet.etcd.contents("/calico/")), self._fleet.up, self._fleet.containers)
        for name in sorted(self._fleet.running & set(self._fleet.world.nodes)):
            self.outcome.faults += checks.told_faults(self._fleet, name, due)
            self.outcome.faults += checks.node_faults(self._fleet, name, due)

    def _describe(self) -> str:
        world = self._fleet.world
        return (
            f"{len(world.nodes)} nodes, {sum(map(len, self._fleet.up.values())) // 2} sessions, "
            f"{len(world.blocks)} blocks, {sum(map(len, self._fleet.containers.values()))} containers"
        )


class Log:
    """What is done, with times; in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began = time.monotonic()
        self._file = path.open("w", buffering=1)

    @property
    def age(self) -> float:
        """Return how long it is kept, in seconds."""
        return time.monotonic() - self._began

    def write(self, line: str) -> None:
        """Write a line."""
        self._file.write(f"{self.age:8.2f} {line}\n")

    def show(self, line: str) -> None:
        """Write a line, and print it."""
        self.write(line)
        print(line, flush=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def churn(
    nodes: int, seconds: float, seed: int, log: Log, *, rounds: int = 0, limit: float = LIMIT, keep: Path | None = None
) -> Outcome:
    """Run the test. seconds: of changes; rounds: so many instead. keep: where the daemons' logs go if it fails."""
    with Fleet(nodes, log.write) as fleet:
        run = _Run(fleet, Random(seed), log, limit)
        try:
            run.run(seconds, rounds)
        finally:
            if keep is not None and (run.outcome.faults or sys.exc_info()[0] is not None):
                fleet.keep_logs(keep)
        return run.outcome


def main() -> int:
    """Run the test and say what did not hold."""
    parser = argparse.ArgumentParser(prog="python -m conformance.churn.run")
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120, help="of changes")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds in which all must settle")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bgpd-churn-"))
    log = Log(directory / "actions.log")
    log.show(f"{options.nodes} nodes, seed {options.seed}, what is done: {log.path}")
    outcome = churn(
        options.nodes, options.seconds, options.seed, log, rounds=options.rounds, limit=options.limit, keep=directory
    )
    log.show(str(outcome))
    log.show(", ".join(f"{name} {count}" for name, count in sorted(outcome.actions.items())))
    for fault in outcome.faults[:_MOST_FAULTS]:
        log.show(f"FAILED: {fault}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    log.show(
        f"{'failed' if outcome.faults else 'passed'} after {log.age:.0f} s, "
        f"{usage.ru_utime + usage.ru_stime:.0f} s of CPU in the daemons that ended, "
        f"the largest with {usage.ru_maxrss / 1024:.0f} MB"
    )
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
