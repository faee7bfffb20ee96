"""Everyday UPDATEs: those that do nothing but announce canonical prefixes, cut in one go. Hot.

RFC 4271 4.3, RFC 4760 section 3. A table comes in as hundreds of thousands of them, so all that ``update.decode`` asks
of any message is not asked of these. The first message that is something else ends the run; ``decode`` is for that one,
and is what the tests hold this against. Attributes are not looked at, but for a leading MP_REACH_NLRI (RFC 7606 5.1),
so a second one may be in the block: whoever reads the block must take none with attributes that do not belong there.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from bgpd.families import IPV4_UNICAST, Family
from bgpd.messages import nlri
from bgpd.messages.attributes.spec import EXTENDED_LENGTH, OPTIONAL
from bgpd.messages.framing import MessageType

Routes = tuple[bytes, bytes | None, list[bytes]]
"""The attribute block, the next hop of MP_REACH_NLRI (None = there is none), and the keys."""

_UPDATE: Final = int(MessageType.UPDATE)
_MP_REACH_NLRI: Final = 14
_FIELDS: Final = 4  # octets of the two lengths when nothing is withdrawn
_LONG: Final = OPTIONAL | EXTENDED_LENGTH


def classic(buffer: bytes, messages: Iterable[tuple[int, int, int]], stop: int) -> Iterator[Routes]:
    """Yield the routes of the messages' own fields, IPv4 unicast without path identifiers.

    messages: as ``Framer.feed`` returns them. stop: a message whose body starts there or behind ends the run.
    """
    tokens, join = nlri.TOKENS[IPV4_UNICAST.bits], b"".join
    for kind, start, end in messages:
        if kind != _UPDATE or start >= stop or buffer[start] or buffer[start + 1]:
            return
        routes = start + _FIELDS + (buffer[start + 2] << 8 | buffer[start + 3])
        if routes >= end:
            return
        keys = tokens(buffer, routes, end)
        if len(join(keys)) != end - routes:
            return
        yield buffer[start + _FIELDS : routes], None, keys


def multiprotocol(
    buffer: bytes, messages: Iterable[tuple[int, int, int]], stop: int, family: Family
) -> Iterator[Routes]:
    """Yield the routes of the family in MP_REACH_NLRI, which must be the first attribute. Otherwise as ``classic``."""
    tokens, join = nlri.TOKENS[family.bits], b"".join
    heads = {
        family.afi.to_bytes(2) + bytes((family.safi, size)): size for size in family.next_hop_sizes
    }  # AFI, SAFI and length of the next hop → that length
    for kind, start, end in messages:
        if kind != _UPDATE or start >= stop or buffer[start] or buffer[start + 1]:
            return
        value = start + _FIELDS + 3
        if end < value + 5 or end != start + _FIELDS + (buffer[start + 2] << 8 | buffer[start + 3]):
            return
        flags = buffer[start + _FIELDS]
        if flags == _LONG:
            value += 1
            routes_end = value + (buffer[value - 2] << 8 | buffer[value - 1])
        elif flags == OPTIONAL:
            routes_end = value + buffer[value - 1]
        else:
            return
        size = heads.get(buffer[value : value + 4])
        if size is None or buffer[start + _FIELDS + 1] != _MP_REACH_NLRI:
            return
        routes = value + 5 + size
        if routes >= routes_end or routes_end > end:
            return
        keys = tokens(buffer, routes, routes_end)
        if len(join(keys)) != routes_end - routes:
            return
        yield buffer[routes_end:end], buffer[value + 4 : routes - 1], keys
