"""A cluster in etcd in which one node runs BIRD, configured as Calico's confd would: both ends agree, and pings say so.

node2 has BIRD. Addresses are chosen for the mesh's rule of who dials, which compares text: node1's sorts before
BIRD's though it is the higher number, node4's after it though it is the lower one.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from bgpd.lab import LabOptions
from bgpd.lab.namespaces import have_privileges
from bgpd.lab.nodes import Node
from conformance.interop.bird import Bird
from tests.support.confd import Confd
from tests.support.etcd_lab import (
    IPAM,
    Contents,
    EtcdLab,
    affinity,
    blocks_of,
    node_key,
    of_host,
    pools,
    resource,
)

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.interop,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

BIRD: Final = "node2"
OTHERS: Final = ("node1", "node3", "node4")
ADDRESSES: Final = {
    "node1": "172.30.0.100",
    "node2": "172.30.0.18",
    "node3": "172.30.0.19",
    "node4": "172.30.0.9",
}
OUR_MARK, BIRDS_MARK = "186", "12"  # the protocol of routes in the kernel
PATIENCE: Final = 40.0  # BIRD dials after two seconds, and waits five to thirty after an error
PASSWORDS: Final = {("bgp-secrets", "mesh"): "correct horse"}
MESH_OFF: Final = resource("bgpconfigurations", "default", nodeToNodeMeshEnabled=False)
REFLECTORS: Final = resource("bgppeers", "reflectors", nodeSelector="!has(rr)", peerSelector="has(rr)")


class Site:
    """The cluster, and BIRD in it."""

    def __init__(self, lab: EtcdLab, files: Path) -> None:
        self.lab = lab
        self.bird = Bird(lab[BIRD].namespace, files / "bird")
        self.is_old = False  # BIRD's configuration is of Calico 2
        for (name, key), text in PASSWORDS.items():
            lab.put_secret(name, key, text)
        for name, address in ADDRESSES.items():
            if address != str(lab[name].plan.interfaces[0].ipv4.ip):
                lab[name].namespace.ip("address", "add", f"{address}/16", "dev", "eth0")

    @property
    def members(self) -> list[str]:
        """Return the hosts that are nodes in etcd."""
        return [name for name in ADDRESSES if node_key(name) in self.lab.contents]

    def host(self, name: str, labels: Mapping[str, str] | None = None, cluster_id: str = "") -> Contents:
        """Return the keys of a host."""
        return of_host(self.lab[name], ADDRESSES[name], labels, cluster_id)

    def start(self, *contents: Contents) -> None:
        """Write what etcd has at first, and start all daemons."""
        self.lab.write({key: value for one in contents for key, value in one.items()})
        self._render()
        self.bird.start()
        for name in OTHERS:
            self.lab[name].start()
        self.wait_answering()

    def wait_answering(self) -> None:
        """Wait until our daemons answer."""
        self.lab.wait_for(lambda: all(self.lab[name].is_answering() for name in OTHERS), "bgpd to answer")

    def change(self, changes: Mapping[str, object | None]) -> None:
        """Change etcd, and do confd's part for BIRD."""
        self.lab.write(changes)
        self._render()
        said = self.bird.ask("configure")
        assert "Reconfigur" in said, said

    def _render(self) -> None:
        self.bird.configure(Confd(self.lab.contents, BIRD, PASSWORDS, is_old=self.is_old).render())

    def protocols(self) -> dict[str, str]:
        """Return the BGP sessions of BIRD and their states."""
        rows = [line.split() for line in self.bird.ask("show protocols").splitlines()]
        return {row[0]: row[-1] for row in rows if len(row) > 1 and row[1] == "BGP"}

    def wait_sessions(self, ours: int, birds: int) -> None:
        """Wait until all of our nodes together have so many sessions up, and BIRD so many."""

        def are_up() -> bool:
            up = sum(self.lab.up(self.lab[name]) for name in self.members if name != BIRD)
            return up == ours and list(self.protocols().values()) == ["Established"] * birds

        self.lab.wait_for(are_up, f"{ours} sessions of ours and {birds} of BIRD's", PATIENCE)

    def wait_routed(self, *names: str, without: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Wait until the kernels of these nodes, without names of all, have just the routes to each other's blocks.

        without: by node, what it lacks.
        """
        for name in names or self.members:
            self.lab.wait_for(
                lambda name=name: written(self.lab[name]) == self.routes(name, (without or {}).get(name, ())),
                f"the routes of {name}: {self.routes(name)}, it has {written(self.lab[name])}",
                PATIENCE,
            )

    def routes(self, name: str, without: tuple[str, ...] = ()) -> dict[str, str]:
        """Return what a kernel should have: prefix → gateway, or ``blackhole`` for our own blocks."""
        found = {}
        for node in self.lab:
            if node.name not in self.members:
                continue
            link = node.plan.interfaces[0]
            for block, gateway in zip(blocks_of(node.plan.number), (ADDRESSES[node.name], link.ipv6.ip), strict=True):
                found[block] = "blackhole" if node.name == name else str(gateway)
        return {block: way for block, way in found.items() if block not in without}

    def ping_all(self) -> None:
        """Ping from every container to every other."""
        assert self.lab.ping_all().failed == ()


def written(node: Node) -> dict[str, str]:
    """Return what the daemon of a host wrote into the kernel: prefix → gateway, ``several``, or what it is instead."""
    mark = BIRDS_MARK if node.name == BIRD else OUR_MARK
    found: dict[str, str] = {}
    for version in ("-4", "-6"):
        for route in json.loads(node.namespace.ip("-json", version, "route", "show", "proto", mark) or "[]"):
            found[route["dst"]] = route.get("gateway") or route.get("type", "several")
    return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with EtcdLab(LabOptions(nodes=4, containers=2), tmp_path) as lab:
        made = Site(lab, tmp_path)
        try:
            yield made
        finally:
            made.bird.stop()


@pytest.fixture
def mesh(site: Site) -> Site:
    """All four in a mesh, all sessions up."""
    site.start(pools(), *map(site.host, ADDRESSES))
    site.wait_sessions(18, 6)
    site.wait_routed()
    return site


def dialled(node: Node) -> set[str]:
    """Return the addresses that a host dialled, of BGP connections that stand."""
    lines = node.namespace.run(["ss", "-Htn", "state", "established"]).splitlines()
    ends = [[end.strip("[]").rpartition(":") for end in line.split()[2:4]] for line in lines]
    return {peer[0].strip("[]") for _, peer in ends if peer[2] == "179"}


def test_the_higher_text_dials_and_every_container_reaches_every_other(mesh: Site) -> None:
    assert not {"172.30.0.18", "fd30::12"} & dialled(mesh.lab["node1"])
    assert dialled(mesh.lab[BIRD]) == {"172.30.0.100", "fd30::11"}
    for name in ("node3", "node4"):
        assert {"172.30.0.18", "fd30::12"} <= dialled(mesh.lab[name])
    assert set(mesh.protocols()) == {
        *("Mesh_172_30_0_100", "Mesh_172_30_0_19", "Mesh_172_30_0_9"),
        *("Mesh_fd30__11", "Mesh_fd30__13", "Mesh_fd30__14"),
    }
    assert {row.name for row in mesh.lab["node1"].peers()} >= {"Mesh_172_30_0_18", "Mesh_fd30__12"}
    mesh.ping_all()


def test_a_bird_that_dials_everybody_is_met_half_way(site: Site) -> None:
    site.is_old = True
    site.start(pools(), *map(site.host, ADDRESSES))
    site.wait_sessions(18, 6)
    site.wait_routed()
    site.ping_all()


def test_containers_in_borrowed_addresses_are_reached_singly(mesh: Site) -> None:
    lab = mesh.lab
    changes: Contents = {}
    for borrower in (1, 2):  # one of ours and BIRD's; both blocks are node3's
        for block, family in ((f"10.65.{borrower}.64/26", "ipv4"), (f"fd65::{borrower}:40/122", "ipv6")):
            changes.update((affinity("node3", block),))
            contents = {
                "cidr": block,
                "affinity": "host:node3",
                "allocations": [0 if ordinal == 6 else None for ordinal in range(64)],
                "attributes": [{"handle_id": "h", "secondary": {"node": f"node{borrower}"}}],
            }
            changes[f"{IPAM}/assignment/{family}/block/{block.replace('/', '-')}"] = contents
    mesh.change(changes)
    for borrower in (1, 2):
        lab[f"node{borrower}"].add_container(70)

    def are_there(node: Node) -> bool:
        routes = written(node)
        return all(
            routes.get(f"10.65.{borrower}.70") == ADDRESSES[f"node{borrower}"]
            and f"fd65::{borrower}:46" in routes
            and routes.get(f"10.65.{borrower}.64/26") == ("blackhole" if node.name == "node3" else ADDRESSES["node3"])
            for borrower in (1, 2)
            if node.name != f"node{borrower}"
        )

    for node in lab:
        lab.wait_for(lambda node=node: are_there(node), f"the borrowed addresses on {node.name}: {written(node)}")
    mesh.ping_all()
    for borrower in (1, 2):
        lab[f"node{borrower}"].remove_container_route(70)
    for node in lab:
        lab.wait_for(lambda node=node: "10.65.2.70" not in written(node), f"the withdrawal on {node.name}")
        lab.wait_for(lambda node=node: "10.65.1.70" not in written(node), f"the withdrawal on {node.name}")


@pytest.mark.parametrize("victim", [BIRD, "node3"])
def test_one_that_is_killed_and_started_again_loses_no_ping(mesh: Site, victim: str) -> None:
    restart(mesh, victim, 18, 6)


def test_a_bgpd_that_is_stopped_and_started_again_loses_no_ping(mesh: Site) -> None:
    restart(mesh, "node3", 18, 6, is_asked=True)


def restart(site: Site, victim: str, ours: int, birds: int, *, is_asked: bool = False) -> None:
    """End a host's daemon and start it again, with pings between all containers before, meanwhile and after.

    is_asked: to end; else it is killed.
    """
    lab = site.lab
    with lab.pinger() as pinger:
        questions = pinger.questions()
        pinger.ask(questions, 3.0)
        with pinger.stream(questions, 0.05) as stream:

            def go_on(rounds: int) -> None:
                enough = stream.sent + rounds * len(questions)
                lab.wait_for(lambda: stream.sent >= enough, "more pings")

            if victim == BIRD:
                site.bird.kill()
            elif is_asked:
                assert lab[victim].stop() == 0
            else:
                lab[victim].kill()
            watchers = [lab[name] for name in OTHERS if name != victim]
            lab.wait_for(lambda: all(is_missed(node, victim) for node in watchers), "its peers to notice", PATIENCE)
            go_on(20)
            if victim == BIRD:
                site.bird.start("-R")
            else:
                lab[victim].start()
            site.wait_answering()
            site.wait_sessions(ours, birds)
            lab.wait_for(lambda: "recovery in progress" not in site.bird.ask("show status"), "BIRD to be done")
            site.wait_routed()
            go_on(20)
    assert stream.lost == []
    site.ping_all()


def is_missed(node: Node, other: str) -> bool:
    """Is no session with another host up?"""
    name = ADDRESSES[other].replace(".", "_")
    return all(row.state != "Established" for row in node.peers() if row.name.endswith(name))


def test_a_node_is_added_by_its_key_and_goes_with_it(site: Site) -> None:
    site.start(pools(), *map(site.host, ("node1", "node2", "node3")))
    site.wait_sessions(8, 4)
    site.wait_routed()
    site.change(site.host("node4"))
    site.wait_sessions(18, 6)
    site.wait_routed()
    site.ping_all()
    site.change(dict.fromkeys(site.host("node3")))
    site.wait_sessions(8, 4)
    site.wait_routed()


def test_a_bird_of_another_as_is_in_the_mesh(site: Site) -> None:
    contents = site.host(BIRD)
    contents[node_key(BIRD)]["spec"]["bgp"]["asNumber"] = 64999
    site.start(pools(), contents, *map(site.host, OTHERS))
    site.wait_sessions(18, 6)
    site.wait_routed(*OTHERS)  # BIRD may have several ways: to it we all are neighbours of one length
    site.lab.wait_for(lambda: written(site.lab[BIRD]).keys() == site.routes(BIRD).keys(), "BIRD's routes", PATIENCE)
    site.ping_all()
    paths = {route.as_path for route in site.lab["node1"].routes() if route.prefix == blocks_of(2)[0]}
    assert "64999" in paths


def test_passwords_hold_between_both(site: Site) -> None:
    secret = {"secretKeyRef": {"name": "bgp-secrets", "key": "mesh"}}
    peering = resource("bgppeers", "all", nodeSelector="all()", peerSelector="all()", password=secret)
    site.start(pools(), dict([MESH_OFF, peering]), *map(site.host, ADDRESSES))
    site.wait_sessions(18, 6)
    site.wait_routed()
    assert set(site.protocols()) >= {"Node_172_30_0_100", "Node_fd30__14"}
    site.ping_all()
    site.lab.put_secret("bgp-secrets", "mesh", "wrong")
    assert site.lab["node1"].bgpctl("reload").returncode == 0
    site.lab.wait_for(lambda: site.lab.up(site.lab["node1"]) == 0, "the wrong password to be refused", PATIENCE)
    site.lab.put_secret("bgp-secrets", "mesh", PASSWORDS["bgp-secrets", "mesh"])
    assert site.lab["node1"].bgpctl("reload").returncode == 0
    site.wait_sessions(18, 6)
    site.wait_routed()


def test_a_filter_works_at_both_ends(site: Site) -> None:
    peering = resource("bgppeers", "all", nodeSelector="all()", peerSelector="all()", filters=["some"])
    filtering = resource(
        "bgpfilters",
        "some",
        exportV4=[{"cidr": blocks_of(1)[0], "matchOperator": "Equal", "action": "Reject"}],
        importV4=[{"cidr": blocks_of(2)[0], "matchOperator": "In", "action": "Reject"}],
        exportV6=[{"cidr": blocks_of(2)[1], "matchOperator": "Equal", "action": "Reject"}],
        importV6=[{"cidr": blocks_of(3)[1], "matchOperator": "In", "action": "Reject"}],
    )
    site.start(pools(), dict([MESH_OFF, peering, filtering]), *map(site.host, ADDRESSES))
    site.wait_sessions(18, 6)
    refused = {1: (blocks_of(1)[0],), 2: blocks_of(2), 3: (blocks_of(3)[1],)}
    lacking = {
        f"node{number}": tuple(block for owner, those in refused.items() if owner != number for block in those)
        for number in (1, 2, 3, 4)
    }
    site.wait_routed(without=lacking)
    site.change(dict([resource("bgpfilters", "some", exportV4=[], importV4=[])]))
    site.wait_sessions(18, 6)
    site.wait_routed()
    site.ping_all()


@pytest.mark.parametrize("reflector", ["node1", BIRD])
def test_either_may_be_the_reflector_of_the_other(site: Site, reflector: str) -> None:
    clients = [name for name in ADDRESSES if name != reflector]
    site.start(
        pools(),
        dict([MESH_OFF, REFLECTORS]),
        site.host(reflector, {"rr": "yes"}, "244.0.0.1"),
        *map(site.host, clients),
    )
    ours, birds = (10, 2) if reflector != BIRD else (6, 6)
    site.wait_sessions(ours, birds)
    site.wait_routed()
    site.ping_all()
    client = next(site.lab[name] for name in clients if name != BIRD)
    other = next(name for name in reversed(clients) if name not in (BIRD, client.name))
    route = next(one for one in client.routes() if one.prefix == blocks_of(site.lab[other].plan.number)[0])
    assert (route.originator, route.cluster_list) == (ADDRESSES[other], ("244.0.0.1",))
    restart(site, reflector, ours, birds)


@pytest.mark.parametrize("reflector", ["node1", BIRD])
def test_a_running_mesh_is_moved_to_a_reflector_and_back(mesh: Site, reflector: str) -> None:
    ours, birds = (10, 2) if reflector != BIRD else (6, 6)
    mesh.change(mesh.host(reflector, {"rr": "yes"}, "244.0.0.1") | dict([REFLECTORS]))
    mesh.wait_sessions(18, 6)
    mesh.change(dict([MESH_OFF]))
    mesh.wait_sessions(ours, birds)
    mesh.wait_routed()
    mesh.ping_all()
    mesh.change({MESH_OFF[0]: None})
    mesh.wait_sessions(18, 6)
    mesh.change(mesh.host(reflector) | {REFLECTORS[0]: None})
    mesh.wait_sessions(18, 6)
    mesh.wait_routed()
    mesh.ping_all()
