"""Layouts of a cluster: racks of nodes, and who reflects for whom.

Racks are leaves: their nodes are alike. Reflectors are machines, or processes, of their own and announce nothing; each
is its own cluster (RFC 4456 section 7).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bench.scaling.simulation import Bundle, Speaker, join, join_client

PREFIXES: Final = 2  # address blocks of a node


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is ready to be run. local: reflectors that stand in a rack and fail with it, by rack."""

    racks: list[Speaker]
    reflectors: list[Speaker]
    local: dict[str, list[Speaker]]

    @property
    def speakers(self) -> list[Speaker]:
        """Return all."""
        return [*self.racks, *self.reflectors]


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to build a cluster of so many racks with so many nodes each."""

    name: str
    build: Callable[[int, int], Cluster]


def mesh(racks: int, nodes: int) -> Cluster:
    """Every node with every other one; each is simulated by itself."""
    speakers = [_leaf(number, 1) for number in range(racks * nodes)]
    for one, other in combinations(speakers, 2):
        join(one, other)
    return Cluster(speakers, [], {})


def flat(reflectors: int) -> Callable[[int, int], Cluster]:
    """Every node is a client of all reflectors."""

    def build(racks: int, nodes: int) -> Cluster:
        leaves, above = _leaves(racks, nodes), _reflectors("top", reflectors)
        _serve(above, leaves)
        return Cluster(leaves, above, {})

    return build


def sharded(reflectors: int) -> Callable[[int, int], Cluster]:
    """Every node is a client of two of the reflectors, which are a full mesh."""

    def build(racks: int, nodes: int) -> Cluster:
        leaves, above = _leaves(racks, nodes), _reflectors("top", reflectors)
        for one, other in combinations(above, 2):
            join(one, other)
        pairs = reflectors // 2
        for number, leaf in enumerate(leaves):
            pair = number % pairs
            _serve(above[2 * pair : 2 * pair + 2], [leaf])
        return Cluster(leaves, above, {})

    return build


def hierarchy(tops: int, racks_each: int) -> Callable[[int, int], Cluster]:
    """Clusters of racks with two reflectors each, which are clients of the top-level reflectors."""

    def build(racks: int, nodes: int) -> Cluster:
        leaves, above = _leaves(racks, nodes), _reflectors("top", tops)
        below = list[Speaker]()
        for start in range(0, racks, racks_each):
            pair = _reflectors(f"cluster{start // racks_each}-", 2, first=len(above) + len(below))
            _serve(pair, leaves[start : start + racks_each])
            _serve(above, pair)
            below += pair
        local = {leaf.name: below[2 * number : 2 * number + 2] for number, leaf in enumerate(leaves)}
        return Cluster(leaves, [*above, *below], local if racks_each == 1 else {})

    return build


LAYOUTS: Final = (
    Layout("2 reflectors, all nodes their clients", flat(2)),
    Layout("4 reflectors, all nodes their clients", flat(4)),
    Layout("8 reflectors, all nodes their clients", flat(8)),
    Layout("8 reflectors in a mesh, nodes clients of two", sharded(8)),
    Layout("clusters of 10 racks with 2 reflectors, 2 above", hierarchy(2, 10)),
    Layout("2 reflectors in each rack, 2 above", hierarchy(2, 1)),
)


def _leaves(racks: int, nodes: int) -> list[Speaker]:
    return [_leaf(number, nodes) for number in range(racks)]


def _leaf(number: int, nodes: int) -> Speaker:
    name = f"rack{number}"
    return Speaker(name, 100_000 + number, nodes, own=Bundle(name, name, nodes, PREFIXES))


def _reflectors(prefix: str, count: int, first: int = 0) -> list[Speaker]:
    return [Speaker(f"{prefix}{number}", first + number, is_reflector=True) for number in range(count)]


def _serve(reflectors: Sequence[Speaker], clients: Sequence[Speaker]) -> None:
    for reflector in reflectors:
        for client in clients:
            join_client(reflector, client)
