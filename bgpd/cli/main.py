"""``bgpd``: runs the daemon, checks a configuration file, or builds a cluster in a lab.

Only what every way needs is imported here; the daemon and the lab are imported when they are asked for, so that
``--version`` and ``--check`` answer at once. Exit status: 0 done, 1 could not run, 2 the command line or the file is
wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import bgpd
from bgpd.config import ConfigError, Resolved, load, resolve

DEFAULT_CONFIG: Final = Path("/etc/bgpd/bgp.toml")
CONFIG_IS_WRONG: Final = 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says and end the process."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["lab"]:
        from bgpd.cli.lab import main as lab

        sys.exit(lab(words[1:]))
    options = _parser().parse_args(words)
    if options.check:
        sys.exit(check(options.config))
    from bgpd.cli.daemon import run

    sys.exit(run(options.config, flush=options.flush))


def check(path: Path) -> int:
    """Print what a configuration file means, or every problem that it has; return the exit status."""
    try:
        resolved = resolve(load(path))
    except ConfigError as error:
        for problem in error.problems:
            print(f"bgpd: {problem}", file=sys.stderr)
        return CONFIG_IS_WRONG
    print(f"{path}: good: {summary(resolved)}")
    return 0


def summary(resolved: Resolved) -> str:
    """Return one line about a configuration."""
    node = resolved.node
    counts = {
        "peers": len(resolved.peers),
        "peer ranges": len(resolved.ranges),
        "networks": len(resolved.networks),
        "pools": len(resolved.pools),
    }
    return f"node {node.name}, AS {node.asn}, " + ", ".join(f"{count} {what}" for what, count in counts.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bgpd",
        description="A BGP-4 speaker for container clusters that route without an overlay.",
        epilog="'bgpd lab' builds a cluster of network namespaces on this machine; see 'bgpd lab --help'. "
        "'bgpctl' shows and steers a running bgpd.",
    )
    parser.add_argument(
        "--config", "-c", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="configuration (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="print every problem of the configuration and exit")
    parser.add_argument(
        "--flush", action="store_true", help="take our routes out of the kernel when stopped (default: they stay)"
    )
    parser.add_argument("--version", action="version", version=f"bgpd {bgpd.__version__}")
    return parser
