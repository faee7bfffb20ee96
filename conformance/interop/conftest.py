"""Fixtures: the crowd of sessions between two processes, and pairs for tests that stop one of them."""

from collections.abc import Iterator

import pytest

from conformance.interop import special
from conformance.interop.bird import MissingBird, version
from conformance.interop.pair import Pair, pair
from conformance.interop.plan import bgpd_config, bird_config, matrix


@pytest.fixture(scope="session", autouse=True)
def bird_version() -> str:
    """BIRD's version; without BIRD every test fails and says so."""
    try:
        return version()
    except MissingBird as missing:
        reason = str(missing)
    pytest.fail(reason, pytrace=False)


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory, bird_version: str) -> Iterator[Pair]:
    """One bgpd and one BIRD with the sessions of the matrix, which are established, and the special ones."""
    plain = matrix()
    plans = [*plain, *special.UP, *special.DOWN]
    with pair(tmp_path_factory.mktemp("crowd"), plans) as made:
        made.here.ip(f"address add {special.INJECTOR}/24 dev eth0")
        for plan in plain:
            for family in plan.families:
                made.add_container(plan.container(family))
        made.bird.configure(bird_config(plans, special.bird_extra()))
        made.bgpd.configure(bgpd_config(plans))
        made.bird.start()
        made.bgpd.start()
        made.wait_established(plain)
        yield made
