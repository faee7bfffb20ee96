"""Sessions that must not come up, and what an operator is told about them.

RFC 2385 (TCP-MD5), RFC 5082 (GTSM), RFC 4271 6.2 (peer AS).
"""

import pytest

from conformance.interop import special
from conformance.interop.pair import Pair
from conformance.interop.plan import Plan
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]


@pytest.mark.parametrize("plan", special.DOWN, ids=lambda plan: plan.name)
def test_the_session_stays_down(crowd: Pair, plan: Plan) -> None:
    crowd.wait_established(special.UP)  # those had the same time

    assert not crowd.bgpd.peers()[plan.name].is_up
    assert crowd.bgpd.peer(plan.name).flaps == 0
    assert crowd.bgpd.routes_in(plan.name) == []
    assert crowd.bird.routes(plan.table(plan.transport), plan.container(plan.transport)) == []


@pytest.mark.parametrize(
    "plan",
    [special.WRONG_WE_DIAL, special.WRONG_BOTH_DIAL, special.ONLY_OURS],
    ids=lambda plan: plan.name,
)
def test_no_answer_to_a_signed_dial_names_the_password_as_a_reason(crowd: Pair, plan: Plan) -> None:
    error = eventually("a reason", lambda: crowd.bgpd.peers()[plan.name].last_error)

    assert "No answer" in error
    assert "MD5" in error


def test_a_password_that_only_the_peer_has_reads_as_no_answer(crowd: Pair) -> None:
    error = eventually("a reason", lambda: crowd.bgpd.peers()[special.ONLY_THEIRS.name].last_error)

    assert "No answer" in error


def test_a_peer_that_sends_with_a_low_ttl_is_refused_with_that_reason(crowd: Pair) -> None:
    plan = special.HOPS_ONLY_OURS

    eventually("the reason", lambda: "ttl_security asks for 255" in crowd.bgpd.peers()[plan.name].last_error)


def test_the_wrong_as_number_is_told_by_who_saw_it(crowd: Pair) -> None:
    plan = special.WRONG_ASN

    eventually("what BIRD said", lambda: "Bad Peer As" in crowd.bgpd.peers()[plan.name].last_error)
    assert "Bad peer AS" in crowd.bird.protocol(plan.protocol)
