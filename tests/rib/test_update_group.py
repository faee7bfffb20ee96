from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import PeerType
from bgpd.messages.update import end_of_rib
from bgpd.rib import update_group
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.changes import sort_by_path
from bgpd.rib.export import NO_ADVERTISE, ExportRule
from bgpd.rib.path import Path, Source
from tests.support.paths import own_source, path, peer_source, prefix
from tests.support.rib import GroupBench, PlainExporter, export_rule

TOKENS = ["token1", "token2", "token3"]
CLUSTER = 0xF4000001


def keys(count: int) -> list[bytes]:
    return [prefix(f"10.{n >> 8}.{n & 255}.0/24") for n in range(count)]


def clients() -> GroupBench:
    return GroupBench(export_rule(is_client=True, cluster_id=CLUSTER))


def test_a_path_goes_to_all_but_the_peer_that_it_came_from() -> None:
    bench = clients()
    receivers = [bench.join(token) for token in TOKENS]
    bench.settle()
    bench.rib.announce(keys(3), path(peer_source(1, is_client=True)))
    bench.settle()
    assert [len(receiver.table) for receiver in receivers] == [0, 3, 3]
    assert [receiver.messages for receiver in receivers] == [0, 1, 1]
    assert [bench.group.rib.advertised(token) for token in TOKENS] == [0, 3, 3]


def test_a_peer_whose_own_path_becomes_best_unlearns_the_former_one() -> None:
    bench = clients()
    receivers = [bench.join(token) for token in TOKENS]
    bench.settle()
    bench.rib.announce(keys(1), path(peer_source(2, is_client=True)))
    bench.settle()
    bench.rib.announce(keys(1), path(peer_source(1, is_client=True), local_pref=200))
    bench.settle()
    assert [len(receiver.table) for receiver in receivers] == [0, 1, 1]
    assert sum(receiver.needless_withdrawals for receiver in receivers) == 0


def test_members_that_come_in_one_tick_share_the_first_encoding() -> None:
    bench = clients()
    bench.rib.announce(keys(300), path(own_source(), next_hop=""))
    bench.flush()
    first, second = bench.join(TOKENS[0]), bench.join(TOKENS[1])
    assert bench.members[TOKENS[0]].backlog is bench.members[TOKENS[1]].backlog
    bench.settle()
    assert len(first.table) == len(second.table) == 300


@pytest.mark.rfc("4724", "2")
def test_end_of_rib_comes_once_and_after_all_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_group, "SLICE", 7)
    bench = clients()
    bench.rib.announce(keys(50), path(own_source(), next_hop=""))
    bench.flush()
    receiver = bench.join(TOKENS[0], end_of_rib(IPV4_UNICAST))
    while not receiver.markers:
        bench.turn()
    assert len(receiver.table) == 50
    bench.settle()
    assert receiver.markers == 1


def test_a_slow_member_holds_prefixes_and_not_messages() -> None:
    bench = clients()
    slow, quick = bench.join(TOKENS[0]), bench.join(TOKENS[1])
    bench.settle()
    slow.is_congested = True
    source = peer_source(3, is_client=True)
    bench.rib.announce(keys(1), path(source))
    bench.flush()  # what is written while it becomes slow is still written
    sent = slow.messages
    for round_ in range(5):
        bench.rib.announce(keys(10), path(source, med=round_))
        bench.flush()
    assert slow.messages == sent
    assert bench.members[TOKENS[0]].owed == 10
    bench.settle()
    assert slow.table == quick.table
    assert slow.messages == sent + 1


def test_a_member_that_comes_from_another_group_is_told_what_to_forget() -> None:
    bench = GroupBench(export_rule(PeerType.EXTERNAL))
    bench.rib.announce(keys(2), path(own_source(), next_hop=""))
    bench.flush()
    receiver = bench.join(TOKENS[0], end_of_rib(IPV4_UNICAST))
    bench.settle()
    rule = export_rule(PeerType.EXTERNAL, next_hop_self=bytes((10, 0, 0, 9)))
    bench.move(TOKENS[0], bench.another(rule, lambda key: key == keys(2)[1]))
    bench.settle()
    assert set(receiver.table) == {keys(2)[0]}
    assert receiver.markers == 1
    bench.assert_told()


def test_members_that_move_in_one_tick_share_what_they_learn() -> None:
    bench = clients()
    receivers = [bench.join(token) for token in TOKENS]
    bench.rib.announce(keys(3), path(own_source(), next_hop=""))
    bench.settle()
    other = bench.another(export_rule(is_client=True, cluster_id=CLUSTER), lambda key: key == keys(2)[1])
    bench.move(TOKENS[0], other)
    bench.move(TOKENS[1], other)
    assert bench.members[TOKENS[0]].backlog is bench.members[TOKENS[1]].backlog
    bench.rib.announce(keys(5)[3:], path(own_source(), next_hop=""))
    bench.flush()
    bench.move(TOKENS[2], other)  # it has been told more meanwhile
    assert bench.members[TOKENS[2]].backlog is not bench.members[TOKENS[0]].backlog
    bench.settle()
    assert [sorted(receiver.table) for receiver in receivers] == [sorted({*keys(5)} - {keys(2)[1]})] * 3


def test_a_member_that_moves_before_it_was_told_anything_is_told_by_its_new_group_only() -> None:
    bench = GroupBench(export_rule(PeerType.EXTERNAL))
    bench.rib.announce(keys(2), path(own_source(), next_hop=""))
    bench.flush()
    receiver = bench.join(TOKENS[0], end_of_rib(IPV4_UNICAST))
    bench.move(TOKENS[0], bench.another(export_rule(PeerType.EXTERNAL), lambda key: key == keys(2)[1]))
    bench.settle()
    assert (set(receiver.table), receiver.markers) == ({keys(2)[0]}, 1)
    bench.assert_told()


def test_a_slow_member_hears_nothing_of_what_came_and_went_meanwhile() -> None:
    bench = clients()
    slow = bench.join(TOKENS[0])
    bench.settle()
    source = peer_source(3, is_client=True)
    bench.rib.announce(keys(1), path(source))
    slow.is_congested = True
    bench.flush()
    bench.rib.announce(keys(9), path(source))
    bench.flush()
    bench.rib.withdraw(keys(9), source)
    bench.flush()
    bench.settle()
    assert slow.table == {}
    assert slow.needless_withdrawals == 0


def test_one_that_is_slow_among_those_that_move_together_learns_what_is_different_too() -> None:
    bench = clients()
    receivers = [bench.join(token) for token in TOKENS]
    bench.rib.announce(keys(3), path(own_source(), next_hop=""))
    bench.settle()
    silent = bench.another(export_rule(is_client=True, cluster_id=CLUSTER), lambda _: True)
    for token in TOKENS:
        bench.move(token, silent)
    receivers[1].is_congested = True
    for _ in range(5):
        bench.turn()
    assert [len(receiver.table) for receiver in receivers] == [0, 3, 0]
    bench.settle()
    assert receivers[1].table == {}


@pytest.mark.parametrize("then", ["refresh", "move on"])
def test_one_that_goes_its_own_way_leaves_those_that_moved_with_it_what_they_are_owed(then: str) -> None:
    bench = clients()
    receivers = [bench.join(token) for token in TOKENS]
    bench.rib.announce(keys(4), path(own_source(), next_hop=""))
    bench.settle()
    rule = export_rule(is_client=True, cluster_id=CLUSTER)
    silent, other = (bench.another(rule, lambda _: True) for _ in range(2))
    for token in TOKENS:
        bench.move(token, silent)
    if then == "refresh":
        silent.refresh(bench.members[TOKENS[1]], b"")
    else:
        bench.move(TOKENS[1], other)
    bench.settle()
    assert [receiver.table for receiver in receivers] == [{}, {}, {}]


def test_a_refresh_tells_everything_again_and_then_its_closing_message() -> None:
    bench = clients()
    receiver = bench.join(TOKENS[0])
    bench.rib.announce(keys(20), path(own_source(), next_hop=""))
    bench.settle()
    receiver.table.clear()
    bench.group.refresh(bench.members[TOKENS[0]], end_of_rib(IPV4_UNICAST))
    bench.settle()
    assert len(receiver.table) == 20
    assert receiver.markers == 1


def test_a_member_that_joins_in_the_tick_that_another_left_is_told_what_came_between() -> None:
    bench = clients()
    bench.join(TOKENS[0])
    bench.group.leave(TOKENS[0])
    bench.rib.announce(keys(1), path(own_source(), next_hop=""))
    bench.flush()
    receiver = bench.join(TOKENS[0])
    bench.settle()
    assert set(receiver.table) == set(keys(1))


def test_a_member_that_leaves_hears_nothing_more() -> None:
    bench = clients()
    receiver = bench.join(TOKENS[0])
    bench.group.leave(TOKENS[0])
    bench.rib.announce(keys(1), path(own_source(), next_hop=""))
    bench.settle()
    assert receiver.messages == 0


def _sources(family: Family) -> list[Source]:
    del family
    return [
        peer_source(1, is_client=True),
        peer_source(2, is_client=True),
        peer_source(3),
        peer_source(4, PeerType.EXTERNAL),
        own_source(),
        peer_source(1, is_client=True, path_id=7),
    ]


def _paths(family: Family) -> list[Path]:
    hop = "10.1.0.1" if family is IPV4_UNICAST else "fd00::1"
    found = []
    for source in _sources(family):
        for local_pref, communities in ((100, ()), (200, ()), (150, (0xFFFFFF02,)), (120, (0xFFFFFF01,))):
            found.append(
                path(source, family=family, next_hop=hop, local_pref=local_pref, communities=communities, as_path=(7,))
            )
    return found


KEYS = {
    IPV4_UNICAST: keys(6),
    IPV6_UNICAST: [prefix(f"fd00:{n}::/32") for n in range(6)],
}
RULES = [
    export_rule(is_client=True, cluster_id=CLUSTER),
    export_rule(is_client=False, cluster_id=CLUSTER),
    export_rule(is_client=False),
    export_rule(PeerType.EXTERNAL),
    export_rule(PeerType.EXTERNAL, max_message=200),
    export_rule(is_client=True, cluster_id=CLUSTER, family=IPV6_UNICAST, next_hop_self=bytes(15) + b"\1"),
    export_rule(PeerType.EXTERNAL, denies_all=True),
]
RULES_WITH_PATH_IDS = [
    export_rule(is_client=True, cluster_id=CLUSTER, path_limit=0),
    export_rule(is_client=True, cluster_id=CLUSTER, path_limit=1),
    export_rule(is_client=True, cluster_id=CLUSTER, path_limit=2),
    export_rule(cluster_id=CLUSTER, path_limit=2),
    export_rule(PeerType.EXTERNAL, max_message=200, path_limit=3),
    export_rule(is_client=True, cluster_id=CLUSTER, family=IPV6_UNICAST, next_hop_self=bytes(15) + b"\1", path_limit=0),
]
# (what, a prefix or member, a path, source or group)
operations = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                ["announce", "announce", "announce several", "withdraw", "withdraw several", "lose a peer"]
            ),
            st.integers(0, 3),
            st.integers(0, 23),
        ),
        st.tuples(st.sampled_from(["flush", "flush", "turn", "settle"]), st.just(0), st.just(0)),
        st.tuples(
            st.sampled_from(["join", "join", "leave", "move", "refresh", "slow", "drain"]),
            st.integers(0, 2),
            st.integers(0, 2),
        ),
    ),
    min_size=12,
    max_size=60,
)


@pytest.mark.parametrize("judges_prefixes", [False, True])
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(RULES), operations, st.integers(1, 3))
def test_whatever_happens_members_end_up_with_what_the_loc_rib_says(
    judges_prefixes: bool, rule: ExportRule, script: list[tuple[str, int, int]], slice_size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_group, "SLICE", slice_size)
        _run(judges_prefixes, rule, script)


@pytest.mark.parametrize("judges_prefixes", [False, True])
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RULES_WITH_PATH_IDS), operations, st.integers(1, 3))
def test_whatever_happens_members_end_up_with_the_paths_that_the_loc_rib_says(
    judges_prefixes: bool, rule: ExportRule, script: list[tuple[str, int, int]], slice_size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_group, "SLICE", slice_size)
        _run(judges_prefixes, rule, script)


def _run(judges_prefixes: bool, rule: ExportRule, script: list[tuple[str, int, int]]) -> None:
    family = rule.family
    table = KEYS[family]
    bench = GroupBench(rule, (lambda key: key == table[0]) if judges_prefixes else None)
    paths, sources = _paths(family), _sources(family)
    by_number = {source.number: source for source in sources}
    for made in paths:
        made.source = by_number[made.source.number]
    others = [bench.group, bench.another(rule, lambda key: key in table[1:3])]
    if rule.path_limit is not None:
        others.append(bench.another(replace(rule, path_limit=3 - rule.path_limit)))
    for what, number, which in script:
        token = TOKENS[number % 3]
        match what:
            case "announce":
                bench.rib.announce([table[number]], paths[which])
            case "withdraw":
                bench.rib.withdraw([table[number]], sources[which % len(sources)])
            case "announce several":
                bench.rib.announce(table[number:] + table[: which % 2], paths[which])
            case "withdraw several":
                bench.rib.withdraw(table[number:] + table[: which % 2], sources[which % len(sources)])
            case "lose a peer":
                for lost in [source for source in sources if source.peer == sources[number].peer]:
                    bench.rib.withdraw(table, lost)
            case "flush":
                bench.flush()
            case "turn":
                bench.turn()
            case "settle":
                bench.settle()
                bench.assert_told()
            case "join" if token not in bench.receivers:
                bench.join(token)
            case "leave" if token in bench.receivers:
                bench.leave(token)
            case "move" if token in bench.receivers:
                bench.move(token, others[which % len(others)])
            case "refresh" if token in bench.receivers:
                bench.group_of[token].refresh(bench.members[token], b"")
            case "slow" if token in bench.receivers:
                bench.receivers[token].is_congested = True
            case "drain" if token in bench.receivers:
                bench.drain(token)
    bench.settle()
    bench.assert_told()


@pytest.mark.parametrize("withheld", [None, lambda _: False], ids=["by path", "by prefix"])
def test_a_group_made_while_changes_wait_counts_what_was_told_before_them(
    withheld: Callable[[bytes], bool] | None,
) -> None:
    bench = clients()
    one, other = peer_source(1, is_client=True), peer_source(2, is_client=True)
    bench.rib.announce(keys(2), path(one))
    bench.settle()
    bench.rib.withdraw(keys(2), one)
    bench.rib.announce(keys(3), path(other))

    rule = export_rule(is_client=True, cluster_id=CLUSTER)
    late = AdjRibOut(rule, PlainExporter(rule, withheld), bench.rib)
    job = late.counting()
    late.changes(sort_by_path(bench.rib.take_changes(), bench.rib.table))
    before = 3 - late.total
    for _ in job:
        pass

    assert (before, late.total) == (2, 3)
    assert [late.advertised(token) for token in TOKENS] == [3, 0, 3]


@pytest.mark.parametrize("is_counted", [False, True])
def test_what_a_group_never_told_is_not_withdrawn_from_its_members(is_counted: bool) -> None:
    bench = clients()
    hidden = path(peer_source(1, is_client=True), communities=(NO_ADVERTISE,))
    bench.rib.announce(keys(3), path(peer_source(2, is_client=True)))
    bench.rib.announce(keys(5)[3:], hidden)
    bench.settle()
    rule = export_rule(is_client=True, cluster_id=CLUSTER)
    late = AdjRibOut(rule, PlainExporter(rule), bench.rib)
    job = late.counting()
    if is_counted:
        list(job)
    bench.rib.withdraw(keys(5)[3:], hidden.source)
    messages = late.changes(sort_by_path(bench.rib.take_changes(), bench.rib.table))
    list(job)
    assert (messages, late.total) == ([], 3)
