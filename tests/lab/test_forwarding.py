"""What the daemon writes into a real kernel: tunnels, black holes, several next hops; and what it says of it."""

import json
from collections.abc import Iterator

import pytest

from bgpd.lab import Lab, LabOptions
from bgpd.lab.namespaces import have_privileges
from bgpd.lab.nodes import Node

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

SHARED = "10.99.0.0/24"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Three nodes; 1 and 2 originate one prefix together, 1 a black hole too; all have a stand-in for tunl0."""
    with Lab(LabOptions(nodes=3, containers=1)) as lab:
        for node in (lab[name] for name in lab.nodes):
            node.namespace.ip("link", "add", "tunl0", "type", "bridge")
            node.namespace.ip("link", "set", "tunl0", "up")
        for name in ("node1", "node2"):
            networks = [{"prefix": SHARED}]
            if name == "node1":
                networks.append({"prefix": "10.66.1.0/26", "blackhole": True})
            lab[name].configure({"network": networks})
        lab.start()
        lab.wait_converged()
        yield lab


def ip_route(node: Node, prefix: str) -> str:
    """Return the kernel's words for our route."""
    return " ".join(node.namespace.ip("route", "show", prefix, "proto", "186").split())


def test_a_prefix_of_two_nodes_is_reached_by_both(lab: Lab) -> None:
    node = lab["node3"]
    first, second = (address_of(lab, name) for name in ("node1", "node2"))
    lab.wait_for(lambda: ip_route(node, SHARED).count("nexthop") == 2, "both next hops")
    route = ip_route(node, SHARED)
    assert f"nexthop via {first} dev eth0" in route
    assert f"nexthop via {second} dev eth0" in route
    lab["node1"].kill()
    lab["node1"].configure({"network": []})
    lab["node1"].start()
    lab.wait_for(lambda: ip_route(node, SHARED).startswith(f"{SHARED} via {second} dev eth0"), "one next hop")


def test_a_network_of_ours_is_a_black_hole_here_and_a_route_elsewhere(lab: Lab) -> None:
    assert ip_route(lab["node1"], "10.66.1.0/26").startswith("blackhole 10.66.1.0/26")
    lab.wait_for(lambda: f"via {address_of(lab, 'node1')}" in ip_route(lab["node3"], "10.66.1.0/26"), "the route")


def test_a_black_hole_follows_the_configuration(lab: Lab) -> None:
    node = lab["node1"]
    for networks, is_there in (
        ([{"prefix": "10.66.1.0/26"}], False),
        ([{"prefix": "10.66.1.0/26", "blackhole": True}], True),
        ([], False),
    ):
        node.configure({"network": networks})
        assert node.bgpctl("reload").returncode == 0
        lab.wait_for(
            lambda is_there=is_there: ip_route(node, "10.66.1.0/26").startswith("blackhole") is is_there,  # type: ignore[misc]
            f"the kernel to follow {networks}",
        )


def test_a_pool_sends_its_routes_through_the_tunnel_where_it_asks_for_it(lab: Lab) -> None:
    node, hop = lab["node3"], address_of(lab, "node1")
    target = lab["node1"].containers[1].plan.prefixes[0]
    assert f"via {hop} dev eth0" in ip_route(node, target)
    for mode, expected in (
        ("always", f"via {hop} dev tunl0 onlink"),
        ("cross-subnet", f"via {hop} dev eth0"),
        ("always", f"via {hop} dev tunl0 onlink"),
        ("never", f"via {hop} dev eth0"),
    ):
        node.configure({"pool": [{"cidr": "10.65.0.0/16", "ipip": mode}]})
        assert node.bgpctl("reload").returncode == 0
        lab.wait_for(lambda expected=expected: expected in ip_route(node, target), f"the route for {mode}")  # type: ignore[misc]
    node.configure({"pool": [{"cidr": "10.0.0.0/8", "ipip": "always"}]})
    assert node.bgpctl("reload").returncode == 0
    lab.wait_for(lambda: ip_route(node, SHARED).count("dev tunl0 weight 1 onlink") == 2, "both legs in the tunnel")
    node.namespace.ip("link", "del", "tunl0")
    lab.wait_for(lambda: f"via {hop} dev eth0" in ip_route(node, target), "the plain route without a tunnel")


def test_explain_says_what_decided_who_is_told_and_what_the_kernel_has(lab: Lab) -> None:
    lab.wait_for(lambda: ip_route(lab["node3"], SHARED).count("nexthop") == 2, "both next hops")
    told = json.loads(lab["node3"].bgpctl("explain", SHARED, "-o", "json").stdout)
    assert [one["verdict"] for one in told["candidates"]] == ["best", "multipath"]
    assert told["candidates"][1]["why"] == "lower BGP Identifier or ORIGINATOR_ID"
    assert told["fib"]["state"] == "installed"
    whys = {one["peer"]: one["why"] for one in told["exports"]}
    assert not any(one["is_sent"] for one in told["exports"])
    assert "learned by iBGP" in whys["node2"]


def test_stopping_leaves_the_routes_and_draining_takes_them_along(lab: Lab) -> None:
    node = lab["node2"]
    target = lab["node1"].containers[1].plan.prefixes[0]
    assert node.stop() == 0
    assert ip_route(node, target)
    node.start()
    lab.wait_for(node.is_answering, "the daemon")
    lab.wait_converged()
    assert node.bgpctl("drain").returncode == 0
    lab.wait_for(lambda: not ip_route(lab["node3"], node.containers[1].plan.prefixes[0]), "the withdrawal", 1.0)
    assert node.stop() == 0
    assert ip_route(node, target) == ""


def address_of(lab: Lab, name: str) -> str:
    """Return the underlay address of a node, IPv4."""
    return str(lab[name].plan.interfaces[0].ipv4.ip)


def test_a_black_hole_that_a_peer_asks_for_is_in_the_kernel_where_it_is_agreed(lab: Lab) -> None:
    host, block = "192.0.2.7", "192.0.2.0/24"
    networks = [{"prefix": text, "communities": ["blackhole"]} for text in (f"{host}/32", block)]
    lab["node1"].configure({"network": networks})
    lab["node2"].configure({"session": {"blackhole": {"accept": True}}})
    for name in ("node1", "node2"):
        assert lab[name].bgpctl("reload").returncode == 0
    lab.wait_for(lambda: ip_route(lab["node2"], host).startswith(f"blackhole {host}"), "the black hole")
    lab.wait_for(lambda: f"via {address_of(lab, 'node1')}" in ip_route(lab["node2"], block), "the route")
    lab.wait_for(lambda: f"via {address_of(lab, 'node1')}" in ip_route(lab["node3"], host), "the route elsewhere")
    assert "black hole that the peer asks for" in lab["node2"].bgpctl("explain", f"{host}/32").stdout
    assert "not honoured below /32" in lab["node2"].bgpctl("explain", block).stdout
    assert "blackhole.accept" in lab["node3"].bgpctl("explain", f"{host}/32").stdout
