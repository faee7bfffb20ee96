"""Who is let in, in memory."""

import asyncio

import pytest

from bgpd.addresses import parse_address
from bgpd.session.listener import HALF_OPEN_LIMIT_PER_ADDRESS, Listener, ListenError
from bgpd.session.peer import PeerSession
from tests.support.memory_network import MemoryNetwork, MemoryTransport
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


class _Linked(MemoryTransport):
    """The far end of a connection from fe80::1 on a link. scope: the link's index."""

    def __init__(self, network: MemoryNetwork, protocol: asyncio.Protocol, scope: int) -> None:
        here, there = (parse_address("fe80::2"), 179), (parse_address("fe80::1"), 40000)
        super().__init__(network, protocol, here, there)
        self.peer = MemoryTransport(network, _Silent(), there, here)
        self.peer.peer = self
        self.scope = scope

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("fe80::1", 40000, 0, self.scope) if name == "peername" else super().get_extra_info(name, default)


@pytest.mark.parametrize(("is_one_link", "refused"), [(False, 0), (True, 1)])
def test_one_address_on_many_links_is_many_peers(
    loop: VirtualLoop, network: MemoryNetwork, is_one_link: bool, refused: int
) -> None:
    speaker = Speaker(loop, network.host("fe80::2"), 65001, "10.0.0.1")
    sessions = [speaker.peer("fe80::1", 65002, is_passive=True) for _ in range(HALF_OPEN_LIMIT_PER_ADDRESS + 1)]
    waiting = iter(sessions)
    listener = Listener(speaker.network, lambda *_: next(waiting), loop)
    loop.run_until_complete(listener.start([bytes(16)], 179))
    make_connection = speaker.network.listening[bytes(16), 179].make_connection
    for scope, session in enumerate(sessions, start=1):
        session.start()
        _Linked(network, make_connection(), 1 if is_one_link else scope).begin()
    assert (listener.over_limit, listener.half_open) == (refused, len(sessions) - refused)
    loop.run_until_complete(listener.close())
