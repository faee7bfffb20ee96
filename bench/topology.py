"""Who speaks with the daemon that is measured, and what it has to do with the kernel.

Speaker i of the load tool is 127.1.x.y, counted from 127.1.0.1, and announces next hop 10.1.x.y or fd00:100::a01:xxyy:
next hops in 127/8 are refused by some daemons. Feeders come first, then sinks, then watchers.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

DAEMON_ASN: Final = 65000
DAEMON_ADDRESS: Final = "127.0.0.1"
ROUTER_ID: Final = "10.255.255.1"
FIB_TABLE: Final = 100  # routing table that is written to, empty before
LEARNED_DEVICE: Final = "cali1"
UNDERLAY_DEVICE: Final = "eth0"
UNDERLAY: Final = {4: "10.1.255.254/16", 6: "fd00:100::ffff/64"}  # by family: our address where the next hops are

_FEEDER_ASN: Final = 65001
_SINK_ASN: Final = 65301
_WATCHER_ASN: Final = 67001


class KernelUse(Enum):
    """What the daemon does with the kernel's routes."""

    NONE = "none"
    WRITE = "write"
    LEARN = "learn"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A peer that the load tool plays. family: the only one of its session, 4 or 6."""

    address: str
    asn: int
    family: int


@dataclass(frozen=True, slots=True)
class Topology:
    """What a driver makes a configuration of.

    hold_time: seconds. is_reflector: every speaker is an internal peer and a reflector client.
    """

    port: int
    speakers: tuple[Speaker, ...]
    family: int
    hold_time: int
    is_reflector: bool
    kernel: KernelUse


def speaker_address(number: int) -> str:
    """Return the address of a speaker; start_connect() in bgpload.c has the same rule."""
    return f"127.1.{(number + 1) >> 8}.{(number + 1) & 255}"


def routers(feeders: int, sinks: int, watchers: int, family: int) -> tuple[Speaker, ...]:
    """Return external speakers; watchers have a session for the other family."""
    asns = [_FEEDER_ASN + index for index in range(feeders)] + [_SINK_ASN + index for index in range(sinks)]
    speakers = [Speaker(speaker_address(number), asn, family) for number, asn in enumerate(asns)]
    for index in range(watchers):
        speakers.append(Speaker(speaker_address(len(asns) + index), _WATCHER_ASN + index, 10 - family))
    return tuple(speakers)


def clients(count: int, family: int) -> tuple[Speaker, ...]:
    """Return reflector clients."""
    return tuple(Speaker(speaker_address(number), DAEMON_ASN, family) for number in range(count))
