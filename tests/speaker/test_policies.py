"""Policies of whole speakers: weight, what a policy settles, names of peers, reloads of sets."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bgpd.addresses import format_address
from bgpd.families import IPV4_UNICAST
from tests.support.cluster import Cluster, address

PREFIX = "10.65.1.0/26"


@contextmanager
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        made.close()


def peer(number: int, *lines: str, asn: str = '"internal"') -> str:
    return "\n".join([f'[[peer]]\naddress = "{address(number)}"\nasn = {asn}', *lines, ""])


def policy(name: str, *rules: str) -> str:
    return f'[[policy]]\nname = "{name}"\nrules = [\n{",".join(rules)}\n]\n'


NETWORK = f'[[network]]\nprefix = "{PREFIX}"\n'


def test_a_weight_wins_over_local_pref_and_is_not_sent() -> None:
    """2 and 3 announce; 1 prefers 3 by weight although 2 has the higher LOCAL_PREF; 4, behind 1, sees no weight."""
    with cluster() as made:
        local_pref = policy("high", '{ action = "accept", set_local_pref = 300 }')
        weight = policy("weigh", f'{{ prefix = "{PREFIX}", action = "accept", set_weight = 10 }}')
        made.start(2, peer(1, 'export = ["high"]') + local_pref + NETWORK)
        made.start(3, peer(1) + NETWORK)
        made.start(4, peer(1))
        one = peer(2) + peer(3, 'import = ["weigh"]') + peer(4, "reflector_client = true")
        made.start(1, one + weight, node='cluster_id = "1.1.1.1"')
        made.established()
        made.until(4, PREFIX)
        best, told = made.best(1, PREFIX), made.best(4, PREFIX)
        assert best is not None
        assert told is not None
        assert (best.source.name, best.weight) == (address(3), 10)
        assert (told.weight, told.attributes.local_pref) == (0, 100)
        made.speakers[1].reload(made.config(1, peer(2) + peer(3) + peer(4), node='cluster_id = "1.1.1.1"'))
        made.run(2)
        best = made.best(1, PREFIX)
        assert best is not None
        assert (best.source.name, best.weight) == (address(2), 0)


def test_a_med_and_a_next_hop_that_policy_sets_are_sent_even_if_they_are_as_received() -> None:
    with cluster() as made:
        mark = policy("mark", '{ action = "accept", set_med = 50, set_next_hop = "10.0.0.2" }')
        open_ = "ebgp_requires_policy = false"
        made.start(2, peer(1, 'export = ["mark"]') + mark + NETWORK)
        made.start(1, peer(2) + peer(3, 'export = ["mark"]', open_, asn="65003") + mark)
        made.start(3, peer(1, open_, asn="64512"), asn=65003)
        made.until(3, PREFIX)
        received = made.best(3, PREFIX)
        assert received is not None
        assert (received.attributes.med, format_address(received.attributes.next_hop)) == (50, "10.0.0.2")


@pytest.mark.parametrize("direction", ["export", "import"])
def test_prefixes_of_one_path_with_other_ipv6_next_hops_stay_apart(direction: str) -> None:
    """The next hop of an IPv6 route is not in its attribute block, so the block alone does not tell them apart."""
    two = "\n".join(f'[[network]]\nprefix = "fd65:{number}::/64"' for number in (1, 2)) + "\n"
    split = policy(
        "split",
        '{ prefix = "fd65:1::/64", action = "accept", set_next_hop = "fd00::aa" }',
        '{ prefix = "fd65:2::/64", action = "accept", set_next_hop = "fd00::bb" }',
    )
    lines = {"export": ('export = ["split"]', ""), "import": ("", 'import = ["split"]')}[direction]
    with cluster() as made:
        made.start(1, peer(2, 'families = ["ipv6-unicast"]', lines[0]) + split + two)
        made.start(2, peer(1, 'families = ["ipv6-unicast"]', lines[1]) + split)
        made.until(2, "fd65:1::/64")
        made.until(2, "fd65:2::/64")
        hops = [made.best(2, f"fd65:{number}::/64") for number in (1, 2)]
        assert [format_address(one.next_hop.address) for one in hops if one is not None] == ["fd00::aa", "fd00::bb"]


def test_a_rule_about_a_peers_name_makes_a_group_for_each_peer() -> None:
    named = policy("named", f'{{ peer = ["10.0.0.3"], prefix = "{PREFIX}", action = "reject" }}')
    with cluster() as made:
        made.start(1, "".join(peer(n, 'export = ["named"]') for n in (2, 3)) + named + NETWORK)
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.until(2, PREFIX)
        made.run(1)
        assert made.best(3, PREFIX) is None


def test_a_rule_may_ask_whom_a_route_came_from() -> None:
    rules = policy("from", '{ from_peer = ["10.0.0.3"], action = "reject" }', '{ source = "local", action = "reject" }')
    with cluster() as made:
        open_ = "ebgp_requires_policy = false"
        text = peer(2, open_, asn="65002") + peer(3, open_, asn="65003") + peer(4, 'export = ["from"]') + rules
        made.start(1, text + '[[network]]\nprefix = "10.65.9.0/26"\n')
        for number in (2, 3):
            network = f'[[network]]\nprefix = "10.65.{number}.0/26"\n'
            made.start(number, peer(1, open_, asn="64512") + network, asn=65000 + number)
        made.start(4, peer(1))
        made.until(4, "10.65.2.0/26")
        made.run(1)
        assert len(made.speakers[4].loc_ribs[IPV4_UNICAST].table) == 1


def test_a_changed_set_judges_again_what_the_policies_that_name_it_let_in() -> None:
    rules = policy("pods", '{ prefix = "@pods", action = "accept" }, { action = "reject" }')
    sets = '[[prefix_set]]\nname = "pods"\nprefixes = ["%s"]\n'
    with cluster() as made:
        made.start(2, peer(1) + NETWORK)
        made.start(1, peer(2, 'import = ["pods"]') + rules + sets % "10.65.1.0/24 ge 26")
        made.until(1, PREFIX)
        made.speakers[1].reload(made.config(1, peer(2, 'import = ["pods"]') + rules + sets % "10.65.1.0/24 ge 27"))
        made.until(1, PREFIX, present=False)
        assert made.peer(1, 2).session.flaps == 0
