"""Two connections with one peer, in every order: who dialled first, whose OPEN came first, whose identifier is greater.

RFC 4271 6.8: of two connections the one stays that the speaker with the greater identifier dialled.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import NamedTuple

import pytest

from tests.support.daemon import free_port
from tests.support.wire_daemon import ADDRESS, WireDaemon
from tests.support.wire_peer import KEEPALIVE, OPEN, Closed, WirePeer, message

LOWER, GREATER = "10.0.0.5", "10.255.9.9"  # than the daemon's 10.255.0.1
PEERS = ()
HOSTS = range(20, 80)
PORT = free_port()
TABLES = "".join(
    f'[[peer]]\naddress = "127.0.0.{host}"\nport = {PORT}\nasn = 65005\nlocal_address = "{ADDRESS}"\n'
    "connect_retry_time = 0.5\nidle_hold = { first = 0.1, max = 0.2 }\ngraceful_restart = { enabled = false }\n"
    for host in HOSTS
)
hosts = count(HOSTS.start)


class Both(NamedTuple):
    """Both connections. theirs: the daemon dialled it; ours: we did."""

    theirs: WirePeer
    ours: WirePeer


@pytest.fixture
def address() -> str:
    """A peer's address that no other test used."""
    return f"127.0.0.{next(hosts)}"


@pytest.fixture
def listening(address: str) -> Iterator[socket.socket]:
    with socket.create_server((address, PORT)) as made:
        made.settimeout(10)
        yield made


def accept(listening: socket.socket, identifier: str) -> WirePeer:
    return WirePeer.on(listening.accept()[0], 65005, identifier)


def dial(daemon: WireDaemon, address: str, identifier: str) -> WirePeer:
    return WirePeer(address, (ADDRESS, daemon.port), 65005, identifier)


def settle(winner: WirePeer, loser: WirePeer) -> None:
    """See one connection come up and the other one told why it goes."""
    come_up(winner)
    read_to_the_end(loser)
    assert loser.notification in ((6, 7, b""), None)
    winner.sync()


def come_up(winner: WirePeer) -> None:
    winner.send(message(KEEPALIVE))
    winner.read_until(lambda: bool(winner.events))


def read_to_the_end(loser: WirePeer) -> None:
    loser.socket.settimeout(5)
    with suppress(Closed):
        while True:
            loser.receive()


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.rfc("6286", "2.3")
@pytest.mark.parametrize("identifier", [LOWER, GREATER])
@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_opens_on_both(daemon: WireDaemon, listening: socket.socket, address: str, identifier: str, first: str) -> None:
    theirs = accept(listening, identifier)
    ours = dial(daemon, address, identifier)
    with theirs, ours:
        theirs.expect(OPEN)
        order = (theirs, ours) if first == "theirs" else (ours, theirs)
        for peer in order:
            with suppress(OSError):
                peer.send(peer.opening)
        winner, loser = (theirs, ours) if identifier == LOWER else (ours, theirs)
        # before the KEEPALIVE: a session that is up ends a connection whose OPEN was not read yet without a word
        read_to_the_end(loser)
        assert loser.notification == (6, 7, b"")
        come_up(winner)
        winner.sync()


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize("identifier", [LOWER, GREATER])
def test_second_connection_while_the_first_is_in_open_confirm(
    daemon: WireDaemon, listening: socket.socket, address: str, identifier: str
) -> None:
    with accept(listening, identifier) as theirs:
        theirs.expect(OPEN)
        theirs.send(theirs.opening)
        theirs.expect(KEEPALIVE)
        with dial(daemon, address, identifier) as ours:
            ours.send(ours.opening)
            winner, loser = (theirs, ours) if identifier == LOWER else (ours, theirs)
            settle(winner, loser)


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize("identifier", [LOWER, GREATER])
def test_session_stays_whoever_dials_again(
    daemon: WireDaemon, listening: socket.socket, address: str, identifier: str
) -> None:
    with accept(listening, identifier) as theirs:
        theirs.establish()
        with dial(daemon, address, identifier) as ours:
            ours.send(ours.opening)
            assert ours.ending() == (6, 7, b"")
        theirs.sync()


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize("identifier", [LOWER, GREATER])
def test_first_connection_without_an_open_does_not_keep_the_second_from_coming_up(
    daemon: WireDaemon, listening: socket.socket, address: str, identifier: str
) -> None:
    with accept(listening, identifier) as theirs:
        theirs.expect(OPEN)
        with dial(daemon, address, identifier) as ours:
            ours.establish()
            ours.sync()


@pytest.mark.rfc("4271", "6.8")
def test_connection_that_we_dialled_ends_before_the_collision_is_decided(
    daemon: WireDaemon, listening: socket.socket, address: str
) -> None:
    theirs = accept(listening, LOWER)
    with dial(daemon, address, LOWER) as ours:
        theirs.expect(OPEN)
        ours.send(ours.opening)
        theirs.cut()
        ours.expect(OPEN)
        ours.expect(KEEPALIVE)
        ours.send(message(KEEPALIVE))
        ours.sync()
