"""The routes of a lost peer: how long they are kept, and what confirms them (RFC 4724 4.2)."""

import pytest

from tests.support.cluster import address, cluster, mesh, network, peer


@pytest.mark.rfc("4724", "4.2")
def test_a_lost_peers_routes_stay_until_its_restart_time_is_over() -> None:
    with cluster() as made:
        mesh(made, 2)
        made.established()
        made.until(2, "10.65.1.0/26")
        made.network.cut(address(1), address(2))
        made.network.block(address(1), address(2))
        made.run(100)
        assert made.peer(2, 1).negotiated is None
        assert made.best(2, "10.65.1.0/26") is not None
        made.until(2, "10.65.1.0/26", present=False, within=30)


@pytest.mark.rfc("4724", "4.2")
def test_a_peer_that_comes_back_confirms_its_routes_and_loses_the_others() -> None:
    with cluster() as made:
        mesh(made, 2)
        made.established()
        made.until(2, "10.65.1.0/26")
        made.network.cut(address(1), address(2))
        made.speakers[1].reload(made.config(1, peer(2) + network("10.65.7.0/26")))
        made.until(2, "10.65.7.0/26")
        made.until(2, "10.65.1.0/26", present=False, within=1)
