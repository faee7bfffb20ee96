"""Peers that restart: their routes stay for a while, as another peer sees it (RFC 4724 4.2, RFC 8538)."""

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    ENHANCED_REFRESH,
    IPV4,
    IPV6,
    NOTIFICATION,
    REFRESH,
    WirePeer,
    address,
    end_of_rib,
    graceful_restart,
    message,
    mp_reach,
    path_attributes,
    prefixes,
    update,
)

FEEDER, OBSERVER = Remote(2, 65002), Remote(3, 65003)
OFF = Remote(4, 65004, "graceful_restart = { enabled = false }")
PEERS = (FEEDER, OBSERVER, OFF)
ROUTE, OTHER, ROUTE6 = "10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48"
PLAIN = REFRESH + ENHANCED_REFRESH
N_FLAG, RESTARTING = 4, 8


def capabilities(seconds: int = 60, *, flags: int = 0, forwarding: int = 0x80) -> bytes:
    return PLAIN + graceful_restart(seconds, flags=flags, forwarding=forwarding)


def announce(peer: WirePeer, *routes: str) -> None:
    peer.send(update(path_attributes([peer.asn]), prefixes(*routes)))


def announce6(peer: WirePeer, *routes: str) -> None:
    peer.send(update(mp_reach(address("2001:db8::2"), prefixes(*routes)) + path_attributes([peer.asn], None)))


def feed(feeder: WirePeer, observer: WirePeer) -> None:
    """Announce three routes and see them arrive."""
    announce(feeder, ROUTE, OTHER)
    announce6(feeder, ROUTE6)
    observer.wait_for(ROUTE, OTHER, ROUTE6)


def lose(feeder: WirePeer, daemon: WireDaemon) -> None:
    """Cut the connection and wait until the daemon knows."""
    before = daemon.logged.count("session ended")
    feeder.cut()
    wait_for_end(daemon, before)


def wait_for_end(daemon: WireDaemon, before: int) -> None:
    daemon.wait_for_log(lambda logged: logged.count("session ended") > before)


def assert_kept(observer: WirePeer) -> None:
    observer.sync()
    for text in (ROUTE, OTHER, ROUTE6):
        assert "withdraw" not in observer.told(text)


@pytest.mark.rfc("4724", "4.2")
def test_routes_of_a_peer_that_restarts_stay_until_it_has_told_all(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER, capabilities=capabilities())
        feed(feeder, observer)
        lose(feeder, daemon)
        assert_kept(observer)
        with daemon.session(FEEDER, capabilities=capabilities(flags=RESTARTING)) as back:
            announce(back, OTHER)
            announce6(back, ROUTE6)
            back.sync()
            assert_kept(observer)
            back.send(end_of_rib(IPV4))
            observer.wait_gone(ROUTE)
            back.send(end_of_rib(IPV6))
            back.sync()
            observer.sync()
            assert set(observer.table) == {OTHER, ROUTE6}
            assert observer.told(OTHER)[0] == "announce"
            assert "withdraw" not in observer.told(OTHER) + observer.told(ROUTE6)
        observer.wait_gone(OTHER, ROUTE6)  # it said Cease


@pytest.mark.rfc("4724", "3")
def test_a_peer_that_restarts_is_told_our_routes_at_once(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as feeder:
        feeder.send(update(path_attributes([feeder.asn]), prefixes(ROUTE)))
        feeder.sync()
        with daemon.session(FEEDER, capabilities=capabilities(flags=RESTARTING)) as back:
            assert ROUTE in back.table  # before it said anything but OPEN and KEEPALIVE


@pytest.mark.rfc("4724", "4.2")
def test_routes_go_when_the_restart_time_is_over(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER, capabilities=capabilities(1))
        feed(feeder, observer)
        lose(feeder, daemon)
        assert_kept(observer)
        observer.wait_gone(ROUTE, OTHER, ROUTE6)
        assert "restart time is over" in daemon.logged


@pytest.mark.rfc("4724", "4.2")
def test_routes_of_a_family_that_was_not_preserved_go_when_the_session_is_back(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER, capabilities=capabilities())
        feed(feeder, observer)
        lose(feeder, daemon)
        assert_kept(observer)
        only_ipv6 = PLAIN + graceful_restart(60, (IPV6,), flags=RESTARTING)
        with daemon.session(FEEDER, capabilities=only_ipv6) as back:
            observer.wait_gone(ROUTE, OTHER)
            back.sync()
            observer.sync()
            assert set(observer.table) == {ROUTE6}
            back.send(end_of_rib(IPV6))
            observer.wait_gone(ROUTE6)


@pytest.mark.rfc("4724", "4.2")
@pytest.mark.parametrize(
    "after", [capabilities(flags=RESTARTING, forwarding=0), PLAIN], ids=["F bit clear", "no capability"]
)
def test_routes_go_when_the_peer_comes_back_without_its_forwarding(daemon: WireDaemon, after: bytes) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER, capabilities=capabilities())
        feed(feeder, observer)
        lose(feeder, daemon)
        assert_kept(observer)
        with daemon.session(FEEDER, capabilities=after):
            observer.wait_gone(ROUTE, OTHER, ROUTE6)


@pytest.mark.rfc("4724", "4.2")
def test_second_restart_drops_what_was_stale_since_the_first(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER, capabilities=capabilities())
        feed(feeder, observer)
        lose(feeder, daemon)
        again = daemon.session(FEEDER, capabilities=capabilities(flags=RESTARTING))
        announce(again, OTHER)
        again.sync()
        lose(again, daemon)
        observer.wait_gone(ROUTE, ROUTE6)
        assert "withdraw" not in observer.told(OTHER)
        with daemon.session(FEEDER, capabilities=capabilities(flags=RESTARTING)) as back:
            back.send(end_of_rib(IPV4), end_of_rib(IPV6))
            observer.wait_gone(OTHER)


@pytest.mark.rfc("4724", "4.2")
def test_routes_of_a_peer_without_the_capability_go_at_once(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(FEEDER)
        feed(feeder, observer)
        feeder.cut()
        observer.wait_gone(ROUTE, OTHER, ROUTE6)


def test_routes_go_at_once_where_it_is_switched_off(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer:
        feeder = daemon.session(OFF, capabilities=capabilities())
        feed(feeder, observer)
        feeder.cut()
        observer.wait_gone(ROUTE, OTHER, ROUTE6)


@pytest.mark.rfc("8538", "4")
@pytest.mark.parametrize(
    ("flags", "notification", "is_kept"),
    [
        (0, b"\6\4", False),
        (N_FLAG, b"\6\4", True),
        (N_FLAG, b"\4\0", True),
        (N_FLAG, b"\6\x09\6\2", False),
        (N_FLAG, b"\6\x09", False),
    ],
    ids=["reset without the N flag", "reset", "hold timer", "hard reset", "hard reset without a reason"],
)
def test_notification_of_a_peer(daemon: WireDaemon, flags: int, notification: bytes, is_kept: bool) -> None:
    with daemon.session(OBSERVER) as observer:
        with daemon.session(FEEDER, capabilities=capabilities(flags=flags)) as feeder:
            feed(feeder, observer)
            feeder.send(message(NOTIFICATION, notification))
            assert feeder.ending() is None
        if is_kept:
            assert_kept(observer)
            with daemon.session(FEEDER, capabilities=capabilities(flags=flags)) as back:
                back.send(end_of_rib(IPV4), end_of_rib(IPV6))
                observer.wait_gone(ROUTE, OTHER, ROUTE6)
        else:
            observer.wait_gone(ROUTE, OTHER, ROUTE6)


@pytest.mark.rfc("8538", "4")
@pytest.mark.parametrize(("flags", "is_kept"), [(0, False), (N_FLAG, True)])
def test_fault_that_we_answer_with_a_notification(daemon: WireDaemon, flags: int, is_kept: bool) -> None:
    with daemon.session(OBSERVER) as observer:
        with daemon.session(FEEDER, capabilities=capabilities(1, flags=flags)) as feeder:
            feed(feeder, observer)
            feeder.send(update(path_attributes([feeder.asn]), b"\x21\x0a"))
            assert feeder.ending() == (3, 10, b"")
        if is_kept:
            assert_kept(observer)
        observer.wait_gone(ROUTE, OTHER, ROUTE6)


@pytest.mark.rfc("4724", "5")
def test_new_connection_while_the_old_one_lives_is_a_restart(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.session(FEEDER, capabilities=capabilities()) as old:
        feed(old, observer)
        with daemon.session(FEEDER, capabilities=capabilities(flags=RESTARTING)) as back:
            assert_kept(observer)
            announce(back, OTHER)
            back.send(end_of_rib(IPV4), end_of_rib(IPV6))
            observer.wait_gone(ROUTE, ROUTE6)
            assert "withdraw" not in observer.told(OTHER)
