"""Where things are in etcd: which keys we need, and what a key names.

Both layouts: the resources of Calico 3 and the flat keys of Calico 2 (``bgp/v1``, ``v1``). Blocks are the same in both.
"""

from enum import Enum
from typing import Final

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.records import dataclass

_RESOURCES: Final = "resources/v3/projectcalico.org"
_IPAM_FAMILIES: Final = {"ipv4": IPV4_UNICAST, "ipv6": IPV6_UNICAST}
_POOL_FAMILIES: Final = {"v4": IPV4_UNICAST, "v6": IPV6_UNICAST}


class Kind(Enum):
    """What a key holds; of resources, the word in the key."""

    NODE = "nodes"
    SETTINGS = "bgpconfigurations"
    PEER = "bgppeers"
    FILTER = "bgpfilters"
    POOL = "ippools"
    AFFINITY = "block affinity"
    BLOCK = "block"
    FLAT = "flat"
    FLAT_POOL = "flat pool"


_KINDS: Final = {kind.value: kind for kind in (Kind.NODE, Kind.SETTINGS, Kind.PEER, Kind.FILTER, Kind.POOL)}


@dataclass(frozen=True, slots=True)
class Place:
    """What a key names.

    name: of the object, of a block its CIDR as keys write it, of a flat key what stands behind ``bgp/v1/`` or ``v1/``.
    node: of an affinity. family: of blocks and pools.
    """

    kind: Kind
    name: str
    node: str = ""
    family: Family | None = None


def prefixes(node: str, prefix: str = "/calico") -> tuple[str, ...]:
    """Return the beginnings of all keys that this node has to list and watch.

    Affinities of all nodes and the blocks' contents are among them: what other nodes announce is held against those.
    """
    root = prefix.rstrip("/")
    return (
        *(f"{root}/{_RESOURCES}/{kind}/" for kind in _KINDS),
        f"{root}/ipam/v2/host/",
        f"{root}/ipam/v2/assignment/",
        f"{root}/bgp/v1/",
        f"{root}/v1/ipam/",
        f"{root}/v1/config/bgp_",
        f"{root}/v1/host/{node}/bgp_",
    )


def place(key: str, prefix: str) -> Place | None:
    """Return what a key names, None = it does not concern us."""
    root = f"{prefix.rstrip('/')}/"
    if not key.startswith(root):
        return None
    match key.removeprefix(root).split("/"):
        case ["resources", "v3", "projectcalico.org", plural, name] if plural in _KINDS and name:
            return Place(_KINDS[plural], name)
        case ["ipam", "v2", "host", node, family, "block", block] if family in _IPAM_FAMILIES and node and block:
            return Place(Kind.AFFINITY, block, node, _IPAM_FAMILIES[family])
        case ["ipam", "v2", "assignment", family, "block", block] if family in _IPAM_FAMILIES and block:
            return Place(Kind.BLOCK, block, family=_IPAM_FAMILIES[family])
        case ["v1", "ipam", version, "pool", block] if version in _POOL_FAMILIES and block:
            return Place(Kind.FLAT_POOL, block, family=_POOL_FAMILIES[version])
        case ["bgp", "v1", *rest] if rest:
            return Place(Kind.FLAT, "/".join(rest))
        case ["v1", "config", name, *rest] if name.startswith("bgp_"):  # older than 2.0, from here on
            return Place(Kind.FLAT, "/".join(("global", _newer(name), *rest)))
        case ["v1", "host", node, name, *rest] if name.startswith("bgp_peer_"):
            return Place(Kind.FLAT, "/".join(("host", node, _newer(name), *rest)))
    return None


def _newer(name: str) -> str:
    """Return the name that 2.0 has for a key of an older version."""
    short = name.removeprefix("bgp_")
    return {"as": "as_num"}.get(short, short)
