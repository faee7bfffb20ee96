"""Everyday UPDATEs: what is cut in a run is what ``decode`` reads of each message, and the run ends where it must."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.messages import everyday
from bgpd.messages.attributes.block import plain_reader
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.messages.update import decode
from tests.support.wire import (
    EXTERNAL,
    GLOBAL,
    LINK_LOCAL,
    MANDATORY,
    MP_MANDATORY,
    ROUTE,
    ROUTE6,
    blocks,
    body,
    prefixes,
    reach,
    unreach,
)

FAR = 1 << 20
Found = list[everyday.Routes]


def cut_classic(bodies: Sequence[bytes], stop: int = FAR) -> Found:
    buffer, messages = framed(bodies)
    return list(everyday.classic(buffer, messages, stop))


def cut_multiprotocol(bodies: Sequence[bytes], stop: int = FAR) -> Found:
    buffer, messages = framed(bodies)
    return list(everyday.multiprotocol(buffer, messages, stop, IPV6_UNICAST))


def framed(bodies: Sequence[bytes]) -> tuple[bytes, list[tuple[int, int, int]]]:
    framer = Framer()
    messages = framer.feed(b"".join(frame(MessageType.UPDATE, each) for each in bodies))
    return framer.buffer, messages


CLASSIC = body(MANDATORY, ROUTE + b"\x08\x0a")
MULTIPROTOCOL = body(reach(GLOBAL, ROUTE6) + MP_MANDATORY)
OTHERS = {
    "a withdrawal": body(withdrawn=ROUTE),
    "both": body(MANDATORY, ROUTE, ROUTE),
    "an End-of-RIB": body(),
    "stray bits": body(MANDATORY, b"\x08\x0a\x09\x0a\x7f"),
    "no unicast prefix": body(MANDATORY, b"\x08\xe0"),
    "a prefix that is cut off": body(MANDATORY, b"\x18\x0a"),
    "an End-of-RIB of another family": body(unreach(b"")),
    "MP_REACH_NLRI behind others": body(MP_MANDATORY + reach(GLOBAL, ROUTE6)),
    "MP_REACH_NLRI of another family": body(reach(b"\x0a\0\0\1", ROUTE, IPV4_UNICAST) + MP_MANDATORY),
    "MP_REACH_NLRI without routes": body(reach(GLOBAL, b"") + MP_MANDATORY),
    "MP_REACH_NLRI with other flags": body(reach(GLOBAL, ROUTE6, flags=0xC0) + MP_MANDATORY),
    "MP_REACH_NLRI that is too long": b"\0\0\0\x20" + reach(GLOBAL, ROUTE6)[:32],
    "a next hop that is cut off": body(b"\x80\x0e\x08\0\2\1\x10" + bytes(4)),
    "attributes that are too long": b"\0\0\xff\xff" + MANDATORY,
    "withdrawn routes that are too long": b"\xff\xff\0\0",
}


def test_routes_are_cut_as_long_as_they_come() -> None:
    routes = (MANDATORY, None, [ROUTE, b"\x08\x0a"])
    assert cut_classic([CLASSIC, CLASSIC]) == [routes, routes]
    assert cut_multiprotocol([MULTIPROTOCOL] * 2) == [(MP_MANDATORY, GLOBAL, [ROUTE6])] * 2


def test_a_long_mp_reach_and_both_next_hops_are_cut() -> None:
    both = GLOBAL + LINK_LOCAL
    assert cut_multiprotocol([body(reach(both, ROUTE6) + MP_MANDATORY)]) == [(MP_MANDATORY, both, [ROUTE6])]
    long = body(reach(GLOBAL, ROUTE6 * 80, flags=0x90) + MP_MANDATORY)
    assert cut_multiprotocol([long]) == [(MP_MANDATORY, GLOBAL, [ROUTE6] * 80)]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_run_ends_where_something_else_comes(other: bytes) -> None:
    assert cut_classic([CLASSIC, other, CLASSIC]) == cut_classic([CLASSIC])
    assert cut_multiprotocol([MULTIPROTOCOL, other, MULTIPROTOCOL]) == cut_multiprotocol([MULTIPROTOCOL])


@pytest.mark.parametrize("cut", [cut_classic, cut_multiprotocol])
def test_neither_takes_what_the_other_does(cut: Callable[[Sequence[bytes]], Found]) -> None:
    assert cut([MULTIPROTOCOL if cut is cut_classic else CLASSIC]) == []


def test_a_run_ends_at_another_kind_of_message_and_where_it_is_told_to() -> None:
    framer = Framer()
    octets = frame(MessageType.UPDATE, CLASSIC)
    messages = framer.feed(octets + frame(MessageType.KEEPALIVE, b"") + octets)
    assert len(list(everyday.classic(framer.buffer, messages, FAR))) == 1
    assert len(cut_classic([CLASSIC] * 3, stop=2 * len(octets))) == 2


bodies = st.one_of(
    st.tuples(blocks(), st.lists(prefixes(IPV4_UNICAST), max_size=3)).map(lambda a: body(a[0], b"".join(a[1]))),
    st.tuples(blocks(has_next_hop=False), st.lists(prefixes(IPV6_UNICAST), max_size=3)).map(
        lambda a: body(reach(GLOBAL, b"".join(a[1])) + a[0])
    ),
    st.sampled_from([*OTHERS.values(), CLASSIC, MULTIPROTOCOL]),
)


@given(st.lists(bodies, min_size=1, max_size=4), st.data())
def test_what_is_cut_is_what_decode_reads(several: list[bytes], data: st.DataObject) -> None:
    for at, octets in enumerate(several):
        if octets and data.draw(st.booleans()):
            changed = bytearray(octets)
            changed[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
            several[at] = bytes(changed)
    buffer, messages = framed(several)
    for start in range(len(messages)):
        for found, family in (
            (everyday.classic(buffer, messages[start:], FAR), IPV4_UNICAST),
            (everyday.multiprotocol(buffer, messages[start:], FAR, IPV6_UNICAST), IPV6_UNICAST),
        ):
            _compare(buffer, messages[start:], found, family is IPV4_UNICAST)


def _compare(
    buffer: bytes, messages: list[tuple[int, int, int]], found: Iterator[everyday.Routes], is_classic: bool
) -> None:
    for (_, start, end), (block, next_hop, keys) in zip(messages, found, strict=False):
        if plain_reader(EXTERNAL)(block, next_hop) is None:
            continue  # whoever reads the block leaves the message to ``decode``
        try:
            whole = decode(buffer, start, end, EXTERNAL)
        except BgpError as error:
            raise AssertionError(f"decode refuses {buffer[start:end].hex()}") from error
        announced = whole.announced if is_classic else whole.mp_announced and whole.mp_announced[2]
        assert (whole.attributes, announced) == (block, keys)
        assert is_classic or (whole.mp_announced and whole.mp_announced[:2] == (IPV6_UNICAST, next_hop))
        nothing_else = (whole.withdrawn, whole.mp_withdrawn, whole.is_end_of_rib, whole.faults)
        assert not any((*nothing_else, whole.mp_announced if is_classic else whole.announced))


def test_a_next_hop_is_that_of_its_own_message_and_the_same_object_while_it_does_not_change() -> None:
    other = GLOBAL[:-1] + b"\2"
    hops = [GLOBAL, GLOBAL, GLOBAL + LINK_LOCAL, GLOBAL, other, other]
    found = [hop for _, hop, _ in cut_multiprotocol([body(reach(hop, ROUTE6) + MP_MANDATORY) for hop in hops])]
    assert found == hops
    assert [found[at] is found[at - 1] for at in range(1, len(hops))] == [True, False, False, False, True]
