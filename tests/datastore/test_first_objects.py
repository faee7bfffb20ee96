"""What the first node of a cluster writes, and that it never touches what is there."""

import json

import pytest

from bgpd.datastore.first_objects import make_cluster_information, make_default_pools
from bgpd.datastore.object_store import ObjectStore
from bgpd.datastore.resources.shapes import Document
from bgpd.datastore.resources.writing import Birth, Verb
from tests.support.key_store import Memory, once
from tests.support.resources import NODE, changed, object_of

BIRTH = Birth("u", "2026-01-05T10:00:00Z")
RESOURCES = "/calico/resources/v3/projectcalico.org"
INFORMATION = f"{RESOURCES}/clusterinformations/default"
V4 = f"{RESOURCES}/ippools/default-ipv4-ippool"
V6 = f"{RESOURCES}/ippools/default-ipv6-ippool"
ULA = "fd12:3456:789a::/48"


def host(**bgp: str) -> Document:
    """Return the spec of a node with these addresses."""
    return {"bgp": {**bgp}}


async def pools(memory: Memory, node: Document) -> tuple[list[str], list[str]]:
    return await make_default_pools(memory, "/calico", node, BIRTH, ULA)


async def test_a_new_cluster_gets_its_information_once() -> None:
    memory = Memory()
    assert await make_cluster_information(memory, "/calico", BIRTH, "0123")
    first = memory.values[INFORMATION]
    assert json.loads(first.value)["spec"] == {"clusterGUID": "0123", "clusterType": "bgp", "datastoreReady": True}
    assert not await make_cluster_information(memory, "/calico", BIRTH, "4567")
    assert memory.values == {INFORMATION: first}


@pytest.mark.parametrize("stored", [b'{"spec":{"datastoreReady":false}}', b"{nonsense", b""])
async def test_an_information_that_is_there_stays(stored: bytes) -> None:
    memory = Memory()
    memory.put(INFORMATION, stored)
    assert not await make_cluster_information(memory, "/calico", BIRTH, "0123")
    assert memory.values[INFORMATION].value == stored


async def test_an_information_that_another_node_writes_meanwhile_stays() -> None:
    memory = Memory(once(INFORMATION, b"{}"))
    assert not await make_cluster_information(memory, "/calico", BIRTH, "0123")
    assert memory.values[INFORMATION].value == b"{}"


async def test_a_cluster_without_pools_gets_one_for_each_family_of_the_node() -> None:
    memory = Memory()
    made, reasons = await pools(memory, host(ipv4Address="10.0.0.1/24", ipv6Address="fd00::1/64"))
    assert made == ["IPPool default-ipv4-ippool 192.168.0.0/16", f"IPPool default-ipv6-ippool {ULA}"]
    assert reasons == []
    four, six = (json.loads(memory.values[key].value)["spec"] for key in (V4, V6))
    assert (four["cidr"], four["blockSize"], four["ipipMode"], four["natOutgoing"]) == (
        "192.168.0.0/16", 26, "Never", True,
    )  # fmt: skip
    assert (six["cidr"], six["blockSize"], six["natOutgoing"]) == (ULA, 122, False)


async def test_a_node_without_ipv6_makes_no_pool_for_it() -> None:
    memory = Memory()
    await pools(memory, host(ipv4Address="10.0.0.1/24"))
    assert list(memory.values) == [V4]
    await pools(memory, host(ipv4Address="10.0.0.1/24"))
    assert memory.revision == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{RESOURCES}/ippools/mine", b'{"spec":{"cidr":"10.65.0.0/16"}}'),
        (f"{RESOURCES}/ippools/mine", b'{"spec":{"cidr":"10.65.0.0/16","disabled":true}}'),
        (f"{RESOURCES}/ippools/mine", b'{"spec":{"cidr":"nonsense"}}'),
        (f"{RESOURCES}/ippools/mine", b"{nonsense"),
        ("/calico/v1/ipam/v4/pool/10.65.0.0-16", b"{}"),
    ],
)
async def test_where_there_is_a_pool_none_is_made_and_it_stays(key: str, value: bytes) -> None:
    memory = Memory()
    memory.put(key, value)
    assert await pools(memory, host(ipv4Address="10.0.0.1/24")) == ([], [])
    assert {key: entry.value for key, entry in memory.values.items()} == {key: value}


async def test_a_pool_of_the_other_family_is_none_of_this() -> None:
    memory = Memory()
    memory.put(f"{RESOURCES}/ippools/six", b'{"spec":{"cidr":"fd00::/48"}}')
    await pools(memory, host(ipv4Address="10.0.0.1/24", ipv6Address="fd01::1/64"))
    assert set(memory.values) == {f"{RESOURCES}/ippools/six", V4}


async def test_of_two_first_nodes_one_makes_the_pool() -> None:
    other = b'{"spec":{"cidr":"10.65.0.0/16","ipipMode":"Always"}}'
    memory = Memory(once(V4, other))
    assert await pools(memory, host(ipv4Address="10.0.0.1/24")) == ([], [])
    assert memory.values[V4].value == other


async def test_no_pool_is_made_over_the_addresses_of_hosts() -> None:
    memory = Memory()
    node = changed(NODE, {"spec.bgp.ipv4Address": "192.168.7.9/24"})
    await ObjectStore(memory, "/calico").write(object_of(node), Verb.CREATE, BIRTH)
    before = dict(memory.values)
    made, reasons = await pools(memory, host(ipv4Address="10.0.0.1/24"))
    assert made == []
    assert reasons == [
        "192.168.0.0/16 has the address of node worker-3, 192.168.7.9: create one of another range",
    ]
    assert memory.values == before


async def test_no_pool_is_made_over_blocks_of_another_size() -> None:
    memory = Memory()
    memory.put("/calico/ipam/v2/assignment/ipv4/block/192.168.1.0-24", b"{}")
    made, reasons = await pools(memory, host(ipv4Address="10.0.0.1/24"))
    assert (made, "spec.blockSize" in reasons[0]) == ([], True)
