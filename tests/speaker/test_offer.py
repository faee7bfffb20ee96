"""What our OPEN offers."""

from collections.abc import Iterator
from random import Random

import pytest

from bgpd.config import Resolved, parse, resolve
from bgpd.messages.capabilities import (
    AddPath,
    EnhancedRouteRefresh,
    ExtendedMessage,
    FourOctetAs,
    GracefulRestartCapability,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    RouteRefresh,
)
from bgpd.messages.open import Open
from bgpd.speaker import Speaker
from bgpd.speaker.offer import offer
from tests.support.memory_network import MemoryNetwork
from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time."""
    made = VirtualLoop()
    yield made
    made.close()


NODE = '[node]\nname = "n"\nasn = 64512\naddresses = ["10.0.0.1/24", "fd00::1/64"]\nlisten = []\n'
PEER = '[[peer]]\naddress = "10.0.0.2"\nasn = "internal"\npassive = true\nfamilies = ["ipv4-unicast", "ipv6-unicast"]\n'
FAMILIES = [(1, 1), (2, 1)]


def _config(kernel: str = "false", more: str = "") -> Resolved:
    return resolve(parse(f'{NODE}{PEER}{more}[kernel]\nenabled = {kernel}\n[http]\nlisten = ""\n', "bgp.toml"))


def _offer(*, is_restarting: bool = False, is_preserved: bool = False) -> Open:
    config = _config()
    return offer(config.peers[0], config.node, config.node.asn, is_restarting=is_restarting, is_preserved=is_preserved)


def _restart(message: Open) -> GracefulRestartCapability:
    (found,) = [each for each in message.capabilities if isinstance(each, GracefulRestartCapability)]
    return found


@pytest.mark.rfc("2918", "4")
@pytest.mark.rfc("7313", "3.1")
@pytest.mark.rfc("8654", "3")
def test_an_offer_has_the_capabilities_that_cost_nothing() -> None:
    assert {RouteRefresh(), EnhancedRouteRefresh(), ExtendedMessage(), FourOctetAs(_offer().asn)} <= set(
        _offer().capabilities
    )


@pytest.mark.rfc("4760", "8")
@pytest.mark.rfc("5492", "4")
def test_an_offer_names_each_family_once() -> None:
    offers = _offer().capabilities
    assert [(each.afi, each.safi) for each in offers if isinstance(each, MultiProtocol)] == FAMILIES
    assert len(set(offers)) == len(offers)


@pytest.mark.rfc("5492", "4")
def test_an_offer_is_one_parameter() -> None:
    octets = _offer().encode()
    assert (octets[28], octets[29], octets[30]) == (len(octets) - 29, 2, len(octets) - 31)


@pytest.mark.rfc("7911", "4")
def test_an_offer_of_several_paths_is_one_capability() -> None:
    config = _config(more='add_path = "both"\n')
    offers = offer(config.peers[0], config.node, config.node.asn, is_restarting=False, is_preserved=False).capabilities
    (found,) = [each for each in offers if isinstance(each, AddPath)]
    assert found.families == tuple(PathIdFamily(*family, True, True) for family in FAMILIES)


@pytest.mark.rfc("4724", "3")
def test_a_graceful_restart_offer_is_made_once() -> None:
    assert _restart(_offer()).restart_time == 120


@pytest.mark.rfc("4724", "4.1")
@pytest.mark.rfc("8538", "2")
def test_an_offer_of_graceful_restart_says_what_was_kept(loop: VirtualLoop) -> None:
    def found(message: Open) -> tuple[bool, tuple[RestartFamily, ...], bool]:
        restart = _restart(message)
        return restart.is_restarting, restart.families, restart.has_notification

    nothing, everything = (tuple(RestartFamily(*family, kept) for family in FAMILIES) for kept in (False, True))
    assert found(_offer()) == (False, nothing, True)
    assert found(_offer(is_restarting=True, is_preserved=True)) == (True, everything, True)
    speaker = Speaker(_config("true"), loop, MemoryNetwork(loop).host("10.0.0.1"), Random(1))
    peer = speaker.peer_table.add(speaker.config.peers[0])
    assert found(speaker.local_open(peer)) == (False, nothing, True)
    speaker.recovery.is_under_way = True  # it found its routes in the kernel
    assert found(speaker.local_open(peer)) == (True, everything, True)
    speaker.recovery.is_under_way = False
    peer.session.flaps = 1  # a session ended while we went on forwarding
    assert found(speaker.local_open(peer)) == (False, everything, True)
    peer.session.stop(None)
