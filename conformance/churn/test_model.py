"""The model that the cluster is held against: a few clusters whose sessions and routes anybody can work out by hand."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from conformance.churn import keys, routes, sessions
from conformance.churn.checks import reset_faults
from conformance.churn.keys import Json, Network
from conformance.churn.routes import Expected, KernelRoute
from conformance.churn.world import World, read

BLOCKS = {name: ip_network(f"10.65.{number}.0/26") for number, name in enumerate(("a", "b", "c"), 1)}
ADDRESSES = {name: ip_address(f"172.30.0.{number}") for number, name in enumerate(("a", "b", "c"), 1)}


def cluster(**bgp: Mapping[str, Json]) -> dict[str, str]:
    """Return the keys of three nodes with a block each; bgp: what a node has besides its address."""
    contents = {
        keys.resource_key("ippools", "pods"): keys.resource("ippools", "pods", {"cidr": "10.65.0.0/16"}),
    }
    for name, address in ADDRESSES.items():
        spec: dict[str, Json] = {"bgp": {"ipv4Address": f"{address}/16", **bgp.get(name, {})}}
        labels = {"name": name} | ({"rr": ""} if name in bgp else {})
        contents[keys.resource_key("nodes", name)] = keys.resource("nodes", name, spec, labels)
        contents[keys.affinity_key(name, BLOCKS[name])] = keys.affinity("confirmed")
    return contents


def put(contents: dict[str, str], plural: str, name: str, **spec: Json) -> None:
    contents[keys.resource_key(plural, name)] = keys.resource(plural, name, spec)


def reflected() -> dict[str, str]:
    """Return the keys of a cluster in which c reflects, and nothing else connects the others."""
    contents = cluster(c={"routeReflectorClusterID": "244.0.0.1"})
    put(contents, "bgpconfigurations", "default", nodeToNodeMeshEnabled=False)
    put(contents, "bgppeers", "reflectors", nodeSelector="!has(rr)", peerSelector="has(rr)")
    return contents


def up(world: World) -> dict[str, sessions.Sessions]:
    return sessions.up(world, sessions.wanted(world), world.nodes)


def due(contents: dict[str, str], containers: Mapping[str, list[Network]] | None = None) -> Expected:
    world = read(contents)
    return routes.expected(world, up(world), containers or {})


def pairs(world: World) -> set[str]:
    """Return the sessions that are up, as pairs of names."""
    names = {address: name for name, address in ADDRESSES.items()}
    return {name + names[address] for name, found in up(world).items() for address in found}


def reached(expected: Expected, name: str) -> dict[str, str]:
    """Return where a node's kernel sends what."""
    return {str(one.prefix): f"{one.gateway} {one.device}" for one in expected.kernel[name]}


def test_a_mesh_has_all_sessions_and_every_kernel_every_block() -> None:
    assert pairs(read(cluster())) == {"ab", "ac", "ba", "bc", "ca", "cb"}
    assert reached(due(cluster()), "a") == {
        "10.65.1.0/26": "None ",
        "10.65.2.0/26": "172.30.0.2 eth0",
        "10.65.3.0/26": "172.30.0.3 eth0",
    }


def test_a_reflector_takes_no_part_in_the_mesh_and_passes_on_what_clients_have() -> None:
    contents = cluster(c={"routeReflectorClusterID": "244.0.0.1"})
    assert pairs(read(contents)) == {"ab", "ba"}
    contents = reflected()
    assert pairs(read(contents)) == {"ac", "bc", "ca", "cb"}
    assert reached(due(contents), "a")["10.65.2.0/26"] == "172.30.0.2 eth0"
    (session,) = up(read(contents))["a"].values()
    assert due(contents).announced["a"] == {session.address: frozenset({BLOCKS["a"]})}


def test_a_peer_of_one_end_alone_is_no_session() -> None:
    contents = reflected()
    put(contents, "bgppeers", "reflectors", nodeSelector="!has(rr)", peerSelector="has(rr)", reversePeering="Manual")
    assert pairs(read(contents)) == set()


def test_containers_are_announced_alone_where_their_block_is_not_the_nodes() -> None:
    own, borrowed, outside = (ip_network(text) for text in ("10.65.1.7/32", "10.65.2.7/32", "10.99.0.7/32"))
    contents = cluster()
    contents[keys.block_key(BLOCKS["b"])] = keys.block(BLOCKS["b"], "b", {7: "a"})
    found = due(contents, {"a": [own, borrowed, outside]})
    assert set(found.announced["a"][ADDRESSES["b"]]) == {BLOCKS["a"], borrowed}
    assert reached(found, "c")[str(borrowed)] == "172.30.0.1 eth0"
    assert KernelRoute(borrowed, ADDRESSES["a"], "eth0") in found.kernel["b"]
    contents[keys.affinity_key("a", BLOCKS["a"])] = keys.affinity("pendingDeletion")
    assert set(due(contents, {"a": [own]}).announced["a"][ADDRESSES["b"]]) == {own}


def test_nobody_takes_an_address_from_a_node_that_does_not_hold_it() -> None:
    found = due(cluster(), {"a": [ip_network("10.65.2.7/32")]})
    assert "10.65.2.7/32" not in reached(found, "c")


def test_pools_say_what_leaves_and_how_it_is_reached() -> None:
    contents = cluster()
    put(contents, "ippools", "pods", cidr="10.65.0.0/16", disableBGPExport=True)
    assert set(reached(due(contents), "a")) == {"10.65.1.0/26"}
    put(contents, "ippools", "pods", cidr="10.65.0.0/16", ipipMode="Always")
    assert reached(due(contents), "a")["10.65.2.0/26"] == "172.30.0.2 tunl0"
    put(contents, "ippools", "pods", cidr="10.65.0.0/16", ipipMode="CrossSubnet")
    assert reached(due(contents), "a")["10.65.2.0/26"] == "172.30.0.2 eth0"
    put(contents, "nodes", "a", bgp={"ipv4Address": f"{ADDRESSES['a']}/32"})
    assert reached(due(contents), "a")["10.65.2.0/26"] == "172.30.0.2 tunl0"
    put(contents, "ippools", "pods", cidr="10.65.0.0/16", vxlanMode="Always")
    assert reached(due(contents), "a") == {}


def test_filters_come_first_and_their_first_rule_that_fits_decides() -> None:
    contents = reflected()
    put(
        contents, "bgppeers", "reflectors",
        nodeSelector="!has(rr)", peerSelector="has(rr)", filters=["none", "not-b"],
    )  # fmt: skip
    rules: list[Json] = [
        {"cidr": "10.65.2.0/24", "matchOperator": "In", "action": "Reject", "source": "RemotePeers"},
        {"cidr": "10.65.0.0/16", "matchOperator": "In", "prefixLength": {"min": 32}, "action": "Accept"},
    ]
    put(contents, "bgpfilters", "not-b", exportV4=rules)
    found = due(contents, {"a": [ip_network("10.65.1.7/32")]})
    assert set(reached(found, "a")) == {"10.65.1.0/26", "10.65.3.0/26"}
    assert "10.65.2.0/26" in reached(found, "c")
    assert "10.65.1.7/32" in reached(found, "b")


def test_a_session_that_began_anew_is_a_fault_unless_it_was_touched() -> None:
    a, b, c = ADDRESSES.values()
    before, after = {(a, b): 10.0, (a, c): 10.0, (b, c): 10.0}, {(a, b): 15.0, (a, c): 10.1}
    assert reset_faults(before, after, ()) == [f"session {a} to {b} was reset and need not have been"]
    assert reset_faults(before, after, {(a, b)}) == []
