"""Which routes must be where: what each node announces, what others use of it, and what stands in the kernels; pure.

Every prefix comes from one node and has its address as next hop, however many reflectors pass it on.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from conformance.churn.keys import Network
from conformance.churn.sessions import Session, Sessions, by_address
from conformance.churn.world import Address, Node, Pool, World, is_inside

_UPLINK: Final = "eth0"
_TUNNEL: Final = "tunl0"


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """A route of ours in a kernel. gateway: None = a black hole."""

    prefix: Network
    gateway: Address | None
    device: str
    is_onlink: bool = False


@dataclass(frozen=True, slots=True)
class Usable:
    """A route that a node has of others. peer: who told it. next_hop: of the node that it comes from."""

    prefix: Network
    peer: Address
    next_hop: Address


@dataclass(frozen=True, slots=True)
class Expected:
    """All routes, by node. announced: what leaves it of its own, by session."""

    announced: Mapping[str, Mapping[Address, frozenset[Network]]]
    usable: Mapping[str, frozenset[Usable]]
    kernel: Mapping[str, frozenset[KernelRoute]]

    def direct(self, name: str) -> frozenset[KernelRoute]:
        """Return the kernel routes of a node that rest on itself or on a session with the next hop."""
        usable = self.usable.get(name, frozenset())
        return frozenset(
            route
            for route in self.kernel.get(name, ())
            if route.gateway is None or Usable(route.prefix, route.gateway, route.gateway) in usable
        )


def expected(world: World, sessions: Mapping[str, Sessions], containers: Mapping[str, Iterable[Network]]) -> Expected:
    """Return what must be where. sessions: those that are up. containers: host routes in each node's kernel."""
    return _Routes(world, sessions, containers).expected()


class _Routes:
    """A world, prepared to be asked."""

    def __init__(
        self, world: World, sessions: Mapping[str, Sessions], containers: Mapping[str, Iterable[Network]]
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._nodes = by_address(world)
        self._own_blocks = {name: world.owned(name, "confirmed") for name in world.nodes}
        self._local = {name: [*blocks, *containers.get(name, ())] for name, blocks in self._own_blocks.items()}
        self._owners_of: dict[Network, frozenset[str]] = {}
        self._pools: dict[Network, Pool | None] = {}
        self._passed: dict[tuple[str, tuple[str, ...], Network, bool], bool] = {}

    def expected(self) -> Expected:
        """Follow every prefix from its node on."""
        announced: dict[str, dict[Address, frozenset[Network]]] = {}
        usable: dict[str, set[Usable]] = {name: set() for name in self._sessions}
        for name, sessions in self._sessions.items():
            announced[name] = {}
            for address, session in sessions.items():
                told = frozenset(
                    prefix
                    for prefix in self._local[name]
                    if prefix.version == address.version and self._leaves(name, session, prefix, is_remote=False)
                )
                announced[name][address] = told
                for prefix in told:
                    self._spread(self._world.nodes[name], session, prefix, usable)
        routes = {name: frozenset(found) for name, found in usable.items()}
        kernel = {name: frozenset(self._kernel(self._world.nodes[name], found)) for name, found in routes.items()}
        return Expected(announced, routes, kernel)

    def _spread(self, origin: Node, first: Session, prefix: Network, usable: Mapping[str, set[Usable]]) -> None:
        """Follow a prefix over a session of its node, and over those of the reflectors behind."""
        pending: deque[tuple[Session, frozenset[str]]] = deque([(first, frozenset())])
        seen: set[tuple[str, Address, frozenset[str]]] = set()
        while pending:
            session, clusters = pending.popleft()
            receiver = self._nodes[session.address]
            back = self._sessions[receiver.name][session.own]
            if receiver is origin or (receiver.cluster_id and receiver.cluster_id in clusters):
                continue
            if not self._is_taken(receiver, back, origin, prefix):
                continue
            usable[receiver.name].add(Usable(prefix, session.own, first.own))
            if not receiver.cluster_id or (receiver.name, session.own, clusters) in seen:
                continue
            seen.add((receiver.name, session.own, clusters))
            for address, onward in self._sessions[receiver.name].items():
                if address == session.own or address.version != prefix.version:
                    continue
                if (back.is_client or onward.is_client) and self._leaves(receiver.name, onward, prefix, is_remote=True):
                    pending.append((onward, clusters | {receiver.cluster_id}))

    def _leaves(self, name: str, session: Session, prefix: Network, *, is_remote: bool) -> bool:
        """Is a prefix announced over a session of a node? is_remote: it was learned by BGP."""
        key = (name, session.filters, prefix, is_remote)
        if key not in self._passed:
            decided = self._filtered(session.filters, "export", prefix, is_remote=is_remote)
            self._passed[key] = self._is_exported(name, prefix) if decided is None else decided
        return self._passed[key]

    def _is_exported(self, name: str, prefix: Network) -> bool:
        pool = self._pool(prefix)
        if pool is not None and not pool.is_exported:
            return False
        for block in self._own_blocks[name]:
            if is_inside(prefix, block):
                return prefix == block
        return pool is not None

    def _is_taken(self, receiver: Node, session: Session, origin: Node, prefix: Network) -> bool:
        """Does a node use a prefix that it is told? Not if it is in a block that is not the origin's to announce."""
        if self._filtered(session.filters, "import", prefix, is_remote=True) is False:
            return False
        owners = self._owners(prefix)
        if not owners or all(owner == receiver.name for owner, _ in self._world.blocks.values()):
            return True
        return origin.name in owners or (
            prefix.prefixlen == prefix.max_prefixlen and self._world.holders.get(prefix.network_address) == origin.name
        )

    def _owners(self, prefix: Network) -> frozenset[str]:
        """Return the nodes that may announce what is in the prefix's block."""
        found = self._owners_of.get(prefix)
        if found is None:
            found = self._owners_of[prefix] = frozenset(
                owner
                for block, (owner, state) in self._world.blocks.items()
                if state in ("confirmed", "pendingDeletion") and is_inside(prefix, block)
            )
        return found

    def _filtered(self, filters: Iterable[str], direction: str, prefix: Network, *, is_remote: bool) -> bool | None:
        """Return what the filters decide, None = nothing."""
        for name in filters:
            for rule in self._world.filters.get((name, direction, prefix.version), ()):
                if rule.matches(prefix, is_remote=is_remote):
                    return rule.is_accept
        return None

    def _kernel(self, node: Node, routes: Iterable[Usable]) -> set[KernelRoute]:
        found = set()
        local = set(self._local[node.name])
        for block in self._own_blocks[node.name]:
            if self._is_written(node, block):
                found.add(KernelRoute(block, None, ""))
        for route in routes:
            if route.prefix not in local and self._is_written(node, route.prefix):
                is_tunnelled = self._is_tunnelled(node, route)
                device = _TUNNEL if is_tunnelled else _UPLINK
                found.add(KernelRoute(route.prefix, route.next_hop, device, is_tunnelled))
        return found

    def _pool(self, prefix: Network) -> Pool | None:
        if prefix not in self._pools:
            self._pools[prefix] = self._world.pool_of(prefix)
        return self._pools[prefix]

    def _is_written(self, node: Node, prefix: Network) -> bool:
        pool = self._pool(prefix)
        return pool is None or not pool.is_vxlan or (prefix.version == 4 and node.address(4) is None)

    def _is_tunnelled(self, node: Node, route: Usable) -> bool:
        pool, own = self._pool(route.prefix), node.addresses.get(4)
        if pool is None or route.prefix.version != 4 or own is None:
            return False
        return pool.ipip == "Always" or (pool.ipip == "CrossSubnet" and route.next_hop not in own.network)
