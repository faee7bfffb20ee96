"""The examples of Calico's documents, and a cluster in the flat layout of Calico 2."""

from tests.support.calico import key

GOLDEN = {
    key("nodes", "worker-3"): {
        "kind": "Node", "apiVersion": "projectcalico.org/v3",
        "metadata": {
            "name": "worker-3", "uid": "5d0c", "creationTimestamp": "2026-01-05T10:00:00Z",
            "labels": {"rack": "r2", "rr": "true"},
        },
        "spec": {
            "bgp": {
                "ipv4Address": "172.18.4.13/20", "ipv6Address": "fd10:4::13/64", "asNumber": 64600,
                "ipv4IPIPTunnelAddr": "10.65.3.0", "routeReflectorClusterID": "244.0.0.1",
            },
            "orchRefs": [{"nodeName": "worker-3", "orchestrator": "k8s"}],
            "wireguard": {"interfaceIPv4Address": "10.65.3.9"},
        },
        "status": {"podCIDRs": ["10.65.3.0/24"]},
    },
    key("bgpconfigurations", "default"): {
        "kind": "BGPConfiguration", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "default"},
        "spec": {
            "asNumber": 64512, "nodeToNodeMeshEnabled": True, "listenPort": 179, "logSeverityScreen": "Info",
            "bindMode": "None", "nodeMeshMaxRestartTime": "150s",
            "nodeMeshPassword": {"secretKeyRef": {"name": "bgp-secrets", "key": "mesh"}},
            "serviceClusterIPs": [{"cidr": "10.96.0.0/12"}], "serviceExternalIPs": [{"cidr": "198.51.100.0/25"}],
            "serviceLoadBalancerIPs": [{"cidr": "198.51.100.128/25"}], "serviceLoadBalancerAggregation": "Enabled",
            "communities": [{"name": "site-a", "value": "64512:77"}],
            "prefixAdvertisements": [{"cidr": "10.65.0.0/16", "communities": ["site-a", "64512:1:2"]}],
            "ignoredInterfaces": ["docker*"], "programClusterRoutes": "Enabled", "ipv4NormalRoutePriority": 1024,
        },
    },
    key("bgppeers", "tor-r2"): {
        "kind": "BGPPeer", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "tor-r2"},
        "spec": {
            "nodeSelector": "rack == 'r2'", "peerIP": "172.18.0.1:1179", "asNumber": 65020,
            "sourceAddress": "UseNodeIP", "keepaliveTime": "10s", "maxRestartTime": "90s",
            "password": {"secretKeyRef": {"name": "bgp-secrets", "key": "tor"}},
            "ttlSecurity": 1, "nextHopMode": "Keep", "numAllowedLocalASNumbers": 1, "filters": ["only-pods"],
        },
    },
    key("bgpfilters", "only-pods"): {
        "kind": "BGPFilter", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "only-pods"},
        "spec": {
            "exportV4": [
                {
                    "cidr": "10.65.0.0/16", "matchOperator": "In", "prefixLength": {"min": 26, "max": 32},
                    "peerType": "eBGP", "action": "Accept",
                    "operations": [{"addCommunity": {"value": "65020:9"}}, {"prependASPath": {"prefix": [64600]}}],
                },
                {"action": "Reject"},
            ],
            "importV4": [
                {"cidr": "0.0.0.0/0", "matchOperator": "Equal", "action": "Accept"},
                {"source": "RemotePeers", "action": "Reject"},
            ],
        },
    },
    key("ippools", "pods-v4"): {
        "kind": "IPPool", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "pods-v4"},
        "spec": {
            "cidr": "10.65.0.0/16", "blockSize": 26, "ipipMode": "CrossSubnet", "vxlanMode": "Never",
            "natOutgoing": True, "nodeSelector": "all()", "disabled": False, "disableBGPExport": False,
            "allowedUses": ["Workload", "Tunnel"],
        },
    },
    "/calico/ipam/v2/host/worker-3/ipv4/block/10.65.3.64-26": {"state": "confirmed", "deleted": False},
    "/calico/ipam/v2/assignment/ipv4/block/10.65.3.64-26": {
        "cidr": "10.65.3.64/26", "affinity": "host:worker-3", "allocations": [0, None, 1], "unallocated": [1],
        "attributes": [{"handle_id": "h1", "secondary": {"node": "worker-3"}}], "sequenceNumber": 7, "deleted": False,
    },
    key("clusterinformations", "default"): {"spec": {"datastoreReady": True, "clusterType": "k8s,bgp"}},
    "/calico/ipam/v2/config": {"strict_affinity": False, "auto_allocate_blocks": True},
}  # fmt: skip

FLAT = {
    "/calico/bgp/v1/global/as_num": b"64512",
    "/calico/bgp/v1/global/node_mesh": b'{"enabled":true}',
    "/calico/bgp/v1/global/loglevel": b"debug",
    "/calico/bgp/v1/host/w1/ip_addr_v4": b"172.18.4.13",
    "/calico/bgp/v1/host/w1/network_v4": b"172.18.0.0/20",
    "/calico/bgp/v1/host/w1/ip_addr_v6": b"",
    "/calico/bgp/v1/host/w2/ip_addr_v4": b"172.18.4.20",
    "/calico/bgp/v1/host/w2/as_num": b"64600",
    "/calico/bgp/v1/host/w2/listen_port": b"1179",
    "/calico/bgp/v1/host/rr/ip_addr_v4": b"172.18.4.9",
    "/calico/bgp/v1/host/rr/rr_cluster_id": b"244.0.0.1",
    "/calico/bgp/v1/global/peer_v4/172.18.0.1": b'{"ip":"172.18.0.1","as_num":"65020"}',
    "/calico/bgp/v1/host/w1/peer_v4/172.18.0.2": b'{"ip":"172.18.0.2","as_num":"65021"}',
    "/calico/bgp/v1/host/w1/peer_v4/172.18.0.3-1179": b'{"ip":"172.18.0.3","as_num":"65022"}',
    "/calico/bgp/v1/host/w2/peer_v4/172.18.0.4": b'{"ip":"172.18.0.4","as_num":"65023"}',
    "/calico/v1/ipam/v4/pool/10.65.0.0-16": (
        b'{"cidr":"10.65.0.0/16","ipip":"tunl0","ipip_mode":"cross-subnet","masquerade":true,"ipam":true,"disabled":false}'
    ),
    "/calico/v1/ipam/v4/pool/10.66.0.0-16": b'{"cidr":"10.66.0.0/16","ipip":"tunl0"}',
    "/calico/v1/ipam/v4/pool/10.67.0.0-16": b'{"cidr":"10.67.0.0/16","ipip":"","ipip_mode":""}',
    "/calico/ipam/v2/host/w1/ipv4/block/10.65.3.64-26": b"",
    "/calico/v1/host/w1/config/IpInIpTunnelAddr": b"10.65.3.64",
}
