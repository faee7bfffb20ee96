"""How much of each pool and block is in use, from the keys of the IPAM: who owns a block, what of it is taken.

Keys: ``ipam/v2/host/<node>/ipv4/block/<cidr>`` (affinity) and ``ipam/v2/assignment/ipv4/block/<cidr>`` (contents).
"""

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bgpd.datastore.resources.shapes import Document, Json, part, text
from bgpd.datastore.resources.values import Network, network
from bgpd.records import dataclass

DIRECTORY: Final = "ipam/v2/"
_VERSIONS: Final = ("ipv4", "ipv6")
_HOST: Final = "host:"


@dataclass(frozen=True, slots=True)
class BlockUse:
    """A block.

    node: that owns it, empty = none. state: of its affinity, empty = there is no affinity. in_use: addresses that are
    taken. borrowed: those of them that are on other nodes.
    """

    cidr: Network
    node: str
    state: str
    in_use: int
    borrowed: int = 0


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool with the blocks in it; name and cidr: None = blocks outside all pools."""

    name: str
    cidr: Network | None
    blocks: tuple[BlockUse, ...]

    @property
    def total(self) -> int:
        """Addresses that there are."""
        if self.cidr is None:
            return sum(block.cidr.num_addresses for block in self.blocks)
        return self.cidr.num_addresses

    @property
    def in_use(self) -> int:
        """Addresses that are taken."""
        return sum(block.in_use for block in self.blocks)


@dataclass(frozen=True, slots=True)
class AddressUse:
    """Who has an address. attributes: what the IPAM noted about it."""

    block: Network
    handle: str
    attributes: Mapping[str, str]


def block_of_key(key: str, prefix: str) -> tuple[Network, str] | None:
    """Return the block that a key is about, and its node if it is an affinity; None = it is about something else."""
    parts = key.removeprefix(f"{prefix.rstrip('/')}/{DIRECTORY}").split("/")
    try:
        match parts:
            case ["host", node, version, "block", cidr] if version in _VERSIONS:
                return network(cidr.replace("-", "/")), node
            case ["assignment", version, "block", cidr] if version in _VERSIONS:
                return network(cidr.replace("-", "/")), ""
    except ValueError:
        return None  # the IPAM writes no such key
    return None


def blocks(values: Mapping[str, bytes], prefix: str) -> tuple[BlockUse, ...]:
    """Return the blocks of all keys below ``ipam/v2/``, in the order of their addresses."""
    affinities: dict[Network, tuple[str, str]] = {}
    contents: dict[Network, Document] = {}
    for key, value in values.items():
        found = block_of_key(key, prefix)
        if found is None:
            continue
        cidr, node = found
        document = _document(value)
        if node:
            affinities[cidr] = node, text(document, "state") or "confirmed"
        else:
            contents[cidr] = document
    return tuple(
        _block(cidr, affinities.get(cidr), contents.get(cidr, {}))
        for cidr in sorted({*affinities, *contents}, key=_order)
    )


def pools(found: Iterable[BlockUse], specs: Iterable[tuple[str, Document]]) -> tuple[PoolUse, ...]:
    """Return pools (name, spec) with their blocks; blocks outside all pools come last, under an empty name."""
    ranges = sorted(((name, cidr) for name, spec in specs if (cidr := _range(spec)) is not None), key=_by_range)
    inside: dict[str, list[BlockUse]] = {name: [] for name, _ in ranges}
    outside = []
    for block in found:
        for name, cidr in ranges:
            if contains(cidr, block.cidr):
                inside[name].append(block)
                break
        else:
            outside.append(block)
    made = [PoolUse(name, cidr, tuple(inside[name])) for name, cidr in ranges]
    if outside:
        made.append(PoolUse("", None, tuple(outside)))
    return tuple(made)


def address(values: Mapping[str, bytes], prefix: str, wanted: str) -> AddressUse | None:
    """Return who has an address, None = nobody. Raises ValueError for a text that is no address."""
    one = ipaddress.ip_address(wanted)
    for key, value in values.items():
        found = block_of_key(key, prefix)
        if found is None or found[1] or found[0].version != one.version or one not in found[0]:
            continue
        document = _document(value)
        allocations, attributes = document.get("allocations"), document.get("attributes")
        index = int(one) - int(found[0].network_address)
        if not isinstance(allocations, list) or index >= len(allocations):
            return None
        chosen = allocations[index]
        if not isinstance(chosen, int):
            return None
        about = part(attributes[chosen]) if isinstance(attributes, list) and chosen < len(attributes) else {}
        noted = {name: str(text) for name, text in part(about, "secondary").items()}
        return AddressUse(found[0], text(about, "handle_id"), noted)
    return None


def contains(outer: Network, inner: Network) -> bool:
    """Is a range inside another, or the same?"""
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _block(cidr: Network, affinity: tuple[str, str] | None, document: Document) -> BlockUse:
    node, state = affinity or ("", "")
    if not node:
        node = text(document, "affinity").removeprefix(_HOST)
    return BlockUse(cidr, node, state, _taken(document), sum(1 for holder in _holders(document) if holder != node))


def _taken(document: Document) -> int:
    allocations = document.get("allocations")
    return sum(1 for one in allocations if one is not None) if isinstance(allocations, list) else 0


def _holders(document: Document) -> Iterator[str]:
    """Yield the node of each address in use that has one noted."""
    allocations, attributes = document.get("allocations"), document.get("attributes")
    if not isinstance(allocations, list) or not isinstance(attributes, list):
        return
    nodes = [text(part(one, "secondary"), "node") for one in attributes]
    for one in allocations:
        if isinstance(one, int) and 0 <= one < len(nodes) and nodes[one]:
            yield nodes[one]


def _document(value: bytes) -> Document:
    try:
        found: Json = json.loads(value) if value else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _range(spec: Document) -> Network | None:
    try:
        return network(spec.get("cidr"))
    except ValueError:
        return None


def _order(cidr: Network) -> tuple[int, int, int]:
    return cidr.version, int(cidr.network_address), cidr.prefixlen


def _by_range(pool: tuple[str, Network]) -> tuple[int, int, int]:
    return _order(pool[1])
