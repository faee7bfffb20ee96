"""A cluster of network namespaces on this machine, for as long as a ``with`` block lasts.

with Lab(LabOptions(nodes=3)) as lab:
    lab.start()
    lab.wait_converged()
    lab["node1"].kill()
"""

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bgpd.lab import records
from bgpd.lab.configuration import TomlValue
from bgpd.lab.echo import Pinger, PingMatrix
from bgpd.lab.namespaces import Namespace, have_privileges
from bgpd.lab.nodes import Container, Node
from bgpd.lab.options import LabError, LabOptions
from bgpd.lab.topology import Role, Topology, plan
from bgpd.lab.wiring import wire

_POLL: Final = 0.02  # seconds between two looks while waiting


class Lab:
    """The lab of some options; built on entering, gone on leaving whatever happens."""

    def __init__(self, options: LabOptions, overrides: Mapping[str, Mapping[str, TomlValue]] | None = None) -> None:
        """Plan the lab; overrides: tables to merge into a host's bgp.toml, by its name, "" for all."""
        self.options = options
        self.topology: Topology = plan(options)
        self.nodes: dict[str, Node] = {}
        self._overrides = overrides or {}
        self._underlay: Namespace | None = None
        self.name = secrets.token_hex(3)
        self.directory = Path()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __enter__(self) -> "Lab":
        if not have_privileges():
            raise LabError("creating network namespaces needs root, or a user namespace of our own")
        self.directory = records.create(self.name)
        try:
            self._build()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._tear_down()

    def _build(self) -> None:
        for host in self.topology.hosts:
            node = Node(host, Namespace(host.name), self.directory / host.name, self.options.log_level)
            self.nodes[host.name] = node
            node.configure(self._overrides.get("", {}))
            node.configure(self._overrides.get(host.name, {}))
        if not any(node.plan.role is Role.ROUTER for node in self):
            self._underlay = Namespace("underlay")
        wire(self.topology, self.underlay, {node.name: node.namespace for node in self})
        for node in self:
            for container in node.plan.containers:
                node.add_container(container.number)

    def _tear_down(self) -> None:
        for node in self:
            node.signal(signal.SIGTERM)
        for node in self:
            node.wait_stopped()
            node.close()
        self.nodes.clear()
        if self._underlay is not None:
            self._underlay.close()
            self._underlay = None
        records.remove(self.directory)

    def start(self) -> None:
        """Start every host's daemon."""
        for node in self:
            node.start()

    @property
    def underlay(self) -> Namespace:
        """Return the namespace that joins the hosts: the bridge's, or the router's."""
        return self._underlay or next(node.namespace for node in self if node.plan.role is Role.ROUTER)

    @property
    def containers(self) -> tuple[Container, ...]:
        """Return the containers that are up."""
        return tuple(container for node in self for container in node.containers.values())

    def missing(self) -> dict[str, set[str]]:
        """Return what each host's kernel still lacks of the other hosts' containers."""
        lacking = {}
        for node in self:
            absent = self.topology.foreign_prefixes(node.plan) - node.kernel_prefixes()
            if absent:
                lacking[node.name] = set(absent)
        return lacking

    def wait_answering(self, timeout: float = 0.0) -> float:
        """Wait until every daemon has started, which its API shows; return the seconds it took. Raises LabError."""
        return self.wait_for(lambda: all(node.is_answering() for node in self), "every bgpd to answer", timeout)

    def wait_converged(self, timeout: float = 0.0) -> float:
        """Wait until every kernel routes to every other host's containers; return the seconds it took.

        timeout: seconds, 0 = the options'. Raises LabError if a daemon ends or the time is over.
        """
        return self.wait_for(lambda: not self.missing(), "every node's kernel to have every route", timeout)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = 0.0) -> float:
        """Wait until the condition holds; return the seconds it took. Raises LabError."""
        began = time.monotonic()
        deadline = began + (timeout or self.options.timeout)
        while not condition():
            for node in self:
                node.check_running()
            if time.monotonic() > deadline:
                raise LabError(f"waited {time.monotonic() - began:.1f} s in vain for {what}")
            time.sleep(_POLL)
        return time.monotonic() - began

    def ping_all(self, patience: float = 3.0) -> PingMatrix:
        """Ping from every container to every other, IPv4 and IPv6."""
        with self.pinger() as pinger:
            return PingMatrix(
                tuple(container.plan.name for container in self.containers),
                pinger.ask(pinger.questions(), patience),
            )

    def pinger(self, *nodes: str) -> Pinger:
        """Return a pinger among the containers of these nodes, of all without a name."""
        return Pinger(
            container.endpoint
            for node in self
            if not nodes or node.name in nodes
            for container in node.containers.values()
        )
