"""From Loc-RIB to kernel where the rules change and routes go at the same time."""

from collections import deque
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel import FibRoute, KernelSettings, Pool, Programmer
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Path, Source
from bgpd.speaker import forwarding as forwarding_module
from bgpd.speaker.forwarding import Forwarding
from tests.support.paths import own_source, path, peer_source
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


POOLS = [parse_prefix("10.65.0.0/16"), parse_prefix("10.66.0.0/16")]
NETWORKS = [
    parse_prefix(text)[1] for text in ("10.65.0.0/26", "10.65.1.0/26", "10.66.0.0/26", "10.70.0.0/26", "0.0.0.0/0")
]
SOURCES = [peer_source(number) for number in (1, 2, 3)] + [own_source()]


def _paths() -> list[Path]:
    found = []
    for number, source in enumerate(SOURCES):
        for preference, is_black_hole in ((100, False), (100, True), (200, False)):
            made = path(source, next_hop=f"172.18.0.{number + 1}", local_pref=preference)
            made.is_black_hole = is_black_hole
            found.append(made)
    for made in found:  # paths of one peer point to one object
        made.next_hop = next(one.next_hop for one in found if one.source is made.source)
    return found


PATHS = _paths()
ALL_RULES = [
    Programmer(
        [Pool(*POOLS[0], is_programmed=is_first), Pool(*POOLS[1], is_programmed=is_second)],
        (),
        tunnel=0,
        ecmp=ecmp,
        metric=0,
        encrypted=frozenset({parse_address(f"172.18.0.{number}") for number in encrypted}),
    )
    for is_first, is_second, ecmp, encrypted in (
        (True, True, 16, ()),
        (False, True, 16, ()),
        (True, False, 1, ()),
        (True, True, 16, (1, 2)),
    )
]
ALL_RULES += [
    Programmer([], (), tunnel=0, ecmp=16, metric=0),
    Programmer([], (), tunnel=0, ecmp=16, metric=0, priorities={IPV4_UNICAST: 1024}),
]
several = st.lists(st.sampled_from(NETWORKS), min_size=1)
happenings = st.one_of(
    st.tuples(st.just("announce"), several, st.sampled_from(PATHS)),
    st.tuples(st.just("announce"), several, st.sampled_from(PATHS)),
    st.tuples(st.just("withdraw"), several, st.sampled_from(SOURCES)),
    st.tuples(st.just("lose"), st.just(NETWORKS), st.sampled_from(SOURCES)),
    st.tuples(st.just("use"), st.just([]), st.sampled_from(ALL_RULES)),
    st.tuples(st.sampled_from(["flush", "slice", "slice"]), st.just([]), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALL_RULES), st.lists(happenings, max_size=40))
def test_whatever_happens_the_kernel_is_asked_for_what_the_paths_say(
    first: Programmer,
    script: list[tuple[str, list[bytes], object]],
) -> None:
    kernel, rib = RecordingKernel(), LocRib(IPV4_UNICAST, lambda: None)
    forwarding = Forwarding(kernel, first, lambda: 0.0, import_default_route=False)  # type: ignore[arg-type]
    jobs: deque[Iterator[None]] = deque()

    def run_slice() -> None:
        try:
            next(jobs[0])
        except StopIteration:
            jobs.popleft()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forwarding_module, "_SLICE", 2)
        for what, prefixes, which in script:
            match what, which:
                case "announce", Path():
                    rib.announce(prefixes, which)
                case "withdraw" | "lose", Source():
                    rib.withdraw(prefixes, which)
                case "use", Programmer():
                    forwarding.use(which, 0)
                    jobs.append(forwarding.program_all(rib))
                case "flush", _ if rib.has_changes:
                    forwarding.changed(IPV4_UNICAST, rib.take_changes(), rib.table, 0.0)
                case "slice", _ if jobs:
                    run_slice()
        while jobs:
            run_slice()
        if rib.has_changes:
            forwarding.changed(IPV4_UNICAST, rib.take_changes(), rib.table, 0.0)
    asked = {prefix: forwarding.route(IPV4_UNICAST, prefix, candidates) for prefix, candidates in rib.table.items()}
    assert kernel.routes == {prefix: route for prefix, route in asked.items() if route is not None}


def test_paths_that_differ_in_local_pref_only_are_told_apart_where_it_is_the_metric() -> None:
    kernel, rib = RecordingKernel(), LocRib(IPV4_UNICAST, lambda: None)
    forwarding = Forwarding(kernel, ALL_RULES[-1], lambda: 0.0, import_default_route=False)  # type: ignore[arg-type]
    low, _, high = PATHS[:3]
    metrics = []
    for one in (low, high):
        rib.announce(NETWORKS[:2], one)
        forwarding.changed(IPV4_UNICAST, rib.take_changes(), rib.table, 0.0)
        metrics.append([kernel.routes[prefix].metric for prefix in NETWORKS[:2]])
    assert metrics == [[2147483547] * 2, [2147483447] * 2]


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
