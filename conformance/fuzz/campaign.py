"""Several targets one after the other, each in a process of its own for some seconds, and a table of what came of it.

    python -m conformance.fuzz.campaign [--seconds 300] [--work .fuzz] [--keep] [TARGET ...]

New inputs go to WORK/TARGET, which a later campaign goes on from; the inputs that a target failed for go to
WORK/finds/TARGET-*. --keep: afterwards put the shortest of the new inputs into the repository's corpus.
Exit status 1: a target failed. A find is repeated with ``python -m conformance.fuzz.repeat TARGET FILE``.
"""

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from conformance.fuzz.targets import CORPUS, TARGETS, Target

_INPUT_PATIENCE: Final = 10  # seconds for one input before it counts as a find
_MEMORY: Final = 2048  # MB before a target counts as failed
_KEPT: Final = 40  # new inputs of a target that go into the repository


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target. coverage: edges of bgpd reached. finds: files of inputs that it failed for."""

    name: str
    seconds: float
    executions: int
    coverage: int
    inputs: int
    finds: tuple[Path, ...]
    is_failed: bool
    output: str


def main() -> int:
    """Run the targets that were named, or all; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.fuzz.campaign")
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--work", type=Path, default=Path(".fuzz"), help="directory of new inputs and finds")
    parser.add_argument("--keep", action="store_true", help="put new inputs into the repository's corpus")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    results = []
    print(f"{'target':14} {'seconds':>8} {'executions':>11} {'a second':>9} {'coverage':>9} {'inputs':>7}  finds")
    for name in options.targets or TARGETS:
        result = _fuzz(name, options.work, options.seconds)
        results.append(result)
        print(_line(result), flush=True)
        if options.keep and not result.is_failed:
            _keep(name, options.work)
    failed = [result for result in results if result.is_failed]
    for result in failed:
        print(f"\n--- {result.name}\n{result.output[-4000:]}")
        for find in result.finds:
            print(f"repeat with: python -m conformance.fuzz.repeat {result.name} {find}")
    total = sum(result.executions for result in results)
    spent = sum(result.seconds for result in results)
    print(f"{len(results)} targets, {spent:.0f} s, {total} executions: {len(failed)} failed")
    return 1 if failed else 0


def _line(result: Result) -> str:
    pace = result.executions / max(result.seconds, 1)
    finds = " ".join(map(str, result.finds)) or ("failed" if result.is_failed else "none")
    return (
        f"{result.name:14} {result.seconds:8.0f} {result.executions:11} {pace:9.0f} {result.coverage:9}"
        f" {result.inputs:7}  {finds}"
    )


def _fuzz(name: str, work: Path, seconds: int) -> Result:
    target = TARGETS[name]
    found, finds = work / name, work / "finds"
    found.mkdir(parents=True, exist_ok=True)
    finds.mkdir(exist_ok=True)
    before = set(finds.glob(f"{name}-*"))
    start = time.monotonic()
    with NamedTemporaryFile("w", suffix=".dict") as dictionary:
        dictionary.write("".join(f'"{_escaped(word)}"\n' for word in target.words))
        dictionary.flush()
        words = [f"-dict={dictionary.name}"] if target.words else []
        options = [*_options(target), f"-max_total_time={seconds}", f"-artifact_prefix={finds / name}-", *words]
        done = _run(name, *options, found, CORPUS / name)
    new = tuple(sorted(set(finds.glob(f"{name}-*")) - before))
    return Result(
        name,
        time.monotonic() - start,
        _number(r"stat::number_of_executed_units:\s*(\d+)", done.stdout),
        _number(r"\bcov: (\d+)", done.stdout),
        len(list(found.iterdir())),
        new,
        done.returncode != 0,
        done.stdout,
    )


def _options(target: Target) -> list[str]:
    return [
        f"-max_len={target.longest}",
        f"-timeout={_INPUT_PATIENCE}",
        f"-rss_limit_mb={_MEMORY}",
        "-print_final_stats=1",
    ]


def _run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.fuzz.run", name, *map(str, arguments)]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )


def _escaped(octets: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in octets)


def _number(expression: str, text: str) -> int:
    """Return the last number that the expression finds, 0 = it finds none."""
    found = re.findall(expression, text)
    return int(found[-1]) if found else 0


def _keep(name: str, work: Path) -> None:
    """Put new inputs into the repository, the shortest first, up to a limit.

    libFuzzer keeps an input only if it reaches something that none before it did, and shortens those that it has.
    """
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in sorted((work / name).iterdir(), key=lambda file: (file.stat().st_size, file.name))[:_KEPT]:
        (kept / file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
