"""What a changed configuration does to the peers."""

import pytest

from tests.support.cluster import address, cluster, mesh, network, peer


def test_a_changed_key_restarts_only_its_own_session() -> None:
    with cluster() as made:
        mesh(made, 3)
        made.established()
        for number in (1, 2):
            text = peer(3) + peer(3 - number, password='"secret"') + network(f"10.65.{number}.0/26")
            made.speakers[number].reload(made.config(number, text))
        made.run(1)
        made.established()
        assert [made.peer(3, n).session.flaps for n in (1, 2)] == [0, 0]
        assert made.peer(1, 2).session.flaps == 1
        made.until(2, "10.65.1.0/26")


def test_a_peer_that_is_no_longer_configured_is_told_so_and_its_routes_go() -> None:
    with cluster() as made:
        mesh(made, 3)
        made.established()
        made.until(1, "10.65.2.0/26")
        made.speakers[1].reload(made.config(1, peer(3) + network("10.65.1.0/26")))
        made.until(1, "10.65.2.0/26", present=False, within=1)
        made.run(0.1)
        assert "Peer Deconfigured" in made.peer(2, 1).session.received_error
        assert address(2) not in made.speakers[1].peers


@pytest.mark.rfc("4486", "4")
def test_a_change_that_needs_a_new_session_is_named() -> None:
    with cluster() as made:
        mesh(made, 2)
        made.established()
        made.speakers[1].reload(made.config(1, peer(2, hold_time="30") + network("10.65.1.0/26")))
        made.run(0.1)
        assert "Cease/Other Configuration Change" in made.peer(2, 1).session.received_error
        made.established()


def test_a_peer_that_is_no_longer_passive_dials() -> None:
    with cluster() as made:
        speaker = made.start(1, peer(2, passive="true"))
        made.run(5)
        speaker.reload(made.config(1, peer(2)))
        made.start(2, peer(1, passive="true"))
        made.established()


def test_a_peer_that_takes_the_address_of_one_from_a_range_takes_its_place() -> None:
    ranged = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\n'
    with cluster() as made:
        speaker = made.start(1, ranged + peer(9, name='"core"'))
        made.start(2, peer(1))
        made.established(2)
        assert set(speaker.peers) == {"core", address(2)}
        speaker.reload(made.config(1, ranged + peer(2, name='"core"')))
        made.run(60)
        assert list(speaker.peers) == ["core"]
        assert speaker.peers["core"].session.is_established
