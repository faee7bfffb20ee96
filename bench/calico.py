"""How long a cluster in etcd takes to become a configuration: from scratch, and after a change of one key.

``python -m bench.calico [NODES]``: so many nodes with ten blocks each. First the pure part, ``bgpd.datastore.calico``,
by the CPU time of this process: keys and values to a configuration, without etcd. Then a whole daemon that follows a
real etcd (``calico_daemon``), which takes root for its network namespace.
"""

import sys
from resource import RUSAGE_SELF, getrusage
from time import process_time
from typing import Final

from bench import calico_daemon, machine
from bench.calico_keys import BLOCKS, RESOURCES, affinity, cluster, contents, node
from bgpd.config import Resolved, diff, parse
from bgpd.datastore.calico import Cluster
from bgpd.lab.namespaces import have_privileges

_FILE: Final = '[node]\nname = "n0"\n[etcd]\nendpoints = ["http://127.0.0.1:2379"]\n'


class NoSecrets:
    """There are none."""

    def lookup(self, name: str, key: str) -> str | None:
        """Return none."""
        del name, key
        return None


def main() -> None:
    """Print a line for each case."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{machine.describe()}, {machine.system()}\n\nThe model alone:")
    _model(nodes)
    print("\nA whole daemon and a real etcd:")
    if not have_privileges():
        print("left out: a network namespace takes root")
        return
    with machine.turn():
        calico_daemon.run(nodes)


def _model(nodes: int) -> None:
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
        "a pool": (f"{RESOURCES}ippools/pods", b'{"spec":{"cidr":"10.64.0.0/10"}}'),
        "reflectors": (
            f"{RESOURCES}bgppeers/rr",
            b'{"spec":{"nodeSelector":"all()","peerSelector":"rack == \'r3\'"}}',
        ),
        "the mesh goes": (f"{RESOURCES}bgpconfigurations/default", b'{"spec":{"nodeToNodeMeshEnabled":false}}'),
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


if __name__ == "__main__":
    main()
