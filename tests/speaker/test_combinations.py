"""Options that nobody thought of together: a reflector whose configuration, peers and links change at random.

After each round its tables are held against what its configuration says of the routes that are there: every peer has
just what a new exporter would send it, and the Loc-RIB what new importers would let in. Slices are one prefix long, so
that jobs on whole tables meet all else that goes on.
"""

from random import Random

import pytest

from bgpd.families import Family
from bgpd.messages.attributes import block
from bgpd.messages.route_refresh import RouteRefresh, Subtype
from bgpd.rib import add_path, adj_rib_in, adj_rib_out, loc_rib, received_routes, update_group
from bgpd.rib.decision import order, rank
from bgpd.rib.path import Path, Source
from bgpd.speaker import Speaker, slices
from bgpd.speaker.exporting import GroupExporter
from bgpd.speaker.peer import Peer
from tests.support.cluster import Cluster, address, cluster, network, peer

HUB, INSIDE, OUTSIDE = 1, (2, 3, 4, 5), (6, 7)
TAKES_SEVERAL = (3, 4, 5, 7)
PREFIXES = [*(f"10.65.{n}.0/24" for n in range(4)), "10.66.0.7/32", "10.66.0.0/25"]
COMMUNITIES = ["65001:1", "65001:2", "blackhole", "graceful-shutdown", "no-llgr", "llgr-stale", "no-export"]
RULES = [
    '{ prefix = "10.65.1.0/24", action = "reject" }',
    '{ prefix = "10.65.2.0/24", action = "accept", add_communities = ["65009:9"] }',
    '{ communities = ["65001:1"], action = "next", set_weight = 5 }',
    '{ communities = ["65001:2"], action = "next", set_local_pref = "+10" }',
    '{ peer = ["10.0.0.3"], action = "reject" }',
    '{ from_peer = ["10.0.0.4"], action = "accept", prepend = [64999] }',
    '{ length = [25, 32], action = "next", set_med = 7 }',
    '{ action = "next", delete_communities = ["65001:*", "llgr-stale"] }',
    '{ action = "accept", set_next_hop = "10.0.0.9" }',
]
LOCAL_AS = ["[]", '["no-prepend"]', '["replace-as"]', '["no-prepend", "replace-as"]']


def hub(random: Random) -> tuple[str, str]:
    """Return the reflector's tables and keys of its node."""
    pick = random.choice
    text = (
        f"[session]\nlong_lived_graceful_restart = {{ stale_time = {pick([0, 60])} }}\nebgp_requires_policy = false\n"
    )
    for number in (*INSIDE, *OUTSIDE):
        options = {
            "import": pick(['["in"]', '["in", "out"]', "[]"]),
            "export": pick(['["out"]', '["out", "in"]', "[]"]),
        }
        if number in TAKES_SEVERAL:
            options |= {"add_path": '"both"', "add_path_send_limit": pick("012")}
        if number in INSIDE:
            options["reflector_client"] = "true"
        else:
            accepts = pick(["true", "false"])
            options |= {"blackhole": f"{{ accept = {accepts} }}", "graceful_shutdown": pick(["true", "false"])}
        if number == OUTSIDE[0]:
            options["role"] = '"provider"'
        elif number == OUTSIDE[1]:
            options |= {"local_asn": "64600", "local_asn_options": pick(LOCAL_AS)}
        text += peer(number, asn='"internal"' if number in INSIDE else str(65000 + number), **options)
    for name in ("in", "out"):
        text += f'[[policy]]\nname = "{name}"\nrules = [{", ".join(random.sample(RULES, random.randint(0, 4)))}]\n'
    if random.random() < 0.3:
        text += '[[pool]]\ncidr = "10.65.0.0/23"\nexport = false\n'
    oldest = pick(["true", "false"])
    return text + routes(random, 1), f'cluster_id = "10.0.0.1"\nprefer_oldest_external = {oldest}'


def leaf(random: Random, number: int) -> str:
    options = {"graceful_restart": "{ restart_time = 20 }", "ebgp_requires_policy": "false"}
    if number in TAKES_SEVERAL:
        options["add_path"] = '"both"'
    if number != INSIDE[-1]:
        options["long_lived_graceful_restart"] = "{ stale_time = 60 }"
    if number == OUTSIDE[0]:
        options["role"] = '"customer"'
    asn = '"internal"' if number in INSIDE else "64512" if number == OUTSIDE[0] else "64600"
    return peer(HUB, asn=asn, **options) + routes(random, random.randint(0, 5))


def routes(random: Random, count: int) -> str:
    chosen = [(prefix, random.sample(COMMUNITIES, random.randint(0, 2))) for prefix in random.sample(PREFIXES, count)]
    return "".join(network(prefix, communities=str(list(marks)).replace("'", '"')) for prefix, marks in chosen)


def asn_of(number: int) -> int:
    return 65000 + number if number in OUTSIDE else 64512


def disturb(made: Cluster, random: Random) -> None:
    """Let something happen."""
    speaker, number = made.speakers[HUB], random.choice((*INSIDE, *OUTSIDE))
    other = made.peer(HUB, number)
    match random.randrange(8):
        case 0 | 1:
            text, node = hub(random)
            speaker.reload(made.config(HUB, text, node=node))
        case 2 | 3:
            made.speakers[number].reload(made.config(number, leaf(random, number), asn=asn_of(number)))
        case 4:
            made.network.block(address(HUB), address(number))
            made.network.cut(address(HUB), address(number))
        case 5:
            for each in (*INSIDE, *OUTSIDE):
                made.network.unblock(address(HUB), address(each))
        case 6 if other.drain.ends is None:
            other.drain.begin(10_000, "maintenance")
        case 6:
            other.drain.end()
        case 7 if other.negotiated is not None:
            other.route_refresh_received(RouteRefresh(1, 1, Subtype.REQUEST))


def judged_anew(speaker: Speaker, other: Peer, family: Family) -> dict[tuple[bytes, Source], tuple[object, ...]]:
    """Return what a new importer lets in of a peer's routes."""
    found: dict[tuple[bytes, Source], tuple[object, ...]] = {}
    rib, importer = other.adj_ribs_in[family], other._make_importer(family)
    for key, received in rib.routes.items():
        prefix = key[4:] if rib.has_path_ids else key
        path = Path(received.source, family, received.attributes, speaker.next_hops.get(received.attributes.next_hop))
        rank(path)
        importer.admit(path)
        taken = path.imported
        if taken is not None and importer.judges_prefixes:
            taken = importer.judge(path, prefix)
        if taken is not None:
            found[prefix, path.source] = what_counts(taken)
    return found


def what_counts(path: Path) -> tuple[object, ...]:
    return path.attributes.octets, path.weight, path.is_stale, path.is_black_hole


def check(made: Cluster) -> None:
    """Hold all tables of the reflector against its configuration."""
    speaker = made.speakers[HUB]
    for family, rib in speaker.loc_ribs.items():
        wanted: dict[tuple[bytes, Source], tuple[object, ...]] = {}
        for other in speaker.peers.values():
            if family in other.adj_ribs_in:
                wanted |= judged_anew(speaker, other, family)
        held = {(key, path.source): what_counts(path) for key, paths in rib.table.items() for path in paths}
        assert {key: value for key, value in held.items() if key[1].peer is not None} == wanted
        if not rib.prefers_oldest:
            assert all(order(paths) == paths for paths in rib.table.values())
        for number in (*INSIDE, *OUTSIDE):
            check_told(made, number, family)


def check_told(made: Cluster, number: int, family: Family) -> None:
    """Hold what a peer has against what a new exporter would send it."""
    speaker, here, there = made.speakers[HUB], made.peer(HUB, number), made.peer(number, HUB)
    if family not in here.members or here.negotiated is None or there.negotiated is None:
        return
    group, member = here.members[family]
    assert member.backlog is None
    rule = speaker.export_rule(here, family, here.negotiated)
    pools = tuple(pool.prefix for pool in speaker.config.pools if pool.family is family and not pool.export)
    exporter = GroupExporter(rule, speaker.chain(rule.policies), pools)
    wanted: dict[bytes, bytes] = {}
    for prefix, paths in speaker.loc_ribs[family].table.items():
        several = rule.path_limit is not None
        permitted = [path for path in (paths if several else paths[:1]) if exporter.judge(path, prefix) is not None]
        others = [path for path in permitted if path.source.peer is not here]
        for path in others[: rule.path_limit or len(others)]:
            exported = exporter.judge(path, prefix)
            assert exported is not None
            key = path.source.number.to_bytes(4) + prefix if several else prefix
            wanted[key] = block.parse(exported.octets, there.negotiated, exported.next_hop or None).octets
    assert {key: path.attributes.octets for key, path in there.adj_ribs_in[family].routes.items()} == wanted
    assert group.rib.advertised(here) == len(wanted)


@pytest.mark.parametrize("seed", [1, 101, 200])
def test_whatever_changes_each_table_is_what_the_configuration_says(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (update_group, received_routes, loc_rib, adj_rib_out, add_path):
        monkeypatch.setattr(module, "SLICE", 1)
    monkeypatch.setattr(adj_rib_in, "_RENEWED", 1)
    monkeypatch.setattr(slices, "BUDGET", -1.0)
    random = Random(seed)
    with cluster(seed=seed) as made:
        text, node = hub(random)
        made.start(HUB, text, node=node)
        for number in (*INSIDE, *OUTSIDE):
            made.start(number, leaf(random, number), asn=asn_of(number))
        made.established()
        for _ in range(6):
            for _ in range(random.randint(1, 4)):
                disturb(made, random)
                made.run(random.choice([0.0, 0.001, 0.01, 25.0]))
            made.run(random.choice([5.0, 100.0]))
            check(made)
