"""Keys and values as Calico writes them, and a node's configuration made of them."""

import json
from collections.abc import Mapping

from bgpd.config import Config, ResolvedPeer, parse
from bgpd.datastore.calico import Cluster, ClusterConfig

RESOURCES = "/calico/resources/v3/projectcalico.org/"


class Files:
    """Secrets that are there."""

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords  # name__key → password

    def lookup(self, name: str, key: str) -> str | None:
        return self.passwords.get(f"{name}__{key}")


def local(text: str = "", *, name: str = "w1", node: str = "") -> Config:
    """Return a bgp.toml that has the node's name, etcd and the text."""
    head = f'[node]\nname = "{name}"\n{node}\n[etcd]\nendpoints = ["http://127.0.0.1:2379"]\n'
    return parse(head + text, "bgp.toml")


def key(plural: str, name: str) -> str:
    return f"{RESOURCES}{plural}/{name}"


def document(spec: Mapping[str, object], labels: Mapping[str, str] | None = None, **more: object) -> bytes:
    return json.dumps({"metadata": {"labels": dict(labels or {})}, "spec": spec, **more}).encode()


class Etcd:
    """A cluster as one node sees it, filled with few words."""

    def __init__(self, me: str = "w1") -> None:
        self.cluster = Cluster(me)
        self.me = me

    def put(self, name: str, value: bytes) -> None:
        problem = self.cluster.put(name, value)
        assert problem is None, problem

    def node(
        self, name: str, ipv4: str = "", ipv6: str = "", *, labels: Mapping[str, str] | None = None, **bgp: object
    ) -> None:
        addresses = {"ipv4Address": ipv4, "ipv6Address": ipv6}
        self.put(key("nodes", name), document({"bgp": {k: v for k, v in addresses.items() if v} | bgp}, labels))

    def settings(self, name: str = "default", **spec: object) -> None:
        self.put(key("bgpconfigurations", name), document(spec))

    def peer(self, name: str, **spec: object) -> None:
        self.put(key("bgppeers", name), document(spec))

    def filter(self, name: str, **spec: object) -> None:
        self.put(key("bgpfilters", name), document(spec))

    def pool(self, name: str, cidr: str, **spec: object) -> None:
        self.put(key("ippools", name), document({"cidr": cidr, **spec}))

    def block(self, cidr: str, node: str = "", value: bytes = b"", *, family: str = "ipv4") -> None:
        where = f"/calico/ipam/v2/host/{node or self.me}/{family}/block/{cidr.replace('/', '-')}"
        self.put(where, value)

    def config(self, config: Config | None = None, secrets: Files | None = None) -> ClusterConfig:
        return self.cluster.resolve(config or local(name=self.me), secrets or Files())

    def peers(self, config: Config | None = None) -> dict[str, ResolvedPeer]:
        return {peer.name: peer for peer in self.config(config).resolved.peers}
