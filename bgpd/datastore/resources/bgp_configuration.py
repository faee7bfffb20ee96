"""BGPConfiguration: what holds for all nodes (``default``) or for one (``node.<name>``)."""

from collections.abc import Iterator
from typing import Final

from bgpd.datastore.resources.bgp_peer import SECRET
from bgpd.datastore.resources.shapes import Document, Fault, Field, Rows, Table, part
from bgpd.datastore.resources.values import (
    ASN,
    COMMUNITY,
    COMMUNITY_NAME,
    DEVICE_PATTERN,
    DURATION,
    FLAG,
    TEXT,
    address_leaf,
    community,
    integer,
    network_leaf,
    word,
)

DEFAULT: Final = "default"
NODE_PREFIX: Final = "node."
DEFAULT_ASN: Final = 64512
LOG_LEVELS: Final = ("Trace", "Debug", "Info", "Warning", "Error", "Fatal")
HIGHEST_PRIORITY: Final = 2147483646
_OF_A_NODE: Final = frozenset({"listenPort", "logSeverityScreen", "communities", "prefixAdvertisements"})
_RANGES: Final = Field(Rows(Table({"cidr": Field(network_leaf(None))})))
_SWITCH: Final = word("Enabled", "Disabled")
_PRIORITY: Final = Field(integer(1, HIGHEST_PRIORITY))

SPEC: Final = Table(
    {
        "asNumber": Field(ASN),
        "nodeToNodeMeshEnabled": Field(FLAG),
        "listenPort": Field(integer(1, 65535)),
        "logSeverityScreen": Field(word(*LOG_LEVELS)),
        "bindMode": Field(word("None", "NodeIP")),
        "nodeMeshMaxRestartTime": Field(DURATION),
        "nodeMeshPassword": Field(SECRET),
        "serviceClusterIPs": _RANGES,
        "serviceExternalIPs": _RANGES,
        "serviceLoadBalancerIPs": _RANGES,
        "serviceLoadBalancerAggregation": Field(_SWITCH),
        "communities": Field(
            Rows(Table({"name": Field(COMMUNITY_NAME, is_required=True), "value": Field(COMMUNITY, is_required=True)}))
        ),
        "prefixAdvertisements": Field(
            Rows(Table({"cidr": Field(network_leaf(None), is_required=True), "communities": Field(Rows(TEXT))}))
        ),
        "ignoredInterfaces": Field(Rows(DEVICE_PATTERN)),
        "programClusterRoutes": Field(word("Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly")),
        "ipv4NormalRoutePriority": _PRIORITY,
        "ipv6NormalRoutePriority": _PRIORITY,
        "localWorkloadPeeringIPV4": Field(address_leaf(4)),
        "localWorkloadPeeringIPV6": Field(address_leaf(6)),
    }
)


def check(spec: Document) -> Iterator[Fault]:
    """Yield what is wrong across fields."""
    named = spec.get("communities")
    advertised = spec.get("prefixAdvertisements")
    named = named if isinstance(named, list) else []
    advertised = advertised if isinstance(advertised, list) else []
    if named and not advertised:
        yield Fault("spec.communities", "expected spec.prefixAdvertisements too: nothing uses them")
    names = [part(one).get("name") for one in named]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(f"spec.communities[{index}].name", f"expected a name of its own, found {name} again")
    for index, entry in enumerate(advertised):
        used = part(entry).get("communities")
        for place, text in enumerate(used if isinstance(used, list) else []):
            where = f"spec.prefixAdvertisements[{index}].communities[{place}]"
            if text not in names and not _is_community(text):
                yield Fault(where, f"expected {COMMUNITY.expected}, or a name of spec.communities, found {text}")
    if spec.get("nodeToNodeMeshEnabled") is False:
        for key in ("nodeMeshPassword", "nodeMeshMaxRestartTime"):
            if key in spec:
                yield Fault(f"spec.{key}", "expected none, as spec.nodeToNodeMeshEnabled is false")


def notices(name: str, spec: Document) -> Iterator[str]:
    """Yield what is allowed and without effect."""
    if name == DEFAULT:
        return
    if not name.startswith(NODE_PREFIX):
        yield f"nobody reads it: only {DEFAULT} and {NODE_PREFIX}<name of a node> count"
        return
    if without := [key for key in spec if key not in _OF_A_NODE]:
        yield f"no effect for a single node: {', '.join(without)}"


def _is_community(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(community(text))
    except ValueError:
        return False
