"""Routes on their way through the daemon: who is told what, and with which attributes.

E1, E2, E3 are external peers, I1 and I2 internal ones; we are no reflector here. What must not be sent is shown by
``sync``: a peer has everything by then.
"""

import itertools
from collections.abc import Callable

import pytest

from tests.support.wire_daemon import ADDRESS, ADDRESS6, ASN, Remote, WireDaemon
from tests.support.wire_peer import (
    AGGREGATOR,
    AS4_AGGREGATOR,
    AS4_PATH,
    AS_PATH,
    ATOMIC_AGGREGATE,
    CLUSTER_LIST,
    COMMUNITIES,
    EXTENDED_COMMUNITIES,
    IPV4,
    IPV6,
    IPV6_EXTENDED_COMMUNITIES,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    NEXT_HOP,
    OPTIONAL,
    OPTIONAL_TRANSITIVE,
    ORIGIN,
    ORIGINATOR_ID,
    OTC,
    PARTIAL,
    WELL_KNOWN,
    Event,
    WirePeer,
    address,
    as_path,
    attribute,
    end_of_rib,
    mp_reach,
    mp_unreach,
    path_attributes,
    prefixes,
    u32,
    update,
)

E1, E2, E3 = Remote(2, 65002), Remote(3, 65003), Remote(4, 65002)
I1, I2 = Remote(5, ASN), Remote(6, ASN)
E_KEEP, I_SELF = Remote(7, 65007, 'next_hop = "keep"'), Remote(8, ASN, 'next_hop = "self"')
LAX = Remote(9, 65009, "enforce_first_as = false\nallow_own_as = 1")
STRICT = Remote(10, 65010, "ebgp_requires_policy = true")
FEW = Remote(11, 65011, 'max_prefixes = { limit = 3, action = "close" }')
WARNED = Remote(12, 65012, 'max_prefixes = { limit = 3, action = "warn" }')
BACK = Remote(13, 65013, 'max_prefixes = { limit = 3, action = "close", restart_after = 1 }')
PEERS = (E1, E2, E3, I1, I2, E_KEEP, I_SELF, LAX, STRICT, FEW, WARNED, BACK)

ROUTE, OTHER, THIRD = "10.1.0.0/16", "10.2.0.0/16", "10.3.3.0/24"
ROUTE6 = "2001:db8:1::/48"
HOP, HOP6 = "192.0.2.1", "2001:db8::2"
NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED = 0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03


def announce(
    peer: WirePeer, path: tuple[int, ...] | None = None, *more: bytes, routes: tuple[str, ...] = (ROUTE,)
) -> None:
    """Announce routes; path: as the peer would send it, if it is not only itself."""
    if path is None:
        path = () if peer.asn == ASN else (peer.asn,)
    peer.send(update(path_attributes(path, HOP, 0, *more), prefixes(*routes)))


def withdraw(peer: WirePeer, *routes: str) -> None:
    peer.send(update(withdrawn=prefixes(*(routes or (ROUTE,)))))


def assert_untold(peer: WirePeer, text: str = ROUTE) -> None:
    peer.sync()
    assert peer.told(text) == []


# --- Who is told -------------------------------------------------------------------------------------------------


@pytest.mark.rfc("4271", "9.2")
@pytest.mark.parametrize(
    ("source", "target"), [(I1, E1), (E1, I1), (E1, E2)], ids=["iBGP to eBGP", "eBGP to iBGP", "eBGP to eBGP"]
)
def test_route_is_announced_replaced_and_withdrawn(daemon: WireDaemon, source: Remote, target: Remote) -> None:
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        announce(feeder)
        before = observer.wait_for(ROUTE)
        announce(feeder, None, attribute(COMMUNITIES, u32(7)))
        observer.read_until(lambda: observer.table[ROUTE] != before)
        assert observer.table[ROUTE].value(COMMUNITIES) == u32(7)
        withdraw(feeder)
        observer.wait_gone(ROUTE)
        assert observer.told(ROUTE) == ["announce", "announce", "withdraw"]
        feeder.sync()
        assert feeder.told(ROUTE) == []


@pytest.mark.rfc("4271", "9.2")
def test_route_of_an_internal_peer_is_not_told_to_another(daemon: WireDaemon) -> None:
    with daemon.session(I2) as observer, daemon.session(I1) as feeder:
        announce(feeder)
        feeder.sync()
        assert_untold(observer)


@pytest.mark.rfc("4271", "9.2")
def test_internal_peer_is_told_of_the_loss_when_the_best_path_becomes_an_internal_one(daemon: WireDaemon) -> None:
    with daemon.session(I2) as observer, daemon.session(I1) as inside, daemon.session(E1) as outside:
        announce(inside, (65050, 65051))
        announce(outside)
        observer.wait_for(ROUTE)
        withdraw(outside)
        observer.wait_gone(ROUTE)
        announce(outside)
        observer.wait_for(ROUTE)
        announce(inside, (), attribute(LOCAL_PREF, u32(200)))
        observer.wait_gone(ROUTE)
        assert observer.told(ROUTE) == ["announce", "withdraw"] * 2


@pytest.mark.rfc("4271", "9.1.3")
def test_unchanged_route_is_not_told_again(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        announce(feeder)
        observer.wait_for(ROUTE)
        announce(feeder)
        withdraw(feeder, OTHER)
        announce(feeder, routes=(THIRD,))
        observer.wait_for(THIRD)
        assert (observer.told(ROUTE), observer.told(OTHER)) == (["announce"], [])


@pytest.mark.rfc("4271", "4.3")
def test_prefix_in_both_fields_is_announced(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        feeder.send(update(path_attributes([E1.asn]), prefixes(ROUTE, OTHER), prefixes(OTHER, THIRD)))
        observer.wait_for(ROUTE, OTHER)
        assert observer.told(THIRD) == []


def test_default_route_and_host_routes_are_routes(daemon: WireDaemon) -> None:
    found = ("0.0.0.0/0", "10.1.2.3/32", "10.128.0.0/9")
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        announce(feeder, routes=found)
        observer.wait_for(*found)
        withdraw(feeder, *found)
        observer.wait_gone(*found)


@pytest.mark.rfc("4271", "4.3")
def test_bits_behind_the_prefix_do_not_count(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        feeder.send(update(path_attributes([E1.asn]), b"\x0a\x0a\xff"))
        observer.wait_for("10.192.0.0/10")
        feeder.send(update(withdrawn=b"\x0a\x0a\xc1"))
        observer.wait_gone("10.192.0.0/10")


def test_routes_go_with_the_session(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer:
        with daemon.session(E1) as feeder:
            announce(feeder, routes=(ROUTE, OTHER))
            observer.wait_for(ROUTE, OTHER)
        observer.wait_gone(ROUTE, OTHER)


@pytest.mark.rfc("8212", "3")
def test_external_peer_without_policies_is_told_and_believed_nothing(daemon: WireDaemon) -> None:
    with daemon.session(STRICT) as strict, daemon.session(E1) as observer, daemon.session(E2) as feeder:
        announce(feeder)
        observer.wait_for(ROUTE)
        announce(strict, routes=(OTHER,))
        strict.sync()
        assert strict.told(ROUTE) == []
        assert_untold(observer, OTHER)


@pytest.mark.rfc("1997", "")
@pytest.mark.parametrize(
    ("community", "is_told_inside", "is_told_outside"),
    [(NO_EXPORT, True, False), (NO_ADVERTISE, False, False), (NO_EXPORT_SUBCONFED, True, False), (7, True, True)],
)
def test_well_known_community(daemon: WireDaemon, community: int, is_told_inside: bool, is_told_outside: bool) -> None:
    mark = attribute(COMMUNITIES, u32(9, community))
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        announce(feeder, None, mark)
        announce(feeder, routes=(OTHER,))
        outside.wait_for(OTHER)
        announce(feeder, None, mark, routes=(OTHER,))
        feeder.sync()
        for observer, is_told in ((inside, is_told_inside), (outside, is_told_outside)):
            observer.sync()
            assert (ROUTE in observer.table, OTHER in observer.table) == (is_told, is_told)
            assert ("withdraw" in observer.told(OTHER)) != is_told
            if is_told:
                assert observer.table[ROUTE].value(COMMUNITIES) == u32(9, community)


# --- Split horizon and the choice among feeders ------------------------------------------------------------------


@pytest.mark.rfc("4271", "9.2")
def test_own_route_does_not_come_back_and_what_it_replaces_is_withdrawn(daemon: WireDaemon) -> None:
    with daemon.session(E1) as first, daemon.session(E2) as second:
        announce(first)
        assert second.wait_for(ROUTE).path == (ASN, E1.asn)
        announce(second, (E2.asn, 65050))  # not best: nothing changes for anybody
        announce(first, (E1.asn, 65051, 65052))  # now the second one's is
        second.wait_gone(ROUTE)
        assert first.wait_for(ROUTE).path == (ASN, E2.asn, 65050)
        announce(second, (E2.asn, 65050, 65050, 65050))  # and the first one's again
        assert second.wait_for(ROUTE).path == (ASN, E1.asn, 65051, 65052)
        first.wait_gone(ROUTE)
        withdraw(first)
        second.wait_gone(ROUTE)
        first.wait_for(ROUTE)
        withdraw(second)
        first.wait_gone(ROUTE)
        assert first.told(ROUTE) == ["announce", "withdraw"] * 2
        assert second.told(ROUTE) == ["announce", "withdraw"] * 2


@pytest.mark.rfc("4271", "9.1.2.2")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_med_counts_within_one_neighbouring_as_whatever_the_order_of_arrival(
    daemon: WireDaemon, order: tuple[int, int, int]
) -> None:
    # E3 beats E1 by MED (both AS 65002), and loses to E2 by identifier, which loses to E1 by identifier: a circle if
    # paths are compared as they come
    with (
        daemon.session(I1) as observer,
        daemon.session(E1) as one,
        daemon.session(E2) as two,
        daemon.session(E3) as three,
    ):
        feeders = ((one, 20), (two, 30), (three, 10))
        for index in order:
            feeder, med = feeders[index]
            announce(feeder, None, attribute(MED, u32(med)))
            feeder.sync()
        observer.read_until(lambda: ROUTE in observer.table and observer.table[ROUTE].number(MED) == 30)
        observer.sync()
        assert observer.table[ROUTE].path == (E2.asn,)
        withdraw(two)
        observer.read_until(lambda: observer.table[ROUTE].number(MED) == 10)
        withdraw(three)
        observer.read_until(lambda: observer.table[ROUTE].number(MED) == 20)
        announce(two, None, attribute(MED, u32(1)))  # another AS: only its identifier counts
        two.sync()
        observer.sync()
        assert observer.table[ROUTE].number(MED) == 20
        announce(three, None)  # no MED is the lowest: now E2's has the lowest identifier of those that are left
        observer.read_until(lambda: observer.table[ROUTE].path == (E2.asn,))


@pytest.mark.rfc("4271", "9.1.2")
def test_each_step_of_the_choice(daemon: WireDaemon) -> None:
    with daemon.session(I2) as observer, daemon.session(E1) as low, daemon.session(E2) as high:

        def winner(left: tuple[tuple[int, ...], bytes], right: tuple[tuple[int, ...], bytes]) -> int:
            announce(low, (E1.asn, *left[0]), left[1])
            announce(high, (E2.asn, *right[0]), right[1])
            low.sync()
            high.sync()
            observer.sync()
            return observer.table[ROUTE].path[0]

        assert winner(((65050,), b""), ((), b"")) == E2.asn  # shorter AS_PATH
        assert winner(((), b""), ((), b"")) == E1.asn  # lower identifier
        low.send(update(path_attributes([E1.asn], HOP, 2), prefixes(ROUTE)))
        low.sync()
        observer.sync()
        assert observer.table[ROUTE].path == (E2.asn,)  # lower ORIGIN


@pytest.mark.rfc("4271", "9.1.1")
def test_local_pref_comes_before_the_length_of_the_path_and_external_before_internal(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as outside, daemon.session(I1) as inside:
        announce(outside, (E1.asn, 65050))
        announce(inside, (65051, 65052), attribute(LOCAL_PREF, u32(100)))
        inside.sync()
        observer.sync()
        assert observer.table[ROUTE].path == (ASN, E1.asn, 65050)
        announce(inside, (65051, 65052, 65053), attribute(LOCAL_PREF, u32(101)))
        observer.read_until(lambda: observer.table[ROUTE].path == (ASN, 65051, 65052, 65053))


# --- Attributes --------------------------------------------------------------------------------------------------


@pytest.mark.rfc("4271", "5.1")
def test_attributes_towards_an_internal_peer(daemon: WireDaemon) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        announce(feeder, (E1.asn, 65050), attribute(MED, u32(5)))
        route = observer.wait_for(ROUTE)
        assert route.attributes == {
            ORIGIN: (WELL_KNOWN, b"\0"),
            AS_PATH: (WELL_KNOWN, as_path(E1.asn, 65050)),
            NEXT_HOP: (WELL_KNOWN, address(HOP)),
            MED: (OPTIONAL, u32(5)),
            LOCAL_PREF: (WELL_KNOWN, u32(100)),
        }


@pytest.mark.rfc("4271", "5.1")
@pytest.mark.parametrize("source", [E1, I1])
def test_attributes_towards_an_external_peer(daemon: WireDaemon, source: Remote) -> None:
    inside = attribute(LOCAL_PREF, u32(300)) if source is I1 else b""
    path = (65050,) if source is I1 else (E1.asn, 65050)
    with daemon.session(E2) as observer, daemon.session(source) as feeder:
        announce(feeder, path, attribute(MED, u32(5)), inside)
        route = observer.wait_for(ROUTE)
        assert route.attributes == {
            ORIGIN: (WELL_KNOWN, b"\0"),
            AS_PATH: (WELL_KNOWN, as_path(ASN, *path)),
            NEXT_HOP: (WELL_KNOWN, address(ADDRESS)),
        }


@pytest.mark.rfc("4271", "5.1.2")
@pytest.mark.parametrize(
    ("received", "sent"),
    [
        (b"", as_path(ASN)),
        (as_path(65050, 65051, kind=1), as_path(ASN) + as_path(65050, 65051, kind=1)),
        (as_path(65050) + as_path(65051, 65052, kind=1), as_path(ASN, 65050) + as_path(65051, 65052, kind=1)),
        (as_path(*[65050] * 255), as_path(ASN) + as_path(*[65050] * 255)),
        (as_path(*[65050] * 254), as_path(ASN, *[65050] * 254)),
        (as_path(65050) + as_path(65051), as_path(ASN, 65050) + as_path(65051)),
    ],
    ids=["empty", "set", "sequence and set", "full segment", "nearly full segment", "two sequences"],
)
def test_our_as_is_put_in_front(daemon: WireDaemon, received: bytes, sent: bytes) -> None:
    attributes = attribute(ORIGIN, b"\0") + attribute(AS_PATH, received) + attribute(NEXT_HOP, address(HOP))
    with daemon.session(E2) as observer, daemon.session(I1) as feeder:
        feeder.send(update(attributes, prefixes(ROUTE)))
        assert observer.wait_for(ROUTE).value(AS_PATH) == sent


CARRIED = (
    attribute(ATOMIC_AGGREGATE),
    attribute(AGGREGATOR, u32(70000) + address("192.0.2.7")),
    attribute(COMMUNITIES, u32(65002 << 16 | 7, 65002 << 16 | 8)),
    attribute(EXTENDED_COMMUNITIES, bytes.fromhex("0002 fdea 00000001 4002 fdea 00000002")),
    attribute(IPV6_EXTENDED_COMMUNITIES, b"\0\2" + bytes(18) + b"\x40\2" + bytes(18)),
    attribute(LARGE_COMMUNITIES, u32(70000, 1, 2, 70000, 3, 4)),
    attribute(OTC, u32(65002)),
)


@pytest.mark.rfc("4271", "5")
def test_what_is_not_ours_to_change_is_carried(daemon: WireDaemon) -> None:
    expected = {
        ATOMIC_AGGREGATE: (WELL_KNOWN, b""),
        AGGREGATOR: (OPTIONAL_TRANSITIVE, u32(70000) + address("192.0.2.7")),
        COMMUNITIES: (OPTIONAL_TRANSITIVE, u32(65002 << 16 | 7, 65002 << 16 | 8)),
        LARGE_COMMUNITIES: (OPTIONAL_TRANSITIVE, u32(70000, 1, 2, 70000, 3, 4)),
        OTC: (OPTIONAL_TRANSITIVE, u32(65002)),
    }
    both = bytes.fromhex("0002 fdea 00000001 4002 fdea 00000002")
    both6 = b"\0\2" + bytes(18) + b"\x40\2" + bytes(18)
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        announce(feeder, None, *CARRIED)
        for observer in (inside, outside):  # RFC 4360 section 6: the non-transitive one should not have left its AS
            found = observer.wait_for(ROUTE).attributes
            assert {code: found.get(code) for code in expected} == expected
            assert found[EXTENDED_COMMUNITIES] == (OPTIONAL_TRANSITIVE, both[:8])
            assert found[IPV6_EXTENDED_COMMUNITIES] == (OPTIONAL_TRANSITIVE, both6[:20])


@pytest.mark.rfc("4271", "5")
def test_all_attributes_are_sent_in_ascending_order(daemon: WireDaemon) -> None:
    unknown = [attribute(code, b"x", flags=OPTIONAL_TRANSITIVE) for code in (254, 99, 0)]
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        announce(feeder, None, *unknown, attribute(MED, u32(5)), *CARRIED[::-1])
        for observer, size in ((inside, 15), (outside, 13)):
            codes = list(observer.wait_for(ROUTE).attributes)
            assert (codes, len(codes)) == (sorted(codes), size)


@pytest.mark.rfc("4271", "5.1.1")
@pytest.mark.parametrize("origin", [0, 1, 2])
def test_origin_is_told_as_it_came(daemon: WireDaemon, origin: int) -> None:
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        feeder.send(update(path_attributes([E1.asn], HOP, origin), prefixes(ROUTE)))
        for observer in (inside, outside):
            assert observer.wait_for(ROUTE).attributes[ORIGIN] == (WELL_KNOWN, bytes((origin,)))


@pytest.mark.rfc("4271", "5")
@pytest.mark.parametrize("code", [0, 99, 254])
@pytest.mark.parametrize("value", [b"", b"abc", bytes(300)], ids=["empty", "short", "long"])
def test_unknown_transitive_attribute_is_passed_on_as_partial(daemon: WireDaemon, code: int, value: bytes) -> None:
    unknown = attribute(code, value, flags=OPTIONAL_TRANSITIVE)
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(MED, u32(5)), unknown)
        for observer, path in ((inside, (E1.asn,)), (outside, (ASN, E1.asn))):
            route = observer.wait_for(ROUTE)
            assert route.attributes[code] == (OPTIONAL_TRANSITIVE | PARTIAL, value)
            assert route.path == path


@pytest.mark.rfc("4271", "5")
def test_unknown_attribute_that_is_not_transitive_is_dropped(daemon: WireDaemon) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(99, b"abc", flags=OPTIONAL))
        assert 99 not in observer.wait_for(ROUTE).attributes


@pytest.mark.rfc("4271", "4.3")
def test_unused_flags_are_ignored_and_sent_as_zero(daemon: WireDaemon) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(COMMUNITIES, u32(7), flags=OPTIONAL_TRANSITIVE | 0x0F & ~0x10))
        assert observer.wait_for(ROUTE).attributes[COMMUNITIES] == (OPTIONAL_TRANSITIVE, u32(7))


@pytest.mark.rfc("4271", "5")
def test_partial_stays(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(COMMUNITIES, u32(7), flags=OPTIONAL_TRANSITIVE | PARTIAL))
        assert observer.wait_for(ROUTE).attributes[COMMUNITIES] == (OPTIONAL_TRANSITIVE | PARTIAL, u32(7))


@pytest.mark.rfc("4271", "9.1.2")
@pytest.mark.parametrize("path", [(E1.asn, ASN), (E1.asn, 65050, ASN, 65051), (ASN,), (65050, E1.asn), ()], ids=str)
def test_route_with_our_as_or_another_first_as_is_not_used(daemon: WireDaemon, path: tuple[int, ...]) -> None:
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        announce(feeder, None)
        observer.wait_for(ROUTE)
        announce(feeder, path)
        observer.wait_gone(ROUTE)
        feeder.sync()


def test_peer_that_may_send_our_as_and_paths_of_others(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(LAX) as feeder:
        announce(feeder, (65050, ASN))
        assert observer.wait_for(ROUTE).path == (ASN, 65050, ASN)
        announce(feeder, (65050, ASN, ASN))
        observer.wait_gone(ROUTE)


@pytest.mark.rfc("4456", "8")
def test_internal_route_that_we_originated_is_not_used(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(I1) as feeder:
        announce(feeder, (), attribute(LOCAL_PREF, u32(100)), attribute(ORIGINATOR_ID, address("10.255.0.1")))
        feeder.sync()
        assert_untold(observer)
        announce(feeder, (), attribute(LOCAL_PREF, u32(100)), attribute(ORIGINATOR_ID, address("10.255.0.2")))
        route = observer.wait_for(ROUTE)
        assert not {ORIGINATOR_ID, CLUSTER_LIST} & route.attributes.keys()


@pytest.mark.rfc("7606", "7.14")
def test_an_unknown_extended_community_is_carried(daemon: WireDaemon) -> None:
    unknown = bytes.fromhex("3f77 0102 0304 0506")
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(EXTENDED_COMMUNITIES, unknown))
        for observer in (inside, outside):
            assert observer.wait_for(ROUTE).value(EXTENDED_COMMUNITIES) == unknown


@pytest.mark.rfc("8092", "3")
def test_repeated_large_community_is_passed_on_once(daemon: WireDaemon) -> None:
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        for routes in ((ROUTE,), (OTHER,)):  # read by the rules, and then from memory
            announce(feeder, None, attribute(LARGE_COMMUNITIES, u32(1, 2, 3, 4, 5, 6, 1, 2, 3)), routes=routes)
            for observer in (inside, outside):
                assert observer.wait_for(*routes).value(LARGE_COMMUNITIES) == u32(1, 2, 3, 4, 5, 6)


@pytest.mark.rfc("8092", "6")
@pytest.mark.parametrize("administrator", [0, 65535, 0xFFFFFFFF, 23456])
def test_any_large_community_is_carried(daemon: WireDaemon, administrator: int) -> None:
    community = u32(administrator, 0, 0xFFFFFFFF)
    with daemon.session(E2) as observer, daemon.session(E1) as feeder:
        announce(feeder, None, attribute(LARGE_COMMUNITIES, community))
        assert observer.wait_for(ROUTE).value(LARGE_COMMUNITIES) == community


# --- Two-octet AS numbers ----------------------------------------------------------------------------------------


@pytest.mark.rfc("6793", "4.2")
def test_peer_with_two_octet_as_numbers_is_told_large_ones_beside(daemon: WireDaemon) -> None:
    aggregator = attribute(AGGREGATOR, u32(70001) + address("192.0.2.7"))
    with daemon.session(E2, has_four_octet_as=False) as observer, daemon.session(E1) as feeder:
        announce(feeder, (E1.asn, 70000, 65050), aggregator)
        route = observer.wait_for(ROUTE)
        assert route.value(AS_PATH) == as_path(ASN, E1.asn, 23456, 65050, size=2)
        assert route.attributes[AS4_PATH] == (OPTIONAL_TRANSITIVE, as_path(ASN, E1.asn, 70000, 65050))
        assert route.value(AGGREGATOR) == (23456).to_bytes(2) + address("192.0.2.7")
        assert route.attributes[AS4_AGGREGATOR] == (OPTIONAL_TRANSITIVE, u32(70001) + address("192.0.2.7"))
        announce(feeder, (E1.asn, 65050), routes=(OTHER,))
        assert not {AS4_PATH, AS4_AGGREGATOR} & observer.wait_for(OTHER).attributes.keys()


@pytest.mark.rfc("6793", "4.2.3")
def test_path_of_a_peer_with_two_octet_as_numbers_is_put_together(daemon: WireDaemon) -> None:
    beside = attribute(AS4_PATH, as_path(70000, 65050))
    with daemon.session(I1) as observer, daemon.session(E1, has_four_octet_as=False) as feeder:
        feeder.send(update(path_attributes([E1.asn, 23456, 65050], HOP, 0, beside, size=2), prefixes(ROUTE)))
        route = observer.wait_for(ROUTE)
        assert route.path == (E1.asn, 70000, 65050)
        assert AS4_PATH not in route.attributes


@pytest.mark.rfc("6793", "6")
def test_what_is_discarded_is_logged(daemon: WireDaemon) -> None:
    beside = attribute(AS4_PATH, b"\2\2" + u32(70000))
    with daemon.session(I1) as observer, daemon.session(E_KEEP, has_four_octet_as=False) as feeder:
        feeder.send(update(path_attributes([E_KEEP.asn, 23456], HOP, 0, beside, size=2), prefixes(ROUTE)))
        observer.wait_for(ROUTE)
    daemon.wait_for_log(lambda logged: "AS4_PATH: the last segment is cut off" in logged)


# --- Next hop ----------------------------------------------------------------------------------------------------


@pytest.mark.rfc("4271", "5.1.3")
@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [(E1, I1, HOP), (E1, E2, ADDRESS), (I1, E1, ADDRESS), (E1, E_KEEP, HOP), (I1, E_KEEP, HOP), (E1, I_SELF, ADDRESS)],
)
def test_next_hop(daemon: WireDaemon, source: Remote, target: Remote, expected: str) -> None:
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        announce(feeder)
        assert observer.wait_for(ROUTE).next_hop == address(expected)


@pytest.mark.rfc("4760", "3")
@pytest.mark.rfc("2545", "3")
@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [(E1, I1, HOP6), (E1, E2, ADDRESS6), (I1, E1, ADDRESS6), (E1, E_KEEP, HOP6), (E1, I_SELF, ADDRESS6)],
)
@pytest.mark.parametrize("link_local", [b"", address("fe80::2")], ids=["global", "global and link-local"])
def test_ipv6_over_an_ipv4_session(
    daemon: WireDaemon, source: Remote, target: Remote, expected: str, link_local: bytes
) -> None:
    block = path_attributes([] if source is I1 else [source.asn], None, 0, attribute(MED, u32(5)))
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        feeder.send(update(mp_reach(address(HOP6) + link_local, prefixes(ROUTE6, "2001:db8:2::/64")) + block))
        route = observer.wait_for(ROUTE6, "2001:db8:2::/64")
        # the link-local address means nothing on another link
        assert route.next_hop == address(expected)
        assert NEXT_HOP not in route.attributes
        assert route.number(MED) == (5 if target.asn == ASN else None)
        feeder.send(update(mp_unreach(prefixes(ROUTE6))))
        observer.wait_gone(ROUTE6)
        assert "2001:db8:2::/64" in observer.table


@pytest.mark.rfc("4760", "3")
def test_ipv6_routes_carry_local_pref_inside(daemon: WireDaemon) -> None:
    with daemon.session(I1) as inside, daemon.session(E2) as outside, daemon.session(E1) as feeder:
        feeder.send(update(mp_reach(address(HOP6), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        assert inside.wait_for(ROUTE6).attributes[LOCAL_PREF] == (WELL_KNOWN, u32(100))
        assert LOCAL_PREF not in outside.wait_for(ROUTE6).attributes


@pytest.mark.rfc("4760", "7")
@pytest.mark.parametrize("fault", [b"\x81" + bytes(17), b"\x30\x20\x01"], ids=["129 bits", "cut off"])
@pytest.mark.parametrize("make", [lambda routes: mp_reach(address(HOP6), routes), mp_unreach], ids=["reach", "unreach"])
def test_routes_go_when_the_session_is_reset_for_an_mp_attribute(
    daemon: WireDaemon, make: Callable[[bytes], bytes], fault: bytes
) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        feeder.send(update(mp_reach(address(HOP6), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        observer.wait_for(ROUTE6)
        feeder.send(update(make(fault)))
        observer.wait_gone(ROUTE6)
        assert feeder.ending() == (3, 9, make(fault))


@pytest.mark.rfc("4760", "3")
def test_ipv4_in_multiprotocol_attributes_is_the_same_as_in_the_fields(daemon: WireDaemon) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        feeder.send(update(mp_reach(address(HOP), prefixes(ROUTE, OTHER), IPV4) + path_attributes([E1.asn], None)))
        assert observer.wait_for(ROUTE, OTHER).next_hop == address(HOP)
        withdraw(feeder, ROUTE)
        feeder.send(update(mp_unreach(prefixes(OTHER), IPV4)))
        observer.wait_gone(ROUTE, OTHER)


@pytest.mark.rfc("4271", "5.1.3")
@pytest.mark.parametrize("own", [ADDRESS6])
def test_route_by_our_own_address_is_not_used(daemon: WireDaemon, own: str) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        feeder.send(update(mp_reach(address(own), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        feeder.sync()
        assert_untold(observer, ROUTE6)


@pytest.mark.rfc("4271", "6.3")
def test_an_unusable_next_hop_is_logged_and_nothing_is_sent(daemon: WireDaemon) -> None:
    with daemon.session(I1) as observer, daemon.session(E1) as feeder:
        announce(feeder)
        observer.wait_for(ROUTE)
        feeder.send(update(path_attributes([E1.asn], ADDRESS), prefixes(ROUTE)))
        observer.wait_gone(ROUTE)
        feeder.sync()
        assert feeder.notification is None
    assert f"next hop {ADDRESS} is our own address" in daemon.logged


# --- End-of-RIB, families, limits --------------------------------------------------------------------------------


@pytest.mark.rfc("4724", "2")
def test_end_of_rib_comes_once_in_each_family_behind_the_first_routes(daemon: WireDaemon) -> None:
    with daemon.session(E1) as feeder:
        announce(feeder, routes=(ROUTE, OTHER))
        feeder.send(update(mp_reach(address(HOP6), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        feeder.send(end_of_rib(IPV4), end_of_rib(IPV6))
        feeder.sync()
        with daemon.session(E2) as observer:
            first = list(observer.events)
            assert set(first[: first.index(Event("end", IPV4))]) >= {Event("announce", ROUTE), Event("announce", OTHER)}
            assert Event("announce", ROUTE6) in first[: first.index(Event("end", IPV6))]
            announce(feeder, routes=(THIRD,))
            observer.wait_for(THIRD)
            withdraw(feeder, ROUTE, OTHER, THIRD)
            observer.wait_gone(ROUTE, OTHER, THIRD)
            observer.sync()
            assert [event.about for event in observer.events if event.what == "end"] in ([IPV4, IPV6], [IPV6, IPV4])


@pytest.mark.rfc("4760", "8")
def test_only_common_families_are_sent(daemon: WireDaemon) -> None:
    with (
        daemon.session(E1) as feeder,
        daemon.session(E2, families=(IPV4,)) as four,
        daemon.session(E_KEEP, families=(IPV6,)) as six,
    ):
        announce(feeder)
        feeder.send(update(mp_reach(address(HOP6), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        feeder.sync()
        four.sync()
        six.sync()
        assert (set(four.table), set(six.table)) == ({ROUTE}, {ROUTE6})
        assert [e.about for e in four.events + six.events if e.what == "end"] == [IPV4, IPV6]


def test_routes_of_a_family_that_this_session_does_not_have_are_ignored(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(E1, families=(IPV6,)) as feeder:
        announce(feeder)
        feeder.send(update(mp_reach(address(HOP6), prefixes(ROUTE6)) + path_attributes([E1.asn], None)))
        observer.wait_for(ROUTE6)
        assert_untold(observer)


@pytest.mark.rfc("4486", "4")
def test_too_many_prefixes_close_the_session_and_it_stays_closed(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer:
        with daemon.session(FEW) as feeder:
            announce(feeder, routes=("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"))
            observer.wait_for("10.3.0.0/16")
            announce(feeder, routes=("10.3.0.0/16",))  # again: it is one prefix
            feeder.sync()
            announce(feeder, routes=("10.4.0.0/16",))
            assert feeder.ending() == (6, 1, b"\0\1\1" + u32(3))
        observer.wait_gone("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16")
        with daemon.connect(FEW) as again:
            assert again.ending() == (6, 5, b"")  # connection rejected


@pytest.mark.rfc("4486", "4")
def test_session_closed_for_too_many_prefixes_comes_back_after_its_time(daemon: WireDaemon) -> None:
    with daemon.session(BACK) as feeder:
        announce(feeder, routes=tuple(f"10.{n}.0.0/16" for n in range(4)))
        assert feeder.ending() == (6, 1, b"\0\1\1" + u32(3))
    while True:
        with daemon.connect(BACK) as again:
            if again.receive().kind == 1:
                break
            assert again.ending() == (6, 5, b"")


@pytest.mark.rfc("4271", "6.7")
def test_limit_that_only_warns(daemon: WireDaemon) -> None:
    with daemon.session(E2) as observer, daemon.session(WARNED) as feeder:
        announce(feeder, routes=tuple(f"10.{n}.0.0/16" for n in range(9)))
        observer.wait_for("10.8.0.0/16")
        feeder.sync()
    assert "maximum prefixes reached" in daemon.logged
