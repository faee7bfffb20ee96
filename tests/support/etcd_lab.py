"""A lab of namespaces whose cluster is in a real etcd, as Calico keeps it there.

Each host's file names the host and etcd, which stands at the gateway of the underlay, so that hosts reach it as they
would in a rack. Node n owns the blocks 10.65.n.0/26 and fd65::n:0/122, where its containers are.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from bgpd.api.rows import StatusRow
from bgpd.lab import Lab, LabOptions
from bgpd.lab.nodes import Node
from tests.support.etcd import EtcdCluster, Place, Tls

RESOURCES: Final = "/calico/resources/v3/projectcalico.org"
IPAM: Final = "/calico/ipam/v2"
GATEWAY: Final = "172.30.0.1"  # of the lab's bridged underlay
POOLS: Final = {"pods-v4": "10.65.0.0/16", "pods-v6": "fd65::/64"}

Contents: TypeAlias = "dict[str, dict[str, object]]"


class EtcdLab(Lab):
    """The lab; etcd runs as long as it does. files: for etcd's data and the hosts' secrets.

    access: more lines of [etcd] in the hosts' files.
    """

    def __init__(
        self,
        options: LabOptions,
        files: Path,
        *etcd_options: str,
        members: int = 1,
        tls: Tls | None = None,
        access: str = "",
    ) -> None:
        super().__init__(options)
        self.contents: Contents = {}  # of etcd, as last written by us
        self.secrets = files / "secrets"
        self._files = files
        self._etcd_options = etcd_options
        self._members = members
        self._tls = tls
        self._access = access
        self.etcd: EtcdCluster

    def __enter__(self) -> "EtcdLab":
        super().__enter__()
        try:
            place = Place(GATEWAY, self.underlay)
            self.etcd = EtcdCluster(self._files, self._members, self._tls, *self._etcd_options, place=place)
            for node in self:
                node.config_file.write_text(self.file(node))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            super().__exit__()
        finally:
            if hasattr(self, "etcd"):
                self.etcd.close()

    def file(self, node: Node, endpoints: tuple[str, ...] = ()) -> str:
        """Return a host's bgp.toml: its name, where etcd is, and what is to be logged."""
        settings = self.etcd.settings()
        lines = [
            *("[node]", f'name = "{node.name}"'),
            *("[etcd]", f"endpoints = {json.dumps(endpoints or settings.endpoints)}"),
            f'secrets_dir = "{self.secrets}"',
            *(
                f'{key} = "{getattr(settings, key)}"'
                for key in ("ca_file", "cert_file", "key_file")
                if getattr(settings, key)
            ),
            self._access,
            *("[control]", f'socket = "{node.socket}"'),
            *("[log]", 'format = "json"'),
            *("[http]", 'listen = ""'),
            *("[session]", "idle_hold = { first = 1, max = 1 }", "connect_retry_time = 1"),
        ]
        return "\n".join(lines) + "\n"

    def write(self, changes: Mapping[str, object | None]) -> None:
        """Write and delete keys of etcd, all in one transaction."""
        lines = []
        for key, value in changes.items():
            if value is None:
                self.contents.pop(key, None)
                lines.append(f"del {key}")
                continue
            if isinstance(value, dict):
                self.contents[key] = value
            text = value if isinstance(value, str) else json.dumps(value)
            lines.append(f"put {key} {json.dumps(text)}")
        self.etcd.etcdctl("txn", given="\n" + "\n".join(lines) + "\n\n\n")

    def put_secret(self, name: str, key: str, text: str) -> None:
        """Let all hosts have a password."""
        directory = self.secrets / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / key).write_text(text)
        (directory / key).chmod(0o600)

    def status(self, node: Node) -> StatusRow:
        """Return a host's daemon at a glance."""
        return msgspec.json.decode(node.get("/status"), type=StatusRow)

    def up(self, node: Node) -> int:
        """Return how many of a host's sessions are Established, 0 while it waits for a configuration."""
        if self.status(node).state == "waiting":
            return 0
        return sum(row.state == "Established" for row in node.peers())


def node_key(name: str) -> str:
    """Return the key of a node."""
    return f"{RESOURCES}/nodes/{name}"


def node_document(
    name: str, ipv4: str, ipv6: str = "", labels: Mapping[str, str] | None = None, cluster_id: str = ""
) -> dict[str, object]:
    """Return the value of a node; addresses without a length."""
    bgp = {"ipv4Address": f"{ipv4}/16"}
    if ipv6:
        bgp["ipv6Address"] = f"{ipv6}/64"
    if cluster_id:
        bgp["routeReflectorClusterID"] = cluster_id
    return {"kind": "Node", "metadata": {"name": name, "labels": dict(labels or {})}, "spec": {"bgp": bgp}}


def resource(plural: str, name: str, **spec: object) -> tuple[str, dict[str, object]]:
    """Return key and value of any other resource."""
    return f"{RESOURCES}/{plural}/{name}", {"metadata": {"name": name}, "spec": spec}


def affinity(node: str, cidr: str, state: str = "confirmed") -> tuple[str, dict[str, object]]:
    """Return key and value of a node's block."""
    family = "ipv6" if ":" in cidr else "ipv4"
    return f"{IPAM}/host/{node}/{family}/block/{cidr.replace('/', '-')}", {"state": state, "deleted": False}


def blocks_of(number: int) -> tuple[str, str]:
    """Return the blocks of node n."""
    return f"10.65.{number}.0/26", f"fd65::{number:x}:0/122"


def pools() -> Contents:
    """Return the pools."""
    return dict(resource("ippools", name, cidr=cidr) for name, cidr in POOLS.items())


def of_host(node: Node, ipv4: str = "", labels: Mapping[str, str] | None = None, cluster_id: str = "") -> Contents:
    """Return a host's keys: the node and its blocks. ipv4: instead of its first address."""
    link = node.plan.interfaces[0]
    document = node_document(node.name, ipv4 or str(link.ipv4.ip), str(link.ipv6.ip), labels, cluster_id)
    return {node_key(node.name): document} | dict(affinity(node.name, block) for block in blocks_of(node.plan.number))
