"""Fixtures: the crowd of sessions between two processes, and pairs for tests that stop one of them."""

from collections.abc import Iterator

import pytest

from conformance.interop import special
from conformance.interop.bird import version
from conformance.interop.daemons import KINDS
from conformance.interop.meeting import Meeting
from conformance.interop.meeting import meeting as meeting_of
from conformance.interop.pair import Pair, pair
from conformance.interop.peer_daemon import Kind
from conformance.interop.peering import LONG_NETWORK, OPTIONS, Peering
from conformance.interop.peering import matrix as peerings_of_the_matrix
from conformance.interop.plan import bgpd_config, bird_config, matrix
from conformance.interop.process import MissingDaemon


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each session with each daemon to the tests of what it does, or to the one of what the daemon cannot do."""
    items[:] = [item for item in items if not isinstance(item, pytest.Function) or _belongs(item)]


def _belongs(item: pytest.Function) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    kind, peering = parameters.get("kind"), parameters.get("peering")
    if not isinstance(kind, Kind) or not isinstance(peering, Peering):
        return True
    return bool(kind.limit(peering)) is (item.get_closest_marker("limitations") is not None)


@pytest.fixture(scope="session", autouse=True)
def bird_version() -> str:
    """BIRD's version; without BIRD every test fails and says so."""
    try:
        return version()
    except MissingDaemon as missing:
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


@pytest.fixture(scope="session", params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """One of the daemons; if it is not installed its tests fail and say so."""
    found = request.param
    assert isinstance(found, Kind)  # of KINDS
    try:
        found.version()
    except MissingDaemon as missing:
        reason = str(missing)
    else:
        return found
    pytest.fail(reason, pytrace=False)


@pytest.fixture(scope="session")
def meeting(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Meeting]:
    """bgpd and two routers of one daemon, with the sessions of the matrix, which are established."""
    plain = peerings_of_the_matrix()
    everything = (*plain, *OPTIONS.values())
    with meeting_of(kind, tmp_path_factory.mktemp(kind.name), everything, LONG_NETWORK) as made:
        for peering in plain:
            for family in peering.families:
                made.add_container(peering.container(family))
        made.inner.start()
        made.outer.start()
        made.bgpd.start()
        made.wait_established(peering for peering in plain if not kind.limit(peering))
        yield made
