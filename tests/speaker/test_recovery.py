"""After a restart nothing is announced before the peers have told all they have (RFC 4724 4.1)."""

import asyncio
from random import Random

import pytest

from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.codec import encode
from bgpd.messages.open import Open
from bgpd.speaker import Speaker
from tests.support.cluster import Cluster, address, cluster, network, peer


def _restart(made: Cluster, text: str) -> None:
    """Start the first speaker as one that found routes of an earlier run in its kernel."""
    host = made.network.host(address(1))
    speaker = made.speakers[1] = Speaker(made.config(1, text), made.loop, host, Random(1))
    speaker.recovery.is_under_way = True
    made.loop.run_until_complete(speaker.start())


@pytest.mark.rfc("4724", "4.1")
def test_a_restarted_speaker_waits_for_its_peers() -> None:
    with cluster() as made:
        for number in (2, 3):
            made.start(number, peer(1) + network(f"10.65.{number}.0/26"))
        made.network.block(address(1), address(3))
        _restart(made, peer(2) + peer(3, connect_retry_time="60") + network("10.65.1.0/26"))
        made.until(1, "10.65.2.0/26")
        made.run(5)
        negotiated = made.peer(2, 1).negotiated
        assert negotiated is not None
        assert negotiated.peer_graceful_restart is not None
        assert negotiated.peer_graceful_restart.is_restarting
        assert made.best(2, "10.65.1.0/26") is None
        assert IPV4_UNICAST not in made.peer(2, 1).got_end_of_rib
        made.network.unblock(address(1), address(3))
        made.until(1, "10.65.3.0/26", within=30)
        for number in (2, 3):
            made.until(number, "10.65.1.0/26", within=1)
            made.run(0.1)
            assert IPV4_UNICAST in made.peer(number, 1).got_end_of_rib


class _NotReady(asyncio.Protocol):
    """What a daemon does that keeps its port open but lets the peer that it just lost wait: it hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _OutOfTurn(asyncio.Protocol):
    """What OpenBGPD was seen to do at first when its dial and its peer's crossed: it sends its OPEN twice."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        octets = encode(Open(4, Asn(64512), 90, BgpIdentifier(0x0A000003)))
        transport.write(octets + octets)


@pytest.mark.rfc("4724", "4.1")
@pytest.mark.parametrize("answer", [_NotReady, _OutOfTurn], ids=["hangs up", "speaks out of turn"])
def test_a_restarted_speaker_waits_for_a_peer_that_answers_and_hangs_up(answer: type[asyncio.Protocol]) -> None:
    with cluster() as made:
        made.start(2, peer(1) + network("10.65.2.0/26"))
        third = made.network.host(address(3))
        listening = made.loop.run_until_complete(third.listen(bytes(4), 179, answer))
        _restart(made, peer(2) + peer(3) + network("10.65.1.0/26"))
        made.until(1, "10.65.2.0/26")
        made.run(25)
        assert made.speakers[1].is_recovering
        made.loop.run_until_complete(listening.close())
        made.start(3, peer(1) + network("10.65.3.0/26"))
        made.until(1, "10.65.3.0/26", within=30)
        made.until(2, "10.65.1.0/26", within=2)


@pytest.mark.rfc("4724", "4.1")
def test_a_restarted_speaker_does_not_wait_long_for_a_peer_that_always_hangs_up() -> None:
    with cluster() as made:
        made.start(2, peer(1))
        third = made.network.host(address(3))
        made.loop.run_until_complete(third.listen(bytes(4), 179, _NotReady))
        _restart(made, peer(2) + peer(3) + network("10.65.1.0/26"))
        made.run(39)
        assert made.best(2, "10.65.1.0/26") is None
        made.until(2, "10.65.1.0/26", within=5)


@pytest.mark.rfc("4724", "4.1")
def test_a_restarted_speaker_waits_no_longer_than_the_restart_time() -> None:
    restart = "{ restart_time = 20 }"
    with cluster() as made:
        made.start(2, peer(1))
        _restart(made, peer(2) + peer(3, passive="true", graceful_restart=restart) + network("10.65.1.0/26"))
        # the longest restart time of a peer counts: that of the second is the default, 120 seconds
        made.run(100)
        assert made.best(2, "10.65.1.0/26") is None
        made.until(2, "10.65.1.0/26", within=25)
