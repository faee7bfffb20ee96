"""Readiness: what a probe is told."""

import pytest

from bgpd.api.health import readiness


@pytest.mark.parametrize(
    ("expected", "up", "is_recovering", "age", "is_ready"),
    [
        (0, 0, False, 0.0, True),  # nobody to peer with
        (2, 1, False, 5.0, False),  # early: all of them
        (2, 2, False, 5.0, True),
        (2, 2, True, 5.0, False),  # early: not while routes are still coming in
        (2, 1, False, 60.0, True),  # later: one will do
        (2, 1, True, 60.0, True),
        (2, 0, False, 60.0, False),
    ],
)
def test_readiness(expected: int, up: int, is_recovering: bool, age: float, is_ready: bool) -> None:
    found = readiness(expected=expected, up=up, is_recovering=is_recovering, is_draining=False, age=age)
    assert found.is_ready is is_ready


@pytest.mark.parametrize("expected", [0, 2])
def test_a_drained_node_is_not_ready(expected: int) -> None:
    assert not readiness(expected=expected, up=expected, is_recovering=False, is_draining=True, age=60.0).is_ready
