"""Whatever happens to a peer's routes, its Adj-RIB-In and the Loc-RIB hold what two plain dictionaries would."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.communities import LLGR_STALE, NO_LLGR
from bgpd.families import IPV4_UNICAST
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes, Fault
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.rib import adj_rib_in, key_log, received_routes
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.admission import Admission
from bgpd.rib.decision import order, rank
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import NextHop, Path, Source
from tests.support.paths import negotiated, path, peer_source, prefix

PREFIXES = [prefix(f"10.65.0.{n}/32") for n in range(6)]
HOPS = ("10.1.0.1", "10.1.0.2")
PLAIN = [
    path(peer_source(1), local_pref=local_pref, next_hop=hop).attributes for local_pref in (1, 2, 3) for hop in HOPS
]
ATTRIBUTES = [*PLAIN, block.replace(PLAIN[0], communities=(NO_LLGR,))]
MALFORMED = b"\x40\x01\x01\x07" + PLAIN[0].octets[4:]  # ORIGIN 7
SECOND, THIRD = peer_source(2), peer_source(3)
OTHERS = [path(SECOND, local_pref=2), path(SECOND, local_pref=9), path(THIRD, local_pref=2)]
PREFERRED = 7  # the weight of what policy likes


class Policy:
    """What an importer does: rejects and prefers paths by LOCAL_PREF and, with ``judges_prefixes``, by the prefix."""

    def __init__(self, rejects: int = 0, prefers: int = 0, closed: int = 0, liked: int = 0) -> None:
        self.rejects, self.prefers = rejects, prefers
        self.closed, self.liked = closed, liked  # bit n: PREFIXES[n]
        self.judges_prefixes = bool(closed or liked)
        is_open = not (rejects or prefers or closed or liked)
        self.everyday_rules = Admission((), 0, None, frozenset()) if is_open else None
        self._copies: dict[Path, Path] = {}

    def weight(self, attributes: Attributes, key: bytes, reach: "Reaches") -> int | None:
        """Return the weight that a route should have in the Loc-RIB, None = it should not be there."""
        bit = 1 << PREFIXES.index(key)
        if attributes.local_pref == self.rejects or attributes.next_hop in reach.lost or bit & self.closed:
            return None
        return PREFERRED if attributes.local_pref == self.prefers or bit & self.liked else 0

    def admit(self, path: Path) -> None:
        local_pref = path.attributes.local_pref
        if local_pref == self.rejects or not path.next_hop.is_reachable:
            path.rejected, path.imported = "not wanted", None
        elif local_pref == self.prefers:
            path.imported = self._copy(path)

    def judge(self, path: Path, prefix: bytes) -> Path | None:
        bit = 1 << PREFIXES.index(prefix)
        return None if bit & self.closed else self._copy(path) if bit & self.liked else path.imported

    def points_to(self, changed: Collection[NextHop]) -> bool:
        return not changed

    def refused(self, fault: TreatAsWithdraw) -> None:
        """Nobody asks."""

    def discarded(self, faults: tuple[Fault, ...]) -> None:
        """Nobody asks."""

    def _copy(self, path: Path) -> Path:
        copy = self._copies.get(path)
        if copy is None:
            copy = self._copies[path] = Path(path.source, path.family, path.attributes, path.next_hop)
            copy.weight = PREFERRED
            rank(copy)
        return copy


class Reach:
    """How an address is reached."""

    metric, gateway, device, device_name, why = 0, b"", 1, "eth0", ""

    def __init__(self, *, is_reachable: bool) -> None:
        self.is_reachable = is_reachable


class Reaches:
    """Answers lookups. lost: addresses that are not reached."""

    def __init__(self) -> None:
        self.lost: set[bytes] = set()

    def lookup(self, address: bytes, interface: int = 0) -> Reach:
        del interface
        return Reach(is_reachable=address not in self.lost)


class Bench:
    """An Adj-RIB-In and a Loc-RIB beside the plain ones. table: key → attributes; others: by prefix and source."""

    def __init__(self, *, with_ids: bool) -> None:
        self.with_ids = with_ids
        self.session = replace(negotiated(), add_path_receive=frozenset({IPV4_UNICAST}) if with_ids else frozenset())
        self.loc_rib = LocRib(IPV4_UNICAST, lambda: None)
        self.reaches, self.policy = Reaches(), Policy()
        self.next_hops = NextHopTable(self.reaches)
        self.jobs: list[Iterator[None]] = []
        self.table: dict[bytes, Attributes] = {}
        self.stale: set[bytes] = set()
        self.others: dict[tuple[bytes, str], Path] = {}
        self.rib = self._open()

    def _open(self) -> AdjRibIn:
        return AdjRibIn(IPV4_UNICAST, self.loc_rib, self.next_hops, self.policy, self._source, self.session)

    def _source(self, path_id: int) -> Source:
        return peer_source(1, path_id=path_id)

    def keys(self, numbers: Sequence[int]) -> list[bytes]:
        ids = [(1 + number % 3).to_bytes(4) if self.with_ids else b"" for number in numbers]
        return [ids[at] + PREFIXES[number // 3] for at, number in enumerate(numbers)]

    # what can happen

    def announce(self, what: int, numbers: Sequence[int]) -> None:
        attributes, keys = ATTRIBUTES[what], self.keys(numbers)
        self.rib.announce(attributes.octets, None, keys)
        self.table.update(dict.fromkeys(keys, attributes))
        self.stale.difference_update(keys)

    def announce_run(self, what: int, numbers: Sequence[int]) -> None:
        """Announce the keys one by one, with attributes in turn."""
        if self.with_ids:
            return
        turn = [*ATTRIBUTES, None]
        sent = [(turn[(what + at) % len(turn)], key) for at, key in enumerate(self.keys(numbers))]
        run = [(MALFORMED if one is None else one.octets, None, [key]) for one, key in sent]
        while run:
            taken = self.rib.announce_run(run)
            if not taken:
                self.rib.announce(*run[0])
                taken = 1
            del run[:taken]
        for attributes, key in sent:
            if attributes is None:
                self._gone([key])
            else:
                self.table[key] = attributes
                self.stale.discard(key)

    def announce_malformed(self, _: int, numbers: Sequence[int]) -> None:
        self.rib.announce(MALFORMED, None, self.keys(numbers))
        self._gone(self.keys(numbers))

    def withdraw(self, _: int, numbers: Sequence[int]) -> None:
        self.rib.withdraw(self.keys(numbers))
        self._gone(self.keys(numbers))

    def mark_stale(self, what: int, _: Sequence[int]) -> None:
        self.rib.mark_stale()
        self.stale = set(self.table)
        if what % 2:
            self.rib.renegotiate(self.session, what)
            self.jobs.append(self.rib.evaluate_again(self.policy))

    def end_of_stale(self, _: int, __: Sequence[int]) -> None:
        assert self.rib.end_of_stale() == len(self.stale)
        self._gone(list(self.stale))

    def begin_long_lived(self, _: int, __: Sequence[int]) -> None:
        self.run_jobs()
        for _ in self.rib.begin_long_lived():
            pass
        for key in list(self.stale):
            communities = self.table[key].communities
            if NO_LLGR in communities:
                self._gone([key])
            elif LLGR_STALE not in communities:
                self.table[key] = block.replace(self.table[key], communities=(*communities, LLGR_STALE))

    def clear(self, _: int, __: Sequence[int]) -> None:
        self.jobs.append(self.rib.clear())
        self.rib = self._open()
        self._gone(list(self.table))

    def change_policy(self, what: int, numbers: Sequence[int]) -> None:
        marks = [sum(1 << number // 3 for number in set(some)) for some in (numbers[:2], numbers[2:])]
        self.policy = Policy(what % 4, what // 2, *(marks if what % 2 else ()))
        self.jobs.append(self.rib.evaluate_again(self.policy))

    def change_next_hop(self, what: int, _: Sequence[int]) -> None:
        self.reaches.lost ^= {ATTRIBUTES[what].next_hop}
        self.jobs.append(self.rib.resolve_again(self.next_hops.refresh()))

    def work(self, _: int, __: Sequence[int]) -> None:
        """Do one slice."""
        if self.jobs and next(self.jobs[0], self) is self:
            self.jobs.pop(0)

    def announce_other(self, what: int, numbers: Sequence[int]) -> None:
        other, prefixes = OTHERS[what % 3], [PREFIXES[number // 3] for number in numbers]
        self.loc_rib.announce(prefixes, other)
        self.others.update({(prefix, other.source.name): other for prefix in prefixes})

    def withdraw_other(self, what: int, numbers: Sequence[int]) -> None:
        source, prefixes = OTHERS[what % 3].source, [PREFIXES[number // 3] for number in numbers]
        self.loc_rib.withdraw(prefixes, source)
        for each in prefixes:
            self.others.pop((each, source.name), None)

    def take_changes(self, _: int, __: Sequence[int]) -> None:
        self.loc_rib.take_changes()

    def _gone(self, keys: list[bytes]) -> None:
        for key in keys:
            self.table.pop(key, None)
            self.stale.discard(key)

    def run_jobs(self) -> None:
        while self.jobs:
            self.work(0, ())

    # what must hold

    def check_received(self) -> None:
        """At any time: each route is there, as it came."""
        routes = self.rib.routes
        assert Counter(routes.keys()) == Counter(self.table.keys())
        assert {key: held.attributes.octets for key, held in routes.items()} == {
            key: attributes.octets for key, attributes in self.table.items()
        }
        assert len(self.rib) == len(self.table)
        assert self.rib.stale == self.stale
        for key in self.keys(range(3 * len(PREFIXES))):
            held = routes.get(key)
            assert (held and held.attributes.octets) == (self.table[key].octets if key in self.table else None)
            assert (key in routes) == (key in self.table)

    def check_used(self) -> None:
        """When nothing is left to do: the Loc-RIB has what policy lets in, and no more."""
        skip = 4 if self.with_ids else 0
        wanted: dict[tuple[bytes, str, int], tuple[bytes, int]] = {
            (key, name, 0): (other.attributes.octets, 0) for (key, name), other in self.others.items()
        }
        for key, attributes in self.table.items():
            weight = self.policy.weight(attributes, key[skip:], self.reaches)
            if weight is not None:
                wanted[key[skip:], "peer1", int.from_bytes(key[:skip])] = (attributes.octets, weight)
        found = {
            (key, one.source.name, one.source.path_id): (one.attributes.octets, one.weight)
            for key, paths in self.loc_rib.table.items()
            for one in paths
        }
        assert found == wanted
        assert sum(map(len, self.loc_rib.table.values())) == len(wanted)
        assert all(paths == order(paths) for paths in self.loc_rib.table.values())
        assert self.rib.accepted == sum(name == "peer1" for _, name, _ in wanted)
        assert self.rib.accepted == sum(source.accepted for source in self.rib.sources.values())

    def check_held(self) -> None:
        """Each path knows how many prefixes have it, and each that a route has is interned."""
        held = Counter(one.received or one for paths in self.loc_rib.table.values() for one in paths)
        assert all(one.held == count for one, count in held.items())
        interned = set(self.rib._paths.values())
        assert all(one.held == held[one] for one in interned)
        assert {one for _, one in self.rib.routes.items()} <= interned
        assert all(len(one.alone) == 1 for one in held)
        assert len(interned) <= 2 * len(self.table) + len(ATTRIBUTES) + 3


EVENTS = [
    Bench.announce,
    Bench.announce,
    Bench.announce,
    Bench.announce_run,
    Bench.announce_run,
    Bench.withdraw,
    Bench.announce_malformed,
    Bench.mark_stale,
    Bench.end_of_stale,
    Bench.begin_long_lived,
    Bench.clear,
    Bench.change_policy,
    Bench.change_next_hop,
    Bench.work,
    Bench.work,
    Bench.announce_other,
    Bench.withdraw_other,
    Bench.take_changes,
]
SCRIPTS = st.lists(
    st.tuples(
        st.sampled_from(EVENTS),
        st.integers(0, len(ATTRIBUTES) - 1),
        st.lists(st.integers(0, 3 * len(PREFIXES) - 1), min_size=1, max_size=6),
    ),
    max_size=40,
)


@pytest.mark.parametrize("with_ids", [False, True])
@given(script=SCRIPTS)
@settings(deadline=None)
def test_all_routes_are_what_a_plain_table_would_hold(
    script: list[tuple[object, int, list[int]]], with_ids: bool
) -> None:
    bench = Bench(with_ids=with_ids)
    for one in OTHERS:
        one.held = one.source.accepted = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(received_routes, "SLICE", 2)
        patched.setattr(adj_rib_in, "_RENEWED", 2)
        patched.setattr(adj_rib_in, "_FEW", 2)
        patched.setattr(key_log, "_FEW", 2)
        for event, what, numbers in script:
            event(bench, what, numbers)  # type: ignore[operator]  # methods of Bench
            bench.check_received()
            if not bench.jobs:
                bench.check_used()
                bench.check_held()
        bench.run_jobs()
        bench.check_received()
        bench.check_used()
        bench.check_held()
