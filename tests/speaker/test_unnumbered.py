"""Unnumbered peers without a link: what is held down and why, and which address counts."""

import pytest

from bgpd.addresses import parse_address
from bgpd.fsm.states import State
from bgpd.session.router_discovery import LinkState
from tests.support.cluster import Cluster, address, cluster, peer

ONE, TWO = parse_address("fe80::1"), parse_address("fe80::2")
PEER = '[[peer]]\ninterface = "eth0"\nasn = "external"\n'


def tell(made: Cluster, *routers: bytes, why: str = "") -> None:
    made.network.hosts[bytes((10, 0, 0, 1))].discovery.changed("eth0", LinkState(routers, why))
    made.run(0.1)


def test_peer_waits_for_an_advertisement_and_is_dialled_then() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        assert one.settings.held_down == "no router has advertised itself on eth0 yet"
        assert one.session.state is State.IDLE
        tell(made, ONE)
        assert (one.settings.address, one.settings.held_down) == (ONE, "")
        assert one.session.state is State.CONNECT
        assert [family.name for family in one.settings.families] == ["ipv4-unicast", "ipv6-unicast"]


def test_a_router_that_is_no_longer_heard_stays_the_peer_until_there_is_another() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        tell(made, ONE)
        tell(made)
        assert one.settings.address == ONE
        tell(made, TWO)
        assert one.settings.address == TWO


def test_two_routers_are_one_too_many() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        tell(made, ONE, TWO)
        assert one.settings.held_down == (
            "2 routers on eth0: fe80::1, fe80::2; an unnumbered peer needs a link with one router"
        )
        tell(made, TWO)
        assert (one.settings.address, one.settings.held_down) == (TWO, "")


def test_an_interface_that_is_gone_holds_the_session_down() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        tell(made, ONE)
        tell(made, why="there is no interface eth0")
        assert (one.settings.address, one.settings.held_down) == (b"", "there is no interface eth0")
        assert not one.session.is_started


def test_a_peer_that_an_operator_disabled_is_not_brought_up_by_an_advertisement() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        one.is_disabled = True
        tell(made, ONE)
        assert one.settings.address == ONE
        assert not one.session.is_started


def test_reload_keeps_the_address_and_a_removed_peer_is_no_longer_looked_for() -> None:
    with cluster() as made:
        speaker = made.start(1, PEER)
        one = speaker.peers["eth0"]
        tell(made, ONE)
        speaker.reload(made.config(1, PEER + "hold_time = 30\n"))
        assert (one.settings.address, one.settings.hold_time) == (ONE, 30)
        assert one.session.is_started
        speaker.reload(made.config(1, PEER.replace("eth0", "eth1")))
        discovery = made.network.hosts[bytes((10, 0, 0, 1))].discovery
        assert discovery.watched == {"eth1"}
        assert list(speaker.peers) == ["eth1"]
        speaker.reload(made.config(1, peer(2)))
        assert discovery.watched == set()


@pytest.mark.parametrize("is_drained", [False, True])
def test_a_peer_that_an_operator_took_out_stays_out_on_another_interface(is_drained: bool) -> None:
    with cluster() as made:
        named = PEER + 'name = "uplink"\n'
        speaker = made.start(1, named)
        one = speaker.peers["uplink"]
        if is_drained:
            one.drain.begin(0, "for now")
        else:
            one.disable("for now")
        speaker.reload(made.config(1, named.replace("eth0", "eth1")))
        made.network.hosts[bytes((10, 0, 0, 1))].discovery.changed("eth1", LinkState((ONE,)))
        made.run(1)
        two = speaker.peers["uplink"]
        assert two.settings.address == ONE
        assert not two.session.is_started
        if is_drained:
            two.drain.end()
        else:
            two.enable()
        assert two.session.is_started


def test_a_peer_of_a_range_that_an_operator_took_out_stays_out_with_a_table_of_its_own() -> None:
    with cluster() as made:
        ranged = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\n'
        speaker = made.start(1, ranged)
        made.start(2, peer(1))
        made.established(2)
        speaker.peers[address(2)].disable("for now")
        speaker.reload(made.config(1, ranged + peer(2)))
        made.run(60)
        assert not speaker.peers[address(2)].range_name
        assert made.peer(2, 1).negotiated is None


def test_a_session_that_rests_is_not_dialled_without_an_address_when_its_time_is_over() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        tell(made, ONE)
        one.session.rest(10, "too many prefixes")
        tell(made, why="there is no interface eth0")
        made.run(20)
        assert one.session.state is State.IDLE
        assert not one.session.is_started


def test_a_router_that_takes_another_address_does_not_end_the_rest_of_its_session() -> None:
    with cluster() as made:
        one = made.start(1, PEER).peers["eth0"]
        tell(made, ONE)
        one.session.rest(10, "too many prefixes")
        tell(made, TWO)
        assert one.session.resting
        made.run(20)
        assert one.session.state is State.CONNECT
        assert one.session.settings.address == TWO


def test_peers_that_change_interfaces_are_both_looked_for_anew() -> None:
    with cluster() as made:
        eth0, eth1 = PEER, PEER.replace("eth0", "eth1")
        speaker = made.start(1, eth0 + 'name = "a"\n' + eth1 + 'name = "b"\n')
        discovery = made.network.hosts[bytes((10, 0, 0, 1))].discovery
        discovery.changed("eth0", LinkState((ONE,)))
        discovery.changed("eth1", LinkState((TWO,)))
        assert discovery.begun == ["eth0", "eth1"]
        speaker.reload(made.config(1, eth1 + 'name = "a"\n' + eth0 + 'name = "b"\n'))
        assert sorted(discovery.begun[2:]) == ["eth0", "eth1"]
        discovery.changed("eth0", LinkState((ONE,)))
        discovery.changed("eth1", LinkState((TWO,)))
        made.run(1)
        assert {name: one.address for name, one in speaker.peers.items()} == {"a": TWO, "b": ONE}
