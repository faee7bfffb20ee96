"""A short soak with few peers: the harness works, and a coarse leak shows."""

from conformance.soak.run import soak


def test_nothing_is_left_of_peers_that_flapped() -> None:
    outcome = soak(seconds=4, peers=10, routes=1000, seed=1, mean=0.5, idle=2)
    assert outcome.mishaps.total() > 20
    assert outcome.faults() == []
