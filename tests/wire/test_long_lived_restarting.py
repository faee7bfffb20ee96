"""Long-lived graceful restart on the wire (RFC 9494): capability octets, a peer that is lost, those who watch."""

import time

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    ENHANCED_REFRESH,
    IPV4,
    OPEN,
    REFRESH,
    WirePeer,
    attribute,
    end_of_rib,
    graceful_restart,
    long_lived_restart,
    path_attributes,
    prefixes,
    u32,
    update,
)

LASTING = "long_lived_graceful_restart = { stale_time = 66051 }"  # 0x010203
FEEDER, KNOWING, PLAIN = Remote(2, 65002, LASTING), Remote(3, 65003, LASTING), Remote(4, 65004)
PEERS = (FEEDER, KNOWING, PLAIN)
ROUTE, OTHER, GUARDED = "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"
COMMUNITIES = 8
LLGR_STALE, NO_LLGR = 0xFFFF0006, 0xFFFF0007
BASIC = REFRESH + ENHANCED_REFRESH


def capabilities(seconds: int, *, restart_time: int = 0, forwarding: int = 0x80, restarting: bool = False) -> bytes:
    return (
        BASIC
        + graceful_restart(restart_time, (IPV4,), flags=8 if restarting else 0)
        + long_lived_restart(seconds, (IPV4,), forwarding=forwarding)
    )


def announce(peer: WirePeer, text: str, *communities: int) -> None:
    extra = attribute(COMMUNITIES, u32(*communities), 0xC0) if communities else b""
    peer.send(update(path_attributes([peer.asn]) + extra, prefixes(text)))


def communities(peer: WirePeer, text: str) -> bytes | None:
    return peer.table[text].value(COMMUNITIES)


def lose(feeder: WirePeer, daemon: WireDaemon) -> None:
    before = daemon.logged.count("session ended")
    feeder.cut()
    daemon.wait_for_log(lambda logged: logged.count("session ended") > before)


def wait_marked(peer: WirePeer, text: str) -> None:
    peer.read_until(lambda: text in peer.table and communities(peer, text) == u32(LLGR_STALE))


@pytest.mark.rfc("9494", "3.1")
def test_capability_names_each_family_with_forwarding_bit_and_24_bits_of_time(daemon: WireDaemon) -> None:
    with daemon.connect(FEEDER) as peer:
        peer.send(peer.opening)
        ipv4, ipv6 = "0001 01 80 010203", "0002 01 80 010203"
        assert bytes.fromhex(f"47 0e {ipv4} {ipv6}") in peer.expect(OPEN).body
    with daemon.connect(PLAIN) as peer:
        peer.send(peer.opening)
        assert b"\x47\x0e\0\1" not in peer.expect(OPEN).body


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.rfc("9494", "4.3")
def test_stale_routes_are_marked_and_only_told_to_those_who_know_the_mark(daemon: WireDaemon) -> None:
    with (
        daemon.session(KNOWING, capabilities=capabilities(60)) as knowing,
        daemon.session(PLAIN) as plain,
    ):
        feeder = daemon.session(FEEDER, capabilities=capabilities(2))
        announce(feeder, ROUTE)
        announce(feeder, GUARDED, NO_LLGR)
        for peer in (knowing, plain):
            peer.wait_for(ROUTE, GUARDED)
        lose(feeder, daemon)
        began = time.monotonic()
        wait_marked(knowing, ROUTE)
        knowing.wait_gone(GUARDED)
        plain.wait_gone(ROUTE, GUARDED)
        assert "withdraw" not in knowing.told(ROUTE)
        knowing.wait_gone(ROUTE)
        assert time.monotonic() - began > 1.5


@pytest.mark.rfc("9494", "4.2")
def test_two_restarts_keep_what_was_marked_until_its_own_time_is_over(daemon: WireDaemon) -> None:
    with daemon.session(KNOWING, capabilities=capabilities(60)) as knowing:
        feeder = daemon.session(FEEDER, capabilities=capabilities(4))
        announce(feeder, ROUTE)
        announce(feeder, OTHER)
        knowing.wait_for(ROUTE, OTHER)
        lose(feeder, daemon)
        began = time.monotonic()
        wait_marked(knowing, OTHER)
        again = daemon.session(FEEDER, capabilities=capabilities(3600, restarting=True))
        announce(again, ROUTE)
        knowing.read_until(lambda: communities(knowing, ROUTE) is None)
        lose(again, daemon)  # before End-of-RIB
        wait_marked(knowing, ROUTE)
        assert communities(knowing, OTHER) == u32(LLGR_STALE)
        knowing.wait_gone(ROUTE, OTHER)
        assert 3 < time.monotonic() - began < 8


@pytest.mark.rfc("9494", "4.2")
@pytest.mark.parametrize(
    "after",
    [capabilities(60, forwarding=0), BASIC + graceful_restart(0, (IPV4,)), BASIC + long_lived_restart(60), BASIC],
    ids=["F bit clear", "without the capability", "alone", "with neither"],
)
def test_marked_routes_go_when_the_peer_comes_back_without_its_forwarding(daemon: WireDaemon, after: bytes) -> None:
    with daemon.session(KNOWING, capabilities=capabilities(60)) as knowing:
        feeder = daemon.session(FEEDER, capabilities=capabilities(60))
        announce(feeder, ROUTE)
        knowing.wait_for(ROUTE)
        lose(feeder, daemon)
        wait_marked(knowing, ROUTE)
        with daemon.session(FEEDER, capabilities=after):
            knowing.wait_gone(ROUTE)


@pytest.mark.rfc("9494", "4.2")
def test_end_of_rib_takes_what_was_not_confirmed(daemon: WireDaemon) -> None:
    with daemon.session(KNOWING, capabilities=capabilities(60)) as knowing:
        feeder = daemon.session(FEEDER, capabilities=capabilities(60))
        announce(feeder, ROUTE)
        announce(feeder, OTHER)
        knowing.wait_for(ROUTE, OTHER)
        lose(feeder, daemon)
        wait_marked(knowing, OTHER)
        with daemon.session(FEEDER, capabilities=capabilities(60, restarting=True)) as back:
            announce(back, ROUTE)
            back.sync()
            knowing.sync()
            assert OTHER in knowing.table
            back.send(end_of_rib(IPV4))
            knowing.wait_gone(OTHER)
            assert communities(knowing, ROUTE) is None


@pytest.mark.rfc("9494", "4.3")
def test_a_route_that_came_with_the_mark_keeps_it_and_loses_to_any_other(daemon: WireDaemon) -> None:
    with (
        daemon.session(KNOWING, capabilities=capabilities(60)) as knowing,
        daemon.session(PLAIN) as plain,
        daemon.session(FEEDER, capabilities=capabilities(60)) as feeder,
    ):
        announce(feeder, ROUTE, 0x00010002, LLGR_STALE)
        knowing.wait_for(ROUTE)
        assert communities(knowing, ROUTE) == u32(0x00010002, LLGR_STALE)
        plain.sync()
        assert ROUTE not in plain.table
        plain.send(update(path_attributes([plain.asn, 65010, 65011]), prefixes(ROUTE)))
        knowing.read_until(lambda: len(knowing.table[ROUTE].path) == 4)


def test_no_routes_are_left_over(daemon: WireDaemon) -> None:
    with daemon.session(FEEDER) as peer:
        peer.sync()
        assert daemon.peer(FEEDER).families[0].stale == 0
