"""The lab's tables."""

from bgpd.lab.echo import PingMatrix, Question
from bgpd.lab.report import columns, matrix_lines, summary_lines

NAMES = ("node1-c1", "node2-c1")


def _matrix(*lost: Question) -> PingMatrix:
    questions = [Question(a, b, version) for a in NAMES for b in NAMES if a != b for version in (4, 6)]
    return PingMatrix(NAMES, {question: None if question in lost else 0.001 for question in questions})


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(("A", "B"), [("long", "x")]) == ["A     B", "long  x"]


def test_a_cell_shows_which_families_passed() -> None:
    assert matrix_lines(_matrix(Question("node1-c1", "node2-c1", 6))) == [
        "from / to  1.1 2.1",
        "node1-c1  ·   4-",
        "node2-c1  46  ·",
    ]


def test_the_summary_names_what_failed() -> None:
    lines = summary_lines(_matrix(Question("node1-c1", "node2-c1", 6)))
    assert lines == [
        "3 of 4 pings passed, round trip 1.00 ms median, 1.00 ms at most",
        "  failed: node1-c1 to node2-c1, IPv6",
    ]


def test_a_matrix_too_wide_for_a_screen_is_left_out() -> None:
    assert matrix_lines(PingMatrix(tuple(f"node{n}-c1" for n in range(40)), {})) == []
