from bench import records
from bench.cases import FULL, fulltable, reflect
from bench.report import PAGE, PLOTS, page, plots
from bench.run import RESULTS
from tests.support.series import results

SMALL, LARGE = fulltable(100_000), fulltable(1_000_000)


def test_the_page_and_the_plots_are_made_of_the_newest_series_that_is_kept() -> None:
    newest = records.newest(RESULTS)
    kept = records.load(newest) if newest else None

    assert PAGE.read_text() == page(kept, newest.name if newest else "")
    assert {path.name: path.read_text() for path in PLOTS.glob("*.svg")} == plots(kept)


def test_a_target_within_its_bound_is_met() -> None:
    text = page(results({(LARGE, "bgpd"): (1.1,), (LARGE, "bird"): (1.0,)}), "full.jsonl")

    assert "| fulltable 1000000 → 1 | time s | 1.10 × best | ≤ 1.20 | ≤ 1.00 | met |" in text


def test_a_target_beyond_its_bound_is_not_met() -> None:
    text = page(results({(LARGE, "bgpd"): (1.3,), (LARGE, "bird"): (1.0,)}), "full.jsonl")

    assert "| fulltable 1000000 → 1 | time s | 1.30 × best | ≤ 1.20 | ≤ 1.00 | **not met** |" in text


def test_growth_is_time_a_prefix_at_both_sizes() -> None:
    text = page(results({(SMALL, "bgpd"): (0.1,), (LARGE, "bgpd"): (1.5,)}), "full.jsonl")

    assert "| fulltable 1000000 → 1 | time a prefix | 1.50 × fulltable 100000 → 1 | ≤ 1.30 | – | **not met** |" in text


def test_gobgp_is_shown_and_not_what_we_are_measured_against() -> None:
    text = page(results({(LARGE, "bgpd"): (1.0,), (LARGE, "bird"): (1.0,), (LARGE, "gobgp"): (0.5,)}), "full.jsonl")

    assert "| fulltable 1000000 → 1 | time s | 1.000 | 1.000 | – | – | 0.500 | 1.00 |" in text


def test_without_a_series_the_page_says_how_to_make_one() -> None:
    assert "`make bench`" in page(None, "")
    assert plots(None) == {}


def test_a_plot_has_a_line_for_each_daemon_with_figures() -> None:
    found = plots(results({(SMALL, "bgpd"): (0.1,), (LARGE, "bgpd"): (1.0,), (LARGE, "frr"): (7.0,)}))

    assert {"time-over-prefixes.svg", "memory-over-prefixes.svg"} <= set(found)
    assert found["time-over-prefixes.svg"].count("<polyline") == 2
    assert "time-over-clients.svg" not in found


def test_clients_are_compared_with_the_same_number_of_routes() -> None:
    counts = [case.prefixes for case in FULL if case.scenario == "rr"]

    assert counts == [reflect(200, 10).prefixes] * len(counts)
