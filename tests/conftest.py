"""A host in a namespace, with an underlay device, a container device and nobody else on them."""

from collections.abc import Iterator

import pytest

from tests.support.netns import Namespace, add_address, join


@pytest.fixture
def host() -> Iterator[Namespace]:
    """The test's thread is in it: eth0 (10.0.0.1/24, fd00::1/64) and cali1, both up, with their other ends."""
    with Namespace("host") as namespace:
        join(namespace, "eth0", namespace, "eth0-peer")
        join(namespace, "cali1", namespace, "cali1-peer")
        add_address(namespace, "eth0", "10.0.0.1/24")
        add_address(namespace, "eth0", "fd00::1/64")
        with namespace.entered():
            yield namespace
