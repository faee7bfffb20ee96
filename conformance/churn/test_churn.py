"""A small cluster through fifteen rounds of changes, and faults made on purpose that the checks must find."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest

from bgpd.lab.namespaces import have_privileges
from conformance.churn import checks
from conformance.churn.actions import Actions
from conformance.churn.fleet import DEVICE, PROTOCOL, Fleet
from conformance.churn.run import Log, churn

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PATIENCE = 40.0


def test_a_cluster_that_changes_at_random_settles_as_the_model_says(tmp_path: Path) -> None:
    log = Log(tmp_path / "actions.log")
    try:
        outcome = churn(nodes=8, seconds=0, seed=6, log=log, rounds=15, limit=PATIENCE)
    finally:
        log.close()
    assert outcome.faults == [], log.path.read_text()
    assert outcome.actions.total() > 30
    assert outcome.routes > 300


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Three nodes that have settled."""
    with Fleet(3, lambda _: None) as fleet:
        Actions(fleet, Random(1)).begin(3)
        settle(fleet, lambda: not faults(fleet))
        yield fleet


def settle(fleet: Fleet, condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    fleet.wait_for(condition, "what the test waits for", PATIENCE)


def faults(fleet: Fleet) -> list[str]:
    """Return what the checks find at all nodes."""
    return [fault for name in fleet.names for fault in checks.node_faults(fleet, name, fleet.due)]


def test_what_the_model_does_not_know_of_is_found(fleet: Fleet) -> None:
    """A host route that nobody wrote down, a session that began anew, a route that was out of a kernel for a moment."""
    for _ in range(3):  # long ago that the nodes were made
        fleet.look()
    began = checks.since(fleet)
    first, second = (fleet.host(name) for name in ("node1", "node2"))
    route = next(one for one in fleet.due.kernel["node2"] if one.gateway == first.plan.interfaces[0].ipv4.ip)
    second.namespace.ip("route", "del", str(route.prefix), "proto", PROTOCOL)
    settle(fleet, lambda: route in checks.kernel_routes(second))
    broken = list(checks.break_faults(fleet))
    assert len(broken) == 1
    assert f"node2: {route.prefix} via" in broken[0]

    stranger = ip_network("10.65.200.1/32")
    first.namespace.ip("route", "add", str(stranger), "dev", DEVICE, "scope", "link", "proto", "boot")
    settle(fleet, lambda: any("kernel: has beyond 1: 10.65.200.1/32" in one for one in faults(fleet)))
    told = list(checks.told_faults(fleet, "node2", fleet.due))
    assert told == ["node2: told by node1: has beyond 1: 10.65.200.1/32"]
    first.namespace.ip("route", "del", str(stranger))
    settle(fleet, lambda: not faults(fleet))

    peer = next(one for one in second.peers() if one.address == str(first.plan.interfaces[0].ipv4.ip))
    assert second.bgpctl("reset", peer.name).returncode == 0
    settle(fleet, lambda: not faults(fleet) and checks.since(fleet) != began)
    reset = checks.reset_faults(began, checks.since(fleet), fleet.touched)
    assert len(reset) == 2
    assert all(str(peer.address) in one for one in reset)
