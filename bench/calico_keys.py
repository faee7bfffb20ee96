"""Keys and values of a large cluster as Calico would have them in etcd: nodes with ten blocks of 20 addresses each."""

import json
from typing import Final

BLOCKS: Final = 10  # of each node
RESOURCES: Final = "/calico/resources/v3/projectcalico.org/"


def node(number: int, *, rack: int | None = None, host: int | None = None) -> tuple[str, bytes]:
    """Return key and value of a node."""
    place = (number if host is None else host) + 1
    labels = {"rack": f"r{number % 40 if rack is None else rack}"}
    bgp = {"ipv4Address": f"10.200.{place >> 8}.{place & 255}/16"}
    document = {"kind": "Node", "metadata": {"name": f"n{number}", "labels": labels}, "spec": {"bgp": bgp}}
    return f"{RESOURCES}nodes/n{number}", json.dumps(document).encode()


def affinity(number: int, block: int) -> tuple[str, bytes]:
    """Return key and value of a node's block."""
    return f"/calico/ipam/v2/host/n{number}/ipv4/block/{_cidr(block)}-26", b'{"state":"confirmed","deleted":false}'


def contents(number: int, block: int, *, borrower: int | None = None) -> tuple[str, bytes]:
    """Return key and value of what is in a block: 20 addresses, one of them perhaps another node's."""
    held = [{"handle_id": f"net.{one:064}", "secondary": {"node": f"n{number}", "pod": f"p{one}"}} for one in range(20)]
    if borrower is not None:
        held[3] = {"handle_id": "net", "secondary": {"node": f"n{borrower}"}}
    document = {
        "cidr": f"{_cidr(block)}/26",
        "affinity": f"host:n{number}",
        "allocations": [one if one < len(held) else None for one in range(64)],
        "attributes": held,
    }
    return f"/calico/ipam/v2/assignment/ipv4/block/{_cidr(block)}-26", json.dumps(document).encode()


def pool(mode: str = "CrossSubnet") -> tuple[str, bytes]:
    """Return key and value of the pool that all blocks are of. mode: of its tunnels."""
    return f"{RESOURCES}ippools/pods", json.dumps({"spec": {"cidr": "10.64.0.0/10", "ipipMode": mode}}).encode()


def cluster(nodes: int) -> dict[str, bytes]:
    """Return all keys."""
    found = dict(node(number) for number in range(nodes))
    for number in range(nodes):
        for block in range(number * BLOCKS, (number + 1) * BLOCKS):
            found.update((affinity(number, block), contents(number, block)))
    found.update((pool(),))
    return found


def _cidr(block: int) -> str:
    first = block * 64
    return f"10.{64 + (first >> 16)}.{first >> 8 & 255}.{first & 255}"
