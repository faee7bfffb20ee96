"""ROUTE-REFRESH in both directions, with and without marks; and messages longer than 4096 octets."""

import pytest

from tests.support.wire_daemon import ASN, Remote, WireDaemon
from tests.support.wire_peer import (
    COMMUNITIES,
    ENHANCED_REFRESH,
    EXTENDED_MESSAGES,
    IPV4,
    IPV6,
    KEEPALIVE,
    OPEN,
    REFRESH,
    UPDATE,
    Event,
    WirePeer,
    address,
    attribute,
    end_of_rib,
    graceful_restart,
    message,
    mp_reach,
    path_attributes,
    prefix,
    prefixes,
    route_refresh,
    u32,
    update,
)

FEEDER, OBSERVER, INSIDE = Remote(2, 65002), Remote(3, 65003), Remote(4, ASN)
PEERS = (FEEDER, OBSERVER, INSIDE)
ROUTE, OTHER, THIRD = "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"
ROUTE6 = "2001:db8:1::/48"
LONG = REFRESH + ENHANCED_REFRESH + EXTENDED_MESSAGES
BEGIN, END = 1, 2


def announce(peer: WirePeer, *routes: str) -> None:
    peer.send(update(path_attributes([peer.asn]), prefixes(*routes)))


def announce6(peer: WirePeer, *routes: str) -> None:
    peer.send(update(mp_reach(address("2001:db8::2"), prefixes(*routes)) + path_attributes([peer.asn], None)))


@pytest.mark.rfc("2918", "4")
@pytest.mark.rfc("7313", "4")
@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_refresh_tells_all_routes_of_one_family_between_its_marks(daemon: WireDaemon, family: tuple[int, int]) -> None:
    with daemon.session(FEEDER) as feeder, daemon.session(OBSERVER) as observer:
        announce(feeder, ROUTE, OTHER)
        announce6(feeder, ROUTE6)
        announce(observer, THIRD)
        observer.wait_for(ROUTE, OTHER, ROUTE6)
        seen = len(observer.events)
        observer.send(route_refresh(family))
        observer.read_until(lambda: Event("EoRR", family) in observer.events)
        again = observer.events[seen:]
        assert (again[0], again[-1]) == (Event("BoRR", family), Event("EoRR", family))
        expected = {ROUTE, OTHER} if family == IPV4 else {ROUTE6}
        assert sorted(again[1:-1]) == sorted(Event("announce", text) for text in expected)


@pytest.mark.rfc("2918", "4")
def test_refresh_without_marks_for_a_peer_that_does_not_know_them(daemon: WireDaemon) -> None:
    with daemon.session(FEEDER) as feeder, daemon.session(OBSERVER, capabilities=REFRESH) as observer:
        announce(feeder, ROUTE, OTHER)
        observer.wait_for(ROUTE, OTHER)
        observer.send(route_refresh())
        observer.read_until(lambda: observer.told(ROUTE) == observer.told(OTHER) == ["announce", "announce"])
        announce(feeder, THIRD)
        observer.wait_for(THIRD)
        assert not {"BoRR", "EoRR"} & {event.what for event in observer.events}


@pytest.mark.rfc("2918", "3")
@pytest.mark.parametrize("reserved", [BEGIN, END, 77])
def test_reserved_octet_of_a_peer_that_does_not_know_the_marks_is_ignored(daemon: WireDaemon, reserved: int) -> None:
    with daemon.session(FEEDER) as feeder, daemon.session(OBSERVER, capabilities=REFRESH) as observer:
        announce(feeder, ROUTE)
        observer.wait_for(ROUTE)
        observer.send(route_refresh(subtype=reserved))
        observer.read_until(lambda: observer.told(ROUTE) == ["announce", "announce"])


@pytest.mark.rfc("7313", "4.2")
def test_what_a_peer_leaves_out_between_its_marks_is_withdrawn(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER) as feeder:
        announce(feeder, ROUTE, OTHER)
        announce6(feeder, ROUTE6)
        observer.wait_for(ROUTE, OTHER, ROUTE6)
        feeder.send(route_refresh(subtype=BEGIN))
        announce(feeder, OTHER, THIRD)
        feeder.sync()
        observer.sync()
        assert set(observer.table) == {ROUTE, OTHER, THIRD, ROUTE6}
        feeder.send(route_refresh(subtype=END))
        observer.wait_gone(ROUTE)
        observer.sync()
        assert set(observer.table) == {OTHER, THIRD, ROUTE6}


@pytest.mark.rfc("7313", "4")
def test_end_mark_without_a_beginning_changes_nothing(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER) as feeder:
        announce(feeder, ROUTE)
        feeder.send(route_refresh(subtype=END))
        feeder.sync()
        observer.sync()
        assert ROUTE in observer.table


@pytest.mark.rfc("7313", "4")
def test_refresh_that_is_asked_for_before_the_end_of_rib_begins_behind_it(daemon: WireDaemon) -> None:
    with daemon.session(FEEDER) as feeder, daemon.connect(OBSERVER) as observer:
        announce(feeder, ROUTE)
        feeder.sync()
        observer.send(observer.opening)
        observer.expect(OPEN)
        observer.expect(KEEPALIVE)
        observer.send(message(KEEPALIVE), route_refresh())
        observer.read_until(lambda: Event("EoRR", IPV4) in observer.events)
        told = [event for event in observer.events if event.about in (IPV4, ROUTE)]
        route = Event("announce", ROUTE)
        assert told == [route, Event("end", IPV4), Event("BoRR", IPV4), route, Event("EoRR", IPV4)]


@pytest.mark.rfc("7313", "4")
def test_refresh_that_begins_before_the_end_of_rib_of_a_peer_with_graceful_restart_is_ignored(
    daemon: WireDaemon,
) -> None:
    restarts = REFRESH + ENHANCED_REFRESH + graceful_restart(30)
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=restarts) as feeder:
        announce(feeder, ROUTE, OTHER)
        feeder.send(route_refresh(subtype=BEGIN))
        announce(feeder, OTHER)
        feeder.send(route_refresh(subtype=END))
        feeder.sync()
        observer.sync()
        assert set(observer.table) == {ROUTE, OTHER}
        feeder.send(end_of_rib(IPV4), route_refresh(subtype=BEGIN))
        announce(feeder, OTHER)
        feeder.send(route_refresh(subtype=END))
        observer.wait_gone(ROUTE)
    assert "it begins before the ipv4-unicast End-of-RIB" in daemon.logged


@pytest.mark.rfc("7313", "5")
def test_refresh_of_an_unknown_subtype_is_ignored_and_logged(daemon: WireDaemon) -> None:
    with daemon.session(FEEDER) as feeder:
        seen = len(feeder.events)
        feeder.send(route_refresh(subtype=77))
        feeder.sync()
        assert [event.what for event in feeder.events[seen:]] == ["BoRR", "EoRR"]  # of the sync alone
    assert "message subtype 77" in daemon.logged


def longest(peer: WirePeer, *texts: str) -> int:
    """Read until the prefixes are there; return the octets of the longest UPDATE on the way."""
    most = 0
    while not all(text in peer.table for text in texts):
        found = peer.receive()
        peer.take(found)
        if found.kind == UPDATE:
            most = max(most, 19 + len(found.body))
    return most


def many(count: int) -> list[str]:
    return [f"20.{number >> 8}.{number & 255}.0/24" for number in range(count)]


@pytest.mark.rfc("8654", "4")
def test_each_peer_gets_messages_as_long_as_it_takes(daemon: WireDaemon) -> None:
    routes = many(20_000)
    octets = b"".join(map(prefix, routes))
    with (
        daemon.session(FEEDER, capabilities=LONG) as feeder,
        daemon.session(OBSERVER) as plain,
        daemon.session(INSIDE, capabilities=LONG) as long,
    ):
        block = path_attributes([feeder.asn])
        for start in range(0, len(octets), 64_000):
            feeder.send(update(block, octets[start : start + 64_000]))
        assert 3900 < longest(plain, *routes) <= 4096
        assert 60_000 < longest(long, *routes) <= 65_535


@pytest.mark.rfc("8654", "4")
def test_route_whose_attributes_fit_into_long_messages_only_goes_to_those_who_take_them(daemon: WireDaemon) -> None:
    communities = attribute(COMMUNITIES, u32(*range(1500)))
    with (
        daemon.session(FEEDER, capabilities=LONG) as feeder,
        daemon.session(OBSERVER) as plain,
        daemon.session(INSIDE, capabilities=LONG) as long,
    ):
        announce(feeder, ROUTE)
        plain.wait_for(ROUTE)
        feeder.send(update(path_attributes([feeder.asn], "192.0.2.1", 0, communities), prefixes(ROUTE, OTHER)))
        assert long.wait_for(OTHER).value(COMMUNITIES) == u32(*range(1500))
        plain.wait_gone(ROUTE)
        plain.sync()
        assert plain.told(OTHER) == []


@pytest.mark.rfc("8654", "4")
@pytest.mark.parametrize("size", [4095, 4096, 4097, 65534, 65535])
def test_message_of_a_length_at_a_limit_is_taken(daemon: WireDaemon, size: int) -> None:
    with daemon.session(FEEDER, capabilities=LONG) as feeder, daemon.session(OBSERVER) as observer:
        block = path_attributes([feeder.asn])
        octets = b"".join(map(prefix, many(17_000)))
        room = size - 23 - len(block)
        octets = octets[: room - room % 4] + b"\0" * (room % 4)  # the default route fills up
        whole = update(block, octets)
        assert len(whole) == size
        feeder.send(whole)
        observer.wait_for(many(17_000)[room // 4 - 1])
        feeder.sync()
