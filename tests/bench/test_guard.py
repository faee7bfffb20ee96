import pytest

from bench import guard
from bench.cases import FULL, GUARD, fulltable
from bench.guard import compare, incomparable
from bench.records import Results
from tests.support.series import results, run

CASE = fulltable(100_000)


def kept(ours: float = 2.0, bird: float = 1.0) -> Results:
    return results({(CASE, "bgpd"): (ours,), (CASE, "bird"): (bird,)})


def test_a_machine_that_is_slower_for_all_is_no_regression() -> None:
    time, memory = compare(CASE.title, kept(20.0, 10.0).runs, kept().runs)

    assert (time.now, time.kept) == (2.0, 2.0)
    assert not time.is_worse
    assert not memory.is_worse


@pytest.mark.parametrize(("ours", "is_worse"), [(2.59, False), (2.65, True), (1.0, False)])
def test_a_ratio_beyond_the_tolerance_is_a_regression(ours: float, is_worse: bool) -> None:
    time, _ = compare(CASE.title, kept(ours).runs, kept().runs)

    assert time.is_worse is is_worse


def test_short_times_may_differ_by_some_milliseconds() -> None:
    time, _ = compare(CASE.title, kept(0.059, 0.02).runs, kept(0.04, 0.02).runs)

    assert time.now > time.kept * (1 + guard.TIME_TOLERANCE)
    assert not time.is_worse


def test_more_memory_is_a_regression() -> None:
    now = [run(CASE, "bgpd", 2.0, memory=30.0), run(CASE, "bird", 1.0, memory=20.0)]
    _, memory = compare(CASE.title, now, kept().runs)

    assert (memory.now, memory.kept) == (1.5, 1.0)
    assert memory.is_worse


def test_without_bird_nothing_is_compared() -> None:
    assert not list(compare(CASE.title, [run(CASE, "bgpd", 2.0)], kept().runs))
    assert incomparable([CASE], results({(CASE, "bgpd"): (1.0,)})) == [CASE.title]


def test_a_full_series_has_all_that_the_guard_compares() -> None:
    assert {case.title for case in GUARD} <= {case.title for case in FULL}
