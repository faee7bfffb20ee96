"""The load tool: built from bgpload.c with gcc when it is older than that, run on the last core."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.records import Outcome

_SOURCE: Final = Path(__file__).with_name("bgpload.c")
WORK: Final = Path(__file__).parents[1] / ".bench"  # what is not kept
TOOL: Final = WORK / "bgpload"


def build() -> None:
    """Build the load tool unless it is there. Raises subprocess.CalledProcessError."""
    WORK.mkdir(exist_ok=True)
    if not TOOL.exists() or TOOL.stat().st_mtime < _SOURCE.stat().st_mtime:
        subprocess.run(("gcc", "-O2", "-Wall", "-o", str(TOOL), str(_SOURCE)), check=True)


def command(options: Sequence[str]) -> list[str]:
    """Return the command that runs the tool: on the last of several cores, while daemons go where they want."""
    allowed = sorted(os.sched_getaffinity(0))
    pinned = [f"--cpu={allowed[-1]}"] if len(allowed) > 1 else []
    return [str(TOOL), *pinned, *options]


def run(options: Sequence[str]) -> Outcome:
    """Return what a run of the tool found; one that printed nothing is not valid."""
    done = subprocess.run(command(options), capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        return Outcome(ok=False, error=done.stderr.strip()[-300:] or f"the load tool exits {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Outcome)


def blocks(count: int) -> list[str]:
    """Return the prefixes of cases with ``--blocks``."""
    arguments = [str(TOOL), "--list", "--blocks", f"--prefixes={count}"]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
