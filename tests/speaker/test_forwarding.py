"""From Loc-RIB to kernel where the rules change and routes go at the same time."""

from collections.abc import Mapping

import pytest

from bgpd.addresses import parse_prefix
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel import FibRoute, KernelSettings, Pool, Programmer
from bgpd.rib.loc_rib import LocRib
from bgpd.speaker.forwarding import Forwarding
from tests.support.routes import a_path

POOL = parse_prefix("10.65.0.0/16")


class RecordingKernel:
    """A kernel that does at once what it is told."""

    def __init__(self) -> None:
        self.settings = KernelSettings()
        self.on_written: list[object] = []
        self.routes: dict[bytes, FibRoute] = {}

    def program(self, family: Family, changes: Mapping[bytes, FibRoute | None]) -> None:
        for prefix, route in changes.items():
            self.routes.pop(prefix, None)
            if route is not None:
                self.routes[prefix] = route


def rules(*, is_programmed: bool) -> Programmer:
    return Programmer([Pool(*POOL, is_programmed=is_programmed)], (), tunnel=0, ecmp=16, metric=0)


class Bench:
    """A Loc-RIB with one route that is in the kernel."""

    def __init__(self) -> None:
        self.kernel = RecordingKernel()
        self.rib = LocRib(IPV4_UNICAST, lambda: None)
        self.forwarding = Forwarding(
            self.kernel,  # type: ignore[arg-type]
            rules(is_programmed=True),
            lambda: 0.0,
            import_default_route=False,
        )
        self.path, self.prefix = a_path("10.65.3.0/26")
        self.rib.announce([self.prefix], self.path)
        self.flush()
        assert self.prefix in self.kernel.routes

    def flush(self) -> None:
        self.forwarding.changed(IPV4_UNICAST, self.rib.take_changes(), self.rib.table, 0.0)

    def withdraw(self) -> None:
        self.rib.withdraw([self.prefix], self.path.source)

    def announce(self) -> None:
        """Announce it once more, by the same path."""
        self.rib.announce([self.prefix], self.path)

    def announce_elsewhere(self) -> None:
        """Announce it by another path, to the same next hop."""
        self.rib.announce([self.prefix], a_path("10.65.3.0/26", med="7")[0])

    def leave_pool_alone(self) -> None:
        """The pool is another agent's from now on."""
        self._use(rules(is_programmed=False))

    def change_address(self) -> None:
        """All routes are worked out again, and are what they were."""
        self._use(rules(is_programmed=True))

    def _use(self, programmer: Programmer) -> None:
        self.forwarding.use(programmer, 0)
        self._job = self.forwarding.program_all(self.rib)

    def run_job(self) -> None:
        for _ in self._job:
            pass


@pytest.mark.parametrize(
    "order",
    [
        "withdraw flush leave_pool_alone run_job",
        "withdraw leave_pool_alone flush run_job",
        "withdraw leave_pool_alone run_job flush",
        "leave_pool_alone withdraw flush run_job",
        "leave_pool_alone withdraw run_job flush",
        "leave_pool_alone run_job withdraw flush",
        "withdraw leave_pool_alone flush announce run_job flush",
    ],
)
def test_a_route_that_goes_while_its_pool_is_given_away_leaves_the_kernel(order: str) -> None:
    bench = Bench()
    for step in order.split():
        getattr(bench, step)()
    assert bench.kernel.routes == {}


@pytest.mark.parametrize("comes", ["announce", "announce_elsewhere"])
@pytest.mark.parametrize(
    "order",
    [
        "withdraw change_address run_job {} flush",
        "withdraw flush change_address run_job {} flush",
        "withdraw change_address flush run_job {} flush",
        "change_address withdraw run_job {} flush",
        "change_address withdraw {} run_job flush",
        "change_address withdraw flush {} run_job flush",
        "change_address run_job withdraw {} flush",
    ],
)
def test_a_route_that_goes_and_comes_while_all_are_worked_out_again_is_in_the_kernel(order: str, comes: str) -> None:
    bench = Bench()
    for step in order.format(comes).split():
        getattr(bench, step)()
    assert list(bench.kernel.routes) == [bench.prefix]
