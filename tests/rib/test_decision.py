from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.families import IPV4_UNICAST
from bgpd.identity import BgpIdentifier, PeerType
from bgpd.messages.attributes.model import Origin
from bgpd.rib.decision import Step, _order_with_med, against_best, equal_cost, insert, keep_oldest, order, rank, why
from bgpd.rib.path import NextHop, Path, SourceKind
from tests.support.attributes import read_twice
from tests.support.paths import LOCAL_ASN, negotiated, own_source, path, peer_source

EBGP = PeerType.EXTERNAL


@pytest.mark.rfc("4271", "9.1.2.2")
@pytest.mark.parametrize(
    ("step", "winner", "loser"),
    [
        (Step.PREFERENCE, path(own_source(), next_hop=""), path(peer_source(1), local_pref=900)),
        (
            Step.PREFERENCE,
            path(own_source(), next_hop=""),
            path(own_source(SourceKind.KERNEL), next_hop=""),
        ),
        (Step.WEIGHT, path(peer_source(2), weight=1), path(peer_source(1), local_pref=900)),
        (Step.PREFERENCE, path(own_source(), next_hop=""), path(peer_source(1), weight=9)),
        (Step.LOCAL_PREF, path(peer_source(2), local_pref=101), path(peer_source(1))),
        (Step.AS_PATH, path(peer_source(2), as_path=(1,)), path(peer_source(1), as_path=(1, 2))),
        (Step.ORIGIN, path(peer_source(2)), path(peer_source(1), origin=Origin.INCOMPLETE)),
        (Step.MED, path(peer_source(2), as_path=(7,), med=1), path(peer_source(1), as_path=(7,), med=2)),
        (Step.MED, path(peer_source(2), as_path=(7,)), path(peer_source(1), as_path=(7,), med=1)),
        (Step.PEER_TYPE, path(peer_source(2, EBGP), as_path=(7,)), path(peer_source(1), as_path=(7,))),
        (Step.IGP_METRIC, path(peer_source(2), metric=5), path(peer_source(1), metric=6)),
        (Step.IDENTIFIER, path(peer_source(1)), path(peer_source(2))),
        (
            Step.IDENTIFIER,
            path(peer_source(2), originator_id=BgpIdentifier(1)),
            path(peer_source(1), originator_id=BgpIdentifier(2)),
        ),
        (
            Step.CLUSTER_LIST,
            path(peer_source(2, identifier=5)),
            path(peer_source(1, identifier=5), cluster_list=(BgpIdentifier(9),)),
        ),
        (Step.ADDRESS, path(peer_source(1, identifier=5)), path(peer_source(2, identifier=5))),
    ],
)
def test_each_step_decides_and_is_named(step: Step, winner: Path, loser: Path) -> None:
    assert order([loser, winner]) == (winner, loser)
    assert order([winner, loser]) == (winner, loser)
    assert why(winner, loser) is step


@pytest.mark.rfc("4271", "9.1.2.2 c")
def test_med_of_different_neighbours_is_not_compared() -> None:
    nearer = path(peer_source(1), as_path=(7,), med=100)
    other = path(peer_source(2), as_path=(8,), med=1)
    assert order([other, nearer])[0] is nearer


@pytest.mark.rfc("4271", "9.1.2.2 c")
def test_med_removes_a_path_before_other_neighbours_are_compared() -> None:
    """The classic example: without groups the winner depends on the order of arrival."""
    first = path(peer_source(1), as_path=(7,), med=20)
    second = path(peer_source(2), as_path=(8,), med=10)
    third = path(peer_source(3), as_path=(7,), med=10)
    assert order([first, second, third])[0] is second


candidates = st.lists(
    st.builds(
        lambda number, neighbour, length, med, metric, kind: path(
            peer_source(number, kind), as_path=(neighbour,) * length, med=med, metric=metric
        ),
        st.integers(1, 200),
        st.integers(1, 3),
        st.sampled_from([1, 1, 1, 2]),
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(0, 2),
        st.sampled_from([PeerType.INTERNAL, PeerType.EXTERNAL]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda p: p.source.name,
)


@given(candidates, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_arrival(paths: list[Path], random: object) -> None:
    expected = order(paths)
    shuffled = list(paths)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert order(shuffled) == expected


@given(candidates, st.randoms(use_true_random=False))
def test_a_path_is_inserted_where_the_order_has_it(paths: list[Path], random: Random) -> None:
    for at in range(len(paths)):
        others = paths[:at] + paths[at + 1 :]
        random.shuffle(others)
        assert insert(paths[at], order(others)) == order(paths)


@given(candidates)
def test_where_med_sets_nothing_apart_the_order_is_the_same_without_it(paths: list[Path]) -> None:
    assert order(paths) == _order_with_med(paths)


@given(candidates)
def test_the_best_is_what_the_steps_of_the_rfc_leave(paths: list[Path]) -> None:
    left = list(paths)
    for key in (
        lambda p: -(p.attributes.local_pref or 100),
        lambda p: p.attributes.as_path.length,
        lambda p: p.attributes.origin,
    ):
        best = min(map(key, left))
        left = [p for p in left if key(p) == best]
    left = [
        p
        for p in left
        if not any(
            q.attributes.as_path.neighbour == p.attributes.as_path.neighbour
            and (q.attributes.med or 0) < (p.attributes.med or 0)
            for q in left
        )
    ]
    for key in (
        lambda p: p.source.peer_type is not PeerType.EXTERNAL,
        lambda p: p.next_hop.metric,
        lambda p: p.source.identifier,
        lambda p: p.source.address,
    ):
        best = min(map(key, left))
        left = [p for p in left if key(p) == best]
    assert order(paths)[0] is left[0]


def test_paths_equal_down_to_the_metric_share_traffic() -> None:
    first = path(peer_source(1), next_hop="10.1.0.1")
    second = path(peer_source(2), next_hop="10.1.0.2")
    farther = path(peer_source(3), next_hop="10.1.0.3", metric=1)
    same_gateway = path(peer_source(4), next_hop="10.1.0.1")
    found = order([first, second, farther, same_gateway])
    assert equal_cost(found, 16) == (first, second)
    assert equal_cost(found, 1) == (first,)


def test_our_own_route_does_not_share_with_a_peer() -> None:
    ours = path(own_source(), next_hop="")
    assert equal_cost(order([path(peer_source(1)), ours]), 16) == (ours,)


def external(number: int, identifier: int | None = None, **attributes: object) -> Path:
    options: dict[str, object] = {"as_path": (65000 + number,)} | attributes
    return path(peer_source(number, EBGP, identifier=identifier), **options)  # type: ignore[arg-type]


OLD = external(2)


@pytest.mark.rfc("5004", "3")
@pytest.mark.parametrize(
    ("present", "other", "is_kept"),
    [
        (OLD, external(1), True),
        (OLD, external(1, local_pref=101), False),
        (OLD, external(1, as_path=()), False),
        (OLD, external(1, med=7), True),  # of another AS, so not compared
        (OLD, external(1, as_path=(65002,)), True),
        (external(2, med=7), external(1, as_path=(65002,), med=6), False),
        (external(2, metric=5), external(1, metric=4), False),
        (OLD, external(1, identifier=0x0A090002), False),  # parallel sessions: then the address decides
        (path(peer_source(2)), path(peer_source(1)), False),
        (path(peer_source(2, PeerType.CONFEDERATION)), path(peer_source(1, PeerType.CONFEDERATION)), False),
    ],
)
def test_an_external_path_that_is_best_stays_so_where_only_identifiers_differ(
    present: Path, other: Path, is_kept: bool
) -> None:
    candidates = order([present, other])
    assert candidates[0] is other
    kept = keep_oldest(candidates, present.source)
    assert kept == ((present, other) if is_kept else candidates)
    assert keep_oldest(candidates, other.source) is candidates
    assert (against_best(kept)[0] is Step.OLDEST_EXTERNAL) == is_kept


def test_a_path_that_a_third_one_puts_out_is_not_kept() -> None:
    present, other, third = external(2, med=7), external(1), external(3, as_path=(65002,), med=6)
    candidates = order([present, other, third])
    assert candidates[0] is other
    assert keep_oldest(candidates, present.source) is candidates


def test_each_candidate_is_set_apart_from_the_best_by_its_own_step() -> None:
    present, other, farther = external(2), external(1), external(3, metric=9)
    kept = keep_oldest(order([present, other, farther]), present.source)
    assert kept == (present, other, farther)
    assert against_best(kept) == (Step.OLDEST_EXTERNAL, Step.OLDEST_EXTERNAL, Step.IGP_METRIC)
    assert against_best((present,)) == (Step.ONLY,)


@pytest.mark.parametrize("kind", [EBGP, PeerType.INTERNAL])
def test_an_everyday_path_is_ranked_like_any_other(kind: PeerType) -> None:
    random, everyday = Random(1), 0
    session = negotiated(remote_asn=65001 if kind is EBGP else int(LOCAL_ASN))
    source, hop = peer_source(1, kind), NextHop(bytes((10, 1, 0, 1)), metric=3)
    for _ in range(500):
        weight, is_stale = random.choice([0, 0, 9]), random.random() < 0.1
        compared = []
        for attributes in read_twice(random, session):
            everyday += attributes.is_everyday
            ranked = Path(source, IPV4_UNICAST, attributes, hop)
            ranked.weight, ranked.is_stale = weight, is_stale
            rank(ranked)
            compared.append((ranked.rank, ranked.group, ranked.med, ranked.tail, ranked.is_stale))
        assert compared[0] == compared[1], attributes.octets.hex(" ")
    assert everyday > 100
