"""The cluster key by key: faults, what changes, whole lists, both layouts, and what file and etcd say together."""

import json
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.addresses import format_address, parse_address
from bgpd.config import ResolvedPeer, diff
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.process import LogLevel
from bgpd.datastore.calico import Cluster, prefixes
from bgpd.datastore.calico.merge import hashed_identifier
from bgpd.identity import format_identifier, parse_identifier
from tests.support.calico import RESOURCES, Etcd, Files, document, key, local
from tests.support.calico_examples import FLAT, GOLDEN


def test_the_documents_of_a_cluster_make_one_configuration() -> None:
    cluster = Cluster("worker-3")
    assert cluster.replace({name: json.dumps(value).encode() for name, value in GOLDEN.items()}) == ()
    secrets = Files(**{"bgp-secrets__tor": "s3cret"})
    found = cluster.resolve(local(name="worker-3"), secrets)
    node, (tor,) = found.resolved.node, found.resolved.peers
    assert (found.is_waiting, found.problems, found.notices) == ("", (), ())
    assert (node.asn, node.cluster_id, node.port) == (64600, parse_identifier("244.0.0.1"), 179)
    assert node.addresses == ((parse_address("172.18.4.13"), 20), (parse_address("fd10:4::13"), 64))
    assert format_identifier(node.identifier) == "172.18.4.13"
    assert (tor.name, tor.password, tor.keepalive_time) == ("Node_172_18_0_1_port_1179", "s3cret", 10)
    assert [policy.name for policy in found.resolved.policies] == [
        "filter only-pods import", "filter only-pods export", "cluster export",
    ]  # fmt: skip
    assert found.resolved.pools[0].ipip is IpipMode.CROSS_SUBNET
    assert len(found.resolved.networks) == 4  # our block, three ranges
    assert found.resolved.origins is None  # no other node has blocks


def test_a_node_that_is_not_there_yet_is_waited_for() -> None:
    etcd = Etcd()
    found = etcd.config()
    assert found.is_waiting == "etcd has no node w1 yet"
    assert (found.resolved.peers, found.resolved.networks) == ((), ())
    etcd.node("w2", "10.0.0.2/24")
    etcd.block("10.65.3.64/26")
    assert etcd.config().is_waiting
    assert etcd.config().resolved.networks == ()
    etcd.node("w1", "10.0.0.1/24")
    found = etcd.config()
    assert not found.is_waiting
    assert [peer.name for peer in found.resolved.peers] == ["Mesh_10_0_0_2"]
    etcd.cluster.delete(key("nodes", "w1"))
    assert etcd.config().is_waiting


def test_a_node_without_bgp_takes_no_part_and_that_is_said() -> None:
    etcd = Etcd()
    etcd.put(key("nodes", "w1"), document({}))
    etcd.node("w2", "10.0.0.2/24")
    found = etcd.config()
    assert (found.is_waiting, found.resolved.peers) == ("", ())
    assert any("no spec.bgp" in notice for notice in found.notices)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (key("nodes", "w2"), b""),
        (key("nodes", "w2"), b"hunter2"),
        (key("nodes", "w2"), b'"hunter2"'),
        (key("nodes", "w2"), b"\xff\xfe"),
        (key("nodes", "w2"), b"[" * 100_000),
        (key("nodes", "w2"), document({"bgp": {"ipv4Address": "hunter2"}})),
        (key("nodes", "w2"), document({"bgp": {"ipv4Address": 7}})),
        (key("nodes", "w2"), document({"bgp": {"asNumber": "hunter2"}})),
        (key("nodes", "w2"), document({"bgp": {"routeReflectorClusterID": "hunter2"}})),
        (key("bgpconfigurations", "default"), document({"listenPort": 65536})),
        (key("bgpconfigurations", "default"), document({"nodeMeshMaxRestartTime": "hunter2"})),
        (key("bgpconfigurations", "default"), document({"nodeMeshPassword": {"secretKeyRef": {"name": "hunter2"}}})),
        (key("bgpconfigurations", "default"), document({"serviceClusterIPs": [{"cidr": "hunter2"}]})),
        (key("bgppeers", "p"), document({})),
        (key("bgppeers", "p"), document({"peerIP": "hunter2"})),
        (key("bgppeers", "p"), document({"peerIP": "10.0.0.1", "peerSelector": "all()"})),
        (key("bgppeers", "p"), document({"peerSelector": "all()", "asNumber": 64512})),
        (key("bgppeers", "p"), document({"peerIP": "10.0.0.1", "node": "a", "nodeSelector": "all()"})),
        (key("bgppeers", "p"), document({"peerIP": "10.0.0.1", "ttlSecurity": 255})),
        (key("ippools", "p"), document({"cidr": "hunter2"})),
        (key("ippools", "p"), document({})),
        ("/calico/ipam/v2/host/w1/ipv4/block/hunter2-26", b""),
        ("/calico/ipam/v2/host/w1/ipv4/block/10.65.3.64-26", b"hunter2"),
        ("/calico/bgp/v1/global/custom_filters/v4/f", b"hunter2"),
        ("/calico/bgp/v1/global/as_num", b"hunter2"),
        ("/calico/bgp/v1/global/node_mesh", b"hunter2"),
        ("/calico/bgp/v1/host/w2/ip_addr_v4", b"hunter2"),
        ("/calico/bgp/v1/host/w2/peer_v4/10.0.0.1", b'{"ip":"hunter2"}'),
        ("/calico/v1/ipam/v4/pool/10.65.0.0-16", b'{"cidr":"hunter2"}'),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_key_and_never_shown(name: str, value: bytes) -> None:
    cluster = Cluster("w1")
    problem = cluster.put(name, value)
    assert problem is not None
    assert problem.key == name
    assert "hunter2" not in problem.why
    assert problem in cluster.resolve(local(), Files()).problems
    cluster.delete(name)
    assert cluster.resolve(local(), Files()).problems == ()


def test_the_last_good_value_of_a_key_stays() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w2", "10.0.0.2/24")
    before = etcd.config()
    assert etcd.cluster.put(key("nodes", "w2"), b"{") is not None
    after = etcd.config()
    assert after.resolved == before.resolved
    assert [problem.key for problem in after.problems] == [key("nodes", "w2")]
    etcd.node("w2", "10.0.0.3/24")
    assert etcd.config().problems == ()
    assert list(etcd.peers()) == ["Mesh_10_0_0_3"]


def test_a_whole_list_takes_away_what_is_not_in_it() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w2", "10.0.0.2/24")
    etcd.block("10.65.3.64/26")
    etcd.pool("p", "10.65.0.0/16")
    problems = etcd.cluster.replace(
        {key("nodes", "w1"): document({"bgp": {"ipv4Address": "10.0.0.1/24"}}), key("ippools", "p"): b"{"}
    )
    assert [problem.key for problem in problems] == [key("ippools", "p")]
    found = etcd.config().resolved
    assert (found.peers, found.networks) == ((), ())
    assert len(found.pools) == 1  # its last good value


def test_a_list_that_repeats_a_value_repeats_its_fault() -> None:
    cluster = Cluster("w1")
    snapshot = {key("nodes", "w1"): document({"bgp": {"ipv4Address": "10.0.0.1/24"}}), key("ippools", "p"): b"{"}
    first = cluster.replace(snapshot)
    assert cluster.replace(snapshot) == first != ()
    assert cluster.replace({key("nodes", "w1"): b"{", key("ippools", "p"): b"{"})[0].key == key("nodes", "w1")
    assert not cluster.resolve(local(), Files()).is_waiting
    assert cluster.replace({}) == ()
    assert cluster.replace(snapshot) == first


def test_keys_that_do_not_concern_us_are_passed_over() -> None:
    cluster = Cluster("w1")
    for name in (
        "/other/x", "/calico/felix/v1/x", f"{RESOURCES}networkpolicies/ns/x", "/calico/ipam/v2/handle/h1",
        "/calico/ipam/v2/host/w1/ipv4/block", "/calico/ipam/v2/virtual/x/ipv4/block/10.0.0.0-26",
        "/calico/v1/host/w1/x", "/calico/bgp/v1/global/unknown", f"{RESOURCES}nodes/",
    ):  # fmt: skip
        assert cluster.put(name, b"\xff") is None
        cluster.delete(name)


def test_every_key_that_is_understood_is_among_those_that_are_watched() -> None:
    names = [
        *GOLDEN, "/calico/bgp/v1/global/as_num", "/calico/bgp/v1/rr_v4/10.0.0.9", "/calico/v1/ipam/v4/pool/10.0.0.0-8",
        "/calico/v1/config/bgp_node_mesh", "/calico/v1/host/worker-3/bgp_peer_v4/10.0.0.9",
    ]  # fmt: skip
    unwatched = {key("clusterinformations", "default"), "/calico/ipam/v2/config"}
    assert {name for name in names if not name.startswith(prefixes("worker-3"))} == unwatched
    assert all(one.startswith("/elsewhere/") for one in prefixes("w1", "/elsewhere"))


def test_another_root_is_followed() -> None:
    cluster = Cluster("w1", "/elsewhere/")
    name = key("nodes", "w1")
    cluster.put(name, document({"bgp": {"ipv4Address": "10.0.0.1/24"}}))
    assert cluster.resolve(local(), Files()).is_waiting
    cluster.put(name.replace("/calico", "/elsewhere"), document({"bgp": {"ipv4Address": "10.0.0.1/24"}}))
    assert not cluster.resolve(local(), Files()).is_waiting


def test_settings_of_strange_names_are_not_used() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.settings("extra", asNumber=1)
    found = etcd.config()
    assert found.resolved.node.asn == 64512
    assert any(notice.startswith("BGPConfiguration extra: not used") for notice in found.notices)


def test_of_a_nodes_own_settings_only_some_count() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w2", "10.0.0.2/24")
    etcd.settings("node.w1", asNumber=1, nodeToNodeMeshEnabled=False, listenPort=1179, logSeverityScreen="Debug")
    found = etcd.config().resolved
    assert (found.node.asn, found.node.port, len(found.peers)) == (64512, 1179, 1)
    assert found.log.level is LogLevel.DEBUG


@pytest.mark.parametrize(
    ("word", "level"),
    [("Info", "info"), ("Debug", "debug"), ("Warning", "error"), ("Fatal", "error"), ("strange", "error")],
)
def test_bgp_knows_debug_info_and_quiet(word: str, level: str) -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.settings(logSeverityScreen=word)
    assert etcd.config().resolved.log.level == level


def test_bind_mode_node_ip_listens_on_the_nodes_addresses_alone() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24", "fd00::1/64")
    etcd.settings(bindMode="NodeIP")
    assert list(map(format_address, etcd.config().resolved.node.listen)) == ["10.0.0.1", "fd00::1"]


def test_what_file_and_etcd_say_otherwise_of_the_node_is_named_and_etcd_is_used() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24", asNumber=64600, routeReflectorClusterID="244.0.0.1")
    etcd.settings(listenPort=1179)
    written = 'asn = 64512\naddresses = ["10.0.0.9/24"]\ncluster_id = "1.1.1.1"\nport = 1180\nrouter_id = "9.9.9.9"'
    found = etcd.config(local(node=written))
    node = found.resolved.node
    assert [problem.key for problem in found.problems] == [
        "node.asn", "node.addresses", "node.cluster_id", "node.port",
    ]  # fmt: skip
    assert (node.asn, node.port, format_identifier(node.identifier)) == (64600, 1179, "9.9.9.9")
    assert node.addresses == ((parse_address("10.0.0.1"), 24),)
    assert {str(problem) for problem in found.problems} <= set(found.notices)


def test_what_both_say_alike_is_no_conflict() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    assert etcd.config(local(node='asn = 64512\naddresses = ["10.0.0.1/24", "fd00::1/64"]')).problems == ()


def test_a_peer_of_the_file_comes_before_the_clusters_at_the_same_address() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w2", "10.0.0.2/24")
    etcd.peer("tor", peerIP="172.18.0.1", asNumber=65020)
    text = '[[peer]]\nname = "mine"\naddress = "172.18.0.1"\nasn = 65021\n'
    text += '[[peer]]\naddress = "10.0.0.2"\nasn = "internal"\n'
    found = etcd.config(local(text))
    assert [peer.name for peer in found.resolved.peers] == ["mine", "10.0.0.2"]
    assert [problem.key for problem in found.problems] == ["peer mine", "peer 10.0.0.2"]


def test_the_mesh_can_be_left_by_the_file() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w2", "10.0.0.2/24")
    found = etcd.config(local("[mesh]\nenabled = false\n"))
    assert found.resolved.peers == ()
    assert any("mesh.enabled" in notice for notice in found.notices)


def test_a_node_without_ipv4_gets_its_identifier_from_its_name() -> None:
    etcd = Etcd()
    etcd.node("w1", ipv6="fd00::1/64")
    found = etcd.config()
    assert found.resolved.node.identifier == hashed_identifier("w1")
    assert any("node.router_id" in notice for notice in found.notices)


@pytest.mark.parametrize("name", ["w1", "worker-3", *map(str, range(20))])
def test_the_identifier_of_a_name_is_calicos(name: str) -> None:
    first, *rest = sha256(name.encode()).digest()[:4]
    octets = (first - 32 if first > 223 else first, *rest)
    assert format_identifier(hashed_identifier(name)) == ".".join(map(str, octets))


def test_two_nodes_with_one_address_are_told() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.node("w3", "10.0.0.2/24")
    etcd.node("w2", "10.0.0.2/24")
    found = etcd.config()
    assert "nodes w2 and w3 have the same address 10.0.0.2" in found.notices
    assert [peer.name for peer in found.resolved.peers] == ["Mesh_10_0_0_2"]


def by_name(peers: tuple[ResolvedPeer, ...]) -> dict[str, tuple[int | None, int]]:
    return {peer.name: (peer.asn, peer.port) for peer in peers}


def test_the_flat_layout_makes_the_same_configuration() -> None:
    cluster = Cluster("w1")
    assert cluster.replace(FLAT) == ()
    found = cluster.resolve(local(), Files())
    assert (found.is_waiting, found.problems, found.notices) == ("", (), ())
    assert by_name(found.resolved.peers) == {
        "Global_172_18_0_1": (65020, 179),
        "Mesh_172_18_4_20": (64600, 1179),
        "Node_172_18_0_2": (65021, 179),
        "Node_172_18_0_3_port_1179": (65022, 1179),
    }
    assert found.resolved.node.addresses == ((parse_address("172.18.4.13"), 20),)
    assert [pool.ipip for pool in found.resolved.pools] == [IpipMode.CROSS_SUBNET, IpipMode.ALWAYS, IpipMode.NEVER]
    assert found.resolved.log.level is LogLevel.DEBUG
    assert len(found.resolved.networks) == 1


def test_flat_keys_go_and_come_one_by_one() -> None:
    cluster = Cluster("w1")
    cluster.replace(FLAT)
    cluster.put("/calico/bgp/v1/global/node_mesh", b'{"enabled":false}')
    cluster.delete("/calico/bgp/v1/global/peer_v4/172.18.0.1")
    found = cluster.resolve(local(), Files()).resolved
    assert list(by_name(found.peers)) == ["Node_172_18_0_2", "Node_172_18_0_3_port_1179"]
    cluster.delete("/calico/bgp/v1/host/w1/ip_addr_v4")
    cluster.delete("/calico/bgp/v1/host/w1/ip_addr_v6")
    assert cluster.resolve(local(), Files()).is_waiting
    for name in FLAT:
        cluster.delete(name)
    assert cluster.resolve(local(), Files()).resolved.pools == ()


def test_an_empty_as_number_is_none() -> None:
    cluster = Cluster("w1")
    cluster.replace(FLAT)
    cluster.put("/calico/bgp/v1/host/w2/as_num", b"")
    assert by_name(cluster.resolve(local(), Files()).resolved.peers)["Mesh_172_18_4_20"] == (64512, 1179)


def test_keys_older_than_the_flat_layout_are_read_too() -> None:
    cluster = Cluster("w1")
    cluster.replace(FLAT)
    cluster.put("/calico/v1/config/bgp_node_mesh", b'{"enabled":false}')
    cluster.put("/calico/v1/config/bgp_peer_v4/172.18.0.7", b'{"ip":"172.18.0.7","as_num":"65027"}')
    cluster.put("/calico/v1/host/w1/bgp_peer_v4/172.18.0.8", b'{"ip":"172.18.0.8","as_num":"65028"}')
    names = by_name(cluster.resolve(local(), Files()).resolved.peers)
    assert {"Global_172_18_0_7", "Node_172_18_0_8"} <= names.keys()
    assert "Mesh_172_18_4_20" not in names


def test_where_both_layouts_are_there_the_resources_count_and_that_is_said() -> None:
    etcd = Etcd()
    etcd.cluster.replace(FLAT)
    etcd.node("w2", "172.18.4.21/20")
    etcd.pool("pods", "10.65.0.0/16")
    etcd.settings(asNumber=64513)
    found = etcd.config()
    assert any("both layouts" in notice for notice in found.notices)
    peers = by_name(found.resolved.peers)
    assert peers["Mesh_172_18_4_21"] == (64513, 1179)
    assert "Mesh_172_18_4_20" not in peers
    assert found.resolved.pools[0].ipip is IpipMode.NEVER
    assert found.resolved.node.asn == 64513


def test_a_stand_alone_reflector_of_our_own_cluster_is_no_client() -> None:
    etcd = Etcd("rr")
    etcd.cluster.replace(FLAT)
    etcd.put("/calico/bgp/v1/rr_v4/172.18.0.50", b'{"ip":"172.18.0.50","cluster_id":"244.0.0.1"}')
    etcd.put("/calico/bgp/v1/host/rr/peer_v4/172.18.0.50", b'{"ip":"172.18.0.50","as_num":"64512"}')
    etcd.put("/calico/bgp/v1/host/rr/peer_v4/172.18.0.51", b'{"ip":"172.18.0.51","as_num":"64512"}')
    peers = etcd.peers()
    assert not peers["Node_172_18_0_50"].reflector_client
    assert peers["Node_172_18_0_51"].reflector_client


def test_what_has_not_changed_is_the_same_object_and_diff_finds_what_has() -> None:
    etcd = Etcd()
    for number in range(1, 20):
        etcd.node(f"w{number}", f"10.0.0.{number}/24")
    before = etcd.config().resolved
    etcd.node("w5", "10.0.0.5/24", asNumber=65005)
    after = etcd.config().resolved
    same = {id(peer) for peer in before.peers} & {id(peer) for peer in after.peers}
    assert len(same) == 17
    changes = diff(before, after)
    assert [change.new.name for change in changes.peers_changed] == ["Mesh_10_0_0_5"]
    assert (changes.peers_added, changes.peers_removed, changes.node, changes.policies) == ((), (), (), ())
    assert not changes.pools


OPERATIONS = st.lists(st.integers(0, 10_000), max_size=40)


@settings(max_examples=60, deadline=None)
@given(OPERATIONS)
def test_key_by_key_or_as_a_whole_list_is_the_same(numbers: list[int]) -> None:
    etcd, now = Etcd(), dict[str, bytes]()

    def check() -> None:
        fresh = Cluster("w1")
        fresh.replace(now)
        one, other = etcd.config(), fresh.resolve(local(), Files())
        assert one == other

    for number in numbers:
        random = Random(number)
        name, value = _random_key(random)
        if random.random() < 0.3:
            now.pop(name, None)
            etcd.cluster.delete(name)
        else:
            now[name] = value
            etcd.put(name, value)
        if random.random() < 0.2:
            etcd.config()
    check()


def _random_key(random: Random) -> tuple[str, bytes]:
    number = random.randint(1, 4)
    labels = {"rr": "true"} if random.random() < 0.3 else {}
    match random.randint(0, 8):
        case 0 | 1:
            bgp: dict[str, object] = {"ipv4Address": f"10.0.0.{random.randint(1, 5)}/24"}
            if random.random() < 0.3:
                bgp["routeReflectorClusterID"] = f"244.0.0.{number}"
            return key("nodes", f"w{number}"), document({"bgp": bgp}, labels)
        case 2:
            spec: dict[str, object] = {"nodeSelector": "!has(rr)", "peerSelector": "has(rr)", "filters": ["f1"]}
            return key("bgppeers", f"p{number}"), document(spec)
        case 3:
            return key("bgppeers", f"p{number}"), document({"peerIP": f"10.0.0.{number}", "filters": ["f2"]})
        case 4:
            rules = [{"action": random.choice(["Accept", "Reject"])}]
            return key("bgpfilters", f"f{number}"), document({random.choice(["importV4", "exportV4"]): rules})
        case 5:
            return key("ippools", f"p{number}"), document({"cidr": f"10.{60 + number}.0.0/16"})
        case 6:
            return key("bgpconfigurations", random.choice(["default", "node.w2"])), document(
                {"listenPort": 1000 + number, "asNumber": 64512 + number}
            )
        case 7:
            where = f"/calico/ipam/v2/host/w{random.randint(1, 3)}/ipv4/block/10.65.{number}.0-26"
            return where, random.choice([b"", b'{"state":"pending"}', b'{"state":"pendingDeletion"}'])
        case _:
            attributes = [{"secondary": {"node": f"w{random.randint(1, 4)}"}}]
            block = {"affinity": "host:w1", "allocations": [None, 0], "attributes": attributes}
            return f"/calico/ipam/v2/assignment/ipv4/block/10.65.{number}.0-26", json.dumps(block).encode()
