from pathlib import Path

from bench import records
from bench.cases import fib, fulltable, slow
from bench.records import Outcome, Run
from bench.run import Job, Options, is_spared, plan, seconds_left
from tests.support.series import SERIES, run

FIRST, SECOND = fulltable(1000), fulltable(2000)


def options(*cases: object, daemons: tuple[str, ...] = ("bgpd", "bird")) -> Options:
    return Options("full", cases, daemons, 2, limit=10, slow=100, quiet=0, seed=1)  # type: ignore[arg-type]


def test_runs_of_the_daemons_are_interleaved() -> None:
    jobs = list(plan(options(FIRST, SECOND)))

    assert [(job.case, job.repetition, job.daemon) for job in jobs] == [
        (case, repetition, daemon) for case in (FIRST, SECOND) for repetition in (0, 1) for daemon in ("bgpd", "bird")
    ]


def test_only_daemons_that_use_the_kernel_write_routes() -> None:
    daemons = [job.daemon for job in plan(options(fib(1000), daemons=("bgpd", "bird", "frr", "gobgp")))]

    assert set(daemons) == {"bgpd", "bird"}


def test_a_daemon_is_left_out_where_the_case_says_so() -> None:
    assert {job.daemon for job in plan(options(slow(1000, 5), daemons=("bgpd", "gobgp")))} == {"bgpd"}


def test_what_is_done_is_not_run_again() -> None:
    done = [run(FIRST, "bgpd", 1.0, 0)]

    assert is_spared(Job(FIRST, "bgpd", 0), done, slow=100)
    assert not is_spared(Job(FIRST, "bgpd", 1), done, slow=100)
    assert not is_spared(Job(FIRST, "bird", 0), done, slow=100)
    assert not is_spared(Job(SECOND, "bgpd", 0), done, slow=100)


def test_a_slow_or_failed_daemon_is_not_run_again_in_that_case() -> None:
    failed = Run(FIRST.title, "bird", "1", 0, 1.0, Outcome(ok=False, error="no"))

    assert is_spared(Job(FIRST, "bird", 1), [failed], slow=100)
    assert is_spared(Job(FIRST, "bird", 1), [run(FIRST, "bird", 1.0)], slow=4)
    assert not is_spared(Job(FIRST, "bgpd", 1), [run(FIRST, "bgpd", 1.0)], slow=4)


def test_the_estimate_is_made_of_earlier_runs() -> None:
    jobs = [Job(FIRST, "bgpd", 1), Job(FIRST, "bgpd", 2)]

    assert seconds_left(jobs, [run(FIRST, "bgpd", 1.0)]) == 2 * 5.0


def test_a_series_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "full-2026-01-02.jsonl"
    records.dump(path, SERIES)
    records.dump(path, run(FIRST, "bgpd", 1.0))

    found = records.load(path)

    assert found.series == SERIES
    assert found.runs == (run(FIRST, "bgpd", 1.0),)
    assert records.newest(tmp_path) == path


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    records.dump(path, SERIES)
    records.dump(path, run(FIRST, "bgpd", 1.0))
    path.write_bytes(path.read_bytes() + b'{"title":"full')

    assert len(records.load(path).runs) == 1
