"""Who is let in, in memory."""

import asyncio

import pytest

from bgpd.addresses import parse_address
from bgpd.session.listener import Listener, ListenError
from bgpd.session.peer import PeerSession
from tests.support.memory_network import MemoryNetwork
from tests.support.speakers import ANY_V4, Speaker, settings
from tests.support.virtual_loop import VirtualLoop


class _Silent(asyncio.Protocol):
    """Opens a connection and says nothing. is_lost: the other side closed it."""

    def __init__(self) -> None:
        self.is_lost = False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True


@pytest.fixture
def network(loop: VirtualLoop) -> MemoryNetwork:
    """A network without hosts."""
    return MemoryNetwork(loop)


def test_peers_of_a_range_get_a_session_when_they_dial(loop: VirtualLoop, network: MemoryNetwork) -> None:
    reflector = Speaker(loop, network.host("10.0.0.1"), 65000, "10.0.0.1")

    def find(address: bytes, interface: str) -> PeerSession | None:
        if address not in reflector.sessions:
            reflector.peer(f"10.0.0.{address[3]}", 65000, is_passive=True).start()
        return reflector.sessions[address]

    reflector.listener = Listener(reflector.network, find, loop)
    loop.run_until_complete(reflector.listener.start([ANY_V4], 179))
    clients = [Speaker(loop, network.host(f"10.0.0.{n}"), 65000, f"10.0.0.{n}", seed=n) for n in range(2, 52)]
    for client in clients:
        client.peer("10.0.0.1", 65000).start()
    loop.run_until(lambda: len(reflector.sessions) == 50, within=1)
    loop.run_until(lambda: all(session.is_established for session in reflector.sessions.values()), within=1)
    assert reflector.listener.accepted == 50
    assert reflector.listener.half_open == 0


def test_a_silent_connection_of_a_peer_gives_way_to_a_newer_one(loop: VirtualLoop, network: MemoryNetwork) -> None:
    speaker = Speaker(loop, network.host("10.0.0.1"), 65001, "10.0.0.1")
    speaker.peer("10.0.0.2", 65002, is_passive=True).start()
    loop.run_until_complete(speaker.listener.start([ANY_V4], 179))
    dialler = network.host("10.0.0.2")
    silent = [_Silent() for _ in range(5)]
    for each in silent:
        loop.run_until_complete(dialler.dial(settings("10.0.0.1"), each))
    loop.run_for(5)
    # The first holds the peering's own machine, the last the second one; those between were closed
    assert [each.is_lost for each in silent] == [False, True, True, True, False]


def test_a_silent_connection_is_closed_after_four_minutes(loop: VirtualLoop, network: MemoryNetwork) -> None:
    speaker = Speaker(loop, network.host("10.0.0.1"), 65001, "10.0.0.1")
    session = speaker.peer("10.0.0.2", 65002, is_passive=True)
    session.start()
    loop.run_until_complete(speaker.listener.start([ANY_V4], 179))
    silent = _Silent()
    loop.run_until_complete(network.host("10.0.0.2").dial(settings("10.0.0.1"), silent))
    loop.run_for(239)
    assert not silent.is_lost
    loop.run_for(5)
    assert silent.is_lost
    assert session.last_error == "Sent: Hold Timer Expired: no OPEN within 240 seconds"


def test_an_address_that_cannot_be_listened_on_is_named(loop: VirtualLoop, network: MemoryNetwork) -> None:
    host = network.host("10.0.0.1")
    first, second = (Listener(host, lambda *_: None, loop) for _ in range(2))
    loop.run_until_complete(first.start([ANY_V4], 179))
    with pytest.raises(ListenError, match=r"cannot listen on 0\.0\.0\.0 port 179: Address already in use") as caught:
        loop.run_until_complete(second.start([parse_address("10.0.0.1"), ANY_V4], 179))
    assert caught.value.why == "Address already in use"
    assert second.addresses == ()
