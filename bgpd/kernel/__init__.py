"""The only netlink code: what is learned from the kernel, how next hops are reached, and our routes in it."""

from bgpd.kernel.fib import FibStats
from bgpd.kernel.kernel import Kernel
from bgpd.kernel.learning import LearnedRun, LocalRoute
from bgpd.kernel.links import InterfaceAddress, Link
from bgpd.kernel.lookup import Resolution
from bgpd.kernel.netlink import KernelError
from bgpd.kernel.programming import Hop, Ipip, Pool, Programmer
from bgpd.kernel.retries import FibFailure
from bgpd.kernel.routes import FibRoute, Leg, RouteKind
from bgpd.kernel.settings import KernelSettings, LearnRule, parse_protocol
from bgpd.kernel.watcher import KernelUser

__all__ = [
    "FibFailure",
    "FibRoute",
    "FibStats",
    "Hop",
    "InterfaceAddress",
    "Ipip",
    "Kernel",
    "KernelError",
    "KernelSettings",
    "KernelUser",
    "LearnRule",
    "LearnedRun",
    "Leg",
    "Link",
    "LocalRoute",
    "Pool",
    "Programmer",
    "Resolution",
    "RouteKind",
    "parse_protocol",
]
