"""Targets: UPDATE, attribute blocks and NLRI, against the grammar, the plain decoders and their own encodings.

RFC 4271 4.3 and 6.3, RFC 4760, 7606, 6793, 7911. The first octet chooses the session (``sessions``).
"""

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from construct import ConstructError

from bgpd.addresses import format_prefix, parse_prefix
from bgpd.errors import BgpError, UpdateError
from bgpd.families import FAMILIES, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.messages import nlri
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.framing import HEADER_SIZE
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, Negotiated
from bgpd.messages.update import Update, announce, decode, end_of_rib, withdraw
from conformance.fuzz.sessions import session
from conformance.grammar.comparison import compare_routes, compare_values, parameters
from conformance.grammar.update import UPDATE

_NEXT_HOPS: Final = (
    None,
    bytes.fromhex("0a000001"),
    bytes.fromhex("20010db8000000000000000000000001"),
    bytes.fromhex("20010db8000000000000000000000001 fe800000000000000000000000000001"),
    bytes.fromhex("fe800000000000000000000000000001"),
    bytes.fromhex("e0000001"),
    bytes(4),
    bytes(16),
)
_AS4: Final = {17, 18}


def updating(octets: bytes) -> None:
    """Octet 1: the session; then the body of an UPDATE. The grammar agrees; what it says can be said again."""
    if not octets:
        return
    negotiated = session(octets[0])
    body = octets[1 : negotiated.max_receive - HEADER_SIZE]
    try:
        update = decode(body, 0, len(body), negotiated)
    except BgpError:
        return
    buffer = b"\xff" * 7 + body + b"\xff" * 7
    assert decode(buffer, 7, 7 + len(body), negotiated) == update
    next_hops = [None] if update.announced else []
    next_hops += [update.mp_announced[1]] if update.mp_announced else []
    blocks: list[Attributes] = []
    for next_hop in next_hops:
        try:
            blocks.append(block.parse(update.attributes, negotiated, next_hop))
        except (TreatAsWithdraw, UpdateError):
            return
    _compare_with_grammar(update, blocks, body, negotiated)
    _say_again(update, blocks, negotiated)


def _compare_with_grammar(update: Update, blocks: list[Attributes], body: bytes, negotiated: Negotiated) -> None:
    try:
        parsed = UPDATE.parse(body, **parameters(negotiated))
    except ConstructError:
        # It knows no outcomes: what bgpd passes over it refuses. What bgpd hands on it must take.
        for attributes in blocks:
            _check_by_grammar(attributes, negotiated)
        return
    codes = [each.code for each in parsed.attributes.all]
    if len(codes) != len(set(codes)):
        return
    compare_routes(update, parsed, negotiated)
    for attributes in blocks:
        if not attributes.faults:
            compare_values(attributes, parsed, has_merged=bool(_AS4 & set(codes)))


def _check_by_grammar(attributes: Attributes, negotiated: Negotiated) -> None:
    octets = attributes.octets if negotiated.four_octet_as else block.two_octet(attributes.octets)
    if len(octets) <= 0xFFFF:
        UPDATE.parse(b"\0\0" + len(octets).to_bytes(2) + octets, **parameters(negotiated))


def _say_again(update: Update, blocks: list[Attributes], negotiated: Negotiated) -> None:
    """Encode what was read; reading that gives the same routes and the same attributes."""
    announced: list[tuple[Family, bytes, list[bytes]]] = []
    if update.announced:
        announced.append((IPV4_UNICAST, b"", update.announced))
    if update.mp_announced is not None:
        announced.append(update.mp_announced)
    for (family, next_hop, keys), attributes in zip(announced, blocks, strict=True):
        octets = attributes.octets if negotiated.four_octet_as else block.two_octet(attributes.octets)
        try:
            messages = announce(family, octets, next_hop, keys, MAX_EXTENDED_MESSAGE)
        except ValueError:
            assert len(octets) > MAX_EXTENDED_MESSAGE - 100  # AS4_PATH came on top
            continue
        again = [_read(message, negotiated) for message in messages]
        told = [key for each in again for key in (each.mp_announced[2] if each.mp_announced else each.announced)]
        assert told == keys
        assert not any(each.faults for each in again)
    withdrawn = [(IPV4_UNICAST, update.withdrawn)] if update.withdrawn else []
    withdrawn += [update.mp_withdrawn] if update.mp_withdrawn is not None else []
    for family, keys in withdrawn:
        again = [_read(message, negotiated) for message in withdraw(family, keys, MAX_EXTENDED_MESSAGE)]
        assert [
            key for each in again for key in (each.mp_withdrawn[1] if each.mp_withdrawn else each.withdrawn)
        ] == keys
    if update.is_end_of_rib is not None:
        assert _read(end_of_rib(update.is_end_of_rib), negotiated).is_end_of_rib is update.is_end_of_rib


def _read(message: bytes, negotiated: Negotiated) -> Update:
    return decode(message, HEADER_SIZE, len(message), negotiated)


def attributes(octets: bytes) -> None:
    """Octet 1: the session; octet 2: the next hop of MP_REACH_NLRI; then a block. Fast and plain parser agree."""
    if len(octets) < 2:
        return
    negotiated = session(octets[0])
    next_hop, octets = _NEXT_HOPS[octets[1] % len(_NEXT_HOPS)], octets[2:]
    with suppress(TreatAsWithdraw, UpdateError):
        block.check(octets, negotiated)
    fast, plain = (_outcome(parse, octets, negotiated, next_hop) for parse in (block.parse, block.parse_plainly))
    assert fast == plain
    if not isinstance(fast, tuple):
        return
    found = block.parse(octets, negotiated, next_hop)
    _check_canonical(found, session(_without_two_octets(negotiated)), next_hop)
    _check_two_octet_form(found, negotiated, next_hop)


def _without_two_octets(negotiated: Negotiated) -> int:
    """Return the choice of a four-octet session that is the same otherwise, as far as attributes go."""
    return 2 if negotiated.is_internal else 4 if negotiated.is_confederation else 0


def _outcome(
    parse: "type[block.parse]", octets: bytes, negotiated: Negotiated, next_hop: bytes | None
) -> tuple[object, ...] | str:
    """Return all that the parser found, or what it raised, as a value."""
    try:
        found = parse(octets, negotiated, next_hop)
    except TreatAsWithdraw as fault:
        return f"withdraw: {fault} {fault.subcode} {fault.data.hex()}"
    except UpdateError as error:
        return f"reset: {error} {error.subcode} {error.data.hex()}"
    return _values(found)


def _values(found: Attributes) -> tuple[object, ...]:
    return tuple(getattr(found, name) for name in Attributes.__slots__)


def _check_canonical(found: Attributes, wide: Negotiated, next_hop: bytes | None) -> None:
    """Canonical octets read as themselves, and the encoder makes octets that it makes again."""
    again = block.parse(found.octets, wide, next_hop)
    assert again.octets == found.octets
    assert not again.faults
    skipped = {"faults"}
    for name in Attributes.__slots__:
        assert name in skipped or getattr(again, name) == getattr(found, name), name
    assert [whole for _, whole in block.split(found.octets)] == sorted(
        (whole for _, whole in block.split(found.octets)), key=lambda whole: whole[1]
    )
    made = block.encode(found)
    settled = block.parse(made, wide, next_hop)
    assert block.encode(settled) == made
    assert block.replace(found).octets == found.octets


def _check_two_octet_form(found: Attributes, negotiated: Negotiated, next_hop: bytes | None) -> None:
    """A two-octet session carries the same path, but for confederation segments behind others (RFC 6793 section 3)."""
    choice = _without_two_octets(negotiated) | 1
    narrow = session(choice)
    again = block.parse(block.two_octet(found.octets), narrow, next_hop)
    if all(kind in (1, 2) for kind, _ in found.as_path.segments()):
        assert again.as_path.octets == found.as_path.octets
    if again.aggregator is not None:
        assert again.aggregator == found.aggregator


def routes(octets: bytes) -> None:
    """Octet 1: family and path identifiers; then NLRI. The fast and the plain cutter and ``ipaddress`` agree."""
    if not octets:
        return
    family = IPV6_UNICAST if octets[0] & 1 else IPV4_UNICAST
    before = nlri.PATH_ID_SIZE if octets[0] & 2 else 0
    field = octets[1:]
    split = nlri.split_with_path_id if before else nlri.split
    keys = _cut(lambda: split(b"\x18" + field + b"\x18", 1, 1 + len(field), family.bits))
    assert keys == _cut(lambda: nlri.split_plainly(field, 0, len(field), family.bits, before))
    if isinstance(keys, str):
        return
    joined = b"".join(keys)
    assert len(joined) == len(field)
    assert split(joined, 0, len(joined), family.bits) == keys
    for key in keys:
        prefix = key[before:]
        address = prefix[1:].ljust(family.octets, b"\0")
        network = ipaddress.ip_network((address, prefix[0]))  # ValueError: octets below the length
        assert parse_prefix(format_prefix(family, prefix)) == (family, prefix)
        assert parse_prefix(str(network)) == (family, prefix)
        if nlri.is_unicast(family, prefix):
            assert not network.is_multicast
            assert not network.is_loopback


def _cut(cutter: Callable[[], list[bytes]]) -> list[bytes] | str:
    """Return the keys, or why there are none."""
    try:
        return cutter()
    except UpdateError as error:
        return f"{error} {error.subcode} {error.data.hex()}"


assert set(FAMILIES.values()) == {IPV4_UNICAST, IPV6_UNICAST}  # ``routes`` knows no others
