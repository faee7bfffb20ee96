"""Sessions between two hosts: what the loopback cannot show."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from bgpd.addresses import parse_address
from bgpd.messages.framing import MessageType, frame
from bgpd.session.listener import Listener
from bgpd.session.peer import PeerSession
from bgpd.session.sockets import TcpNetwork
from tests.support.netns import Namespace, join, namespaces
from tests.support.speakers import Speaker

EMPTY_UPDATE = frame(MessageType.UPDATE, bytes(4))
LINK_LOCAL = ("fe80::a", "fe80::b")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def _speak(own: int, changes: dict[str, object]) -> tuple[str, int]:
    """Be one of the two hosts until an UPDATE came; return the interface the connection came in on, if it did."""
    loop = asyncio.get_running_loop()
    speaker = Speaker(loop, TcpNetwork(), 65001 + own, f"10.0.0.{own + 1}", seed=own)
    session = speaker.peer(LINK_LOCAL[1 - own], 65002 - own, interface="eth0", **changes)
    interfaces: list[str] = []

    def find(address: bytes, interface: str) -> PeerSession | None:
        interfaces.append(interface)
        return speaker.sessions.get(address)

    speaker.listener = Listener(speaker.network, find, loop)
    password = changes.get("password")
    if isinstance(password, str):
        speaker.listener.set_password(session.settings.address, 128, password)
    await speaker.listener.start([bytes(16)], 179)
    session.start()
    await _until(lambda: session.is_established)
    assert session.local_address == parse_address(LINK_LOCAL[own])
    session.write(EMPTY_UPDATE)
    await _until(lambda: bool(speaker.user(LINK_LOCAL[1 - own]).updates))
    # Both must have heard the other before one hangs up
    await _until(lambda: session.unsent == 0)
    await speaker.stop()
    return interfaces[0] if interfaces else "", len(interfaces)


def _host(namespace: Namespace, own: int, changes: dict[str, object]) -> tuple[str, int]:
    with namespace.entered(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_speak(own, changes))


@pytest.mark.netns
@pytest.mark.rfc("5082", "3")
@pytest.mark.parametrize("changes", [{}, {"ttl_security": 1}, {"password": "secret"}], ids=["plain", "gtsm", "md5"])
def test_link_local_addresses_meet_on_their_link(changes: dict[str, object]) -> None:
    with namespaces("a", "b") as (a, b), ThreadPoolExecutor(2) as pool:
        join(a, "eth0", b, "eth0")
        for namespace, address in zip((a, b), LINK_LOCAL, strict=True):
            namespace.ip(f"address add {address}/64 dev eth0 nodad")
        passive = {**changes, "is_passive": True, "idle_hold_first": 0.1}
        left = pool.submit(_host, a, 0, {**changes, "idle_hold_first": 0.1})
        right = pool.submit(_host, b, 1, passive)
        assert left.result(20) == ("", 0)
        assert right.result(20)[0] == "eth0"
