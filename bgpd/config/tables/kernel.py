"""The tables about the kernel's routes: ``[kernel]`` and ``[[pool]]``."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about, written
from bgpd.config.tables.values import U32, InterfaceGlob


class IpipMode(StrEnum):
    """When routes of a pool go through the IPIP tunnel device."""

    NEVER = "never"
    ALWAYS = "always"
    CROSS_SUBNET = "cross-subnet"


class PoolTable(Table, frozen=True, kw_only=True):
    """A pool of container addresses."""

    cidr: Annotated[str, about("The pool.", written=syntax.PREFIX, required=True)] = ""
    ipip: Annotated[IpipMode, about("When its routes go through the tunnel device (IPv4 only).")] = IpipMode.NEVER
    export: Annotated[bool, about("`false` = routes inside are not sent to peers.")] = True


class LearnTable(Table, frozen=True, kw_only=True):
    """Kernel routes of others that we announce; a route must match all of a rule's keys."""

    protocols: Annotated[
        tuple[Annotated[int | str, written(syntax.ROUTE_PROTOCOL)], ...],
        about("Route protocols; `[]` = any but the kernel's own and ours."),
    ] = ()
    devices: Annotated[
        tuple[InterfaceGlob, ...], about("Interfaces, `*` for any characters; `[]` = any, also none (black holes).")
    ] = ()
    gateway: Annotated[bool, about("Also routes that lead through a gateway.")] = False
    table: Annotated[U32, about("Routing table; 0 = `kernel.table`.")] = 0


DEFAULT_LEARN: Final = (LearnTable(protocols=("boot", "static"), devices=("cali*",)),)


class KernelTable(Table, frozen=True, kw_only=True):
    """The kernel's routing table."""

    enabled: Annotated[bool, about("`false` = no netlink at all; every next hop counts as reachable.")] = True
    table: Annotated[Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)], about("Routing table to write to.")] = 254
    protocol: Annotated[
        int, about("Route protocol number that marks our routes (Calico's BIRD: 12).", written=syntax.OWN_PROTOCOL)
    ] = 186
    metric: Annotated[U32, about("Metric of our routes; 0 = leave unset.")] = 0
    tunnel_device: Annotated[str, about("IPIP device.", written=syntax.INTERFACE)] = "tunl0"
    ecmp: Annotated[Annotated[int, Meta(ge=1, le=256)], about("Most next hops of a route.")] = 16
    learn: tuple[LearnTable, ...] = DEFAULT_LEARN
    import_default_route: Annotated[bool, about("Accept a default route from peers.")] = False
