"""Lines of keys."""

from bgpd.config.positions import line_of, positions

TEXT = '''[node]
asn = 1
"router_id" = "1.1.1.1"

[[peer]]
address = "a"
idle_hold.first = 1
[[peer]]   # the second
address = "b"
note = """
[[peer]]
"""
[[policy]]
name = "p"
[[policy.rules]]
action = "next"
[[policy.rules]]
action = "accept"
[[policy]]
rules = [
    { action = "x" },
]
'''


def test_each_key_has_the_line_it_stands_on() -> None:
    lines = positions(TEXT)
    wanted = {
        "node": 1,
        "node.router_id": 3,
        "peer[0].address": 6,
        "peer[0].idle_hold.first": 7,
        "peer[1]": 8,
        "peer[1].address": 9,
        "policy[0].rules[1].action": 18,
    }
    assert {key: lines.get(key) for key in wanted} == wanted


def test_a_key_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    lines = positions(TEXT)
    assert line_of("policy[1].rules[0].action", lines) == 20
    assert line_of("peer[1].asn", lines) == 8
    assert line_of("kernel.table", lines) == 0
