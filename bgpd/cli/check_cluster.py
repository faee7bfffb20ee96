"""``bgpd --check`` where the cluster is in etcd: connects, reads all, says what it means for this node."""

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import Final

from bgpd.cli.check import CONFIG_IS_WRONG, good, report
from bgpd.config import Config, ConfigError, resolve_process
from bgpd.datastore.calico import Cluster, prefixes
from bgpd.datastore.etcd import Etcd
from bgpd.datastore.secret_files import SecretFiles
from bgpd.datastore.store import Snapshot, StoreError

CANNOT_SAY: Final = 1


def check_cluster(path: Path, config: Config) -> int:
    """Print what file and etcd mean together, or what is wrong with them; return the exit status."""
    process = resolve_process(config)
    assert process.etcd is not None  # who calls this has looked
    cluster = Cluster(process.name, process.etcd.prefix)
    client = Etcd(process.etcd, Random())

    async def read() -> Snapshot:
        try:
            return await client.snapshot(prefixes(process.name, cluster_prefix))
        finally:
            await client.close()

    cluster_prefix = process.etcd.prefix
    try:
        snapshot = asyncio.run(read())
    except StoreError as error:
        print(f"bgpd: {path}: good by itself, but etcd cannot be read: {error}", file=sys.stderr)
        if error.hint:
            print(f"bgpd: hint: {error.hint}", file=sys.stderr)
        return CANNOT_SAY
    problems = cluster.replace(snapshot.values)
    for problem in problems:
        print(f"bgpd: etcd: {problem.key}: {problem.why}", file=sys.stderr)
    try:
        found = cluster.resolve(config, SecretFiles(process.etcd.secrets_dir))
    except ConfigError as error:
        report(error)
        return CONFIG_IS_WRONG
    for notice in found.notices:
        print(f"{path}: etcd: {notice}")
    if found.is_waiting:
        print(f"bgpd: {path}: good by itself, but bgpd would wait: {found.is_waiting}", file=sys.stderr)
        return CANNOT_SAY
    good(path, found.resolved)
    print(f"{path}: etcd: {len(snapshot.values)} keys at revision {snapshot.revision}")
    return CONFIG_IS_WRONG if problems else 0
