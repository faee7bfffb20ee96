"""Documents for tests of resources: one good one of each kind, and what a changed one is answered."""

from collections.abc import Mapping
from copy import deepcopy

from bgpd.datastore.resources.files import Unusable, Written, written
from bgpd.datastore.resources.shapes import Document, Json

NODE: Document = {
    "kind": "Node",
    "apiVersion": "projectcalico.org/v3",
    "metadata": {"name": "worker-3", "labels": {"rack": "r2", "example.org/rr": "true"}},
    "spec": {
        "bgp": {
            "ipv4Address": "172.18.4.13/20",
            "ipv6Address": "fd10:4::13/64",
            "asNumber": 64600,
            "routeReflectorClusterID": "244.0.0.1",
        },
        "orchRefs": [{"nodeName": "worker-3", "orchestrator": "k8s"}],
        "wireguard": {"interfaceIPv4Address": "10.65.3.9"},
    },
}
PEER: Document = {
    "kind": "BGPPeer",
    "apiVersion": "projectcalico.org/v3",
    "metadata": {"name": "tor-r2"},
    "spec": {
        "nodeSelector": "rack == 'r2'",
        "peerIP": "172.18.0.1:1179",
        "asNumber": 65020,
        "sourceAddress": "UseNodeIP",
        "keepaliveTime": "10s",
        "maxRestartTime": "1m30s",
        "password": {"secretKeyRef": {"name": "bgp-secrets", "key": "tor"}},
        "ttlSecurity": 1,
        "nextHopMode": "Keep",
        "numAllowedLocalASNumbers": 1,
        "filters": ["only-pods"],
    },
}
CONFIGURATION: Document = {
    "kind": "BGPConfiguration",
    "apiVersion": "projectcalico.org/v3",
    "metadata": {"name": "default"},
    "spec": {
        "asNumber": 64512,
        "nodeToNodeMeshEnabled": True,
        "listenPort": 179,
        "logSeverityScreen": "Info",
        "bindMode": "None",
        "nodeMeshMaxRestartTime": "150s",
        "nodeMeshPassword": {"secretKeyRef": {"name": "bgp-secrets", "key": "mesh"}},
        "serviceClusterIPs": [{"cidr": "10.96.0.0/12"}],
        "serviceLoadBalancerAggregation": "Enabled",
        "communities": [{"name": "site-a", "value": "64512:77"}],
        "prefixAdvertisements": [{"cidr": "10.65.0.0/16", "communities": ["site-a", "64512:1:2"]}],
        "ignoredInterfaces": ["docker*"],
        "programClusterRoutes": "Enabled",
        "ipv4NormalRoutePriority": 1024,
    },
}
FILTER: Document = {
    "kind": "BGPFilter",
    "apiVersion": "projectcalico.org/v3",
    "metadata": {"name": "only-pods"},
    "spec": {
        "exportV4": [
            {
                "cidr": "10.65.0.0/16",
                "matchOperator": "In",
                "prefixLength": {"min": 26, "max": 32},
                "peerType": "eBGP",
                "action": "Accept",
                "operations": [{"addCommunity": {"value": "65020:9"}}, {"prependASPath": {"prefix": [64600]}}],
            },
            {"action": "Reject"},
        ],
        "importV6": [{"source": "RemotePeers", "interface": "eth*", "action": "Reject"}],
    },
}
POOL: Document = {
    "kind": "IPPool",
    "apiVersion": "projectcalico.org/v3",
    "metadata": {"name": "pods-v4"},
    "spec": {"cidr": "10.65.0.0/16", "ipipMode": "CrossSubnet", "natOutgoing": True},
}
ALL = (NODE, PEER, CONFIGURATION, FILTER, POOL)


def changed(document: Document, changes: Mapping[str, Json]) -> Document:
    """Return a document with other fields: ``spec.bgp.asNumber`` → value; a None takes the field out."""
    made = deepcopy(document)
    for path, value in changes.items():
        *way, last = path.split(".")
        inner: Document = made
        for name in way:
            below = inner.setdefault(name, {})
            assert isinstance(below, dict)
            inner = below
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return made


def only(document: Json) -> Written | Unusable:
    """Return what stands in a file of one document."""
    (one,) = written([("x.yaml", document)])
    return one


def object_of(document: Json) -> Written:
    """Return the object of a document without faults."""
    one = only(document)
    assert isinstance(one, Written), one
    assert one.faults == ()
    return one


def faults(document: Json) -> list[str]:
    """Return what is wrong with a document."""
    return [str(fault) for fault in only(document).faults]
