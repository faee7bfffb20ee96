"""Elections of reflectors: what one node does next, and what many do together when each sees the others late."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from bgpd.reflector.election import (
    ALONE,
    GRACE,
    TURN,
    Declare,
    Deed,
    Drop,
    Election,
    Forget,
    MeshNode,
    MeshView,
    Proceed,
    Rules,
    Take,
    candidates,
    described,
)
from bgpd.reflector.roles import Member, Mode, Phase, Role, Roles

RULES = Rules(above=4, count=2)
MESHED, WHOLE, REFLECTED = Member(), Member(is_whole=True), Member(Mode.REFLECTED)


class Told:
    """Sessions that are as a test says."""

    def __init__(
        self,
        *,
        up: bool = True,
        resting: bool = False,
        reflected: bool = False,
        some: bool = True,
        reached: bool = True,
    ) -> None:
        self.up, self.resting, self.reflected, self.some, self.reached = up, resting, reflected, some, reached

    def are_up(self, nodes: Collection[str]) -> bool:
        return self.up

    def has_any(self, nodes: Collection[str]) -> bool:
        return self.some

    def reaches_any(self, nodes: Collection[str]) -> bool:
        return bool(nodes) and self.reached

    def rests_on(self, nodes: Collection[str]) -> bool:
        return self.resting

    def rests_on_reflection(self, reflectors: Collection[str]) -> bool:
        return self.reflected


def view(
    me: str,
    names: str = "abcde",
    *,
    roles: dict[int, Role] | None = None,
    members: dict[str, Member] | None = None,
    dead: str = "",
    rules: Rules | None = RULES,
    places: str = "",
    unwilling: str = "",
) -> MeshView:
    """A mesh of nodes with names of one letter, all members; places: a letter for each."""
    nodes = {name: MeshNode(place, ()) for name, place in zip(names, places or " " * len(names), strict=True)}
    chosen = members if members is not None else dict.fromkeys(names, MESHED)
    alive = {name: name not in unwilling for name in names if name not in dead}
    return MeshView(me, rules, nodes, Roles(roles or {}, chosen, alive))


def steps(seen: MeshView, sessions: Told | None = None, after: float = 100.0) -> list[Deed]:
    """What a node does that has seen this for so many seconds."""
    election = Election()
    election.step(seen, sessions or Told(), 0.0)
    return election.step(seen, sessions or Told(), after)


def serving(*holders: str, phase: Phase = Phase.SERVING) -> dict[int, Role]:
    return {number: Role(holder, phase) for number, holder in enumerate(holders)}


def test_the_first_by_name_take_the_roles_one_each() -> None:
    assert steps(view("a"), after=GRACE) == [Take(0, "")]
    assert steps(view("b"), after=GRACE) == [Take(1, "")]
    assert steps(view("c"), after=GRACE) == []


def test_nobody_takes_a_role_before_all_had_time_to_show_up() -> None:
    assert steps(view("a"), after=GRACE - 0.1) == []


def test_others_take_what_the_first_ones_leave_too_long() -> None:
    assert steps(view("c"), after=GRACE + TURN - 0.1) == []
    assert steps(view("c"), after=GRACE + TURN) == [Take(0, "")]
    assert steps(view("d"), after=GRACE + 2 * TURN) == [Take(1, "")]


def test_who_was_drained_just_now_takes_nothing_though_the_others_do_not_know_yet() -> None:
    assert steps(view("a", rules=replace(RULES, is_candidate=False))) == []


def test_a_mesh_of_as_many_nodes_as_it_may_have_elects_nobody() -> None:
    assert steps(view("a", "abcd")) == []


def test_reflectors_are_spread_over_places_first() -> None:
    assert candidates(view("a", places="xxyyz")) == ["a", "c", "e", "b", "d"]
    assert candidates(view("a", places="xxyyz", roles=serving("a"))) == ["c", "e", "b", "d"]
    assert candidates(view("a", places="xxyyz", roles=serving("a", "c"), dead="a")) == ["b", "e", "d"]


def test_who_is_dead_unwilling_or_not_of_the_mesh_is_no_candidate() -> None:
    seen = view("a", dead="a", unwilling="b")
    assert candidates(replace(seen, roles=replace(seen.roles, alive={**seen.roles.alive, "z": True}))) == [
        "c",
        "d",
        "e",
    ]


def test_a_new_reflector_serves_when_its_sessions_are_built_and_it_needs_no_other_one() -> None:
    seen = view("a", roles=serving("a", phase=Phase.PREPARING))
    assert steps(seen, Told(up=False), after=1) == []
    assert steps(seen, Told(reflected=True), after=1) == []
    assert steps(seen, after=1) == [Proceed(0, Phase.SERVING)]


def test_a_member_leaves_the_mesh_when_all_reflectors_serve_and_carry_all_its_routes() -> None:
    both = serving("a", "b")
    assert Declare(REFLECTED) in steps(view("c", roles=both))
    assert steps(view("c", roles=both), Told(up=False)) == []
    assert steps(view("c", roles=both), Told(resting=True)) == []
    preparing = both | {1: Role("b", Phase.PREPARING)}
    assert steps(view("c", roles=preparing)) == []


def test_a_reflector_stays_in_the_mesh() -> None:
    both = serving("a", "b")
    assert steps(view("a", roles=both)) == []
    assert steps(view("a", roles=both, members={"a": REFLECTED})) == [Declare(MESHED)]


def test_a_drained_node_without_a_session_needs_no_mesh() -> None:
    """Else all others would wait for sessions with it as long as it is out."""
    out = replace(view("c", roles=serving("a", "b")), is_drained=True)
    assert steps(out, Told(up=False, reached=False)) == [Declare(REFLECTED)]
    assert steps(out, Told(up=False)) == []
    client = replace(view("c", roles=serving("a", "b"), members={"c": REFLECTED}), is_drained=True)
    assert steps(client, Told(up=False, reached=False), after=2 * ALONE) == []


def test_a_node_that_comes_where_reflectors_serve_needs_no_mesh_first() -> None:
    seen = view("e", roles=serving("a", "b"), members=dict.fromkeys("cd", REFLECTED))
    assert steps(seen, Told(up=False, some=False)) == [Declare(REFLECTED)]
    assert steps(seen, Told(up=False)) == [Declare(MESHED)]


def test_a_dead_reflector_is_replaced_and_the_others_stay() -> None:
    def seen(me: str) -> MeshView:
        return view(me, roles=serving("a", "b"), members=dict.fromkeys("cde", REFLECTED), dead="a")

    assert steps(seen("c"), after=GRACE) == [Take(0, "a")]
    assert Take(1, "b") not in steps(seen("d"), after=GRACE + 9 * TURN)
    assert steps(seen("c"), after=GRACE / 2) == []


def test_a_reflector_that_is_back_in_time_is_not_replaced() -> None:
    election, gone = Election(), view("c", roles=serving("a", "b"), dead="a")
    there = view("c", roles=serving("a", "b"), members=dict.fromkeys("cde", REFLECTED))
    election.step(gone, Told(), 0)
    election.step(there, Told(), 1)
    assert not [one for one in election.step(gone, Told(), GRACE + 0.5) if isinstance(one, Take)]


def test_time_that_the_cluster_was_not_seen_does_not_count() -> None:
    election, seen = Election(), view("c", roles=serving("a", "b"), members=dict.fromkeys("cde", REFLECTED), dead="a")
    election.step(seen, Told(), 0)
    election.interrupted()
    assert election.step(seen, Told(), 100) == []
    assert election.step(seen, Told(), 100 + GRACE) == [Take(0, "a")]


def test_a_client_goes_back_to_the_mesh_where_no_reflector_is_left_and_nobody_would_be_one() -> None:
    dead = view("c", roles=serving("a", "b"), members=dict.fromkeys("cde", REFLECTED), dead="ab", unwilling="cde")
    assert steps(dead, after=ALONE - 0.1) == []
    assert steps(dead, after=ALONE) == [Declare(MESHED)]


def test_a_client_goes_back_to_the_mesh_when_it_reaches_no_reflector_for_long() -> None:
    seen = view("c", roles=serving("a", "b"), members=dict.fromkeys("cde", REFLECTED))
    cut_off = Told(up=False, reached=False)
    assert steps(seen, cut_off, after=ALONE - 0.1) == []
    assert steps(seen, cut_off, after=ALONE) == [Declare(MESHED)]
    assert steps(seen, Told(up=False), after=ALONE) == []  # it is there, and may be waiting for others itself
    election = Election()
    for now, is_up in ((0.0, False), (1.0, True), (2.0, False)):
        election.step(seen, Told(reached=is_up), now)
    assert election.step(seen, cut_off, ALONE + 1) == []
    election.interrupted()
    assert election.step(seen, cut_off, 3 * ALONE) == []


def test_of_two_roles_a_node_keeps_the_first_and_reflects_all_the_while() -> None:
    assert steps(view("a", roles=serving("a", "a"))) == [Drop(1, "a")]
    assert steps(view("a", roles=serving("a", "a", phase=Phase.PREPARING))) == [Drop(1, "a"), Proceed(0, Phase.SERVING)]
    both = {1: Role("a", Phase.SERVING), 0: Role("a", Phase.PREPARING)}
    assert steps(view("a", roles=both)) == [Proceed(0, Phase.SERVING)]


def test_who_went_for_a_role_takes_no_other_one_before_a_late_view_can_show_it() -> None:
    election = Election()

    def taken(seen: MeshView, now: float) -> list[Deed]:
        return [deed for deed in election.step(seen, Told(), now) if isinstance(deed, Take)]

    assert taken(view("a", roles=serving("b")), 0) == []
    assert taken(view("a", roles=serving("b")), GRACE) == [Take(1, "")]
    late = view("a", roles={1: Role("c", Phase.SERVING)})  # somebody was faster, or so it was once
    assert taken(late, GRACE + 0.5) == []
    assert taken(late, GRACE + TURN - 0.5) == []
    assert taken(late, GRACE + TURN) == [Take(0, "")]


def test_nobody_waits_for_a_session_with_a_reflector_that_leaves() -> None:
    """One that is drained has closed all of them, and may not leave before those that prepare serve."""
    down = {"b"}

    class Drained(Told):
        def are_up(self, nodes: Collection[str]) -> bool:
            return down.isdisjoint(nodes)

    roles = {0: Role("a", Phase.PREPARING), 1: Role("b", Phase.RETIRING)}
    assert steps(view("a", roles=roles), Drained()) == [Proceed(0, Phase.SERVING)]
    down = {"c"}
    assert steps(view("a", roles=roles), Drained()) == []


@pytest.mark.parametrize(("names", "stays"), [("abcd", True), ("abc", False)])
def test_one_node_less_does_not_end_it(names: str, stays: bool) -> None:
    found = steps(view("a", names, roles=serving("a", "b"), members=dict.fromkeys(names, MESHED)))
    assert found == ([] if stays else [Proceed(0, Phase.RETIRING)])


def test_reflectors_leave_when_everybody_can_do_without() -> None:
    ending = serving("a", "b", phase=Phase.RETIRING)
    members = {"a": MESHED, "b": MESHED, "c": REFLECTED}
    assert steps(view("c", "abc", roles=ending, members=members)) == [Declare(MESHED)]
    assert steps(view("a", "abc", roles=ending, members=members)) == []
    members["c"] = MESHED
    assert steps(view("c", "abc", roles=ending, members=members), Told(reflected=True)) == []
    assert steps(view("c", "abc", roles=ending, members=members), Told(up=False)) == []
    assert steps(view("c", "abc", roles=ending, members=members)) == [Declare(WHOLE)]
    assert steps(view("a", "abc", roles=ending, members=members)) == []
    members["c"] = WHOLE
    assert steps(view("a", "abc", roles=ending, members=members)) == [Drop(0, "a")]


def test_a_reflector_waits_for_a_node_that_etcd_has_lost_but_routing_has_not() -> None:
    ending, members = serving("a", phase=Phase.RETIRING), {"a": MESHED, "b": WHOLE, "c": REFLECTED}
    seen = view("a", "abc", roles=ending, members=members, dead="c")
    assert steps(seen, Told(up=True)) == []
    assert steps(seen, Told(up=False)) == [Drop(0, "a")]


def test_one_reflector_too_many_leaves_when_the_others_serve() -> None:
    three = serving("a", "b", "c")
    assert steps(view("c", "abcdef", roles=three)) == [Proceed(2, Phase.RETIRING)]
    three[2] = Role("c", Phase.RETIRING)
    assert steps(view("c", "abcdef", roles=three)) == [Drop(2, "c")]
    three[1] = Role("b", Phase.PREPARING)
    assert steps(view("c", "abcdef", roles=three)) == []
    assert (
        steps(view("d", "abcdef", roles=serving("a", "b") | {2: Role("c", Phase.RETIRING)}, members={"d": REFLECTED}))
        == []
    )


def test_a_reflector_that_is_not_needed_before_it_serves_just_ends() -> None:
    seen = view("a", "abc", roles=serving("a", phase=Phase.PREPARING))
    assert steps(seen, Told(up=False), after=1) == [Drop(0, "a")]


def test_the_role_of_a_node_that_is_listed_no_more_counts_for_nothing() -> None:
    roles = {0: Role("a", Phase.RETIRING), 1: Role("z", Phase.SERVING)}
    seen = view("a", "abc", roles=roles, members=dict.fromkeys("abc", REFLECTED))
    seen = replace(seen, roles=replace(seen.roles, alive={**seen.roles.alive, "z": True}))
    assert Drop(0, "a") not in steps(seen)


def test_a_drained_reflector_hands_over() -> None:
    seen = view("a", roles=serving("a", "b"), rules=replace(RULES, is_candidate=False))
    assert steps(seen) == [Proceed(0, Phase.RETIRING)]


def test_a_reflector_that_is_needed_again_goes_on() -> None:
    assert steps(view("a", roles=serving("a", "b", phase=Phase.RETIRING))) == [Proceed(0, Phase.SERVING)]
    mixed = {0: Role("a", Phase.RETIRING), 1: Role("b", Phase.SERVING)}
    assert steps(view("a", "abcd", roles=mixed)) == [Proceed(0, Phase.SERVING)]


def test_the_role_of_a_dead_reflector_that_is_not_needed_is_taken_away() -> None:
    seen = view("b", "abc", roles=serving("a"), members=dict.fromkeys("abc", MESHED), dead="a")
    assert steps(seen, after=GRACE) == [Drop(0, "a")]
    seen = view("c", "abc", roles=serving("a"), members=dict.fromkeys("abc", MESHED), dead="a")
    assert steps(seen, after=GRACE) == []
    assert steps(seen, after=GRACE + TURN) == [Drop(0, "a")]


def test_who_no_longer_takes_part_says_so_and_ends_its_role() -> None:
    assert steps(view("c", rules=None)) == [Declare(None)]
    assert steps(view("a", roles=serving("a", "b"), rules=None)) == [Declare(None), Proceed(0, Phase.RETIRING)]
    assert steps(view("c", rules=None, members={})) == []


def test_members_that_are_no_nodes_any_more_are_forgotten_by_one() -> None:
    members = dict.fromkeys("abcz", MESHED)
    assert steps(view("a", "abc", members=members)) == [Forget("z")]
    assert steps(view("b", "abc", members=members)) == []


def test_a_session_is_wanted_as_long_as_one_end_needs_it() -> None:
    roles = Roles(serving("a"), {"a": MESHED, "b": REFLECTED, "c": REFLECTED, "d": MESHED}, {})
    assert [roles.wants_session("b", other) for other in "acde"] == [True, False, True, True]
    assert [roles.is_client("a", other) for other in "bcde"] == [True] * 4
    assert not roles.is_client("b", "a")


def test_reflectors_are_no_clients_of_each_other_but_one_that_prepares_is() -> None:
    roles = Roles(serving("a", "b") | {2: Role("c", Phase.PREPARING)})
    assert (roles.is_client("a", "b"), roles.is_client("a", "c"), roles.is_client("c", "a")) == (False, True, False)


def test_what_a_node_is_in_words() -> None:
    members = dict.fromkeys("ab", MESHED) | dict.fromkeys("cde", REFLECTED)
    both = serving("a", "b")
    assert described(view("a", roles=both, members=members)) == "reflector, serving"
    assert described(view("c", roles=both, members=members)) == "client of a, b"
    assert described(view("a")) == "mesh"
    assert described(view("a", rules=None, members={})) == ""
