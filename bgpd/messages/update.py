"""UPDATE: routes withdrawn and announced, in the message's own fields or in MP_REACH_NLRI and MP_UNREACH_NLRI. Hot.

RFC 4271 4.3 and 6.3, RFC 4760 (multiprotocol), RFC 4724 section 2 (End-of-RIB), RFC 7606 sections 3 to 5 (errors),
RFC 7911 (path identifiers), RFC 8950 (IPv4 routes by IPv6 next hops). The body is the length of the withdrawn routes (2
octets), those routes, the length of the path attributes (2), the attributes, and the NLRI up to the end. The attributes
are not decoded here: their octets are the key that the consumer interns by; ``attributes.block.parse`` reads a block.
"""

from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

from bgpd.addresses import format_prefix
from bgpd.errors import HeaderError, HeaderSubcode, UpdateError, UpdateSubcode
from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.messages import nlri
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Fault
from bgpd.messages.attributes.spec import EXTENDED_LENGTH, OPTIONAL, TRANSITIVE, TreatAsWithdraw, tlv
from bgpd.messages.framing import HEADER_SIZE, MARKER, MessageType
from bgpd.messages.negotiated import Negotiated

MP_REACH_NLRI: Final = 14
MP_UNREACH_NLRI: Final = 15

_BODY_SIZE: Final = 4  # of an UPDATE with nothing in it
_START: Final = Struct("!16sHBHH")  # header, no withdrawn routes, length of the attributes
_START_SIZE: Final = _START.size
_WITHDRAWAL: Final = Struct("!16sHBH")  # header, length of the withdrawn routes
_SHORT_MP_START: Final = Struct("!16sHBHHBBB")  # what _START has, then the header of an MP attribute
_LONG_MP_START: Final = Struct("!16sHBHHBBH")
_AFI_SAFI: Final = Struct("!HB")
_NEXT_HOP: Final = b"\x40\x03\x04"
_MP_START: Final = 6  # octets of MP_UNREACH_NLRI without a route, the shortest
_FAMILY_BY_OCTETS: Final = {_AFI_SAFI.pack(afi, safi): family for (afi, safi), family in FAMILIES.items()}
# Next hop sizes that need no capability (RFC 4760, RFC 2545 section 3)
_NATIVE_NEXT_HOPS: Final = {
    family: frozenset({family.octets} if family.is_classic else family.next_hop_sizes) for family in FAMILIES.values()
}
_NO_ATTRIBUTES: Final = b"\0\0"
_UPDATE: Final = int(MessageType.UPDATE)  # a member of an enum takes several times as long to look up as a global
_LONGEST: Final = 255  # octets of a value with a length of one octet
_MP_HEADER: Final = 4  # octets at most; with a value of up to 255 octets it has 3


class Update(NamedTuple):
    """One UPDATE, its attributes still in octets.

    attributes: the block without MP_REACH_NLRI and MP_UNREACH_NLRI. withdrawn, announced: canonical keys of the
    message's own fields, IPv4 unicast. mp_withdrawn, mp_announced: family, (next hop octets,) keys. A key has its path
    identifier in front where the session negotiated that. is_end_of_rib: the family whose routes are complete. faults:
    what was ignored. Withdrawals are applied first: a prefix in both is announced (RFC 4271 4.3).
    """

    attributes: bytes
    withdrawn: list[bytes]
    announced: list[bytes]
    mp_withdrawn: tuple[Family, list[bytes]] | None
    mp_announced: tuple[Family, bytes, list[bytes]] | None
    is_end_of_rib: Family | None
    faults: tuple[Fault, ...]


_new: Final = tuple.__new__
_ipv4_tokens: Final = nlri.TOKENS[IPV4_UNICAST.bits]


def decode(buffer: bytes, start: int, end: int, negotiated: Negotiated) -> Update:
    """Return the UPDATE whose body is ``buffer[start:end]``.

    Raises UpdateError where RFC 7606 leaves the session reset. What it treats as withdraw is found by ``block.parse``,
    but for a message without a reachable route: there such a fault is a reset too (RFC 7606 5.2).
    """
    if end - start < _BODY_SIZE:
        raise HeaderError(
            HeaderSubcode.BAD_MESSAGE_LENGTH,
            (end - start + HEADER_SIZE).to_bytes(2),
            why=f"UPDATE with a body of {end - start} octets, expected at least {_BODY_SIZE}",
        )
    withdrawn_end = start + 2 + (buffer[start] << 8 | buffer[start + 1])
    attributes_start = withdrawn_end + 2
    if attributes_start > end:
        raise _too_long("Withdrawn Routes Length")
    attributes_end = attributes_start + (buffer[withdrawn_end] << 8 | buffer[withdrawn_end + 1])
    if attributes_end > end:
        raise _too_long("Total Attribute Length")
    attributes = buffer[attributes_start:attributes_end]
    if (
        attributes_end < end
        and attributes_start == start + 4
        and not ((MP_REACH_NLRI in attributes or MP_UNREACH_NLRI in attributes) and _has_mp(attributes))
        and IPV4_UNICAST in negotiated.families
        and IPV4_UNICAST not in negotiated.add_path_receive
    ):
        keys = _ipv4_tokens(buffer, attributes_end, end)
        if len(b"".join(keys)) == end - attributes_end:
            return _new(Update, (attributes, [], keys, None, None, None, ()))
    update = None
    if attributes_end == end:
        if attributes_start == start + 4:
            if attributes:
                update = _decode_plain_mp(attributes, negotiated)
        elif not attributes and IPV4_UNICAST in negotiated.families:
            update = _decode_plain_withdrawal(buffer, start + 2, withdrawn_end, negotiated)
    if update is None:
        return _decode_any(buffer, (start + 2, withdrawn_end, attributes_end, end), attributes, negotiated)
    return update


def _decode_plain_withdrawal(buffer: bytes, start: int, end: int, negotiated: Negotiated) -> Update | None:
    """Return the UPDATE that only withdraws canonical keys in its own field, else None."""
    has_path_id = IPV4_UNICAST in negotiated.add_path_receive
    keys = (nlri.TOKENS_WITH_PATH_ID if has_path_id else nlri.TOKENS)[IPV4_UNICAST.bits](buffer, start, end)
    if len(b"".join(keys)) != end - start:
        return None
    return _new(Update, (b"", keys, [], None, None, None, ()))


def _decode_plain_mp(attributes: bytes, negotiated: Negotiated) -> Update | None:
    """Return the UPDATE that announces canonical keys in a leading MP_REACH_NLRI, or that only withdraws some.

    None = it is something else. RFC 7606 5.1 has senders put these attributes first.
    """
    size = len(attributes)
    if size <= _MP_START:
        return None
    flags, code = attributes[0], attributes[1]
    if flags == OPTIONAL:
        start, stop = 3, 3 + attributes[2]
    elif flags == OPTIONAL | EXTENDED_LENGTH:
        start, stop = 4, 4 + (attributes[2] << 8 | attributes[3])
    else:
        return None
    family = _FAMILY_BY_OCTETS.get(attributes[start : start + 3])
    if family is None or stop > size or family not in negotiated.families:
        return None
    routes = start + 3
    rest = attributes[stop:]
    if code == MP_REACH_NLRI:
        next_hop_size = attributes[routes] if routes < stop else 0
        if next_hop_size not in _NATIVE_NEXT_HOPS[family]:
            return None
        routes += 1 + next_hop_size + 1
        if (MP_REACH_NLRI in rest or MP_UNREACH_NLRI in rest) and _has_mp(rest):
            return None
    elif code != MP_UNREACH_NLRI or rest:
        return None
    if routes >= stop:
        return None
    has_path_id = family in negotiated.add_path_receive
    keys = (nlri.TOKENS_WITH_PATH_ID if has_path_id else nlri.TOKENS)[family.bits](attributes, routes, stop)
    if len(b"".join(keys)) != stop - routes:
        return None
    if code == MP_UNREACH_NLRI:
        return _new(Update, (b"", [], [], (family, keys), None, None, ()))
    return _new(Update, (rest, [], [], None, (family, attributes[start + 4 : routes - 1], keys), None, ()))


def _has_mp(attributes: bytes) -> bool:
    """Is MP_REACH_NLRI or MP_UNREACH_NLRI among the attributes?"""
    position, last = 0, len(attributes) - 3
    while position <= last:
        if attributes[position + 1] in (MP_REACH_NLRI, MP_UNREACH_NLRI):
            return True
        if attributes[position] & EXTENDED_LENGTH:
            position += 4 + int.from_bytes(attributes[position + 2 : position + 4])
        else:
            position += 3 + attributes[position + 2]
    return False


def _too_long(field: str) -> UpdateError:
    return UpdateError(UpdateSubcode.MALFORMED_ATTRIBUTE_LIST, why=f"{field} is more than the message has")


def _decode_any(buffer: bytes, bounds: tuple[int, int, int, int], attributes: bytes, negotiated: Negotiated) -> Update:
    """Return the UPDATE, whatever is in it; bounds: of the withdrawn routes, then of the NLRI."""
    withdrawn_start, withdrawn_end, nlri_start, end = bounds
    faults: list[Fault] = []
    has_ipv4 = IPV4_UNICAST in negotiated.families
    withdrawn = _keys(buffer, withdrawn_start, withdrawn_end, IPV4_UNICAST, negotiated)
    announced = _routes(buffer, nlri_start, end, IPV4_UNICAST, negotiated, faults)
    if (withdrawn or announced) and not has_ipv4:
        faults.append(Fault("NLRI", f"{IPV4_UNICAST.name} was not negotiated"))
        withdrawn, announced = [], []
    reach, unreach, rest = _separate(attributes)
    mp_announced = _decode_reach(reach, negotiated, faults) if reach is not None else None
    mp_withdrawn = _decode_unreach(unreach, negotiated, faults) if unreach is not None else None
    is_end_of_rib = None
    if nlri_start == end and (reach is None or _is_without_routes(reach)):
        if rest:
            _require_valid(rest, negotiated)
        elif reach is None and withdrawn_start == withdrawn_end:
            if unreach is None and has_ipv4:
                is_end_of_rib = IPV4_UNICAST
            elif mp_withdrawn is not None and not mp_withdrawn[1]:
                is_end_of_rib = mp_withdrawn[0]
    if mp_withdrawn is not None and not mp_withdrawn[1]:
        mp_withdrawn = None
    if mp_announced is not None and not mp_announced[2]:
        mp_announced = None
    return Update(rest, withdrawn, announced, mp_withdrawn, mp_announced, is_end_of_rib, tuple(faults))


def _keys(buffer: bytes, start: int, end: int, family: Family, negotiated: Negotiated) -> list[bytes]:
    if family in negotiated.add_path_receive:
        return nlri.split_with_path_id(buffer, start, end, family.bits)
    return nlri.split(buffer, start, end, family.bits)


def _routes(
    buffer: bytes, start: int, end: int, family: Family, negotiated: Negotiated, faults: list[Fault]
) -> list[bytes]:
    """Return the keys that can be routes; 4271 6.3: one that is semantically incorrect is logged and ignored."""
    has_path_id = family in negotiated.add_path_receive
    keys = (nlri.TOKENS_WITH_PATH_ID if has_path_id else nlri.TOKENS)[family.bits](buffer, start, end)
    if len(b"".join(keys)) == end - start:
        return keys
    before = nlri.PATH_ID_SIZE if has_path_id else 0
    routes: list[bytes] = []
    for key in nlri.split_plainly(buffer, start, end, family.bits, before):
        prefix = key[before:]
        if nlri.is_unicast(family, prefix):
            routes.append(key)
        else:
            faults.append(Fault("NLRI", f"{format_prefix(family, prefix)} is not a unicast prefix"))
    return routes


def _separate(attributes: bytes) -> tuple[bytes | None, bytes | None, bytes]:
    """Return the MP_REACH_NLRI and MP_UNREACH_NLRI attributes, whole, and the block without them.

    Stops where an attribute is cut off; that stays in the block for ``block.parse`` to judge (RFC 7606 section 4).
    """
    found: dict[int, bytes] = {}
    rest: list[bytes] = []
    position, size = 0, len(attributes)
    while size - position >= 3:
        if attributes[position] & EXTENDED_LENGTH:
            stop = position + 4 + int.from_bytes(attributes[position + 2 : position + 4])
            if size - position < 4:
                break
        else:
            stop = position + 3 + attributes[position + 2]
        if stop > size:
            break
        code = attributes[position + 1]
        if code not in (MP_REACH_NLRI, MP_UNREACH_NLRI):
            rest.append(attributes[position:stop])
        elif code in found:
            # 7606 3 g
            raise UpdateError(UpdateSubcode.MALFORMED_ATTRIBUTE_LIST, why=f"{_MP_NAMES[code]} is there more than once")
        else:
            found[code] = attributes[position:stop]
        position = stop
    if not found:
        return None, None, attributes
    rest.append(attributes[position:])
    return found.get(MP_REACH_NLRI), found.get(MP_UNREACH_NLRI), b"".join(rest)


_MP_NAMES: Final = {MP_REACH_NLRI: "MP_REACH_NLRI", MP_UNREACH_NLRI: "MP_UNREACH_NLRI"}


def _value(attribute: bytes) -> bytes:
    return attribute[4:] if attribute[0] & EXTENDED_LENGTH else attribute[3:]


def _incorrect(attribute: bytes, why: str) -> UpdateError:
    """4760 section 7: an incorrect MP attribute; its routes cannot be found, so RFC 7606 3 j leaves the reset."""
    return UpdateError(UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR, attribute, why=f"{_MP_NAMES[attribute[1]]}: {why}")


def _check_mp(attribute: bytes, shortest: int) -> bytes:
    """Return the value of an MP attribute whose flags and least length are right (RFC 7606 5.3)."""
    if attribute[0] & (OPTIONAL | TRANSITIVE) != OPTIONAL:
        why = f"{_MP_NAMES[attribute[1]]} has flags {attribute[0]:#04x}, expected optional non-transitive"
        raise UpdateError(UpdateSubcode.ATTRIBUTE_FLAGS_ERROR, attribute, why=why)
    value = _value(attribute)
    if len(value) < shortest:
        raise _incorrect(attribute, f"{len(value)} octets, expected at least {shortest}")
    return value


def _family_of(attribute: bytes, value: bytes, negotiated: Negotiated, faults: list[Fault]) -> Family | None:
    """Return the family if the session has it; routes of another are ignored."""
    afi, safi = _AFI_SAFI.unpack_from(value)
    family = FAMILIES.get((afi, safi))
    if family is not None and family in negotiated.families:
        return family
    name = family.name if family is not None else f"AFI {afi} SAFI {safi}"
    faults.append(Fault(_MP_NAMES[attribute[1]], f"{name} was not negotiated"))
    return None


def _decode_reach(
    attribute: bytes, negotiated: Negotiated, faults: list[Fault]
) -> tuple[Family, bytes, list[bytes]] | None:
    value = _check_mp(attribute, shortest=5)
    size = value[3]
    if 5 + size > len(value):
        raise _incorrect(attribute, f"a next hop of {size} octets is more than the attribute has")
    family = _family_of(attribute, value, negotiated, faults)
    if family is None:
        return None
    expected = family.next_hop_sizes if family in negotiated.extended_next_hop else _NATIVE_NEXT_HOPS[family]
    if size not in expected:
        raise _incorrect(attribute, f"a next hop of {size} octets for {family.name}")  # 7606 7.11
    try:
        return family, value[4 : 4 + size], _routes(value, 5 + size, len(value), family, negotiated, faults)
    except UpdateError as error:
        raise _incorrect(attribute, error.why) from error


def _decode_unreach(attribute: bytes, negotiated: Negotiated, faults: list[Fault]) -> tuple[Family, list[bytes]] | None:
    value = _check_mp(attribute, shortest=_AFI_SAFI.size)
    family = _family_of(attribute, value, negotiated, faults)
    if family is None:
        return None
    try:
        return family, _keys(value, _AFI_SAFI.size, len(value), family, negotiated)
    except UpdateError as error:
        raise _incorrect(attribute, error.why) from error


def _is_without_routes(reach: bytes) -> bool:
    value = _value(reach)
    return len(value) == 5 + value[3]


def _require_valid(attributes: bytes, negotiated: Negotiated) -> None:
    """7606 5.2: without a reachable route a fault leaves it open whether the routes were found, so it is a reset."""
    try:
        block.check(attributes, negotiated)
    except TreatAsWithdraw as fault:
        raise UpdateError(fault.subcode, fault.data, why=f"{fault} (and no route to withdraw)") from fault


def announce(
    family: Family, attributes: bytes, next_hop: bytes, keys: Sequence[bytes], max_message: int
) -> list[bytes]:
    """Return the UPDATEs that announce the keys, framed and filled up to ``max_message`` octets.

    attributes: a canonical block. next_hop: 4, 16 or 32 octets, or empty if the block has NEXT_HOP; IPv4 routes with
    one of 4 go into the message's own fields, all others into MP_REACH_NLRI, first of the attributes (RFC 7606 5.1).
    Raises ValueError if not even one prefix fits.
    """
    routes = b"".join(keys)
    if family.is_classic and len(next_hop) <= 4:
        if next_hop:
            at = _after_as_path(attributes)
            attributes = attributes[:at] + _NEXT_HOP + next_hop + attributes[at:]
        size = _START.size + len(attributes)
        if size + len(routes) <= max_message and routes:
            return [_START.pack(MARKER, size + len(routes), _UPDATE, 0, len(attributes)) + attributes + routes]
        return [
            _START.pack(MARKER, size + len(part), _UPDATE, 0, len(attributes)) + attributes + part
            for part in _parts(routes, keys, family, max_message - size)
        ]
    start = _reach(family, next_hop)
    room = max_message - _START.size - len(attributes) - len(start)
    messages = []
    for part in _mp_parts(routes, keys, family, room):
        whole = tlv(MP_REACH_NLRI, OPTIONAL, start + part) + attributes
        messages.append(_START.pack(MARKER, _START.size + len(whole), _UPDATE, 0, len(whole)) + whole)
    return messages


def announcer(family: Family, next_hop: bytes, max_message: int) -> Callable[[bytes, Sequence[bytes]], bytes]:
    """Return what makes of a block and keys what ``announce`` makes of them, if that is one message; else b"".

    next_hop: as for ``announce``, but a block for routes in the message's own fields has NEXT_HOP already.
    """
    pack, join = _START.pack, b"".join
    room = max_message - _START.size
    if not next_hop:

        def classic(attributes: bytes, keys: Sequence[bytes]) -> bytes:
            routes = join(keys)
            length = len(attributes)
            size = length + len(routes)
            if size > room or not routes:
                return b""
            return join((pack(MARKER, _START_SIZE + size, _UPDATE, 0, length), attributes, routes))

        return classic
    start = _reach(family, next_hop)
    before, room = len(start), room - _MP_HEADER
    pack_short, pack_long, extended = _SHORT_MP_START.pack, _LONG_MP_START.pack, OPTIONAL | EXTENDED_LENGTH

    def multiprotocol(attributes: bytes, keys: Sequence[bytes]) -> bytes:
        routes = join(keys)
        size = before + len(routes)
        length = size + len(attributes)
        if length > room or not routes:
            return b""
        if size > _LONGEST:
            length += 4
            head = pack_long(MARKER, _START_SIZE + length, _UPDATE, 0, length, extended, MP_REACH_NLRI, size)
        else:
            length += 3
            head = pack_short(MARKER, _START_SIZE + length, _UPDATE, 0, length, OPTIONAL, MP_REACH_NLRI, size)
        return join((head, start, routes, attributes))

    return multiprotocol


def _reach(family: Family, next_hop: bytes) -> bytes:
    """Return MP_REACH_NLRI up to its routes, without its header."""
    return _AFI_SAFI.pack(family.afi, family.safi) + bytes((len(next_hop),)) + next_hop + b"\0"


def withdraw(family: Family, keys: Sequence[bytes], max_message: int) -> list[bytes]:
    """Return the UPDATEs that withdraw the keys, framed and filled up to ``max_message`` octets."""
    routes = b"".join(keys)
    if family.is_classic:
        size = _WITHDRAWAL.size + len(_NO_ATTRIBUTES)
        return [
            _WITHDRAWAL.pack(MARKER, size + len(part), _UPDATE, len(part)) + part + _NO_ATTRIBUTES
            for part in _parts(routes, keys, family, max_message - size)
        ]
    start = _AFI_SAFI.pack(family.afi, family.safi)
    messages = []
    for part in _mp_parts(routes, keys, family, max_message - _START.size - len(start)):
        whole = tlv(MP_UNREACH_NLRI, OPTIONAL, start + part)
        messages.append(_START.pack(MARKER, _START.size + len(whole), _UPDATE, 0, len(whole)) + whole)
    return messages


def end_of_rib(family: Family) -> bytes:
    """Return the End-of-RIB marker of the family, framed (RFC 4724 section 2)."""
    if family.is_classic:
        return _START.pack(MARKER, _START.size, _UPDATE, 0, 0)
    whole = tlv(MP_UNREACH_NLRI, OPTIONAL, _AFI_SAFI.pack(family.afi, family.safi))
    return _START.pack(MARKER, _START.size + len(whole), _UPDATE, 0, len(whole)) + whole


def _after_as_path(attributes: bytes) -> int:
    """Return where NEXT_HOP belongs in a canonical block: behind ORIGIN and AS_PATH."""
    position, size = 0, len(attributes)
    while position < size and attributes[position + 1] < 3:
        if attributes[position] & EXTENDED_LENGTH:
            position += 4 + (attributes[position + 2] << 8 | attributes[position + 3])
        else:
            position += 3 + attributes[position + 2]
    return position


def _mp_parts(routes: bytes, keys: Sequence[bytes], family: Family, room: int) -> Iterator[bytes]:
    """Split for an MP attribute; room: octets for its header and routes."""
    # Assuming the longer header costs at most one octet of a full message
    return _parts(routes, keys, family, room - _MP_HEADER)


def _parts(routes: bytes, keys: Sequence[bytes], family: Family, room: int) -> Iterator[bytes]:
    """Cut the joined keys into runs of whole keys that are at most ``room`` octets each."""
    if len(routes) <= room:
        if routes:
            yield routes
        return
    longest, count = nlri.PATH_ID_SIZE + 1 + family.bits // 8, len(keys)
    index = start = stop = 0
    while index < count:
        end = start + room
        while stop + longest <= end and index < count:
            surely = index + (end - stop) // longest
            stop += len(b"".join(keys[index:surely]))  # sooner done than the sum of their lengths
            index = min(surely, count)
        while index < count and stop + len(keys[index]) <= end:
            stop += len(keys[index])
            index += 1
        if stop == start:
            raise ValueError(f"the attributes leave {room} octets in a message for prefixes; one more needs more")
        yield routes[start:stop]
        start = stop
