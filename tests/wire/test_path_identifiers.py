"""A peer that sends several paths for a prefix (RFC 7911): the best is told on, and another takes its place."""

import struct

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    ENHANCED_REFRESH,
    IPV6,
    MED,
    REFRESH,
    WirePeer,
    address,
    attribute,
    capability,
    mp_reach,
    mp_unreach,
    path_attributes,
    prefix,
    route_refresh,
    u32,
    update,
)

FEEDER, OBSERVER = Remote(2, 65002, 'add_path = "receive"'), Remote(3, 65000)
PEERS = (FEEDER, OBSERVER)
SENDS = 2
CAPABILITIES = REFRESH + ENHANCED_REFRESH + capability(69, struct.pack("!HBBHBB", 1, 1, SENDS, 2, 1, SENDS))
ROUTE, OTHER, ROUTE6 = "10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48"


def with_id(number: int, *routes: str) -> bytes:
    return b"".join(u32(number) + prefix(text) for text in routes)


def announce(peer: WirePeer, number: int, med: int, *routes: str) -> None:
    block = path_attributes([peer.asn], "192.0.2.1", 0, attribute(MED, u32(med)))
    peer.send(update(block, with_id(number, *routes)))


def withdraw(peer: WirePeer, number: int, *routes: str) -> None:
    peer.send(update(withdrawn=with_id(number, *routes)))


def wait_for_med(observer: WirePeer, text: str, med: int) -> None:
    observer.read_until(lambda: text in observer.table and observer.table[text].number(MED) == med)


@pytest.mark.rfc("7911", "3")
def test_path_is_told_apart_from_others_by_its_identifier(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=CAPABILITIES) as feeder:
        announce(feeder, 1, 20, ROUTE, OTHER)
        announce(feeder, 2, 10, ROUTE)
        wait_for_med(observer, ROUTE, 10)
        wait_for_med(observer, OTHER, 20)
        withdraw(feeder, 2, ROUTE, OTHER)  # of OTHER there is no such path
        wait_for_med(observer, ROUTE, 20)
        feeder.sync()
        assert observer.told(OTHER) == ["announce"]
        announce(feeder, 1, 5, ROUTE)  # in place of the path with that identifier
        wait_for_med(observer, ROUTE, 5)
        withdraw(feeder, 1, ROUTE, OTHER)
        observer.wait_gone(ROUTE, OTHER)


@pytest.mark.rfc("7911", "3")
def test_ipv6_paths_have_identifiers_alike(daemon: WireDaemon) -> None:
    def reach(number: int, med: int) -> bytes:
        block = path_attributes([FEEDER.asn], None, 0, attribute(MED, u32(med)))
        return update(mp_reach(address("2001:db8::2"), with_id(number, ROUTE6)) + block)

    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=CAPABILITIES) as feeder:
        feeder.send(reach(1, 20), reach(0xFFFFFFFF, 10))
        wait_for_med(observer, ROUTE6, 10)
        feeder.send(update(mp_unreach(with_id(0xFFFFFFFF, ROUTE6), IPV6)))
        wait_for_med(observer, ROUTE6, 20)
    # the session is over, and both paths with it


@pytest.mark.rfc("7606", "2")
def test_malformed_attribute_withdraws_only_the_path_with_that_identifier(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=CAPABILITIES) as feeder:
        announce(feeder, 1, 20, ROUTE, OTHER)
        announce(feeder, 2, 10, ROUTE, OTHER)
        wait_for_med(observer, OTHER, 10)
        malformed = path_attributes([feeder.asn], "192.0.2.1", 0, attribute(MED, b"\0"))
        feeder.send(update(malformed, with_id(2, ROUTE) + with_id(2, OTHER)))
        wait_for_med(observer, ROUTE, 20)
        wait_for_med(observer, OTHER, 20)
        feeder.sync()


@pytest.mark.rfc("7313", "4.2")
def test_marked_refresh_withdraws_paths_that_were_left_out(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=CAPABILITIES) as feeder:
        announce(feeder, 1, 20, ROUTE)
        announce(feeder, 2, 10, ROUTE)
        wait_for_med(observer, ROUTE, 10)
        feeder.send(route_refresh(subtype=1))
        announce(feeder, 1, 20, ROUTE)
        feeder.send(route_refresh(subtype=2))
        wait_for_med(observer, ROUTE, 20)


@pytest.mark.rfc("7911", "4")
def test_identifier_in_a_field_that_is_cut_off_ends_the_session(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        with daemon.session(FEEDER, capabilities=CAPABILITIES) as feeder:
            announce(feeder, 1, 20, ROUTE)
            observer.wait_for(ROUTE)
            feeder.send(update(path_attributes([feeder.asn]), u32(1)[:3]))
            assert feeder.ending() == (3, 10, b"")
        observer.wait_gone(ROUTE)
