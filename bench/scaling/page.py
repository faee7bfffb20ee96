"""docs/scaling.md, from what the simulation found and bench/results/scaling.json keeps.

The page depends on that file alone, so that a test can hold the two equal without simulating again.
"""

import gc
from pathlib import Path
from typing import Final

import msgspec

from bench.scaling.costs import MEASURED, Costs
from bench.scaling.experiments import Effect, State, converged, new_route, rack_fails, reflector_fails, state
from bench.scaling.layouts import LAYOUTS, PREFIXES, mesh
from bench.tables import table

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "scaling.md"
KEPT: Final = _ROOT / "bench" / "results" / "scaling.json"
RACKS: Final = 250
NODES: Final = 40  # in a rack
_MESHES: Final = (100, 300, 1000)


class Found(msgspec.Struct, frozen=True):
    """What was found of one layout. loss: of a reflector; a mesh has none."""

    name: str
    need: State
    start: Effect
    route: Effect
    rack: Effect
    loss: Effect | None


class Kept(msgspec.Struct, frozen=True):
    """All that was found, and the costs that it was found with."""

    racks: int
    nodes: int
    costs: Costs
    meshes: tuple[Found, ...]
    layouts: tuple[Found, ...]


def simulate(
    racks: int = RACKS, nodes: int = NODES, meshes: tuple[int, ...] = _MESHES, costs: Costs = MEASURED
) -> Kept:
    """Run all layouts."""
    gc.disable()  # millions of small objects, none of which is garbage in a cycle
    small = list[Found]()
    for size in meshes:
        cluster = mesh(size, 1)
        simulation, start = converged(cluster, costs)
        need, route = state(cluster, costs), new_route(simulation, cluster)
        simulation, _ = converged(cluster := mesh(size, 1), costs)
        small.append(Found(f"full mesh of {size}", need, start, route, rack_fails(simulation, cluster), None))
    large = list[Found]()
    for layout in LAYOUTS:
        simulation, start = converged(cluster := layout.build(racks, nodes), costs)
        need, route, rack = state(cluster, costs), new_route(simulation, cluster), rack_fails(simulation, cluster)
        simulation, _ = converged(cluster := layout.build(racks, nodes), costs)
        large.append(Found(layout.name, need, start, route, rack, reflector_fails(simulation, cluster)))
        print(layout.name, flush=True)
    return Kept(racks, nodes, costs, tuple(small), tuple(large))


def load() -> Kept:
    """Return what is kept."""
    return msgspec.json.decode(KEPT.read_bytes(), type=Kept)


def keep(kept: Kept) -> None:
    """Write down what was found, and the page."""
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    PAGE.write_text(page(kept))


def page(kept: Kept) -> str:
    """Return the page."""
    costs, total = kept.costs, kept.racks * kept.nodes
    sections = [
        _INTRODUCTION.format(total=total, racks=kept.racks, nodes=kept.nodes, prefixes=PREFIXES),
        "## What is reckoned with\n",
        _lines(
            table(
                ["cost", "value"],
                [
                    ["an UPDATE that is received, checked and put into the tables", _micro(costs.receive)],
                    ["a path that is exported and packed for a group", _micro(costs.encode)],
                    ["the octets of a flush written to one more member", _micro(costs.write)],
                    ["an octet copied into a socket", f"{costs.octet * 1e9:.1f} ns"],
                    ["a session that comes up", f"{costs.session * 1e3:.1f} ms"],
                    ["the way from one node to another", f"{costs.latency * 1e3:.1f} ms"],
                    ["memory of a path; of a prefix", f"{costs.path_memory}; {costs.prefix_memory} octets"],
                    ["memory of a session", f"{costs.session_memory / 1000:.0f} kB"],
                    ["memory of a daemon without peers", f"{costs.base_memory / 1e6:.0f} MB"],
                ],
            )
        ),
        _COSTS,
        "## What a layout needs\n",
        _lines(table(_NEEDS, [_need(found) for found in (*kept.meshes, *kept.layouts)])),
        "## All nodes announce their routes at once\n",
        "All sessions are up. Until the last node knows all routes.\n",
        _lines(table(_EFFECTS, [_effect(found.name, found.start) for found in (*kept.meshes, *kept.layouts)])),
        "## One node announces a route\n",
        _lines(table(_EFFECTS, [_effect(found.name, found.route) for found in (*kept.meshes, *kept.layouts)])),
        f"## A rack of {kept.nodes} nodes fails\n",
        _RACK,
        _lines(table(_EFFECTS, [_effect(found.name, found.rack) for found in (*kept.meshes, *kept.layouts)])),
        "## A reflector fails\n",
        _REFLECTOR,
        _lines(table(_EFFECTS, [_effect(found.name, found.loss) for found in kept.layouts if found.loss])),
        _conclusions(kept),
    ]
    return "\n".join(sections)


_INTRODUCTION: Final = """\
# Scaling past one reflector

<!-- made by `python -m bench.scaling`; edit that, not this page -->

What N reflectors and hierarchies of them do to sessions, messages and memory of {total:,} nodes: {racks} racks of
{nodes}, each node with {prefixes} address blocks on one path. The figures are from a simulation in virtual time
([bench/scaling](../bench/scaling/simulation.py)) of speakers with our update groups: what arrives while a speaker
is busy waits for its next flush; a flush encodes each changed path once and writes the same octets to one member
after the other. UPDATEs are counted one by one, with the decision between paths by CLUSTER_LIST and address (RFC
4456). Nodes of a rack are alike and are simulated once. The tests run the same layouts, smaller, with whole
speakers in memory, and hold the simulation to the number of UPDATEs that each of them receives.
"""

_COSTS: Final = """
These are measured on one 2-core machine ([bench/scaling/costs.py](../bench/scaling/costs.py) says how); other
machines stretch all seconds alike. Not in the model: bandwidth, lost packets, other load, and the kernel's part on
the nodes, and what a node itself writes (in a full mesh: to all others). Each reflector has a core of its own.
"""

_RACK: Final = """\
Counted from the moment when the peers notice: by the hold time, which is far longer than all that follows.
Reflectors that stand in the rack go with it. In a full mesh it is one node that fails.
"""

_REFLECTOR: Final = """\
The first reflector, one at the top where there are two levels. No node loses a route by it: the time until routes
are right again is 0 everywhere. What is left is the noise: UPDATEs that say the same routes with another
CLUSTER_LIST.
"""

_NEEDS: Final = (
    "layout",
    "sessions",
    "of a reflector",
    "of a node",
    "paths at a node",
    "at a reflector",
    "MB of a node",
    "of a reflector",
    "s of CPU to bring up a reflector's sessions",
)
_EFFECTS: Final = (
    "layout",
    "s until all know",
    "UPDATEs",
    "at a node",
    "busiest speaker, s of CPU",
    "MB that it sends",
)


def _need(found: Found) -> list[str]:
    need = found.need
    return [
        found.name,
        f"{need.sessions:,}",
        f"{need.of_reflector:,}" if found.loss else "–",
        f"{need.of_node:,}",
        f"{need.paths_of_node:,}",
        f"{need.paths_of_reflector:,}" if found.loss else "–",
        f"{need.memory_of_node / 1e6:,.0f}",
        f"{need.memory_of_reflector / 1e6:,.0f}" if found.loss else "–",
        f"{need.setup:,.1f}",
    ]


def _effect(name: str, effect: Effect) -> list[str]:
    return [
        name,
        f"{effect.seconds:,.3f}",
        f"{effect.messages:,}",
        f"{effect.messages_of_node:,}",
        f"{effect.busiest:,.3f}",
        f"{effect.octets / 1e6:,.1f}",
    ]


def _conclusions(kept: Kept) -> str:
    flat, *_ = kept.layouts
    largest = kept.meshes[-1]
    slowest = max(kept.layouts, key=lambda found: found.start.seconds)
    fastest = min(kept.layouts, key=lambda found: found.start.seconds)
    loud = max(kept.layouts, key=lambda found: found.loss.messages if found.loss else 0)
    loudest = loud.loss.messages if loud.loss else 0
    return f"""
## What follows

- Two reflectors carry {kept.racks * kept.nodes:,} nodes: {flat.need.memory_of_reflector / 1e6:,.0f} MB,
  {flat.start.seconds:.1f} s for everything at once, {flat.route.seconds:.2f} s for a single route. Each further
  reflector that serves all nodes adds a session, a path for each route, and their messages at every node, and makes
  nothing faster.
- Writing to members one after the other is what takes the time, not encoding. So it falls with the number of
  clients of one reflector: {fastest.start.seconds:.1f} s in "{fastest.name}", {slowest.start.seconds:.1f} s in
  "{slowest.name}".
- UPDATEs at a node depend on how many reflectors it is a client of, and hardly on how many there are.
- A second level makes the loss of a reflector loud: {loudest:,} UPDATEs in "{loud.name}", since each path's
  CLUSTER_LIST names the reflectors it came through. Nodes of one flat level hear nothing at all.
- A full mesh of {largest.name.rpartition(" ")[2]} nodes needs {largest.need.sessions:,} sessions, and
  {largest.need.memory_of_node / 1e6:,.0f} MB at every node.
"""


def _lines(lines: list[str]) -> str:
    return "\n".join([*lines, ""])


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"
