"""FRR's bgpd alone: without zebra (-Z) and kernel routes (-n).

Settings: advertisement-interval 0 (no MRAI) and coalesce-time 0: by default FRR holds an update group's first updates
back for 1 s and 50 ms more for each peer, at most 10 s, which would hide everything else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drivers.driver import Driver, first_line
from bench.topology import DAEMON_ADDRESS, DAEMON_ASN, ROUTER_ID, Topology


class Frr(Driver):
    """FRR's bgpd in the foreground."""

    name = "frr"
    binary = "/usr/lib/frr/bgpd"

    def version(self) -> str:
        return first_line(self.binary, "--version").removeprefix("bgpd version ")

    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        return {"frr.conf": "\n".join(_lines(topology)) + "\n"}

    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        return (
            *(self.binary, "-f", f"{directory}/frr.conf", "-p", str(topology.port), "-l", DAEMON_ADDRESS, "-n", "-Z"),
            *("-S", "-P", "0", "-i", f"{directory}/bgpd.pid", "--vty_socket", str(directory)),
        )


def _lines(topology: Topology) -> list[str]:
    groups = sorted({speaker.family for speaker in topology.speakers})
    lines = [
        "log file /dev/null errors",
        f"router bgp {DAEMON_ASN}",
        f" bgp router-id {ROUTER_ID}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        f" timers bgp {topology.hold_time // 3} {topology.hold_time}",
        " coalesce-time 0",
    ]
    for family in groups:
        lines += [
            f" neighbor G{family} peer-group",
            f" neighbor G{family} passive",
            f" neighbor G{family} advertisement-interval 0",
            f" neighbor G{family} remote-as {DAEMON_ASN}"
            if topology.is_reflector
            else f" neighbor G{family} disable-connected-check",
        ]
    for speaker in topology.speakers:
        if not topology.is_reflector:
            lines.append(f" neighbor {speaker.address} remote-as {speaker.asn}")
        lines.append(f" neighbor {speaker.address} peer-group G{speaker.family}")
    for family in groups:
        lines += [
            f" address-family ipv{family} unicast",
            f"  neighbor G{family} activate",
            *([f"  neighbor G{family} route-reflector-client"] if topology.is_reflector else []),
            " exit-address-family",
        ]
    return lines
