"""Who peers with whom, and with which addresses."""

from itertools import combinations

import pytest

from bgpd.lab import LabOptions, Underlay
from bgpd.lab.topology import HostPlan, Role, Topology, plan


def _peers(host: HostPlan) -> set[str]:
    return {peer.name for peer in host.peers}


def _host(topology: Topology, name: str) -> HostPlan:
    return next(host for host in topology.hosts if host.name == name)


def test_in_a_mesh_every_node_has_a_session_for_each_family_with_every_other() -> None:
    topology = plan(LabOptions(nodes=3))
    assert _peers(_host(topology, "node2")) == {"node1", "node1-v6", "node3", "node3-v6"}


def test_clients_peer_with_reflectors_alone_and_reflectors_with_all() -> None:
    topology = plan(LabOptions(nodes=2, reflectors=2))
    assert _peers(_host(topology, "node1")) == {"rr1", "rr1-v6", "rr2", "rr2-v6"}
    reflector = _host(topology, "rr1")
    assert {peer.name: peer.is_client for peer in reflector.peers if not peer.name.endswith("-v6")} == {
        "node1": True,
        "node2": True,
        "rr2": False,
    }
    assert reflector.cluster_id == "244.0.0.1"
    assert not reflector.containers


def test_with_an_as_for_each_node_no_two_have_the_same() -> None:
    topology = plan(LabOptions(nodes=3, as_per_node=True))
    assert len({host.asn for host in topology.hosts}) == 3


def test_on_an_l3_underlay_an_as_for_each_node_means_sessions_with_the_router_alone() -> None:
    topology = plan(LabOptions(nodes=3, as_per_node=True, underlay=Underlay.L3))
    assert _peers(_host(topology, "node1")) == {"router", "router-v6"}


def test_on_an_l3_underlay_the_router_takes_part_in_the_mesh() -> None:
    topology = plan(LabOptions(nodes=2, underlay=Underlay.L3))
    assert _peers(_host(topology, "node1")) == {"node2", "node2-v6", "router", "router-v6"}
    router = _host(topology, "router")
    assert [str(peer.local_address) for peer in router.peers[::2]] == ["172.30.1.1", "172.30.2.1"]


@pytest.mark.parametrize("underlay", list(Underlay))
@pytest.mark.parametrize("reflectors", [0, 1])
def test_both_ends_of_a_session_configure_each_other(underlay: Underlay, reflectors: int) -> None:
    topology = plan(LabOptions(nodes=3, underlay=underlay, reflectors=reflectors))
    ends = {(peer.local_address, peer.address) for host in topology.hosts for peer in host.peers}
    assert ends == {(remote, local) for local, remote in ends}


def test_no_address_and_no_device_name_is_used_twice_in_the_largest_lab() -> None:
    topology = plan(LabOptions(nodes=249, containers=250, reflectors=1))
    addresses = [c.ipv4 for c in topology.containers] + [c.ipv6 for c in topology.containers]
    addresses += [host.interfaces[0].ipv4.ip for host in topology.hosts]
    assert len(set(addresses)) == len(addresses)
    devices = {container.device for container in topology.containers}
    assert len(devices) == len(topology.containers)
    assert max(map(len, devices)) <= 15  # IFNAMSIZ


def test_containers_have_the_addresses_that_the_documentation_says() -> None:
    container = plan(LabOptions(nodes=3)).hosts[2].containers[1]
    assert container.prefixes == ("10.65.3.2/32", "fd65::3:2/128")


def test_what_a_host_must_learn_is_every_other_hosts_containers() -> None:
    topology = plan(LabOptions(nodes=2, containers=1))
    assert topology.foreign_prefixes(topology.hosts[0]) == {"10.65.2.1/32", "fd65::2:1/128"}


def test_every_node_of_an_l3_underlay_has_a_subnet_of_its_own() -> None:
    topology = plan(LabOptions(nodes=4, underlay=Underlay.L3))
    nodes = [host.interfaces[0] for host in topology.hosts if host.role is Role.NODE]
    assert not any(a.ipv4.network.overlaps(b.ipv4.network) for a, b in combinations(nodes, 2))
    assert not any(a.ipv6.network.overlaps(b.ipv6.network) for a, b in combinations(nodes, 2))
