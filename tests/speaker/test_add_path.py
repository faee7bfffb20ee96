"""A reflector that tells its clients several paths of a prefix (RFC 7911), between whole speakers in memory."""

import pytest

from bgpd.addresses import parse_prefix
from bgpd.api import views
from bgpd.api.operations import RouteQuery
from bgpd.api.rows import Explanation, RouteRow
from bgpd.families import IPV4_UNICAST
from bgpd.messages.route_refresh import RouteRefresh, Subtype
from bgpd.rib.path import Path
from tests.support.cluster import Cluster, address, cluster, network, peer

ANYCAST = "10.65.0.0/24"
REFLECTOR, OBSERVER = 1, 9
IS_REFLECTOR = 'cluster_id = "244.0.0.1"'


def client(number: int, **options: str) -> str:
    return peer(number, reflector_client="true", **options)


def reflector(*origins: int, tables: str = "", **options: str) -> str:
    """Return the reflector's tables: origins are told the best path, the observer several."""
    options = {"add_path": '"send"'} | options
    return "".join(map(client, origins)) + client(OBSERVER, **options) + tables


def start(made: Cluster, *origins: int, tables: str = "", **options: str) -> None:
    made.start(REFLECTOR, reflector(*origins, tables=tables, **options), node=IS_REFLECTOR)
    for number in origins:
        made.start(number, peer(REFLECTOR) + network(ANYCAST))
    made.start(OBSERVER, peer(REFLECTOR, add_path='"receive"'))
    made.established()
    made.run(1)


def paths(made: Cluster, number: int = OBSERVER, prefix: str = ANYCAST) -> tuple[Path, ...]:
    family, key = parse_prefix(prefix)
    return made.speakers[number].loc_ribs[family].table.get(key, ())


def origins(made: Cluster, number: int = OBSERVER) -> list[int]:
    """Return which speakers' paths one has, by the last octet of the next hop, best first."""
    return [path.next_hop.address[-1] for path in paths(made, number)]


def ids(made: Cluster) -> dict[int, int]:
    """Return origin → path identifier."""
    return {path.next_hop.address[-1]: path.source.path_id for path in paths(made)}


def sent(made: Cluster, to: int = OBSERVER) -> list[RouteRow]:
    query = RouteQuery()
    slices = views.routes_out(made.peer(REFLECTOR, to), query)
    return [row for each in slices for row in each.rows]


def explained(made: Cluster) -> Explanation:
    family, prefix = parse_prefix(ANYCAST)
    return views.explain(made.speakers[REFLECTOR], RouteQuery(family=family, prefix=prefix))


@pytest.mark.rfc("7911", "4")
def test_all_paths_arrive_with_identifiers_of_their_own() -> None:
    with cluster() as made:
        start(made, 2, 3, 4)
        assert sorted(origins(made)) == [2, 3, 4]
        assert len(set(ids(made).values())) == 3
        assert all(path.attributes.cluster_list for path in paths(made))
        assert {path.attributes.originator_id for path in paths(made)} == {
            path.source.identifier for path in paths(made, REFLECTOR)
        }
        assert {(row.path_id, row.next_hop) for row in sent(made)} == {
            (path_id, address(origin)) for origin, path_id in ids(made).items()
        }
        told, member = made.peer(REFLECTOR, OBSERVER).members[IPV4_UNICAST]
        assert told.rib.advertised(member.peer) == 3
        assert [row.path_id for row in sent(made, 3)] == [0]


@pytest.mark.rfc("7911", "4")
@pytest.mark.parametrize(
    ("ours", "theirs"), [("none", "receive"), ("receive", "receive"), ("send", "none"), ("both", "send")]
)
def test_without_a_sender_and_a_receiver_the_best_path_alone_is_sent(ours: str, theirs: str) -> None:
    with cluster() as made:
        made.start(REFLECTOR, reflector(2, 3, add_path=f'"{ours}"'), node=IS_REFLECTOR)
        for number in (2, 3):
            made.start(number, peer(REFLECTOR) + network(ANYCAST))
        made.start(OBSERVER, peer(REFLECTOR, add_path=f'"{theirs}"'))
        made.established()
        made.run(1)
        assert origins(made) == [2]
        assert [path.source.path_id for path in paths(made)] == [0]


def test_each_direction_and_family_is_agreed_on_its_own() -> None:
    families = '["ipv4-unicast", "ipv6-unicast"]'
    with cluster() as made:
        made.start(
            REFLECTOR,
            client(2, families=families)
            + client(3, families=families)
            + client(OBSERVER, families=families, add_path='"both"'),
            node=IS_REFLECTOR,
        )
        for number in (2, 3):
            made.start(number, peer(REFLECTOR, families=families) + network(ANYCAST) + network("fd10::/64"))
        made.start(OBSERVER, peer(REFLECTOR, families=families, add_path='"both"') + network("10.66.0.0/24"))
        made.established()
        made.run(1)
        assert len(paths(made)) == len(paths(made, prefix="fd10::/64")) == 2
        [received] = paths(made, REFLECTOR, "10.66.0.0/24")
        assert received.source.path_id  # ours have identifiers too


def test_a_failure_of_the_best_leaves_the_next_one_without_a_gap() -> None:
    with cluster() as made:
        start(made, 2, 3, 4)
        before = ids(made)
        best = origins(made)[0]
        made.speakers[best].drain()
        for _ in range(2000):
            made.run(0.00005)
            assert paths(made)
        assert origins(made) == [number for number in (2, 3, 4) if number != best]
        assert ids(made) == {origin: path_id for origin, path_id in before.items() if origin != best}


@pytest.mark.rfc("7911", "3")
def test_a_path_that_changes_keeps_its_identifier() -> None:
    with cluster() as made:
        start(made, 2, 3)
        before = ids(made)
        made.speakers[3].reload(made.config(3, peer(REFLECTOR) + network(ANYCAST, communities='["64512:7"]')))
        made.run(1)
        changed = {path.next_hop.address[-1]: path.attributes.communities for path in paths(made)}
        assert changed == {2: (), 3: (64512 << 16 | 7,)}
        assert ids(made) == before


def test_a_limit_leaves_the_best_and_another_takes_the_place_of_one_that_goes() -> None:
    with cluster() as made:
        start(made, 2, 3, 4, 5, add_path_send_limit="2")
        assert origins(made) == [2, 3]
        whys = {export.peer: export for export in explained(made).exports}[address(OBSERVER)]
        assert whys.is_sent
        assert len(whys.path_ids) == 2
        assert whys.why == "; ".join(f"{address(n)}: 2 better paths are sent (add_path_send_limit)" for n in (4, 5))
        made.speakers[2].drain()
        made.run(1)
        assert origins(made) == [3, 4]
        made.speakers[REFLECTOR].reload(made.config(REFLECTOR, reflector(2, 3, 4, 5), node=IS_REFLECTOR))
        made.run(1)
        assert origins(made) == [3, 4, 5]
        made.speakers[REFLECTOR].reload(
            made.config(REFLECTOR, reflector(2, 3, 4, 5, add_path_send_limit="1"), node=IS_REFLECTOR)
        )
        made.run(1)
        assert origins(made) == [3]
        assert made.peer(REFLECTOR, OBSERVER).session.flaps == 0


def test_export_policy_judges_each_path() -> None:
    policy = (
        '[[policy]]\nname = "p"\nrules = [ { communities = ["64512:9"], action = "reject" } ]\ndefault = "accept"\n'
    )
    with cluster() as made:
        start(made, 2, 3, 4, tables=policy, export='["p"]')
        marked = peer(REFLECTOR) + network(ANYCAST, communities='["64512:9"]')
        made.speakers[2].reload(made.config(2, marked))  # the best
        made.run(1)
        assert origins(made) == [3, 4]
        whys = {export.peer: export for export in explained(made).exports}[address(OBSERVER)]
        assert whys.is_sent
        assert whys.why == f"{address(2)}: export policy: p rule 1"
        made.speakers[3].reload(made.config(3, marked))
        made.speakers[4].reload(made.config(4, marked))
        made.run(1)
        assert origins(made) == []
        made.speakers[2].reload(made.config(2, peer(REFLECTOR) + network(ANYCAST)))
        made.run(1)
        assert origins(made) == [2]


@pytest.mark.rfc("4456", "6")
def test_a_non_client_is_told_the_paths_of_clients_only() -> None:
    with cluster() as made:
        tables = client(2) + client(3) + peer(4) + peer(OBSERVER, add_path='"send"')
        made.start(REFLECTOR, tables + network(ANYCAST), node=IS_REFLECTOR)
        for number in (2, 3, 4):
            made.start(number, peer(REFLECTOR) + network(ANYCAST))
        made.start(OBSERVER, peer(REFLECTOR, add_path='"receive"'))
        made.established()
        made.run(1)
        assert sorted(origins(made)) == [1, 2, 3]


def test_a_peer_is_not_told_its_own_paths_and_gets_as_many_others() -> None:
    with cluster() as made:
        made.start(
            REFLECTOR,
            "".join(client(n, add_path='"both"', add_path_send_limit="2") for n in (2, 3, 4, 5)),
            node=IS_REFLECTOR,
        )
        for number in (2, 3, 4, 5):
            made.start(number, peer(REFLECTOR, add_path='"both"') + network(ANYCAST))
        made.established()
        made.run(1)
        told = {number: [row.peer for row in sent(made, number)] for number in (2, 3, 4, 5)}
        assert told == {
            2: [address(3), address(4)],
            3: [address(2), address(4)],
            4: [address(2), address(3)],
            5: [address(2), address(3)],
        }


def test_paths_that_one_peer_sends_are_reflected_as_so_many() -> None:
    with cluster() as made:
        made.start(REFLECTOR, client(10, add_path='"receive"') + client(OBSERVER, add_path='"send"'), node=IS_REFLECTOR)
        made.start(10, client(REFLECTOR, add_path='"send"') + client(2) + client(3), node='cluster_id = "244.0.0.2"')
        for number in (2, 3):
            made.start(number, peer(10) + network(ANYCAST))
        made.start(OBSERVER, peer(REFLECTOR, add_path='"receive"'))
        made.established()
        made.run(1)
        assert sorted(origins(made)) == [2, 3]
        assert len(set(ids(made).values())) == 2
        assert {len(path.attributes.cluster_list) for path in paths(made)} == {2}
        made.speakers[3].drain()
        made.run(1)
        assert origins(made) == [2]


def test_a_refresh_tells_all_paths_again() -> None:
    with cluster() as made:
        start(made, 2, 3)
        before = paths(made)
        peer_of_observer = made.peer(OBSERVER, REFLECTOR)
        rib = peer_of_observer.adj_ribs_in[IPV4_UNICAST]
        rib.mark_stale()
        peer_of_observer.session.send(RouteRefresh(1, 1, Subtype.REQUEST).encode())
        made.run(1)
        assert rib.stale == set()
        assert paths(made) == before


@pytest.mark.rfc("4724", "2")
def test_end_of_rib_comes_after_all_paths() -> None:
    with cluster() as made:
        start(made, 2, 3)
        assert IPV4_UNICAST in made.peer(OBSERVER, REFLECTOR).got_end_of_rib


def external(made: Cluster, *, oldest: bool) -> None:
    option = f"prefer_oldest_external = {str(oldest).lower()}"
    made.start(1, "".join(peer(n, asn=str(65000 + n), ebgp_requires_policy="false") for n in (2, 3)), node=option)
    for number in (2, 3):
        made.start(
            number,
            peer(1, asn="64512", ebgp_requires_policy="false") + (network(ANYCAST) if number == 3 else ""),
            asn=65000 + number,
        )
    made.established()
    made.until(1, ANYCAST)
    made.speakers[2].reload(
        made.config(2, peer(1, asn="64512", ebgp_requires_policy="false") + network(ANYCAST), asn=65002)
    )
    made.run(1)


@pytest.mark.rfc("5004", "3")
def test_the_oldest_external_path_stays_best_where_that_is_asked_for() -> None:
    with cluster() as made:
        external(made, oldest=True)
        assert origins(made, 1) == [3, 2]
        family, prefix = parse_prefix(ANYCAST)
        found = views.explain(made.speakers[1], RouteQuery(family=family, prefix=prefix))
        assert [(one.verdict, one.why) for one in found.candidates] == [
            ("best", "external path that was best already"),
            ("lost", "external path that was best already"),
        ]
        without = "".join(peer(n, asn=str(65000 + n), ebgp_requires_policy="false") for n in (2, 3))
        made.speakers[1].reload(made.config(1, without))
        made.run(1)
        assert origins(made, 1) == [2, 3]
        assert made.peer(1, 2).session.flaps == 0


def test_without_it_the_order_of_arrival_does_not_matter() -> None:
    with cluster() as made:
        external(made, oldest=False)
        assert origins(made, 1) == [2, 3]
