"""Reads route messages of netlink. Hot: 100,000 routes are read when bgpd starts.

rtnetlink(7), uapi/linux/rtnetlink.h: ``struct nlmsghdr`` (16 octets), ``struct rtmsg`` (12), attributes. Bodies are
interned by their octets, so 100,000 routes through one gateway are parsed once.
"""

from collections.abc import Mapping
from struct import Struct
from sys import byteorder
from typing import Final

from bgpd.families import FAMILY_BY_KERNEL, Family
from bgpd.kernel.routes import Leg, RouteBody
from bgpd.kernel.rtnetlink import (
    NLM_F_DUMP,
    NLM_F_REQUEST,
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
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
)

_MAX_BODIES: Final = 1 << 17
_NLMSG: Final = Struct("=IHHII")
_HEADER: Final = Struct("=IHH8xBB")  # length, type, flags, -, -, family, prefix length
_ROUTE: Final = Struct("=BBBBBBBBI")  # family, prefix length, source length, TOS, table, protocol, scope, type, flags
_ATTRIBUTE: Final = Struct("=HH")  # length, type
_TYPE_MASK: Final = 0x3FFF
_U32_ATTRIBUTE: Final = Struct("=HHI")
_HOP: Final = Struct("=HBBI")  # length, flags, weight - 1, device
# Where a message of a dump has the parts of its prefix: RTA_TABLE comes first, RTA_DST second
_FAMILY_AT: Final = 16
_LENGTH_AT: Final = 17
_DST_AT: Final = 36
_ADDRESS_AT: Final = 40
_DST_HEADER: Final = {
    number: _ATTRIBUTE.pack(_ATTRIBUTE.size + family.octets, RTA_DST) for number, family in FAMILY_BY_KERNEL.items()
}
_ADDRESS_SIZE: Final = {number: family.octets for number, family in FAMILY_BY_KERNEL.items()}
_OCTETS: Final = tuple((bits + 7) // 8 for bits in range(256))  # of a prefix, by its length
_OCTETS_AFTER: Final = {  # the same, by its first octet, of the lengths that the family has
    number: {bytes((bits,)): _OCTETS[bits] for bits in range(8 * family.octets + 1)}
    for number, family in FAMILY_BY_KERNEL.items()
}
_WITHOUT_LEGS: Final = frozenset({RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT})

RouteMessage = tuple[int, int, bytes, RouteBody]
"""Type (RTM_NEWROUTE or RTM_DELROUTE), flags of the message, prefix, body."""

Run = tuple[RouteBody, list[bytes]]
"""A body, and prefixes that followed each other in a dump and have it."""


class RouteReader:
    """Reads route messages of some tables and interns the bodies."""

    def __init__(self, tables: frozenset[int]) -> None:
        self.tables = tables
        self._bodies: dict[bytes, RouteBody | None] = {}

    def read(self, buffer: bytes) -> list[RouteMessage]:
        """Return the route messages in a datagram that are of our tables; other messages are passed over."""
        messages: list[RouteMessage] = []
        append, header, bodies, octets = messages.append, _HEADER.unpack_from, self._bodies, _OCTETS
        dst_header, address_size = _DST_HEADER, _ADDRESS_SIZE
        position, size = 0, len(buffer)
        while position + 28 <= size:
            length, kind, flags, family, bits = header(buffer, position)
            end = position + length
            if length < 16 or end > size:
                break
            if kind in (RTM_NEWROUTE, RTM_DELROUTE) and family in dst_header:
                start = position + 40
                if buffer[position + 36 : start] == dst_header[family]:
                    # The kernel puts RTA_TABLE (8 octets) first and RTA_DST second; the rest is the body.
                    prefix = buffer[position + 17 : position + 18] + buffer[start : start + octets[bits]]
                    rest = start + address_size[family]
                else:
                    prefix = _prefix(buffer, position + 28, end, bits)
                    rest = position + 36 if not bits else position + 28
                key = buffer[position + 16 : position + 17] + buffer[position + 18 : position + 36] + buffer[rest:end]
                body = bodies.get(key)
                if body is None and key not in bodies:
                    body = self._intern(key, buffer, position + 16, end)
                if body is not None:
                    append((kind, flags, prefix, body))
            position += (length + 3) & ~3
        return messages

    def read_dump(self, buffer: bytes) -> list[Run]:
        """Return ``read`` for a datagram of a dump, in runs."""
        runs = self._read_uniform(buffer)
        if runs is None:
            runs = self._read_alike(buffer)
        if runs is None:
            runs = []
            for _, _, prefix, body in self.read(buffer):
                if not runs or runs[-1][0] is not body:
                    runs.append((body, []))
                runs[-1][1].append(prefix)
        return runs

    def _read_uniform(self, buffer: bytes) -> list[Run] | None:
        """Return the run of a datagram whose messages differ in nothing but the prefix; None: it is another one.

        No message is looked at by itself: each step is one pass in C over an octet of all of them.
        """
        length, octets = _equal_length(buffer)
        if not octets:
            return None
        count = len(buffer) // length
        rest = bytearray(buffer)
        for position in (_LENGTH_AT, *range(_ADDRESS_AT, _ADDRESS_AT + octets)):
            rest[position::length] = bytes(count)
        if rest[_DST_AT:_ADDRESS_AT] != _DST_HEADER[buffer[_FAMILY_AT]] or rest != rest[:length] * count:
            return None
        lengths = buffer[_LENGTH_AT::length]
        kinds = set(lengths)
        if max(kinds) > 8 * octets:
            return None
        key = buffer[_FAMILY_AT:_LENGTH_AT] + buffer[_LENGTH_AT + 1 : _DST_AT] + buffer[_ADDRESS_AT + octets : length]
        body = self._bodies.get(key)
        if body is None and key not in self._bodies:
            body = self._intern(key, buffer, _FAMILY_AT, length)
        if body is None:
            return []
        joined = bytearray(buffer)  # the prefix length goes to just before the address
        joined[_ADDRESS_AT - 1 :: length] = lengths
        sizes = {_OCTETS[bits] for bits in kinds}
        size = max(sizes)
        prefixes = [
            prefix
            for (prefix,) in Struct(f"={_ADDRESS_AT - 1}x{1 + size}s{length - _ADDRESS_AT - size}x").iter_unpack(joined)
        ]
        if len(sizes) > 1:
            prefixes = [prefix[: 1 + _OCTETS[prefix[0]]] for prefix in prefixes]
        return [(body, prefixes)]

    def _read_alike(self, buffer: bytes) -> list[Run] | None:
        """Return the runs of a datagram whose messages are equally long and in the usual order; None: they are not."""
        length, octets = _equal_length(buffer)
        if not octets:
            return None
        family = buffer[_FAMILY_AT]
        # Up to the family; prefix length; the rest of rtmsg, RTA_TABLE, the header of RTA_DST; address; the rest
        layout = Struct(f"=17s1s22s{octets}s{length - 40 - octets}s")
        first, expected, octets_after = buffer[:17], _DST_HEADER[family], _OCTETS_AFTER[family]
        runs: list[Run] = []
        prefixes: list[bytes] = []
        before = after = b""
        for head, bits, middle, address, tail in layout.iter_unpack(buffer):
            if middle != before or tail != after or head != first:
                if head != first or middle[18:] != expected:
                    return None
                before, after, prefixes = middle, tail, []
                key = head[16:] + middle[:18] + tail
                body = self._bodies.get(key)
                if body is None and key not in self._bodies:
                    body = self._intern(key, head + bits + middle + address + tail, 16, length)
                if body is not None:
                    runs.append((body, prefixes))
            size = octets_after.get(bits)
            if size is None:
                return None
            prefixes.append(bits + address[:size])
        return runs

    def _intern(self, key: bytes, buffer: bytes, position: int, end: int) -> RouteBody | None:
        body = _parse(buffer, position, end)
        if body is not None and body.table not in self.tables:
            body = None
        if len(self._bodies) >= _MAX_BODIES:
            self._bodies.clear()
        self._bodies[key] = body
        return body


def _equal_length(buffer: bytes) -> tuple[int, int]:
    """Return the length of each message and of an address, if all may be routes as long as the first; else zeros."""
    if len(buffer) < _HEADER.size:
        return 0, 0
    length, kind, _, family = _HEADER.unpack_from(buffer)[:4]
    octets = _ADDRESS_SIZE.get(family)
    if kind != RTM_NEWROUTE or octets is None or length < _ADDRESS_AT + octets or length % 4 or len(buffer) % length:
        return 0, 0
    return length, octets


def _attributes(buffer: bytes, position: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while position + 4 <= end:
        length, code = _ATTRIBUTE.unpack_from(buffer, position)
        if length < 4:
            break
        found[code & _TYPE_MASK] = buffer[position + 4 : min(position + length, end)]
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
        attributes = _attributes(value, position + 8, min(position + length, len(value)))
        legs.append(Leg(_gateway(attributes), device, bool(flags & RTNH_F_ONLINK), hops + 1))
        position += (length + 3) & ~3
    return tuple(legs)


def _prefix(buffer: bytes, position: int, end: int, bits: int) -> bytes:
    """Return the prefix of a route with another order of attributes, or of a default route (no RTA_DST)."""
    return bytes((bits,)) + _attributes(buffer, position, end).get(RTA_DST, b"")[: _OCTETS[bits]]


def _number(attributes: Mapping[int, bytes], code: int, default: int = 0) -> int:
    return int.from_bytes(attributes[code], byteorder) if code in attributes else default


def _parse(buffer: bytes, position: int, end: int) -> RouteBody | None:
    """Return the body of the ``struct rtmsg`` and attributes in buffer[position:end]; None: not IP."""
    number, _, _, tos, table, protocol, _, kind, flags = _ROUTE.unpack_from(buffer, position)
    family = FAMILY_BY_KERNEL.get(number)
    if family is None:
        return None
    attributes = _attributes(buffer, position + _ROUTE.size, end)
    legs: tuple[Leg, ...] = ()
    if kind in _WITHOUT_LEGS:
        pass  # IPv6 names the loopback device, which means nothing
    elif RTA_MULTIPATH in attributes:
        legs = _multipath(attributes[RTA_MULTIPATH])
    elif RTA_OIF in attributes or RTA_GATEWAY in attributes:
        legs = (Leg(_gateway(attributes), _number(attributes, RTA_OIF), bool(flags & RTNH_F_ONLINK)),)
    return RouteBody(
        family,
        _number(attributes, RTA_TABLE, table),
        protocol,
        kind=kind,
        metric=_number(attributes, RTA_PRIORITY),
        legs=legs,
        source=attributes.get(RTA_PREFSRC, b""),
        tos=tos,
        flags=flags,
    )


def dump_request(family: Family, table: int, sequence: int) -> bytes:
    """Return an RTM_GETROUTE that asks for all routes of one table (strict checking makes the kernel filter)."""
    tail = _U32_ATTRIBUTE.pack(_U32_ATTRIBUTE.size, RTA_TABLE, table)
    size = _NLMSG.size + _ROUTE.size + len(tail)
    short_table = table if table < 256 else RT_TABLE_COMPAT
    header = _NLMSG.pack(size, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
    return header + _ROUTE.pack(family.kernel, 0, 0, 0, short_table, 0, 0, 0, 0) + tail
