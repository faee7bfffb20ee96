"""What becomes of a route whose UPDATE has a malformed attribute, as another peer sees it (RFC 7606 section 7).

Each case first announces the route well-formed. Then the observer must see it withdrawn, or told again without the
attribute; the session of the faulty peer stays up. The observer is an internal peer; we are a reflector for it. What
all attributes have in common (flags, a second one, a missing one) is in ``test_each_attribute``.
"""

from typing import NamedTuple

import pytest

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
    path_attributes,
    prefixes,
    u32,
    update,
)

NODE, PEERS = wire_observer.NODE, wire_observer.PEERS  # of the daemon of this module

LOOPBACK = address("127.0.0.1")


class Case(NamedTuple):
    """A malformed attribute and the rule that says what it costs; replaces: the well-formed one it stands for."""

    rule: str
    code: int
    value: bytes
    flags: int | None = None

    @property
    def octets(self) -> bytes:
        """The attribute."""
        return attribute(self.code, self.value, self.flags)


WITHDRAWN = {
    "ORIGIN of no octet": Case("7.1", ORIGIN, b""),
    "ORIGIN of two octets": Case("7.1", ORIGIN, b"\0\0"),
    "ORIGIN 3": Case("7.1", ORIGIN, b"\3"),
    "AS_PATH with an unknown segment": Case("7.2", AS_PATH, as_path(65002, kind=5)),
    "AS_PATH with segment type 0": Case("7.2", AS_PATH, as_path(65002, kind=0)),
    "AS_PATH that overruns": Case("7.2", AS_PATH, b"\2\2" + u32(65002)),
    "AS_PATH with an octet left": Case("7.2", AS_PATH, as_path(65002) + b"\2"),
    "AS_PATH with an empty segment": Case("7.2", AS_PATH, as_path(65002) + b"\2\0"),
    "AS_PATH with AS 0": Case("7607 2", AS_PATH, as_path(65002, 0)),
    "AS_PATH with a confederation segment from outside": Case("5065 5", AS_PATH, as_path(65002, kind=3)),
    "NEXT_HOP of 3 octets": Case("7.3", NEXT_HOP, bytes(3)),
    "NEXT_HOP of 5 octets": Case("7.3", NEXT_HOP, bytes(5)),
    "NEXT_HOP of 16 octets": Case("7.3", NEXT_HOP, address("2001:db8::1")),
    "NEXT_HOP 0.0.0.0": Case("4271 6.3", NEXT_HOP, bytes(4)),
    "NEXT_HOP that is multicast": Case("4271 6.3", NEXT_HOP, address("224.0.0.1")),
    "MED of 3 octets": Case("7.4", MED, bytes(3)),
    "MED of no octet": Case("7.4", MED, b""),
    "COMMUNITIES of 3 octets": Case("7.8", COMMUNITIES, bytes(3)),
    "COMMUNITIES of no octet": Case("7.8", COMMUNITIES, b""),
    "EXTENDED COMMUNITIES of 7 octets": Case("7.14", EXTENDED_COMMUNITIES, bytes(7)),
    "EXTENDED COMMUNITIES of no octet": Case("7.14", EXTENDED_COMMUNITIES, b""),
    "IPv6 EXTENDED COMMUNITIES of 19 octets": Case("7.15", IPV6_EXTENDED_COMMUNITIES, bytes(19)),
    "IPv6 EXTENDED COMMUNITIES of no octet": Case("7.15", IPV6_EXTENDED_COMMUNITIES, b""),
    "LARGE_COMMUNITY of 11 octets": Case("8092 6", LARGE_COMMUNITIES, bytes(11)),
    "LARGE_COMMUNITY of no octet": Case("8092 6", LARGE_COMMUNITIES, b""),
    "ONLY_TO_CUSTOMER of 3 octets": Case("9234 5", OTC, bytes(3)),
}
WITHDRAWN_INSIDE = {
    "LOCAL_PREF of 3 octets": Case("7.5", LOCAL_PREF, bytes(3)),
    "LOCAL_PREF of 5 octets": Case("7.5", LOCAL_PREF, bytes(5)),
    "ORIGINATOR_ID of 3 octets": Case("7.9", ORIGINATOR_ID, bytes(3)),
    "CLUSTER_LIST of 3 octets": Case("7.10", CLUSTER_LIST, bytes(3)),
    "CLUSTER_LIST of no octet": Case("7.10", CLUSTER_LIST, b""),
}
DISCARDED = {
    "ATOMIC_AGGREGATE of an octet": Case("7.6", ATOMIC_AGGREGATE, b"\0"),
    "AGGREGATOR of 6 octets": Case("7.7", AGGREGATOR, b"\xfd\xea" + LOOPBACK),
    "AGGREGATOR of no octet": Case("7.7", AGGREGATOR, b""),
    "AGGREGATOR with AS 0": Case("7607 2", AGGREGATOR, u32(0) + LOOPBACK),
    "AS4_PATH from a four-octet speaker": Case("6793 4.1", AS4_PATH, as_path(65002)),
    "AS4_AGGREGATOR from a four-octet speaker": Case("6793 4.1", AS4_AGGREGATOR, u32(65002) + LOOPBACK),
}
DISCARDED_FROM_OUTSIDE = {
    "LOCAL_PREF": Case("7.5", LOCAL_PREF, u32(7)),
    "malformed LOCAL_PREF": Case("7.5", LOCAL_PREF, bytes(3)),
    "ORIGINATOR_ID": Case("7.9", ORIGINATOR_ID, address("10.9.9.9")),
    "malformed ORIGINATOR_ID": Case("7.9", ORIGINATOR_ID, bytes(3)),
    "CLUSTER_LIST": Case("7.10", CLUSTER_LIST, address("10.9.9.9")),
    "malformed CLUSTER_LIST": Case("7.10", CLUSTER_LIST, bytes(3)),
    "AIGP": Case("7311 3.4", AIGP, b"\1\0\x0b" + bytes(8)),
}
DISCARDED_INSIDE = {
    "AIGP cut off": Case("7311 3.2", AIGP, b"\1\0\x0b" + bytes(7)),
    "AIGP of a wrong length": Case("7311 3.2", AIGP, b"\1\0\x0a" + bytes(7)),
    "empty AIGP": Case("7311 3.2", AIGP, b""),
}


def faulty_after_sound(feeder: WirePeer, octets: bytes) -> None:
    """Announce the route, then send it again with a fault, and see that the session lives."""
    feeder.send(update(path_attributes([feeder.asn] if feeder.asn == EXTERNAL.asn else []), prefixes(ROUTE)))
    feeder.sync()
    feeder.send(octets)
    feeder.sync()


def assert_withdrawn(daemon: WireDaemon, remote: Remote, attributes: bytes) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        faulty_after_sound(feeder, update(attributes, prefixes(ROUTE)))
        observer.sync()
        assert observer.told(ROUTE) == ["announce", "withdraw"]


def assert_discarded(daemon: WireDaemon, remote: Remote, case: Case, asns: list[int]) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(remote) as feeder:
        mark = attribute(COMMUNITIES, u32(77))
        changed = [mark, case.octets] if case.code > COMMUNITIES else [case.octets, mark]
        faulty_after_sound(feeder, update(block(asns, *changed), prefixes(ROUTE)))
        observer.sync()
        route = observer.table[ROUTE]
        assert "withdraw" not in observer.told(ROUTE)
        assert route.value(COMMUNITIES) == u32(77)  # it is the second UPDATE's
        sent = {LOCAL_PREF: u32(100), ORIGINATOR_ID: address("10.0.0.3"), CLUSTER_LIST: address("10.255.0.1")}
        expected = sent.get(case.code) if remote is INTERNAL or case.code == LOCAL_PREF else None
        assert route.value(case.code) == expected


@pytest.mark.rfc("7606", "7")
@pytest.mark.parametrize("case", WITHDRAWN.values(), ids=WITHDRAWN)
def test_malformed_attribute_withdraws_the_route(daemon: WireDaemon, case: Case) -> None:
    assert_withdrawn(daemon, EXTERNAL, block([EXTERNAL.asn], case.octets))


@pytest.mark.rfc("7606", "7")
@pytest.mark.parametrize("case", WITHDRAWN_INSIDE.values(), ids=WITHDRAWN_INSIDE)
def test_malformed_attribute_of_an_internal_peer_withdraws_the_route(daemon: WireDaemon, case: Case) -> None:
    assert_withdrawn(daemon, INTERNAL, block([], case.octets))


@pytest.mark.rfc("7606", "7")
@pytest.mark.parametrize(
    "case",
    [*DISCARDED.values(), *DISCARDED_FROM_OUTSIDE.values()],
    ids=[*DISCARDED, *DISCARDED_FROM_OUTSIDE],
)
def test_attribute_is_discarded_and_the_route_stays(daemon: WireDaemon, case: Case) -> None:
    assert_discarded(daemon, EXTERNAL, case, [EXTERNAL.asn])


@pytest.mark.rfc("7606", "7")
@pytest.mark.parametrize("case", [*DISCARDED.values(), *DISCARDED_INSIDE.values()], ids=[*DISCARDED, *DISCARDED_INSIDE])
def test_attribute_of_an_internal_peer_is_discarded_and_the_route_stays(daemon: WireDaemon, case: Case) -> None:
    assert_discarded(daemon, INTERNAL, case, [])


@pytest.mark.rfc("7606", "4")
@pytest.mark.parametrize(
    "rest",
    [b"\x80", b"\x80\x04", b"\xd0\x08\0", b"\x80\x04\5\0\0\0\1", b"\xd0\x08\1\0\0\0\0\1"],
    ids=["one octet", "two octets", "three of four octets", "longer than the block", "extended and longer"],
)
def test_block_that_does_not_add_up_withdraws_the_route(daemon: WireDaemon, rest: bytes) -> None:
    assert_withdrawn(daemon, EXTERNAL, block([EXTERNAL.asn]) + rest)


@pytest.mark.rfc("7606", "3")
def test_second_of_two_equal_attributes_is_discarded(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL) as feeder:
        twice = attribute(MED, u32(1)) + attribute(MED, u32(2))
        feeder.send(update(block([EXTERNAL.asn]) + twice, prefixes(ROUTE)))
        feeder.sync()
        observer.sync()
        assert observer.table[ROUTE].number(MED) == 1


@pytest.mark.rfc("4271", "5")
def test_order_of_attributes_does_not_matter(daemon: WireDaemon) -> None:
    parts = [
        attribute(COMMUNITIES, u32(7)),
        attribute(MED, u32(5)),
        attribute(NEXT_HOP, address("192.0.2.1")),
        attribute(AS_PATH, as_path(EXTERNAL.asn)),
        attribute(ORIGIN, b"\1"),
    ]
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL) as feeder:
        feeder.send(update(b"".join(parts), prefixes(ROUTE)))
        route = observer.wait_for(ROUTE)
        assert (route.number(ORIGIN), route.path, route.number(MED), route.value(COMMUNITIES)) == (
            1,
            (EXTERNAL.asn,),
            5,
            u32(7),
        )


@pytest.mark.rfc("6793", "6")
@pytest.mark.parametrize(
    "octets",
    [
        attribute(AS4_PATH, b"\2\2" + u32(65002)),
        attribute(AS4_PATH, b""),
        attribute(AS4_PATH, as_path(70000, kind=9)),
        attribute(AS4_AGGREGATOR, bytes(7)),
        attribute(AS4_AGGREGATOR, u32(0) + LOOPBACK),
    ],
    ids=["AS4_PATH that overruns", "empty AS4_PATH", "unknown segment", "AS4_AGGREGATOR of 7 octets", "AS 0"],
)
def test_malformed_four_octet_attribute_of_a_two_octet_peer_is_discarded(daemon: WireDaemon, octets: bytes) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL, has_four_octet_as=False) as feeder:
        aggregator = attribute(AGGREGATOR, (23456).to_bytes(2) + LOOPBACK)
        attributes = block([EXTERNAL.asn, 23456], aggregator, octets, size=2)
        feeder.send(update(attributes, prefixes(ROUTE)))
        route = observer.wait_for(ROUTE)
        assert route.path == (EXTERNAL.asn, 23456)
        assert route.value(AGGREGATOR) == u32(23456) + LOOPBACK
        assert not {AS4_PATH, AS4_AGGREGATOR} & route.attributes.keys()


@pytest.mark.rfc("7606", "5.1")
@pytest.mark.parametrize(
    "case",
    [
        WITHDRAWN["MED of 3 octets"],
        WITHDRAWN["ORIGIN 3"],
        Case("3 c", COMMUNITIES, u32(65002 << 16 | 1), 0),
    ],
    ids=["MED", "ORIGIN", "flags of COMMUNITIES"],
)
def test_malformed_attribute_withdraws_routes_of_either_field(daemon: WireDaemon, case: Case) -> None:
    reach = mp_reach(address("2001:db8::2"), prefixes(ROUTE6))
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL) as feeder:
        feeder.send(update(reach + block([EXTERNAL.asn]), prefixes(ROUTE)))
        observer.wait_for(ROUTE, ROUTE6)
        feeder.send(update(reach + block([EXTERNAL.asn], case.octets), prefixes(ROUTE)))
        observer.wait_gone(ROUTE, ROUTE6)
        feeder.sync()


@pytest.mark.rfc("4271", "6.3")
def test_prefix_that_is_no_unicast_route_is_ignored_alone(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL) as feeder:
        feeder.send(update(block([EXTERNAL.asn]), prefixes("224.1.0.0/16", ROUTE, "127.0.0.0/8")))
        feeder.sync()
        observer.sync()
        assert set(observer.table) == {ROUTE}


@pytest.mark.rfc("4760", "7")
def test_routes_of_a_family_that_was_not_negotiated_are_ignored(daemon: WireDaemon) -> None:
    labelled = attribute(MP_REACH, b"\0\1\4\4" + address("192.0.2.1") + b"\0" + b"\x30\0\0\x11\x0a\1\1")
    gone = attribute(MP_UNREACH, b"\0\1\4" + b"\x30\x80\0\0\x0a\1\1")
    with daemon.session(OBSERVER) as observer, daemon.session(EXTERNAL) as feeder:
        feeder.send(update(labelled + block([EXTERNAL.asn]), prefixes(ROUTE)), update(gone))
        feeder.sync()
        observer.sync()
        assert set(observer.table) == {ROUTE}
