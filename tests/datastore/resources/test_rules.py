"""What each kind refuses, and the field that the answer names."""

import pytest

from bgpd.datastore.resources.shapes import Document, Json
from tests.support.resources import ALL, CONFIGURATION, FILTER, NODE, PEER, POOL, changed, faults, object_of


@pytest.mark.parametrize("document", ALL, ids=lambda one: one["kind"])
def test_a_good_document_has_no_faults(document: Document) -> None:
    assert faults(document) == []


def _rule(**rule: Json) -> Json:
    return [{"action": "Accept", **rule}]


@pytest.mark.parametrize(
    ("document", "changes", "where", "expected"),
    [
        # names and metadata
        (POOL, {"metadata.name": "Pods_v4"}, "metadata.name", "lower-case"),
        (POOL, {"metadata.name": "-pods"}, "metadata.name", "lower-case"),
        (POOL, {"metadata.name": "a" * 254}, "metadata.name", "at most 253"),
        (POOL, {"metadata.name": None}, "metadata.name", "is missing"),
        (POOL, {"metadata.name": 7}, "metadata.name", "a text, found 7"),
        (NODE, {"metadata.labels": {"rack": True}}, "metadata.labels.rack", "in quotes"),
        (NODE, {"metadata.labels": {"rack!": "x"}}, "metadata.labels.rack!", "letters"),
        (NODE, {"metadata.labels": {"rack": "-x"}}, "metadata.labels.rack", "letters"),
        (NODE, {"metadata.labels": {"A.b/rack": "x"}}, "metadata.labels.A.b/rack", "DNS name"),
        (NODE, {"metadata.labels": ["rack"]}, "metadata.labels", "names with texts"),
        (NODE, {"metadata.namespace": "x"}, "metadata.namespace", "no such field"),
        # nodes
        (NODE, {"spec.bgp": {}}, "spec.bgp", "is empty"),
        (NODE, {"spec.bgp.ipv4Address": "fd10::1/64"}, "spec.bgp.ipv4Address", "not IPv4"),
        (NODE, {"spec.bgp.ipv4Address": "172.18.4.13/33"}, "spec.bgp.ipv4Address", "IPv4 address"),
        (NODE, {"spec.bgp.ipv6Address": "172.18.4.13"}, "spec.bgp.ipv6Address", "not IPv6"),
        (NODE, {"spec.bgp.asNumber": 4294967296}, "spec.bgp.asNumber", "AS number"),
        (NODE, {"spec.bgp.asNumber": -1}, "spec.bgp.asNumber", "AS number"),
        (NODE, {"spec.bgp.asNumber": 1.1}, "spec.bgp.asNumber", "in quotes"),
        (NODE, {"spec.bgp.asNumber": True}, "spec.bgp.asNumber", "AS number"),
        (NODE, {"spec.bgp.asNumber": "1.70000"}, "spec.bgp.asNumber", "at most 65535"),
        (NODE, {"spec.bgp.routeReflectorClusterID": "rr"}, "spec.bgp.routeReflectorClusterID", "IPv4"),
        (NODE, {"spec.bgp.ipv4Adress": "10.0.0.1"}, "spec.bgp.ipv4Adress", "did you mean ipv4Address?"),
        (NODE, {"spec.bgp": "x"}, "spec.bgp", "fields with names"),
        (NODE, {"spec.orchRefs": [{"nodeName": "x"}]}, "spec.orchRefs[0].orchestrator", "is missing"),
        # pools
        (POOL, {"spec.cidr": None}, "spec.cidr", "is missing"),
        (POOL, {"spec.cidr": "10.65.0.0"}, "spec.cidr", "length is missing"),
        (POOL, {"spec.cidr": "10.65.1.0/16"}, "spec.cidr", "bits behind the mask are set; 10.65.0.0/16"),
        (POOL, {"spec.cidr": "10.65.0.0/255.255.0.0"}, "spec.cidr", "number of bits"),
        (POOL, {"spec.cidr": "169.254.3.0/24"}, "spec.cidr", "link-local"),
        (POOL, {"spec.cidr": "fe80::/64", "spec.ipipMode": None}, "spec.cidr", "link-local"),
        (POOL, {"spec.cidr": "10.65.0.0/27"}, "spec.cidr", "at least one block of /26"),
        (POOL, {"spec.blockSize": 19}, "spec.blockSize", "20 to 32"),
        (POOL, {"spec.blockSize": 33}, "spec.blockSize", "20 to 32"),
        (POOL, {"spec.blockSize": "26"}, "spec.blockSize", "whole number"),
        (
            POOL,
            {"spec.cidr": "fd00::/48", "spec.ipipMode": None, "spec.blockSize": 115},
            "spec.blockSize",
            "116 to 128",
        ),
        (POOL, {"spec.cidr": "fd00::/48"}, "spec.ipipMode", "IPv4 only"),
        (POOL, {"spec.vxlanMode": "Always"}, "spec.vxlanMode", "as spec.ipipMode is CrossSubnet"),
        (POOL, {"spec.ipipMode": "always"}, "spec.ipipMode", "did you mean Always?"),
        (POOL, {"spec.ipipMode": "cross-subnet"}, "spec.ipipMode", "Always, CrossSubnet, Never"),
        (POOL, {"spec.natOutgoing": "yes"}, "spec.natOutgoing", "true or false"),
        (POOL, {"spec.nodeSelector": "rack = 'r1'"}, "spec.nodeSelector", "a selector"),
        (POOL, {"spec.allowedUses": ["Pods"]}, "spec.allowedUses[0]", "Workload"),
        (POOL, {"spec.allowedUses": ["LoadBalancer", "Tunnel"]}, "spec.allowedUses", "alone"),
        (POOL, {"spec.allowedUses": ["LoadBalancer"]}, "spec.ipipMode", "Never"),
        (POOL, {"spec.assignmentMode": "Auto"}, "spec.assignmentMode", "Automatic"),
        (POOL, {"spec.ipip": {"enabled": True}}, "spec.ipip", "no such field"),
        # peers
        (PEER, {"spec.node": "worker-3"}, "spec.node", "as there is spec.nodeSelector"),
        (PEER, {"spec.peerSelector": "has(rr)"}, "spec.peerSelector", "as there is spec.peerIP"),
        (PEER, {"spec.peerSelector": "has(rr)", "spec.peerIP": None}, "spec.asNumber", "as there is spec.peerSelector"),
        (PEER, {"spec.peerIP": None}, "spec", "who the peer is"),
        (PEER, {"spec.peerIP": "172.18.0"}, "spec.peerIP", "an address"),
        (PEER, {"spec.peerIP": "172.18.0.1:0"}, "spec.peerIP", "1 to 65535"),
        (PEER, {"spec.peerIP": "172.18.0.1:65536"}, "spec.peerIP", "1 to 65535"),
        (PEER, {"spec.peerIP": "[172.18.0.1]:179"}, "spec.peerIP", "brackets"),
        (PEER, {"spec.peerIP": "[fd00::1]"}, "spec.peerIP", "an address"),
        (PEER, {"spec.peerIP": "fe80::1%eth0"}, "spec.peerIP", "interface"),
        (PEER, {"spec.nodeSelector": "rack =="}, "spec.nodeSelector", "quoted text"),
        (
            PEER,
            {"spec.localWorkloadSelector": "has(a)", "spec.peerIP": None, "spec.asNumber": None},
            "spec.asNumber",
            "is missing",
        ),
        (PEER, {"spec.keepOriginalNextHop": True}, "spec.keepOriginalNextHop", "spec.nextHopMode"),
        (PEER, {"spec.nextHopMode": "keep"}, "spec.nextHopMode", "did you mean Keep?"),
        (PEER, {"spec.sourceAddress": "Node"}, "spec.sourceAddress", "UseNodeIP"),
        (PEER, {"spec.keepaliveTime": "10"}, "spec.keepaliveTime", "a duration"),
        (PEER, {"spec.maxRestartTime": 90}, "spec.maxRestartTime", "a duration"),
        (PEER, {"spec.password": {"secretKeyRef": {"name": "x"}}}, "spec.password.secretKeyRef.key", "is missing"),
        (PEER, {"spec.password": "secret"}, "spec.password", "fields with names"),
        (PEER, {"spec.ttlSecurity": 255}, "spec.ttlSecurity", "0 to 254"),
        (PEER, {"spec.numAllowedLocalASNumbers": -1}, "spec.numAllowedLocalASNumbers", "0 to 255"),
        (PEER, {"spec.reachableBy": "fd00::1"}, "spec.reachableBy", "family of spec.peerIP"),
        (
            PEER,
            {"spec.reachableBy": "10.0.0.1", "spec.peerIP": None, "spec.peerSelector": "all()", "spec.asNumber": None},
            "spec.reachableBy",
            "no spec.peerIP",
        ),
        (PEER, {"spec.filters": "only-pods"}, "spec.filters", "a list"),
        (PEER, {"spec.reversePeering": "Off"}, "spec.reversePeering", "Auto, Manual"),
        # settings
        (CONFIGURATION, {"spec.listenPort": 0}, "spec.listenPort", "1 to 65535"),
        (CONFIGURATION, {"spec.logSeverityScreen": "info"}, "spec.logSeverityScreen", "did you mean Info?"),
        (CONFIGURATION, {"spec.bindMode": "Node"}, "spec.bindMode", "None, NodeIP"),
        (CONFIGURATION, {"spec.nodeToNodeMeshEnabled": "off"}, "spec.nodeToNodeMeshEnabled", "true or false"),
        (
            CONFIGURATION,
            {"spec.nodeToNodeMeshEnabled": False},
            "spec.nodeMeshPassword",
            "nodeToNodeMeshEnabled is false",
        ),
        (
            CONFIGURATION,
            {"spec.serviceClusterIPs": [{"cidr": "10.96.0.1/12"}]},
            "spec.serviceClusterIPs[0].cidr",
            "bits behind",
        ),
        (CONFIGURATION, {"spec.serviceClusterIPs": ["10.96.0.0/12"]}, "spec.serviceClusterIPs[0]", "fields with names"),
        (
            CONFIGURATION,
            {"spec.communities": [{"name": "a", "value": "70000:1"}]},
            "spec.communities[0].value",
            "at most 65535",
        ),
        (CONFIGURATION, {"spec.prefixAdvertisements": None}, "spec.communities", "nothing uses them"),
        (
            CONFIGURATION,
            {"spec.communities": None},
            "spec.prefixAdvertisements[0].communities[0]",
            "name of spec.communities",
        ),
        (CONFIGURATION, {"spec.ignoredInterfaces": ["*"]}, "spec.ignoredInterfaces[0]", "all of them"),
        (CONFIGURATION, {"spec.programClusterRoutes": "On"}, "spec.programClusterRoutes", "Enabled"),
        (CONFIGURATION, {"spec.ipv4NormalRoutePriority": 2147483647}, "spec.ipv4NormalRoutePriority", "2147483646"),
        # filters
        (FILTER, {"spec.importV4": [{"source": "RemotePeers"}]}, "spec.importV4[0].action", "is missing"),
        (FILTER, {"spec.importV4": _rule(action="accept")}, "spec.importV4[0].action", "did you mean Accept?"),
        (FILTER, {"spec.importV4": _rule(cidr="10.0.0.0/8")}, "spec.importV4[0].matchOperator", "as there is a cidr"),
        (FILTER, {"spec.importV4": _rule(matchOperator="In")}, "spec.importV4[0].matchOperator", "no cidr"),
        (FILTER, {"spec.importV4": _rule(prefixLength={"min": 8})}, "spec.importV4[0].prefixLength", "no cidr"),
        (FILTER, {"spec.importV4": _rule(cidr="fd00::/8", matchOperator="In")}, "spec.importV4[0].cidr", "it is IPv6"),
        (
            FILTER,
            {"spec.importV6": _rule(cidr="10.0.0.0/8", matchOperator="In")},
            "spec.importV6[0].cidr",
            "it is IPv4",
        ),
        (
            FILTER,
            {"spec.importV4": _rule(cidr="10.0.0.0/8", matchOperator="In", prefixLength={"max": 33})},
            "spec.importV4[0].prefixLength.max",
            "0 to 32",
        ),
        (
            FILTER,
            {"spec.importV4": _rule(cidr="10.0.0.0/8", matchOperator="In", prefixLength={"min": 9, "max": 8})},
            "spec.importV4[0].prefixLength",
            "9 and 8",
        ),
        (FILTER, {"spec.importV4": _rule(interface="a-name-too-long-")}, "spec.importV4[0].interface", "15 characters"),
        (
            FILTER,
            {"spec.importV4": _rule(communities={"values": ["1:1", "1:2"]})},
            "spec.importV4[0].communities.values",
            "exactly 1",
        ),
        (FILTER, {"spec.importV4": _rule(asPathPrefix=[0])}, "spec.importV4[0].asPathPrefix[0]", "AS number"),
        (FILTER, {"spec.importV4": _rule(priority=0)}, "spec.importV4[0].priority", "from 1"),
        (FILTER, {"spec.importV4": _rule(operations=[{}])}, "spec.importV4[0].operations[0]", "exactly one of"),
        (
            FILTER,
            {"spec.importV4": _rule(action="Reject", operations=[{"setPriority": {"value": 1}}])},
            "spec.importV4[0].operations",
            "Reject",
        ),
        (
            FILTER,
            {"spec.importV4": _rule(operations=[{"prependASPath": {"prefix": []}}])},
            "spec.importV4[0].operations[0].prependASPath.prefix",
            "at least 1",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    document: Document, changes: dict[str, Json], where: str, expected: str
) -> None:
    found = faults(changed(document, changes))
    assert [one for one in found if one.startswith(f"{where}: ") and expected in one], found


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (POOL, {"spec.cidr": "10.65.0.0/27", "spec.disabled": True}),
        (POOL, {"spec.cidr": "10.65.0.0/32", "spec.blockSize": 32}),
        (POOL, {"spec.blockSize": 0}),
        (POOL, {"spec.nodeSelector": ""}),
        (POOL, {"spec.allowedUses": ["LoadBalancer"], "spec.ipipMode": None}),
        (PEER, {"spec.peerIP": "[fd00::1]:1179"}),
        (PEER, {"spec.peerIP": "fd00::1"}),
        (PEER, {"spec.asNumber": "1.10"}),
        (PEER, {"spec.asNumber": None}),
        (PEER, {"spec.nodeSelector": "", "spec.node": "worker-3"}),
        (PEER, {"spec.keepOriginalNextHop": False}),
        (NODE, {"spec.bgp": None}),
        (NODE, {"spec": None}),
        (NODE, {"spec.bgp.ipv4Address": "172.18.4.13"}),
        (NODE, {"status": {"podCIDRs": ["10.0.0.0/24"]}}),
        (CONFIGURATION, {"spec.serviceExternalIPs": [{}]}),
        (FILTER, {"spec.importV4": _rule(asPathPrefix=["1.10", 64512])}),
    ],
)
def test_what_calico_takes_is_taken(document: Document, changes: dict[str, Json]) -> None:
    assert faults(changed(document, changes)) == []


def test_all_faults_of_a_document_are_told_at_once() -> None:
    assert len(faults(changed(POOL, {"spec.blockSize": "x", "spec.ipipMode": "x", "spec.cidr": "x"}))) == 3


def test_a_pool_is_stored_with_its_defaults() -> None:
    assert object_of(POOL).spec == {
        "cidr": "10.65.0.0/16",
        "ipipMode": "CrossSubnet",
        "natOutgoing": True,
        "blockSize": 26,
        "vxlanMode": "Never",
        "nodeSelector": "all()",
        "allowedUses": ["Workload", "Tunnel"],
        "assignmentMode": "Automatic",
    }
    assert object_of(changed(POOL, {"spec.cidr": "fd00:10::/48", "spec.ipipMode": None})).spec["blockSize"] == 122


def test_as_numbers_are_stored_as_numbers() -> None:
    assert object_of(changed(PEER, {"spec.asNumber": "1.10"})).spec["asNumber"] == 65546
    assert object_of(changed(NODE, {"spec.bgp.asNumber": "64600"})).spec["bgp"] == NODE["spec"]["bgp"]  # type: ignore[index,call-overload]
    assert "asNumber" not in object_of(changed(PEER, {"spec.asNumber": 0})).spec


def test_a_range_is_stored_in_its_canonical_text() -> None:
    assert object_of(changed(POOL, {"spec.cidr": "FD00:0:0::/48", "spec.ipipMode": None})).spec["cidr"] == "fd00::/48"
