"""Single values of rules and sets: what is refused, where, and what was expected instead."""

import pytest

from bgpd.config import ConfigError, parse, resolve
from bgpd.policy import Delta, Removal

NODE = '[node]\nasn = 64512\nrouter_id = "1.1.1.1"\n'


def rule(text: str) -> str:
    return f'{NODE}[[policy]]\nname = "p"\nrules = [{{ action = "next", {text} }}]\n'


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (rule('prefix = "10.0.0.1/8"'), "prefix", "bits are set behind"),
        (rule('prefix = "10.0.0.0/8 ge 7"'), "prefix", "a length is from 8 to 32 here, not 7"),
        (rule('prefix = "10.0.0.0/8 ge 24 le 16"'), "prefix", "ge 24 is more than le 16"),
        (rule('prefix = "10.0.0.0/8 16"'), "prefix", '"ge" and "le"'),
        (rule('prefix = "10.0.0.0/8 ge 16 ge 17"'), "prefix", '"ge" and "le"'),
        (rule('prefix = "@"'), "prefix", "the name of the set is missing"),
        (rule("prefixes = []"), "prefixes", "at least one item"),
        (rule("communities = []"), "communities", "at least one item"),
        (rule("next_hop = []"), "next_hop", "at least one item"),
        (rule("peer = []"), "peer", "at least one item"),
        (rule("as_path = { origin = [] }"), "as_path.origin", "at least one item"),
        (rule('as_path = { origin = ["9-1"] }'), "as_path.origin[0]", "9 is more than 1"),
        (rule("as_path = { contains = [0] }"), "as_path.contains[0]", "an AS number or a range"),
        (rule('as_path = { matches = "(65020" }'), "as_path.matches", "a ( without its )"),
        (rule("as_path = { length = [4, 3] }"), "as_path.length", "expected [least, most], found [4, 3]"),
        (rule('communities = ["no-exprot"]'), "communities[0]", "did you mean 'no-export'?"),
        (rule('communities = ["64512:7*"]'), "communities[0]", "'7*' is not a number"),
        (rule('add_communities = ["64512:*"]'), "add_communities[0]", "cannot be put on a route"),
        (rule("prepend = [0]"), "prepend[0]", "an AS number from 1"),
        (rule("set_med = -1"), "set_med", 'or "+10", "-10" or "remove"'),
        (rule('set_med = "10"'), "set_med", 'or "+10", "-10" or "remove"'),
        (rule('set_local_pref = "+x"'), "set_local_pref", 'or "+10", "-10" or "remove"'),
        (rule("set_weight = 4294967296"), "set_weight", "a whole number from 0 to 4294967295"),
        (rule('peer_type = "ibgp"'), "peer_type", '"internal", "external", "confederation"'),
        (rule("med = [10, 1]"), "med", "expected [least, most]"),
    ],
)
def test_a_faulty_value_of_a_rule_is_told_with_its_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse(text, "bgp.toml")
    (problem,) = fault.value.problems
    assert (problem.file, problem.key, problem.line) == ("bgp.toml", f"policy[0].rules[0].{key}", 6)
    assert words in problem.message


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[[prefix_set]]\nname = "s"\nprefixes = []', "prefix_set[0].prefixes"),
        ('[[as_set]]\nname = "s"\nasns = []', "as_set[0].asns"),
        ('[[community_set]]\nname = "s"\ncommunities = []', "community_set[0].communities"),
        ('[[next_hop_set]]\nname = "s"\nnext_hops = []', "next_hop_set[0].next_hops"),
    ],
)
def test_an_empty_set_is_a_fault(table: str, key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse(f"{NODE}{table}\n", "bgp.toml")
    assert {problem.key for problem in fault.value.problems} == {key}


def test_a_number_is_set_changed_or_removed() -> None:
    for written, meant in (("7", 7), ('"+7"', Delta(7)), ('"-7"', Delta(-7)), ('"remove"', Removal.REMOVE)):
        (policy,) = resolve(parse(rule(f"set_med = {written}"), "")).policies
        assert policy.rules[0].changes.med == meant


def test_rules_that_name_a_set_hold_the_same_one() -> None:
    text = rule('prefix = "@s"') + '[[policy]]\nname = "q"\nrules = [{ action = "next", prefix = "@s" }]\n'
    first, second = resolve(parse(text + '[[prefix_set]]\nname = "s"\nprefixes = ["10.0.0.0/8"]\n', "")).policies
    assert first.rules[0].conditions.prefixes[0] is second.rules[0].conditions.prefixes[0]
