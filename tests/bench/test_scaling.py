"""The simulation of many reflectors, and whole speakers in memory that receive as many UPDATEs."""

from collections.abc import Iterator

import pytest

from bench.scaling.costs import MEASURED, Costs
from bench.scaling.experiments import converged, rack_fails, reflector_fails, state
from bench.scaling.layouts import LAYOUTS, Cluster, Layout, flat, hierarchy, mesh, sharded
from bench.scaling.page import KEPT, PAGE, load, page
from bench.scaling.simulation import Bundle
from bgpd.messages.framing import MessageType
from tests.support import cluster as memory
from tests.support.cluster import address, network, peer

SMALL = (
    Layout("mesh", mesh),
    Layout("flat", flat(2)),
    Layout("sharded", sharded(4)),
    Layout("hierarchy", hierarchy(2, 2)),
)
# Between speakers in memory nothing takes time but the way
TIMELESS = Costs(receive=0.0, encode=0.0, write=0.0, octet=0.0)
ids = pytest.mark.parametrize("layout", SMALL, ids=lambda layout: layout.name)


class Real:
    """The speakers of a layout in memory: each leaf is one node. Reflectors come first, in the order of their ranks."""

    def __init__(self, made: memory.Cluster, layout: Cluster) -> None:
        self.made = made
        ordered = sorted(layout.speakers, key=lambda speaker: speaker.rank)
        self.number = {speaker.name: index for index, speaker in enumerate(ordered, 1)}
        self._peers = {
            speaker.name: "".join(
                peer(self.number[other.name], **({"reflector_client": "true"} if other in speaker.clients else {}))
                for other in speaker.peers
            )
            for speaker in ordered
        }
        self._reflectors = {speaker.name for speaker in ordered if speaker.is_reflector}
        for speaker in ordered:
            made.start(self.number[speaker.name], self.tables(speaker.name), node=self.node(speaker.name))
        made.established(within=60)
        made.run(2)

    def node(self, name: str) -> str:
        return f'cluster_id = "{address(self.number[name])}"' if name in self._reflectors else ""

    def tables(self, name: str, *more: str) -> str:
        """Return the configuration of a speaker; a node has a route of its own."""
        own = "" if name in self._reflectors else network(f"10.{self.number[name]}.0.0/24")
        # A restart that keeps routes would tell nobody
        session = "[session]\ngraceful_restart = { enabled = false }\n"
        return session + self._peers[name] + own + "".join(network(prefix) for prefix in more)

    def updates(self) -> dict[str, int]:
        """Return how many UPDATEs each speaker has received."""
        return {
            name: sum(p.session.counts.received[MessageType.UPDATE] for p in self.made.speakers[number].peers.values())
            for name, number in self.number.items()
            if number in self.made.speakers
        }

    def announce(self, name: str, prefix: str) -> None:
        number = self.number[name]
        config = self.made.config(number, self.tables(name, prefix), node=self.node(name))
        self.made.speakers[number].reload(config)
        self.made.run(2)

    def stop(self, name: str) -> None:
        self.made.loop.run_until_complete(self.made.speakers.pop(self.number[name]).stop())
        self.made.run(2)


@pytest.fixture
def made() -> Iterator[memory.Cluster]:
    with memory.cluster() as found:
        yield found


def received(layout: Cluster) -> dict[str, int]:
    return {speaker.name: speaker.received for speaker in layout.speakers if not speaker.is_gone}


@ids
def test_a_route_takes_as_many_updates_as_between_whole_speakers(layout: Layout, made: memory.Cluster) -> None:
    model = layout.build(4, 1)
    real = Real(made, model)
    before = real.updates()
    simulation, _ = converged(model, TIMELESS)

    simulation.forget_counts()
    simulation.announce(model.racks[0], Bundle("new", model.racks[0].name, 1, 1))
    simulation.run()
    real.announce(model.racks[0].name, "10.99.0.0/24")

    assert {name: count - before[name] for name, count in real.updates().items()} == received(model)


@ids
def test_a_node_that_fails_takes_as_many_updates_as_between_whole_speakers(
    layout: Layout, made: memory.Cluster
) -> None:
    model = layout.build(4, 1)
    real = Real(made, model)
    simulation, _ = converged(model, TIMELESS)
    before = real.updates()

    rack_fails(simulation, model)
    real.stop(model.racks[0].name)

    assert {name: count - before[name] for name, count in real.updates().items()} == received(model)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_no_node_loses_a_route_with_a_reflector(layout: Layout) -> None:
    model = layout.build(10, 3)
    simulation, _ = converged(model, MEASURED)

    assert reflector_fails(simulation, model).seconds == 0.0


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_alike_nodes_may_be_simulated_once(layout: Layout) -> None:
    together, apart = layout.build(10, 3), layout.build(30, 1)
    if "rack" in layout.name:  # reflectors for each rack: the two differ in their reflectors
        return
    _, whole = converged(together, MEASURED)
    _, single = converged(apart, MEASURED)

    assert (whole.messages, whole.messages_of_node) == (single.messages, single.messages_of_node)
    assert state(together, MEASURED).sessions == state(apart, MEASURED).sessions


def test_a_mesh_has_a_session_for_each_pair() -> None:
    model = mesh(6, 1)
    _, effect = converged(model, MEASURED)

    assert state(model, MEASURED).sessions == 15
    assert effect.messages == 30


def test_the_page_is_made_of_what_is_kept() -> None:
    assert KEPT.exists()
    assert PAGE.read_text() == page(load())
    assert load().costs == MEASURED
