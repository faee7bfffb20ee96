"""The cluster: a lab whose hosts know nothing but their name and where etcd is, and what has been done to it so far.

Each host has the device of its containers (a veth pair that ends in the host), a second address to move to, and a
stand-in for tunl0. A host whose node is not in etcd yet runs no daemon.
"""

import contextlib
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from ipaddress import IPv4Interface
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bgpd.lab import Lab, LabOptions
from bgpd.lab.nodes import Node as Host
from bgpd.lab.options import LabError
from bgpd.lab.wiring import link_address
from conformance.churn import sessions, world
from conformance.churn.etcd import Etcd
from conformance.churn.keys import Interface, Network
from conformance.churn.monitor import RouteMonitor
from conformance.churn.routes import Expected, KernelRoute, expected
from conformance.churn.world import Address, World

PROTOCOL: Final = "12"
DEVICE: Final = "cali0"

_CONFIG: Final = """\
[node]
name = "{name}"
[session]
connect_retry_time = 1
idle_hold = {{ first = 1, max = 2 }}
[etcd]
endpoints = ["{etcd}"]
[kernel]
protocol = {protocol}
[control]
socket = "{socket}"
[log]
level = "info"
format = "text"
"""

_TUNNEL_LINES: Final = ("link add tunl0 type bridge", "link set tunl0 up")

SessionKey = tuple[Address, Address]  # own address, the peer's


class Fleet:
    """All hosts.

    touched: sessions that may have been reset since the last look; touched_before: before it, since the one before.
    steady: routes that each kernel must have had since then without a break, but for what resets do. disturbed: hosts
    whose kernels or links somebody else meddled with.
    """

    def __init__(self, nodes: int, say: Callable[[str], None]) -> None:
        self._stack = ExitStack()
        self._lab = Lab(LabOptions(nodes=nodes, containers=0))
        self.say = say
        self.keys: dict[str, str] = {}
        self.containers: dict[str, dict[Network, None]] = {}
        self.running: set[str] = set()
        self.world = World()
        self.wanted: Mapping[str, sessions.Sessions] = {}
        self.up: Mapping[str, sessions.Sessions] = {}
        self.due = Expected({}, {}, {})
        self.touched: set[SessionKey] = set()
        self.touched_before: set[SessionKey] = set()
        self.steady: dict[str, frozenset[KernelRoute]] = {}
        self._held: dict[str, frozenset[KernelRoute]] = {}  # as steady, but since the last look
        self.disturbed: set[str] = set()
        self.disturbed_before: set[str] = set()
        self._without_tunnel: set[str] = set()
        self._monitors: dict[str, RouteMonitor] = {}
        self.etcd: Etcd

    def __enter__(self) -> Self:
        with self._stack:
            stack = self._stack
            lab = stack.enter_context(self._lab)
            gateway = next(iter(lab.topology.hosts)).gateway
            assert gateway is not None
            self.etcd = Etcd(lab.underlay, str(gateway[0]), lab.directory)
            stack.callback(self.etcd.kill)
            self.etcd.start()
            for host in lab:
                self._prepare(host)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def _prepare(self, host: Host) -> None:
        config = _CONFIG.format(name=host.name, etcd=self.etcd.url, protocol=PROTOCOL, socket=host.socket)
        host.config_file.write_text(config)
        host.namespace.ip_batch(
            [
                *_TUNNEL_LINES,
                f"link add {DEVICE} type veth peer name pods",
                f"link set {DEVICE} up",
                "link set pods up",
                f"address add {self.addresses(host.name)[1]} dev eth0",
                *self._neighbour_lines(host),
            ]
        )
        self.containers[host.name] = {}
        monitor = self._monitors[host.name] = RouteMonitor(host.namespace, int(PROTOCOL))
        self._stack.callback(monitor.close)

    def _neighbour_lines(self, host: Host) -> Iterator[str]:
        """Yield the lines that tell a host where the others' second addresses are, as the lab does for the first."""
        for other in self._lab:
            if other is not host:
                address = self.addresses(other.name)[1]
                yield f"neigh replace {address.ip} lladdr {link_address(other.plan)} dev eth0 nud permanent"

    @property
    def names(self) -> list[str]:
        """Return the names of all hosts, in the cluster or not."""
        return list(self._lab.nodes)

    def host(self, name: str) -> Host:
        """Return a host."""
        return self._lab[name]

    def addresses(self, name: str) -> tuple[IPv4Interface, IPv4Interface]:
        """Return the addresses that a node may have, as its host has them."""
        first = self._lab[name].plan.interfaces[0].ipv4
        return first, IPv4Interface((int(first.ip) + 256, first.network.prefixlen))

    def look(self) -> None:
        """Forget what was before the last look; a daemon may still have had to do what came after it."""
        self.touched_before, self.touched = self.touched, set()
        self.disturbed_before, self.disturbed = self.disturbed, set()
        due = {name: self.due.direct(name) for name in self.due.kernel}
        self.steady = {name: routes & self._held.get(name, frozenset()) for name, routes in due.items()}
        self._held = due
        for monitor in self._monitors.values():
            monitor.deleted()

    def deleted(self, name: str) -> set[Network]:
        """Return the prefixes of which a route of ours was deleted in a host's kernel since the last call."""
        return self._monitors[name].deleted()

    def wait_for(self, condition: Callable[[], bool], what: str, limit: float) -> float:
        """Wait until a condition holds; return the seconds that it took. Raises LabError."""
        return self._lab.wait_for(condition, what, limit)

    def check_running(self) -> None:
        """Raise LabError if a daemon has ended that should run."""
        for name in self.running:
            self._lab[name].check_running()

    def keep_logs(self, directory: Path) -> None:
        """Copy what the daemons and etcd printed."""
        for host in self._lab:
            if host.log_file.exists():
                shutil.copy(host.log_file, directory / f"{host.name}.log")
        shutil.copy(self._lab.directory / "etcd.log", directory)

    def put(self, key: str, value: str) -> None:
        """Write a key."""
        self.say(f"    put {key} {value}")
        self.keys[key] = value
        self.etcd.put(key, value)
        self._changed()

    def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        if self.keys.pop(key, None) is not None:
            self.say(f"    delete {key}")
            self.etcd.delete(key)
            self._changed()

    def restart_etcd(self) -> None:
        """Kill etcd and start it with the data that it had."""
        self.say("    restart etcd")
        self.etcd.kill()
        self.etcd.start()

    def compact_etcd(self) -> None:
        """Let etcd forget all former values."""
        self.say("    compact etcd")
        self.etcd.compact()

    def freeze(self, name: str) -> None:
        """Stop a daemon where it stands."""
        self.say(f"    freeze {name}")
        self._lab[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on, if it is still there."""
        self.say(f"    thaw {name}")
        self._lab[name].signal(signal.SIGCONT)

    def set_cable(self, name: str, state: str) -> None:
        """Take the carrier away from a host's link (down), or give it back (up)."""
        self.say(f"    cable of {name} {state}")
        self.disturbed.add(name)
        self._lab.underlay.ip("link", "set", f"to-{name}", state)

    def remove_tunnel(self, name: str) -> None:
        """Delete a host's tunnel device, if it has one."""
        self.say(f"    {name}: link del tunl0")
        self.disturbed.add(name)
        if name not in self._without_tunnel:
            self._without_tunnel.add(name)
            self._lab[name].namespace.ip("link", "del", "tunl0")

    def add_tunnel(self, name: str) -> None:
        """Make a host's tunnel device again."""
        self.say(f"    {name}: link add tunl0")
        if name in self._without_tunnel:
            self._without_tunnel.remove(name)
            self._lab[name].namespace.ip_batch(_TUNNEL_LINES)

    def delete_route(self, name: str, prefix: Network) -> None:
        """Delete a route of ours from a host's kernel; it may not be there yet."""
        self.say(f"    {name}: route del {prefix} proto {PROTOCOL}")
        self.disturbed.add(name)
        words = ("route", "del", str(prefix), "proto", PROTOCOL)
        with contextlib.suppress(LabError):
            self._lab[name].namespace.ip(*words)

    def start(self, name: str) -> None:
        """Start a host's daemon."""
        self.say(f"    start {name}")
        self._lab[name].start()
        self.running.add(name)
        self._changed()
        self._touch_all(name)

    def stop(self, name: str, *, is_crash: bool) -> None:
        """End a host's daemon."""
        self.say(f"    {'kill' if is_crash else 'stop'} {name}")
        self._touch_all(name)
        self._lab[name].signal(signal.SIGCONT)
        self.running.discard(name)
        if is_crash:
            self._lab[name].kill()
        else:
            self._lab[name].stop()
        self._changed()

    def add_container(self, name: str, address: Network) -> None:
        """Write a container's host route, as Felix does."""
        self.say(f"    {name}: route add {address}")
        self.containers[name][address] = None
        self._expect()
        self._lab[name].namespace.ip("route", "add", str(address), "dev", DEVICE, *_scope(address), "proto", "boot")

    def remove_container(self, name: str, address: Network) -> None:
        """Delete a container's host route."""
        self.say(f"    {name}: route del {address}")
        del self.containers[name][address]
        self._expect()
        self._lab[name].namespace.ip("route", "del", str(address), "dev", DEVICE)

    def _touch_all(self, name: str) -> None:
        for own in (interface.ip for interface in self._interfaces(name)):
            for key in [(one.own, one.address) for per in self.wanted.values() for one in per.values()]:
                if own in key:
                    self._touch(key)

    def _interfaces(self, name: str) -> list[Interface]:
        node = self.world.nodes.get(name)
        return [] if node is None else list(node.addresses.values())

    def _touch(self, key: SessionKey) -> None:
        self.touched |= {key, key[::-1]}

    def _changed(self) -> None:
        """Read the world again; what sessions rest on may have changed."""
        before = {(one.own, one.address): one.rests_on for per in self.up.values() for one in per.values()}
        self.world = world.read(self.keys)
        self.wanted = sessions.wanted(self.world)
        self.up = sessions.up(self.world, self.wanted, self.running)
        after = {(one.own, one.address): one.rests_on for per in self.up.values() for one in per.values()}
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                self._touch(key)
        self._expect()

    def _expect(self) -> None:
        self.due = expected(self.world, self.up, self.containers)
        for kept in (self.steady, self._held):
            for name, routes in kept.items():
                kept[name] = routes & self.due.direct(name)


def _scope(address: Network) -> tuple[str, ...]:
    return ("scope", "link") if address.version == 4 else ()
