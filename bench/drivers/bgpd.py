"""Our own daemon, as it runs for users: all checks, the policy engine, statistics and the control socket are in place.

Settings: log level error; no HTTP listener; without kernel use every next hop counts as reachable.
"""

import compileall
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import bgpd
from bench.drivers.driver import Driver, first_line
from bench.topology import (
    DAEMON_ADDRESS,
    DAEMON_ASN,
    FIB_TABLE,
    LEARNED_DEVICE,
    ROUTER_ID,
    UNDERLAY,
    KernelUse,
    Topology,
)

_PROGRAM: Final = (sys.executable, "-m", "bgpd")
_LAG: Final = "bgpd_event_loop_lag_seconds_bucket"
_KERNEL: Final = {
    KernelUse.NONE: ["enabled = false"],
    KernelUse.WRITE: [f"table = {FIB_TABLE}", "learn = []"],
    KernelUse.LEARN: [f'learn = [{{ protocols = ["static"], devices = ["{LEARNED_DEVICE}"] }}]'],
}


class Bgpd(Driver):
    """bgpd of this checkout."""

    name = "bgpd"
    binary = sys.executable
    can_use_kernel = True

    def __init__(self) -> None:
        super().__init__()
        self._socket = ""

    def version(self) -> str:
        # An installed package has its bytecode; a checkout may not, and then each start would compile all of it
        compileall.compile_dir(Path(bgpd.__file__).parent, quiet=1)
        return first_line(*_PROGRAM, "--version").removeprefix("bgpd ")

    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        self._socket = f"{directory}/bgpd.sock"
        return {"bgp.toml": "\n".join(_lines(topology, self._socket)) + "\n"}

    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        return (*_PROGRAM, "--config", f"{directory}/bgp.toml")

    def loop_lag(self) -> float | None:
        return largest_lag(_get(self._socket, "/metrics"))


def largest_lag(text: str) -> float | None:
    """Return the least bound (seconds) below which the loop's lag has always been, from the text of the metrics."""
    buckets = list[tuple[float, float]]()
    for line in text.splitlines():
        if line.startswith(_LAG):
            label, _, count = line.rpartition(" ")
            buckets.append((float(label.split('"')[1]), float(count)))
    if not buckets or not buckets[-1][1]:
        return None
    return next(bound for bound, count in buckets if count == buckets[-1][1])


def _get(path: str, page: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"GET {page} HTTP/1.0\r\nHost: bgpd\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def _lines(topology: Topology, control: str) -> list[str]:
    addresses = [f"{DAEMON_ADDRESS}/8", "fd00:ffff::1/64"]
    if topology.kernel is KernelUse.WRITE:
        addresses += UNDERLAY.values()
    lines = [
        "[node]",
        'name = "bench"',
        f"asn = {DAEMON_ASN}",
        f'router_id = "{ROUTER_ID}"',
        f"addresses = {json.dumps(addresses)}",
        f'listen = ["{DAEMON_ADDRESS}"]',
        f"port = {topology.port}",
        *([f'cluster_id = "{ROUTER_ID}"'] if topology.is_reflector else []),
        "[session]",
        f"hold_time = {topology.hold_time}",
        "ebgp_requires_policy = false",
        "[kernel]",
        *_KERNEL[topology.kernel],
        "[http]",
        'listen = ""',
        "[control]",
        f'socket = "{control}"',
        "[log]",
        'level = "error"',
    ]
    for speaker in topology.speakers:
        lines += ["[[peer]]", f'address = "{speaker.address}"', f"asn = {speaker.asn}", "passive = true"]
        lines.append(f'families = ["ipv{speaker.family}-unicast"]')
        if topology.is_reflector:
            lines.append("reflector_client = true")
    return lines
