"""Calico's keys and documents (v3 layout), as Calico writes them."""

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Spec: TypeAlias = Mapping[str, Json]
Network: TypeAlias = IPv4Network | IPv6Network
Interface: TypeAlias = IPv4Interface | IPv6Interface

RESOURCES: Final = "/calico/resources/v3/projectcalico.org/"
IPAM: Final = "/calico/ipam/v2/"

_KINDS: Final = {
    "nodes": "Node",
    "bgpconfigurations": "BGPConfiguration",
    "bgppeers": "BGPPeer",
    "bgpfilters": "BGPFilter",
    "ippools": "IPPool",
}


def resource_key(plural: str, name: str) -> str:
    """Return the key of a resource."""
    return f"{RESOURCES}{plural}/{name}"


def affinity_key(node: str, block: Network) -> str:
    """Return the key that says whose a block is."""
    return f"{IPAM}host/{node}/ipv{block.version}/block/{_in_key(block)}"


def block_key(block: Network) -> str:
    """Return the key of what is in a block."""
    return f"{IPAM}assignment/ipv{block.version}/block/{_in_key(block)}"


def _in_key(block: Network) -> str:
    return str(block).replace("/", "-")


def resource(plural: str, name: str, spec: Spec, labels: Mapping[str, str] | None = None) -> str:
    """Return a resource's document."""
    metadata: dict[str, Json] = {"name": name, "creationTimestamp": "2026-01-05T10:00:00Z"}
    if labels:
        metadata["labels"] = dict(sorted(labels.items()))
    return json.dumps(
        {"kind": _KINDS[plural], "apiVersion": "projectcalico.org/v3", "metadata": metadata, "spec": spec}
    )


def affinity(state: str) -> str:
    """Return the document of a block affinity."""
    return json.dumps({"state": state, "deleted": False})


def block(cidr: Network, owner: str, holders: Mapping[int, str]) -> str:
    """Return the document of a block; holders: nodes of the containers, by the address's place in the block."""
    size = cidr.num_addresses
    places = sorted(holders)
    allocations: list[Json] = [None] * size
    attributes: list[Json] = []
    for number, place in enumerate(places):
        allocations[place] = number
        pod = {"namespace": "default", "node": holders[place], "pod": f"pod-{place}"}
        attributes.append({"handle_id": f"k8s-pod-network.{cidr}.{place}", "secondary": pod})
    return json.dumps(
        {
            "cidr": str(cidr),
            "affinity": f"host:{owner}" if owner else None,
            "allocations": allocations,
            "unallocated": [place for place in range(size) if place not in holders],
            "attributes": attributes,
            "deleted": False,
        }
    )
