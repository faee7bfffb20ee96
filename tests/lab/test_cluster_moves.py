"""A running cluster in etcd is moved to another layout key by key: sessions come and go, and no ping is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bgpd.lab import LabOptions
from bgpd.lab.namespaces import have_privileges
from tests.support.etcd_lab import EtcdLab, of_host, pools, resource
from tests.support.undisturbed import undisturbed

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PEERING = resource("bgppeers", "reflectors", nodeSelector="!has(rr)", peerSelector="has(rr)")


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[EtcdLab]:
    """Three nodes in a mesh, all sessions up."""
    with EtcdLab(LabOptions(nodes=3, containers=1), tmp_path) as lab:
        lab.write(pools() | {key: value for node in lab for key, value in of_host(node).items()})
        lab.start()
        lab.wait_answering()
        wait_sessions(lab, 4, 4, 4)
        yield lab


def wait_sessions(lab: EtcdLab, *counts: int) -> None:
    """Wait until each node has just so many sessions, all of them up."""

    def are_there() -> bool:
        rows = [node.peers() for node in lab]
        return [len(one) for one in rows] == list(counts) and all(
            row.state == "Established" for one in rows for row in one
        )

    lab.wait_for(are_there, f"{counts} sessions")


def test_from_a_mesh_to_a_reflector_and_back(mesh: EtcdLab) -> None:
    node = mesh["node1"]
    with undisturbed(mesh) as seen:
        mesh.write(of_host(node, labels={"rr": "yes"}, cluster_id="244.0.0.1") | dict([PEERING]))
        wait_sessions(mesh, 4, 4, 4)
        seen.go_on(10)
        mesh.write(dict([resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=False)]))
        wait_sessions(mesh, 4, 2, 2)
        seen.go_on(20)
        mesh.write(dict([resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=True)]))
        wait_sessions(mesh, 4, 4, 4)
        seen.go_on(10)
        mesh.write(of_host(node) | {PEERING[0]: None})
        wait_sessions(mesh, 4, 4, 4)
        seen.go_on(20)


def test_from_one_reflector_to_another(mesh: EtcdLab) -> None:
    first, second = mesh["node1"], mesh["node2"]
    among = resource("bgppeers", "among-reflectors", nodeSelector="has(rr)", peerSelector="has(rr)")
    mesh.write(of_host(first, labels={"rr": "yes"}, cluster_id="244.0.0.1") | dict([PEERING, among]))
    wait_sessions(mesh, 4, 4, 4)
    mesh.write(dict([resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=False)]))
    wait_sessions(mesh, 4, 2, 2)
    with undisturbed(mesh) as seen:
        mesh.write(of_host(second, labels={"rr": "yes"}, cluster_id="244.0.0.2"))
        wait_sessions(mesh, 4, 4, 4)
        seen.go_on(10)
        mesh.write(of_host(first))
        wait_sessions(mesh, 2, 4, 2)
        seen.go_on(20)
    originators = {route.prefix: route.originator for route in mesh["node3"].routes() if route.cluster_list}
    assert originators["10.65.1.0/26"] == str(first.plan.interfaces[0].ipv4.ip)
