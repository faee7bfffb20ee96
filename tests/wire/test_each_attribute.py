"""Each path attribute that bgpd knows, broken in every way, from an internal and an external peer, seen by another one.

RFC 7606 sections 3 and 7, and each attribute's own RFC. A row says what the attribute looks like and what its faults
cost; wrong flags, a second one, and the wrong kind of peer are derived from it. The named cases of single rules are in
``test_malformed_attributes``. The observer is an internal peer, and we are a reflector for it.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

import pytest

from bgpd.messages.attributes import SPECS
from tests.support import wire_observer
from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_observer import EXTERNAL, INTERNAL, OBSERVER, ROUTE, ROUTE6, block
from tests.support.wire_peer import (
    AGGREGATOR,
    AIGP,
    AS4_AGGREGATOR,
    AS4_PATH,
    AS_PATH,
    ATOMIC_AGGREGATE,
    CLUSTER_LIST,
    COMMUNITIES,
    EXTENDED_COMMUNITIES,
    FLAGS,
    IPV6_EXTENDED_COMMUNITIES,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    ORIGIN,
    ORIGINATOR_ID,
    OTC,
    WirePeer,
    address,
    as_path,
    attribute,
    mp_reach,
    mp_unreach,
    prefixes,
    u32,
    update,
)

NODE, PEERS = wire_observer.NODE, wire_observer.PEERS  # of the daemon of this module

HOP6 = address("2001:db8::2")
WHERE = address("192.0.2.9")
KINDS: Final = (0x00, 0x40, 0x80, 0xC0)  # of the Optional and the Transitive bit


class Fate(Enum):
    """What becomes of the route."""

    WITHDRAWN = "the route is withdrawn"
    STRIPPED = "the route goes on without the attribute"


WITHDRAWN, STRIPPED = Fate.WITHDRAWN, Fate.STRIPPED


class Row(NamedTuple):
    """An attribute. broken: values that are no such attribute, and what each costs inside. flags: what wrong ones cost.

    unused: from whom the attribute means nothing, so that it is taken off whatever is in it.
    """

    sound: bytes
    broken: tuple[bytes, ...]
    fate: Fate
    flags: Fate = WITHDRAWN
    unused: tuple[Remote, ...] = ()


BOTH = (EXTERNAL, INTERNAL)
TLV = b"\1\0\x0b" + bytes(8)
TABLE: Final[dict[int, Row]] = {
    ORIGIN: Row(b"\0", (b"", b"\0\0", b"\3", b"\xff"), WITHDRAWN),
    AS_PATH: Row(
        as_path(65002, 65050),
        (
            b"\2",
            b"\2\0",
            b"\2\1",
            as_path(65002)[:-1],
            as_path(65002) + b"\2",
            as_path(65002) + b"\2\0",
            b"\2\3" + u32(65002, 65050),
            as_path(65002, kind=0),
            as_path(65002, kind=5),
            as_path(65002, kind=255),
            as_path(65002, 0),
            as_path(65002, kind=2) + as_path(0, kind=1),
        ),
        WITHDRAWN,
    ),
    NEXT_HOP: Row(
        address("192.0.2.1"),
        (b"", bytes(3), address("192.0.2.1") + b"\0", HOP6, bytes(4), address("224.0.0.1"), address("255.255.255.255")),
        WITHDRAWN,
    ),
    MED: Row(u32(5), (b"", bytes(3), bytes(5), bytes(8)), WITHDRAWN),
    LOCAL_PREF: Row(u32(100), (b"", bytes(3), bytes(5)), WITHDRAWN, unused=(EXTERNAL,)),
    ATOMIC_AGGREGATE: Row(b"", (b"\0", bytes(4)), STRIPPED),
    AGGREGATOR: Row(u32(65002) + WHERE, (b"", b"\xfd\xea" + WHERE, bytes(7), bytes(9), u32(0) + WHERE), STRIPPED),
    COMMUNITIES: Row(u32(65002 << 16 | 1), (b"", bytes(3), bytes(5)), WITHDRAWN),
    ORIGINATOR_ID: Row(address("10.9.9.9"), (b"", bytes(3), bytes(5)), WITHDRAWN, unused=(EXTERNAL,)),
    CLUSTER_LIST: Row(address("10.9.9.9"), (b"", bytes(3), bytes(6)), WITHDRAWN, unused=(EXTERNAL,)),
    EXTENDED_COMMUNITIES: Row(bytes.fromhex("0002 fdea 0000 0001"), (b"", bytes(7), bytes(9)), WITHDRAWN),
    AS4_PATH: Row(as_path(65050), (b"", b"\2\2" + u32(65050), as_path(65050, kind=9)), STRIPPED, unused=BOTH),
    AS4_AGGREGATOR: Row(u32(65050) + WHERE, (b"", bytes(7), u32(0) + WHERE), STRIPPED, unused=BOTH),
    IPV6_EXTENDED_COMMUNITIES: Row(b"\0\2" + bytes(18), (b"", bytes(19), bytes(21)), WITHDRAWN),
    AIGP: Row(
        TLV, (b"", b"\1\0", TLV[:-1], b"\1\0\2", b"\2\0\x03", b"\1\0\x0c" + bytes(9)), STRIPPED, STRIPPED, (EXTERNAL,)
    ),
    LARGE_COMMUNITIES: Row(u32(65002, 1, 1), (b"", bytes(11), bytes(13)), WITHDRAWN),
    OTC: Row(u32(65002), (b"", bytes(3), bytes(5)), WITHDRAWN),
}


def marked(feeder: WirePeer, mark: int, *changed: bytes, size: int = 4) -> bytes:
    """Return the mandatory attributes and a mark, with these in place of those of the same code or behind them."""
    asns = [EXTERNAL.asn] if feeder.asn == EXTERNAL.asn else []
    mark_octets = () if any(octets[1] == MED for octets in changed) else (attribute(MED, u32(mark)),)
    return block(asns, *mark_octets, *changed, size=size)


def announce(feeder: WirePeer, observer: WirePeer, attributes: bytes) -> None:
    """Announce the route so, and let the observer hear all of it."""
    feeder.send(update(attributes, prefixes(ROUTE)))
    feeder.sync()
    observer.sync()


def assert_fate(feeder: WirePeer, observer: WirePeer, octets: bytes, fate: Fate, what: str) -> None:
    """See what becomes of a route that was sound before this attribute came with it."""
    code = octets[1]
    announce(feeder, observer, marked(feeder, 1))
    before = observer.table[ROUTE]
    announce(feeder, observer, marked(feeder, 2, octets))
    if fate is WITHDRAWN:
        assert ROUTE not in observer.table, what
        return
    route = observer.table[ROUTE]
    assert route.value(code) == before.value(code), what  # as if the attribute had not been there
    if code != MED:
        assert route.number(MED) == 2, what


def faults(code: int, remote: Remote) -> Iterator[tuple[str, bytes, Fate]]:
    """Yield each way in which the attribute can be wrong."""
    row = TABLE[code]
    is_unused = remote in row.unused
    for value in row.broken:
        yield f"value {value.hex()}", attribute(code, value), STRIPPED if is_unused else row.fate
    for flags in KINDS:
        if flags != FLAGS[code]:
            yield f"flags {flags:#04x}", attribute(code, row.sound, flags), STRIPPED if is_unused else row.flags
    if is_unused:
        yield "the wrong kind of peer", attribute(code, row.sound), STRIPPED


def test_the_table_has_each_attribute_that_we_know() -> None:
    assert TABLE.keys() == SPECS.keys()


@pytest.mark.rfc("7606", "3")
@pytest.mark.rfc("7606", "7")
@pytest.mark.parametrize("remote", BOTH, ids=["external", "internal"])
@pytest.mark.parametrize("code", TABLE, ids=[SPECS[code].name for code in TABLE])
def test_attribute_that_is_broken(daemon: WireDaemon, code: int, remote: Remote) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        for what, octets, fate in faults(code, remote):
            assert_fate(feeder, observer, octets, fate, what)


@pytest.mark.rfc("7606", "3")
@pytest.mark.parametrize("remote", BOTH, ids=["external", "internal"])
@pytest.mark.parametrize("code", TABLE, ids=[SPECS[code].name for code in TABLE])
def test_attribute_that_is_there_twice(daemon: WireDaemon, code: int, remote: Remote) -> None:
    row = TABLE[code]
    first = attribute(code, row.sound)
    seconds = [first, *(attribute(code, value) for value in row.broken), attribute(code, row.sound, FLAGS[code] ^ 0xC0)]
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        announce(feeder, observer, marked(feeder, 1, first))
        once = observer.table[ROUTE]
        for second in seconds:
            announce(feeder, observer, marked(feeder, 1, first + second))
            assert observer.table[ROUTE] == once
        if code not in (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST) and remote not in row.unused:
            expected = as_path(65002, 65050) if code == AS_PATH else row.sound
            assert once.value(code) == expected  # it is there, so that "the first one counts" means something


TWO_OCTETS: Final = {
    AS_PATH: (as_path(65002, size=2)[:-1], as_path(65002, 0, size=2), as_path(65002, kind=7, size=2), b"\2\0"),
    AGGREGATOR: (u32(65002) + WHERE, b"\0\0" + WHERE, b""),
    AS4_PATH: TABLE[AS4_PATH].broken,
    AS4_AGGREGATOR: TABLE[AS4_AGGREGATOR].broken,
}


@pytest.mark.rfc("6793", "6")
@pytest.mark.parametrize("code", TWO_OCTETS, ids=[SPECS[code].name for code in TWO_OCTETS])
def test_attribute_that_is_broken_on_a_session_with_two_octet_numbers(daemon: WireDaemon, code: int) -> None:
    fate = WITHDRAWN if code == AS_PATH else STRIPPED
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL, has_four_octet_as=False) as feeder:
        for value in TWO_OCTETS[code]:
            announce(feeder, observer, marked(feeder, 1, size=2))
            announce(feeder, observer, marked(feeder, 2, attribute(code, value), size=2))
            if fate is WITHDRAWN:
                assert ROUTE not in observer.table
            else:
                route = observer.table[ROUTE]
                assert (route.path, route.number(MED), route.value(AGGREGATOR)) == ((65002,), 2, None)
        for flags in KINDS:
            if flags != FLAGS[code]:
                announce(feeder, observer, marked(feeder, 1, size=2))
                sound = TABLE[code].sound if code in (AS4_PATH, AS4_AGGREGATOR) else b"\2\1\xfd\xea"
                announce(feeder, observer, marked(feeder, 2, attribute(code, sound, flags), size=2))
                assert ROUTE not in observer.table


@pytest.mark.rfc("7606", "3 d")
@pytest.mark.parametrize("remote", BOTH, ids=["external", "internal"])
@pytest.mark.parametrize("code", [ORIGIN, AS_PATH, NEXT_HOP])
def test_attribute_that_is_missing(daemon: WireDaemon, code: int, remote: Remote) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        announce(feeder, observer, marked(feeder, 1))
        assert ROUTE in observer.table
        nothing = attribute(MED, u32(2))
        rest = marked(feeder, 1, attribute(code, TABLE[code].sound), nothing)
        announce(feeder, observer, rest.replace(attribute(code, TABLE[code].sound), b""))
        assert ROUTE not in observer.table


# --- MP_REACH_NLRI and MP_UNREACH_NLRI: what they say of routes cannot be found any more, so the session is reset ---

REACH = mp_reach(HOP6, prefixes(ROUTE6))
UNREACH = mp_unreach(prefixes(ROUTE6))


def reset_by(code: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield attributes, the subcode that answers them, and its data."""
    sound = REACH if code == MP_REACH else UNREACH
    for flags in KINDS:
        if flags != FLAGS[code]:
            wrong = attribute(code, sound[3:], flags)
            yield wrong, 4, wrong
    values = {
        MP_REACH: (
            b"",
            b"\0\2\1",
            b"\0\2\1\x10" + HOP6,
            b"\0\2\1\xff" + HOP6 + b"\0",
            b"\0\2\1\x0f" + HOP6[1:] + b"\0" + prefixes(ROUTE6),
            b"\0\2\1\x10" + HOP6 + b"\0\x81" + bytes(17),
            b"\0\2\1\x10" + HOP6 + b"\0\x30\x20",
        ),
        MP_UNREACH: (b"", b"\0\2", b"\0\2\1\x81" + bytes(17), b"\0\2\1\x30\x20"),
    }[code]
    for value in values:
        wrong = attribute(code, value)
        yield wrong, 9, wrong
    yield sound + sound, 1, b""


@pytest.mark.rfc("7606", "5.3")
@pytest.mark.rfc("4760", "7")
@pytest.mark.parametrize("remote", BOTH, ids=["external", "internal"])
@pytest.mark.parametrize("code", [MP_REACH, MP_UNREACH], ids=["MP_REACH_NLRI", "MP_UNREACH_NLRI"])
def test_multiprotocol_attribute_that_is_broken(daemon: WireDaemon, code: int, remote: Remote) -> None:
    with daemon.session(OBSERVER) as observer:
        for octets, subcode, data in reset_by(code):
            with daemon.session(remote) as feeder:
                feeder.send(update(REACH + marked(feeder, 1), prefixes(ROUTE)))
                observer.wait_for(ROUTE, ROUTE6)
                feeder.send(update(octets + marked(feeder, 2), prefixes(ROUTE)))
                assert feeder.ending() == (3, subcode, data), octets.hex()
            observer.wait_gone(ROUTE, ROUTE6)


@pytest.mark.rfc("7606", "7.11")
@pytest.mark.parametrize("remote", BOTH, ids=["external", "internal"])
@pytest.mark.parametrize("hop", ["::", "ff02::1", "ff0e::1"])
def test_next_hop_that_is_none_costs_the_routes_alone(daemon: WireDaemon, hop: str, remote: Remote) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        feeder.send(update(REACH + marked(feeder, 1)))
        observer.wait_for(ROUTE6)
        feeder.send(update(mp_reach(address(hop), prefixes(ROUTE6)) + marked(feeder, 2)))
        observer.wait_gone(ROUTE6)
        feeder.sync()
