"""What a lab is asked to be: the choices of ``bgpd lab``, checked."""

from enum import Enum
from typing import Final

from bgpd.records import dataclass

MAX_NODES: Final = 250  # the third octet of 10.65.n.m
MAX_CONTAINERS: Final = 250  # the fourth


class LabError(Exception):
    """The lab cannot be built or driven; the text is for the person who asked for it."""


class Underlay(Enum):
    """How the nodes reach each other."""

    BRIDGE = "bridge"  # one subnet, as in a rack
    L3 = "l3"  # a subnet for each node, joined by a router that runs bgpd too


@dataclass(frozen=True, slots=True)
class LabOptions:
    """The command line of ``bgpd lab``."""

    nodes: int = 3
    containers: int = 2  # for each node
    reflectors: int = 0  # 0 = full mesh; else so many hosts besides the nodes
    as_per_node: bool = False  # each node its own AS, sessions are eBGP
    underlay: Underlay = Underlay.BRIDGE
    keep: bool = False  # leave it up, print how to enter it
    down: str = ""  # name of a kept lab to remove; everything above is ignored then
    walkthrough: str = ""  # a page whose commands are run on hosts with an etcd; everything else is ignored then
    record: bool = False  # write into that page what its commands print
    timeout: float = 30.0  # seconds to wait for convergence
    log_level: str = "info"

    def check(self) -> None:
        """Raise LabError for a combination that makes no cluster."""
        if not 1 <= self.nodes <= MAX_NODES:
            raise LabError(f"--nodes is between 1 and {MAX_NODES}, not {self.nodes}")
        if not 0 <= self.containers <= MAX_CONTAINERS:
            raise LabError(f"--containers is between 0 and {MAX_CONTAINERS}, not {self.containers}")
        if not 0 <= self.reflectors <= MAX_NODES - self.nodes:
            raise LabError(f"--reflectors is between 0 and {MAX_NODES - self.nodes} here, not {self.reflectors}")
        if self.reflectors and self.as_per_node:
            raise LabError("--reflectors reflect within one AS; leave out --as")
        if self.record and not self.walkthrough:
            raise LabError("--record is for --walkthrough PAGE")
