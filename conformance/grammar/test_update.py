"""The fast decoder against the grammar: what one builds the other reads, and damage is read alike or refused."""

from dataclasses import replace

import pytest
from construct import Construct, ConstructError
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.errors import BgpError
from bgpd.families import FAMILIES, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.messages.attributes import block
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.framing import HEADER_SIZE
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.update import Update, announce, decode
from conformance.grammar.comparison import compare_routes, compare_values, is_ignored, parameters
from conformance.grammar.update import UPDATE
from tests.support.wire import EXTERNAL, GLOBAL, INTERNAL, LINK_LOCAL, blocks, prefixes

SESSIONS = [
    INTERNAL,
    replace(INTERNAL, four_octet_as=False),
    replace(INTERNAL, add_path_receive=frozenset({IPV4_UNICAST})),
    replace(INTERNAL, add_path_receive=frozenset({IPV4_UNICAST, IPV6_UNICAST})),
]


u32 = st.integers(0, 0xFFFF_FFFF)


def octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def some(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({"all": st.lists(strategy, min_size=1, max_size=70)})


def single(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({"it": strategy})


@st.composite
def parsed_prefixes(draw: st.DrawFn, family: Family, has_id: bool) -> dict[str, object]:
    octets = draw(prefixes(family))
    return {"path_id": draw(u32) if has_id else None, "length": octets[0], "address": octets[1:]}


def paths(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, object]]:
    segment = st.fixed_dictionaries({"kind": st.integers(1, 4), "numbers": st.lists(numbers, min_size=1, max_size=70)})
    return st.fixed_dictionaries({"all": st.lists(segment, max_size=3)})


def attribute(code: int, flags: int, value: object, is_extended: bool) -> dict[str, object]:
    bits = {"optional": bool(flags & 0x80), "transitive": bool(flags & 0x40), "partial": bool(flags & 0x20)}
    return {"flags": {**bits, "extended": is_extended, "unused": 0}, "code": code, "value": value}


@st.composite
def updates(draw: st.DrawFn, negotiated: Negotiated) -> dict[str, object]:
    """An UPDATE with every mandatory attribute, any others, and routes in any of the four places."""
    numbers = st.integers(1, 0xFFFF_FFFF if negotiated.four_octet_as else 0xFFFF)
    optional = {
        4: (0x80, single(u32)), 5: (0x40, single(u32)), 6: (0x40, st.just({})),
        7: (0xC0, st.fixed_dictionaries({"asn": numbers, "address": octets(4)})), 8: (0xC0, some(u32)),
        9: (0x80, single(u32)), 10: (0x80, some(u32)), 16: (0xC0, some(octets(8))), 25: (0xC0, some(octets(20))),
        26: (0x80, st.builds(lambda value: {"all": [{"type": 1, "length": 11, "value": value}]}, octets(8))),
        32: (0xC0, some(st.fixed_dictionaries({"administrator": u32, "first": u32, "second": u32}))),
        35: (0xC0, single(u32)), 99: (0xE0, st.binary(max_size=300)),
    }  # fmt: skip
    if not negotiated.four_octet_as:
        optional[17] = (0xC0, paths(st.integers(1, 0xFFFF_FFFF)).filter(lambda value: value["all"]))
        optional[18] = (0xC0, st.fixed_dictionaries({"asn": st.integers(1, 2**32 - 1), "address": octets(4)}))
    chosen = {
        1: (0x40, single(st.integers(0, 2))),
        2: (0x40, paths(numbers)),
        3: (0x40, single(st.just(b"\x0a\0\0\1"))),
        **{code: optional[code] for code in draw(st.sets(st.sampled_from(sorted(optional))))},
    }
    attributes = [(code, flags, draw(values)) for code, (flags, values) in chosen.items()]

    def some_prefixes(family: Family, least: int = 0) -> list[dict[str, object]]:
        has_id = family in negotiated.add_path_receive
        return draw(st.lists(parsed_prefixes(family, has_id), min_size=least, max_size=6))

    start = {"afi": 2, "safi": 1}
    if draw(st.booleans()):
        next_hop = draw(st.sampled_from([GLOBAL, GLOBAL + LINK_LOCAL]))
        value = {**start, "next_hop": next_hop, "reserved": 0, "routes": {"all": some_prefixes(IPV6_UNICAST, 1)}}
        attributes.append((14, 0x80, value))
    if draw(st.booleans()):
        attributes.append((15, 0x80, {**start, "routes": {"all": some_prefixes(IPV6_UNICAST, 1)}}))
    is_extended = draw(st.booleans())
    long = {8, 10, 16, 25, 32, 2, 14, 15, 17, 99}  # may need two octets of length
    return {
        "withdrawn": {"all": some_prefixes(IPV4_UNICAST)},
        "attributes": {
            "all": [
                attribute(code, flags, value, code in long or is_extended)
                for code, flags, value in draw(st.permutations(attributes))
            ]
        },
        "routes": {"all": some_prefixes(IPV4_UNICAST, 1)},
    }


def build(layout: Construct, message: dict[str, object], negotiated: Negotiated) -> bytes:
    built: bytes = layout.build(message, **parameters(negotiated))
    return built


def read(body: bytes, negotiated: Negotiated) -> Update:
    return decode(body, 0, len(body), negotiated)


@pytest.mark.parametrize("negotiated", SESSIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_what_the_grammar_builds_is_read_as_it_was_said(negotiated: Negotiated, data: st.DataObject) -> None:
    message = data.draw(updates(negotiated))
    body = build(UPDATE, message, negotiated)
    parsed = UPDATE.parse(body, **parameters(negotiated))
    found = read(body, negotiated)
    compare_routes(found, parsed, negotiated)
    codes = {each.code for each in parsed.attributes.all}
    compare_values(block.parse(found.attributes, negotiated, None), parsed, has_merged=bool(codes & {17, 18}))
    assert found.faults == ()


@pytest.mark.parametrize("negotiated", SESSIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_damaged_messages_are_read_alike_or_refused(negotiated: Negotiated, data: st.DataObject) -> None:
    body = bytearray(build(UPDATE, data.draw(updates(negotiated)), negotiated))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = UPDATE.parse(bytes(body), **parameters(negotiated))
    except ConstructError:
        parsed = None
    try:
        found = read(bytes(body), negotiated)
        attributes = block.parse(found.attributes, negotiated, None)
    except (BgpError, TreatAsWithdraw):
        return
    if parsed is not None:
        codes = [each.code for each in parsed.attributes.all]
        if len(codes) == len(set(codes)) and not attributes.faults:
            compare_routes(found, parsed, negotiated)
    else:
        # The grammar refuses what RFC 7606 discards; nothing else may get by
        assert attributes.faults or found.faults or is_ignored(found, bytes(body), negotiated)


@given(data=st.data(), octets=blocks(has_next_hop=False))
def test_what_bgpd_announces_is_an_update_by_the_grammar(data: st.DataObject, octets: bytes) -> None:
    family = data.draw(st.sampled_from(list(FAMILIES.values())))
    keys = data.draw(st.lists(prefixes(family), min_size=1, max_size=40))
    next_hop = b"\x0a\0\0\1" if family.is_classic else GLOBAL
    for message in announce(family, octets, next_hop, keys, len(octets) + 150):
        parsed = UPDATE.parse(message[HEADER_SIZE:], **parameters(EXTERNAL))
        compare_routes(read(message[HEADER_SIZE:], EXTERNAL), parsed, EXTERNAL)
