"""Two speakers in memory: a recording user, and what a session needs around it."""

from collections.abc import Iterator

import pytest

from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time."""
    loop = VirtualLoop()
    yield loop
    loop.close()
