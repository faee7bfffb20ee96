"""Black holes that peers ask for (RFC 7999): who may, which prefixes, how far they spread."""

import pytest

from bgpd.communities import BLACKHOLE
from bgpd.policy.signals import Scope
from tests.support.cluster import Cluster, address, cluster, network, peer

HOST, BLOCK, BLOCK25 = "192.0.2.7/32", "192.0.2.0/24", "192.0.2.0/25"
OPEN = {"ebgp_requires_policy": "false"}
TAGGED = {"communities": '["blackhole"]'}


def pair(made: Cluster, *, text: str = "", **options: str) -> None:
    networks = network(HOST, **TAGGED) + network(BLOCK, **TAGGED) + network(BLOCK25, **TAGGED)
    made.start(1, peer(2, asn="65002", **OPEN) + networks, asn=65001)
    made.start(2, text + peer(1, asn="65001", **(OPEN | options)) + peer(3), asn=65002)
    made.start(3, peer(2), asn=65002)
    made.established()
    made.until(3, BLOCK)


def holes(made: Cluster) -> set[str]:
    bests = {text: made.best(2, text) for text in (HOST, BLOCK, BLOCK25)}
    return {text for text, best in bests.items() if best is not None and best.is_black_hole}


@pytest.mark.rfc("7999", "3.3")
def test_by_default_the_community_does_nothing() -> None:
    with cluster() as made:
        pair(made)
        assert holes(made) == set()
        best = made.best(2, HOST)
        assert best is not None
        assert best.attributes.communities == (BLACKHOLE,)


@pytest.mark.rfc("7999", "3.2")
@pytest.mark.rfc("7999", "3.3")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{ accept = true }", {HOST}),
        ("{ accept = true, min_length_ipv4 = 25 }", {HOST, BLOCK25}),
        ("{ accept = true, min_length_ipv4 = 0 }", {HOST, BLOCK25, BLOCK}),
        ("{ min_length_ipv4 = 0 }", set()),
    ],
)
def test_where_it_is_agreed_long_prefixes_are_dropped_and_stay_inside(options: str, expected: set[str]) -> None:
    with cluster() as made:
        pair(made, blackhole=options)
        assert holes(made) == expected
        for text in (HOST, BLOCK, BLOCK25):
            best = made.best(2, text)
            assert best is not None
            assert (int(Scope.NO_EXPORT) in best.attributes.communities) is (text in expected)
            told = made.best(3, text)
            assert told is not None
            assert not told.is_black_hole


@pytest.mark.rfc("7999", "3.2")
def test_with_no_advertise_nobody_is_told() -> None:
    with cluster() as made:
        pair(made, blackhole='{ accept = true, add_community = "no-advertise" }')
        assert holes(made) == {HOST}
        made.run(2)
        assert made.best(3, HOST) is None
        assert made.best(3, BLOCK) is not None


def test_import_policy_says_who_may() -> None:
    policy = (
        '[[policy]]\nname = "some"\nrules = [ { prefix = "192.0.2.0/25", match = "in", action = "reject" },'
        ' { action = "accept" } ]\n'
        '[[policy]]\nname = "strip"\nrules = [ { action = "accept", delete_communities = ["blackhole"] } ]\n'
    )
    everything = "{ accept = true, min_length_ipv4 = 0 }"
    with cluster() as made:
        pair(made, text=policy, import_='["some"]', blackhole=everything)
        assert holes(made) == {BLOCK}
        assert made.best(2, HOST) is None
    with cluster() as made:
        pair(made, text=policy, import_='["strip"]', blackhole=everything)
        assert holes(made) == set()


@pytest.mark.parametrize("of", ["", 'prefix = "192.0.2.7/32", '], ids=["all", "one prefix"])
@pytest.mark.parametrize("way", ["add_communities", "set_communities"])
def test_import_policy_asks_for_a_peer_with_which_it_is_agreed(of: str, way: str) -> None:
    rule = f'{{ {of}action = "accept", {way} = ["blackhole"] }}'
    policy = f'[[policy]]\nname = "sink"\nrules = [ {rule} ]\ndefault = "accept"\n'
    for agreed, expected in (("{ accept = true }", {HOST}), ("{ accept = false }", set())):
        with cluster() as made:
            made.start(1, peer(2, asn="65002", **OPEN) + network(HOST) + network(BLOCK), asn=65001)
            made.start(
                2, policy + peer(1, asn="65001", **OPEN, import_='["sink"]', blackhole=agreed) + peer(3), asn=65002
            )
            made.start(3, peer(2), asn=65002)
            made.until(3, BLOCK)
            assert holes(made) == expected
            best = made.best(2, HOST)
            assert best is not None
            assert (int(Scope.NO_EXPORT) in best.attributes.communities) is bool(expected)


def test_a_black_hole_by_policy_needs_no_next_hop_and_what_policy_leaves_alone_does() -> None:
    own = '[[policy]]\nname = "far"\nrules = [ { action = "accept", set_next_hop = "10.0.0.2" } ]\n'  # node 2's own
    sink = (
        '[[policy]]\nname = "sink"\nrules = [ { communities = ["65001:666"], action = "accept",'
        ' add_communities = ["blackhole"] } ]\ndefault = "accept"\n'
    )
    with cluster() as made:
        networks = network(HOST, communities='["65001:666"]') + network("192.0.2.8/32")
        made.start(1, own + peer(2, asn="65002", export='["far"]') + networks, asn=65001)
        agreed = peer(1, asn="65001", **OPEN, import_='["sink"]', blackhole="{ accept = true }")
        made.start(2, sink + agreed, asn=65002)
        made.until(2, HOST)
        best = made.best(2, HOST)
        assert best is not None
        assert best.is_black_hole
        assert made.best(2, "192.0.2.8/32") is None


def test_a_reload_grants_and_takes_back_without_a_new_session() -> None:
    with cluster() as made:
        pair(made)
        granted = peer(1, asn="65001", **OPEN, blackhole="{ accept = true }") + peer(3)
        made.speakers[2].reload(made.config(2, granted, asn=65002))
        made.run(1)
        assert holes(made) == {HOST}
        made.speakers[2].reload(made.config(2, peer(1, asn="65001", **OPEN) + peer(3), asn=65002))
        made.run(1)
        assert holes(made) == set()
        assert made.peer(2, 1).session.flaps == 0


def test_a_next_hop_that_leads_nowhere_is_no_obstacle() -> None:
    own = '[[policy]]\nname = "sink"\nrules = [ { action = "accept", set_next_hop = "10.0.0.2" } ]\n'  # node 2's own
    with cluster() as made:
        networks = network(HOST, **TAGGED) + network(BLOCK, **TAGGED)
        made.start(1, own + peer(2, asn="65002", export='["sink"]') + networks, asn=65001)
        made.start(2, peer(1, asn="65001", **OPEN, blackhole="{ accept = true }"), asn=65002)
        made.until(2, HOST)
        best = made.best(2, HOST)
        assert best is not None
        assert best.is_black_hole
        assert made.best(2, BLOCK) is None
        rib = next(iter(made.speakers[2].peers[address(1)].adj_ribs_in.values()))
        refusal = next(iter(made.speakers[2].peers[address(1)].importers.values())).refusal
        why = {key[0]: refusal(path, key) for key, path in rib.routes.items()}
        assert why[32] == ""
        assert "own address" in why[24]
