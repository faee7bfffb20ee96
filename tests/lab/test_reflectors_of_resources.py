"""A mesh becomes clients of Calico's route reflectors by its resources, and a mesh again: no ping is lost.

The steps are those of docs/calico.md. Sessions with nodes that become reflectors are kept, under another name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bgpd.lab import LabOptions
from bgpd.lab.namespaces import have_privileges
from tests.support.etcd_lab import EtcdLab, of_host, pools, resource

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PATIENCE: Final = 60.0
INTERVAL: Final = 0.02  # seconds between two rounds of pings
NODES: Final = 4
REFLECTORS: Final = (1, 2)
LABELLED: Final = {"rr": "true"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[EtcdLab]:
    """Four nodes in a mesh."""
    with EtcdLab(LabOptions(nodes=NODES, containers=1), tmp_path) as made:
        made.write(pools())
        for node in made:
            made.write(of_host(node))
        made.start()
        made.wait_answering()
        wait_up(made, dict.fromkeys(names(), 2 * (NODES - 1)))
        yield made


def names() -> list[str]:
    return [f"node{number}" for number in range(1, NODES + 1)]


def wait_up(lab: EtcdLab, sessions: dict[str, int]) -> None:
    """Wait until each node has so many sessions, all of them up."""

    def is_so() -> bool:
        rows = {name: lab[name].peers() for name in sessions}
        return all(len(rows[name]) == sum(row.is_up for row in rows[name]) == sessions[name] for name in sessions)

    lab.wait_for(is_so, f"{sessions} sessions", PATIENCE)


def known(lab: EtcdLab, name: str, *others: str) -> dict[str, float]:
    """Return since when a node's sessions with these are up, by the peers' present names."""
    wanted = {str(lab[other].plan.interfaces[0].ipv4.ip) for other in others}
    return {row.name: row.since for row in lab[name].peers() if row.address in wanted}


def named(kind: str) -> set[str]:
    return {f"{kind}_172_30_0_{16 + number}" for number in REFLECTORS}


def test_no_ping_is_lost_from_mesh_to_reflectors_and_back(lab: EtcdLab) -> None:
    mesh, reflected = dict.fromkeys(names(), 6), {"node1": 6, "node2": 6, "node3": 4, "node4": 4}
    chosen = [f"node{number}" for number in REFLECTORS]
    began, between = sorted(known(lab, "node3", *chosen).values()), sorted(known(lab, "node1", "node2").values())
    with lab.pinger() as pinger:
        questions = pinger.questions()
        lab.wait_for(lambda: None not in pinger.ask(questions, 1.0).values(), "all to answer", PATIENCE)
        with pinger.stream(questions, INTERVAL) as stream:
            lab.write(
                dict(
                    (
                        resource("bgppeers", "clients", nodeSelector="!has(rr)", peerSelector="has(rr)"),
                        resource("bgppeers", "reflectors", nodeSelector="has(rr)", peerSelector="has(rr)"),
                    )
                )
            )
            for name in chosen:
                lab.write(of_host(lab[name], labels=LABELLED, cluster_id="244.0.0.1"))
            lab.wait_for(lambda: set(known(lab, "node3", *chosen)) == named("Node"), "names")
            wait_up(lab, mesh)
            lab.write(dict([resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=False)]))
            wait_up(lab, reflected)
            assert sorted(known(lab, "node3", *chosen).values()) == pytest.approx(began, abs=0.2)
            assert sorted(known(lab, "node1", "node2").values()) == pytest.approx(between, abs=0.2)

            lab.write(dict([resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=True)]))
            wait_up(lab, mesh)
            for name in chosen:
                lab.write(of_host(lab[name]))
            lab.wait_for(lambda: set(known(lab, "node3", *chosen)) == named("Mesh"), "names")
            lab.write({resource("bgppeers", name)[0]: None for name in ("clients", "reflectors")})
            wait_up(lab, mesh)
            assert sorted(known(lab, "node3", *chosen).values()) == pytest.approx(began, abs=0.2)
    assert stream.sent > 10 * len(questions)
    assert stream.lost == []
