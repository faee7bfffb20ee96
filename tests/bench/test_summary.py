import pytest

from bench.cases import SUITES, churn, fulltable
from bench.records import Outcome, Phase, Run
from bench.summary import FIGURES, best, extremes, median, ratio, scenario
from tests.support.series import results, run

CASE = fulltable(1000)
TIME = FIGURES["fulltable"][0]


def test_the_median_is_of_the_valid_runs() -> None:
    failed = Run(CASE.title, "bird", "1", 3, 1.0, Outcome(ok=False, phases={"feed": Phase(ok=False, full_max_s=99.0)}))
    runs = [*results({(CASE, "bird"): (3.0, 1.0, 2.0)}).runs, failed]

    assert median(runs, TIME) == 2.0
    assert extremes(runs, TIME) == (1.0, 3.0)


def test_what_no_run_has_is_no_figure() -> None:
    assert median([], TIME) is None
    assert extremes([], TIME) is None
    assert best([None, None], TIME) is None
    assert ratio(None, 1.0) is None
    assert ratio(1.0, None) is None


def test_a_time_that_was_not_reached_is_no_figure() -> None:
    never = Run(CASE.title, "bird", "1", 0, 1.0, Outcome(ok=True, phases={"feed": Phase(ok=True, full_max_s=-1)}))

    assert median([never], TIME) is None


def test_the_best_rate_is_the_highest_and_the_best_time_the_least() -> None:
    rate = FIGURES["churn"][0]

    assert best([1.0, None, 3.0], rate) == 3.0
    assert best([1.0, None, 3.0], TIME) == 1.0
    assert median([run(churn(1000, 10), "bird", 5.0)], rate) == 5.0


@pytest.mark.parametrize("suite", SUITES)
def test_every_case_of_a_suite_has_figures_in_its_phase(suite: str) -> None:
    for case in SUITES[suite]:
        assert median([run(case, "bird", 5.0)], FIGURES[scenario(case.title)][0]) == 5.0, case.title


@pytest.mark.parametrize("suite", SUITES)
def test_titles_tell_the_cases_of_a_suite_apart(suite: str) -> None:
    titles = [case.title for case in SUITES[suite]]

    assert len(set(titles)) == len(titles)
