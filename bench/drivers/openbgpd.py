"""OpenBGPD, the portable edition: fib-update no (on Linux it writes no kernel routes anyway).

Settings: it has no MRAI; updates are not logged; all filters are plain allows. It is three processes (parent, session
engine, route decision engine), whose CPU and memory are summed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drivers.driver import Driver, first_line
from bench.topology import DAEMON_ADDRESS, DAEMON_ASN, ROUTER_ID, Topology


class Openbgpd(Driver):
    """OpenBGPD in the foreground, called by its path: its program has our name."""

    name = "openbgpd"
    binary = "/usr/sbin/bgpd"

    def is_installed(self) -> bool:
        return Path(self.binary).exists() and "OpenBGPD" in first_line(self.binary, "-V")

    def version(self) -> str:
        return first_line(self.binary, "-V").removeprefix("OpenBGPD ")

    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        return {"bgpd.conf": "\n".join(_lines(topology, directory)) + "\n"}

    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        return (self.binary, "-d", "-f", f"{directory}/bgpd.conf")


def _lines(topology: Topology, directory: Path) -> list[str]:
    lines = [
        f"AS {DAEMON_ASN}",
        f"router-id {ROUTER_ID}",
        "fib-update no",
        f"holdtime {topology.hold_time}",
        f"listen on {DAEMON_ADDRESS} port {topology.port}",
        f'socket "{directory}/bgpd.sock"',
    ]
    for family in sorted({speaker.family for speaker in topology.speakers}):
        lines += [
            f'group "v{family}" {{',
            "  passive",
            f"  announce IPv{family} unicast",
            *(["  announce IPv4 none"] if family == 6 else []),
            *([f"  remote-as {DAEMON_ASN}", "  route-reflector"] if topology.is_reflector else []),
        ]
        for speaker in topology.speakers:
            if speaker.family == family:
                asn = "" if topology.is_reflector else f" {{ remote-as {speaker.asn} }}"
                lines.append(f"  neighbor {speaker.address}{asn}")
        lines.append("}")
    return [*lines, "allow from any", "allow to any"]
