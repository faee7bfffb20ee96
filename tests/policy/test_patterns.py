"""Patterns over AS paths: they find what Python's expressions find, in time that a path's length bounds."""

import re
import time
import tracemalloc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.policy.patterns import MOST_REMEMBERED, AsPathPattern, as_path_pattern

ATOMS = st.sampled_from(
    ["1", "12", " ", "[0-9]", "[^ ]", "[12]", r"\d", r"\s", r"\b", ".", "^", "$", "()", r"\{", "[^0-9]"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(lambda p: f"(?:{p[0]}){p[1]}")
    ),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["1", "2", "12", "65020", "{1 2}"]), max_size=5).map(" ".join)


@given(PATTERNS, PATHS)
def test_it_finds_what_the_same_expression_of_python_finds(pattern: str, path: str) -> None:
    assert as_path_pattern(pattern).search(path) is (re.search(pattern, path) is not None)


@pytest.mark.parametrize(
    ("pattern", "path", "is_found"),
    [
        ("_65020_", "65020", True),
        ("_65020_", "1 65020 2", True),
        ("_65020_", "165020 650201", False),
        ("_65020$", "3356 65020", True),
        ("^65020_", "65020 {1 2}", True),
        ("_2_", "{1 2}", True),
        ("_65001_", "(65001) 65020", True),
        ("^$", "", True),
        ("^$", "1", False),
        ("{1 2}$", "7 {1 2}", True),
        ("^65020( 65[0-9]{3})*$", "65020 65030 65999", True),
        ("^65020( 65[0-9]{3})*$", "65020 65030 6599", False),
        (r"\$", "1", False),
    ],
)
def test_an_underscore_is_the_edge_of_a_number(pattern: str, path: str, is_found: bool) -> None:
    assert as_path_pattern(pattern).search(path) is is_found


@pytest.mark.parametrize("pattern", ["^(([0-9]+ ?)+)+x$", "^(.*)*(.*)*(.*)*x$", "( *[0-9]* *)*{", "(1|1 |1 1)*$x"])
def test_an_expression_that_never_ends_elsewhere_takes_no_time(pattern: str) -> None:
    path = " ".join(["65020"] * 1000)
    started = time.process_time()
    assert not as_path_pattern(pattern).search(path)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "it is empty"),
        ("(1", "a ( without its ), at character 1"),
        ("1)", "a ) without its (, at character 2"),
        ("[1", "a [ without its ], at character 1"),
        ("*1", "nothing to repeat before *, at character 1"),
        ("1**", "behind another repetition"),
        ("1{5,2}", "a count from 5 to 2"),
        ("1{256}", "a count is at most 255"),
        ("(((1{250}){250}){250})", "too large"),
        ("(?=1)", "look-around, names and flags are not available, at character 2"),
        (r"(1)\1", r"\1 is not available"),
        ("1\\", "at the end"),
        ("[9-1]", "a class from 9 to 1"),
        ("(" * 60 + ")" * 60, "more than 50 groups"),
    ],
)
def test_what_it_does_not_know_it_says(pattern: str, why: str) -> None:
    with pytest.raises(ValueError) as fault:
        as_path_pattern(pattern)
    assert why in str(fault.value)


def test_what_is_remembered_of_hostile_paths_is_bounded() -> None:
    pattern, random = AsPathPattern("1(.{250}){4}x"), Random(1)  # a 1 at each of 1000 places: 2^1000 sets of states
    path = " ".join(random.choice(("1", "2", "12", "21")) for _ in range(1000))
    tracemalloc.start()
    try:
        assert not pattern.search(path)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * MOST_REMEMBERED


def test_what_was_found_does_not_depend_on_what_is_remembered() -> None:
    pattern, random = AsPathPattern("1(.{250}){2}2"), Random(1)
    for _ in range(4):
        path = " ".join(random.choice(("1", "2", "12", "21")) for _ in range(400))
        assert pattern.search(path) is (re.search("1.{500}2", path) is not None)
