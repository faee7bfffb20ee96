"""One side dies and comes back: with graceful restart nothing is lost meanwhile, and what is out of date goes after it.

RFC 4724 sections 3 and 4; RFC 4271 6.5 (hold timer).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from conformance.interop.daemon import Daemon
from conformance.interop.pair import Pair, pair
from conformance.interop.plan import NETWORK, OUR_ASN, Plan, bgpd_config, bird_config
from conformance.interop.waiting import eventually, watched

pytestmark = [pytest.mark.interop, pytest.mark.netns]

FAMILIES: Final = ("ipv4", "ipv6")
INTERNAL: Final = Plan(11, "internal", OUR_ASN, families=FAMILIES, theirs="graceful restart on;")
EXTERNAL: Final = Plan(12, "external", 65012, families=FAMILIES, theirs="graceful restart on;")
LEAVING: Final = Plan(13, "external, loses its routes", 65013, families=FAMILIES, theirs="graceful restart on;")
PLANS: Final = (INTERNAL, EXTERNAL, LEAVING)
KEPT: Final = [(plan, family) for plan in (INTERNAL, EXTERNAL) for family in FAMILIES]

BRIEF: Final = Plan(
    14, "short patience", 65014, theirs="graceful restart on; graceful restart time 2;",
    ours="graceful_restart = { restart_time = 2 }",
)  # fmt: skip
WITHOUT: Final = Plan(15, "no graceful restart", 65015, theirs="graceful restart off;")
HOLDING: Final = Plan(16, "short hold time", 65016, ours="hold_time = 3")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Pair]:
    """Sessions with graceful restart, all routes where they belong."""
    with _started(tmp_path, PLANS) as made:
        for family in FAMILIES:
            for plan in PLANS:
                made.add_container(plan.container(family))
        for plan, family in KEPT:
            _wait_for_both(made, plan, family)
        for family in FAMILIES:
            _wait_for_both(made, LEAVING, family)
        yield made


@pytest.mark.parametrize("end", [Daemon.kill, Daemon.stop], ids=["killed", "stopped"])
def test_bgpd_restarts_and_no_route_is_missing_anywhere(running: Pair, end: Callable[[Daemon], None]) -> None:
    bird = running.bird

    with running.watch_kernel() as kernel, watched(lambda: _has_ours(running)) as lost:
        end(running.bgpd)
        running.remove_container(LEAVING.container("ipv4"))
        bird.ask(f"disable {LEAVING.static('ipv4')}")
        running.bgpd.start()
        running.wait_established(PLANS)
        for plan, _ in KEPT:
            _until_gone(running, plan)
        eventually("swept", lambda: not running.bgpd.kernel_route_or_none(LEAVING.bird_prefix("ipv4")))

    for plan, family in KEPT:
        assert kernel.deletions(plan.bird_prefix(family)) == []
    assert not lost.is_set()
    for plan, family in KEPT:
        assert running.bgpd.kernel_route(plan.bird_prefix(family))
        assert bird.route(plan.table(family), INTERNAL.container(family))


def test_bird_restarts_and_our_kernel_keeps_its_routes(running: Pair) -> None:
    gone = LEAVING.bird_prefix("ipv4")

    with running.watch_kernel() as kernel:
        running.bird.kill()
        running.bird.configure(
            bird_config(PLANS).replace(f"route {gone} blackhole;", "")  # it comes back with a route less
        )
        eventually("the loss is noticed", lambda: not running.bgpd.peers()[INTERNAL.name].is_up)
        assert all(row.is_stale for row in running.bgpd.routes_in(INTERNAL.name))
        running.bird.start("-R")
        running.wait_established(PLANS)
        eventually("the stale route goes", lambda: not running.bgpd.kernel_route_or_none(gone))
        for plan, _ in KEPT:
            _until_fresh(running, plan)
        eventually("BIRD has ours again", lambda: _has_ours(running))

    for plan, family in KEPT:
        assert kernel.deletions(plan.bird_prefix(family)) == []


def test_routes_of_who_does_not_come_back_go_when_their_time_is_over(tmp_path: Path) -> None:
    with _started(tmp_path, (BRIEF, WITHOUT)) as made:
        for plan in (BRIEF, WITHOUT):
            _wait_for_both(made, plan, "ipv4", with_container=False)

        made.bird.kill()

        eventually("gone at once", lambda: not made.bgpd.kernel_route_or_none(WITHOUT.bird_prefix("ipv4")), 1.5)
        assert made.bgpd.kernel_route(BRIEF.bird_prefix("ipv4"))
        eventually("gone in the end", lambda: not made.bgpd.kernel_route_or_none(BRIEF.bird_prefix("ipv4")), 6)


def test_bird_drops_our_routes_when_we_do_not_come_back(tmp_path: Path) -> None:
    with _started(tmp_path, (BRIEF, WITHOUT)) as made:
        for plan in (BRIEF, WITHOUT):
            _wait_for_both(made, plan, "ipv4", with_container=False)

        made.bgpd.kill()

        eventually("gone at once", lambda: not made.bird.routes(WITHOUT.table("ipv4"), NETWORK["ipv4"]), 1.5)
        assert made.bird.routes(BRIEF.table("ipv4"), NETWORK["ipv4"])
        eventually("gone in the end", lambda: not made.bird.routes(BRIEF.table("ipv4"), NETWORK["ipv4"]), 6)


def test_a_bird_that_is_silent_is_given_up_and_taken_back(tmp_path: Path) -> None:
    with _started(tmp_path, (HOLDING,)) as made:
        _wait_for_both(made, HOLDING, "ipv4", with_container=False)

        with made.bird.process.frozen():
            eventually("given up", lambda: "Hold Timer Expired" in made.bgpd.peers()[HOLDING.name].last_error)
            eventually("gone", lambda: not made.bgpd.kernel_route_or_none(HOLDING.bird_prefix("ipv4")), 2)

        made.wait_established([HOLDING])
        _wait_for_both(made, HOLDING, "ipv4", with_container=False)


@contextmanager
def _started(directory: Path, plans: tuple[Plan, ...]) -> Iterator[Pair]:
    with pair(directory, plans) as made:
        made.bird.configure(bird_config(plans))
        made.bgpd.configure(bgpd_config(plans))
        made.bird.start()
        made.bgpd.start()
        made.wait_established(plans)
        yield made


def _wait_for_both(made: Pair, plan: Plan, family: str, *, with_container: bool = True) -> None:
    ours = plan.container(family) if with_container else NETWORK[family]
    eventually("ours in BIRD", lambda: made.bird.route(plan.table(family), ours))
    eventually("theirs in the kernel", lambda: made.bgpd.kernel_route(plan.bird_prefix(family)))


def _until_gone(made: Pair, plan: Plan) -> None:
    container = LEAVING.container("ipv4")
    eventually("the container is withdrawn", lambda: not made.bird.routes(plan.table("ipv4"), container))


def _until_fresh(made: Pair, plan: Plan) -> None:
    eventually("nothing is stale", lambda: not any(row.is_stale for row in made.bgpd.routes_in(plan.name)))


def _has_ours(made: Pair) -> bool:
    return all(made.bird.routes(plan.table(family), NETWORK[family]) for plan, family in KEPT)
