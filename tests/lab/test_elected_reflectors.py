"""A mesh that elects its reflectors, in namespaces with a real etcd: it grows, loses a reflector, shrinks.

Every container pings every other one all the while.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bgpd.lab import LabOptions
from bgpd.lab.echo import Question, StreamResult
from bgpd.lab.namespaces import have_privileges
from bgpd.lab.nodes import Node
from tests.support.etcd_lab import EtcdLab, node_key, of_host, pools

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PATIENCE: Final = 90.0
INTERVAL: Final = 0.05  # seconds between two rounds of pings
RULES: Final = 'auto_reflectors = { above = 4, count = 2, label = "rack" }'
NODES: Final = 7
AWAY: Final = 84 * 240  # pings of all to all, in both families, for more than a lease's time


class ElectingLab(EtcdLab):
    """Hosts that elect their reflectors; of seven, two stand in each of three racks, and one alone."""

    def file(self, node: Node, endpoints: tuple[str, ...] = ()) -> str:
        return f"{super().file(node, endpoints)}[mesh]\n{RULES}\n"

    def list_hosts(self, *numbers: int) -> None:
        """Write hosts into etcd."""
        for number in numbers:
            self.write(of_host(self[f"node{number}"], labels={"rack": f"r{(number + 1) // 2}"}))

    def role(self, name: str) -> str:
        return self.status(self[name]).mesh_role

    def is_following(self, name: str) -> bool:
        row = self.status(self[name]).datastore
        return row is not None and row.is_connected

    def reflectors(self, *names: str) -> set[str]:
        """Return who serves, by the word of these nodes."""
        return {name for name in names if self.role(name) == "reflector, serving"}

    def sessions(self, name: str) -> set[str]:
        """Return the addresses that a node has sessions with which are up."""
        return {row.address for row in self[name].peers() if row.is_up}

    def addresses(self, *names: str) -> set[str]:
        links = [self[name].plan.interfaces[0] for name in names]
        return {str(address) for link in links for address in (link.ipv4.ip, link.ipv6.ip)}

    def is_meshed(self, *names: str) -> bool:
        """Have these nodes sessions with all others of them, and with nobody else?"""
        return all(
            {row.address for row in self[name].peers()}
            == self.sessions(name)
            == self.addresses(*names) - self.addresses(name)
            for name in names
        )

    def is_reflected(self, *names: str) -> bool:
        """Have clients sessions with the two reflectors alone, and reflectors with all?"""
        chosen = self.reflectors(*names)
        return len(chosen) == 2 and all(
            self.sessions(name) == self.addresses(*(names if name in chosen else chosen)) - self.addresses(name)
            for name in names
        )

    @contextmanager
    def pings(self, *names: str) -> Iterator[StreamResult]:
        """Ping among the containers of these nodes, and lose none."""
        with self.pinger(*names) as pinger:
            questions: list[Question] = pinger.questions()
            assert None not in pinger.ask(questions, 5.0).values()
            with pinger.stream(questions, INTERVAL) as stream:
                yield stream
        assert stream.sent > 10 * len(questions)
        assert stream.lost == []


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"node{number}" for number in numbers)


def roles_in_etcd(lab: EtcdLab) -> list[str]:
    return lab.etcd.etcdctl("get", "--prefix", "--keys-only", "/bgpd/v1/reflection/calico/roles/").split()


def alive_in_etcd(lab: EtcdLab) -> list[str]:
    return lab.etcd.etcdctl("get", "--prefix", "--keys-only", "/bgpd/v1/reflection/calico/alive/").split()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ElectingLab]:
    """Four nodes of seven in a mesh."""
    with ElectingLab(LabOptions(nodes=NODES, containers=1), tmp_path) as made:
        made.write(pools())
        made.list_hosts(1, 2, 3, 4)
        made.start()
        made.wait_answering()
        made.wait_for(lambda: made.is_meshed(*names(1, 2, 3, 4)), "the mesh", PATIENCE)
        yield made


def test_a_mesh_grows_past_its_threshold_loses_a_reflector_and_shrinks_again(lab: ElectingLab) -> None:
    four, seven = names(1, 2, 3, 4), names(1, 2, 3, 4, 5, 6, 7)
    lab.wait_for(lambda: {lab.role(name) for name in four} == {"mesh"}, "all to say so", PATIENCE)
    lab.wait_for(
        lambda: set(four) <= {key.rpartition("/")[2] for key in alive_in_etcd(lab)}, "all to be alive", PATIENCE
    )
    lab.wait_for(lambda: lab.status(lab["node1"]).routes["ipv4-unicast"] >= 4, "all routes")
    with lab.pings(*four):
        lab.list_hosts(5, 6, 7)
        lab.wait_for(lambda: lab.is_reflected(*seven), "the sessions with reflectors alone", PATIENCE)
    chosen = lab.reflectors(*seven)
    assert chosen == {"node1", "node3"}  # of two racks, though node2 comes first by name
    with lab.pings(*seven) as stream:
        lab.etcd.members[0].stop()
        lab.wait_for(lambda: not any(lab.is_following(name) for name in seven), "etcd to be missed", PATIENCE)
        enough = stream.sent + AWAY
        lab.wait_for(lambda: stream.sent > enough, "leases to end", PATIENCE)
        assert lab.is_reflected(*seven)
        lab.etcd.start(lab.etcd.members[0])
        lab.wait_for(lambda: all(lab.is_following(name) for name in seven), "etcd to be followed", PATIENCE)
        lab.wait_for(lambda: len(alive_in_etcd(lab)) == NODES, "all to be alive", PATIENCE)
        assert lab.is_reflected(*seven)
        assert lab.reflectors(*seven) == chosen

    gone = "node3"
    others = tuple(name for name in seven if name != gone)
    with lab.pings(*others):
        lab[gone].kill()
        lab.wait_for(lambda: len(lab.reflectors(*others)) == 2, "another reflector", PATIENCE)
        assert lab.reflectors(*others) == {"node1", "node4"}  # again of two racks
        lab[gone].start()
        lab.wait_for(lambda: lab[gone].is_answering() and lab.is_reflected(*seven), "its return as a client", PATIENCE)
    assert lab.role(gone) == "client of node1, node4"

    three = names(1, 2, 5)
    with lab.pings(*three):
        for number in (3, 4, 6, 7):
            lab.write({node_key(f"node{number}"): None})
        lab.wait_for(lambda: lab.is_meshed(*three) and not roles_in_etcd(lab), "the mesh to be back", PATIENCE)
        lab.wait_for(lambda: {lab.role(name) for name in three} == {"mesh"}, "all to say so", PATIENCE)
