"""A changed configuration at work: routes are judged again, and BIRD's side of the session notices nothing else."""

from collections.abc import Iterator
from typing import Final

import pytest

from conformance.interop.pair import Pair, pair
from conformance.interop.plan import NETWORK, OUR_ASN, POLICIES, Plan, bgpd_config, bird_config
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

INTERNAL: Final = Plan(11, "internal", OUR_ASN, families=("ipv4", "ipv6"))
EXTERNAL: Final = Plan(12, "external", 65012, families=("ipv4", "ipv6"))
PLANS: Final = (INTERNAL, EXTERNAL)
FAMILIES: Final = ("ipv4", "ipv6")

MARKED: Final = POLICIES.replace("set_med = 55", 'set_med = 66, add_communities = ["64512:99"]')
SILENT: Final = POLICIES.replace(
    'rules = [ { prefixes = ["203', 'rules = [ { source = "kernel", action = "reject" }, { prefixes = ["203'
)
PREFERRED: Final = POLICIES.replace(
    'name = "from-bird"\ndefault = "accept"',
    'name = "from-bird"\ndefault = "accept"\nrules = [ { action = "next", set_local_pref = 333 } ]',
)
CLOSED: Final = POLICIES.replace('name = "from-bird"\ndefault = "accept"', 'name = "from-bird"\ndefault = "reject"')


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, bird_version: str) -> Iterator[Pair]:
    """An internal and an external session."""
    with pair(tmp_path_factory.mktemp("reload"), PLANS) as made:
        made.bird.configure(bird_config(PLANS))
        made.bgpd.configure(bgpd_config(PLANS))
        for family in FAMILIES:
            made.add_container(INTERNAL.container(family))
        made.bird.start()
        made.bgpd.start()
        made.wait_established(PLANS)
        yield made


@pytest.fixture
def undisturbed(running: Pair) -> Iterator[Pair]:
    """The same, with the original policies before and after; both sessions have to be the same ones all the time."""
    eventually("all is there", lambda: _is_as_configured(running))
    since = [running.bird.since(plan.protocol) for plan in PLANS]
    flaps = [running.bgpd.peer(plan.name).flaps for plan in PLANS]
    yield running
    running.bgpd.configure(bgpd_config(PLANS))
    running.bgpd.hang_up()
    eventually("all is as before", lambda: _is_as_configured(running))
    assert [running.bird.since(plan.protocol) for plan in PLANS] == pytest.approx(since, abs=0.01)
    assert [running.bgpd.peer(plan.name).flaps for plan in PLANS] == flaps


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_changed_export_policy_changes_what_bird_has(undisturbed: Pair, plan: Plan, family: str) -> None:
    undisturbed.bgpd.configure(bgpd_config(PLANS, policies=MARKED))
    undisturbed.bgpd.hang_up()

    eventually(
        "the new MED and community",
        lambda: undisturbed.bird.where(
            "bgp_med = 66 && (64512, 99) ~ bgp_community", plan.table(family), NETWORK[family]
        ),
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_what_a_changed_export_policy_rejects_is_withdrawn(undisturbed: Pair, plan: Plan, family: str) -> None:
    container = INTERNAL.container(family)
    eventually("the container is there", lambda: undisturbed.bird.route(plan.table(family), container))

    undisturbed.bgpd.configure(bgpd_config(PLANS, policies=SILENT))
    undisturbed.bgpd.hang_up()

    eventually("the container is withdrawn", lambda: not undisturbed.bird.routes(plan.table(family), container))
    assert undisturbed.bird.routes(plan.table(family), NETWORK[family])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_changed_import_policy_judges_received_routes_again(undisturbed: Pair, plan: Plan, family: str) -> None:
    prefix = plan.bird_prefix(family)

    undisturbed.bgpd.configure(bgpd_config(PLANS, policies=CLOSED))
    undisturbed.bgpd.hang_up()

    eventually("out of the kernel", lambda: not undisturbed.bgpd.kernel_route_or_none(prefix))
    assert undisturbed.bgpd.route_in(plan.name, prefix).rejected


def test_a_changed_local_pref_decides_and_is_passed_on(undisturbed: Pair) -> None:
    prefix = EXTERNAL.beyond("ipv4")

    undisturbed.bgpd.configure(bgpd_config(PLANS, policies=PREFERRED))
    undisturbed.bgpd.hang_up()

    eventually(
        "the internal peer is told",
        lambda: undisturbed.bird.where("bgp_local_pref = 333", INTERNAL.table("ipv4"), prefix),
    )
    assert undisturbed.bgpd.routes(prefix)[0].local_pref == 333


def test_a_file_with_a_fault_changes_nothing(undisturbed: Pair) -> None:
    undisturbed.bgpd.configure("nonsense = true\n" + bgpd_config(PLANS, policies=CLOSED))
    undisturbed.bgpd.hang_up()

    eventually("it says so", lambda: "configuration not reloaded" in undisturbed.bgpd.log.read_text())
    assert undisturbed.bgpd.kernel_route(EXTERNAL.bird_prefix("ipv4"))


def _is_as_configured(running: Pair) -> bool:
    carried = [(plan, family) for plan in PLANS for family in FAMILIES]
    return all(
        running.bird.where("bgp_med = 55", plan.table(family), NETWORK[family])
        and running.bird.routes(plan.table(family), INTERNAL.container(family))
        and running.bgpd.kernel_route_or_none(plan.bird_prefix(family))
        for plan, family in carried
    )
