"""BIRD 2. Without kernel use there is no kernel protocol in its configuration.

Settings: BIRD has no MRAI; logging is off. Peers in 127/8 cannot be "direct" in BIRD, so sessions are "multihop";
received next hops resolve in a table of their own, so that BGP routes cause no next-hop resolution again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drivers.driver import Driver, first_line
from bench.topology import DAEMON_ADDRESS, DAEMON_ASN, FIB_TABLE, ROUTER_ID, KernelUse, Topology


class Bird(Driver):
    """BIRD in the foreground."""

    name = "bird"
    binary = "bird"
    can_use_kernel = True

    def version(self) -> str:
        return first_line("bird", "--version").removeprefix("BIRD version ")

    def files(self, topology: Topology, directory: Path) -> Mapping[str, str]:
        return {"bird.conf": "\n".join(_lines(topology)) + "\n"}

    def command(self, topology: Topology, directory: Path) -> Sequence[str]:
        return ("bird", "-f", "-c", f"{directory}/bird.conf", "-s", f"{directory}/bird.ctl")


def _lines(topology: Topology) -> list[str]:
    lines = [
        'log "/dev/null" { fatal };',
        f"router id {ROUTER_ID};",
        "ipv4 table igp4;",
        "ipv6 table igp6;",
        "protocol device {}",
        *_kernel(topology),
        "template bgp T {",
        f"  local {DAEMON_ADDRESS} port {topology.port} as {DAEMON_ASN};",
        f"  multihop; passive; strict bind; hold time {topology.hold_time};",
        *(["  rr client;"] if topology.is_reflector else []),
        "}",
    ]
    for number, speaker in enumerate(topology.speakers):
        lines.append(
            f"protocol bgp p{number} from T {{ neighbor {speaker.address} as {speaker.asn}; "
            f"{_channel(speaker.family, topology)} }}"
        )
    return lines


def _channel(family: int, topology: Topology) -> str:
    # An IPv6 next hop of our own cannot be derived from an IPv4 session
    own = " next hop self;" if topology.kernel is KernelUse.LEARN else ""
    address = " next hop address fd00:ffff::1;" if family == 6 else ""
    return f"ipv{family} {{ import all; export all; igp table igp{family};{own}{address} }};"


def _kernel(topology: Topology) -> list[str]:
    v = topology.family
    match topology.kernel:
        case KernelUse.NONE:
            return [
                'protocol static { ipv4 { table igp4; }; route 10.0.0.0/8 via "lo"; }',
                'protocol static { ipv6 { table igp6; }; route fd00::/16 via "lo"; }',
            ]
        case KernelUse.WRITE:
            return [
                "protocol direct { ipv4 { table igp4; }; ipv6 { table igp6; }; }",
                f"protocol kernel {{ kernel table {FIB_TABLE}; ipv{v} {{ import none; export all; }}; }}",
            ]
        case KernelUse.LEARN:
            return [f"protocol kernel {{ learn; ipv{v} {{ import all; export none; }}; }}"]
