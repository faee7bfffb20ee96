"""BIRD's configuration as Calico's confd would make it of what is in etcd, in the language of BIRD 2.

Both families are in one daemon here, each in sessions of its own. IPIP is left out: it takes a patch that Debian's BIRD
has not. Nothing of ``bgpd.datastore`` is used: this is the other reading of the same keys.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from typing import Any, Final, TypeAlias

from tests.support.etcd_lab import IPAM, RESOURCES, Contents

Json: TypeAlias = Any  # a document whose shape Calico fixes

DEFAULT_ASN: Final = 64512
_VERSIONS: Final = (4, 6)
_SELECTOR: Final = re.compile(r"(?P<no>!?)has\((?P<has>\w+)\)|(?P<label>\w+) == '(?P<value>\w+)'")


@dataclass(frozen=True)
class _Session:
    """One ``protocol bgp``."""

    name: str
    address: str
    own: str
    asn: int
    is_passive: bool
    is_client: bool
    password: str = ""
    filters: tuple[str, ...] = ()


class Confd:
    """What is in etcd, for one node. passwords: by name and key of the secret.

    is_old: as Calico 2 has it, where both ends of the mesh dial and a node is the next hop of all that it announces.
    """

    def __init__(
        self, contents: Contents, node: str, passwords: Mapping[tuple[str, str], str], *, is_old: bool = False
    ) -> None:
        self._is_old = is_old
        self._contents = contents
        self._name = node
        self._passwords = passwords
        self._nodes = self._resources("nodes")
        self._settings: Json = self._resources("bgpconfigurations").get("default", {}).get("spec", {})
        self._asn = int(self._settings.get("asNumber", DEFAULT_ASN))

    def render(self) -> str:
        """Return bird.conf."""
        own = self._bgp(self._name)
        lines = [
            f"router id {ip_interface(own['ipv4Address']).ip};",
            "protocol device { scan time 2; }",
            'protocol direct { ipv4; ipv6; interface -"cali*", -"kube-ipvs*", "*"; }',
        ]
        for version in _VERSIONS:
            lines += self._family(version)
        for session in sorted(self._sessions(), key=lambda one: one.name):
            lines += self._protocol(session)
        return "\n".join(lines) + "\n"

    def _family(self, version: int) -> Iterator[str]:
        blocks = self._blocks(version)
        yield f"protocol static {{ ipv{version};"
        yield from (f"  route {block} blackhole;" for block in blocks)
        yield "}"
        yield f"filter calico_kernel_programming{version} {{"
        yield "  if source ~ [ RTS_DEVICE, RTS_INHERIT ] then reject;"
        yield "  accept;"
        yield "}"
        yield f"protocol kernel kernel{version} {{ learn; persist; scan time 2; graceful restart; merge paths on;"
        yield f"  ipv{version} {{ import all; export filter calico_kernel_programming{version}; }};"
        yield "}"

    def _protocol(self, session: _Session) -> Iterator[str]:
        version = 6 if ":" in session.address else 4
        for direction in ("import", "export"):
            yield f"filter {session.name}_{direction} {{"
            yield from (f"  {rule}" for name in session.filters for rule in self._rules(name, direction, version))
            yield from self._export_rules(version) if direction == "export" else ("  accept;",)
            yield "}"
        yield f"protocol bgp {session.name} {{"
        yield f"  local {session.own} as {self._asn_of(self._name)};"
        yield f"  neighbor {session.address} as {session.asn};"
        yield f"  multihop; source address {session.own}; hold time 240;"
        yield "  connect delay time 2; connect retry time 5; error wait time 5, 30; error forget time 300;"
        yield "  graceful restart on; graceful restart time 120; long lived graceful restart on;"
        if session.is_passive and not self._is_old:
            yield "  passive on;"
        if session.is_client:
            yield f"  rr client; rr cluster id {self._bgp(self._name)['routeReflectorClusterID']};"
        if session.password:
            yield f'  password "{session.password}";'
        yield f"  ipv{version} {{ add paths on; gateway recursive;{' next hop self;' if self._is_old else ''}"
        yield f"    import filter {session.name}_import; export filter {session.name}_export;"
        yield "  };"
        yield "}"

    def _export_rules(self, version: int) -> Iterator[str]:
        for block in self._blocks(version):
            yield f"  if net = {block} then accept;"
            yield f"  if net ~ [ {block}+ ] then reject;"
        for pool in self._resources("ippools").values():
            cidr = pool["spec"]["cidr"]
            if ip_network(cidr).version == version:
                yield f"  if net ~ [ {cidr}+ ] then accept;"
        yield "  reject;"

    def _rules(self, name: str, direction: str, version: int) -> Iterator[str]:
        spec = self._resources("bgpfilters")[name]["spec"]
        for rule in spec.get(f"{direction}V{version}", ()):
            pattern = {"Equal": "net = {}", "In": "net ~ [ {}+ ]"}[rule["matchOperator"]] if "cidr" in rule else "true"
            yield f"if {pattern.format(rule.get('cidr'))} then {rule['action'].lower()};"

    def _sessions(self) -> list[_Session]:
        found: dict[str, _Session] = {}
        explicit = [peer["spec"] for _, peer in sorted(self._resources("bgppeers").items())]
        forward = [spec for spec in explicit if self._is_local(spec, self._name)]
        for spec in sorted(forward, key=lambda spec: "node" in spec or "nodeSelector" in spec):
            is_global = not ("node" in spec or "nodeSelector" in spec)
            for other in self._targets(spec):
                self._add(found, "Global" if is_global else "Node", other, spec)
        for spec in explicit:
            if self._name in self._targets(spec):
                for other in self._nodes:
                    if self._is_local(spec, other):
                        self._add(found, "Node", other, spec)
        is_reflector = "routeReflectorClusterID" in self._bgp(self._name)
        if self._settings.get("nodeToNodeMeshEnabled", True) and not is_reflector:
            for other in self._nodes:
                if "routeReflectorClusterID" not in self._bgp(other):
                    self._add(found, "Mesh", other, {"password": self._settings.get("nodeMeshPassword")})
        return list(found.values())

    def _add(self, found: dict[str, _Session], kind: str, other: str, spec: Json) -> None:
        """Add the sessions with a node in both families, where there are none yet with that address."""
        ours, theirs = self._bgp(self._name), self._bgp(other)
        cluster_id = ours.get("routeReflectorClusterID")
        for version in _VERSIONS:
            field = f"ipv{version}Address"
            if other == self._name or field not in ours or field not in theirs:
                continue
            own, address = (str(ip_interface(one[field]).ip) for one in (ours, theirs))
            if "peerIP" in spec and ip_network(spec["peerIP"]).version != version:
                continue
            secret = (spec.get("password") or {}).get("secretKeyRef")
            found.setdefault(
                address,
                _Session(
                    f"{kind}_{re.sub('[.:]', '_', address)}",
                    address,
                    own,
                    self._asn_of(other),
                    is_passive=kind == "Mesh" and address > own,
                    is_client=cluster_id is not None and cluster_id != theirs.get("routeReflectorClusterID"),
                    password=self._passwords[secret["name"], secret["key"]] if secret else "",
                    filters=tuple(spec.get("filters", ())),
                ),
            )

    def _is_local(self, spec: Json, node: str) -> bool:
        if "node" in spec:
            return bool(spec["node"] == node)
        return self._matches(spec.get("nodeSelector", "all()"), node)

    def _targets(self, spec: Json) -> list[str]:
        if "peerSelector" in spec:
            return [node for node in self._nodes if self._matches(spec["peerSelector"], node)]
        return [
            node
            for node in self._nodes
            if spec["peerIP"] in {str(ip_interface(one).ip) for key, one in self._bgp(node).items() if "Address" in key}
        ]

    def _matches(self, selector: str, node: str) -> bool:
        if selector == "all()":
            return True
        labels = self._nodes[node]["metadata"]["labels"]
        found = _SELECTOR.fullmatch(selector)
        assert found is not None, f"a selector that this renderer does not know: {selector}"
        if found["has"]:
            return (found["has"] in labels) is not bool(found["no"])
        return bool(labels.get(found["label"]) == found["value"])

    def _bgp(self, node: str) -> Json:
        return self._nodes[node]["spec"]["bgp"]

    def _asn_of(self, node: str) -> int:
        return int(self._bgp(node).get("asNumber", self._asn))

    def _blocks(self, version: int) -> list[str]:
        prefix = f"{IPAM}/host/{self._name}/ipv{version}/block/"
        owned = [
            key.removeprefix(prefix)
            for key, value in self._contents.items()
            if key.startswith(prefix) and value["state"] == "confirmed"
        ]
        return [re.sub(r"-(\d+)$", r"/\1", block) for block in sorted(owned)]

    def _resources(self, plural: str) -> dict[str, Json]:
        prefix = f"{RESOURCES}/{plural}/"
        return {key.removeprefix(prefix): value for key, value in self._contents.items() if key.startswith(prefix)}
