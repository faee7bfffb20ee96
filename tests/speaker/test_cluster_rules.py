"""Whole speakers configured from etcd's keys: blocks held against etcd, LOCAL_PREF that tells metrics, what resets."""

from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.config import Resolved
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel import FibRoute, Ipip, KernelSettings, Leg, Pool, Programmer
from bgpd.rib.loc_rib import LocRib
from bgpd.speaker import Speaker
from bgpd.speaker.forwarding import Forwarding
from tests.support.calico import Etcd, local
from tests.support.cluster import Cluster
from tests.support.routes import a_path

_TEXT = '[kernel]\nenabled = false\n[http]\nlisten = ""\n'
BLOCK, ADDRESS = parse_prefix("10.65.3.64/26")[1], parse_prefix("10.65.3.70/32")[1]


class Nodes:
    """Nodes w1, w2, … in memory, each with its own view of the same etcd; ``file`` is what all files have more."""

    def __init__(self, count: int, file: str = "", **files: str) -> None:
        self.inner = Cluster()
        self.loop = self.inner.loop
        self.names = [f"w{number}" for number in range(1, count + 1)]
        self.views = {name: Etcd(name) for name in self.names}
        self.files = {name: file + files.get(name, "") for name in self.names}
        self.speakers: dict[str, Speaker] = {}
        for number, name in enumerate(self.names, 1):
            self.each("node", name, f"10.0.0.{number}/24")
        self.each("pool", "pods", "10.65.0.0/16")

    def each(self, method: str, *parts: object, **more: object) -> None:
        """Put something into etcd, which all see."""
        for view in self.views.values():
            getattr(view, method)(*parts, **more)

    def start(self) -> None:
        for number, name in enumerate(self.names, 1):
            host = self.inner.network.host(f"10.0.0.{number}")
            speaker = Speaker(self._config(name), self.loop, host, Random(number))
            self.speakers[name] = self.inner.speakers[number] = speaker
            self.loop.run_until_complete(speaker.start(None))
        self.loop.run_for(10)
        assert all(p.negotiated for s in self.speakers.values() for p in s.peers.values())

    def changed(self) -> None:
        """Let all nodes see what etcd has now."""
        for name, speaker in self.speakers.items():
            speaker.reload(self._config(name))
        self.loop.run_for(2)

    def _config(self, name: str) -> Resolved:
        return self.views[name].config(local(_TEXT + self.files[name], name=name)).resolved

    def sources(self, name: str, prefix: bytes) -> list[str]:
        """Return from whom a node has the prefix, best first."""
        found = self.speakers[name].loc_ribs[IPV4_UNICAST].table.get(prefix, ())
        return [path.source.name for path in found]


Make = Callable[..., Nodes]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes nodes, which end with the test."""
    made: list[Nodes] = []

    def new(count: int, file: str = "", **files: str) -> Nodes:
        made.append(Nodes(count, file, **files))
        return made[-1]

    yield new
    for nodes in made:
        nodes.inner.close()


def test_a_mesh_spreads_blocks_and_nothing_that_is_inside(make: Make) -> None:
    nodes = make(3, w1='[[network]]\nprefix = "203.0.113.0/24"\n')
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    assert nodes.sources("w2", BLOCK) == ["Mesh_10_0_0_1"]
    assert nodes.sources("w3", parse_prefix("203.0.113.0/24")[1]) == ["Mesh_10_0_0_1"]


def test_a_block_that_is_anothers_is_refused_counted_and_explained(make: Make) -> None:
    nodes = make(3, w2='[[network]]\nprefix = "10.65.3.64/26"\n')
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    assert nodes.sources("w3", BLOCK) == ["Mesh_10_0_0_1"]
    peer = nodes.speakers["w3"].peers["Mesh_10_0_0_2"]
    assert peer.faults.by_kind["block refused"] >= 1
    assert peer.faults.last["block refused"] == "10.65.3.64/26 is not w2's to announce: etcd says it is of w1"
    (held,) = (path for key, path in peer.adj_ribs_in[IPV4_UNICAST].routes.items() if key.endswith(BLOCK))
    assert peer.importers[IPV4_UNICAST].refusal(held, BLOCK) == peer.faults.last["block refused"]


def test_validation_can_be_switched_off_and_on(make: Make) -> None:
    nodes = make(3, w2='[[network]]\nprefix = "10.65.3.64/26"\n')
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.files["w3"] += "[calico]\norigin_validation = false\n"
    nodes.start()
    assert sorted(nodes.sources("w3", BLOCK)) == ["Mesh_10_0_0_1", "Mesh_10_0_0_2"]
    nodes.files["w3"] = ""
    nodes.changed()
    assert nodes.sources("w3", BLOCK) == ["Mesh_10_0_0_1"]
    assert all(peer.session.flaps == 0 for peer in nodes.speakers["w3"].peers.values())


def test_a_block_that_changes_hands_is_taken_from_the_new_owner_without_a_reset(make: Make) -> None:
    nodes = make(3, w1='[[network]]\nprefix = "10.65.3.70/32"\n', w2='[[network]]\nprefix = "10.65.3.64/26"\n')
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    assert nodes.sources("w3", BLOCK) == ["Mesh_10_0_0_1"]
    for view in nodes.views.values():
        view.cluster.delete("/calico/ipam/v2/host/w1/ipv4/block/10.65.3.64-26")
    nodes.each("block", "10.65.3.64/26", "w2")
    nodes.changed()
    assert nodes.sources("w3", BLOCK) == ["Mesh_10_0_0_2"]
    assert nodes.sources("w3", ADDRESS) == []
    assert all(peer.session.flaps == 0 for s in nodes.speakers.values() for peer in s.peers.values())


def test_a_borrowed_address_is_taken_once_etcd_has_it(make: Make) -> None:
    nodes = make(3, w2='[[network]]\nprefix = "10.65.3.70/32"\n')
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    assert nodes.sources("w3", ADDRESS) == []
    value = (
        b'{"cidr":"10.65.3.64/26","affinity":"host:w1","allocations":[null,null,null,null,null,null,0],'
        b'"attributes":[{"secondary":{"node":"w2"}}]}'
    )
    nodes.each("put", "/calico/ipam/v2/assignment/ipv4/block/10.65.3.64-26", value)
    nodes.changed()
    assert nodes.sources("w3", ADDRESS) == ["Mesh_10_0_0_2"]


def test_reflected_routes_are_judged_by_their_next_hop(make: Make) -> None:
    nodes = make(3)
    nodes.each("settings", nodeToNodeMeshEnabled=False)
    nodes.each("node", "w1", "10.0.0.1/24", labels={"rr": "true"}, routeReflectorClusterID="244.0.0.1")
    nodes.each("peer", "clients", nodeSelector="!has(rr)", peerSelector="has(rr)")
    nodes.each("block", "10.65.3.64/26", "w2")
    nodes.start()
    assert nodes.sources("w3", BLOCK) == ["Node_10_0_0_1"]


@pytest.mark.parametrize(("file", "local_pref"), [("", 100), ("[calico]\npriorities = true\n", 2147482623)])
def test_local_pref_tells_the_priority_if_asked_to(make: Make, file: str, local_pref: int) -> None:
    nodes = make(2, file)
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    (path,) = nodes.speakers["w2"].loc_ribs[IPV4_UNICAST].table[BLOCK]
    assert path.attributes.local_pref == local_pref


def test_the_priority_scheme_changes_without_a_reset(make: Make) -> None:
    nodes = make(2)
    nodes.each("block", "10.65.3.64/26", "w1")
    nodes.start()
    for name in nodes.names:
        nodes.files[name] = "[calico]\npriorities = true\n"
    nodes.changed()
    (path,) = nodes.speakers["w2"].loc_ribs[IPV4_UNICAST].table[BLOCK]
    assert path.attributes.local_pref == 2147482623
    assert all(peer.session.flaps == 0 for s in nodes.speakers.values() for peer in s.peers.values())


def test_a_new_node_adds_one_session_everywhere_and_touches_no_other(make: Make) -> None:
    nodes = make(3)
    nodes.start()
    nodes.each("node", "w9", "10.0.0.9/24")
    nodes.changed()
    for name in nodes.names:
        peers = nodes.speakers[name].peers
        assert "Mesh_10_0_0_9" in peers
        assert all(peer.session.flaps == 0 for peer in peers.values())


def test_a_changed_filter_judges_routes_again_without_a_reset(make: Make) -> None:
    nodes = make(2)
    nodes.each("peer", "two", node="w1", peerIP="10.0.0.2", asNumber=64512, filters=["f"])
    nodes.each("filter", "f", importV4=[{"action": "Accept"}])
    nodes.each("block", "10.65.3.64/26", "w2")
    nodes.start()
    assert nodes.sources("w1", BLOCK) == ["Node_10_0_0_2"]
    nodes.each("filter", "f", importV4=[{"action": "Reject"}])
    nodes.changed()
    assert nodes.sources("w1", BLOCK) == []
    assert nodes.speakers["w1"].peers["Node_10_0_0_2"].session.flaps == 0


def test_the_keepalive_time_of_a_peer_holds(make: Make) -> None:
    nodes = make(2)
    nodes.each("peer", "two", node="w1", peerIP="10.0.0.2", asNumber=64512, keepaliveTime="2s")
    nodes.start()
    session = nodes.speakers["w2"].peers["Node_10_0_0_1"].session
    before = sum(session.counts.received)
    nodes.loop.run_for(20)
    assert 9 <= sum(session.counts.received) - before <= 14


class _Kernel:
    """A kernel that remembers what it was last asked for."""

    def __init__(self) -> None:
        self.settings = KernelSettings()
        self.on_written: list[object] = []
        self.programmed: Mapping[bytes, FibRoute | None] = {}

    def program(self, _: Family, changes: Mapping[bytes, FibRoute | None]) -> None:
        self.programmed = changes


def test_prefixes_of_one_path_get_the_routes_of_their_own_pools() -> None:
    kernel = _Kernel()
    pools = [
        Pool(IPV4_UNICAST, parse_prefix("10.65.0.0/16")[1], Ipip.ALWAYS),
        Pool(IPV4_UNICAST, parse_prefix("10.66.0.0/16")[1], is_programmed=False),
    ]
    rules = Programmer(pools, (), tunnel=7, ecmp=16, metric=0)
    forwarding = Forwarding(kernel, rules, lambda: 0.0, import_default_route=False)  # type: ignore[arg-type]
    rib = LocRib(IPV4_UNICAST, lambda: None)
    path, first = a_path("10.65.1.0/26", next_hop="10.0.0.2")
    keys = [first, *(parse_prefix(text)[1] for text in ("10.65.2.0/26", "10.66.1.0/26", "10.67.1.0/26", "0.0.0.0/0"))]
    rib.announce(keys, path)
    forwarding.changed(IPV4_UNICAST, rib.take_changes(), rib.table, 0.0)
    tunnelled, plain = Leg(parse_address("10.0.0.2"), 7, is_onlink=True), Leg(parse_address("10.0.0.2"), 0)
    written = {key: route and route.legs for key, route in kernel.programmed.items()}
    assert written == {keys[0]: (tunnelled,), keys[1]: (tunnelled,), keys[3]: (plain,)}
    rib.withdraw(keys, path.source)
    forwarding.changed(IPV4_UNICAST, rib.take_changes(), rib.table, 0.0)
    assert kernel.programmed == dict.fromkeys((keys[0], keys[1], keys[3]))


def test_a_route_that_is_not_written_says_whose_business_it_is() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.pool("pods", "10.65.0.0/16", vxlanMode="Always")
    config = etcd.config(local('[http]\nlisten = ""\n')).resolved
    pools = [Pool(one.family, one.prefix, is_programmed=one.is_programmed) for one in config.pools]
    hop = parse_address("10.0.0.2")
    rules = Programmer(pools, (), tunnel=0, ecmp=16, metric=0, encrypted=frozenset({hop}))
    forwarding = Forwarding(_Kernel(), rules, lambda: 0.0, import_default_route=False)  # type: ignore[arg-type]
    for prefix, reason in (("10.65.3.64/26", "its pool is programmed by another agent"), ("10.9.0.0/16", "WireGuard")):
        path, key = a_path(prefix, next_hop="10.0.0.2")
        assert reason in forwarding.why_not(IPV4_UNICAST, key, (path,))
