"""Policy tests against a running speaker and against a file alone."""

from collections.abc import Iterator

import pytest

from bgpd.api.operations import Refused, RouteQuery
from bgpd.api.policy_queries import parse_policy_query
from bgpd.api.rows import PolicyTrial
from bgpd.api.views import Moment, explain, find_peer, planned_trial, policy_trial, routes, routes_in, routes_out
from bgpd.families import IPV4_UNICAST
from tests.support.cluster import Cluster, address
from tests.support.paths import prefix

MOMENT = Moment(0, 0)
ONE = f"""
[[peer]]
name = "two"
address = "{address(2)}"
asn = 65002
import = ["mark", "pods"]
[[peer]]
name = "three"
address = "{address(3)}"
asn = 65003
export = ["pods"]
[[peer_range]]
name = "rack"
prefix = "10.1.0.0/16"
asn = "internal"
import = ["pods"]
[[policy]]
name = "mark"
rules = [ {{ communities = ["65002:*"], action = "next", set_local_pref = "+20", set_weight = 5 }} ]
[[policy]]
name = "pods"
rules = [ {{ name = "pods", prefix = "10.65.0.0/16", action = "accept", add_communities = ["64512:9"] }} ]
default = "reject"
"""
TWO = f"""
[[peer]]
address = "{address(1)}"
asn = 64512
ebgp_requires_policy = false
[[network]]
prefix = "10.65.1.0/26"
communities = ["65002:1"]
[[network]]
prefix = "192.168.0.0/24"
"""


@pytest.fixture
def made() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.start(1, ONE)
    cluster.start(2, TWO, asn=65002)
    cluster.until(1, "10.65.1.0/26")
    cluster.run(1)
    yield cluster
    cluster.close()


def ask(made: Cluster, **words: str) -> PolicyTrial:
    return policy_trial(made.speakers[1], parse_policy_query({k.replace("_", "-"): [v] for k, v in words.items()}))


def test_a_received_route_is_tested_as_it_was_received(made: Cluster) -> None:
    trial = ask(made, peer="two", prefix="10.65.1.0/26")
    assert (trial.route, trial.policies, trial.accepted, trial.rule) == (
        "as received from two",
        ("mark", "pods"),
        True,
        "pods pods",
    )
    assert [(step.rule, step.is_match, step.operations) for step in trial.steps] == [
        ("rule 1", True, ("set_local_pref +20", "set_weight 5")),
        ("default", True, ()),
        ("pods", True, ("add_communities 64512:9",)),
    ]
    assert (trial.before.local_pref, trial.before.communities) == (None, ("65002:1",))
    assert (trial.after.local_pref, trial.after.weight, trial.after.communities) == (120, 5, ("65002:1", "64512:9"))
    assert trial.notes == ()
    assert ask(made, policy="pods", prefix="10.65.1.0/26").route == "as received from two"
    rejected = ask(made, peer=address(2), prefix="192.168.0.0/24")
    assert (rejected.accepted, rejected.rule) == (False, "pods default")


def test_the_best_path_is_tested_for_export(made: Cluster) -> None:
    trial = ask(made, peer="three", prefix="10.65.1.0/26", direction="export")
    assert (trial.route, trial.accepted, trial.before.local_pref) == ("the best path, from two", True, 120)


def test_a_test_touches_nothing(made: Cluster) -> None:
    speaker = made.speakers[1]
    before = (set(speaker.groups), dict(speaker.loc_ribs[IPV4_UNICAST].table))
    ask(made, peer="two", prefix="10.65.7.0/26", as_path="1 2")
    ask(made, peer="three", prefix="10.65.1.0/26", direction="export")
    assert (set(speaker.groups), dict(speaker.loc_ribs[IPV4_UNICAST].table)) == before
    assert not speaker.loc_ribs[IPV4_UNICAST].has_changes


def test_rfc_8212_rejects_where_an_external_peer_has_no_policy(made: Cluster) -> None:
    trial = ask(made, peer="two", prefix="10.65.1.0/26", direction="export")
    assert (trial.accepted, trial.rule) == (False, "eBGP session without an export policy (RFC 8212)")
    assert trial.steps == ()


def test_what_is_not_as_it_seems_is_noted(made: Cluster) -> None:
    trial = ask(made, policy="mark", peer="three", prefix="10.66.0.0/16", direction="export")
    assert trial.notes == (
        "peer three does not have this policy for export; it has pods",
        "this prefix is not in the tables; a plain route stands in for it",
    )


@pytest.mark.parametrize(
    ("words", "why", "hint"),
    [
        ({"policy": "pod"}, "there is no policy pod", "did you mean pods?"),
        ({"policy": "xyz"}, "there is no policy xyz", "there are: mark, pods"),
        ({"peer": "tow"}, "there is no peer tow", "did you mean two?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    made: Cluster, words: dict[str, str], why: str, hint: str
) -> None:
    with pytest.raises(Refused) as refused:
        ask(made, prefix="10.0.0.0/8", **words)
    assert (refused.value.status, str(refused.value), refused.value.hint) == (404, why, hint)


def test_a_file_is_enough() -> None:
    cluster = Cluster()
    config = cluster.config(1, ONE)
    cluster.close()
    for peer, accepted in (("two", True), ("rack", True), ("three", False)):
        query = parse_policy_query({"peer": [peer], "prefix": ["10.65.1.0/26"], "community": ["65002:1"]})
        assert planned_trial(config, query).accepted is accepted
    trial = planned_trial(config, parse_policy_query({"peer": ["rack"], "prefix": ["10.65.1.0/26"]}))
    assert trial.notes == ("no daemon is asked for the route; a plain one stands in for it",)


def test_explain_and_the_tables_name_the_rule_that_let_a_route_pass(made: Cluster) -> None:
    made.start(3, f'[[peer]]\naddress = "{address(1)}"\nasn = 64512\nebgp_requires_policy = false\n', asn=65003)
    made.until(3, "10.65.1.0/26")
    speaker, key = made.speakers[1], prefix("10.65.1.0/26")
    found = explain(speaker, RouteQuery(IPV4_UNICAST, key))
    assert [(one.policy, one.route.weight) for one in found.candidates] == [("pods pods, changed", 5)]
    assert {one.peer: one.why for one in found.exports}["three"] == "export policy: pods pods"
    rows = {row.prefix: row for row in next(routes_in(speaker, find_peer(speaker, "two"), RouteQuery(), MOMENT)).rows}
    assert rows["10.65.1.0/26"].policy == "pods pods, changed"
    assert (rows["192.168.0.0/24"].policy, rows["192.168.0.0/24"].rejected) == ("", "import policy: pods default")
    out = next(routes_out(find_peer(speaker, "three"), RouteQuery())).rows
    assert [row.policy for row in out] == ["pods pods"]
    assert [row.weight for row in next(routes(speaker, RouteQuery(), MOMENT)).rows] == [5]
