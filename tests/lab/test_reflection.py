"""Twenty clients behind one reflector: each holds all others' routes, with the attributes of RFC 4456."""

import pytest

from bgpd.lab import Lab, LabOptions
from bgpd.lab.namespaces import have_privileges

CLIENTS = 20


@pytest.mark.netns
@pytest.mark.skipif(not have_privileges(), reason="network namespaces need root")
@pytest.mark.rfc("4456", "8")
def test_every_client_holds_all_others_routes_with_originator_and_cluster_list() -> None:
    with Lab(LabOptions(nodes=CLIENTS, containers=1, reflectors=1, timeout=90)) as lab:
        lab.start()
        lab.wait_converged()
        identifiers = {
            prefix: str(node.plan.interfaces[0].ipv4.ip)
            for node in lab
            for container in node.plan.containers
            for prefix in container.prefixes
        }
        for node in lab:
            if node.plan.cluster_id:
                continue
            own = {prefix for container in node.plan.containers for prefix in container.prefixes}
            learned = {route.prefix: route for route in node.routes() if route.prefix not in own}
            assert {prefix: route.originator for prefix, route in learned.items()} == {
                prefix: identifier for prefix, identifier in identifiers.items() if prefix not in own
            }
            assert {route.cluster_list for route in learned.values()} == {("244.0.0.1",)}
            assert len(learned) == 2 * (CLIENTS - 1)
        assert lab.ping_all().failed == ()
