"""Objects as lines of a table, with the columns that calicoctl has for them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bgpd.datastore.resources.bgp_configuration import DEFAULT_ASN
from bgpd.datastore.resources.kinds import BGP_CONFIGURATION, BGP_FILTER, BGP_PEER, IP_POOL, NODE, Kind
from bgpd.datastore.resources.shapes import Document, Json, part, text
from bgpd.records import dataclass

_RULES: Final = ("importV4", "exportV4", "importV6", "exportV6")


@dataclass(frozen=True, slots=True)
class Object:
    """What a line is made of. default_asn: of the cluster."""

    name: str
    spec: Document
    default_asn: int = DEFAULT_ASN


@dataclass(frozen=True, slots=True)
class ResourceColumn:
    """One column. is_wide: only with ``-o wide``."""

    heading: str
    cell: Callable[[Object], str]
    is_wide: bool = False


def _at(*names: str) -> Callable[[Object], str]:
    return lambda one: _shown(part(one.spec, *names[:-1]).get(names[-1]))


def _or(name: str, default: str) -> Callable[[Object], str]:
    return lambda one: _shown(one.spec.get(name)) or default


def _flag(name: str) -> Callable[[Object], str]:
    return lambda one: "true" if one.spec.get(name) else "false"


def _shown(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(_shown, value))
    return str(value)


def _node_asn(one: Object) -> str:
    return _shown(part(one.spec, "bgp").get("asNumber")) or f"({one.default_asn})"


def _peer_node(one: Object) -> str:
    return text(one.spec, "node") or text(one.spec, "nodeSelector") or "(global)"


def _peer_ip(one: Object) -> str:
    return text(one.spec, "peerIP") or text(one.spec, "peerSelector") or text(one.spec, "localWorkloadSelector")


def _peer_asn(one: Object) -> str:
    if asn := _shown(one.spec.get("asNumber")):
        return asn
    return "(node's)" if one.spec.get("peerSelector") else f"({one.default_asn})"


def _next_hop(one: Object) -> str:
    return text(one.spec, "nextHopMode") or ("Keep" if one.spec.get("keepOriginalNextHop") else "Auto")


def _count(name: str) -> Callable[[Object], str]:
    def cell(one: Object) -> str:
        rules = one.spec.get(name)
        return str(len(rules)) if isinstance(rules, list) else "0"

    return cell


_NAME: Final = ResourceColumn("NAME", lambda one: one.name)
COLUMNS: Final[Mapping[str, Sequence[ResourceColumn]]] = {
    NODE.name: (
        _NAME,
        ResourceColumn("ASN", _node_asn, is_wide=True),
        ResourceColumn("IPV4", _at("bgp", "ipv4Address"), is_wide=True),
        ResourceColumn("IPV6", _at("bgp", "ipv6Address"), is_wide=True),
        ResourceColumn("CLUSTERID", _at("bgp", "routeReflectorClusterID"), is_wide=True),
    ),
    BGP_PEER.name: (
        _NAME,
        ResourceColumn("PEERIP", _peer_ip),
        ResourceColumn("NODE", _peer_node),
        ResourceColumn("ASN", _peer_asn),
        ResourceColumn("NEXTHOP", _next_hop, is_wide=True),
        ResourceColumn("FILTERS", _at("filters"), is_wide=True),
    ),
    BGP_CONFIGURATION.name: (
        _NAME,
        ResourceColumn("LOGSEVERITY", _or("logSeverityScreen", "-")),
        ResourceColumn("MESHENABLED", _or("nodeToNodeMeshEnabled", "-")),
        ResourceColumn("ASNUMBER", _or("asNumber", "-")),
        ResourceColumn("LISTENPORT", _or("listenPort", "-"), is_wide=True),
    ),
    BGP_FILTER.name: (_NAME, *(ResourceColumn(name.upper(), _count(name), is_wide=True) for name in _RULES)),
    IP_POOL.name: (
        _NAME,
        ResourceColumn("CIDR", _at("cidr")),
        ResourceColumn("NAT", _flag("natOutgoing"), is_wide=True),
        ResourceColumn("IPIPMODE", _or("ipipMode", "Never"), is_wide=True),
        ResourceColumn("VXLANMODE", _or("vxlanMode", "Never"), is_wide=True),
        ResourceColumn("DISABLED", _flag("disabled"), is_wide=True),
        ResourceColumn("DISABLEBGPEXPORT", _flag("disableBGPExport"), is_wide=True),
        ResourceColumn("SELECTOR", _or("nodeSelector", "all()")),
    ),
}


def columns(kind: Kind, *, wide: bool) -> tuple[ResourceColumn, ...]:
    """Return the columns of a kind."""
    return tuple(column for column in COLUMNS[kind.name] if wide or not column.is_wide)
