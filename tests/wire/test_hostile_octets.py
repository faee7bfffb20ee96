"""Peers that send what no speaker should: nothing of it may reach other sessions.

An idle session with a hold time of 3 s runs beside each test and has to get its KEEPALIVEs; the daemon must not log a
traceback, and what it answers, if anything, is a NOTIFICATION.
"""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.support.daemon import until
from tests.support.wire_daemon import ADDRESS, Remote, WireDaemon, raise_file_limit
from tests.support.wire_peer import (
    COMMUNITIES,
    IPV4,
    KEEPALIVE,
    MARKER,
    MED,
    NOTIFICATION,
    OPEN,
    UPDATE,
    Watcher,
    WirePeer,
    address,
    attribute,
    message,
    mp_reach,
    mp_unreach,
    path_attributes,
    prefix,
    prefixes,
    u32,
    update,
)

IDLE = Remote(2, 65002)
HOSTILE = Remote(3, 65003)
OBSERVER = Remote(4, 65000)
OTHER = Remote(5, 65005)
SLOW = Remote(6, 65000)
PEERS = (IDLE, HOSTILE, OBSERVER, OTHER, SLOW)
TABLES = """
[[peer_range]]
prefix = "127.1.0.0/16"
asn = "external"
limit = 200
[[peer_range]]
prefix = "127.3.0.0/16"
asn = "external"
limit = 3
"""

MB = 1 << 20
STEADY = "10.0.0.0/8"


@pytest.fixture(scope="module", autouse=True)
def watcher(daemon: WireDaemon) -> Iterator[Watcher]:
    """The idle session, for the whole module; it announces one route that must stay."""
    with daemon.session(IDLE, hold_time=3) as peer:
        peer.send(update(path_attributes([IDLE.asn]), prefixes(STEADY)))
        with Watcher(peer) as made:
            yield made


@pytest.fixture(autouse=True)
def _undisturbed(watcher: Watcher, daemon: WireDaemon) -> Iterator[None]:
    """The idle session is still there after each test, and so is its route for a newcomer."""
    yield
    watcher.check()
    with daemon.session(OBSERVER) as observer:
        assert STEADY in observer.table


def ends_or_lives(peer: WirePeer) -> tuple[int, int, bytes] | None:
    """Half-close and return the NOTIFICATION that came, if one did. The daemon closes in any case."""
    with suppress(OSError):
        peer.socket.shutdown(socket.SHUT_WR)
    return peer.ending()


SAMPLE = update(
    mp_reach(address("2001:db8::2"), prefixes("2001:db8:1::/48", "2001:db8:2::/64"))
    + mp_unreach(prefixes("2001:db8:3::/48"))
    + path_attributes([HOSTILE.asn, 70000], "192.0.2.1", 0, attribute(MED, u32(5)), attribute(COMMUNITIES, u32(7, 8))),
    prefixes("10.1.0.0/16", "10.2.3.0/24"),
    prefixes("10.9.0.0/16"),
)


@pytest.mark.rfc("4271", "6.1")
def test_message_that_is_cut_off_at_any_octet_by_the_end_of_the_connection(daemon: WireDaemon) -> None:
    for size in range(1, len(SAMPLE)):
        with daemon.session(HOSTILE) as peer:
            peer.send(SAMPLE[:size])
            assert ends_or_lives(peer) is None


@pytest.mark.rfc("4271", "6.3")
def test_update_whose_body_is_cut_off_at_any_octet(daemon: WireDaemon) -> None:
    body = SAMPLE[19:]
    with daemon.session(OBSERVER) as observer:
        for size in range(len(body)):
            with daemon.session(HOSTILE) as peer:
                peer.send(message(UPDATE, body[:size]))
                found = ends_or_lives(peer)
                # it is the length of the message, of a field, of an attribute, or of a prefix; or it makes sense
                assert found is None or found[:2] in ((1, 2), (3, 1), (3, 3), (3, 5), (3, 9), (3, 10)), (size, found)
        observer.sync()
        assert set(observer.table) == {STEADY}


def test_open_that_is_cut_off_at_any_octet(daemon: WireDaemon) -> None:
    with daemon.connect(HOSTILE) as peer:
        peer.expect(OPEN)
        body = peer.opening[19:]
    for size in range(len(body)):
        with daemon.connect(HOSTILE) as peer:
            peer.expect(OPEN)
            peer.send(message(OPEN, body[:size]))
            found = peer.ending()
            assert found is not None
            assert found[:2] == ((1, 2) if size < 10 else (2, 0))


@pytest.mark.parametrize("seed", range(10))
def test_garbage_instead_of_an_open(daemon: WireDaemon, seed: int) -> None:
    octets = random.Random(seed).randbytes(5000)
    with daemon.connect(HOSTILE) as peer:
        peer.expect(OPEN)
        with suppress(ConnectionError):
            peer.send(octets)
        assert peer.ending() == (1, 1, b"")


@pytest.mark.parametrize("kind", [OPEN, UPDATE, NOTIFICATION, KEEPALIVE, 5, 0, 99])
def test_garbage_behind_a_header(daemon: WireDaemon, kind: int) -> None:
    for seed in range(8):
        chance = random.Random(seed)
        octets = message(kind, chance.randbytes(chance.randrange(4000)))
        with daemon.session(HOSTILE) as established:
            with suppress(ConnectionError):
                established.send(octets)
            ends_or_lives(established)
        with daemon.connect(HOSTILE) as early:
            early.expect(OPEN)
            with suppress(ConnectionError):
                early.send(octets)
            ends_or_lives(early)


@pytest.mark.parametrize("seed", range(4))
def test_update_with_flipped_bits(daemon: WireDaemon, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        body = bytearray(SAMPLE[19:])
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        with daemon.session(HOSTILE) as peer:
            peer.send(message(UPDATE, bytes(body)))
            found = ends_or_lives(peer)
            assert found is None or found[0] == 3


def test_http_on_the_port(daemon: WireDaemon) -> None:
    with daemon.connect(HOSTILE) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: bgp\r\n\r\n")
        peer.expect(OPEN)
        assert peer.ending() == (1, 1, b"")


def test_session_comes_up_one_octet_at_a_time(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.connect(HOSTILE) as peer:
        octets = peer.opening + message(KEEPALIVE) + SAMPLE + update(withdrawn=prefixes("10.1.0.0/16"))
        for position in range(len(octets)):
            peer.send(octets[position : position + 1])
        peer.expect(OPEN)
        peer.expect(KEEPALIVE)
        peer.sync()
        observer.sync()
        assert set(observer.table) == {STEADY, "10.2.3.0/24", "2001:db8:1::/48", "2001:db8:2::/64"}


def test_messages_that_come_all_at_once_are_taken_one_by_one(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.connect(HOSTILE) as peer:
        peer.send(peer.opening, message(KEEPALIVE) * 3, SAMPLE * 3, message(KEEPALIVE), peer.opening)
        assert peer.ending() == (5, 3, b"\x01")
        observer.sync()
        assert observer.told("10.2.3.0/24") == ["announce", "withdraw"]


def test_flood_of_half_open_connections(daemon: WireDaemon) -> None:
    before = daemon.descriptors
    with ExitStack() as stack:
        for number in range(300):
            # the range takes them all, since none of them is a session; from other addresses nobody is expected
            source = f"127.1.{number // 100}.{number % 100 + 1}" if number < 250 else f"127.2.0.{number % 100 + 1}"
            stack.callback(WirePeer(source, (ADDRESS, daemon.port), 65100).cut)
        for _ in range(20):
            stack.callback(daemon.connect(HOSTILE).cut)
        with daemon.session(OTHER) as newcomer:
            newcomer.sync()
            assert STEADY in newcomer.table
    with daemon.session(HOSTILE) as peer:
        peer.sync()
    assert "range 127.1.0.0/16 is full" not in daemon.logged
    assert "no peer has this address" in daemon.logged
    until(lambda: daemon.descriptors <= before + 2, "the connections are forgotten")


@pytest.mark.rfc("4271", "8.2.2")
def test_thousands_of_strangers_that_never_say_who_they_are(daemon: WireDaemon) -> None:
    before, memory = daemon.descriptors, daemon.memory
    raise_file_limit()
    with ExitStack() as stack:
        for number in range(4300):  # more than may be half-open
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            stranger = stack.enter_context(socket.socket())
            stranger.bind((source, 0))
            stranger.settimeout(10)
            stranger.connect((ADDRESS, daemon.port))
        with daemon.session(HOSTILE) as peer, daemon.session(OTHER) as newcomer:
            peer.sync()
            newcomer.sync()
            assert STEADY in newcomer.table
        assert daemon.descriptors < before + 4200  # the oldest gave way
        assert daemon.memory < memory + 150 * MB
    until(lambda: daemon.descriptors <= before + 2, "the connections are forgotten")


@pytest.mark.rfc("4486", "4")
def test_range_that_is_full_says_so_to_the_next(daemon: WireDaemon) -> None:
    with ExitStack() as stack:
        for number in range(3):
            peer = WirePeer(f"127.3.0.{number + 1}", (ADDRESS, daemon.port), 65100 + number, f"10.3.0.{number + 1}")
            stack.enter_context(peer).establish()
        with WirePeer("127.3.0.9", (ADDRESS, daemon.port), 65109) as next_one:
            assert next_one.ending() == (6, 5, b"")
    assert "range 127.3.0.0/16 is full: 3 sessions, the limit is 3" in daemon.logged


def test_flood_of_connections_that_end_at_once(daemon: WireDaemon) -> None:
    for _ in range(200):
        daemon.connect(HOSTILE).cut()
    with daemon.session(HOSTILE) as peer:
        peer.sync()


def flap(count: int, round_: int) -> bytes:
    """Return UPDATEs that announce so many prefixes, each with attributes of its own, of more than 300 octets each."""
    more = (attribute(MED, u32(round_)), attribute(COMMUNITIES, u32(*range(60))))
    return b"".join(
        update(path_attributes([OTHER.asn, 70000 + number], "192.0.2.1", 0, *more), nlri)
        for number, nlri in enumerate(many(count))
    )


def many(count: int) -> list[bytes]:
    """Return so many prefixes of 24 bits."""
    return [b"\x18\x14" + number.to_bytes(2) for number in range(count)]


COUNT = 3000
ROUNDS = 4
FIRST = "20.0.0.0/24"
LAST = f"20.{(COUNT - 1) >> 8}.{(COUNT - 1) & 255}.0/24"


def flap_until_told(feeder: WirePeer, observer: WirePeer, round_: int) -> None:
    """Announce everything anew and read it at the observer."""
    feeder.send(flap(COUNT, round_))
    observer.read_until(
        lambda: len(observer.table) == COUNT + 1 and observer.table[LAST].number(MED) == round_, limit=20
    )


def assert_all_are(peer: WirePeer, round_: int) -> None:
    routes = [route for text, route in peer.table.items() if text != STEADY]
    assert len(routes) == COUNT
    assert {route.number(MED) for route in routes} == {round_}


@pytest.mark.rfc("9687", "4.3")
def test_peer_that_never_reads_holds_up_nobody_and_costs_little_memory(daemon: WireDaemon) -> None:
    with (
        daemon.connect(SLOW, receive_buffer=4096, families=(IPV4,)) as deaf,
        daemon.session(OBSERVER, families=(IPV4,)) as observer,
        daemon.session(OTHER, families=(IPV4,)) as feeder,
    ):
        deaf.send(deaf.opening, message(KEEPALIVE))
        round_ = 0
        while not daemon.peer(SLOW).is_congested:
            round_ += 1
            flap_until_told(feeder, observer, round_)
        for more in range(ROUNDS):
            flap_until_told(feeder, observer, round_ + 1 + more)
        detail = daemon.peer(SLOW)
        # These rounds are nearly 4 MB: what is owed is kept as prefixes, not as octets
        assert detail.is_congested
        assert detail.unsent < 2 * MB
        assert [family.owed for family in detail.families] == [COUNT]
        assert_all_are(observer, round_ + ROUNDS)


def test_slow_reader_misses_what_is_outdated_but_ends_with_the_same_routes(daemon: WireDaemon) -> None:
    with (
        daemon.connect(SLOW, receive_buffer=4096, families=(IPV4,)) as slow,
        daemon.session(OBSERVER, families=(IPV4,)) as observer,
        daemon.session(OTHER, families=(IPV4,)) as feeder,
    ):
        slow.send(slow.opening, message(KEEPALIVE))
        slow.expect(OPEN)
        slow.expect(KEEPALIVE)
        round_ = 0
        while not daemon.peer(SLOW).is_congested:
            round_ += 1
            flap_until_told(feeder, observer, round_)
        for _ in range(ROUNDS):
            round_ += 1
            flap_until_told(feeder, observer, round_)
            for _ in range(100):
                slow.take(slow.receive())
        gone = b"".join(many(COUNT)[COUNT // 2 : COUNT // 2 + 100])
        feeder.send(update(withdrawn=gone))
        observer.read_until(lambda: len(observer.table) == COUNT - 100 + 1)
        slow.read_until(
            lambda: (
                slow.table.keys() == observer.table.keys()
                and slow.table[FIRST].number(MED) == slow.table[LAST].number(MED) == round_
                and all(route.number(MED) == round_ for text, route in slow.table.items() if text != STEADY)
            ),
            limit=30,
        )
        announced = sum(event.what == "announce" for event in slow.events)
        assert announced < round_ * COUNT  # it was not told each round


def test_small_updates_as_fast_as_they_can_be_sent(daemon: WireDaemon, watcher: Watcher) -> None:
    mark = attribute(COMMUNITIES, u32(7))
    octets = b"".join(
        update(
            path_attributes([HOSTILE.asn, 70000], "192.0.2.1", 0, attribute(MED, u32(number)), mark),
            prefix(f"{20 + number % 100}.0.0.0/16"),
        )
        for number in range(100_000)
    )
    assert len(octets) == 100_000 * 64
    with daemon.session(HOSTILE) as peer:
        heard, before = watcher.heard, daemon.memory
        peer.send(octets)
        peer.sync()
        watcher.check()
        assert watcher.heard > heard
        assert daemon.memory - before < 200 * MB
        assert daemon.status().routes["ipv4-unicast"] == 101


def test_keepalives_as_fast_as_they_can_be_sent(daemon: WireDaemon) -> None:
    with daemon.session(HOSTILE) as peer:
        peer.send(message(KEEPALIVE) * 200_000)
        peer.sync()


def test_prefixes_by_the_thousand_in_one_message_of_a_shut_connection(daemon: WireDaemon) -> None:
    octets = update(path_attributes([HOSTILE.asn]), b"".join(many(900)))
    with daemon.session(OBSERVER) as observer, daemon.session(HOSTILE) as peer:
        peer.send(octets)
        peer.cut()
        observer.sync()
        observer.read_until(lambda: len(observer.table) == 1 and STEADY in observer.table)


def test_marker_that_never_ends(daemon: WireDaemon) -> None:
    with daemon.session(HOSTILE) as peer:
        peer.send(MARKER * 4)
        found = peer.ending()
        assert found is not None
        assert found[0] == 1
