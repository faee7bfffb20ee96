"""The mesh that elects reflectors, as the keys of etcd make it: who is of it, and which sessions are left of it."""

import pytest

from bgpd.config import Config
from bgpd.datastore import role_keys
from bgpd.identity import format_identifier
from bgpd.reflector.election import MeshNode, Rules
from bgpd.reflector.roles import CLUSTER_ID, Member, Mode, Phase, Role
from tests.support.calico import Etcd, local

KEYS = role_keys.ElectionKeys()
OPTION = '[mesh]\nauto_reflectors = { above = 4, count = 2, label = "rack" }\n'


def electing(more: str = "", *, name: str = "w1", node: str = "") -> Config:
    return local(OPTION + more, name=name, node=node)


def site(me: str = "w1") -> Etcd:
    etcd = Etcd(me)
    for number in range(1, 6):
        etcd.node(f"w{number}", f"10.0.0.{number}/24", labels={"rack": f"r{number % 2}"})
    return etcd


def role(etcd: Etcd, number: int, holder: str, phase: Phase = Phase.SERVING) -> None:
    etcd.put(KEYS.role(number), role_keys.encode_role(Role(holder, phase)))


def member(etcd: Etcd, *names: str, mode: Mode = Mode.REFLECTED) -> None:
    for name in names:
        etcd.put(KEYS.member(name), role_keys.encode_member(Member(mode)))


def alive(etcd: Etcd, *names: str) -> None:
    for name in names:
        etcd.put(KEYS.alive(name), role_keys.encode_alive(is_candidate=True))


def test_all_nodes_with_bgp_that_are_no_reflectors_of_calicos_are_the_mesh() -> None:
    etcd = site()
    etcd.node("rr", "10.0.0.9/24", routeReflectorClusterID="1.0.0.1")
    etcd.put("/calico/resources/v3/projectcalico.org/nodes/plain", b'{"spec": {}}')
    mesh = etcd.config(electing()).mesh
    assert mesh is not None
    assert mesh.rules == Rules(4, 2)
    assert sorted(mesh.nodes) == ["w1", "w2", "w3", "w4", "w5"]
    assert mesh.nodes["w2"] == MeshNode("r0", (b"\x0a\x00\x00\x02",))


def test_clients_keep_the_sessions_with_reflectors_alone() -> None:
    etcd = site()
    role(etcd, 0, "w4")
    role(etcd, 1, "w5", Phase.PREPARING)
    member(etcd, "w1", "w2")
    member(etcd, "w3", mode=Mode.MESH)
    peers = etcd.peers(electing())
    assert sorted(peers) == ["Mesh_10_0_0_3", "Mesh_10_0_0_4", "Mesh_10_0_0_5"]
    member(etcd, "w3")
    assert sorted(etcd.peers(electing())) == ["Mesh_10_0_0_4", "Mesh_10_0_0_5"]
    assert not any(peer.reflector_client for peer in etcd.peers(electing()).values())


def test_a_reflector_has_all_as_clients_but_its_like() -> None:
    etcd = site("w4")
    member(etcd, "w1", "w2", "w3")
    role(etcd, 0, "w4", Phase.PREPARING)
    role(etcd, 1, "w5")
    assert etcd.config(electing(name="w4")).resolved.node.cluster_id is None
    assert not any(peer.reflector_client for peer in etcd.peers(electing(name="w4")).values())
    role(etcd, 0, "w4")
    found = etcd.config(electing(name="w4"))
    assert found.resolved.node.cluster_id == CLUSTER_ID
    assert format_identifier(CLUSTER_ID) == "240.0.0.1"
    clients = {peer.name: peer.reflector_client for peer in found.resolved.peers}
    assert clients == {f"Mesh_10_0_0_{n}": n != 5 for n in (1, 2, 3, 5)}


def test_nothing_negotiated_changes_for_a_session_when_an_end_becomes_a_reflector() -> None:
    etcd = site("w4")
    before = etcd.peers(electing(name="w4"))["Mesh_10_0_0_1"]
    role(etcd, 0, "w4")
    after = etcd.peers(electing(name="w4"))["Mesh_10_0_0_1"]
    assert {name for name in before.__slots__ if getattr(before, name) != getattr(after, name)} == {"reflector_client"}


def test_a_node_that_starts_where_reflectors_serve_begins_with_those() -> None:
    etcd = site()
    role(etcd, 0, "w4")
    role(etcd, 1, "w5")
    alive(etcd, "w4", "w5")
    member(etcd, "w2", "w3")
    assert sorted(etcd.peers(electing())) == ["Mesh_10_0_0_4", "Mesh_10_0_0_5"]
    member(etcd, "w1", mode=Mode.MESH)  # what it declares counts from then on
    assert len(etcd.peers(electing())) == 4


def test_a_node_that_may_not_declare_itself_does_not_outlive_the_reflectors_that_it_began_with() -> None:
    """Etcd may let it read and not write; then nobody hears what it needs."""
    etcd = site()
    role(etcd, 0, "w4")
    alive(etcd, "w4")
    member(etcd, "w2", "w3")
    assert sorted(etcd.peers(electing())) == ["Mesh_10_0_0_4", "Mesh_10_0_0_5"]
    role(etcd, 0, "w4", Phase.RETIRING)
    assert len(etcd.peers(electing())) == 4


def test_a_node_that_runs_when_it_is_told_to_elect_keeps_its_mesh_at_first() -> None:
    etcd = site()
    assert len(etcd.peers(electing())) == 4
    role(etcd, 0, "w4")
    alive(etcd, "w4")
    member(etcd, "w2", "w3")
    assert len(etcd.peers(electing())) == 4


def test_explicit_peers_are_left_alone() -> None:
    etcd = site("w4")
    etcd.peer("all", nodeSelector="has(rack)", peerIP="10.0.0.9", asNumber=64512)
    etcd.peer("pair", node="w4", peerIP="10.0.0.1", asNumber=64512)
    role(etcd, 0, "w4")
    member(etcd, "w1", "w2")
    peers = etcd.peers(electing(name="w4"))
    assert not peers["Node_10_0_0_9"].reflector_client
    assert not peers["Node_10_0_0_1"].reflector_client
    assert peers["Mesh_10_0_0_2"].reflector_client


@pytest.mark.parametrize(
    ("why", "bgp", "mesh_on", "node"),
    [
        ("there is no mesh: nodeToNodeMeshEnabled is false", {}, False, ""),
        ("etcd says that this node is a reflector", {"routeReflectorClusterID": "1.0.0.1"}, True, ""),
        ("this file says that the node is a reflector", {}, True, 'cluster_id = "1.0.0.1"'),
    ],
)
def test_who_takes_no_part_says_why(why: str, bgp: dict[str, str], mesh_on: bool, node: str) -> None:
    etcd = site()
    etcd.node("w1", "10.0.0.1/24", **bgp)
    etcd.settings(nodeToNodeMeshEnabled=mesh_on)
    found = etcd.config(electing(node=node))
    assert found.mesh is not None
    assert found.mesh.rules is None
    assert any(why in notice for notice in found.notices)


def test_a_list_without_them_ends_all_roles() -> None:
    etcd = site("w4")
    role(etcd, 0, "w4")
    assert etcd.config(electing(name="w4")).resolved.node.cluster_id == CLUSTER_ID
    etcd.cluster.replace({})
    etcd.node("w4", "10.0.0.4/24")
    assert etcd.config(electing(name="w4")).resolved.node.cluster_id is None
