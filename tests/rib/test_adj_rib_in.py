import gc
from collections.abc import Collection, Iterator
from dataclasses import replace

import pytest

from bgpd.errors import UpdateError
from bgpd.families import IPV4_UNICAST
from bgpd.messages.attributes import block
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.decision import rank
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import NextHop, Path, Source
from bgpd.rib.received_routes import ReceivedRoutes
from tests.support.paths import negotiated, path, peer_source, prefix

KEYS = [prefix(f"10.65.0.{n}/32") for n in range(5)]
BLOCK = path(peer_source(1), local_pref=100, next_hop="10.1.0.1").attributes.octets
OTHER = path(peer_source(1), local_pref=200, next_hop="10.1.0.1").attributes.octets


class Importer:
    """Rejects what it is told to, and remembers what it hears."""

    def __init__(self, *, judges_prefixes: bool = False) -> None:
        self.judges_prefixes = judges_prefixes
        self.everyday_rules = None
        self.rejects: set[int] = set()  # LOCAL_PREFs
        self.rejected_prefixes: set[bytes] = set()
        self.faults: list[TreatAsWithdraw] = []
        self.admitted = 0

    def admit(self, path: Path) -> None:
        self.admitted += 1
        if path.attributes.local_pref in self.rejects:
            path.rejected, path.imported = "not wanted", None
        elif not path.next_hop.is_reachable:
            path.rejected, path.imported = path.next_hop.why, None

    def judge(self, path: Path, prefix: bytes) -> Path | None:
        return None if prefix in self.rejected_prefixes else path

    def points_to(self, changed: Collection[NextHop]) -> bool:
        del changed
        return False

    def refused(self, fault: TreatAsWithdraw) -> None:
        self.faults.append(fault)


class Copying(Importer):
    """Lets in copies."""

    def admit(self, path: Path) -> None:
        super().admit(path)
        path.imported = Path(path.source, path.family, path.attributes, path.next_hop)
        rank(path.imported)


class Reach:
    """Answers every lookup alike."""

    def __init__(self) -> None:
        self.is_reachable, self.metric, self.gateway, self.device, self.why = True, 0, b"", 1, ""
        self.device_name = "eth0"

    def lookup(self, address: bytes, interface: int = 0) -> "Reach":
        del address, interface
        answer = Reach()
        answer.__dict__.update(self.__dict__)
        return answer


class Bench:
    def __init__(self, importer: Importer | None = None, session: Negotiated | None = None) -> None:
        self.loc_rib = LocRib(IPV4_UNICAST, lambda: None)
        self.importer = importer or Importer()
        self.reach = Reach()
        self.next_hops = NextHopTable(self.reach)
        self.sources: list[Source] = []
        self.rib = AdjRibIn(
            IPV4_UNICAST, self.loc_rib, self.next_hops, self.importer, self._source, session or negotiated()
        )

    def _source(self, path_id: int) -> Source:
        source = peer_source(1)
        source.path_id = path_id
        self.sources.append(source)
        return source

    def received(self, key: bytes) -> Path:
        found = self.rib.routes.get(key)
        assert found is not None
        return found

    def best(self, key: bytes) -> int | None:
        candidates = self.loc_rib.table.get(key)
        return candidates[0].attributes.local_pref if candidates else None


def run(job: Iterator[None]) -> None:
    for _ in job:
        pass


def test_prefixes_with_the_same_attributes_share_one_path() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS[:2])
    bench.rib.announce(BLOCK, None, KEYS[2:])
    assert len({held for _, held in bench.rib.routes.items()}) == 1
    assert bench.importer.admitted == 1
    assert bench.rib.accepted == len(bench.rib) == 5


@pytest.mark.rfc("4271", "3.1")
def test_a_new_announcement_replaces_and_a_withdrawal_removes() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    bench.rib.announce(OTHER, None, KEYS[:1])
    bench.rib.withdraw([KEYS[1], prefix("192.0.2.0/24")])
    assert bench.best(KEYS[0]) == 200
    assert bench.best(KEYS[1]) is None
    assert bench.best(KEYS[2]) == 100


@pytest.mark.rfc("7606", "2")
def test_a_malformed_block_withdraws_its_prefixes() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    bench.rib.announce(b"\x40\x01\x01\x07" + BLOCK[4:], None, KEYS[:1])  # ORIGIN 7
    assert bench.best(KEYS[0]) is None
    assert bench.best(KEYS[1]) == 100
    assert "ORIGIN" in str(bench.importer.faults[0])


def test_an_unknown_well_known_attribute_is_the_sessions_end() -> None:
    with pytest.raises(UpdateError):
        Bench().rib.announce(BLOCK + b"\x40\x63\x00", None, KEYS)


def test_a_rejected_path_stays_to_be_seen_and_is_not_used() -> None:
    bench = Bench()
    bench.importer.rejects.add(200)
    bench.rib.announce(BLOCK, None, KEYS)
    bench.rib.announce(OTHER, None, KEYS[:1])
    assert bench.best(KEYS[0]) is None
    assert bench.received(KEYS[0]).rejected == "not wanted"
    assert (len(bench.rib), bench.rib.accepted) == (5, 4)


def test_policy_that_looks_at_prefixes_is_asked_for_each() -> None:
    bench = Bench(Importer(judges_prefixes=True))
    bench.importer.rejected_prefixes.add(KEYS[1])
    bench.rib.announce(BLOCK, None, KEYS)
    assert [bench.best(key) for key in KEYS] == [100, None, 100, 100, 100]


def test_a_changed_policy_judges_what_is_there_again() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS[:3])
    bench.rib.announce(OTHER, None, KEYS[3:])
    stricter = Importer()
    stricter.rejects.add(100)
    run(bench.rib.evaluate_again(stricter))
    assert [bench.best(key) for key in KEYS] == [None, None, None, 200, 200]
    run(bench.rib.evaluate_again(Importer()))
    assert [bench.best(key) for key in KEYS] == [100, 100, 100, 200, 200]


@pytest.mark.rfc("4271", "9.1.2.1")
def test_paths_follow_their_next_hop() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    bench.reach.is_reachable, bench.reach.why = False, "no route"
    run(bench.rib.resolve_again(bench.next_hops.refresh()))
    assert bench.loc_rib.table == {}
    assert bench.received(KEYS[0]).rejected == "no route"
    bench.reach.is_reachable, bench.reach.why, bench.reach.metric = True, "", 20
    run(bench.rib.resolve_again(bench.next_hops.refresh()))
    assert bench.loc_rib.table[KEYS[0]][0].next_hop.metric == 20
    bench.rib.announce(BLOCK, None, [prefix("192.0.2.0/24")])
    assert len({held for _, held in bench.rib.routes.items()}) == 1


@pytest.mark.rfc("4724", "4.2")
def test_stale_routes_stay_until_they_are_confirmed_or_swept() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    bench.rib.mark_stale()
    bench.rib.renegotiate(negotiated())
    bench.rib.announce(BLOCK, None, KEYS[:2])
    assert len(bench.loc_rib.table) == 5
    assert bench.rib.end_of_stale() == 3
    assert set(bench.loc_rib.table) == set(KEYS[:2])


def test_clearing_withdraws_all_and_leaves_other_sources_alone() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    other = path(peer_source(2))
    bench.loc_rib.announce(KEYS[:1], other)
    run(bench.rib.clear())
    assert bench.loc_rib.table == {KEYS[0]: (other,)}
    assert bench.rib.accepted == 0


@pytest.mark.rfc("7911", "5")
def test_path_identifiers_give_one_prefix_several_paths() -> None:
    session = replace(negotiated(), add_path_receive=frozenset({IPV4_UNICAST}))
    bench = Bench(session=session)
    bench.rib.announce(BLOCK, None, [b"\0\0\0\1" + KEYS[0], b"\0\0\0\1" + KEYS[1]])
    bench.rib.announce(OTHER, None, [b"\0\0\0\2" + KEYS[0]])
    assert [p.attributes.local_pref for p in bench.loc_rib.table[KEYS[0]]] == [200, 100]
    bench.rib.withdraw([b"\0\0\0\2" + KEYS[0]])
    assert bench.best(KEYS[0]) == 100
    bench.rib.mark_stale()
    assert bench.rib.end_of_stale() == 2
    assert bench.loc_rib.table == {}


@pytest.mark.rfc("7911", "5")
def test_new_identifiers_after_a_restart_leave_no_moment_without_a_path() -> None:
    session = replace(negotiated(), add_path_receive=frozenset({IPV4_UNICAST}))
    bench = Bench(session=session)
    bench.rib.announce(BLOCK, None, [b"\0\0\0\1" + key for key in KEYS])
    bench.rib.mark_stale()
    bench.rib.renegotiate(session)
    assert set(bench.loc_rib.table) == set(KEYS)
    bench.rib.announce(OTHER, None, [b"\0\0\0\7" + key for key in KEYS])
    assert set(bench.loc_rib.table) == set(KEYS)
    bench.rib.end_of_stale()
    assert [bench.best(key) for key in KEYS] == [200] * len(KEYS)
    assert all(len(candidates) == 1 for candidates in bench.loc_rib.table.values())


def test_paths_that_nothing_holds_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 10)
    bench = Bench()
    for med in range(100):
        attributes = block.replace(path(peer_source(1), local_pref=1).attributes, med=med)
        bench.rib.announce(attributes.octets, None, KEYS[:1])
    assert bench.rib.paths_held <= 30


def test_sources_of_path_identifiers_that_are_not_used_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 10)
    bench = Bench(session=replace(negotiated(), add_path_receive=frozenset({IPV4_UNICAST})))
    bench.rib.announce(BLOCK, None, [b"\0\0\0\1" + KEYS[1]])
    for number in range(2, 200):
        path_id = number.to_bytes(4)
        bench.rib.announce(BLOCK, None, [path_id + KEYS[0]])
        assert len(bench.loc_rib.table[KEYS[0]]) == 1
        bench.rib.withdraw([path_id + KEYS[0]])
    assert len(bench.rib.sources) <= 30
    bench.rib.announce(OTHER, None, [b"\0\0\0\2" + KEYS[0], b"\0\0\0\1" + KEYS[0]])
    assert len(bench.loc_rib.table[KEYS[0]]) == 2
    bench.rib.withdraw([b"\0\0\0\1" + KEYS[0], b"\0\0\0\1" + KEYS[1], b"\0\0\0\2" + KEYS[0]])
    assert bench.loc_rib.table == {}
    assert bench.rib.accepted == 0


def test_a_source_that_has_only_refused_routes_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 10)
    bench = Bench(session=replace(negotiated(), add_path_receive=frozenset({IPV4_UNICAST})))
    bench.importer.rejects.add(100)
    bench.rib.announce(BLOCK, None, [b"\0\0\0\1" + KEYS[0]])
    for med in range(100):
        attributes = block.replace(path(peer_source(1), local_pref=1).attributes, med=med)
        bench.rib.announce(attributes.octets, None, [b"\0\0\0\2" + KEYS[1]])
    assert bench.rib.paths_held <= 30
    run(bench.rib.evaluate_again(Importer()))
    assert bench.best(KEYS[0]) == 100
    bench.rib.withdraw([b"\0\0\0\1" + KEYS[0]])
    assert bench.best(KEYS[0]) is None


def test_a_last_resort_path_that_was_swept_meanwhile_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 2)
    monkeypatch.setattr("bgpd.rib.adj_rib_in._RENEWED", 1)
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    bench.rib.mark_stale()
    job = bench.rib.begin_long_lived()
    next(job)
    (confirmed,) = (key for key in KEYS if bench.loc_rib.table[key][0].is_stale)
    for med in range(10):
        attributes = block.replace(path(peer_source(1), local_pref=1).attributes, med=med)
        bench.rib.announce(attributes.octets, None, [confirmed])
    run(job)
    assert {key for key in KEYS if bench.loc_rib.table[key][0].is_stale} == set(KEYS) - {confirmed}


@pytest.mark.parametrize("kind", [Importer, Copying])
def test_dead_paths_do_not_wait_for_the_collector(kind: type[Importer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 10)
    bench = Bench(kind())
    gc.collect()
    gc.disable()
    try:
        for med in range(200):
            attributes = block.replace(path(peer_source(1), local_pref=1).attributes, med=med)
            bench.rib.announce(attributes.octets, None, KEYS[:1])
            bench.loc_rib.take_changes()
        run(bench.rib.evaluate_again(kind()))
        bench.loc_rib.take_changes()
        run(bench.rib.clear())
        bench.loc_rib.take_changes()
        alive = [one for one in gc.get_objects() if isinstance(one, Path) and one.source in bench.sources]
    finally:
        gc.enable()
    assert len(alive) <= 1  # the last one is still the local variable's


def test_sweeps_read_no_more_than_a_share_of_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 10)
    read: list[int] = []

    def noted(routes: ReceivedRoutes) -> set[Path]:
        read.append(len(routes))
        return refused_paths(routes)

    refused_paths = ReceivedRoutes.refused_paths
    monkeypatch.setattr(ReceivedRoutes, "refused_paths", noted)
    bench = Bench()
    bench.importer.rejects = {1}
    first = path(peer_source(1), local_pref=1).attributes
    blocks = [block.replace(first, med=med).octets for med in range(20)]
    keys = [prefix(f"10.{number >> 8}.{number & 255}.0/24") for number in range(4000)]
    for _ in range(3):
        for number in range(0, len(keys), 20):
            bench.rib.announce(blocks[number // 20 % 20], None, keys[number : number + 20])
    assert 0 < sum(read) <= 3 * len(keys) * 2


def test_the_path_that_ends_a_run_is_judged_once_whatever_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._FEW", 2)
    bench = Bench()
    bench.importer.rejects = {7}
    first = path(peer_source(1), local_pref=1, next_hop="10.1.0.1").attributes
    blocks = [block.replace(first, local_pref=number).octets for number in range(1, 8)]
    run = [(each, None, [KEYS[0]]) for each in blocks]
    assert bench.rib.announce_run(run) == 6
    bench.rib.announce(*run[6])
    assert bench.importer.admitted == 7


def test_next_hops_that_change_again_before_the_first_job_ran_end_up_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.rib.adj_rib_in._RENEWED", 2)
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS)
    jobs = []
    for metric in (10, 20):
        bench.reach.metric = metric
        jobs.append(bench.rib.resolve_again(bench.next_hops.refresh()))
    for job in jobs:
        next(job, None)
        bench.rib.announce(BLOCK, None, [prefix("192.0.2.0/24")])
        run(job)
    assert {candidates[0].next_hop.metric for candidates in bench.loc_rib.table.values()} == {20}
    assert len({held for _, held in bench.rib.routes.items()}) == 1


def test_a_kept_table_has_the_index_of_a_link_that_was_made_again() -> None:
    bench = Bench()
    bench.rib.announce(BLOCK, None, KEYS[:1])
    bench.rib.mark_stale()
    bench.rib.renegotiate(negotiated(), 7)
    list(bench.rib.evaluate_again(bench.importer))
    assert bench.received(KEYS[0]).next_hop.interface == 7
