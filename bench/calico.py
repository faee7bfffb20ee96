"""How long a cluster in etcd takes to become a configuration: from scratch, and after a change of one key.

``python -m bench.calico [NODES]``: so many nodes with ten blocks each, as etcd would list them; CPU time of this
process. Nothing is sent and no etcd is needed: ``bgpd.datastore.calico`` works on keys and values.
"""

import json
import sys
from resource import RUSAGE_SELF, getrusage
from time import process_time
from typing import Final

from bgpd.config import Resolved, diff, parse
from bgpd.datastore.calico import Cluster

BLOCKS: Final = 10  # of each node
_RESOURCES: Final = "/calico/resources/v3/projectcalico.org/"
_FILE: Final = '[node]\nname = "n0"\n[etcd]\nendpoints = ["http://127.0.0.1:2379"]\n'


class NoSecrets:
    """There are none."""

    def lookup(self, name: str, key: str) -> str | None:
        """Return none."""
        del name, key
        return None


def node(number: int, *, rack: int | None = None, host: int | None = None) -> tuple[str, bytes]:
    """Return key and value of a node."""
    place = (number if host is None else host) + 1
    labels = {"rack": f"r{number % 40 if rack is None else rack}"}
    bgp = {"ipv4Address": f"10.200.{place >> 8}.{place & 255}/16"}
    document = {"kind": "Node", "metadata": {"name": f"n{number}", "labels": labels}, "spec": {"bgp": bgp}}
    return f"{_RESOURCES}nodes/n{number}", json.dumps(document).encode()


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


def cluster(nodes: int) -> dict[str, bytes]:
    """Return all keys."""
    found = dict(node(number) for number in range(nodes))
    for number in range(nodes):
        for block in range(number * BLOCKS, (number + 1) * BLOCKS):
            found.update((affinity(number, block), contents(number, block)))
    found[f"{_RESOURCES}ippools/pods"] = b'{"spec":{"cidr":"10.64.0.0/10","ipipMode":"CrossSubnet"}}'
    return found


def main() -> None:
    """Print a line for each case."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    listed = cluster(nodes)
    model, local, secrets = Cluster("n0"), parse(_FILE, "bgp.toml"), NoSecrets()
    began = process_time()
    problems = model.replace(listed)
    read = process_time()
    config = model.resolve(local, secrets).resolved
    print(f"{len(listed)} keys, {sum(map(len, listed.values())) >> 20} MiB, {len(problems)} problems")
    print(f"{'from scratch':24} read {1e3 * (read - began):7.1f} ms, resolved {1e3 * (process_time() - read):7.1f} ms")
    began = process_time()
    model.replace(listed)
    print(f"{'listed again':24} read {1e3 * (process_time() - began):7.1f} ms")
    cases = {
        "a node comes": node(nodes),
        "a node moves": node(5, host=nodes + 1),
        "a node changes its rack": node(7, rack=1),
        "a block of another node": affinity(3, nodes * BLOCKS),
        "a block of ours": affinity(0, nodes * BLOCKS + 1),
        "a container elsewhere": contents(9, 93),
        "a borrowed address": contents(9, 93, borrower=17),
        "a pool": (f"{_RESOURCES}ippools/pods", b'{"spec":{"cidr":"10.64.0.0/10"}}'),
        "reflectors": (
            f"{_RESOURCES}bgppeers/rr",
            b'{"spec":{"nodeSelector":"all()","peerSelector":"rack == \'r3\'"}}',
        ),
        "the mesh goes": (f"{_RESOURCES}bgpconfigurations/default", b'{"spec":{"nodeToNodeMeshEnabled":false}}'),
    }
    for name, (key, value) in cases.items():
        began = process_time()
        model.put(key, value)
        new = model.resolve(local, secrets).resolved
        resolved = process_time()
        lines = _lines(config, new)
        compared = process_time() - resolved
        print(f"{name:24} {1e3 * (resolved - began):7.1f} ms, compared {1e3 * compared:5.1f} ms: {lines}")
        config = new
    print(f"{getrusage(RUSAGE_SELF).ru_maxrss >> 10} MiB at most")


def _lines(old: Resolved, new: Resolved) -> str:
    found = diff(old, new).summary()
    return f"{len(found)} differences" + (f", first: {found[0]}" if found else "")


def _cidr(block: int) -> str:
    first = block * 64
    return f"10.{64 + (first >> 16)}.{first >> 8 & 255}.{first & 255}"


if __name__ == "__main__":
    main()
