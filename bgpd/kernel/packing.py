"""Packs the netlink messages that write and delete our routes. Hot: a message is packed for each prefix.

rtnetlink(7), uapi/linux/rtnetlink.h. What does not depend on the prefix is packed once for each distinct route. Next
hops of the other family (RFC 8950) are written as RTA_VIA.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from bgpd.families import FAMILIES, FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.kernel.routes import FibRoute, Leg, RouteKind, metric_of
from bgpd.kernel.rtnetlink import (
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_NOOP,
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
    RTM_NEWROUTE,
    RTNH_F_ONLINK,
)

_MAX_SHAPES: Final = 1 << 17
_NLMSG: Final = Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = Struct("=HH")  # length, type
_U32_ATTRIBUTE: Final = Struct("=HHI")
_HOP: Final = Struct("=HBBI")  # length, flags, weight - 1, device
_FAMILY: Final = Struct("=H")
# nlmsghdr, rtmsg and RTA_DST in one; struct fills the prefix's octets up with zeros
_MESSAGE: Final = {family: Struct(f"=IHHIIBBBBBBBBIHH{family.octets}s") for family in FAMILIES.values()}


def barrier(sequence: int) -> bytes:
    """Return a message that does nothing but ask for an acknowledgement."""
    return _NLMSG.pack(_NLMSG.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, sequence, 0)


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
    """Packs messages for the routes of one family, table and protocol.

    devices, sources: all interface indexes and preferred source addresses that routes packed here have had.
    """

    def __init__(self, family: Family, table: int, protocol: int) -> None:
        self.family = family
        self.devices: set[int] = set()
        self.sources: set[bytes] = set()
        self._table = table
        self._protocol = protocol
        self._message = _MESSAGE[family].pack
        self._number = family.kernel
        self._short_table = table if table < 256 else RT_TABLE_COMPAT
        self._destination = _ATTRIBUTE.size + family.octets
        self._shapes: dict[FibRoute, Shape] = {}

    def shape(self, route: FibRoute) -> Shape:
        """Return the shape of a route, from the memo. Raises ValueError for a unicast route without a leg."""
        shape = self._shapes.get(route)
        if shape is None:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            shape = self._shapes[route] = Shape(self.family, self._table, route)
            self.devices |= shape.devices
            self.sources.add(route.source)
        return shape

    def write(self, prefix: bytes, shape: Shape, flags: int, sequence: int) -> bytes:
        """Return an RTM_NEWROUTE; flags: NLM_F_CREATE and friends."""
        head = self._message(
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
            self._protocol,
            shape.scope,
            shape.kind,
            shape.flags,
            self._destination,
            RTA_DST,
            prefix[1:],
        )
        return head + shape.tail

    def write_all(self, prefixes: Sequence[bytes], shape: Shape, flags: int, first: int) -> list[bytes]:
        """Return ``write`` for each of the prefixes, with sequence numbers from ``first`` on."""
        template = self.write(b"\0", shape, flags, 0)
        # What is the same in all of them: before the sequence number, up to the length, and up to the address
        head, middle, rest, tail = template[:8], template[12:17], template[18:32], shape.tail
        pack = Struct(f"=8sI5sB14s{self.family.octets}s{len(tail)}s").pack
        return [
            pack(head, sequence, middle, prefix[0], rest, prefix[1:], tail)
            for sequence, prefix in enumerate(prefixes, first)
        ]

    def delete(self, prefix: bytes, route: FibRoute, sequence: int, legs: tuple[Leg, ...] = ()) -> bytes:
        """Return an RTM_DELROUTE that can only hit a route of our protocol and the route's metric.

        legs: only these. IPv6 would otherwise delete the whole of a multipath route that others' legs have joined.
        """
        metric = metric_of(self.family, route)
        tail = _U32_ATTRIBUTE.pack(8, RTA_TABLE, self._table) if self._table > 255 else b""
        if metric:
            tail += _U32_ATTRIBUTE.pack(8, RTA_PRIORITY, metric)
        if legs:
            tail += _pack_legs(self.family, legs)
        head = self._message(
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
            self._protocol,
            RT_SCOPE_NOWHERE,
            0,
            0,
            self._destination,
            RTA_DST,
            prefix[1:],
        )
        return head + tail
