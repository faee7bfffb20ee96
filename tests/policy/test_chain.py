"""Policies in order: who decides, and that one decision serves all prefixes that rules cannot tell apart."""

import sys
from types import FrameType

from bgpd.addresses import parse_prefix
from bgpd.communities import parse_communities, parse_pattern
from bgpd.families import IPV4_UNICAST
from bgpd.identity import PeerType
from bgpd.policy import (
    Action,
    Chain,
    Changes,
    CommunitySet,
    Comparison,
    Conditions,
    Policy,
    PrefixEntry,
    PrefixSet,
    Quantifier,
    Rule,
)
from bgpd.rib.path import SourceKind
from tests.support.routes import a_path, a_peer

TEN = (PrefixSet((PrefixEntry(*parse_prefix("10.0.0.0/8")),)),)


def rule(name: str, action: Action, **conditions: object) -> Rule:
    return Rule(name, action, Conditions(**conditions))  # type: ignore[arg-type]  # names and values are the tests' own


def outcome(chain: Chain, prefix: str = "10.65.3.0/26", interface: str = "", **fields: str) -> tuple[bool, str]:
    path, key = a_path(prefix, **fields)
    verdict = chain.judge(path, path.attributes, key, a_peer(), interface)
    return verdict.accepted, verdict.rule


def test_the_end_of_all_policies_accepts() -> None:
    assert outcome(Chain([Policy("a"), Policy("b")])) == (True, "end of policies")


def test_without_policies_final_decides() -> None:
    assert outcome(Chain([])) == (True, "no policy")
    assert outcome(Chain([], final=False)) == (False, "no policy")


def test_accept_in_one_policy_ends_the_whole_decision() -> None:
    first = Policy("first", (rule("rule 1", Action.ACCEPT, prefixes=TEN),))
    second = Policy("second", (rule("rule 1", Action.REJECT),))
    assert outcome(Chain([first, second])) == (True, "first rule 1")
    assert outcome(Chain([first, second]), "192.168.0.0/16") == (False, "second rule 1")


def test_a_default_that_decides_ends_the_whole_decision() -> None:
    first = Policy("first", default=Action.REJECT)
    assert outcome(Chain([first, Policy("second", default=Action.ACCEPT)])) == (False, "first default")


def test_a_later_rule_sees_what_an_earlier_one_changed() -> None:
    mark = Rule("mark", Action.NEXT, changes=Changes(add_communities=parse_communities(("1:1",))))
    drop = rule("drop", Action.REJECT, communities=(CommunitySet((parse_pattern("1:*"),)),))
    assert outcome(Chain([Policy("a", (mark,)), Policy("b", (drop,))])) == (False, "b drop")


def test_a_rule_of_one_family_never_matches_the_other() -> None:
    for comparison in Comparison:
        chain = Chain([Policy("p", (rule("r", Action.REJECT, prefixes=TEN, comparison=comparison),))])
        assert outcome(chain, "fd65::/64") == (True, "end of policies")


def test_sources_peers_and_interfaces_are_asked() -> None:
    chain = Chain(
        [
            Policy(
                "p",
                (
                    rule("network", Action.REJECT, sources=(SourceKind.NETWORK,)),
                    rule("cali", Action.REJECT, interface="cali*"),
                    rule("internal", Action.REJECT, peer_types=(PeerType.INTERNAL,)),
                ),
            )
        ]
    )
    assert outcome(chain, source="network") == (False, "p network")
    assert outcome(chain, source="kernel", interface="cali1") == (False, "p cali")
    assert outcome(chain, source="kernel") == (True, "end of policies")
    path, key = a_path()
    assert chain.judge(path, path.attributes, key, a_peer(PeerType.INTERNAL)).rule == "p internal"


def test_communities_are_matched_any_all_or_none() -> None:
    patterns = (CommunitySet((parse_pattern("1:1"), parse_pattern("rt:1:*"))),)
    for quantifier, carried, matches in (
        (Quantifier.ANY, "1:1", True),
        (Quantifier.ANY, "1:2", False),
        (Quantifier.ALL, "1:1", False),
        (Quantifier.ALL, "1:1,rt:1:7", True),
        (Quantifier.NONE, "1:2,rt:2:1", True),
        (Quantifier.NONE, "rt:1:9", False),
    ):
        chain = Chain([Policy("p", (rule("r", Action.REJECT, communities=patterns, community_quantifier=quantifier),))])
        assert outcome(chain, communities=carried)[0] is not matches


def test_only_rules_about_prefixes_look_at_the_prefix() -> None:
    assert not Chain([Policy("p", (rule("r", Action.REJECT, med=(1, 2)),))]).looks_at_prefix
    assert Chain([Policy("p", (rule("r", Action.REJECT, length=(25, 32)),))]).looks_at_prefix
    assert Chain([Policy("p", (rule("r", Action.REJECT, prefixes=TEN),))]).looks_at_prefix


def test_prefixes_that_rules_cannot_tell_apart_share_one_verdict() -> None:
    change = Changes(med=5)
    chain = Chain([Policy("p", (Rule("r", Action.ACCEPT, Conditions(prefixes=TEN), change),))])
    path, _ = a_path()
    keys = [parse_prefix(text)[1] for text in ("10.1.0.0/16", "10.2.0.0/16", "192.168.0.0/16")]
    verdicts = [chain.judge(path, path.attributes, key, a_peer()) for key in keys]
    assert verdicts[0] is verdicts[1]
    assert verdicts[0].attributes.med == 5
    assert verdicts[2].attributes is path.attributes


def test_a_chain_forgets_paths_rather_than_grow() -> None:
    chain = Chain([Policy("p", (rule("r", Action.REJECT, prefixes=TEN),))])
    paths = [a_path()[0] for _ in range(600)]
    key = parse_prefix("10.0.0.0/8")[1]
    assert not any(chain.judge(path, path.attributes, key, a_peer()).accepted for path in paths)
    assert len(chain._judges) <= 256


def test_the_same_question_in_two_rules_is_asked_once() -> None:
    twice = Policy("p", (rule("a", Action.NEXT, prefixes=TEN), rule("b", Action.REJECT, prefixes=TEN, med=(1, 2))))
    chain = Chain([twice])
    assert len(chain.program(IPV4_UNICAST).tests) == 1
    assert outcome(chain, med="1") == (False, "p b")
    assert outcome(chain, "192.168.0.0/16", med="1") == (True, "end of policies")


def test_the_first_prefix_of_a_path_costs_each_rule_once() -> None:
    def calls(rules: int) -> int:
        sets = [PrefixSet((PrefixEntry(IPV4_UNICAST, bytes((24, 10, n >> 8, n & 0xFF))),)) for n in range(rules)]
        chain = Chain([Policy("a", tuple(rule(f"{n}", Action.REJECT, prefixes=(one,)) for n, one in enumerate(sets)))])
        assert outcome(chain, "192.168.0.0/24") == (True, "end of policies")
        seen = 0

        def count(frame: FrameType, _: str, __: object) -> object:
            nonlocal seen
            frame.f_trace_opcodes = True
            seen += 1
            return count

        tracer = sys.gettrace()
        sys.settrace(count)
        outcome(chain, "192.168.0.0/24")
        sys.settrace(tracer)
        return seen

    assert calls(400) < 2.2 * calls(200)


def test_prefixes_of_one_path_share_a_decision_that_no_rule_asks_the_prefix_for() -> None:
    chain = Chain([Policy("a", (rule("all", Action.ACCEPT, sources=(SourceKind.PEER,)),))])
    path, key = a_path("10.65.3.0/26")
    peer = a_peer()
    one = chain.judge(path, path.attributes, key, peer)
    assert chain.judge(path, path.attributes, parse_prefix("10.0.0.0/8")[1], peer) is one
