"""One run: start a daemon, drive it with the load tool, end it, and say whether the run is valid."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench import load, machine
from bench.cases import Case
from bench.drivers import Driver, DriverError, free_port
from bench.records import Outcome
from bench.topology import DAEMON_ADDRESS, DAEMON_ASN, LEARNED_DEVICE, UNDERLAY, UNDERLAY_DEVICE, KernelUse
from bgpd.lab.namespaces import Namespace
from bgpd.lab.options import LabError


def measure(case: Case, driver: Driver, limit: float, seed: int) -> Outcome:
    """Return the outcome of one run. limit: seconds that a phase may take."""
    try:
        with surroundings(case):
            return _run(case, driver, limit, seed)
    except (DriverError, LabError) as error:
        return Outcome(ok=False, error=str(error))
    finally:
        driver.stop()


@contextmanager
def surroundings(case: Case) -> Iterator[None]:
    """Enter a network namespace of its own for a case that uses the kernel's routes. Raises LabError."""
    if case.kernel is KernelUse.NONE:
        yield
        return
    host = Namespace("bench")
    try:
        host.ip("link", "set", "lo", "up")
        for device in (UNDERLAY_DEVICE, LEARNED_DEVICE):
            host.ip("link", "add", device, "type", "veth", "peer", "name", f"{device}-peer")
            host.ip("link", "set", f"{device}-peer", "up")
            host.ip("link", "set", device, "up")
        for address in UNDERLAY.values():
            host.ip("address", "add", address, "dev", UNDERLAY_DEVICE, *(["nodad"] if ":" in address else []))
        if case.kernel is KernelUse.LEARN:
            routes = load.blocks(case.prefixes)
            host.ip_batch([f"route add {prefix} dev {LEARNED_DEVICE} proto static" for prefix in routes])
        with host.entered():
            yield
    finally:
        host.close()


def _run(case: Case, driver: Driver, limit: float, seed: int) -> Outcome:
    topology = case.topology(free_port())
    options = [
        f"--dut={DAEMON_ADDRESS}:{topology.port}",
        f"--dut-as={DAEMON_ASN}",
        f"--limit={limit}",
        f"--seed={seed}",
        *case.load_options(),
    ]
    if case.is_cold:
        options.append(f"--epoch={time.monotonic():.6f}")
        driver.launch(topology)
    else:
        driver.start(topology)
    processes = driver.processes()
    options.append(f"--pids={','.join(map(str, processes))}")
    began, busy, own = time.monotonic(), machine.busy_seconds(), machine.own_seconds(processes)
    outcome = load.run(options)
    spent = machine.busy_seconds() - busy - (machine.own_seconds(driver.processes()) - own)
    outcome.foreign_cores = round(max(spent / (time.monotonic() - began), 0.0), 3)
    outcome.peak_mib = round(driver.peak_memory(), 1)
    if driver.exit_status() is not None:
        outcome.ok = False
        outcome.error = f"exit status {driver.exit_status()}: {driver.last_words()}; {outcome.error}"
        return outcome
    with suppress(OSError):  # the figure is extra: a daemon that cannot answer any more is judged by its routes
        outcome.loop_lag_s = driver.loop_lag()
    if outcome.attrs_ok is False:
        outcome.ok = False
        outcome.error = outcome.error or "attributes changed on the way"
    if not outcome.ok and not outcome.error:
        outcome.error = _what_is_missing(outcome)
    return outcome


def _what_is_missing(outcome: Outcome) -> str:
    parts = [
        f"{name}: {phase.sinks_full} sinks right, least held {phase.min_held} of {phase.want}"
        for name, phase in outcome.phases.items()
        if not phase.ok
    ]
    return "; ".join(parts) or f"{outcome.unexpected} unknown prefixes, {outcome.bad_attrs} faulty UPDATEs"
