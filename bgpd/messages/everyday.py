"""Everyday UPDATEs: those that do nothing but announce canonical prefixes, cut in one go. Hot.

RFC 4271 4.3, RFC 4760 section 3. A table comes in as hundreds of thousands of them, so all that ``update.decode`` asks
of any message is not asked of these. The first message that is something else ends the run; ``decode`` is for that one,
and is what the tests hold this against. Attributes are not looked at, but for a leading MP_REACH_NLRI (RFC 7606 5.1),
so a second one may be in the block: whoever reads the block must take none with attributes that do not belong there.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

from bgpd.families import IPV4_UNICAST, Family
from bgpd.messages import nlri
from bgpd.messages.attributes.spec import EXTENDED_LENGTH, OPTIONAL
from bgpd.messages.framing import MessageType

Routes = tuple[bytes, bytes | None, list[bytes]]
"""The attribute block, the next hop of MP_REACH_NLRI (None = there is none), and the keys."""

_UPDATE: Final = int(MessageType.UPDATE)
_FIELDS: Final = 4  # octets of the two lengths when nothing is withdrawn
# Both lengths are read as one, which no message is as long as where something is withdrawn
_BOTH_LENGTHS: Final = Struct("!I")
# And the flags and code of the first attribute, its length, AFI, SAFI and length of the next hop
_SHORT: Final = Struct("!IHBI")
_LONG: Final = Struct("!IHHI")
_MP_REACH_NLRI: Final = OPTIONAL << 8 | 14
_LONG_MP_REACH_NLRI: Final = (OPTIONAL | EXTENDED_LENGTH) << 8 | 14


def classic(buffer: bytes, messages: Iterable[tuple[int, int, int]], stop: int) -> Iterator[Routes]:
    """Yield the routes of the messages' own fields, IPv4 unicast without path identifiers.

    messages: as ``Framer.feed`` returns them. stop: a message whose body starts there or behind ends the run.
    """
    tokens, join, read = nlri.TOKENS[IPV4_UNICAST.bits], b"".join, _BOTH_LENGTHS.unpack_from
    for kind, start, end in messages:
        if kind != _UPDATE or start >= stop:
            return
        (size,) = read(buffer, start)
        start += _FIELDS
        routes = start + size
        if routes >= end:
            return
        keys = tokens(buffer, routes, end)
        if len(join(keys)) != end - routes:
            return
        yield buffer[start:routes], None, keys


def multiprotocol(
    buffer: bytes, messages: Iterable[tuple[int, int, int]], stop: int, family: Family
) -> Iterator[Routes]:
    """Yield the routes of the family in MP_REACH_NLRI, which must be the first attribute. Otherwise as ``classic``."""
    tokens, join, read, read_long = nlri.TOKENS[family.bits], b"".join, _SHORT.unpack_from, _LONG.unpack_from
    # AFI, SAFI and length of the next hop → where the routes begin in the value: there is a reserved octet before them
    heads = {family.afi << 16 | family.safi << 8 | size: 5 + size for size in family.next_hop_sizes}
    last, next_hop = 0, b""  # what has the same one shares its octets
    for kind, start, end in messages:
        if kind != _UPDATE or start >= stop or end < start + _LONG.size:
            return
        size, code, length, head = read(buffer, start)
        value = start + _SHORT.size - 4
        if code == _LONG_MP_REACH_NLRI:
            _, _, length, head = read_long(buffer, start)
            value += 1
        elif code != _MP_REACH_NLRI:
            return
        before = heads.get(head)
        routes_end = value + length
        if before is None or end != start + _FIELDS + size or routes_end > end:
            return
        routes = value + before
        if routes >= routes_end:
            return
        keys = tokens(buffer, routes, routes_end)
        if len(join(keys)) != routes_end - routes:
            return
        if head != last or not buffer.startswith(next_hop, value + 4):
            last, next_hop = head, buffer[value + 4 : routes - 1]
        yield buffer[routes_end:end], next_hop, keys
