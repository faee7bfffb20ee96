"""Many nodes elect reflectors while nodes come, go, crash and lose etcd: nobody loses a route that it need not."""

from dataclasses import replace
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.reflector.election import Rules
from bgpd.reflector.roles import Mode, Phase
from tests.support.mesh_model import MeshModel

RULES: Final = Rules(above=5, count=2)
QUIET: Final = 150.0  # seconds after which everything has settled, stale routes too


def model(seed: int, nodes: int) -> MeshModel:
    made = MeshModel(seed, RULES)
    for number in range(nodes):
        made.add(f"n{number:02}")
    made.run(20)
    return made


def is_reflected(made: MeshModel) -> bool:
    """Do as many serve as should, in two places, and do all others live by them?"""
    roles = made.roles
    holders = {role.holder for role in roles.roles.values()}
    there = {name for name, peer in made.peers.items() if peer.is_up}
    living = {name for name in there if not made.peers[name].is_drained}
    return (
        len(roles.roles) == RULES.count
        and holders <= living
        and all(role.phase is Phase.SERVING for role in roles.roles.values())
        and all(roles.mode_of(name) is Mode.REFLECTED for name in there - holders)
        and all(roles.mode_of(name) is Mode.MESH for name in holders)
    )


def is_meshed(made: MeshModel) -> bool:
    roles = made.roles
    return not roles.roles and all(roles.mode_of(name) is Mode.MESH for name, peer in made.peers.items() if peer.is_up)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), pause=st.sampled_from([0, 1, 5, 15]))
def test_growing_and_shrinking_loses_no_route(seed: int, pause: int) -> None:
    made = model(seed, 5)
    assert is_meshed(made)
    for number in range(5, 9):
        made.add(f"n{number:02}")
        made.run(1)
    made.run(40)
    assert is_reflected(made)
    assert made.is_complete()
    for name in ("n00", "n03", "n04", "n06", "n08"):
        made.unlist(name)
        made.run(pause)
    made.run(QUIET)
    assert is_meshed(made)
    assert made.is_complete()
    assert made.lost == []


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), victim=st.integers(0, 8), away=st.floats(0.5, 60))
def test_whoever_crashes_and_comes_back_the_others_lose_nothing(seed: int, victim: int, away: float) -> None:
    made = model(seed, 9)
    made.run(40)
    assert is_reflected(made)
    name = f"n{victim:02}"
    made.crash(name)
    made.run(away)
    assert [lost for lost in made.lost if name not in lost] == []
    made.add(name)
    made.run(QUIET)
    assert is_reflected(made)
    assert made.is_complete()
    assert [lost for lost in made.lost if name not in lost] == []


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), pause=st.sampled_from([0, 1, 5, 40]))
def test_where_all_that_would_reflect_are_dead_the_others_are_a_mesh_before_routes_go(seed: int, pause: int) -> None:
    made = model(seed, 9)
    made.run(40)
    holders = [role.holder for role in made.roles.roles.values()]
    for name, peer in made.peers.items():
        peer.rules = replace(RULES, is_candidate=name in holders)
    for name in holders:
        made.crash(name)
        made.run(pause)
    made.run(QUIET)
    assert made.is_complete()
    assert [lost for lost in made.lost if not set(holders) & set(lost[1:])] == []
    for name in holders:
        made.add(name)
    made.run(QUIET)
    assert is_reflected(made)
    assert made.is_complete()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), pause=st.sampled_from([0, 1, 5, 40]))
def test_nobody_waits_for_nodes_that_are_drained(seed: int, pause: int) -> None:
    """Two reflectors and a client are taken out for long, reflectors die meanwhile, and all come back."""
    made = model(seed, 9)
    made.run(40)
    holders = [role.holder for role in made.roles.roles.values()]
    client = next(name for name in made.peers if name not in holders)
    for name in (*holders, client):
        made.drain(name)
        made.run(pause)
    made.run(QUIET)
    assert is_reflected(made)
    assert made.is_complete()
    made.crash(made.roles.roles[0].holder)
    made.run(QUIET)
    assert is_reflected(made)
    assert made.is_complete()
    for name in (*holders, client):
        made.drain(name, is_drained=False)
    made.run(QUIET)
    assert is_reflected(made)
    assert made.is_complete()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), victim=st.integers(0, 8), away=st.floats(1, 100), shrinks=st.booleans())
def test_a_node_that_only_loses_etcd_keeps_all_its_routes(seed: int, victim: int, away: float, shrinks: bool) -> None:
    made = model(seed, 9)
    made.run(40)
    name = f"n{victim:02}"
    made.blind(name, away)
    made.run(2)
    if shrinks:
        for number in range(9):
            if number != victim and number % 2:
                made.unlist(f"n{number:02}")
    made.run(away + QUIET)
    assert made.lost == []
    assert made.is_complete()
    assert is_meshed(made) if shrinks and len([p for p in made.peers.values() if p.is_up]) <= 4 else is_reflected(made)


EVENTS: Final = st.lists(
    st.tuples(
        st.sampled_from(["crash", "blind", "leave", "come", "drain", "undrain"]), st.integers(0, 11), st.floats(0.5, 40)
    ),
    max_size=8,
)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), events=EVENTS)
def test_whatever_happens_it_settles_and_all_know_each_other(seed: int, events: list[tuple[str, int, float]]) -> None:
    made = model(seed, 7)
    for what, number, pause in events:
        name = f"n{number:02}"
        peer = made.peers.get(name)
        if what == "come" and (peer is None or not peer.is_up):
            made.add(name)
        elif peer is not None and peer.is_up:
            if what == "crash":
                made.crash(name)
            elif what == "blind":
                made.blind(name, pause * 2)
            elif what == "leave":
                made.unlist(name)
            elif what in ("drain", "undrain"):
                made.drain(name, is_drained=what == "drain")
        made.run(pause)
    made.run(QUIET + 80)
    assert made.is_complete()
    for name in made.peers:
        made.drain(name, is_drained=False)
    made.run(QUIET)
    assert made.is_complete()
    listed = [peer for peer in made.peers.values() if peer.is_listed]
    living = [peer for peer in listed if peer.is_up]
    assert len(made.roles.roles) <= RULES.count
    if len(listed) > RULES.above and len(living) > RULES.count:
        assert is_reflected(made)
    elif len(listed) <= RULES.below:
        assert is_meshed(made)
