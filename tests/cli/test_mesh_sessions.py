"""What an election asks about a speaker's sessions, with whole speakers in memory."""

from collections.abc import Iterator

import pytest

from bgpd.cli.mesh_sessions import MeshSessions
from bgpd.reflector.election import MeshNode, MeshView, Rules
from bgpd.reflector.roles import NO_ROLES
from tests.support.cluster import Cluster, cluster, network, peer

NODES = {f"n{number}": MeshNode("", (bytes((10, 0, 0, number)),)) for number in range(1, 6)}
HERE = "10.65.2.0/26"


@pytest.fixture
def made() -> Iterator[Cluster]:
    """Node 1 has sessions with 2 and 3; 3 reflects, and 2 and 4 announce something through it."""
    with cluster() as site:
        site.start(1, peer(2) + peer(3) + network("10.65.1.0/26"))
        site.start(2, peer(1) + peer(3) + network(HERE))
        clients = "".join(peer(number, reflector_client="true") for number in (1, 2, 4))
        site.start(3, clients, node='cluster_id = "1.0.0.1"')
        site.start(4, peer(3) + network("10.65.4.0/26"))
        site.established()
        site.until(1, HERE)
        site.until(1, "10.65.4.0/26")
        site.run(1)
        yield site


def sessions(site: Cluster, number: int) -> MeshSessions:
    mesh = MeshView(f"n{number}", Rules(4, 2), NODES, NO_ROLES)
    return MeshSessions(site.speakers[number], lambda: mesh)


def test_sessions_are_up_when_the_other_end_has_told_all(made: Cluster) -> None:
    one = sessions(made, 1)
    assert one.are_up({"n2", "n3"})
    assert one.are_up(())
    assert not one.are_up({"n2", "n5"})  # there is no session with that node
    made.speakers[2].peers["10.0.0.1"].disable("test")
    made.run(1)
    assert not one.are_up({"n2"})
    assert one.are_up({"n3"})
    assert one.reaches_any({"n2", "n3"})
    assert not one.reaches_any({"n2", "n5"})


def test_sessions_that_were_not_asked_for_are_not_there(made: Cluster) -> None:
    one = sessions(made, 1)
    assert one.has_any({"n2", "n5"})
    assert not one.has_any({"n4", "n5", "unknown"})


def test_a_route_that_is_reflected_too_does_not_rest_on_the_session_with_its_node(made: Cluster) -> None:
    one = sessions(made, 1)
    assert not one.rests_on({"n2"})
    assert one.rests_on({"n3"})  # what 4 announces comes from there alone
    assert one.rests_on({"n2", "n3"})
    made.speakers[3].reload(made.config(3, peer(1) + peer(2) + peer(4)))
    made.run(1)
    assert one.rests_on({"n2"})


def test_a_route_rests_on_reflection_if_its_node_has_no_session_with_us(made: Cluster) -> None:
    assert sessions(made, 1).rests_on_reflection({"n3"})
    assert not sessions(made, 1).rests_on_reflection({"n2"})
    made.speakers[4].reload(made.config(4, peer(3)))
    made.run(1)
    assert not sessions(made, 1).rests_on_reflection({"n3"})


def test_without_a_view_nothing_is_known(made: Cluster) -> None:
    blind = MeshSessions(made.speakers[1], lambda: None)
    assert not blind.has_any({"n2"})
