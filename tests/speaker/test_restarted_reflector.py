"""A reflector that writes no kernel routes and restarts: how it knows, and that nobody loses a route (RFC 4724)."""

import pytest

from bgpd.speaker.former_run import FormerRun
from tests.support.cluster import Cluster, address, cluster, network, peer

ROUTE = "10.65.1.0/26"
NODE = 'cluster_id = "10.0.0.2"'
PEERS = peer(1, reflector_client="true") + peer(3, reflector_client="true")
RANGE = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\nreflector_client = true\n'


def star(made: Cluster, text: str) -> None:
    made.start(1, peer(2) + network(ROUTE))
    made.start(2, text, node=NODE)
    made.start(3, peer(2))
    made.established(1, 3)
    made.until(3, ROUTE)


def restart(made: Cluster, text: str, former: FormerRun | None) -> None:
    made.loop.run_until_complete(made.speakers[2].stop())
    made.network.block(address(1), address(2))
    made.start(2, text, node=NODE, former=former)


@pytest.mark.rfc("4724", "4.1")
@pytest.mark.parametrize(
    ("text", "former"),
    [(PEERS, FormerRun(2.0)), (RANGE, FormerRun(2.0, frozenset({address(1), address(3)})))],
    ids=["configured peers", "peers from a range"],
)
def test_what_a_slow_client_announced_stays_with_the_others_until_it_is_back(text: str, former: FormerRun) -> None:
    with cluster() as made:
        star(made, text)
        restart(made, text, former)
        made.run(4)
        assert made.peer(3, 2).negotiated is not None
        restarting = made.peer(3, 2).negotiated.peer_graceful_restart  # type: ignore[union-attr]
        assert restarting is not None
        assert restarting.is_restarting
        assert restarting.preserved
        assert made.speakers[2].is_recovering
        assert made.best(3, ROUTE) is not None
        made.network.unblock(address(1), address(2))
        made.loop.run_until(lambda: not made.speakers[2].is_recovering, 40, "recovery to end")
        made.run(1)
        assert made.best(3, ROUTE) is not None
        assert not made.peer(3, 2).kept_routes.helper.stale


@pytest.mark.rfc("4724", "4.1")
def test_it_waits_no_longer_than_peers_keep_its_routes() -> None:
    with cluster() as made:
        star(made, RANGE)
        restart(made, RANGE, FormerRun(20.0, frozenset({address(1), address(3)})))
        made.run(99)
        assert made.best(3, ROUTE) is not None
        made.run(3)
        assert not made.speakers[2].is_recovering
        assert made.best(3, ROUTE) is None


@pytest.mark.rfc("4724", "3")
@pytest.mark.parametrize("former", [None, FormerRun(121.0)], ids=["first start", "long ago"])
def test_a_start_that_is_no_restart_says_so_and_waits_for_nobody(former: FormerRun | None) -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, PEERS, node=NODE, former=former)
        made.established(1)
        assert not made.speakers[2].is_recovering
        restart = made.peer(1, 2).negotiated.peer_graceful_restart  # type: ignore[union-attr]
        assert restart is not None
        assert not restart.is_restarting
        assert restart.preserved


@pytest.mark.parametrize("is_drained", [False, True])
def test_it_does_not_wait_for_a_peer_that_an_operator_takes_out(is_drained: bool) -> None:
    with cluster() as made:
        star(made, PEERS)
        restart(made, PEERS, FormerRun(2.0))
        made.run(3)
        assert made.speakers[2].is_recovering
        silent = made.peer(2, 1)
        if is_drained:
            silent.drain.begin(0, "it is broken")
        else:
            silent.disable("it is broken")
        made.run(1)
        assert not made.speakers[2].is_recovering
