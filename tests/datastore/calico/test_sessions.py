"""Which sessions a node has: mesh, global, node and reverse peers, who dials, ports, AS numbers, clients."""

import pytest

from bgpd.addresses import format_address
from bgpd.config.tables.peer import NextHopMode
from bgpd.config.tables.session import AddPathDirection
from bgpd.datastore.calico.sessions import SessionKind, session_name
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import parse_identifier
from tests.support.calico import Etcd, Files, document, key, local

OTHER_CLUSTER = "244.0.0.9"


def mesh_of(*nodes: tuple[str, str], me: str = "w1", own: str = "10.0.0.1/24") -> Etcd:
    etcd = Etcd(me)
    etcd.node(me, own)
    for name, ipv4 in nodes:
        etcd.node(name, ipv4)
    return etcd


@pytest.mark.parametrize(
    ("kind", "text", "port", "name"),
    [
        (SessionKind.MESH, "172.18.4.20", None, "Mesh_172_18_4_20"),
        (SessionKind.GLOBAL, "172.18.0.1", 1179, "Global_172_18_0_1_port_1179"),
        (SessionKind.NODE, "fd10:4::13", None, "Node_fd10_4__13"),
    ],
)
def test_a_session_is_named_by_its_type_and_address(kind: SessionKind, text: str, port: int | None, name: str) -> None:
    assert session_name(kind, text, port) == name


def test_the_mesh_has_every_other_node_in_each_family_over_that_family() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24", "fd00::1/64")
    etcd.node("w2", "10.0.0.2/24", "fd00::2/64")
    etcd.node("w3", "10.0.0.3/24")
    etcd.node("w4", "", "fd00::4/64")
    peers = etcd.peers()
    assert list(peers) == sorted(["Mesh_10_0_0_2", "Mesh_10_0_0_3", "Mesh_fd00__2", "Mesh_fd00__4"])
    assert peers["Mesh_10_0_0_2"].families == (IPV4_UNICAST,)
    assert peers["Mesh_fd00__2"].families == (IPV6_UNICAST,)


def test_a_mesh_session_has_calicos_options() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    etcd.settings(nodeMeshMaxRestartTime="2m30s")
    peer = etcd.peers()["Mesh_10_0_0_2"]
    assert (peer.asn, peer.local_asn, peer.peer_type) == (64512, 64512, "internal")
    assert (peer.multihop_ttl, peer.ttl_security) == (64, 0)
    assert format_address(peer.local_address or b"") == "10.0.0.1"
    assert peer.restart_time == 150
    assert peer.add_path is AddPathDirection.BOTH
    assert not peer.ebgp_requires_policy
    assert (peer.imports, peer.exports) == ((), ("cluster export",))


def test_the_mesh_can_be_switched_off() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    etcd.settings(nodeToNodeMeshEnabled=False)
    assert etcd.peers() == {}
    etcd.settings(nodeToNodeMeshEnabled=True)
    assert list(etcd.peers()) == ["Mesh_10_0_0_2"]


def test_reflectors_are_in_nobodys_mesh() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    etcd.node("rr", "10.0.0.9/24", routeReflectorClusterID="244.0.0.1")
    assert list(etcd.peers()) == ["Mesh_10_0_0_2"]
    etcd.node("w1", "10.0.0.1/24", routeReflectorClusterID="244.0.0.2")
    assert etcd.peers() == {}


def test_nodes_without_bgp_and_our_own_address_are_passed_over() -> None:
    etcd = mesh_of(("twin", "10.0.0.1/24"), ("w2", "10.0.0.2/24"))
    etcd.put(key("nodes", "policy-only"), document({}))
    assert list(etcd.peers()) == ["Mesh_10_0_0_2"]


@pytest.mark.parametrize(
    ("own", "other", "is_passive"),
    [
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.2", "10.0.0.1", False),
        ("10.0.0.10", "10.0.0.2", True),  # as text, 10.0.0.2 sorts after 10.0.0.10
        ("10.0.0.2", "10.0.0.10", False),
        ("9.0.0.1", "10.0.0.1", False),
    ],
)
def test_the_end_whose_address_sorts_first_as_text_dials(own: str, other: str, is_passive: bool) -> None:
    etcd = mesh_of(("w2", f"{other}/8"), own=f"{own}/8")
    (peer,) = etcd.peers().values()
    assert peer.passive is is_passive


def test_canonical_text_is_compared_of_ipv6_too() -> None:
    etcd = Etcd()
    etcd.node("w1", ipv6="fd00:0:0::a/64")
    etcd.node("w2", ipv6="fd00::0009/64")
    etcd.node("w3", ipv6="fd00::b/64")
    peers = etcd.peers()
    assert {name: peer.passive for name, peer in peers.items()} == {"Mesh_fd00__9": False, "Mesh_fd00__b": True}


def test_nodes_of_another_as_are_in_the_mesh_by_ebgp() -> None:
    etcd = mesh_of()
    etcd.settings(asNumber=64600)
    etcd.node("w1", "10.0.0.1/24", asNumber="1.10")
    etcd.node("w2", "10.0.0.2/24")
    etcd.node("w3", "10.0.0.3/24", asNumber=65546)
    peers = etcd.peers()
    # a node without one has the cluster's AS number, not ours
    assert (peers["Mesh_10_0_0_2"].asn, peers["Mesh_10_0_0_2"].peer_type) == (64600, "external")
    assert (peers["Mesh_10_0_0_3"].asn, peers["Mesh_10_0_0_3"].peer_type) == (65546, "internal")
    assert peers["Mesh_10_0_0_2"].local_asn == 65546


def test_a_mesh_session_goes_to_the_port_that_the_node_listens_on() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), ("w3", "10.0.0.3/24"))
    assert {peer.port for peer in etcd.peers().values()} == {179}
    etcd.settings(listenPort=1179)
    etcd.settings("node.w3", listenPort=1180)
    peers = etcd.peers()
    assert {name: peer.port for name, peer in peers.items()} == {"Mesh_10_0_0_2": 1179, "Mesh_10_0_0_3": 1180}
    assert etcd.config().resolved.node.port == 1179


def test_a_peer_without_node_and_selector_is_everybodys() -> None:
    etcd = mesh_of()
    etcd.peer("tor", peerIP="172.18.0.1:1179", asNumber=65020)
    (peer,) = etcd.peers().values()
    assert (peer.name, peer.port, peer.asn, peer.peer_type) == ("Global_172_18_0_1_port_1179", 1179, 65020, "external")
    assert not peer.passive


def test_a_node_peer_is_for_the_named_or_selected_nodes() -> None:
    etcd = mesh_of()
    etcd.node("w1", "10.0.0.1/24", labels={"rack": "r2"})
    etcd.peer("mine", node="w1", peerIP="172.18.0.1", asNumber=65020)
    etcd.peer("others", node="w2", peerIP="172.18.0.2", asNumber=65020)
    etcd.peer("rack", nodeSelector="rack == 'r2'", peerIP="172.18.0.3", asNumber=65020)
    etcd.peer("other-rack", nodeSelector="rack == 'r1'", peerIP="172.18.0.4", asNumber=65020)
    assert list(etcd.peers()) == ["Node_172_18_0_1", "Node_172_18_0_3"]


def test_labels_that_change_move_a_selected_peer() -> None:
    etcd = mesh_of()
    etcd.peer("rack", nodeSelector="rack == 'r2'", peerIP="172.18.0.3", asNumber=65020)
    assert etcd.peers() == {}
    etcd.node("w1", "10.0.0.1/24", labels={"rack": "r2"})
    assert list(etcd.peers()) == ["Node_172_18_0_3"]
    etcd.node("w1", "10.0.0.1/24")
    assert etcd.peers() == {}


def test_an_unparsable_selector_matches_nothing_and_is_told() -> None:
    etcd = mesh_of()
    etcd.peer("bad", nodeSelector="rack = 'r2'", peerIP="172.18.0.3", asNumber=65020)
    found = etcd.config()
    assert found.resolved.peers == ()
    assert any("BGPPeer bad: nodeSelector: matches nothing" in notice for notice in found.notices)


def test_a_global_peer_comes_before_a_node_peer_of_the_same_address_and_port() -> None:
    etcd = mesh_of()
    etcd.peer("b", peerIP="172.18.0.1", asNumber=65020)
    etcd.peer("a", node="w1", peerIP="172.18.0.1", asNumber=65021)
    etcd.peer("c", node="w1", peerIP="172.18.0.1:1179", asNumber=65022)
    assert {name: peer.asn for name, peer in etcd.peers().items()} == {
        "Global_172_18_0_1": 65020,
        "Node_172_18_0_1_port_1179": 65022,
    }


def test_of_two_equal_peers_the_first_by_name_counts() -> None:
    etcd = mesh_of()
    etcd.peer("b", peerIP="172.18.0.1", asNumber=65021)
    etcd.peer("a", peerIP="172.18.0.1", asNumber=65020)
    assert etcd.peers()["Global_172_18_0_1"].asn == 65020


def test_an_omitted_as_number_is_the_clusters() -> None:
    etcd = mesh_of()
    etcd.settings(asNumber=64600)
    etcd.node("w1", "10.0.0.1/24", asNumber=64601)
    etcd.peer("rr", peerIP="10.0.9.9")
    assert etcd.peers()["Global_10_0_9_9"].asn == 64600


def test_our_own_address_is_no_peer() -> None:
    etcd = mesh_of()
    etcd.peer("self", peerIP="10.0.0.1", asNumber=64999)
    assert etcd.peers() == {}


def test_a_peer_of_a_family_that_we_have_no_address_in_makes_no_session() -> None:
    etcd = mesh_of()
    etcd.peer("tor6", peerIP="fd00::1", asNumber=65020)
    assert etcd.peers() == {}


def test_an_explicit_peer_beats_the_mesh_for_the_same_address() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), ("w3", "10.0.0.3/24"))
    etcd.peer("two", node="w1", peerIP="10.0.0.2", asNumber=64512)
    assert list(etcd.peers()) == ["Mesh_10_0_0_3", "Node_10_0_0_2"]


def test_a_global_peer_that_is_a_node_follows_the_rule_of_the_mesh() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), own="10.0.0.10/24")
    etcd.settings(nodeToNodeMeshEnabled=False)
    etcd.peer("two", peerIP="10.0.0.2", asNumber=64512)
    etcd.peer("mine", node="w1", peerIP="10.0.0.3", asNumber=64512)
    etcd.node("w3", "10.0.0.3/24")
    peers = etcd.peers()
    assert peers["Global_10_0_0_2"].passive  # as text, 10.0.0.2 is behind 10.0.0.10
    assert not peers["Node_10_0_0_3"].passive


def test_a_peer_address_of_a_node_takes_its_port_if_the_as_number_is_the_nodes() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), ("w3", "10.0.0.3/24"))
    etcd.settings(nodeToNodeMeshEnabled=False, listenPort=1179)
    etcd.peer("two", node="w1", peerIP="10.0.0.2", asNumber=64512)
    etcd.peer("three", node="w1", peerIP="10.0.0.3", asNumber=64999)
    assert {name: peer.port for name, peer in etcd.peers().items()} == {
        "Node_10_0_0_2_port_1179": 1179,
        "Node_10_0_0_3": 179,
    }


def reflected(me: str, *, cluster: str = "") -> Etcd:
    """Return nodes w1 and w2, reflectors rr1 and rr2, and the usual object between them."""
    etcd = Etcd(me)
    etcd.settings(nodeToNodeMeshEnabled=False)
    etcd.node("w1", "10.0.0.1/24", "fd00::1/64")
    etcd.node("w2", "10.0.0.2/24")
    rr = {"rr": "true"}
    etcd.node("rr1", "10.0.0.8/24", "fd00::8/64", labels=rr, routeReflectorClusterID="244.0.0.1")
    etcd.node("rr2", "10.0.0.9/24", labels=rr, routeReflectorClusterID=cluster or "244.0.0.1")
    etcd.peer("clients", nodeSelector="!has(rr)", peerSelector="has(rr)")
    etcd.peer("reflectors", nodeSelector="has(rr)", peerSelector="has(rr)")
    return etcd


def test_a_peer_selector_makes_sessions_with_the_matching_nodes_in_each_family_that_both_have() -> None:
    assert list(reflected("w1").peers()) == ["Node_10_0_0_8", "Node_10_0_0_9", "Node_fd00__8"]
    assert list(reflected("w2").peers()) == ["Node_10_0_0_8", "Node_10_0_0_9"]


def test_the_nodes_that_are_selected_have_the_sessions_too() -> None:
    assert list(reflected("rr1").peers()) == ["Node_10_0_0_1", "Node_10_0_0_2", "Node_10_0_0_9", "Node_fd00__1"]


def test_sessions_of_selectors_are_active_at_both_ends() -> None:
    assert not any(peer.passive for me in ("w1", "rr1") for peer in reflected(me).peers().values())


def test_without_reverse_peering_only_one_end_has_the_session() -> None:
    etcd = reflected("rr1")
    etcd.peer("clients", nodeSelector="!has(rr)", peerSelector="has(rr)", reversePeering="Manual")
    assert list(etcd.peers()) == ["Node_10_0_0_9"]


@pytest.mark.parametrize(
    ("spec", "has_session"),
    [
        ({"peerIP": "10.0.0.8", "asNumber": 64512}, True),
        ({"peerIP": "10.0.0.8"}, True),  # the cluster's AS number
        ({"peerIP": "10.0.0.8:179", "asNumber": 64512}, True),
        ({"peerIP": "10.0.0.8:1179", "asNumber": 64512}, False),  # not our port
        ({"peerIP": "10.0.0.8", "asNumber": 64999}, False),  # not our AS number
        ({"peerIP": "10.0.0.7", "asNumber": 64512}, False),
        ({"peerIP": "10.0.0.8", "asNumber": 64512, "reversePeering": "Manual"}, False),
    ],
)
def test_the_node_at_a_peer_address_has_the_session_too(spec: dict[str, object], has_session: bool) -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), me="rr1", own="10.0.0.8/24")
    etcd.node("w2", "10.0.0.2/24", "fd00::2/64")
    etcd.settings(nodeToNodeMeshEnabled=False)
    etcd.peer("to-rr", node="w2", **spec)
    assert ("Node_10_0_0_2" in etcd.peers()) is has_session


def test_a_reverse_peer_of_all_nodes_reaches_all_of_them_in_that_family() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), ("w3", "10.0.0.3/24"), me="rr1", own="10.0.0.8/24")
    etcd.settings(nodeToNodeMeshEnabled=False)
    etcd.peer("to-rr", peerIP="10.0.0.8", asNumber=64512)
    assert list(etcd.peers()) == ["Node_10_0_0_2", "Node_10_0_0_3"]


def test_a_reverse_session_expects_the_local_as_number_of_the_other_end() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"), me="rr1", own="10.0.0.8/24")
    etcd.settings(nodeToNodeMeshEnabled=False)
    etcd.peer("to-rr", node="w2", peerIP="10.0.0.8", localASNumber=64700)
    (peer,) = etcd.peers().values()
    assert (peer.asn, peer.local_asn, peer.peer_type) == (64700, 64512, "external")


@pytest.mark.parametrize(("cluster", "is_client"), [("244.0.0.1", False), (OTHER_CLUSTER, True)])
def test_peers_of_another_cluster_are_clients_and_those_of_ours_are_not(cluster: str, is_client: bool) -> None:
    peers = reflected("rr1", cluster=cluster).peers()
    assert peers["Node_10_0_0_1"].reflector_client
    assert peers["Node_10_0_0_9"].reflector_client is is_client


def test_internal_peers_outside_of_calico_are_clients_and_external_ones_are_not() -> None:
    etcd = reflected("rr1")
    etcd.peer("inside", node="rr1", peerIP="10.0.7.1", asNumber=64512)
    etcd.peer("outside", node="rr1", peerIP="10.0.7.2", asNumber=65020)
    peers = etcd.peers()
    assert peers["Node_10_0_7_1"].reflector_client
    assert not peers["Node_10_0_7_2"].reflector_client
    assert etcd.config().resolved.node.cluster_id == parse_identifier("244.0.0.1")
    assert not any(peer.reflector_client for peer in reflected("w1").peers().values())


def test_all_options_of_a_peer_are_taken_over() -> None:
    etcd = mesh_of()
    etcd.filter("only-pods", importV4=[{"action": "Accept"}], exportV4=[{"action": "Reject"}])
    etcd.filter("imports", importV4=[{"action": "Accept"}])
    etcd.peer(
        "tor-r2",
        node="w1",
        peerIP="172.18.0.1:1179",
        asNumber=65020,
        localASNumber="64700",
        sourceAddress="UseNodeIP",
        keepaliveTime="10s",
        maxRestartTime="90s",
        ttlSecurity=1,
        nextHopMode="Keep",
        numAllowedLocalASNumbers=2,
        filters=["only-pods", "imports", "missing"],
    )
    found = etcd.config()
    (peer,) = found.resolved.peers
    assert (peer.local_asn, peer.real_asn, peer.prepends_local_asn, peer.prepends_real_asn) == (
        64700,
        64700,
        False,
        False,
    )
    assert (peer.keepalive_time, peer.restart_time) == (10, 90)
    assert (peer.ttl_security, peer.multihop_ttl) == (1, 0)
    assert (peer.next_hop, peer.allow_own_as) == (NextHopMode.KEEP, 2)
    assert peer.imports == ("filter only-pods import", "filter imports import")
    assert peer.exports == ("filter only-pods export", "cluster export")
    assert "BGPPeer tor-r2: there is no BGPFilter missing, it is passed over" in found.notices


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({"nextHopMode": "Self"}, NextHopMode.SELF),
        ({"nextHopMode": "Auto"}, NextHopMode.AUTO),
        ({}, NextHopMode.AUTO),
        ({"keepOriginalNextHop": True}, NextHopMode.KEEP),
        ({"keepOriginalNextHop": True, "nextHopMode": "Self"}, NextHopMode.SELF),
        ({"keepOriginalNextHop": True, "asNumber": 64512}, NextHopMode.AUTO),  # eBGP only
    ],
)
def test_the_next_hop_mode_comes_before_the_flag_of_old(spec: dict[str, object], mode: NextHopMode) -> None:
    etcd = mesh_of()
    etcd.peer("tor", **({"peerIP": "172.18.0.1", "asNumber": 65020} | spec))
    (peer,) = etcd.peers().values()
    assert peer.next_hop is mode


def test_source_address_none_leaves_the_choice_to_the_kernel() -> None:
    etcd = mesh_of()
    etcd.peer("tor", peerIP="172.18.0.1", asNumber=65020, sourceAddress="None")
    (peer,) = etcd.peers().values()
    assert peer.local_address is None


def test_a_local_as_number_decides_what_the_peer_is() -> None:
    etcd = mesh_of()
    etcd.peer("tor", peerIP="172.18.0.1", asNumber=65020, localASNumber=65020)
    (peer,) = etcd.peers().values()
    assert peer.peer_type == "internal"


@pytest.mark.parametrize(
    ("passwords", "password", "reason"),
    [
        ({"bgp-secrets__tor": "s3cret"}, "s3cret", ""),
        ({}, None, "secret bgp-secrets/tor: not found under [etcd] secrets_dir"),
        ({"bgp-secrets__tor": ""}, None, "secret bgp-secrets/tor: not found under [etcd] secrets_dir"),
        ({"bgp-secrets__tor": "x" * 81}, None, "secret bgp-secrets/tor: longer than the 80 octets that TCP-MD5 takes"),
    ],
)
def test_without_its_password_a_session_is_held_down(
    passwords: dict[str, str], password: str | None, reason: str
) -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    reference = {"secretKeyRef": {"name": "bgp-secrets", "key": "tor"}}
    etcd.peer("tor", peerIP="172.18.0.1", asNumber=65020, password=reference)
    peers = {peer.name: peer for peer in etcd.config(secrets=Files(**passwords)).resolved.peers}
    assert (peers["Global_172_18_0_1"].password, peers["Global_172_18_0_1"].held_down) == (password, reason)
    assert (peers["Mesh_10_0_0_2"].password, peers["Mesh_10_0_0_2"].held_down) == (None, "")


def test_the_mesh_has_a_password_of_its_own() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    etcd.settings(nodeMeshPassword={"secretKeyRef": {"name": "s", "key": "mesh"}})
    assert etcd.config(secrets=Files(s__mesh="m")).resolved.peers[0].password == "m"
    changed = etcd.config(secrets=Files(s__mesh="n")).resolved.peers[0]
    assert (changed.password, changed.held_down) == ("n", "")
    assert etcd.config().resolved.peers[0].held_down


def test_what_cannot_be_done_is_said() -> None:
    etcd = mesh_of()
    etcd.peer("pods", localWorkloadSelector="all()", asNumber=65020)
    etcd.peer("far", peerIP="172.18.0.1", asNumber=65020, reachableBy="10.0.0.254")
    found = etcd.config()
    assert [peer.name for peer in found.resolved.peers] == ["Global_172_18_0_1"]
    assert any(notice.startswith("BGPPeer pods: localWorkloadSelector: not done") for notice in found.notices)
    assert any(notice.startswith("BGPPeer far: reachableBy: not done") for notice in found.notices)


def test_both_ends_of_every_session_agree_on_ports_as_numbers_and_who_dials() -> None:
    nodes = [("w1", "10.0.0.10/24", 64512), ("w2", "10.0.0.2/24", 64513), ("w3", "10.0.0.3/24", 64512)]
    seen = {}
    for me, own, _ in nodes:
        etcd = Etcd(me)
        etcd.settings("node.w2", listenPort=1179)
        for name, ipv4, asn in nodes:
            etcd.node(name, ipv4, asNumber=asn)
        for peer in etcd.peers().values():
            seen[own.partition("/")[0], format_address(peer.address)] = peer
    assert len(seen) == 6
    for (here, there), peer in seen.items():
        other = seen[there, here]
        assert peer.passive is not other.passive
        assert (peer.asn, peer.local_asn) == (other.local_asn, other.asn)
        assert peer.port == (1179 if there == "10.0.0.2" else 179)


def test_session_defaults_of_the_file_hold_for_the_cluster() -> None:
    etcd = mesh_of(("w2", "10.0.0.2/24"))
    config = local('[session]\nhold_time = 30\nadd_path = "none"\n')
    (peer,) = etcd.config(config).resolved.peers
    assert (peer.hold_time, peer.add_path) == (30, AddPathDirection.NONE)
