"""Confederations of whole speakers (RFC 5065): 1 and 2 in AS 100 as Member-ASes, 3 and 4 outside of it."""

from collections.abc import Iterator

import pytest

from bgpd.identity import PeerType
from bgpd.rib.decision import Step, why
from tests.support.cluster import Cluster, cluster, network, peer

PREFIX, OTHER = "10.65.0.0/26", "10.66.0.0/26"
OPEN = "[session]\nebgp_requires_policy = false\n"
GROUP = "confederation = { identifier = 100, members = [65001, 65002] }"


@pytest.fixture
def speakers() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def start_line(speakers: Cluster) -> None:
    """Start AS 200 - Member-AS 65001 - Member-AS 65002 - AS 300, one speaker each."""
    speakers.start(3, OPEN + peer(1, asn="100") + network(PREFIX), asn=200)
    speakers.start(1, OPEN + peer(3, asn="200") + peer(2, asn="65002"), asn=65001, node=GROUP)
    speakers.start(2, OPEN + peer(1, asn="65001") + peer(4, asn="300"), asn=65002, node=GROUP)
    speakers.start(4, OPEN + peer(2, asn="100"), asn=300)
    speakers.established()


def path_of(speakers: Cluster, number: int, prefix: str = PREFIX) -> str:
    speakers.until(number, prefix)
    best = speakers.best(number, prefix)
    assert best is not None
    return str(best.attributes.as_path)


@pytest.mark.rfc("5065", "4.1")
def test_member_as_stands_in_the_path_within_and_the_identifier_outside(speakers: Cluster) -> None:
    start_line(speakers)
    assert path_of(speakers, 1) == "200"
    assert path_of(speakers, 2) == "(65001) 200"
    assert path_of(speakers, 4) == "100 200"


@pytest.mark.rfc("5065", "4.1")
def test_a_route_of_our_own_leaves_with_the_identifier_alone(speakers: Cluster) -> None:
    start_line(speakers)
    speakers.speakers[1].reload(
        speakers.config(1, OPEN + peer(3, asn="200") + peer(2, asn="65002") + network(OTHER), asn=65001, node=GROUP)
    )
    assert path_of(speakers, 2, OTHER) == "(65001)"
    assert path_of(speakers, 4, OTHER) == "100"
    assert path_of(speakers, 3, OTHER) == "100"


@pytest.mark.rfc("5065", "5.2")
def test_next_hop_local_pref_and_med_cross_into_another_member(speakers: Cluster) -> None:
    policy = """
[[policy]]
name = "mark"
rules = [ { action = "accept", set_local_pref = 300, set_med = 7 } ]
"""
    speakers.start(3, OPEN + peer(1, asn="100") + network(PREFIX), asn=200)
    one = OPEN + peer(3, asn="200", import_='["mark"]') + peer(2, asn="65002") + policy
    speakers.start(1, one, asn=65001, node=GROUP)
    speakers.start(2, OPEN + peer(1, asn="65001") + peer(4, asn="300"), asn=65002, node=GROUP)
    speakers.start(4, OPEN + peer(2, asn="100"), asn=300)
    speakers.until(4, PREFIX)
    inside, outside = speakers.best(2, PREFIX), speakers.best(4, PREFIX)
    assert inside is not None
    assert outside is not None
    assert (inside.attributes.local_pref, inside.attributes.med) == (300, 7)
    assert inside.attributes.next_hop == bytes((10, 0, 0, 3))
    assert (outside.attributes.local_pref, outside.attributes.med) == (None, None)
    assert outside.attributes.next_hop == bytes((10, 0, 0, 2))


@pytest.mark.rfc("5065", "4")
def test_what_peers_are_told_in_open_is_the_member_as_within_and_the_identifier_outside(speakers: Cluster) -> None:
    start_line(speakers)
    assert speakers.peer(2, 1).peer_type is PeerType.CONFEDERATION
    assert speakers.peer(4, 2).negotiated.remote_asn == 100  # type: ignore[union-attr]
    assert speakers.peer(2, 1).negotiated.remote_asn == 65001  # type: ignore[union-attr]


@pytest.mark.rfc("8212", "1")
def test_policy_is_asked_for_at_the_border_of_the_confederation_only(speakers: Cluster) -> None:
    speakers.start(1, peer(2, asn="65002") + peer(3, asn="200") + network(PREFIX), asn=65001, node=GROUP)
    speakers.start(2, peer(1, asn="65001"), asn=65002, node=GROUP)
    speakers.start(3, OPEN + peer(1, asn="100"), asn=200)
    speakers.established()
    speakers.until(2, PREFIX)
    speakers.run(1)
    assert speakers.best(3, PREFIX) is None


@pytest.mark.rfc("5065", "4")
def test_a_path_that_comes_back_to_its_member_as_is_a_loop(speakers: Cluster) -> None:
    group = "confederation = { identifier = 100, members = [65001, 65002, 65003] }"
    speakers.start(1, peer(2, asn="65002") + network(PREFIX), asn=65001, node=group)
    speakers.start(2, peer(1, asn="65001") + peer(5, asn="65003"), asn=65002, node=group)
    speakers.start(5, peer(2, asn="65002") + peer(6, asn="65001"), asn=65003, node=group)
    speakers.start(6, peer(5, asn="65003"), asn=65001, node=group)  # the same Member-AS, without a way inside
    speakers.established()
    speakers.until(5, PREFIX)
    speakers.run(1)
    assert speakers.best(6, PREFIX) is None
    ((_, path),) = speakers.peer(6, 5).adj_ribs_in.popitem()[1].routes.items()
    assert path.rejected == "AS loop: our AS 65001 is 1 times in AS_PATH (65003 65002 65001), 0 allowed"


@pytest.mark.rfc("4271", "9.1.2")
def test_a_path_that_comes_back_to_the_confederation_is_a_loop(speakers: Cluster) -> None:
    speakers.start(1, OPEN + peer(3, asn="200") + network(PREFIX), asn=65001, node=GROUP)
    speakers.start(3, OPEN + peer(1, asn="100") + peer(2, asn="100"), asn=200)
    speakers.start(2, OPEN + peer(3, asn="200"), asn=65002, node=GROUP)
    speakers.established()
    speakers.until(3, PREFIX)
    speakers.run(1)
    assert speakers.best(2, PREFIX) is None
    ((_, path),) = speakers.peer(2, 3).adj_ribs_in.popitem()[1].routes.items()
    assert "our AS 100" in path.rejected


@pytest.mark.rfc("5065", "5.3")
def test_a_path_from_outside_is_preferred_to_one_from_another_member_that_is_as_long(speakers: Cluster) -> None:
    start_line(speakers)
    speakers.start(5, OPEN + peer(2, asn="100") + network(PREFIX), asn=500)
    two = OPEN + peer(1, asn="65001") + peer(4, asn="300") + peer(5, asn="500")
    speakers.speakers[2].reload(speakers.config(2, two, asn=65002, node=GROUP))
    speakers.established()
    speakers.run(2)
    (candidates,) = (rib.table for rib in speakers.speakers[2].loc_ribs.values() if rib.table)
    ((best, other),) = candidates.values()
    assert (best.source.name, other.source.name) == ("10.0.0.5", "10.0.0.1")
    assert why(best, other) is Step.PEER_TYPE


@pytest.mark.rfc("9234", "5")
def test_otc_that_is_set_at_the_border_is_the_identifier(speakers: Cluster) -> None:
    speakers.start(3, OPEN + peer(2, asn="100"), asn=200)
    speakers.start(1, OPEN + peer(2, asn="65002") + network(PREFIX), asn=65001, node=GROUP)
    to_customer = peer(3, asn="200", role='"provider"')
    speakers.start(2, OPEN + peer(1, asn="65001") + to_customer, asn=65002, node=GROUP)
    speakers.until(3, PREFIX)
    inside, outside = speakers.best(2, PREFIX), speakers.best(3, PREFIX)
    assert inside is not None
    assert outside is not None
    assert (inside.attributes.otc, outside.attributes.otc) == (None, 100)


@pytest.mark.rfc("1997")
@pytest.mark.parametrize(
    ("communities", "reached"), [('["no-export-subconfed"]', []), ('["no-export"]', [2]), ("[]", [2, 3, 4])]
)
def test_well_known_communities_know_both_borders(speakers: Cluster, communities: str, reached: list[int]) -> None:
    own = network(PREFIX, communities=communities)
    speakers.start(3, OPEN + peer(1, asn="100"), asn=200)
    speakers.start(1, OPEN + peer(3, asn="200") + peer(2, asn="65002") + own, asn=65001, node=GROUP)
    speakers.start(2, OPEN + peer(1, asn="65001") + peer(4, asn="300"), asn=65002, node=GROUP)
    speakers.start(4, OPEN + peer(2, asn="100"), asn=300)
    speakers.established()
    speakers.run(2)
    assert [number for number in (2, 3, 4) if speakers.best(number, PREFIX) is not None] == reached
