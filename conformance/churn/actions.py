"""What happens to the cluster: one random change after the other, each as Calico's tools and agents write it.

Only the generator and what was done before decide what comes next, so that a seed and a number of rounds repeat a run.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from random import Random
from typing import Final, TypeVar

from conformance.churn import keys
from conformance.churn.blocks import Blocks
from conformance.churn.fleet import Fleet
from conformance.churn.keys import Json
from conformance.churn.mishaps import Mishaps

One = TypeVar("One")

RACKS: Final = ("a", "b", "c")
POOLS: Final = {"pods-a": "10.65.0.0/16", "pods-b": "10.66.0.0/16", "pods-v6": "fd65::/64"}
FILTERS: Final = ("only-pods", "no-borrowed", "closed")
PEERS: Final = ("reflectors", "racks", "single", "everybody", "one-way")

_MASKS: Final = (16, 20, 27, 28)
_FEWEST: Final = 3  # nodes that stay
_MOST_REFLECTORS: Final = 3


class Actions:
    """The changes; each is done at once and awaits nothing. done: how often, by name."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self._fleet = fleet
        self._random = random
        self.done: Counter[str] = Counter()
        self._blocks = Blocks(fleet, random)
        self._labels: dict[str, dict[str, str]] = {}
        self._bgp: dict[str, dict[str, Json]] = {}
        self._settings: dict[str, Json] = {"asNumber": 64512, "nodeToNodeMeshEnabled": True}
        blocks, mishaps = self._blocks, Mishaps(fleet, random, self.step)
        self._weighted: dict[Callable[[], None], int] = {
            self.add_node: 6,
            self.delete_node: 4,
            self.delete_node_of_living_daemon: 2,
            self.crash_and_restart: 3,
            self.stop_and_restart: 2,
            self.move_to_rack: 3,
            self.change_mask: 3,
            self.change_address: 2,
            self.toggle_ipv6: 2,
            self.toggle_reflector: 3,
            self.toggle_mesh: 1,
            self.change_settings: 2,
            self.write_peer: 6,
            self.delete_peer: 3,
            self.write_filter: 5,
            self.delete_filter: 2,
            self.write_pool: 6,
            self.delete_pool: 1,
            blocks.claim: 6,
            blocks.change_state: 4,
            blocks.release: 5,
            blocks.add_container: 8,
            blocks.borrow: 5,
            blocks.remove_container: 6,
            mishaps.restart_etcd: 1,
            mishaps.compact_etcd: 2,
            mishaps.freeze: 2,
            mishaps.unplug: 2,
            mishaps.lose_tunnel: 2,
            mishaps.meddle: 3,
        }

    def begin(self, nodes: int) -> None:
        """Set a plain cluster up: a mesh of so many nodes, each with a block and a container."""
        self._write_settings()
        for name in POOLS:
            self._write_pool(name, "CrossSubnet" if name == "pods-b" else "Never")
        for name in self._fleet.names[:nodes]:
            self._join(name)
        for _ in range(nodes // 4):
            self._blocks.borrow()

    def step(self) -> None:
        """Do something."""
        actions = list(self._weighted)
        action = self._random.choices(actions, list(self._weighted.values()))[0]
        self._fleet.say(f"  {action.__name__}")
        self.done[action.__name__] += 1
        action()

    def add_node(self) -> None:
        """Let a host join, for the first time or again; its daemon comes before or after its node."""
        name = self._any(self._absent)
        if name is not None:
            self._join(name)

    def delete_node(self) -> None:
        """Take a node away with its blocks: the machine is dead, or was shut down."""
        name = self._removable()
        if name is None:
            return
        ways: list[Callable[[], None]] = [
            lambda: self._fleet.stop(name, is_crash=self._random.random() < 0.6),
            lambda: self._fleet.delete(keys.resource_key("nodes", name)),
            lambda: self._blocks.release_all(name),
            lambda: self._delete_peers_at(name),
        ]
        self._random.shuffle(ways)
        for way in ways:
            way()

    def delete_node_of_living_daemon(self) -> None:
        """Delete a node whose machine goes on."""
        name = self._removable()
        if name is not None:
            self._fleet.delete(keys.resource_key("nodes", name))
            self._blocks.release_all(name)
            self._delete_peers_at(name)

    def _delete_peers_at(self, name: str) -> None:
        """Delete the peers with a node's address: whoever has them waits for a restart, as for a router outside."""
        address = self._address(name)
        for peer in self._fleet.world.peers:
            if str(peer.address) == address:
                self._fleet.delete(keys.resource_key("bgppeers", peer.name))

    def crash_and_restart(self) -> None:
        """Kill a daemon and start it again."""
        self._restart(is_crash=True)

    def stop_and_restart(self) -> None:
        """Restart a daemon politely."""
        self._restart(is_crash=False)

    def _restart(self, *, is_crash: bool) -> None:
        name = self._any(sorted(self._fleet.running & set(self._fleet.world.nodes)))
        if name is not None:
            self._fleet.stop(name, is_crash=is_crash)
            self._fleet.start(name)

    def move_to_rack(self) -> None:
        """Change a node's label, by which peers are selected."""
        name = self._member()
        self._labels[name]["rack"] = self._random.choice(RACKS)
        self._write_node(name)

    def change_mask(self) -> None:
        """Change which other nodes are in a node's subnet."""
        name = self._member()
        address = str(self._bgp[name]["ipv4Address"]).partition("/")[0]
        self._bgp[name]["ipv4Address"] = f"{address}/{self._random.choice(_MASKS)}"
        self._write_node(name)

    def change_address(self) -> None:
        """Move a node to the other address of its host."""
        name = self._member()
        self._delete_peers_at(name)  # the host keeps its old address, and would be reached there
        first, second = self._fleet.addresses(name)
        address, _, mask = str(self._bgp[name]["ipv4Address"]).partition("/")
        self._bgp[name]["ipv4Address"] = f"{second.ip if address == str(first.ip) else first.ip}/{mask}"
        self._write_node(name)

    def toggle_ipv6(self) -> None:
        """Give a node an IPv6 address, or take it away."""
        name = self._member()
        if self._bgp[name].pop("ipv6Address", None) is None:
            self._bgp[name]["ipv6Address"] = str(self._fleet.host(name).plan.interfaces[0].ipv6)
        self._write_node(name)

    def toggle_reflector(self) -> None:
        """Make a reflector of a node, or a node of a reflector."""
        reflectors = [name for name in self._members if "rr" in self._labels[name]]
        if reflectors and (len(reflectors) >= _MOST_REFLECTORS or self._random.random() < 0.4):
            name = self._random.choice(reflectors)
            del self._bgp[name]["routeReflectorClusterID"], self._labels[name]["rr"]
        else:
            name = self._member()
            self._labels[name]["rr"] = "true"
            self._bgp[name]["routeReflectorClusterID"] = f"244.0.0.{self._random.randint(1, 2)}"
        self._write_node(name)

    def toggle_mesh(self) -> None:
        """Turn the mesh off or on; on more often than off."""
        self._settings["nodeToNodeMeshEnabled"] = self._random.random() < 0.6
        self._write_settings()

    def change_settings(self) -> None:
        """Change what no session rests on."""
        value = f"64512:{self._random.randint(1, 9)}"
        self._settings["prefixAdvertisements"] = [{"cidr": "10.65.0.0/16", "communities": [value]}]
        self._settings["logSeverityScreen"] = self._random.choice(("Info", "Warning"))
        self._write_settings()

    def write_peer(self) -> None:
        """Write a peer, anew or otherwise than it was."""
        name = self._random.choice(PEERS)
        spec: dict[str, Json] = {}
        if name == "reflectors":
            spec |= {"nodeSelector": self._random.choice(("!has(rr)", "all()")), "peerSelector": "has(rr)"}
        elif name == "racks":
            here, there = self._random.choice(RACKS), self._random.choice(RACKS)
            spec |= {"nodeSelector": f"rack == '{here}'", "peerSelector": f"rack == '{there}'"}
        elif name == "everybody":
            spec |= {"peerIP": self._address(self._member()), "asNumber": 64512}
        else:
            spec |= {"node": self._member(), "peerIP": self._address(self._member()), "asNumber": 64512}
            if name == "one-way":
                spec["reversePeering"] = "Manual"
        if self._random.random() < 0.5:
            spec["filters"] = self._random.sample(FILTERS, self._random.randint(1, 2))
        if self._random.random() < 0.2:
            spec["keepaliveTime"] = f"{self._random.randint(5, 20)}s"
        if self._random.random() < 0.2:
            spec["maxRestartTime"] = f"{self._random.randint(60, 180)}s"
        self._fleet.put(keys.resource_key("bgppeers", name), keys.resource("bgppeers", name, spec))

    def delete_peer(self) -> None:
        """Delete a peer."""
        self._fleet.delete(keys.resource_key("bgppeers", self._random.choice(PEERS)))

    def write_filter(self) -> None:
        """Write a filter, anew or otherwise than it was."""
        name = self._random.choice(FILTERS)
        spec: dict[str, Json] = {}
        for direction in ("import", "export"):
            for version in (4, 6):
                if self._random.random() < 0.5:
                    spec[f"{direction}V{version}"] = [self._rule(version) for _ in range(self._random.randint(1, 3))]
        self._fleet.put(keys.resource_key("bgpfilters", name), keys.resource("bgpfilters", name, spec))

    def _rule(self, version: int) -> Json:
        rule: dict[str, Json] = {"action": self._random.choice(("Accept", "Reject"))}
        blocks = [str(block) for block in self._fleet.world.blocks if block.version == version]
        pools = [cidr for cidr in POOLS.values() if ip_network(cidr).version == version]
        if self._random.random() < 0.9:
            rule["cidr"] = self._random.choice(blocks + pools * 3)
            rule["matchOperator"] = self._random.choice(("In", "In", "Equal", "NotIn", "NotEqual"))
            if rule["matchOperator"] == "In" and self._random.random() < 0.4:
                rule["prefixLength"] = self._random.choice(({"min": 32}, {"max": 26}, {"min": 20, "max": 30}))
        if self._random.random() < 0.2:
            rule["source"] = "RemotePeers"
        return rule

    def delete_filter(self) -> None:
        """Delete a filter, whether a peer names it or not."""
        self._fleet.delete(keys.resource_key("bgpfilters", self._random.choice(FILTERS)))

    def write_pool(self) -> None:
        """Write a pool, anew or with another mode."""
        self._write_pool(self._random.choice(list(POOLS)), self._random.choice(("Always", "CrossSubnet", "Never")))

    def _write_pool(self, name: str, ipip: str) -> None:
        spec: dict[str, Json] = {"cidr": POOLS[name], "natOutgoing": True, "disabled": self._random.random() < 0.2}
        if name != "pods-v6":
            spec["ipipMode"] = ipip
        if ipip == "Never" and self._random.random() < 0.15:
            spec["vxlanMode"] = "Always"
        if self._random.random() < 0.15:
            spec["disableBGPExport"] = True
        self._fleet.put(keys.resource_key("ippools", name), keys.resource("ippools", name, spec))

    def delete_pool(self) -> None:
        """Delete a pool; blocks of it may still be there."""
        self._fleet.delete(keys.resource_key("ippools", self._random.choice(list(POOLS))))

    def _join(self, name: str) -> None:
        self._labels[name] = {"rack": self._random.choice(RACKS), "kubernetes.io/hostname": name}
        self._bgp[name] = {"ipv4Address": f"{self._fleet.addresses(name)[0].ip}/{self._random.choice(_MASKS)}"}
        if self._random.random() < 0.3:
            self._bgp[name]["ipv6Address"] = str(self._fleet.host(name).plan.interfaces[0].ipv6)
        ways: list[Callable[[], None]] = [
            lambda: self._write_node(name),
            lambda: self._blocks.claim_for(name),
        ]
        if name not in self._fleet.running:
            ways.append(lambda: self._fleet.start(name))
        self._random.shuffle(ways)
        for way in ways:
            way()

    def _write_node(self, name: str) -> None:
        spec: dict[str, Json] = {
            "bgp": dict(self._bgp[name]),
            "orchRefs": [{"nodeName": name, "orchestrator": "k8s"}],
        }
        document = keys.resource("nodes", name, spec, self._labels[name])
        self._fleet.put(keys.resource_key("nodes", name), document)

    def _write_settings(self) -> None:
        document = keys.resource("bgpconfigurations", "default", self._settings)
        self._fleet.put(keys.resource_key("bgpconfigurations", "default"), document)

    @property
    def _members(self) -> list[str]:
        return sorted(self._fleet.world.nodes)

    @property
    def _absent(self) -> list[str]:
        return [name for name in self._fleet.names if name not in self._fleet.world.nodes]

    def _member(self) -> str:
        return self._random.choice(self._members)

    def _removable(self) -> str | None:
        members = self._members
        return self._random.choice(members) if len(members) > max(_FEWEST, len(self._fleet.names) * 2 // 3) else None

    def _address(self, name: str) -> str:
        return str(self._bgp[name]["ipv4Address"]).partition("/")[0]

    def _any(self, some: Sequence[One]) -> One | None:
        return self._random.choice(some) if some else None
