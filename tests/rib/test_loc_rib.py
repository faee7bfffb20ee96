import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.families import IPV4_UNICAST
from bgpd.identity import PeerType
from bgpd.rib.decision import order
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Path
from tests.support.paths import path, peer_source, prefix

NETWORK = prefix("10.65.0.0/26")
OTHER = prefix("10.65.0.64/26")


def quiet() -> None:
    """Nobody waits for changes."""


def test_a_single_path_is_held_by_its_own_tuple() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    only = path(peer_source(1))
    rib.announce([NETWORK, OTHER], only)
    assert rib.table[NETWORK] is rib.table[OTHER] is only.alone
    assert only.source.accepted == 2


def test_a_path_replaces_the_one_from_the_same_source() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    source = peer_source(1)
    old, new = path(source, local_pref=1), path(source, local_pref=2)
    rib.announce([NETWORK], old)
    rib.announce([NETWORK], new)
    assert rib.table == {NETWORK: (new,)}
    assert source.accepted == 1


@given(
    st.lists(st.sampled_from([NETWORK, OTHER, prefix("10.65.0.128/26"), prefix("10.65.0.192/26")])),
    st.lists(st.sampled_from([NETWORK, OTHER])),
    st.lists(st.sampled_from([OTHER, prefix("10.65.0.128/26")])),
)
def test_new_known_and_repeated_prefixes_may_come_in_one_message(
    announced: list[bytes], from_another: list[bytes], known: list[bytes]
) -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    it, another = path(peer_source(1)), path(peer_source(2))
    rib.announce(from_another, another)
    rib.announce(known, it)
    rib.take_changes()
    had = dict(rib.table)
    new = rib.announce(announced, it)
    changes = rib.take_changes()
    now = dict(rib.table)
    assert sorted(new) == sorted({*announced} - {*known})
    assert it.held == len({*announced, *known})
    assert now == had | {key: order([it, another]) if key in from_another else (it,) for key in announced}
    assert it.source.accepted == len({*announced, *known})
    fresh = [key for had_before, _, run in changes.runs if had_before is None for key in run]
    assert set(fresh) == {key for key in now if key not in had} or not changes.runs
    assert changes.before == {key: had.get(key) for key in now if now[key] != had.get(key)}


def test_withdrawing_what_the_source_does_not_have_changes_nothing() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    rib.announce([NETWORK], path(peer_source(1)))
    rib.take_changes()
    rib.withdraw([NETWORK, OTHER], peer_source(2))
    assert not rib.has_changes
    assert NETWORK in rib.table


def test_an_empty_table_takes_no_room() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    only = path(peer_source(1))
    prefixes = [b"\x18" + number.to_bytes(3) for number in range(1000)]
    rib.announce(prefixes, only)
    rib.withdraw(prefixes, only.source)
    assert sys.getsizeof(rib.table) == sys.getsizeof({})


def test_changes_name_what_each_prefix_had_when_they_were_last_taken() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    first, second = path(peer_source(1)), path(peer_source(2))
    rib.announce([NETWORK], first)
    assert rib.take_changes().before == {NETWORK: None}
    rib.announce([NETWORK], second)
    rib.withdraw([NETWORK], first.source)
    assert rib.take_changes().before == {NETWORK: (first,)}
    assert rib.table == {NETWORK: (second,)}


def test_the_first_change_calls_once() -> None:
    calls: list[int] = []
    note: Callable[[], None] = lambda: calls.append(1)  # noqa: E731 - a function of one expression
    rib = LocRib(IPV4_UNICAST, note)
    rib.announce([NETWORK], path(peer_source(1)))
    rib.announce([OTHER], path(peer_source(1)))
    assert calls == [1]
    rib.take_changes()
    rib.announce([NETWORK], path(peer_source(2)))
    assert calls == [1, 1]


SOURCES = [peer_source(n) for n in (1, 2, 3)]
PATHS = [path(source, as_path=(asn,), med=med) for source in SOURCES for asn, med in ((7, 1), (7, 0), (8, 0))]
KEYS = [prefix(f"10.65.0.{n}/32") for n in range(4)]
steps = st.lists(
    st.tuples(st.lists(st.sampled_from(KEYS)), st.one_of(st.sampled_from(PATHS), st.sampled_from(SOURCES))), max_size=40
)


@given(steps)
def test_the_table_is_the_ordered_paths_of_all_sources(operations: list[tuple[list[bytes], object]]) -> None:
    for source in SOURCES:
        source.accepted = 0
    for one in PATHS:
        one.held = 0
    rib = LocRib(IPV4_UNICAST, quiet)
    plain: dict[bytes, dict[str, Path]] = {}
    for keys, what in operations:
        if isinstance(what, Path):
            new = rib.announce(keys, what)
            assert sorted(new) == sorted({key for key in keys if what.source.name not in plain.get(key, {})})
        else:
            gone = rib.withdraw(keys, what)  # type: ignore[arg-type]
            assert sorted(gone) == sorted({key for key in keys if what.name in plain.get(key, {})})  # type: ignore[attr-defined]
        for key in keys:
            held = plain.setdefault(key, {})
            if isinstance(what, Path):
                held[what.source.name] = what
            else:
                held.pop(what.name, None)  # type: ignore[attr-defined]
    assert rib.table == {key: order(held.values()) for key, held in plain.items() if held}
    for source in SOURCES:
        assert source.accepted == sum(source.name in held for held in plain.values())
    for one in PATHS:
        assert one.held == sum(one in held.values() for held in plain.values())


EXTERNAL = [peer_source(n, PeerType.EXTERNAL) for n in (1, 2, 3)]
EXTERNAL_PATHS = [
    path(source, as_path=(asn,), med=med, local_pref=preference)
    for source in EXTERNAL
    for asn, med, preference in ((7, 1, 100), (7, 0, 100), (8, 0, 100), (8, 0, 200))
]


def survivors(paths: list[Path]) -> list[Path]:
    """Return the paths that RFC 4271 9.1.2.2 has not put out before step f, where all are external and as near."""
    best = max(p.attributes.local_pref or 0 for p in paths)
    left = [p for p in paths if p.attributes.local_pref == best]
    return [p for p in left if not any(q.group == p.group and q.med < p.med for q in left)]


@pytest.mark.rfc("5004", "3")
@given(st.lists(st.one_of(st.sampled_from(EXTERNAL_PATHS), st.sampled_from(EXTERNAL)), max_size=30))
def test_the_present_best_external_path_gives_way_to_better_ones_only(script: list[object]) -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    rib.prefers_oldest = True
    held: dict[str, Path] = {}
    best = ""
    for what in script:
        if isinstance(what, Path):
            rib.announce([NETWORK], what)
            held[what.source.name] = what
        else:
            rib.withdraw([NETWORK], what)  # type: ignore[arg-type]
            held.pop(what.name, None)  # type: ignore[attr-defined]
        if not held:
            assert NETWORK not in rib.table
            continue
        plain = order(held.values())
        left = survivors(list(held.values()))
        best = best if held.get(best) in left else plain[0].source.name
        assert rib.table[NETWORK][0] is held[best]
        assert set(rib.table[NETWORK]) == set(held.values())


def test_all_is_put_in_order_again_when_age_does_not_count_any_more() -> None:
    rib = LocRib(IPV4_UNICAST, quiet)
    rib.prefers_oldest = True
    first, second = path(EXTERNAL[1], as_path=(7,)), path(EXTERNAL[0], as_path=(7,))
    for made in (first, second):
        rib.announce([NETWORK, OTHER], made)
    rib.take_changes()
    rib.prefers_oldest = False
    for _ in rib.order_again():
        pass
    assert rib.table == {NETWORK: (second, first), OTHER: (second, first)}
    assert rib.take_changes().before == {NETWORK: (first, second), OTHER: (first, second)}
