"""What is done to each layout, and what it costs: all nodes start, one has a new route, a rack or a reflector fails."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.scaling.costs import Costs
from bench.scaling.layouts import Cluster
from bench.scaling.simulation import Bundle, Simulation, Speaker


@dataclass(frozen=True, slots=True)
class State:
    """The cluster when all know all.

    sessions: of all speakers, each counted once. of_reflector, of_node: of the one with the most. memory: octets.
    setup: CPU seconds of the reflector with the most sessions, to bring them up.
    """

    sessions: int
    of_reflector: int
    of_node: int
    paths_of_node: int
    paths_of_reflector: int
    memory_of_node: int
    memory_of_reflector: int
    setup: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event caused. seconds: until the last node had learned it. messages: UPDATEs that were received.

    busiest: CPU seconds of the busiest reflector, or node where there is none. octets: that the busiest one sent.
    """

    seconds: float
    messages: int
    messages_of_node: int
    busiest: float
    octets: int


class IncompleteError(Exception):
    """A node does not know what it should."""


def converged(cluster: Cluster, costs: Costs) -> tuple[Simulation, Effect]:
    """Return the cluster when all nodes have announced their routes at once, and what that caused."""
    simulation = Simulation(cluster.speakers, costs)
    for rack in cluster.racks:
        if rack.own:
            simulation.announce(rack, rack.own)
    simulation.run()
    check(cluster, {rack.own for rack in cluster.racks if rack.own})
    return simulation, _effect(simulation)


def state(cluster: Cluster, costs: Costs) -> State:
    """Return what the cluster needs."""
    busiest = max(cluster.reflectors or cluster.racks, key=Speaker.sessions)
    node = max(cluster.racks, key=Speaker.sessions)
    return State(
        sessions=sum(speaker.sessions() * speaker.nodes for speaker in cluster.speakers) // 2,
        of_reflector=busiest.sessions(),
        of_node=node.sessions(),
        paths_of_node=node.paths(),
        paths_of_reflector=max(speaker.paths() for speaker in cluster.reflectors or cluster.racks),
        memory_of_node=node.memory(costs),
        memory_of_reflector=max(speaker.memory(costs) for speaker in cluster.reflectors or cluster.racks),
        setup=busiest.sessions() * costs.session,
    )


def new_route(simulation: Simulation, cluster: Cluster) -> Effect:
    """One node announces a further path."""
    origin = cluster.racks[0]
    known = {rack.own for rack in cluster.racks if rack.own}
    added = Bundle("new", origin.name, 1, 1)
    simulation.forget_counts()
    simulation.announce(origin, added)
    simulation.run()
    check(cluster, known | {added})
    effect = _effect(simulation)
    simulation.withdraw(origin, added)  # so that the cluster is as it was
    simulation.run()
    check(cluster, known)
    return effect


def rack_fails(simulation: Simulation, cluster: Cluster) -> Effect:
    """All nodes of a rack are gone, and the reflectors that stand in it; counted from when their peers notice."""
    rack = cluster.racks[0]
    simulation.forget_counts()
    simulation.fail(rack, *cluster.local.get(rack.name, ()))
    simulation.run()
    left = Cluster(cluster.racks[1:], cluster.reflectors, cluster.local)
    check(left, {each.own for each in left.racks if each.own})
    return _effect(simulation)


def reflector_fails(simulation: Simulation, cluster: Cluster) -> Effect:
    """The first reflector is gone; no node may lose a route by that."""
    gone = cluster.reflectors[0]
    simulation.forget_counts()
    simulation.fail(gone)
    simulation.run()
    check(cluster, {each.own for each in cluster.racks if each.own})
    return _effect(simulation)


def check(cluster: Cluster, wanted: set[Bundle]) -> None:
    """Make sure that all nodes know these bundles and no others. Raises IncompleteError."""
    for rack in cluster.racks:
        others = {bundle for bundle in wanted if bundle.home != rack.name}
        known = {bundle for bundle, there in rack.candidates.items() if there and bundle.home != rack.name}
        if known != others:
            raise IncompleteError(f"{rack.name} knows {len(known)} bundles of {len(others)}")


EVENTS: dict[str, Callable[[Simulation, Cluster], Effect]] = {
    "one node announces a route": new_route,
    "a rack fails": rack_fails,
    "a reflector fails": reflector_fails,
}


def _effect(simulation: Simulation) -> Effect:
    speakers = simulation.speakers
    working = [speaker for speaker in speakers if speaker.is_reflector] or speakers
    return Effect(
        seconds=simulation.settled,
        messages=sum(speaker.received * speaker.nodes for speaker in speakers),
        messages_of_node=max(speaker.received for speaker in speakers if not speaker.is_reflector),
        busiest=max(speaker.busy for speaker in working),
        octets=max(speaker.octets_sent for speaker in working),
    )
