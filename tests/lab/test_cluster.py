"""A cluster of three nodes: it converges, it survives the crash of one daemon, it forgets what is gone."""

from collections.abc import Iterator

import pytest

from bgpd.lab import Lab, LabOptions, Underlay
from bgpd.lab.namespaces import have_privileges

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    # Python 3.12 warns of a fork beside a thread; ours does nothing between fork and exec but one system call.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

CONVERGENCE = 2.0  # seconds from the start of the last daemon
WITHDRAWAL = 1.0  # seconds from the deletion of a container's route


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Three nodes with two containers each, every daemon started and answering."""
    with Lab(LabOptions(nodes=3, containers=2)) as lab:
        lab.start()
        lab.wait_answering()
        yield lab


def test_three_nodes_converge_in_time_and_every_container_reaches_every_other(lab: Lab) -> None:
    assert lab.wait_converged() < CONVERGENCE
    matrix = lab.ping_all()
    assert len(matrix.times) == 60
    assert matrix.failed == ()


def test_a_crash_and_a_restart_of_one_daemon_lose_no_ping_between_the_others(lab: Lab) -> None:
    lab.wait_converged()
    others = ("node1", "node3")
    with lab.pinger(*others) as pinger:
        pinger.ask(pinger.questions(), 3.0)
        with pinger.stream(pinger.questions(), 0.01) as stream:
            lab["node2"].kill()
            lab.wait_for(lambda: all(not _is_up(lab, name, "node2") for name in others), "the peers to notice")
            lab["node2"].start()
            lab.wait_for(lambda: lab["node2"].is_answering() and _is_up(lab, "node2", "node1"), "it to come back")
            lab.wait_converged()
    assert stream.sent > 1000
    assert stream.lost == []
    assert lab.ping_all().failed == ()


def test_a_crash_and_a_restart_keep_the_routes_to_and_from_the_node(lab: Lab) -> None:
    lab.wait_converged()
    with lab.pinger() as pinger:
        pinger.ask(pinger.questions(), 3.0)
        with pinger.stream(pinger.questions(), 0.02) as stream:
            lab["node2"].kill()
            lab.wait_for(lambda: not _is_up(lab, "node1", "node2"), "the peer to notice")
            lab["node2"].start()
            lab.wait_for(lambda: lab["node2"].is_answering() and _is_up(lab, "node2", "node1"), "it to come back")
    assert stream.lost == []


def test_a_deleted_container_route_is_withdrawn_everywhere_and_comes_back(lab: Lab) -> None:
    lab.wait_converged()
    prefixes = set(lab["node1"].containers[1].plan.prefixes)
    others = [lab["node2"], lab["node3"]]
    lab["node1"].remove_container_route(1)
    taken = lab.wait_for(lambda: not any(prefixes & node.kernel_prefixes() for node in others), "the withdrawal")
    assert taken < WITHDRAWAL
    assert len(lab["node1"].kernel_prefixes() & set(lab["node2"].containers[1].plan.prefixes)) == 2
    lab["node1"].add_container_route(1)
    assert lab.wait_converged() < WITHDRAWAL


def test_a_container_added_later_is_reached_from_everywhere(lab: Lab) -> None:
    lab.wait_converged()
    prefixes = set(lab["node2"].add_container(9).plan.prefixes)
    others = [lab["node1"], lab["node3"]]
    lab.wait_for(lambda: all(prefixes <= node.kernel_prefixes() for node in others), "the new routes", WITHDRAWAL)
    matrix = lab.ping_all()
    assert "node2-c9" in matrix.names
    assert matrix.failed == ()


def test_only_container_routes_are_written_and_marked_as_ours(lab: Lab) -> None:
    lab.wait_converged()
    written = {route.dst for route in lab["node1"].kernel_routes("186")}
    assert written == {prefix.partition("/")[0] for prefix in lab.topology.foreign_prefixes(lab["node1"].plan)}


def test_the_operators_tool_shows_the_sessions(lab: Lab) -> None:
    lab.wait_converged()
    lab.wait_for(lambda: all(_is_up(lab, "node1", name) for name in ("node2", "node3")), "the sessions")
    shown = lab["node1"].bgpctl("peers")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("Established") == 4


@pytest.mark.parametrize(
    "options",
    [
        LabOptions(nodes=3, containers=1, as_per_node=True),
        LabOptions(nodes=2, containers=1, underlay=Underlay.L3),
        LabOptions(nodes=2, containers=1, underlay=Underlay.L3, as_per_node=True),
        LabOptions(nodes=2, containers=1, reflectors=2),
    ],
    ids=["ebgp-mesh", "l3-mesh", "ebgp-to-router", "two-reflectors"],
)
def test_every_topology_routes(options: LabOptions) -> None:
    with Lab(options) as lab:
        lab.start()
        lab.wait_converged()
        assert lab.ping_all().failed == ()


def test_two_labs_do_not_touch_each_other() -> None:
    with Lab(LabOptions(nodes=1, containers=2)) as one, Lab(LabOptions(nodes=1, containers=2)) as two:
        assert one.name != two.name
        one["node1"].remove_container_route(1)
        assert two.ping_all().failed == ()


@pytest.mark.parametrize(("nodes", "known"), [(3, 0), (22, 2 * 21)])
def test_hosts_of_a_large_lab_need_not_look_each_other_up(nodes: int, known: int) -> None:
    with Lab(LabOptions(nodes=nodes, containers=0)) as lab:
        namespace = lab["node1"].namespace
        assert len(namespace.ip("neigh", "show", "dev", "eth0", "nud", "permanent").splitlines()) == known
        address = str(lab[f"node{nodes}"].plan.interfaces[0].ipv4.ip)
        assert namespace.run(["ping", "-c1", "-W2", address])


def test_an_override_reaches_the_daemons_file() -> None:
    with Lab(LabOptions(nodes=2), {"": {"session": {"hold_time": 9}}, "node2": {"node": {"port": 1179}}}) as lab:
        assert "hold_time = 9" in lab["node1"].config_file.read_text()
        assert "port = 1179" not in lab["node1"].config_file.read_text()
        assert "port = 1179" in lab["node2"].config_file.read_text()


def _is_up(lab: Lab, name: str, peer: str) -> bool:
    return any(row.name == peer and row.state == "Established" for row in lab[name].peers())
