"""Whole speakers joined in memory: what one says, the others know."""

import re
from random import Random

import pytest

from bgpd.addresses import parse_address
from bgpd.families import IPV4_UNICAST
from bgpd.fsm.states import State
from bgpd.identity import BgpIdentifier
from bgpd.messages import nlri
from bgpd.messages.attributes import block
from bgpd.session.connection import Inbox
from bgpd.speaker.peer import Peer
from tests.support.cluster import address, cluster, mesh, network, peer


def test_a_mesh_learns_what_each_of_its_nodes_originates() -> None:
    with cluster() as made:
        mesh(made, 4)
        made.established()
        for number in range(1, 5):
            for other in range(1, 5):
                made.until(number, f"10.65.{other}.0/26")
        best = made.best(1, "10.65.2.0/26")
        assert best is not None
        assert best.next_hop.address == bytes((10, 0, 0, 2))
        assert made.peer(1, 2).members[IPV4_UNICAST][0].rib.advertised(made.peer(1, 2)) == 1


def test_a_network_that_is_taken_out_is_withdrawn_everywhere_and_no_session_moves() -> None:
    with cluster() as made:
        mesh(made, 3)
        made.established()
        made.until(3, "10.65.1.0/26")
        changes = made.speakers[1].reload(made.config(1, peer(2) + peer(3) + network("10.65.9.0/26")))
        assert changes.networks_removed
        made.until(3, "10.65.1.0/26", present=False)
        made.until(2, "10.65.9.0/26")
        assert [made.peer(n, 1).session.flaps for n in (2, 3)] == [0, 0]


def test_what_routes_are_cut_and_read_by_is_compiled_before_the_first_ones_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nlri.TOKENS.clear()
    block._plain_reader.cache_clear()
    compiled: list[object] = []
    too_late: list[object] = []
    compile_now, take = re.compile, Peer.updates_received

    def noted(*expression: object) -> object:
        compiled.append(expression)
        return compile_now(*expression)

    def watched(self: Peer, inbox: Inbox, stop: int) -> None:
        before = len(compiled)
        take(self, inbox, stop)
        too_late.extend(compiled[before:])

    monkeypatch.setattr(re, "compile", noted)
    monkeypatch.setattr(Peer, "updates_received", watched)
    with cluster() as made:
        mesh(made, 2)
        made.until(2, "10.65.1.0/26")
    assert compiled
    assert too_late == []


def test_a_peer_that_stops_for_good_takes_its_routes_with_it() -> None:
    with cluster() as made:
        mesh(made, 3)
        made.established()
        made.until(3, "10.65.1.0/26")
        made.speakers[1].drain()
        made.until(3, "10.65.1.0/26", present=False, within=1)
        assert "node is drained" in made.peer(3, 1).session.last_error


def test_a_changed_policy_judges_again_without_a_new_session() -> None:
    policy = '[[policy]]\nname = "mine"\nrules = [ { prefix = "10.65.1.0/26", action = "%s" } ]\n'
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1, import_='["mine"]') + policy % "reject")
        made.established()
        made.run(1)
        assert made.best(2, "10.65.1.0/26") is None
        assert len(made.peer(2, 1).adj_ribs_in[IPV4_UNICAST]) == 1
        made.speakers[2].reload(made.config(2, peer(1, import_='["mine"]') + policy % "accept"))
        made.until(2, "10.65.1.0/26")
        made.speakers[1].reload(
            made.config(1, peer(2, export='["mine"]') + network("10.65.1.0/26") + policy % "reject")
        )
        made.until(2, "10.65.1.0/26", present=False)
        made.speakers[1].reload(
            made.config(1, peer(2, export='["mine"]') + network("10.65.1.0/26") + policy % "accept")
        )
        made.until(2, "10.65.1.0/26")
        assert made.peer(2, 1).session.flaps == 0


def test_a_policy_that_changed_while_the_peer_was_away_judges_what_was_kept() -> None:
    policy = '[[policy]]\nname = "mine"\nrules = [ { prefix = "10.65.1.0/26", action = "%s" } ]\n'
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1, import_='["mine"]') + policy % "accept")
        made.until(2, "10.65.1.0/26")
        made.network.block(address(1), address(2))
        made.network.cut(address(1), address(2))
        made.run(5)
        made.speakers[2].reload(made.config(2, peer(1, import_='["mine"]') + policy % "reject"))
        made.network.unblock(address(1), address(2))
        made.established(within=60)
        made.until(2, "10.65.1.0/26", present=False)


@pytest.mark.rfc("4456", "8")
def test_a_reflector_tells_each_of_twenty_clients_all_routes_of_the_others() -> None:
    with cluster() as made:
        clients = range(2, 22)
        made.start(
            1,
            "".join(peer(n, reflector_client="true", passive="true") for n in clients),
            node='cluster_id = "244.0.0.1"',
        )
        for number in clients:
            made.start(number, peer(1) + network(f"10.65.{number}.0/26"))
        made.established(within=30)
        for number in clients:
            for other in clients:
                made.until(number, f"10.65.{other}.0/26")
                best = made.best(number, f"10.65.{other}.0/26")
                assert best is not None
                if other != number:
                    assert best.attributes.originator_id == BgpIdentifier(0x0A000000 + other)
                    assert best.attributes.cluster_list == (BgpIdentifier(0xF4000001),)
                    assert best.next_hop.address == bytes((10, 0, 0, other))
        assert len(made.speakers[1].groups) == 1


def test_a_peer_from_a_range_is_accepted_up_to_the_limit() -> None:
    accepting = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\nreflector_client = true\nlimit = 2\n'
    with cluster() as made:
        made.start(1, accepting, node='cluster_id = "244.0.0.1"')
        for number in (2, 3, 4):
            made.start(number, peer(1) + network(f"10.65.{number}.0/26"))
        made.run(5)
        up = [n for n in (2, 3, 4) if made.peer(n, 1).negotiated is not None]
        assert len(up) == 2
        made.until(up[0], f"10.65.{up[1]}.0/26")


def test_a_peer_from_a_range_that_does_not_come_back_is_forgotten_with_its_routes() -> None:
    accepting = '[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\n'
    with cluster() as made:
        made.start(1, accepting)
        made.start(2, peer(1) + network("10.65.2.0/26"))
        made.until(1, "10.65.2.0/26")
        made.network.block(address(1), address(2))
        made.network.cut(address(1), address(2))
        made.run(100)
        assert made.best(1, "10.65.2.0/26") is not None  # graceful restart
        made.run(200)
        assert made.best(1, "10.65.2.0/26") is None
        assert made.speakers[1].peers == {}


@pytest.mark.rfc("4486", "4")
def test_too_many_prefixes_close_the_session_for_the_time_configured() -> None:
    with cluster() as made:
        made.start(1, peer(2) + "".join(network(f"10.65.{n}.0/26") for n in range(5)))
        limit = "{ limit = 3, restart_after = 60 }"
        made.start(2, peer(1, max_prefixes=limit))
        made.run(5)
        assert "Maximum Prefixes Reached" in made.peer(2, 1).session.last_error
        assert made.peer(2, 1).session.state is State.IDLE
        assert made.best(2, "10.65.0.0/26") is None
        made.speakers[1].reload(made.config(1, peer(2) + network("10.65.0.0/26")))
        made.run(40)
        assert made.best(2, "10.65.0.0/26") is None
        made.until(2, "10.65.0.0/26", within=60)


def test_an_external_peer_without_policy_neither_gets_nor_gives() -> None:
    with cluster() as made:
        made.start(1, peer(2, asn="65002") + network("10.65.1.0/26"))
        made.start(2, peer(1, asn="64512", ebgp_requires_policy="false") + network("10.65.2.0/26"), asn=65002)
        made.established()
        made.run(1)
        assert made.best(2, "10.65.1.0/26") is None
        assert made.best(1, "10.65.2.0/26") is None
        rib = made.peer(1, 2).adj_ribs_in[IPV4_UNICAST]
        assert [path.rejected for _, path in rib.routes.items()] == ["eBGP session without an import policy (RFC 8212)"]


def test_a_pool_that_is_not_exported_stays_at_home() -> None:
    pool = '[[pool]]\ncidr = "10.65.0.0/16"\nexport = %s\n'
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26") + network("10.66.1.0/26") + pool % "false")
        made.start(2, peer(1))
        made.established()
        made.until(2, "10.66.1.0/26")
        made.run(1)
        assert made.best(2, "10.65.1.0/26") is None
        made.speakers[1].reload(
            made.config(1, peer(2) + network("10.65.1.0/26") + network("10.66.1.0/26") + pool % "true")
        )
        made.until(2, "10.65.1.0/26")


@pytest.mark.parametrize("seed", range(5))
def test_a_mesh_whose_links_fail_at_random_ends_up_right(seed: int) -> None:

    random = Random(seed)
    with cluster(latency=0.002, spread=0.02, seed=seed) as made:
        mesh(made, 5)
        for _ in range(20):
            first, second = random.sample(range(1, 6), 2)
            match random.randrange(4):
                case 0:
                    made.network.cut(address(first), address(second))
                case 1:
                    made.network.block(address(first), address(second))
                    made.run(random.uniform(0, 200))
                    made.network.unblock(address(first), address(second))
                case 2:
                    others = "".join(peer(other) for other in range(1, 6) if other != first)
                    extra = network(f"10.66.{random.randrange(9)}.0/24")
                    made.speakers[first].reload(made.config(first, others + network(f"10.65.{first}.0/26") + extra))
                case 3:
                    made.run(random.uniform(0, 3))
        made.established(within=300)
        made.run(400)
        tables = [
            {key: paths[0].attributes.as_path for key, paths in speaker.loc_ribs[IPV4_UNICAST].table.items()}
            for speaker in made.speakers.values()
        ]
        assert all(table == tables[0] for table in tables)
        assert len(tables[0]) >= 5
        for speaker in made.speakers.values():
            for one in speaker.peers.values():
                group, member = one.members[IPV4_UNICAST]
                assert member.backlog is None
                assert not one.adj_ribs_in[IPV4_UNICAST].stale
                assert group.rib.advertised(one) == len(speaker.origination.networks)


def test_of_two_reloads_with_another_port_the_second_counts_and_a_stop_ends_both() -> None:
    with cluster() as made:
        speaker = made.start(1, "")
        for port in (1790, 1791):
            speaker.reload(made.config(1, "", node=f"port = {port}"))
        made.run(1)
        assert speaker.listener.addresses == ((parse_address(address(1)), 1791),)
        for port in (1792, 1793):
            speaker.reload(made.config(1, "", node=f"port = {port}"))
        made.loop.run_until_complete(speaker.stop())
        made.run(1)
        assert speaker.listener.addresses == ()
