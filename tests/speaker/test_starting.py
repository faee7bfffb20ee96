"""Peers that come up while the routes of the kernel are learned."""

import asyncio
from random import Random

import pytest

from bgpd.addresses import parse_prefix
from bgpd.config import parse, resolve
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.kernel import LearnedRun, LocalRoute
from bgpd.messages.framing import MessageType
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.sockets import TcpNetwork
from bgpd.speaker import Speaker
from tests.support.cluster import Cluster, cluster, network, peer
from tests.support.daemon import free_port
from tests.support.netns import Namespace

CONTAINER = LocalRoute(7, "cali1", b"", 0, 3, 0)
NETWORK, FIRST, SECOND = "10.65.1.0/26", "10.65.3.7/32", "10.65.3.8/32"


def run(prefix: str) -> list[LearnedRun]:
    """Return what the kernel tells of one prefix that it has."""
    family, key = parse_prefix(prefix)
    return [(family, CONTAINER, [key])]


def has_heard_all(made: Cluster) -> bool:
    """Has the second speaker got the first one's End-of-RIB?"""
    return IPV4_UNICAST in made.peer(2, 1).got_end_of_rib


def starting(made: Cluster) -> Speaker:
    """Return the first of two speakers, which has kernel routes yet to learn."""
    here = made.start(1, peer(2) + network(NETWORK))
    here.starting.is_under_way = True
    made.start(2, peer(1))
    return here


@pytest.mark.rfc("4724", "2")
def test_end_of_rib_follows_the_last_route_of_the_kernel() -> None:
    with cluster() as made:
        here = starting(made)
        made.established()
        for prefix in (FIRST, SECOND):
            here.learned_changed(run(prefix))
            made.until(2, prefix)
            made.run(1)
            assert not has_heard_all(made)
        to_second = made.peer(1, 2)
        before = to_second.session.counts.sent[MessageType.UPDATE]
        here.learned_changed(run("10.65.3.9/32"))
        here.starting.end()
        assert to_second.session.counts.sent[MessageType.UPDATE] - before == 1 + len(to_second.members)
        made.loop.run_until(lambda: has_heard_all(made), 5, "End-of-RIB")
        assert made.best(2, "10.65.3.9/32") is not None


def test_who_comes_in_the_middle_is_told_all_at_the_end() -> None:
    with cluster() as made:
        here = starting(made)
        here.learned_changed(run(FIRST))
        made.established()
        made.run(1)
        assert made.best(2, FIRST) is None
        here.learned_changed(run(SECOND))
        here.starting.end()
        made.loop.run_until(lambda: has_heard_all(made), 5, "End-of-RIB")
        assert all(made.best(2, prefix) is not None for prefix in (NETWORK, FIRST, SECOND))


@pytest.mark.rfc("7313", "4")
def test_a_refresh_is_answered_after_end_of_rib() -> None:
    with cluster() as made:
        here = starting(made)
        made.established()
        made.until(2, NETWORK)
        made.peer(2, 1).session.send(RouteRefresh(1, 1).encode())
        made.run(1)
        answered = made.peer(1, 2).session.counts.sent
        assert answered[MessageType.ROUTE_REFRESH] == 0
        here.starting.end()
        made.loop.run_until(lambda: has_heard_all(made), 5, "End-of-RIB")
        made.run(1)
        assert answered[MessageType.ROUTE_REFRESH] == 2


@pytest.mark.rfc("7313", "4")
def test_a_refresh_of_one_family_begins_after_its_own_end_of_rib() -> None:
    both = {"families": '["ipv4-unicast", "ipv6-unicast"]'}
    with cluster() as made:
        here = made.start(1, peer(2, **both) + network(NETWORK) + network("fd65:1::/64"))
        here.starting.is_under_way = True
        made.start(2, peer(1, **both))
        made.until(2, NETWORK)
        made.until(2, "fd65:1::/64")
        there = made.peer(2, 1)
        there.session.send(RouteRefresh(1, 1).encode() + RouteRefresh(2, 1).encode())
        made.run(1)
        here.starting.end()
        made.run(1)
        assert there.got_end_of_rib == {IPV4_UNICAST, IPV6_UNICAST}
        assert made.peer(1, 2).session.counts.sent[MessageType.ROUTE_REFRESH] == 4
        assert not there.faults.by_kind  # such as a refresh that began too early


CONFIG = """
[node]
name = "n{number}"
asn = 64512
router_id = "192.0.2.{number}"
addresses = ["10.0.0.{number}/24"]
listen = ["127.0.0.{number}"]
port = {port}
[session]
connect_retry_time = 1
[kernel]
enabled = {has_kernel}
[http]
listen = ""
[[peer]]
name = "n{other}"
address = "127.0.0.{other}"
local_address = "127.0.0.{number}"
port = {port}
asn = "internal"
next_hop = "self"
passive = {is_passive}
"""


def speaker(number: int, port: int) -> Speaker:
    """Return the first, which has the kernel and waits, or the second, which dials."""
    is_first = "true" if number == 1 else "false"
    text = CONFIG.format(number=number, other=3 - number, port=port, has_kernel=is_first, is_passive=is_first)
    return Speaker(resolve(parse(text, "bgp.toml")), asyncio.get_running_loop(), TcpNetwork(), Random(1))


@pytest.mark.netns
async def test_a_large_table_of_the_kernel_is_all_there_before_end_of_rib(host: Namespace) -> None:
    count = 20_000
    host.ip_batch(f"route add 10.{66 + n // 65536}.{n // 256 % 256}.{n % 256} dev cali1" for n in range(count))
    port = free_port()
    one, two = speaker(1, port), speaker(2, port)
    await two.start()
    try:
        await one.start()
        async with asyncio.timeout(20):
            while IPV4_UNICAST not in two.peers["n1"].got_end_of_rib:
                await asyncio.sleep(0)
        assert len(two.loc_ribs[IPV4_UNICAST]) == count
    finally:
        await two.stop()
        await one.stop()
