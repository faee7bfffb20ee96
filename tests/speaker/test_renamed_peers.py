"""Peers whose name or role changes while nothing that was negotiated does: the session, and the traffic, go on."""

import pytest
from structlog.testing import capture_logs

from bgpd.speaker.planning import plan
from tests.support.cluster import Cluster, address, cluster, network, peer

HERE = "10.65.1.0/26"
REFLECTOR = 'cluster_id = "1.0.0.1"'


def named(number: int, name: str, **options: str) -> str:
    return peer(number, name=f'"{name}"', **options)


def told_by(made: Cluster, number: int) -> str:
    """The name under which speaker ``number`` knows who told it the prefix."""
    best = made.best(number, HERE)
    return best.source.name if best is not None else ""


def test_a_renamed_peer_keeps_its_session_and_its_routes() -> None:
    with cluster() as made:
        made.start(1, named(2, "Mesh_2"))
        made.start(2, peer(1) + network(HERE))
        made.until(1, HERE)
        speaker = made.speakers[1]
        former = speaker.peers["Mesh_2"]
        changes = speaker.reload(made.config(1, named(2, "Node_2", passive="true")))
        assert changes.summary() == ["peer Mesh_2: is Node_2 now, session kept, passive changed"]
        made.run(5)
        assert list(speaker.peers) == ["Node_2"]
        assert speaker.peers["Node_2"] is former
        assert (former.session.flaps, former.session.is_established) == (0, True)
        assert told_by(made, 1) == "Node_2"


@pytest.mark.parametrize("key", ["from_peer", "peer"])
@pytest.mark.parametrize(("former", "later", "is_told"), [("a", "b", False), ("b", "a", True), ("a", "a2", True)])
def test_policies_that_ask_for_names_judge_a_renamed_peer_again(
    key: str, former: str, later: str, is_told: bool
) -> None:
    rules = f'[[policy]]\nname = "p"\ndefault = "reject"\nrules = [{{ {key} = ["a*"], action = "accept" }}]\n'
    sender, receiver = (2, 3) if key == "from_peer" else (3, 2)  # speaker 2 is renamed

    def config(name: str) -> str:
        options = {"reflector_client": "true"} | ({"export": '["p"]'} if key == "peer" else {})
        others = {"reflector_client": "true"} | ({} if key == "peer" else {"export": '["p"]'})
        return named(2, name, **options) + named(3, "third", **others) + rules

    with cluster() as made:
        made.start(1, config(former), node=REFLECTOR)
        made.start(sender, peer(1) + network(HERE))
        made.start(receiver, peer(1))
        made.established()
        made.run(5)
        made.speakers[1].reload(made.config(1, config(later), node=REFLECTOR))
        made.until(receiver, HERE, present=is_told)
        made.speakers[sender].reload(made.config(sender, peer(1)))
        made.until(receiver, HERE, present=False)


def test_peers_may_take_each_others_former_names() -> None:
    with cluster() as made:
        made.start(1, named(2, "a") + named(3, "b"))
        made.start(2, peer(1) + network(HERE))
        made.start(3, peer(1))
        made.established()
        speaker = made.speakers[1]
        before = dict(speaker.peers)
        speaker.reload(made.config(1, named(2, "c") + named(3, "d")))
        assert speaker.peers == {"c": before["a"], "d": before["b"]}
        speaker.reload(made.config(1, named(3, "c") + named(2, "d")))  # the addresses have moved
        made.run(20)
        assert {name: one.address[-1] for name, one in speaker.peers.items()} == {"c": 3, "d": 2}
        assert all(one.session.is_established for one in speaker.peers.values())


def test_a_plan_says_that_a_renamed_peer_keeps_its_routes() -> None:
    with cluster() as made:
        made.start(1, named(2, "Mesh_2"))
        made.start(2, peer(1) + network(HERE))
        made.until(1, HERE)
        config = made.config(1, named(2, "Node_2"))
        lines = made.loop.run_until_complete(plan(made.speakers[1], config))
        assert lines == ["peer Mesh_2: is Node_2 now, session kept"]
        resetting = made.config(1, named(2, "Node_2", hold_time="30"))
        assert made.loop.run_until_complete(plan(made.speakers[1], resetting)) == [
            "peer Mesh_2: is Node_2 now, reset, as hold_time changed",
            "peer Mesh_2: 1 routes of it go until it is up again",
        ]


@pytest.mark.rfc("4456", "6")
@pytest.mark.parametrize("add_path", ['"none"', '"both"'])
def test_a_peer_becomes_a_client_and_stops_being_one_within_its_session(add_path: str) -> None:
    """Speaker 1 reflects between 2 and 3, of which neither is a client, then 2 is, then neither again."""
    with cluster() as made:
        plain = peer(2, add_path=add_path) + peer(3, add_path=add_path)
        made.start(1, plain, node=REFLECTOR)
        made.start(2, peer(1, add_path=add_path) + network(HERE))
        made.start(3, peer(1, add_path=add_path) + network("10.65.3.0/26"))
        made.established()
        made.until(1, HERE)
        made.run(5)
        assert made.best(3, HERE) is None
        client = peer(2, reflector_client="true", add_path=add_path) + peer(3, add_path=add_path)
        made.speakers[1].reload(made.config(1, client, node=REFLECTOR))
        made.until(3, HERE, within=1)
        made.until(2, "10.65.3.0/26", within=1)
        made.speakers[1].reload(made.config(1, plain, node=REFLECTOR))
        made.until(3, HERE, present=False, within=1)
        made.until(2, "10.65.3.0/26", present=False, within=1)
        assert all(one.session.flaps == 0 for speaker in made.speakers.values() for one in speaker.peers.values())


@pytest.mark.rfc("4456", "6")
def test_a_node_of_a_mesh_begins_to_reflect_and_ends_within_its_sessions() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3))
        made.start(2, peer(1) + network(HERE))
        made.start(3, peer(1))
        made.established()
        clients = peer(2, reflector_client="true") + peer(3, reflector_client="true")
        made.speakers[1].reload(made.config(1, clients, node=REFLECTOR))
        made.until(3, HERE, within=1)
        made.speakers[1].reload(made.config(1, peer(2) + peer(3)))
        made.until(3, HERE, present=False, within=1)
        assert made.best(1, HERE) is not None
        assert made.peer(3, 1).session.flaps == made.peer(1, 2).session.flaps == 0
        assert address(2) in made.speakers[1].peers


def test_a_renamed_peers_log_lines_have_its_new_name() -> None:
    with cluster() as made:
        made.start(1, named(2, "Mesh_2"))
        made.start(2, peer(1) + network(HERE))
        made.until(1, HERE)
        made.speakers[1].reload(made.config(1, named(2, "Node_2")))
        with capture_logs() as lines:
            made.network.cut(address(1), address(2))
            made.run(0.1)
            made.speakers[1].peers["Node_2"].report("route refresh ignored", "of no use")
        found = {line["event"]: line["peer"] for line in lines if line.get("peer") in ("Mesh_2", "Node_2")}
        assert found.keys() >= {"session ended", "routes kept while the peer restarts", "route refresh ignored"}
        assert set(found.values()) == {"Node_2"}
