"""``bgpd``: runs the daemon, checks a configuration file, or builds a cluster in a lab.

Each of the three is imported when it is asked for: the command line is read at once, and the daemon does not wait
for what only the lab needs. Exit status: 0 done, 1 could not run, 2 the command line or the configuration is wrong.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import bgpd

DEFAULT_CONFIG: Final = Path("/etc/bgpd/bgp.toml")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says and end the process."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["lab"]:
        from bgpd.cli.lab import main as build_lab

        sys.exit(build_lab(words[1:]))
    options = _parser().parse_args(words)
    if options.check:
        from bgpd.cli.check import check

        sys.exit(check(options.config))
    gc.disable()  # what is made until the daemon is up stays; ``bgpd.cli.garbage`` takes over then
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would import it for tracebacks: 0.1 s for nothing
    from bgpd.cli.daemon import run

    sys.exit(run(options.config, flush=options.flush))


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
