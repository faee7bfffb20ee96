"""Routes as the kernel knows them.

A route is a prefix (canonical wire octets, see ``bgpd.addresses``) and a body, which is everything else: of others'
routes a RouteBody as it was read, of ours a FibRoute as it is to be written. Reading and writing: ``reading``,
``packing``.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.rtnetlink import RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE
from bgpd.records import dataclass

# What a route without a metric has: IPv6 makes it IP6_RT_PRIO_USER.
DEFAULT_METRIC: Final[Mapping[Family, int]] = MappingProxyType({IPV4_UNICAST: 0, IPV6_UNICAST: 1024})


class RouteKind(IntEnum):
    """What a route of ours does with a packet; the values of rtm_type."""

    UNICAST = RTN_UNICAST
    BLACKHOLE = RTN_BLACKHOLE
    UNREACHABLE = RTN_UNREACHABLE
    PROHIBIT = RTN_PROHIBIT


_KINDS: Final[Mapping[int, RouteKind]] = MappingProxyType({int(kind): kind for kind in RouteKind})


@dataclass(frozen=True, slots=True)
class Leg:
    """One way of a route.

    gateway: octets, empty = the destination is on the device's link; of the other family = RFC 8950. device: interface
    index, 0 = the kernel finds it. weight: 1 to 256.
    """

    gateway: bytes
    device: int
    is_onlink: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True)
class FibRoute:
    """What a prefix of ours is written as. One object may serve any number of prefixes; its hash is worked out once.

    source: preferred source address, empty = none. metric: None = unset.
    """

    legs: tuple[Leg, ...]
    kind: RouteKind = RouteKind.UNICAST
    source: bytes = b""
    metric: int | None = None
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.legs, self.kind, self.source, self.metric)))

    def __hash__(self) -> int:
        return self._hash


class RouteBody:
    """All of a kernel route but its prefix; shared by routes that differ only there.

    kind: rtm_type. flags: rtm_flags. metric: 0 = none. alone: the 1-tuple of this body.
    """

    __slots__ = ("alone", "family", "flags", "kind", "legs", "metric", "protocol", "source", "table", "tos")

    def __init__(
        self,
        family: Family,
        table: int,
        protocol: int,
        *,
        kind: int = RTN_UNICAST,
        metric: int = 0,
        legs: tuple[Leg, ...] = (),
        source: bytes = b"",
        tos: int = 0,
        flags: int = 0,
    ) -> None:
        self.family = family
        self.table = table
        self.protocol = protocol
        self.kind = kind
        self.metric = metric
        self.legs = legs
        self.source = source
        self.tos = tos
        self.flags = flags
        self.alone: tuple[RouteBody, ...] = (self,)

    def is_like(self, other: "RouteBody") -> bool:
        """Is it the same route, whatever the state of its links?"""
        return self is other or (
            self.metric == other.metric
            and self.protocol == other.protocol
            and self.kind == other.kind
            and self.tos == other.tos
            and self.source == other.source
            and self.legs == other.legs
        )

    def with_legs(self, legs: tuple[Leg, ...]) -> "RouteBody":
        """Return the same route with other legs."""
        return RouteBody(
            self.family,
            self.table,
            self.protocol,
            kind=self.kind,
            metric=self.metric,
            legs=legs,
            source=self.source,
            tos=self.tos,
            flags=self.flags,
        )

    def __repr__(self) -> str:
        return f"<RouteBody table {self.table} protocol {self.protocol} metric {self.metric} {self.legs}>"


def fib_route(body: RouteBody) -> FibRoute:
    """Return a kernel route in the form that we program, to be compared with ``is_written``."""
    kind = _KINDS.get(body.kind, RouteKind.UNREACHABLE)
    return FibRoute(body.legs, kind, body.source, body.metric)


def metric_of(family: Family, route: FibRoute) -> int:
    """Return the metric that the kernel gives the route."""
    return route.metric or DEFAULT_METRIC[family]


def is_written(family: Family, found: FibRoute, wanted: FibRoute) -> bool:
    """Is what we found in the kernel what we want there? The order of legs does not count."""
    if found is wanted:
        return True
    if found.kind != wanted.kind or found.source != wanted.source:
        return False
    if metric_of(family, found) != metric_of(family, wanted):
        return False
    return found.legs == wanted.legs or _sorted_legs(found.legs) == _sorted_legs(wanted.legs)


def _sorted_legs(legs: tuple[Leg, ...]) -> list[tuple[bytes, int, bool, int]]:
    if len(legs) == 1:
        return [(legs[0].gateway, legs[0].device, legs[0].is_onlink, 1)]
    return sorted((leg.gateway, leg.device, leg.is_onlink, leg.weight) for leg in legs)
