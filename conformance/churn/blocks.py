"""What Calico's IPAM and the CNI plugin do: blocks that nodes claim and give up, addresses of containers in them."""

from ipaddress import ip_network
from random import Random
from typing import Final

from conformance.churn import keys
from conformance.churn.fleet import Fleet
from conformance.churn.keys import Network

_SOURCES: Final = {  # what blocks are cut from: each pool, and a range that is in none
    "10.65.0.0/16": 26,
    "10.66.0.0/16": 26,
    "fd65::/64": 122,
    "10.99.0.0/20": 26,
}
_MOST_CONTAINERS: Final = 4  # of a node


class Blocks:
    """Blocks and containers of all nodes."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self._fleet = fleet
        self._random = random
        self._number = 0  # blocks cut so far; none is used twice but by being claimed again
        self._free: list[Network] = []
        self._holders: dict[Network, dict[int, str]] = {}  # of each block that is there

    def claim(self) -> None:
        """Let a node have a new block."""
        self.claim_for(self._random.choice(sorted(self._fleet.world.nodes)))

    def claim_for(self, node: str) -> None:
        """Write a new block's three keys in Calico's order; a container follows."""
        block = self._next_block()
        self._set_state(node, block, "pending")
        self._holders[block] = {}
        self._write(block, node)
        self._set_state(node, block, "confirmed")
        self._add_container(node, block)

    def change_state(self) -> None:
        """Take back that a block is confirmed, or that it leaves."""
        blocks = list(self._fleet.world.blocks)
        if blocks:
            block = self._random.choice(blocks)
            owner, _ = self._fleet.world.blocks[block]
            self._set_state(owner, block, self._random.choice(("pending", "pendingDeletion", "confirmed")))

    def release(self) -> None:
        """Give a block up: no longer to be used, without containers, gone; it may get another owner at once."""
        block = self._any_block()
        if block is None:
            return
        owner, _ = self._fleet.world.blocks[block]
        self._set_state(owner, block, "pendingDeletion")
        if self._random.random() < 0.3:
            return  # it stays for now: its containers still run
        self._release(owner, block)
        if self._random.random() < 0.5:
            self._free.append(block)

    def release_all(self, node: str) -> None:
        """Free all that a node had, as the controller does when the node is gone."""
        for container in list(self._fleet.containers[node]):
            self._remove_container(node, container)
        for block in self._fleet.world.owned(node, "pending", "confirmed", "pendingDeletion"):
            self._release(node, block)

    def add_container(self) -> None:
        """Start a container with an address of its node's own block."""
        node = self._random.choice(sorted(self._fleet.world.nodes))
        blocks = self._fleet.world.owned(node, "confirmed")
        if blocks and len(self._fleet.containers[node]) < _MOST_CONTAINERS:
            self._add_container(node, self._random.choice(blocks))

    def borrow(self) -> None:
        """Start a container with an address of another node's block."""
        node = self._random.choice(sorted(self._fleet.world.nodes))
        others = [block for block, (owner, _) in self._fleet.world.blocks.items() if owner != node]
        if others and len(self._fleet.containers[node]) < _MOST_CONTAINERS:
            self._add_container(node, self._random.choice(others))

    def remove_container(self) -> None:
        """End a container."""
        nodes = [name for name, there in self._fleet.containers.items() if there]
        if nodes:
            node = self._random.choice(nodes)
            self._remove_container(node, self._random.choice(list(self._fleet.containers[node])))

    def _add_container(self, node: str, block: Network) -> None:
        holders = self._holders[block]
        place = self._random.choice([place for place in range(block.num_addresses) if place not in holders])
        holders[place] = node
        address = ip_network(block[place])
        if self._random.random() < 0.5:  # IPAM is first; but its key may reach the others last
            self._write(block, self._fleet.world.blocks[block][0])
            self._fleet.add_container(node, address)
        else:
            self._fleet.add_container(node, address)
            self._write(block, self._fleet.world.blocks[block][0])

    def _remove_container(self, node: str, address: Network) -> None:
        self._fleet.remove_container(node, address)
        for block, holders in self._holders.items():
            if block.version == address.version and address.subnet_of(block):  # type: ignore[arg-type]  # the same version
                place = int(address.network_address) - int(block.network_address)
                del holders[place]
                self._write(block, self._fleet.world.blocks[block][0])
                return

    def _release(self, owner: str, block: Network) -> None:
        for place, node in list(self._holders[block].items()):
            self._remove_container(node, ip_network(block[place]))
        del self._holders[block]
        self._fleet.delete(keys.block_key(block))
        self._fleet.delete(keys.affinity_key(owner, block))

    def _set_state(self, node: str, block: Network, state: str) -> None:
        self._fleet.put(keys.affinity_key(node, block), keys.affinity(state))

    def _write(self, block: Network, owner: str) -> None:
        self._fleet.put(keys.block_key(block), keys.block(block, owner, self._holders[block]))

    def _any_block(self) -> Network | None:
        blocks = list(self._fleet.world.blocks)
        return self._random.choice(blocks) if blocks else None

    def _next_block(self) -> Network:
        if self._free and self._random.random() < 0.7:
            return self._free.pop()
        self._number += 1
        source, length = self._random.choices(list(_SOURCES.items()), (6, 4, 3, 1))[0]
        pool = ip_network(source)
        size = 1 << pool.max_prefixlen - length
        return ip_network((int(pool.network_address) + self._number * size, length))
