"""NLRI: the prefixes of an UPDATE as canonical octets. Hot.

RFC 4271 4.3 (a length octet in bits, then as many octets as it needs, trailing bits of no meaning), RFC 4760 section 5,
RFC 7911 section 3 (a path identifier of 4 octets in front), RFC 7606 5.3 (what is a syntax error). The common case is
one regular expression over the whole field, which cuts it into tokens in C; it knows canonical unicast prefixes only,
and a field that it cannot cut without a gap goes to the plain loop. Lengths are bits, positions are octets.
"""

import re
from collections.abc import Callable
from typing import Final

from bgpd.errors import UpdateError, UpdateSubcode
from bgpd.families import FAMILIES, Family

PATH_ID_SIZE: Final = 4

_MAX_BITS: Final = max(family.bits for family in FAMILIES.values())
_WIRE_SIZE: Final = tuple(1 + (bits + 7) // 8 for bits in range(_MAX_BITS + 1))  # octets, by prefix length
_STRAY_BITS: Final = tuple((1 << -bits % 8) - 1 for bits in range(_MAX_BITS + 1))  # below the prefix, in its last octet
_WIRE_SIZES: Final = {family.bits: _WIRE_SIZE[: family.bits + 1] for family in FAMILIES.values()}

# Lengths that are tried first; the order is only a matter of speed
_FREQUENT: Final = {32: (24, 32, 26, 22, 23, 21, 20, 19, 18, 16), 128: (48, 64, 128, 32, 122, 44, 40, 36, 56, 29)}
# First octets of addresses that no unicast route has: multicast, and the loopback networks' IPv4 half
_FIRST_OCTETS: Final = {
    32: [octet for octet in range(256) if octet != 127 and not 224 <= octet <= 239],
    128: [octet for octet in range(1, 255) if octet != 0xFE],  # ::/8, fe00::/8 and ff00::/8 are left to the loop
}


def _any_of(octets: list[int]) -> bytes:
    """Return a set of the octets, as ranges of octets themselves: written out as escapes it takes long to compile."""
    members = set(octets)
    starts = [octet for octet in octets if octet - 1 not in members]
    ends = [octet for octet in octets if octet + 1 not in members]
    ranges = [_octet(a) if a == b else _octet(a) + b"-" + _octet(b) for a, b in zip(starts, ends, strict=True)]
    return b"[" + b"".join(ranges) + b"]"


def _octet(value: int) -> bytes:
    return re.escape(bytes((value,)))


def _token(bits: int, length: int) -> bytes:
    """Return the expression of a canonical prefix of that length."""
    octets = [b"."] * ((length + 7) // 8)
    stray = _STRAY_BITS[length]
    if octets:
        octets[0] = _any_of([o for o in _FIRST_OCTETS[bits] if length >= 8 or not o & stray])
    if length > 8 and stray:
        octets[-1] = _any_of([octet for octet in range(256) if not octet & stray])
    return _octet(length) + b"".join(octets)


def _expression(bits: int, before: bytes) -> re.Pattern[bytes]:
    lengths = dict.fromkeys((*_FREQUENT[bits], *range(bits + 1)))
    return re.compile(before + b"(?:" + b"|".join(_token(bits, length) for length in lengths) + b")", re.DOTALL)


class _Tokens(dict[int, Callable[[bytes, int, int], list[bytes]]]):
    """By address bits, compiled when first asked for, as each takes some 10 ms. before: octets before each prefix."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self._before = b"." * before

    def __missing__(self, bits: int) -> Callable[[bytes, int, int], list[bytes]]:
        tokens = self[bits] = _expression(bits, self._before).findall
        return tokens


# Cut a field into canonical unicast keys. They took all of it only if their sizes add up to its own
TOKENS: Final = _Tokens(0)
TOKENS_WITH_PATH_ID: Final = _Tokens(PATH_ID_SIZE)


def prepare(bits: int, *, has_path_id: bool) -> None:
    """Compile what cuts such fields, before somebody waits for it."""
    (TOKENS_WITH_PATH_ID if has_path_id else TOKENS)[bits]


def split(buffer: bytes, start: int, end: int, bits: int) -> list[bytes]:
    """Return the canonical keys in ``buffer[start:end]``; bits: of an address of the family.

    Raises UpdateError(INVALID_NETWORK_FIELD) if a length is out of range or the last prefix is cut off.
    """
    keys = TOKENS[bits](buffer, start, end)
    if len(b"".join(keys)) == end - start:
        return keys
    return split_plainly(buffer, start, end, bits)


def split_with_path_id(buffer: bytes, start: int, end: int, bits: int) -> list[bytes]:
    """Return the canonical keys with the path identifier in front of each (RFC 7911). Raises as ``split``."""
    keys = TOKENS_WITH_PATH_ID[bits](buffer, start, end)
    if len(b"".join(keys)) == end - start:
        return keys
    return split_plainly(buffer, start, end, bits, PATH_ID_SIZE)


def split_plainly(buffer: bytes, position: int, end: int, bits: int, before: int = 0) -> list[bytes]:
    """Return what ``split`` returns, by the plain loop; before: octets in front of each prefix."""
    keys: list[bytes] = []
    append, sizes, stray_bits = keys.append, _WIRE_SIZES[bits], _STRAY_BITS
    while position < end:
        at = position + before
        if at >= end:
            raise _cut_off(buffer, position, end)
        length = buffer[at]
        if length >= len(sizes):
            raise UpdateError(
                UpdateSubcode.INVALID_NETWORK_FIELD, why=f"a prefix of {length} bits, expected at most {bits}"
            )
        stop = at + sizes[length]
        if stop > end:
            raise _cut_off(buffer, position, end)
        key = buffer[position:stop]
        stray = stray_bits[length]
        append(key if not key[-1] & stray else key[:-1] + bytes((key[-1] & ~stray,)))
        position = stop
    return keys


def _cut_off(buffer: bytes, position: int, end: int) -> UpdateError:
    rest = buffer[position:end]
    return UpdateError(UpdateSubcode.INVALID_NETWORK_FIELD, why=f"the last prefix is cut off: {rest.hex()}")


def is_unicast(family: Family, prefix: bytes) -> bool:
    """Can the prefix be a unicast route (RFC 4271 6.3: semantically correct)? prefix: canonical, no path identifier.

    Not multicast, loopback or, in IPv6, link-local; a prefix that is shorter than such a block may cover it.
    """
    length = prefix[0]
    return not any(length >= size and prefix.startswith(start, 1) for size, start in _NOT_UNICAST[family.bits])


_NOT_UNICAST: Final = {
    32: [(4, bytes((octet,))) for octet in range(224, 240)] + [(8, b"\x7f")],
    128: [(8, b"\xff")] + [(10, bytes((0xFE, octet))) for octet in range(0x80, 0xC0)] + [(128, bytes(15) + b"\x01")],
}
