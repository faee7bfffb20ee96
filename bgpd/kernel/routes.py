"""Routes as the kernel knows them, and the octets of their netlink messages. Hot: reading and packing.

rtnetlink(7), uapi/linux/rtnetlink.h: ``struct nlmsghdr`` (16 octets), ``struct rtmsg`` (12), attributes. A route is a
prefix (canonical wire octets, see ``bgpd.addresses``) and a body, which is everything else. Bodies are interned by
their octets, so 100,000 routes through one gateway share one. RFC 8950 next hops are written as RTA_VIA.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from types import MappingProxyType
from typing import Final

from bgpd.families import FAMILY_BY_ADDRESS_SIZE, FAMILY_BY_KERNEL, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.rtnetlink import (
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_COMPAT,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTA_VIA,
    RTM_DELROUTE,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    RTN_BLACKHOLE,
    RTN_PROHIBIT,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
)

# What a route without a metric has: IPv6 makes it IP6_RT_PRIO_USER.
DEFAULT_METRIC: Final[Mapping[Family, int]] = MappingProxyType({IPV4_UNICAST: 0, IPV6_UNICAST: 1024})

_MAX_BODIES: Final = 1 << 17
_HEADER: Final = Struct("=IHH8xBB")  # length, type, flags, -, -, family, prefix length
_ROUTE: Final = Struct("=BBBBBBBBI")  # family, prefix length, source length, TOS, table, protocol, scope, type, flags
_ATTRIBUTE: Final = Struct("=HH")  # length, type
_U32: Final = Struct("=I")
_U32_ATTRIBUTE: Final = Struct("=HHI")
_HOP: Final = Struct("=HBBI")  # length, flags, weight - 1, device
_FAMILY: Final = Struct("=H")

_MESSAGE: Final = {
    family: Struct(f"=IHHIIBBBBBBBBIHH{family.octets}s") for family in (IPV4_UNICAST, IPV6_UNICAST)
}  # the prefix's octets are filled up with zeros by struct
_DST_HEADER: Final = {family.kernel: _ATTRIBUTE.pack(4 + family.octets, RTA_DST) for family in _MESSAGE}
_OCTETS: Final = tuple((bits + 7) // 8 for bits in range(129))


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


# ---------------------------------------------------------------- reading

RouteMessage = tuple[int, int, bytes, RouteBody]
"""Type (RTM_NEWROUTE or RTM_DELROUTE), flags of the message, prefix, body."""


class RouteReader:
    """Reads route messages of some tables and interns the bodies."""

    def __init__(self, tables: frozenset[int]) -> None:
        self.tables = tables
        self._bodies: dict[bytes, RouteBody | None] = {}

    def read(self, buffer: bytes) -> list[RouteMessage]:
        """Return the route messages in a datagram that are of our tables; other messages are passed over."""
        messages: list[RouteMessage] = []
        append, header, bodies, octets = messages.append, _HEADER.unpack_from, self._bodies, _OCTETS
        dst_header = _DST_HEADER
        position, size = 0, len(buffer)
        while position + 28 <= size:
            length, kind, flags, family, bits = header(buffer, position)
            if length < 16:
                break
            end = position + length
            if kind in (RTM_NEWROUTE, RTM_DELROUTE) and family in dst_header:
                # The kernel puts RTA_TABLE (8 octets) first and RTA_DST second; the rest is the body.
                start = position + 40
                if buffer[position + 36 : start] == dst_header[family] and bits < 129:
                    prefix = buffer[position + 17 : position + 18] + buffer[start : start + octets[bits]]
                    rest = start + (4 if family == 2 else 16)
                else:
                    prefix = buffer[position + 17 : position + 18]
                    rest = position + 36
                key = buffer[position + 16 : position + 17] + buffer[position + 18 : position + 36] + buffer[rest:end]
                body = bodies.get(key)
                if body is None and key not in bodies:
                    body = self._intern(key, buffer, position + 16, end)
                if len(prefix) == 1 and bits:
                    prefix = _attributes(buffer, position + 28, end).get(RTA_DST, b"")[
                        : octets[bits]
                    ]  # another order of attributes
                    prefix = bytes((bits,)) + prefix
                if body is not None:
                    append((kind, flags, prefix, body))
            position += (length + 3) & ~3
        return messages

    def _intern(self, key: bytes, buffer: bytes, position: int, end: int) -> RouteBody | None:
        _, body = parse_route(buffer, position, end)
        if body is not None and body.table not in self.tables:
            body = None
        if len(self._bodies) >= _MAX_BODIES:
            self._bodies.clear()
        self._bodies[key] = body
        return body


def _attributes(buffer: bytes, position: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while position + 4 <= end:
        length, code = _ATTRIBUTE.unpack_from(buffer, position)
        if length < 4:
            break
        found[code & 0x3FFF] = buffer[position + 4 : min(position + length, end)]
        position += (length + 3) & ~3
    return found


def _gateway(attributes: Mapping[int, bytes]) -> bytes:
    via = attributes.get(RTA_VIA)
    return via[2:] if via is not None else attributes.get(RTA_GATEWAY, b"")


def _multipath(value: bytes) -> tuple[Leg, ...]:
    legs: list[Leg] = []
    position = 0
    while position + 8 <= len(value):
        length, flags, hops, device = _HOP.unpack_from(value, position)
        if length < 8:
            break
        attributes = _attributes(value, position + 8, position + length)
        legs.append(Leg(_gateway(attributes), device, bool(flags & RTNH_F_ONLINK), hops + 1))
        position += (length + 3) & ~3
    return tuple(legs)


def parse_route(buffer: bytes, position: int, end: int) -> tuple[bytes, RouteBody | None]:
    """Return prefix and body of the ``struct rtmsg`` in buffer[position:end]; None: not IP, or cut short."""
    if end - position < _ROUTE.size or end > len(buffer):
        return b"\0", None
    family_number, bits, _, tos, table, protocol, _, kind, flags = _ROUTE.unpack_from(buffer, position)
    family = FAMILY_BY_KERNEL.get(family_number)
    if family is None or bits > family.bits:
        return b"\0", None
    attributes = _attributes(buffer, position + _ROUTE.size, end)
    prefix = bytes((bits,)) + attributes.get(RTA_DST, family.unspecified)[: _OCTETS[bits]]
    if RTA_TABLE in attributes:
        table = _U32.unpack(attributes[RTA_TABLE])[0]
    if kind in (RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT):
        legs: tuple[Leg, ...] = ()  # IPv6 names the loopback device, which means nothing
    elif RTA_MULTIPATH in attributes:
        legs = _multipath(attributes[RTA_MULTIPATH])
    elif RTA_OIF in attributes or RTA_GATEWAY in attributes:
        device = _U32.unpack(attributes.get(RTA_OIF, bytes(4)))[0]
        legs = (Leg(_gateway(attributes), device, bool(flags & RTNH_F_ONLINK)),)
    else:
        legs = ()
    body = RouteBody(
        family,
        table,
        protocol,
        kind=kind,
        metric=_U32.unpack(attributes.get(RTA_PRIORITY, bytes(4)))[0],
        legs=legs,
        source=attributes.get(RTA_PREFSRC, b""),
        tos=tos,
        flags=flags,
    )
    return prefix, body


# ---------------------------------------------------------------- packing


def _attribute(code: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), code) + value + bytes(-len(value) % 4)


def _pack_gateway(family: Family, gateway: bytes) -> bytes:
    if not gateway:
        return b""
    if len(gateway) == family.octets:
        return _attribute(RTA_GATEWAY, gateway)
    return _attribute(RTA_VIA, _FAMILY.pack(FAMILY_BY_ADDRESS_SIZE[len(gateway)].kernel) + gateway)


def _pack_leg(family: Family, leg: Leg) -> bytes:
    gateway = _pack_gateway(family, leg.gateway)
    flags = RTNH_F_ONLINK if leg.is_onlink else 0
    return _HOP.pack(_HOP.size + len(gateway), flags, leg.weight - 1, leg.device) + gateway


def _pack_legs(family: Family, legs: tuple[Leg, ...]) -> bytes:
    if len(legs) > 1:
        return _attribute(RTA_MULTIPATH, b"".join(_pack_leg(family, leg) for leg in legs))
    device = _U32_ATTRIBUTE.pack(8, RTA_OIF, legs[0].device) if legs[0].device else b""
    return _pack_gateway(family, legs[0].gateway) + device


class Shape:
    """The octets of a route's message that do not depend on its prefix.

    route: the first of all equal routes. size: of the whole message, octets. tail: the attributes behind RTA_DST.
    devices: interface indexes of its legs.
    """

    __slots__ = ("devices", "flags", "kind", "route", "scope", "size", "tail")

    def __init__(self, family: Family, table: int, route: FibRoute) -> None:
        legs = route.legs if route.kind is RouteKind.UNICAST else ()
        if route.kind is RouteKind.UNICAST and not legs:
            raise ValueError("a unicast route needs a leg")
        self.route = route
        tail = _U32_ATTRIBUTE.pack(8, RTA_TABLE, table) if table > 255 else b""
        if route.metric:
            tail += _U32_ATTRIBUTE.pack(8, RTA_PRIORITY, route.metric)
        if route.source:
            tail += _attribute(RTA_PREFSRC, route.source)
        self.tail = tail + (_pack_legs(family, legs) if legs else b"")
        self.size = _MESSAGE[family].size + len(self.tail)
        self.flags = RTNH_F_ONLINK if len(legs) == 1 and legs[0].is_onlink else 0
        self.kind = int(route.kind)
        is_on_link = bool(legs) and not any(leg.gateway for leg in legs)
        self.scope = RT_SCOPE_LINK if is_on_link else RT_SCOPE_UNIVERSE
        self.devices = frozenset(leg.device for leg in legs)


class RoutePacker:
    """Packs messages for the routes of one family, table and protocol."""

    def __init__(self, family: Family, table: int, protocol: int) -> None:
        self.family = family
        self.table = table
        self.protocol = protocol
        self._message = _MESSAGE[family].pack
        self._number = family.kernel
        self._short_table = table if table < 256 else RT_TABLE_COMPAT
        self._destination = 4 + family.octets
        self._shapes: dict[FibRoute, Shape] = {}

    def shape(self, route: FibRoute) -> Shape:
        """Return the shape of a route, from the memo. Raises ValueError for a unicast route without a leg."""
        shape = self._shapes.get(route)
        if shape is None:
            if len(self._shapes) >= _MAX_BODIES:
                self._shapes.clear()
            shape = self._shapes[route] = Shape(self.family, self.table, route)
        return shape

    def routes(self) -> Iterable[FibRoute]:
        """Return the routes that have a shape."""
        return self._shapes.keys()

    def new(self, prefix: bytes, shape: Shape, flags: int, sequence: int) -> bytes:
        """Return an RTM_NEWROUTE; flags: NLM_F_CREATE and friends."""
        return (
            self._message(
                shape.size,
                RTM_NEWROUTE,
                NLM_F_REQUEST | flags,
                sequence,
                0,
                self._number,
                prefix[0],
                0,
                0,
                self._short_table,
                self.protocol,
                shape.scope,
                shape.kind,
                shape.flags,
                self._destination,
                RTA_DST,
                prefix[1:],
            )
            + shape.tail
        )

    def delete(self, prefix: bytes, metric: int, sequence: int, legs: tuple[Leg, ...] = ()) -> bytes:
        """Return an RTM_DELROUTE that can only hit a route of our protocol; metric 0 = whatever it has.

        legs: only these. IPv6 would otherwise delete the whole of a multipath route that others' legs have joined.
        """
        tail = _U32_ATTRIBUTE.pack(8, RTA_TABLE, self.table) if self.table > 255 else b""
        if metric:
            tail += _U32_ATTRIBUTE.pack(8, RTA_PRIORITY, metric)
        if legs:
            tail += _pack_legs(self.family, legs)
        return (
            self._message(
                _MESSAGE[self.family].size + len(tail),
                RTM_DELROUTE,
                NLM_F_REQUEST,
                sequence,
                0,
                self._number,
                prefix[0],
                0,
                0,
                self._short_table,
                self.protocol,
                RT_SCOPE_NOWHERE,
                0,
                0,
                self._destination,
                RTA_DST,
                prefix[1:],
            )
            + tail
        )


def dump_request(family: Family, table: int, sequence: int) -> bytes:
    """Return an RTM_GETROUTE that asks for all routes of one table (strict checking makes the kernel filter)."""
    tail = _U32_ATTRIBUTE.pack(8, RTA_TABLE, table)
    header = Struct("=IHHII").pack(28 + len(tail), RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
    return header + _ROUTE.pack(family.kernel, 0, 0, 0, table if table < 256 else RT_TABLE_COMPAT, 0, 0, 0, 0) + tail
