"""What leaves the node: the export decision in Calico's order, the blocks and ranges that are originated."""

from collections.abc import Sequence

import pytest

from bgpd.addresses import format_prefix
from bgpd.communities import parse_communities
from bgpd.datastore.calico import ClusterConfig
from bgpd.identity import PeerType
from bgpd.policy import Chain
from tests.support.calico import Etcd, local
from tests.support.routes import a_path, a_peer

INTERNAL, EXTERNAL = PeerType.INTERNAL, PeerType.EXTERNAL
OWNED, PENDING = b'{"state":"confirmed","deleted":false}', b'{"state":"pending"}'
LEAVING, GONE = b'{"state":"pendingDeletion"}', b'{"state":"confirmed","deleted":true}'


def a_cluster(me: str = "w1", **bgp: object) -> Etcd:
    etcd = Etcd(me)
    etcd.node(me, "172.18.4.13/20", "fd10:4::13/64", **bgp)
    etcd.pool("pods", "10.65.0.0/16")
    etcd.pool("pods6", "fd65::/48")
    return etcd


def sent(
    found: ClusterConfig,
    prefix: str,
    *,
    to: PeerType = INTERNAL,
    interface: str = "",
    exports: Sequence[str] = ("cluster export",),
    **fields: str,
) -> str:
    """Return what a peer is told of a route: no, yes, or its communities."""
    policies = {policy.name: policy for policy in found.resolved.policies}
    path, key = a_path(prefix, **fields)
    chain = Chain([policies[name] for name in exports])
    verdict = chain.judge(path, path.attributes, key, a_peer(to), interface)
    if not verdict.accepted:
        return "no"
    return ",".join(f"{one >> 16}:{one & 0xFFFF}" for one in verdict.attributes.communities) or "yes"


def networks(found: ClusterConfig) -> list[str]:
    return [format_prefix(one.family, one.prefix) for one in found.resolved.networks]


@pytest.mark.parametrize(
    ("prefix", "answer"),
    [
        ("10.65.3.64/26", "yes"),  # our block, as a whole
        ("10.65.3.70/32", "no"),  # an address inside
        ("10.65.3.64/27", "no"),
        ("10.65.7.0/26", "yes"),  # another node's
        ("10.65.7.9/32", "yes"),  # borrowed from another node's
        ("10.65.0.0/16", "yes"),
        ("fd65::3:0/122", "yes"),
        ("fd65::3:7/128", "no"),
        ("fd65::9:7/128", "yes"),
        ("0.0.0.0/0", "no"),
        ("172.18.0.0/20", "no"),  # the underlay
        ("172.17.0.0/16", "no"),  # docker0
        ("10.0.0.0/8", "no"),  # wider than the pool
    ],
)
@pytest.mark.parametrize("to", [INTERNAL, EXTERNAL])
def test_blocks_go_out_whole_and_pools_inside_nothing_else(prefix: str, answer: str, to: PeerType) -> None:
    etcd = a_cluster()
    etcd.block("10.65.3.64/26")
    etcd.block("fd65::3:0/122", family="ipv6")
    assert sent(etcd.config(), prefix, to=to, source="kernel") == answer


@pytest.mark.parametrize(
    ("value", "is_originated", "address"),
    [
        (OWNED, True, "no"),
        (b"", True, "no"),
        (b"{}", True, "no"),
        (b'{"state":""}', True, "no"),
        (PENDING, False, "yes"),
        (LEAVING, False, "yes"),  # what containers are left go out singly
        (GONE, False, "yes"),
        (b'{"state":"deleted"}', False, "yes"),
        (b'{"state":"new word"}', False, "yes"),
    ],
)
def test_only_blocks_that_are_ours_for_good_are_originated(value: bytes, is_originated: bool, address: str) -> None:
    etcd = a_cluster()
    etcd.block("10.65.3.64/26", value=value)
    found = etcd.config()
    assert networks(found) == (["10.65.3.64/26"] if is_originated else [])
    assert all(one.blackhole for one in found.resolved.networks)
    assert sent(found, "10.65.3.70/32", source="kernel") == address


def test_a_block_of_a_single_address_is_its_containers_route() -> None:
    etcd = a_cluster()
    etcd.block("10.65.3.70/32")
    etcd.block("fd65::1/128", family="ipv6")
    found = etcd.config()
    assert networks(found) == []
    assert sent(found, "10.65.3.70/32", source="kernel") == "yes"


def test_blocks_of_other_nodes_are_not_originated() -> None:
    etcd = a_cluster()
    etcd.block("10.65.7.0/26", "w2")
    assert networks(etcd.config()) == []


def test_without_affinities_the_pod_cidrs_of_the_node_are_its_blocks() -> None:
    etcd = a_cluster()
    etcd.put(
        "/calico/resources/v3/projectcalico.org/nodes/w1",
        b'{"spec":{"bgp":{"ipv4Address":"172.18.4.13/20"}},"status":{"podCIDRs":["10.65.3.0/24","fd65::3:0/112"]}}',
    )
    found = etcd.config()
    assert networks(found) == ["10.65.3.0/24", "fd65::3:0/112"]
    assert sent(found, "10.65.3.70/32", source="kernel") == "no"
    etcd.block("10.65.9.0/26")
    assert networks(etcd.config()) == ["10.65.9.0/26"]


@pytest.mark.parametrize("to", [INTERNAL, EXTERNAL])
def test_pools_that_are_not_exported_stay(to: PeerType) -> None:
    etcd = a_cluster()
    etcd.pool("closed", "10.66.0.0/16", disableBGPExport=True)
    etcd.block("10.66.3.0/26")
    found = etcd.config()
    assert sent(found, "10.66.3.0/26", to=to) == "no"
    assert sent(found, "10.65.3.0/26", to=to) == "yes"
    assert networks(found) == ["10.66.3.0/26"]  # the black hole is there all the same


def test_a_pool_closed_for_allocation_is_exported() -> None:
    etcd = a_cluster()
    etcd.pool("old", "10.66.0.0/16", disabled=True)
    assert sent(etcd.config(), "10.66.3.0/26") == "yes"


def test_vxlan_pools_are_exported_too() -> None:
    etcd = a_cluster()
    etcd.pool("overlay", "10.66.0.0/16", vxlanMode="Always")
    assert sent(etcd.config(), "10.66.3.0/26") == "yes"


@pytest.mark.parametrize(
    ("device", "internal", "external"),
    [
        ("vxlan.calico", "no", "yes"),
        ("wireguard.cali", "no", "yes"),
        ("bpfin.cali", "no", "no"),
        ("tunl0", "yes", "yes"),
        ("cali12ab34", "yes", "yes"),
        ("eth0", "yes", "yes"),
        ("", "yes", "yes"),
    ],
)
def test_routes_into_another_agents_devices_stay(device: str, internal: str, external: str) -> None:
    found = a_cluster().config()
    assert sent(found, "10.65.7.0/26", to=INTERNAL, interface=device, source="kernel") == internal
    assert sent(found, "10.65.7.0/26", to=EXTERNAL, interface=device, source="kernel") == external


@pytest.mark.parametrize("switch", ["Disabled", "EnabledNoEncapOnly"])
def test_routes_into_the_tunnel_stay_where_felix_has_it(switch: str) -> None:
    etcd = a_cluster()
    etcd.settings(programClusterRoutes=switch)
    found = etcd.config()
    assert sent(found, "10.65.7.0/26", interface="tunl0", source="kernel") == "no"
    assert sent(found, "10.65.7.0/26", to=EXTERNAL, interface="tunl0", source="kernel") == "yes"


def test_communities_are_attached_by_prefix() -> None:
    etcd = a_cluster()
    etcd.settings(
        communities=[{"name": "site-a", "value": "64512:77"}],
        prefixAdvertisements=[
            {"cidr": "10.65.0.0/16", "communities": ["site-a", "64512:1:2"]},
            {"cidr": "10.65.3.0/24", "communities": ["64512:78", "64512:77"]},
        ],
    )
    etcd.block("10.65.3.64/26")
    found = etcd.config()
    assert sent(found, "10.65.3.64/26") == "64512:77,64512:78"
    assert sent(found, "10.65.7.0/26") == "64512:77"
    assert sent(found, "10.65.3.70/32") == "no"
    path, key = a_path("10.65.7.0/26")
    (policy,) = (one for one in found.resolved.policies if one.name == "cluster export")
    verdict = Chain([policy]).judge(path, path.attributes, key, a_peer())
    assert verdict.attributes.large_communities == parse_communities(("64512:1:2",)).large


def test_a_nodes_advertisements_replace_the_clusters() -> None:
    etcd = a_cluster()
    etcd.settings(prefixAdvertisements=[{"cidr": "10.65.0.0/16", "communities": ["64512:1"]}])
    etcd.settings(
        "node.w1",
        communities=[{"name": "x", "value": "64512:2"}],
        prefixAdvertisements=[{"cidr": "10.65.0.0/17", "communities": ["x", "unknown"]}],
    )
    etcd.settings("node.w2", prefixAdvertisements=[{"cidr": "10.65.0.0/16", "communities": ["64512:3"]}])
    found = etcd.config()
    assert sent(found, "10.65.3.0/26") == "64512:2"
    assert sent(found, "10.65.200.0/26") == "yes"
    assert any("node.w1: prefixAdvertisements[0]" in notice for notice in found.notices)


RANGES = {
    "serviceClusterIPs": [{"cidr": "10.96.0.0/12"}, {}],
    "serviceExternalIPs": [{"cidr": "198.51.100.0/25"}, {"cidr": "203.0.113.9/32"}],
    "serviceLoadBalancerIPs": [{"cidr": "198.51.100.128/25"}],
}


def test_service_ranges_are_announced_by_every_node_and_hosts_are_not() -> None:
    etcd = a_cluster()
    etcd.settings(**RANGES)
    found = etcd.config()
    assert networks(found) == ["10.96.0.0/12", "198.51.100.0/25", "198.51.100.128/25"]
    assert sent(found, "10.96.0.0/12") == "yes"
    assert sent(found, "10.96.0.10/32", source="kernel") == "yes"
    assert sent(found, "203.0.113.9/32", source="kernel") == "no"
    assert any("service address 203.0.113.9/32: not announced" in notice for notice in found.notices)


def test_a_node_that_is_excluded_from_load_balancers_announces_no_service_range() -> None:
    etcd = a_cluster()
    etcd.node("w1", "172.18.4.13/20", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "true"})
    etcd.settings(**RANGES)
    found = etcd.config()
    assert networks(found) == []
    assert sent(found, "10.96.0.0/12") == "no"


def test_load_balancer_ranges_need_aggregation() -> None:
    etcd = a_cluster()
    etcd.settings(**RANGES, serviceLoadBalancerAggregation="Disabled")
    assert networks(etcd.config()) == ["10.96.0.0/12", "198.51.100.0/25"]


def test_a_reflector_passes_on_external_and_load_balancer_services() -> None:
    etcd = a_cluster(routeReflectorClusterID="244.0.0.1")
    etcd.settings(**RANGES, serviceLoadBalancerAggregation="Disabled")
    found = etcd.config()
    assert sent(found, "198.51.100.130/32") == "yes"
    assert sent(found, "203.0.113.9/32") == "yes"
    assert sent(found, "10.96.0.10/32") == "yes"  # in an announced range


def test_a_network_of_the_file_goes_out() -> None:
    config = local('[[network]]\nprefix = "203.0.113.0/24"\n')
    found = a_cluster().config(config)
    assert sent(found, "203.0.113.0/24") == "yes"
    assert sent(found, "203.0.113.0/25") == "no"
    assert networks(found) == ["203.0.113.0/24"]


def test_a_filter_ends_the_decision_before_pools_and_communities() -> None:
    etcd = a_cluster()
    etcd.pool("closed", "10.66.0.0/16", disableBGPExport=True)
    etcd.settings(prefixAdvertisements=[{"cidr": "10.64.0.0/14", "communities": ["64512:1"]}])
    etcd.filter(
        "f",
        exportV4=[
            {"cidr": "10.66.1.0/24", "matchOperator": "Equal", "action": "Accept"},
            {"cidr": "10.65.9.0/24", "matchOperator": "In", "action": "Reject"},
        ],
    )
    etcd.peer("tor", peerIP="172.18.0.1", asNumber=65020, filters=["f"])
    found = etcd.config()
    exports = found.resolved.peers[0].exports
    assert exports == ("filter f export", "cluster export")
    assert sent(found, "10.66.1.0/24", exports=exports) == "yes"
    assert sent(found, "10.66.2.0/24", exports=exports) == "no"
    assert sent(found, "10.65.9.0/26", exports=exports) == "no"
    assert sent(found, "10.65.8.0/26", exports=exports) == "64512:1"


def test_with_priorities_a_preferred_address_of_our_block_goes_out() -> None:
    etcd = a_cluster()
    etcd.block("10.65.3.64/26")
    found = etcd.config(local("[calico]\npriorities = true\n"))
    assert sent(found, "10.65.3.70/32", local_pref=str(2147483647 - 512)) == "yes"
    assert sent(found, "10.65.3.70/32", local_pref=str(2147483647 - 1024)) == "no"
    assert (found.resolved.kernel.priority_ipv4, found.resolved.kernel.priority_ipv6) == (1024, 1024)
    assert sent(etcd.config(), "10.65.3.70/32", local_pref=str(2147483647 - 512)) == "no"


def test_peers_of_the_file_are_not_told_closed_pools_either() -> None:
    etcd = a_cluster()
    etcd.pool("closed", "10.66.0.0/16", disableBGPExport=True)
    text = '[[peer]]\naddress = "172.18.0.9"\nasn = "internal"\n[[peer]]\naddress = "172.18.0.8"\nasn = 65020\n'
    peers = {peer.name: peer for peer in etcd.config(local(text)).resolved.peers}
    assert peers["172.18.0.9"].exports == ("pools not exported",)
    assert peers["172.18.0.8"].exports == ()  # RFC 8212: nothing at all
    assert sent(etcd.config(), "10.66.3.0/26", exports=("pools not exported",)) == "no"
    assert sent(etcd.config(), "172.18.0.0/20", exports=("pools not exported",)) == "yes"
