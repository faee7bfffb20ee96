"""What is written to the kernel for the best paths of a prefix: pools, IPIP, cross-subnet, ECMP.

A pool says how its prefixes are reached: plainly, through the IPIP device always, or only if the BGP next hop is
outside our own subnets. Next hops that another agent encrypts what goes to are not written. Through the tunnel the
gateway is the BGP next hop itself, on-link, on each leg of a multipath route too. Without a tunnel device the route
is plain. IPIP carries IPv4 only.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Final

from bgpd.addresses import covers, host_prefix, truncate
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.routes import FibRoute, Leg, RouteKind
from bgpd.records import dataclass

_HIGHEST: Final = 2147483647  # LOCAL_PREF of metric 0
_DEFAULT_LOCAL_PREF: Final = 100
_MEMO: Final = 16_384  # sets of next hops, then it starts again


class Ipip(Enum):
    """When a pool's prefixes go through the IPIP device."""

    NEVER = "never"
    ALWAYS = "always"
    CROSS_SUBNET = "cross-subnet"


@dataclass(frozen=True, slots=True)
class Pool:
    """A range of container addresses. is_programmed: write its routes at all (False: another agent does)."""

    family: Family
    prefix: bytes
    ipip: Ipip = Ipip.NEVER
    is_programmed: bool = True


@dataclass(frozen=True, slots=True)
class Hop:
    """A resolved next hop. address: the BGP next hop. gateway: that leads to it, empty = it is on the device's link."""

    address: bytes
    gateway: bytes
    device: int


class Programmer:
    """Turns best paths into routes; the same hops give the same FibRoute object.

    subnets: connected prefixes of our own node addresses. tunnel: index of the IPIP device, 0 = there is none. metric:
    0 = unset. encrypted: next hops that another agent writes the routes of. priorities: metric of ordinary routes by
    family, where LOCAL_PREF tells metrics; a route's is what LOCAL_PREF leaves of 2^31 - 1 then.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        subnets: Sequence[tuple[Family, bytes]],
        *,
        tunnel: int,
        ecmp: int,
        metric: int,
        encrypted: frozenset[bytes] = frozenset(),
        priorities: Mapping[Family, int] = MappingProxyType({}),
    ) -> None:
        self._subnets = tuple(prefix for family, prefix in subnets if family is IPV4_UNICAST)
        self._tunnel = tunnel
        self._ecmp = max(1, ecmp)
        self._metric = metric or None
        self._encrypted = encrypted
        self._priorities = priorities
        self._pools: dict[Family, dict[bytes, Pool]] = {}
        for pool in pools:
            self._pools.setdefault(pool.family, {})[pool.prefix] = pool
        self._lengths = {
            family: tuple(sorted({prefix[0] for prefix in pools}, reverse=True))
            for family, pools in self._pools.items()
        }
        self._routes: dict[tuple[Ipip, tuple[Hop, ...], int | None], FibRoute] = {}
        self._black_hole = FibRoute((), RouteKind.BLACKHOLE, metric=self._metric)
        self._black_holes = {
            family: FibRoute((), RouteKind.BLACKHOLE, metric=priority) for family, priority in priorities.items()
        }

    def pool(self, family: Family, prefix: bytes) -> Pool | None:
        """Return the most specific pool that the prefix is in."""
        for length in self._lengths.get(family, ()):
            if length <= prefix[0]:
                pool = self._pools[family].get(truncate(prefix, length))
                if pool is not None:
                    return pool
        return None

    def has_pools(self, family: Family) -> bool:
        """Is there a pool of that family?"""
        return family in self._lengths

    def route(
        self, family: Family, prefix: bytes, hops: tuple[Hop, ...], local_pref: int | None = None
    ) -> FibRoute | None:
        """Return what to write for a prefix with these equal next hops; None: nothing. local_pref: of the best path."""
        pool = self.pool(family, prefix) if family in self._lengths else None
        if pool is not None and not pool.is_programmed:
            return None
        mode = pool.ipip if pool is not None and family is IPV4_UNICAST else Ipip.NEVER
        metric = self._metric
        if family in self._priorities:
            metric = max(1, _HIGHEST - (_DEFAULT_LOCAL_PREF if local_pref is None else local_pref))
        if self._encrypted:
            hops = tuple([hop for hop in hops if hop.address not in self._encrypted])
        route = self._routes.get((mode, hops, metric))
        if route is None and hops:
            if len(self._routes) >= _MEMO:
                self._routes.clear()
            route = self._routes[mode, hops, metric] = self._build(mode, hops, metric)
        return route

    def is_left_alone(self, family: Family, prefix: bytes) -> bool:
        """Does another agent write what is inside the prefix's pool?"""
        pool = self.pool(family, prefix)
        return pool is not None and not pool.is_programmed

    def black_hole(self, family: Family, prefix: bytes) -> FibRoute | None:
        """Return what to write for a network of our own; None: its pool is another agent's business."""
        pool = self.pool(family, prefix)
        if pool is not None and not pool.is_programmed:
            return None
        return self._black_holes.get(family, self._black_hole)

    def _build(self, mode: Ipip, hops: tuple[Hop, ...], metric: int | None) -> FibRoute:
        legs = dict.fromkeys(self._leg(mode, hop) for hop in hops)
        return FibRoute(tuple(legs)[: self._ecmp], metric=metric)

    def _leg(self, mode: Ipip, hop: Hop) -> Leg:
        if self._is_tunnelled(mode, hop.address):
            return Leg(hop.address, self._tunnel, is_onlink=True)
        return Leg(hop.gateway or hop.address, hop.device)

    def _is_tunnelled(self, mode: Ipip, address: bytes) -> bool:
        if mode is Ipip.NEVER or not self._tunnel or len(address) != IPV4_UNICAST.octets:
            return False
        if mode is Ipip.ALWAYS:
            return True
        host = host_prefix(address)
        return not any(covers(subnet, host) for subnet in self._subnets)
