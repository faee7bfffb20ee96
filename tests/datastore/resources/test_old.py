"""The YAML of Calico 2 becomes today's objects, and finds the ones that are stored."""

import pytest

from bgpd.datastore.resources.files import Written
from bgpd.datastore.resources.old import stored_name
from bgpd.datastore.resources.shapes import Document, Json, part
from bgpd.datastore.resources.writing import Birth, Verb, created, updated
from tests.support.resources import faults, object_of, only

BIRTH = Birth("0d3a", "2026-01-05T10:00:00Z")


def old(kind: str, metadata: Document, spec: Json = None) -> Document:
    document: Document = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return document if spec is None else {**document, "spec": spec}


def pool(cidr: str = "10.1.1.0/24", spec: Json = None) -> Document:
    return old("ipPool", {"cidr": cidr}, spec)


@pytest.mark.parametrize(
    ("spec", "mode", "nat"),
    [
        (None, "Never", None),
        ({}, "Never", None),
        ({"ipip": {"enabled": False}, "nat-outgoing": True}, "Never", True),
        ({"ipip": {"enabled": True}}, "Always", None),
        ({"ipip": {"enabled": True, "mode": "always"}, "nat-outgoing": False}, "Always", None),
        ({"ipip": {"enabled": True, "mode": "cross-subnet"}}, "CrossSubnet", None),
        ({"ipip": {"enabled": False, "mode": "cross-subnet"}}, "Never", None),
    ],
)
def test_an_old_pool(spec: Json, mode: str, nat: bool | None) -> None:
    one = object_of(pool(spec=spec))
    assert (one.kind.name, one.name) == ("IPPool", "10-1-1-0-24")
    assert (one.spec["cidr"], one.spec["ipipMode"], one.spec.get("natOutgoing")) == ("10.1.1.0/24", mode, nat)
    assert one.spec["blockSize"] == 26


def test_names_made_of_addresses_are_names() -> None:
    assert object_of(pool("fd00:10::/64")).name == "fd00-10---64"
    assert object_of(pool("::/48")).name == "0000-0000-0000-0000-0000-0000-0000-0000-48"


def test_old_peers() -> None:
    one = object_of(old("bgpPeer", {"scope": "global", "peerIP": "172.18.0.1"}, {"asNumber": 64567}))
    assert (one.name, one.spec) == ("172-18-0-1", {"peerIP": "172.18.0.1", "asNumber": 64567})
    one = object_of(old("bgpPeer", {"scope": "node", "node": "n1", "peerIP": "fd00::1"}, {"asNumber": "64567"}))
    assert (one.name, one.spec) == ("n1.fd00--1", {"peerIP": "fd00::1", "asNumber": 64567, "node": "n1"})


def test_an_old_node() -> None:
    spec: Document = {"bgp": {"asNumber": "64600", "ipv4Address": "10.0.0.1/24"}}
    one = object_of(old("node", {"name": "n1"}, spec))
    assert (one.name, one.spec) == ("n1", {"bgp": {"asNumber": 64600, "ipv4Address": "10.0.0.1/24"}})


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (pool("10.1.1.1/24"), "metadata.cidr: expected a CIDR"),
        (old("ipPool", {"name": "x"}), "metadata.cidr: is missing"),
        (old("ipPool", {"cidr": "10.1.1.0/24", "name": "x"}), "metadata.name: no such field"),
        (pool(spec={"ipip": {"enabled": True, "mode": "CrossSubnet"}}), "spec.ipip.mode: expected one of always"),
        (pool(spec={"natOutgoing": True}), "spec.natOutgoing: no such field; did you mean nat-outgoing?"),
        (pool("fd00::/64", {"ipip": {"enabled": True}}), "spec.ipipMode: expected Never"),
        (old("bgpPeer", {"peerIP": "10.0.0.1"}), "metadata.scope: is missing"),
        (old("bgpPeer", {"scope": "node", "peerIP": "10.0.0.1"}), "metadata.node: is missing"),
        (old("bgpPeer", {"scope": "global", "node": "x", "peerIP": "10.0.0.1"}), "metadata.node: expected none"),
        (old("bgpPeer", {"scope": "global", "peerIP": "10.0.0.1:179"}), "metadata.peerIP: expected an IP address"),
        (old("node", {"name": "N_1"}), "metadata.name: expected lower-case"),
        (old("bgpFilter", {"name": "x"}), "kind: apiVersion v1 has no BGPFilter"),
        (old("policy", {"name": "x"}), "kind: expected one of Node"),
    ],
)
def test_a_fault_of_an_old_document_names_its_field(document: Document, fault: str) -> None:
    assert [one for one in faults(document) if one.startswith(fault)], faults(document)


def test_an_old_document_changes_the_stored_object_that_it_is_about() -> None:
    one = only(pool("10.65.0.0/16"))
    assert isinstance(one, Written)
    assert one.old is not None
    assert stored_name(one.old, [("other", {"cidr": "10.66.0.0/16"}), ("pods", {"cidr": "10.65.0.0/16"})]) == "pods"
    assert stored_name(one.old, [("broken", {"cidr": 7})]) == "10-65-0-0-16"
    peer = only(old("bgpPeer", {"scope": "node", "node": "n1", "peerIP": "10.0.0.1"}, {"asNumber": 64512}))
    assert isinstance(peer, Written)
    assert peer.old is not None
    others: list[tuple[str, Document]] = [
        ("global", {"peerIP": "10.0.0.1"}),
        ("chosen", {"peerIP": "10.0.0.1", "nodeSelector": "all()", "node": "n1"}),
        ("mine", {"peerIP": "10.0.0.1", "node": "n1"}),
    ]
    assert stored_name(peer.old, others) == "mine"


def test_what_an_old_document_cannot_say_stays() -> None:
    stored = created(object_of(pool(spec={"nat-outgoing": True})), BIRTH)
    stored["spec"] = {**part(stored, "spec"), "blockSize": 28, "nodeSelector": "has(a)", "newField": 1}
    stored["metadata"] = {**part(stored, "metadata"), "labels": {"a": "b"}}
    made = updated(object_of(pool(spec={"ipip": {"enabled": True}})), stored, Verb.REPLACE)
    spec = part(made, "spec")
    assert (spec["ipipMode"], spec["blockSize"], spec["nodeSelector"], spec["newField"]) == ("Always", 28, "has(a)", 1)
    assert "natOutgoing" not in spec
    assert made["metadata"] == stored["metadata"]


def test_an_old_node_keeps_the_reflector_and_the_tunnel() -> None:
    stored: Document = {
        "metadata": {"name": "n1", "labels": {"rack": "r1"}},
        "spec": {
            "bgp": {"ipv4Address": "10.0.0.1/24", "ipv6Address": "fd00::1/64", "routeReflectorClusterID": "1.0.0.1"},
            "orchRefs": [{"orchestrator": "k8s"}],
        },
    }
    made = updated(object_of(old("node", {"name": "n1"}, {"bgp": {"ipv4Address": "10.0.0.2/24"}})), stored, Verb.APPLY)
    assert made["spec"] == {
        "bgp": {"ipv4Address": "10.0.0.2/24", "routeReflectorClusterID": "1.0.0.1"},
        "orchRefs": [{"orchestrator": "k8s"}],
    }
