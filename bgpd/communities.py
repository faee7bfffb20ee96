"""Communities as people write them: plain, extended and large, exact or with ``*`` in place of a number.

Plain ``64512:77`` or a registered name (RFC 1997, IANA "BGP Well-known Communities"), 32-bit; large ``64512:1:2`` (RFC
8092), three 32-bit numbers; extended ``rt:64512:77``, ``ro:10.0.0.1:5``, ``rt:77L:5`` for a small AS number in four
octets (RFC 4360, RFC 5668), ``opaque:12:8`` or ``0x`` and 16 hexadecimal digits, 8 octets; IPv6 address specific
``rt:[2001:db8::1]:7`` or ``0x`` and 40 digits (RFC 5701), 20 octets.
"""

import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bgpd.records import dataclass

LargeCommunity = tuple[int, int, int]

GRACEFUL_SHUTDOWN: Final = 0xFFFF0000  # RFC 8326
LLGR_STALE: Final = 0xFFFF0006  # RFC 9494
NO_LLGR: Final = 0xFFFF0007  # RFC 9494
BLACKHOLE: Final = 0xFFFF029A  # RFC 7999

WELL_KNOWN: Final[Mapping[str, int]] = MappingProxyType(
    {
        "graceful-shutdown": GRACEFUL_SHUTDOWN,
        "accept-own": 0xFFFF0001,  # RFC 7611
        "llgr-stale": LLGR_STALE,
        "no-llgr": NO_LLGR,
        "accept-own-nexthop": 0xFFFF0008,
        "blackhole": BLACKHOLE,
        "no-export": 0xFFFFFF01,  # RFC 1997
        "no-advertise": 0xFFFFFF02,  # RFC 1997
        "no-export-subconfed": 0xFFFFFF03,  # RFC 1997
        "no-peer": 0xFFFFFF04,  # RFC 3765
    }
)
_WELL_KNOWN_NAMES: Final[Mapping[int, str]] = MappingProxyType({value: name for name, value in WELL_KNOWN.items()})

_SUBTYPES: Final[Mapping[str, int]] = MappingProxyType({"rt": 0x02, "ro": 0x03})
_SUBTYPE_NAMES: Final[Mapping[int, str]] = MappingProxyType({value: name for name, value in _SUBTYPES.items()})

# RFC 4360 3.1, 3.2 and RFC 5668: the type octet, by what stands in the administrator's field.
_TWO_OCTET_AS: Final = 0x00
_IPV4_ADDRESS: Final = 0x01
_FOUR_OCTET_AS: Final = 0x02
_OPAQUE: Final = 0x03
_FOUR_OCTET_MARK: Final = "L"
_WIDE: Final = (_IPV4_ADDRESS, _FOUR_OCTET_AS)  # the administrator has four octets, the number two

EXPECTED: Final = (
    'a community: "64512:77", a name like "no-export", large "64512:1:2", '
    'or extended "rt:64512:77" or "0x0002fc000000004d"'
)


@dataclass(frozen=True, slots=True)
class Communities:
    """Communities by kind: 32-bit numbers; 8 octets each; 20 octets each; three numbers each."""

    plain: tuple[int, ...] = ()
    extended: tuple[bytes, ...] = ()
    ipv6_extended: tuple[bytes, ...] = ()
    large: tuple[LargeCommunity, ...] = ()


NO_COMMUNITIES: Final = Communities()


@dataclass(frozen=True, slots=True)
class CommunityPattern:
    """What one written community matches, of one kind.

    kind: ``plain``, ``extended``, ``ipv6_extended`` or ``large`` (the fields of Communities). text: as written. value:
    octets that a community's octets must equal where mask has bits; a plain one is 4 octets, a large one 12.
    """

    kind: str
    text: str
    value: bytes
    mask: bytes

    @property
    def is_exact(self) -> bool:
        """Does it match one community only?"""
        return not self.mask.strip(b"\xff")


def parse_pattern(text: str) -> CommunityPattern:
    """Return what a written community, with or without ``*``, matches. Raises ValueError."""
    text = text.strip()
    if text in WELL_KNOWN:
        return _pattern("plain", text, ((WELL_KNOWN[text], 4),))
    if re.fullmatch(r"0x[0-9a-fA-F]{16}", text):
        return CommunityPattern("extended", text, bytes.fromhex(text[2:]), b"\xff" * 8)
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        return CommunityPattern("ipv6_extended", text, bytes.fromhex(text[2:]), b"\xff" * 20)
    name, _, rest = text.partition(":")
    if name in _SUBTYPES:
        return _extended(text, _SUBTYPES[name], rest)
    if name == "opaque":
        subtype, _, value = rest.partition(":")
        return _pattern("extended", text, ((_OPAQUE, 1), (_number(subtype, 1, text), 1), (_number(value, 6, text), 6)))
    parts = text.split(":")
    if len(parts) == 2:
        return _pattern("plain", text, tuple((_number(part, 2, text), 2) for part in parts))
    if len(parts) == 3:
        return _pattern("large", text, tuple((_number(part, 4, text), 4) for part in parts))
    near = difflib.get_close_matches(text, WELL_KNOWN, n=1)
    raise ValueError(f"not a community: {text!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def parse_patterns(text: str) -> tuple[CommunityPattern, ...]:
    """Return what a written community matches, one pattern for each layout: ``rt:*:7`` is any kind of administrator.

    Raises ValueError.
    """
    text = text.strip()
    name, _, rest = text.partition(":")
    administrator, _, local = rest.partition(":")
    if name not in _SUBTYPES or administrator != "*" or ":" in local:
        return (parse_pattern(text),)
    subtype = _SUBTYPES[name]
    number = _number(local, 4, text)
    layouts = [("extended", ((_TWO_OCTET_AS, 1), (subtype, 1), (None, 2), (number, 4)))]
    if number is None or number <= 0xFFFF:
        layouts += [("extended", ((kind, 1), (subtype, 1), (None, 4), (number, 2))) for kind in _WIDE]
        layouts.append(("ipv6_extended", ((0, 1), (subtype, 1), (None, 16), (number, 2))))
    return tuple(_pattern(kind, text, parts) for kind, parts in layouts)


def parse_communities(texts: tuple[str, ...]) -> Communities:
    """Return the written communities by kind, in the order written, each once. Raises ValueError, also for a ``*``."""
    found: dict[str, dict[bytes, None]] = {"plain": {}, "extended": {}, "ipv6_extended": {}, "large": {}}
    for text in texts:
        pattern = parse_pattern(text)
        if not pattern.is_exact:
            raise ValueError(f"a community with * cannot be put on a route: {text!r}")
        found[pattern.kind][pattern.value] = None
    return Communities(
        plain=tuple(int.from_bytes(value) for value in found["plain"]),
        extended=tuple(found["extended"]),
        ipv6_extended=tuple(found["ipv6_extended"]),
        large=tuple(large_from_octets(value) for value in found["large"]),
    )


def large_from_octets(octets: bytes) -> LargeCommunity:
    """Return the three numbers of a large community's 12 octets."""
    return int.from_bytes(octets[:4]), int.from_bytes(octets[4:8]), int.from_bytes(octets[8:])


def large_to_octets(community: LargeCommunity) -> bytes:
    """Return the 12 octets of a large community."""
    first, second, third = community
    return first.to_bytes(4) + second.to_bytes(4) + third.to_bytes(4)


def format_community(community: int) -> str:
    """Return the name of a plain community that has one, else ``64512:77``."""
    return _WELL_KNOWN_NAMES.get(community) or f"{community >> 16}:{community & 0xFFFF}"


def format_large_community(community: LargeCommunity) -> str:
    """Return ``64512:1:2``."""
    return ":".join(map(str, community))


def format_extended_community(octets: bytes) -> str:
    """Return ``rt:64512:77`` for kinds with a written form, else ``0x`` and the octets; 8 or 20 octets."""
    if octets[0] == _OPAQUE and len(octets) == 8:
        return f"opaque:{octets[1]}:{int.from_bytes(octets[2:])}"
    name = _SUBTYPE_NAMES.get(octets[1])
    if name is not None and len(octets) == 20 and octets[0] == 0x00:
        return f"{name}:[{ipaddress.IPv6Address(octets[2:18])}]:{int.from_bytes(octets[18:])}"
    if name is not None and len(octets) == 8:
        if octets[0] == _TWO_OCTET_AS:
            return f"{name}:{int.from_bytes(octets[2:4])}:{int.from_bytes(octets[4:])}"
        if octets[0] == _IPV4_ADDRESS:
            return f"{name}:{ipaddress.IPv4Address(octets[2:6])}:{int.from_bytes(octets[6:])}"
        if octets[0] == _FOUR_OCTET_AS:
            asn = int.from_bytes(octets[2:6])
            mark = "" if asn > 0xFFFF else _FOUR_OCTET_MARK  # without it, a small one reads as two-octet
            return f"{name}:{asn}{mark}:{int.from_bytes(octets[6:])}"
    return f"0x{octets.hex()}"


def _extended(text: str, subtype: int, rest: str) -> CommunityPattern:
    """Return the pattern of what follows ``rt:`` or ``ro:``."""
    in_brackets = re.fullmatch(r"\[([^\]]*)\]:([^:]+)", rest)
    if in_brackets:
        address = int(ipaddress.IPv6Address(in_brackets[1]))
        return _pattern(
            "ipv6_extended", text, ((0, 1), (subtype, 1), (address, 16), (_number(in_brackets[2], 2, text), 2))
        )
    administrator, colon, local = rest.partition(":")
    if not colon:
        raise ValueError(f"an extended community has two parts behind its kind: {text!r}")
    if administrator.count(".") == 1:
        high, low = (_number(part, 2, text) for part in administrator.split("."))
        return _pattern(
            "extended", text, ((_FOUR_OCTET_AS, 1), (subtype, 1), (high, 2), (low, 2), (_number(local, 2, text), 2))
        )
    if "." in administrator:
        address = int(ipaddress.IPv4Address(administrator))
        return _pattern(
            "extended", text, ((_IPV4_ADDRESS, 1), (subtype, 1), (address, 4), (_number(local, 2, text), 2))
        )
    asn = _number(administrator.removesuffix(_FOUR_OCTET_MARK), 4, text)
    if administrator.endswith(_FOUR_OCTET_MARK) or (asn is not None and asn > 0xFFFF):
        return _pattern("extended", text, ((_FOUR_OCTET_AS, 1), (subtype, 1), (asn, 4), (_number(local, 2, text), 2)))
    return _pattern("extended", text, ((_TWO_OCTET_AS, 1), (subtype, 1), (asn, 2), (_number(local, 4, text), 4)))


def _number(text: str, octets: int, whole: str) -> int | None:
    """Return the number, None for ``*``. Raises ValueError if it does not fit the octets."""
    if text == "*":
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a number in community {whole!r}")
    if int(text) >= 1 << 8 * octets:
        raise ValueError(f"{text} is more than {(1 << 8 * octets) - 1} in community {whole!r}")
    return int(text)


def _pattern(kind: str, text: str, parts: Sequence[tuple[int | None, int]]) -> CommunityPattern:
    """Return the pattern of (number or None for any, octets) parts."""
    value = b"".join((number or 0).to_bytes(octets) for number, octets in parts)
    mask = b"".join((b"\0" if number is None else b"\xff") * octets for number, octets in parts)
    return CommunityPattern(kind, text, value, mask)
