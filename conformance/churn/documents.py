"""The parts of Calico's documents that the actions write, as they are read again."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from msgspec import Struct, field
from msgspec.json import decode

Spec = TypeVar("Spec")


class _Camel(Struct, frozen=True, rename="camel"):
    """Names are written in camel case; what is not listed is passed over."""


class Metadata(_Camel, frozen=True):
    """Of a resource."""

    labels: dict[str, str] = {}


class NodeBgp(_Camel, frozen=True):
    """Of a node."""

    ipv4_address: str = field(default="", name="ipv4Address")
    ipv6_address: str = field(default="", name="ipv6Address")
    route_reflector_cluster_id: str = field(default="", name="routeReflectorClusterID")


class NodeSpec(_Camel, frozen=True):
    """Of a node."""

    bgp: NodeBgp


class Node(_Camel, frozen=True):
    """A node."""

    metadata: Metadata
    spec: NodeSpec


class Settings(_Camel, frozen=True):
    """Of a BGPConfiguration."""

    node_to_node_mesh_enabled: bool = True


class Peer(_Camel, frozen=True):
    """Of a BGPPeer."""

    node: str = ""
    node_selector: str = ""
    peer_ip: str = field(default="", name="peerIP")
    peer_selector: str = ""
    filters: tuple[str, ...] = ()
    reverse_peering: str = "Auto"
    max_restart_time: str = ""


class Span(_Camel, frozen=True):
    """Lengths of prefixes."""

    min: int = 0
    max: int = 128


class Rule(_Camel, frozen=True):
    """Of a BGPFilter."""

    action: str
    cidr: str = ""
    match_operator: str = ""
    prefix_length: Span = Span()
    source: str = ""


class Filter(_Camel, frozen=True):
    """Of a BGPFilter."""

    import_v4: tuple[Rule, ...] = field(default=(), name="importV4")
    import_v6: tuple[Rule, ...] = field(default=(), name="importV6")
    export_v4: tuple[Rule, ...] = field(default=(), name="exportV4")
    export_v6: tuple[Rule, ...] = field(default=(), name="exportV6")

    def rules(self) -> Mapping[tuple[str, int], tuple[Rule, ...]]:
        """Return the lists by direction and IP version."""
        return {
            ("import", 4): self.import_v4,
            ("import", 6): self.import_v6,
            ("export", 4): self.export_v4,
            ("export", 6): self.export_v6,
        }


class Pool(_Camel, frozen=True):
    """Of an IPPool."""

    cidr: str
    ipip_mode: str = "Never"
    vxlan_mode: str = "Never"
    disable_bgp_export: bool = field(default=False, name="disableBGPExport")


class Affinity(_Camel, frozen=True):
    """Whose a block is."""

    state: str


class Attribute(_Camel, frozen=True):
    """Of a container's address."""

    secondary: dict[str, str]


class Block(_Camel, frozen=True):
    """What is in a block."""

    allocations: tuple[int | None, ...]
    attributes: tuple[Attribute, ...]


class _Resource(Struct, Generic[Spec]):
    """A resource of which the spec alone counts."""

    spec: Spec


def specs(values: Mapping[str, str], kind: type[Spec]) -> dict[str, Spec]:
    """Return the specs of resources of one kind, by name."""
    return {name: decode(value, type=_Resource[kind]).spec for name, value in values.items()}  # type: ignore[valid-type]
