"""What a peer that takes several paths is sent, in octets (RFC 7911)."""

import struct

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    ENHANCED_REFRESH,
    IPV4,
    IPV6,
    KEEPALIVE,
    MED,
    OPEN,
    REFRESH,
    UPDATE,
    WirePeer,
    address,
    attribute,
    capability,
    message,
    mp_reach,
    path_attributes,
    prefix,
    route_refresh,
    u32,
    update,
)

ALL, BOTH = Remote(5, 65000, 'add_path = "send"'), Remote(7, 65007, 'add_path = "both"')
FIRST, SECOND, THIRD = Remote(2, 65002), Remote(3, 65003), Remote(4, 65004)
BEST_TWO = Remote(6, 65000, 'add_path = "both"\nadd_path_send_limit = 2')
PEERS = (FIRST, SECOND, THIRD, ALL, BEST_TWO, BOTH)
RECEIVES, SENDS, BOTH_WAYS = 1, 2, 3
ROUTE, OTHER, ROUTE6 = "10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48"
WITH_IDS = (IPV4, IPV6)


def asks(ipv4: int, ipv6: int) -> bytes:
    """Return capabilities with ADD-PATH; 0 = the family is not in it."""
    entries = [(1, 1, ipv4), (2, 1, ipv6)]
    return (
        REFRESH
        + ENHANCED_REFRESH
        + capability(69, b"".join(struct.pack("!HBB", *entry) for entry in entries if entry[2]))
    )


def receiver(daemon: WireDaemon, remote: Remote = ALL) -> WirePeer:
    return daemon.session(remote, capabilities=asks(RECEIVES, RECEIVES), with_path_ids=WITH_IDS)


def announce(peer: WirePeer, med: int, *routes: str) -> None:
    block = path_attributes([peer.asn], "192.0.2.1", 0, attribute(MED, u32(med)))
    peer.send(update(block, b"".join(map(prefix, routes))))


def announce6(peer: WirePeer, *routes: str) -> None:
    reach = mp_reach(address("2001:db8::2"), b"".join(map(prefix, routes)))
    peer.send(update(reach + path_attributes([peer.asn], None)))


def withdraw(peer: WirePeer, *routes: str) -> None:
    peer.send(update(withdrawn=b"".join(map(prefix, routes))))


def held(peer: WirePeer, text: str = ROUTE) -> dict[int, int]:
    """Return neighbouring AS → path identifier of the paths that the peer holds."""
    return {
        route.path[-1]: int(key.split()[0])
        for key, route in peer.table.items()
        if key.split()[1] == text and route.path
    }


def wait_for(peer: WirePeer, *remotes: Remote, text: str = ROUTE) -> dict[int, int]:
    """Read until the peer holds paths of these and no others; return AS → path identifier."""
    peer.read_until(lambda: held(peer, text).keys() == {remote.asn for remote in remotes})
    return held(peer, text)


def wait_for_med(peer: WirePeer, text: str, med: int) -> None:
    """Read until the peer holds some path of the prefix with this MED."""
    peer.read_until(lambda: any(r.number(MED) == med for key, r in peer.table.items() if key.endswith(f" {text}")))


@pytest.mark.rfc("7911", "3")
def test_every_path_comes_with_an_identifier_before_its_prefix(daemon: WireDaemon) -> None:
    with receiver(daemon) as peer, daemon.session(FIRST) as first, daemon.session(SECOND) as second:
        announce(first, 1, ROUTE)
        identifier = wait_for(peer, FIRST)[FIRST.asn]
        announce(second, 1, ROUTE)
        other = wait_for(peer, FIRST, SECOND)[SECOND.asn]
        assert identifier != other
        withdraw(first, ROUTE)
        found = peer.receive()
        while found.kind != UPDATE:
            found = peer.receive()
        assert found.body == b"\0\7" + u32(identifier) + prefix(ROUTE) + b"\0\0"
        withdraw(second, ROUTE)
        while (found := peer.receive()).kind != UPDATE:
            pass
        assert found.body == b"\0\7" + u32(other) + prefix(ROUTE) + b"\0\0"


def test_octets_of_an_announcement(daemon: WireDaemon) -> None:
    with receiver(daemon) as peer, daemon.session(FIRST) as first:
        announce(first, 1, ROUTE)
        while (found := peer.receive()).kind != UPDATE:
            pass
        size = int.from_bytes(found.body[2:4])
        nlri = found.body[4 + size :]
        assert found.body[:2] == b"\0\0"
        assert (len(nlri), nlri[4:]) == (7, prefix(ROUTE))
        assert int.from_bytes(nlri[:4]) > 0


@pytest.mark.rfc("7911", "4")
def test_ipv6_paths_have_identifiers_alike_in_both_directions_of_change(daemon: WireDaemon) -> None:
    with receiver(daemon) as peer, daemon.session(FIRST) as first:
        with daemon.session(SECOND) as second:
            announce6(first, ROUTE6)
            announce6(second, ROUTE6)
            wait_for(peer, FIRST, SECOND, text=ROUTE6)
        wait_for(peer, FIRST, text=ROUTE6)


@pytest.mark.rfc("7911", "4")
def test_new_attributes_replace_a_path_under_its_identifier(daemon: WireDaemon) -> None:
    with receiver(daemon) as peer, daemon.session(FIRST) as first, daemon.session(SECOND) as second:
        announce(first, 1, ROUTE)
        announce(second, 1, ROUTE)
        before = wait_for(peer, FIRST, SECOND)
        announce(second, 7, ROUTE)
        key = f"{before[SECOND.asn]} {ROUTE}"
        peer.read_until(lambda: peer.table[key].number(MED) == 7)
        peer.sync()
        assert held(peer) == before
        assert not [event for event in peer.events if event.what == "withdraw"]


@pytest.mark.rfc("7911", "4")
@pytest.mark.parametrize(
    ("ipv4", "ipv6", "with_ids"),
    [(RECEIVES, 0, (IPV4,)), (SENDS, RECEIVES, (IPV6,)), (SENDS, BOTH_WAYS, (IPV6,)), (0, 0, ())],
)
def test_identifiers_come_in_the_families_alone_in_which_the_peer_receives_them(
    daemon: WireDaemon, ipv4: int, ipv6: int, with_ids: tuple[tuple[int, int], ...]
) -> None:
    asked = asks(ipv4, ipv6) if ipv4 or ipv6 else REFRESH + ENHANCED_REFRESH
    with (
        daemon.session(FIRST) as first,
        daemon.session(SECOND) as second,
        daemon.session(ALL, capabilities=asked, with_path_ids=with_ids) as peer,
    ):
        for feeder in (first, second):
            announce(feeder, 1, ROUTE)
            announce6(feeder, ROUTE6)
            feeder.sync()
        peer.sync()
        for family, route in ((IPV4, ROUTE), (IPV6, ROUTE6)):
            keys = [key for key in peer.table if key.split()[-1] == route]
            assert (len(keys), len(keys[0].split())) == ((2, 2) if family in with_ids else (1, 1))


def test_peer_that_sends_and_receives_is_not_sent_its_own_paths(daemon: WireDaemon) -> None:
    with (
        daemon.session(BOTH, capabilities=asks(BOTH_WAYS, 0), with_path_ids=(IPV4,)) as peer,
        daemon.session(FIRST) as first,
        receiver(daemon) as observer,
    ):
        block = path_attributes([peer.asn], "192.0.2.1")
        for number in (1, 2):
            peer.send(update(block, u32(number) + prefix(ROUTE)))
        announce(first, 1, ROUTE)
        observer.read_until(lambda: len(observer.table) == 3)
        peer.read_until(lambda: bool(peer.table))
        peer.sync()
        assert [route.path for route in peer.table.values()] == [(65000, FIRST.asn)]
        peer.send(update(withdrawn=u32(1) + prefix(ROUTE)))
        observer.read_until(lambda: len(observer.table) == 2)


def test_a_limit_is_kept_while_the_best_ones_change(daemon: WireDaemon) -> None:
    with (
        receiver(daemon, BEST_TWO) as peer,
        daemon.session(SECOND) as second,
        daemon.session(THIRD) as third,
    ):
        with daemon.session(FIRST) as first:
            for feeder in (first, second, third):
                announce(feeder, 1, ROUTE)
                feeder.sync()
            peer.sync()
            before = wait_for(peer, FIRST, SECOND)
        after = wait_for(peer, SECOND, THIRD)
        assert after[SECOND.asn] == before[SECOND.asn]
        detail = daemon.peer(BEST_TWO)
        assert [family.sent for family in detail.families if family.family == "ipv4-unicast"] == [2]


@pytest.mark.rfc("7313", "4.1")
def test_a_refresh_brings_all_paths_between_its_marks(daemon: WireDaemon) -> None:
    with receiver(daemon) as peer, daemon.session(FIRST) as first, daemon.session(SECOND) as second:
        announce(first, 1, ROUTE, OTHER)
        announce(second, 1, ROUTE)
        wait_for(peer, FIRST, SECOND)
        wait_for(peer, FIRST, text=OTHER)
        before = dict(peer.table)
        peer.table.clear()
        peer.events.clear()
        peer.send(route_refresh())
        peer.read_until(lambda: any(event.what == "EoRR" for event in peer.events))
        assert peer.table == before
        assert peer.events[0].what == "BoRR"


def many(med: int, asn: int, count: int) -> bytes:
    block = path_attributes([asn], "192.0.2.1", 0, attribute(MED, u32(med)))
    routes = [b"\x18\x14" + number.to_bytes(2) for number in range(count)]
    return b"".join(update(block, b"".join(routes[at : at + 500])) for at in range(0, count, 500))


def test_slow_reader_ends_with_all_paths_and_hears_no_needless_withdrawal(daemon: WireDaemon) -> None:
    count, last = 3000, "20.11.183.0/24"
    with (
        daemon.connect(
            ALL, capabilities=asks(RECEIVES, 0), families=(IPV4,), receive_buffer=4096, with_path_ids=(IPV4,)
        ) as slow,
        daemon.session(BEST_TWO, capabilities=asks(RECEIVES, 0), families=(IPV4,), with_path_ids=(IPV4,)) as quick,
        daemon.session(FIRST, families=(IPV4,)) as first,
        daemon.session(SECOND, families=(IPV4,)) as second,
    ):
        slow.send(slow.opening, message(KEEPALIVE))
        slow.expect(OPEN)
        slow.expect(KEEPALIVE)
        med = 0
        while not daemon.peer(ALL).is_congested:
            med += 1
            first.send(many(med, first.asn, count))
            first.sync()
            wait_for_med(quick, last, med)
        second.send(many(1, second.asn, count))
        second.sync()
        second.send(update(withdrawn=b"".join(b"\x18\x14" + n.to_bytes(2) for n in range(500))))
        second.sync()
        first.send(update(withdrawn=b"".join(b"\x18\x14" + n.to_bytes(2) for n in range(500, 1000))))
        first.sync()
        quick.read_until(lambda: len(quick.table) == 2 * count - 1000, limit=20)
        slow.read_until(lambda: slow.table == quick.table, limit=30)
        gone = [event.about for event in slow.events if event.what == "withdraw"]
        assert len(gone) == len(set(gone)) == 500
