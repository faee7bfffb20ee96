"""Looks at a configuration file for an operator: what it means, or everything that is wrong with it."""

import os
import sys
from pathlib import Path
from typing import Final

from bgpd.config import ConfigError, Resolved, load, resolve
from bgpd.config.notices import notices

CONFIG_IS_WRONG: Final = 2


def check(path: Path) -> int:
    """Print what a configuration file means, or every problem that it has; return the exit status."""
    try:
        config = load(path)
        if config.etcd is None:
            return good(path, resolve(config, file=str(path)))
    except ConfigError as error:
        report(error)
        return CONFIG_IS_WRONG
    quiet_grpc()
    from bgpd.cli.check_cluster import check_cluster

    return check_cluster(path, config)


def quiet_grpc() -> None:
    """Have gRPC, when it is imported, not write to standard error: its failures are told in our own words."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def good(path: Path, resolved: Resolved) -> int:
    """Print what a good configuration means; return the exit status."""
    print(f"{path}: good: {summary(resolved)}")
    for peer in resolved.peers:
        if peer.held_down:
            print(f"{path}: peer {peer.name} will be held down: {peer.held_down}")
    for notice in notices(resolved):
        print(f"{path}: {notice}")
    return 0


def read(path: Path) -> Resolved:
    """Return a configuration file's meaning. Raises ConfigError."""
    return resolve(load(path), file=str(path))


def report(error: ConfigError) -> None:
    """Print every problem on a line of its own."""
    for problem in error.problems:
        print(f"bgpd: {problem}", file=sys.stderr)


def summary(resolved: Resolved) -> str:
    """Return one line about a configuration."""
    node = resolved.node
    counts = {
        "peers": len(resolved.peers),
        "peer ranges": len(resolved.ranges),
        "networks": len(resolved.networks),
        "pools": len(resolved.pools),
    }
    return ", ".join(
        [f"node {node.name}, AS {node.asn}", *(f"{count} {what}" for what, count in counts.items() if count)]
    )
