"""Combinations of options that make a cluster, and those that do not."""

import pytest

from bgpd.lab import LabError, LabOptions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (LabOptions(nodes=0), "--nodes is between 1 and 250, not 0"),
        (LabOptions(nodes=251), "--nodes is between 1 and 250, not 251"),
        (LabOptions(containers=-1), "--containers is between 0 and 250, not -1"),
        (LabOptions(nodes=249, reflectors=2), "--reflectors is between 0 and 1 here, not 2"),
        (LabOptions(reflectors=1, as_per_node=True), "leave out --as"),
    ],
)
def test_what_makes_no_cluster_is_refused_with_what_was_expected(options: LabOptions, words: str) -> None:
    with pytest.raises(LabError, match=words):
        options.check()


def test_the_defaults_make_a_cluster() -> None:
    LabOptions().check()
