"""Runs of like changes are sorted as the prefixes one by one would be."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from bgpd.families import IPV4_UNICAST
from bgpd.rib.changes import Batch, Changes, sort_by_path
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Path
from tests.support.paths import path, peer_source, prefix

PREFIXES = [prefix(f"10.65.{number}.0/24") for number in range(6)]
SOURCES = [peer_source(number) for number in (1, 2, 3)]
PATHS = [path(source, local_pref=preference) for source in SOURCES for preference in (100, 200)]

prefixes = st.lists(st.sampled_from(PREFIXES), max_size=6)
announcements = st.tuples(prefixes, st.sampled_from(PATHS))
withdrawals = st.tuples(prefixes, st.sampled_from(SOURCES))


def sorted_lists(found: Mapping[object, Sequence[bytes]]) -> dict[object, list[bytes]]:
    return {key: sorted(members) for key, members in found.items()}


def content(batch: Batch) -> tuple[object, ...]:
    left = {peer: count for peer, count in batch.left.items() if count}
    return (
        sorted_lists(batch.gained),
        sorted_lists(batch.gone),
        sorted_lists(batch.moved),
        sorted_lists(batch.cleared),
        dict(batch.lost),
        left,
    )


def carry_out(rib: LocRib, change: tuple[list[bytes], object]) -> None:
    keys, subject = change
    if isinstance(subject, Path):
        rib.announce(keys, subject)
    else:
        rib.withdraw(keys, subject)  # type: ignore[arg-type]


@given(st.lists(announcements), st.lists(announcements | withdrawals, max_size=4))
def test_runs_and_single_prefixes_are_the_same_batch(
    earlier: list[tuple[list[bytes], Path]], changes: list[tuple[list[bytes], object]]
) -> None:
    rib, plain = LocRib(IPV4_UNICAST, lambda: None), LocRib(IPV4_UNICAST, lambda: None)
    for each in (rib, plain):
        for change in earlier:
            carry_out(each, change)
        each.take_changes()
        for change in changes:
            carry_out(each, change)
    in_runs, one_by_one = rib.take_changes(), plain.take_changes()
    before = dict(one_by_one.before)
    one_by_one._once = False  # from now on they are single prefixes
    assert not one_by_one.runs
    assert content(sort_by_path(in_runs, rib.table)) == content(sort_by_path(one_by_one, plain.table))
    assert {key: had for key, had in in_runs.before.items() if had != rib.table.get(key)} == {
        key: had for key, had in before.items() if had != plain.table.get(key)
    }


def test_replaced_paths_are_sorted_by_path_unless_a_prefix_changes_twice() -> None:
    rib = LocRib(IPV4_UNICAST, lambda: None)
    rib.announce(PREFIXES[:4], PATHS[0])
    rib.take_changes()
    rib.announce(PREFIXES[:2], PATHS[1])
    rib.announce([PREFIXES[2]], PATHS[1])
    changes = rib.take_changes()
    assert changes.are_apart()
    assert sort_by_path(changes, rib.table).gained == {PATHS[1]: PREFIXES[:3]}
    assert changes.before == dict.fromkeys(PREFIXES[:3], PATHS[0].alone)
    rib.announce([PREFIXES[0]], PATHS[0])
    rib.announce([PREFIXES[0]], PATHS[1])
    again = rib.take_changes()
    assert not again.are_apart()
    assert not sort_by_path(again, rib.table).gained


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(PATHS[:2])), max_size=12))
def test_members_told_in_order_end_up_with_the_newest_path(changes: list[tuple[int, Path]]) -> None:
    rib = LocRib(IPV4_UNICAST, lambda: None)
    rib.announce(PREFIXES, PATHS[0])
    rib.take_changes()
    told = dict.fromkeys(PREFIXES, PATHS[0])
    for number, new in changes:
        rib.announce([PREFIXES[number]], new)
    for new, members in sort_by_path(rib.take_changes(), rib.table).gained.items():
        told.update(dict.fromkeys(members, new))
    assert told == {each: candidates[0] for each, candidates in rib.table.items()}


def test_what_changes_twice_is_not_in_runs() -> None:
    changes = Changes()
    changes.add(None, PATHS[0].alone, PREFIXES[:2], "new")
    changes.add(None, PATHS[0].alone, PREFIXES[2:3], "new")
    assert len(changes.runs) == 2
    changes.add(PATHS[0].alone, None, PREFIXES[2:4], "lost")
    assert not changes.runs
    changes.add(PATHS[0].alone, None, PREFIXES[4:], "lost")
    assert not changes.runs
    assert changes.before == dict.fromkeys(PREFIXES[:3]) | dict.fromkeys(PREFIXES[3:], PATHS[0].alone)


def test_changes_of_two_kinds_are_in_runs_while_no_prefix_changes_twice() -> None:
    changes = Changes()
    changes.add(None, PATHS[0].alone, PREFIXES[:2], "new")
    changes.add(PATHS[0].alone, None, PREFIXES[2:], "lost")
    assert changes.runs == [(None, PATHS[0].alone, PREFIXES[:2]), (PATHS[0].alone, None, PREFIXES[2:])]


def test_prefixes_with_other_paths_each_are_cut_into_runs() -> None:
    changes = Changes()
    changes.own([PATHS[0].alone, PATHS[0].alone, PATHS[1].alone], None, PREFIXES[:3])
    assert changes.runs == [(PATHS[0].alone, None, PREFIXES[:2]), (PATHS[1].alone, None, PREFIXES[2:3])]
    assert changes.before == {
        PREFIXES[0]: PATHS[0].alone,
        PREFIXES[1]: PATHS[0].alone,
        PREFIXES[2]: PATHS[1].alone,
    }


entries = st.tuples(st.sets(st.sampled_from(PREFIXES), min_size=1), st.sampled_from(PATHS), st.booleans())


@given(st.lists(entries, max_size=8), st.integers(0, 8))
def test_before_is_what_each_prefix_had_first_whenever_somebody_looks(
    script: list[tuple[set[bytes], Path, bool]], looks_at: int
) -> None:
    changes, plain = Changes(), dict[bytes, object]()
    for number, (keys, had, is_own) in enumerate(script):
        members, olds = list(keys), [had.alone] * len(keys)
        if is_own:
            changes.own(olds, None, members)
        else:
            changes.add(had.alone, None, members, None)
        for key in members:
            plain.setdefault(key, had.alone)
        if number == looks_at:
            assert changes.before == plain
            assert changes.are_apart() == (len(plain) == sum(len(some) for some, _, _ in script[: number + 1]))
    assert changes.before == plain
    assert changes.are_apart() == (len(plain) == sum(len(some) for some, _, _ in script))
