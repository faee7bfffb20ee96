"""What a restarted speaker does with the kernel routes of its former run, against a real kernel."""

import asyncio
from random import Random

import pytest

from bgpd.addresses import parse_prefix
from bgpd.config import parse, resolve
from bgpd.session.sockets import TcpNetwork
from bgpd.speaker import Speaker
from tests.support.daemon import free_port
from tests.support.netns import Namespace

pytestmark = pytest.mark.netns

CONFIG = """
[node]
name = "n1"
asn = 64512
addresses = ["10.0.0.1/24"]
listen = ["10.0.0.1"]
port = {port}
[http]
listen = ""
[[peer]]
name = "n2"
address = "10.0.0.2"
asn = "internal"
passive = true
"""


async def test_a_container_that_came_while_no_speaker_ran_is_reached_at_once(host: Namespace) -> None:
    host.ip("route add 10.65.0.1/32 via 10.0.0.2 proto bgp")
    host.ip("route add 10.65.0.2/32 via 10.0.0.2 proto bgp")
    host.ip("route add 10.65.0.1/32 dev cali1 proto static metric 10")
    config = resolve(parse(CONFIG.format(port=free_port()), "bgp.toml"))
    speaker = Speaker(config, asyncio.get_running_loop(), TcpNetwork(), Random(1))
    await speaker.start()
    try:
        kernel = speaker.kernel
        assert kernel is not None
        assert speaker.is_recovering
        family, prefix = parse_prefix("10.65.0.1/32")
        async with asyncio.timeout(5):
            while kernel.route(family, prefix) is not None or kernel.queued():
                await asyncio.sleep(0.005)
        assert host.ip("route show 10.65.0.1").split()[:3] == ["10.65.0.1", "dev", "cali1"]
        assert "via 10.0.0.2" in host.ip("route show 10.65.0.2")  # that waits for what the peers tell
    finally:
        await speaker.stop()
