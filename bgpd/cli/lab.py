"""``bgpd lab``: the command line of the lab."""

import argparse
from collections.abc import Sequence

from bgpd.cli.logs import LEVELS
from bgpd.lab import LabOptions, Underlay, run


def main(words: Sequence[str]) -> int:
    """Build the lab that the words ask for; return the exit status."""
    defaults = LabOptions()
    parser = argparse.ArgumentParser(
        prog="bgpd lab",
        description="Builds a cluster of network namespaces on this machine, starts a bgpd on each node, shows its "
        "sessions, its routes and which containers reach each other, and takes everything down again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--nodes", type=int, default=defaults.nodes, help="how many")
    parser.add_argument("--containers", type=int, default=defaults.containers, help="on each node")
    parser.add_argument(
        "--reflectors", type=int, default=defaults.reflectors, help="hosts that reflect; 0 = a full mesh"
    )
    parser.add_argument("--as", dest="as_per_node", action="store_true", help="an AS for each node, eBGP between them")
    parser.add_argument(
        "--underlay",
        type=Underlay,
        choices=list(Underlay),
        default=defaults.underlay,
        metavar="|".join(underlay.value for underlay in Underlay),
        help="how the nodes are joined",
    )
    parser.add_argument("--keep", action="store_true", help="leave it up and say how to enter it")
    parser.add_argument("--down", metavar="NAME", default=defaults.down, help="take down a lab that was kept")
    parser.add_argument(
        "--walkthrough",
        metavar="PAGE",
        default=defaults.walkthrough,
        help="run a page's commands on hosts with an etcd instead, and hold what they print to the page",
    )
    parser.add_argument("--record", action="store_true", help="write into that page what its commands print")
    parser.add_argument("--timeout", type=float, default=defaults.timeout, help="seconds to wait for convergence")
    parser.add_argument("--log-level", choices=list(LEVELS), default=defaults.log_level, help="of the daemons")
    return run(LabOptions(**vars(parser.parse_args(words))))
