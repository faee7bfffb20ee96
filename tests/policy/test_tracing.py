"""The rules asked one by one: the oracle of the compiled chain, and what a person reads."""

from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import truncate
from bgpd.communities import parse_communities, parse_patterns
from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn
from bgpd.policy import (
    Action,
    AsSet,
    Chain,
    Changes,
    CommunitySet,
    Comparison,
    Conditions,
    Delta,
    Policy,
    PrefixEntry,
    PrefixSet,
    Removal,
    Rule,
)
from bgpd.policy.conditions import Subject
from bgpd.policy.rules import AsPathCondition
from bgpd.policy.tracing import trace
from tests.support.paths import prefix
from tests.support.routes import a_path, a_peer

BITS = st.integers(0, 7).map(lambda number: bytes((10, number << 5, 0, 0)))
PREFIXES = st.builds(lambda address, length: truncate(b"\x20" + address, length), BITS, st.integers(7, 12))
SETS = st.lists(PREFIXES, min_size=1, max_size=3).map(
    lambda members: PrefixSet(tuple(PrefixEntry(IPV4_UNICAST, one) for one in members))
)
COMMUNITIES = CommunitySet(parse_patterns("1:1"))
CONDITIONS = st.builds(
    Conditions,
    prefixes=st.lists(SETS, max_size=1).map(tuple),
    comparison=st.sampled_from(Comparison),
    length=st.none() | st.just((8, 10)),
    communities=st.sampled_from([(), (COMMUNITIES,)]),
    med=st.none() | st.just((0, 10)),
    as_path=st.sampled_from([AsPathCondition(), AsPathCondition(contains=(AsSet(((Asn(7), Asn(7)),)),))]),
)
CHANGES = st.builds(
    Changes,
    add_communities=st.sampled_from([parse_communities(()), parse_communities(("1:1",))]),
    delete_communities=st.sampled_from([CommunitySet(()), COMMUNITIES]),
    prepend=st.sampled_from([(), (Asn(7),)]),
    med=st.none() | st.sampled_from([5, Delta(8), Delta(-3), Removal.REMOVE]),
    weight=st.none() | st.integers(1, 3),
)
RULES = st.builds(Rule, st.sampled_from("abc"), st.sampled_from(Action), CONDITIONS, CHANGES)
POLICIES = st.lists(
    st.builds(Policy, st.sampled_from("pq"), st.lists(RULES, max_size=4).map(tuple), st.sampled_from(Action)),
    max_size=3,
)


@given(
    POLICIES, st.lists(PREFIXES, min_size=1, max_size=8), st.sampled_from([{}, {"med": "9"}, {"communities": "1:1"}])
)
def test_the_chain_decides_as_its_rules_do_one_by_one(
    policies: list[Policy], prefixes: list[bytes], fields: dict[str, str]
) -> None:
    path, _ = a_path("10.0.0.0/8", **fields)
    chain, peer = Chain(policies), a_peer()
    judge = chain.for_path(path, path.attributes, peer)
    for one in prefixes:
        found, wanted = judge.judge(one), trace(chain, Subject(path, peer), one).verdict
        assert (found.accepted, found.rule, found.weight, found.settled) == (
            wanted.accepted,
            wanted.rule,
            wanted.weight,
            wanted.settled,
        )
        assert found.attributes.octets == wanted.attributes.octets
        again = chain.judge(path, path.attributes, one, peer)
        assert (again.accepted, again.rule, again.attributes.octets) == (
            found.accepted,
            found.rule,
            found.attributes.octets,
        )
        if not chain.looks_at_prefix:
            assert judge.decided is found


def test_a_path_that_no_prefix_rule_concerns_is_decided_at_once() -> None:
    inside = PrefixSet((PrefixEntry(IPV4_UNICAST, prefix("10.0.0.0/8")),))
    asked = Conditions(prefixes=(inside,), communities=(COMMUNITIES,))
    chain = Chain([Policy("p", (Rule("r", Action.REJECT, asked),))])
    assert chain.looks_at_prefix
    without, _ = a_path()
    carrying, _ = a_path(communities="1:1")
    assert chain.for_path(without, without.attributes, a_peer()).decided is not None
    assert chain.for_path(carrying, carrying.attributes, a_peer()).decided is None


def test_each_rule_says_what_it_missed_and_what_it_did() -> None:
    inside = PrefixSet((PrefixEntry(IPV4_UNICAST, prefix("10.0.0.0/8")),))
    chain = Chain(
        [
            Policy(
                "p",
                (
                    Rule("far", Action.REJECT, Conditions(prefixes=(inside,), med=(5, 9))),
                    Rule("named", Action.REJECT, Conditions(peers=("spine-*",))),
                    Rule("mark", Action.NEXT, changes=Changes(med=Delta(10), prepend=(Asn(7), Asn(8)))),
                    Rule("last", Action.ACCEPT, Conditions(med=(10, 10)), Changes(med=Removal.REMOVE, weight=3)),
                    Rule("never", Action.REJECT),
                ),
            )
        ]
    )
    path, key = a_path("192.168.0.0/16")
    found = trace(chain, Subject(path, a_peer()), key)
    assert [(look.rule, look.misses, look.operations) for look in found.looks] == [
        ("far", ("prefix: 192.168.0.0/16", "med: absent, counts as 0"), ()),
        ("named", ("peer: tor",), ()),
        ("mark", (), ("prepend 7 8", "set_med +10")),
        ("last", (), ("set_med remove", "set_weight 3")),
    ]
    assert (found.verdict.rule, found.verdict.weight, found.verdict.attributes.med) == ("p last", 3, None)
