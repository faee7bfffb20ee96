"""The garbage collector's timetable."""

import pytest

from bgpd.cli.garbage import PILED_UP, is_due


@pytest.mark.parametrize(
    ("looks", "waited", "took", "is_idle", "expected"),
    [
        (0, 1e6, 0.0, True, False),  # nothing new
        (1, 10.0, 0.0, True, True),
        (1, 10.0, 0.5, True, False),  # it takes long: rarely
        (1, 600.0, 0.5, True, True),
        (PILED_UP - 1, 1e6, 0.5, False, False),  # under load only when it has piled up
        (PILED_UP, 10.0, 0.5, False, False),
        (PILED_UP, 30.0, 0.5, False, True),
    ],
)
def test_a_full_look_is_due(looks: int, waited: float, took: float, is_idle: bool, expected: bool) -> None:
    assert is_due(looks, waited, took, is_idle=is_idle) is expected
