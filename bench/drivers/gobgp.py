"""GoBGP's gobgpd, which leaves the kernel alone without a zebra section.

Settings: it has no MRAI; log level error; pprof is off; Go uses every core.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drivers.driver import Driver, first_line, free_port
from bench.topology import DAEMON_ADDRESS, DAEMON_ASN, ROUTER_ID, Topology


class Gobgp(Driver):
    """gobgpd in the foreground."""

    name = "gobgp"
    binary = "gobgpd"

    def version(self) -> str:
        return first_line("gobgpd", "--version").removeprefix("gobgpd version ")

    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        return {"gobgpd.toml": "\n".join(_lines(topology)) + "\n"}

    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        return (
            *("gobgpd", "-f", f"{directory}/gobgpd.toml", "-l", "error", "-p", "--pprof-disable"),
            f"--api-hosts=127.0.0.1:{free_port()}",
        )


def _lines(topology: Topology) -> list[str]:
    lines = [
        "[global.config]",
        f"as = {DAEMON_ASN}",
        f'router-id = "{ROUTER_ID}"',
        f"port = {topology.port}",
        f'local-address-list = ["{DAEMON_ADDRESS}"]',
    ]
    for speaker in topology.speakers:
        lines += [
            "[[neighbors]]",
            "[neighbors.config]",
            f'neighbor-address = "{speaker.address}"',
            f"peer-as = {speaker.asn}",
            "[neighbors.transport.config]",
            "passive-mode = true",
            f'local-address = "{DAEMON_ADDRESS}"',
            "[neighbors.timers.config]",
            f"hold-time = {topology.hold_time}",
            f"keepalive-interval = {topology.hold_time // 3}",
        ]
        if topology.is_reflector:
            lines += [
                "[neighbors.route-reflector.config]",
                "route-reflector-client = true",
                f'route-reflector-cluster-id = "{ROUTER_ID}"',
            ]
        lines += [
            "[[neighbors.afi-safis]]",
            "[neighbors.afi-safis.config]",
            f'afi-safi-name = "ipv{speaker.family}-unicast"',
        ]
    return lines
