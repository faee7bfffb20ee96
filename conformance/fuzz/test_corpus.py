"""Every input in the corpus through its target, without a fuzzer: what was once found stays found."""

from pathlib import Path

import pytest

from conformance.fuzz.seeds import seeds
from conformance.fuzz.targets import CORPUS, TARGETS


def _inputs(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_is_a_find(name: str) -> None:
    inputs = _inputs(name)
    assert inputs
    for file in inputs:
        TARGETS[name].run(file.read_bytes())


def test_every_seed_passes() -> None:
    for name, octets in seeds():
        TARGETS[name].run(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_and_a_single_octet_are_inputs_too(name: str) -> None:
    for octets in (b"", *(bytes((octet,)) for octet in range(0, 256, 15))):
        TARGETS[name].run(octets)


def test_the_corpus_belongs_to_targets() -> None:
    assert {directory.name for directory in CORPUS.iterdir()} == set(TARGETS)
