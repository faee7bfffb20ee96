"""The resources of Calico 2 (``apiVersion: v1``) as those of today.

An old document names its object by what it is about (a pool by its range, a peer by scope, node and address), so the
object that it changes is looked for by that; and it can say less, so what it cannot say stays as it is stored.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

from bgpd.datastore.resources import node
from bgpd.datastore.resources.kinds import BGP_PEER, IP_POOL, NODE, Kind, kind_named
from bgpd.datastore.resources.shapes import Document, Fault, Field, Rows, Table, part, read, text
from bgpd.datastore.resources.values import ASN, FLAG, OBJECT_NAME, TEXT, Network, address_leaf, network, word
from bgpd.records import dataclass

_MODES: Final = {"always": "Always", "cross-subnet": "CrossSubnet"}
_METADATA: Final[Mapping[str, Table]] = {
    IP_POOL.name: Table({"cidr": IP_POOL.spec.fields["cidr"]}),
    BGP_PEER.name: Table(
        {
            "scope": Field(word("global", "node"), is_required=True),
            "node": Field(OBJECT_NAME),
            "peerIP": Field(address_leaf(None), is_required=True),
        }
    ),
    NODE.name: Table({"name": Field(TEXT, is_required=True)}),
}
_SPECS: Final[Mapping[str, Table]] = {
    IP_POOL.name: Table(
        {
            "ipip": Field(Table({"enabled": Field(FLAG), "mode": Field(word(*_MODES))})),
            "nat-outgoing": Field(FLAG),
            "disabled": Field(FLAG),
        }
    ),
    BGP_PEER.name: Table({"asNumber": Field(ASN)}),
    NODE.name: Table(
        {
            "bgp": Field(Table({name: node.BGP.fields[name] for name in ("asNumber", "ipv4Address", "ipv6Address")})),
            "orchRefs": Field(Rows(Table({"nodeName": Field(TEXT), "orchestrator": Field(TEXT, is_required=True)}))),
        }
    ),
}
# What an old document says, be it by silence: the rest of a stored object stays.
_SAID: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    IP_POOL.name: (("cidr",), ("ipipMode",), ("natOutgoing",), ("disabled",)),
    BGP_PEER.name: (("peerIP",), ("node",), ("asNumber",)),
    NODE.name: (("bgp", "asNumber"), ("bgp", "ipv4Address"), ("bgp", "ipv6Address")),
}


@dataclass(frozen=True, slots=True)
class Converted:
    """An old document as one of today: its kind, the name it has if it is new, its spec."""

    kind: Kind
    name: str
    spec: Document


def converted(kind_name: str, document: Document, faults: list[Fault]) -> Converted | None:
    """Return what an old document says today, None = it has too many faults for that, which are added."""
    try:
        kind = kind_named(kind_name)
    except ValueError as error:
        faults.append(Fault("kind", str(error)))
        return None
    if kind.name not in _SPECS:
        faults.append(Fault("kind", f"apiVersion v1 has no {kind.name}: write apiVersion projectcalico.org/v3"))
        return None
    shape = Table(
        {
            "kind": Field(TEXT),
            "apiVersion": Field(TEXT),
            "metadata": Field(_METADATA[kind.name], is_required=True),
            "spec": Field(_SPECS[kind.name]),
        }
    )
    before = len(faults)
    clean = read(shape, document, "", faults)
    if len(faults) > before or not isinstance(clean, dict):
        return None
    metadata, spec = part(clean, "metadata"), part(clean, "spec")
    if kind is IP_POOL:
        return Converted(kind, _pool_name(text(metadata, "cidr")), _pool(metadata, spec))
    if kind is BGP_PEER:
        return _peer(metadata, spec, faults)
    return Converted(kind, text(metadata, "name"), spec)


def stored_name(one: Converted, stored: Iterable[tuple[str, Document]]) -> str:
    """Return the name of the stored object (name, spec) that an old document is about, else the name of a new one."""
    for name, spec in stored:
        if one.kind is IP_POOL and _network(text(spec, "cidr")) == _network(text(one.spec, "cidr")):
            return name
        if one.kind is BGP_PEER and not spec.get("nodeSelector") and _whom(spec) == _whom(one.spec):
            return name
    return one.name


def overlaid(one: Converted, stored: Document) -> Document:
    """Return a stored spec with what an old document says of it."""
    made = dict(stored)
    for path in _SAID[one.kind.name]:
        inner = made
        for name in path[:-1]:
            below = inner.get(name)
            inner[name] = below = dict(below) if isinstance(below, dict) else {}
            inner = below
        said = part(one.spec, *path[:-1]).get(path[-1])
        if said is None:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = said
    for name, value in one.spec.items():
        if name not in made:
            made[name] = value
    return {name: value for name, value in made.items() if value != {}}


def _pool(metadata: Document, spec: Document) -> Document:
    ipip = part(spec, "ipip")
    mode = _MODES[text(ipip, "mode") or "always"] if ipip.get("enabled") else "Never"
    made: Document = {"cidr": metadata["cidr"], "ipipMode": mode}
    for old, name in (("nat-outgoing", "natOutgoing"), ("disabled", "disabled")):
        if spec.get(old):
            made[name] = True
    return made


def _peer(metadata: Document, spec: Document, faults: list[Fault]) -> Converted | None:
    address, host = text(metadata, "peerIP"), text(metadata, "node")
    if metadata["scope"] == "global" and host:
        faults.append(Fault("metadata.node", "expected none, as metadata.scope is global"))
        return None
    if metadata["scope"] == "node" and not host:
        faults.append(Fault("metadata.node", "is missing; expected the name of a node, as metadata.scope is node"))
        return None
    made: Document = {"peerIP": address, **spec}
    name = _dashed(address)
    if host:
        made["node"] = host
        name = f"{host}.{name}"
    return Converted(BGP_PEER, name, made)


def _pool_name(cidr: str) -> str:
    found = network(cidr)
    short = _dashes(str(found))
    return short if not short.startswith("-") else f"{_dashed(str(found.network_address))}-{found.prefixlen}"


def _dashed(address: str) -> str:
    """Return an address as a part of a name; one that would begin or end with a dash is written in full."""
    short = _dashes(address)
    if short.startswith("-") or short.endswith("-"):
        return _dashes(ipaddress.ip_address(address).exploded)
    return short


def _dashes(text: str) -> str:
    return re.sub("[.:/]", "-", text)


def _network(cidr: str) -> Network | None:
    try:
        return network(cidr)
    except ValueError:
        return None


def _whom(spec: Document) -> tuple[str, str]:
    return text(spec, "node"), text(spec, "peerIP")
