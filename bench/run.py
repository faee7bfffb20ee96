"""Run a suite: ``python -m bench.run [--suite full|quick|guard|smoke] [--only TEXT] [--reps N] [--daemons a,b]``.

Runs are interleaved (each daemon once, then all again). What is done is in ``.bench/SUITE.jsonl``: a suite that was
interrupted goes on there with the same arguments, and a full suite that is complete moves to ``bench/results/``.
"""

import argparse
import datetime
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from bench import load, machine, records
from bench.cases import SUITES, Case
from bench.drivers import DRIVERS
from bench.measure import measure
from bench.records import Results, Run, Series
from bench.summary import FIGURES, OURS, written
from bench.tables import case_table, failures
from bgpd.lab.namespaces import have_privileges

RESULTS: Final = Path(__file__).with_name("results")
_GUESS: Final = 12.0  # seconds of a run that nothing is known about


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. limit, slow, quiet: seconds."""

    suite: str
    cases: tuple[Case, ...]
    daemons: tuple[str, ...]
    repetitions: int
    limit: float
    slow: float
    quiet: float
    seed: int


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is to be made."""

    case: Case
    daemon: str
    repetition: int


def plan(options: Options) -> Iterator[Job]:
    """Return the runs of the suite in their order: case by case, each daemon once, then all again."""
    for case in options.cases:
        for repetition in range(options.repetitions):
            for daemon in options.daemons:
                if daemon in case.without or (case.kernel.value != "none" and not DRIVERS[daemon].can_use_kernel):
                    continue
                yield Job(case, daemon, repetition)


def is_spared(job: Job, runs: Sequence[Run], slow: float) -> bool:
    """Return whether a run is not to be made: it is there, or an earlier one of the kind failed or took too long."""
    mine = [run for run in runs if run.title == job.case.title and run.daemon == job.daemon]
    return any(
        run.repetition == job.repetition or not run.outcome.ok or (run.seconds > slow and run.daemon != OURS)
        for run in mine
    )


def seconds_left(jobs: Sequence[Job], known: Sequence[Run]) -> float:
    """Return how long the runs will take, by what earlier runs of the kind took."""
    took = {(run.title, run.daemon): run.seconds for run in known}
    return sum(took.get((job.case.title, job.daemon), _GUESS) for job in jobs)


def run_suite(options: Options, path: Path, known: Sequence[Run]) -> Results:
    """Make the runs that the file lacks, add each to it, and return all. known: earlier runs, for the estimate."""
    if not path.exists():
        records.dump(path, _series(options.suite))
    results = records.load(path)
    runs, jobs = list(results.runs), list(plan(options))
    versions = {name: DRIVERS[name]().version() for name in options.daemons}
    for number, job in enumerate(jobs, 1):
        if is_spared(job, runs, options.slow):
            continue
        rest = seconds_left([each for each in jobs[number - 1 :] if not is_spared(each, runs, options.slow)], known)
        progress = f"[{number}/{len(jobs)}, {rest / 60:.0f} min left]"
        print(f"{progress} {job.case.title}, run {job.repetition + 1}, {job.daemon}: ", end="", flush=True)
        with machine.turn():
            machine.wait_until_quiet(options.quiet)
            began = time.monotonic()
            outcome = measure(job.case, DRIVERS[job.daemon](), options.limit, options.seed)
            seconds = round(time.monotonic() - began, 2)
        run = Run(job.case.title, job.daemon, versions[job.daemon], job.repetition, seconds, outcome)
        records.dump(path, run)
        runs.append(run)
        known = [*known, run]
        print(_told(run, FIGURES[job.case.scenario][0].name), flush=True)
        if job == jobs[-1] or jobs[number].case != job.case:
            _print_case(job.case, options.daemons, runs)
    return Results(results.series, tuple(runs))


def _told(run: Run, name: str) -> str:
    if not run.outcome.ok:
        return f"NOT VALID: {run.outcome.error}"
    value = FIGURES[run.title.partition(" ")[0]][0].value(run.outcome)
    return f"{name} {written(value, 3)}, {run.outcome.peak_mib:.0f} MiB"


def _print_case(case: Case, daemons: Sequence[str], runs: Sequence[Run]) -> None:
    mine = [run for run in runs if run.title == case.title]
    rows = [(daemon, [run for run in mine if run.daemon == daemon]) for daemon in daemons]
    print("\n".join(["", f"### {case.title}", "", *case_table(case.title, rows), *failures(mine), ""]), flush=True)


def _series(suite: str) -> Series:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    version = sys.version.partition(" ")[0]
    return Series(suite, now, machine.describe(), machine.system(), version, machine.revision())


def earlier() -> list[Run]:
    """Return the runs of the series that are kept, the oldest first."""
    return [run for path in sorted(RESULTS.glob("*.jsonl")) for run in records.load(path).runs]


def installed(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the daemons that can be started here; name the others."""
    there = [name for name in names if DRIVERS[name]().is_installed()]
    for name in names:
        if name not in there:
            print(f"{name}: not installed, left out", file=sys.stderr)
    return tuple(there)


def prepare() -> None:
    """Build the load tool, and see to it that daemons are stopped when we are told to end."""
    if not have_privileges():
        sys.exit("the suite needs root: it starts daemons and makes network namespaces")
    load.build()
    signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)


def _parse(arguments: Sequence[str] | None) -> tuple[Options, Path, bool]:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--suite", choices=sorted(SUITES), default="full")
    parser.add_argument("--only", default="", help="cases whose title has one of these texts: 'rr 200,fulltable'")
    parser.add_argument("--reps", type=int, default=3, help="runs of each daemon")
    parser.add_argument("--daemons", default=",".join(DRIVERS))
    parser.add_argument("--limit", type=float, default=300, help="seconds that a phase may take")
    parser.add_argument("--slow", type=float, default=100, help="a daemon whose run took longer (s) is not run again")
    parser.add_argument("--quiet", type=float, default=20, help="seconds to wait for a quiet machine, at most")
    parser.add_argument("--seed", type=int, default=1, help="of the table of prefixes")
    parser.add_argument("--file", type=Path, help="where runs are kept; default: .bench/SUITE.jsonl")
    parser.add_argument("--fresh", action="store_true", help="begin anew; otherwise what is there is not run again")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    given = parser.parse_args(arguments)
    wanted = [text.strip() for text in given.only.split(",")]
    cases = tuple(case for case in SUITES[given.suite] if any(text in case.title for text in wanted))
    if given.list:
        print("\n".join(case.title for case in cases))
        sys.exit()
    names = given.daemons.split(",")
    unknown = [name for name in names if name not in DRIVERS]
    if unknown or not cases:
        parser.error(f"no such daemon: {unknown[0]}" if unknown else f"no case has {given.only!r} in its title")
    options = Options(
        given.suite, cases, installed(names), given.reps, given.limit, given.slow, given.quiet, given.seed
    )
    return options, given.file or load.WORK / f"{given.suite}.jsonl", given.fresh


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a suite, print its tables, and keep a complete one. Exit status 1: a run was not valid."""
    options, path, is_fresh = _parse(arguments)
    prepare()
    if is_fresh:
        path.unlink(missing_ok=True)
    results = run_suite(options, path, earlier())
    if options.suite == "full" and options.cases == SUITES["full"]:
        kept = RESULTS / f"full-{results.series.date[:10]}.jsonl"
        RESULTS.mkdir(exist_ok=True)
        path.replace(kept)
        print(f"kept as {kept.relative_to(RESULTS.parents[1])}; python -m bench.report writes docs/performance.md")
    sys.exit(any(run.daemon == OURS and not run.outcome.ok for run in results.runs))


if __name__ == "__main__":
    main()
