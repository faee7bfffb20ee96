"""What goes wrong around the daemons while others change things: nothing of it may reset a session or lose a route."""

from collections.abc import Callable
from random import Random
from typing import Final

from conformance.churn.fleet import Fleet

_MOST_STEPS: Final = 3  # that happen meanwhile


class Mishaps:
    """Mishaps of etcd, the network and the kernel. step: does something else."""

    def __init__(self, fleet: Fleet, random: Random, step: Callable[[], None]) -> None:
        self._fleet = fleet
        self._random = random
        self._step = step

    def restart_etcd(self) -> None:
        """Kill etcd and start it again."""
        self._fleet.restart_etcd()

    def compact_etcd(self) -> None:
        """Let etcd forget its past while a node does not listen: it has to list everything anew."""
        name = self._any()
        self._fleet.freeze(name)
        self._meanwhile()
        self._fleet.compact_etcd()
        self._fleet.thaw(name)

    def freeze(self) -> None:
        """Give a daemon no processor for a while, as a busy machine does."""
        name = self._any()
        self._fleet.freeze(name)
        self._meanwhile()
        self._fleet.thaw(name)

    def unplug(self) -> None:
        """Pull a node's cable for less than the hold time."""
        name = self._any()
        self._fleet.set_cable(name, "down")
        self._meanwhile()
        self._fleet.set_cable(name, "up")

    def lose_tunnel(self) -> None:
        """Delete a node's tunnel device, and make it again."""
        name = self._any()
        self._fleet.remove_tunnel(name)
        self._meanwhile()
        self._fleet.add_tunnel(name)

    def meddle(self) -> None:
        """Delete one of our routes from a kernel, as a person or another agent may."""
        name = self._any()
        routes = sorted(self._fleet.due.kernel[name], key=str)
        if routes:
            self._fleet.delete_route(name, self._random.choice(routes).prefix)

    def _meanwhile(self) -> None:
        for _ in range(self._random.randint(1, _MOST_STEPS)):
            self._step()

    def _any(self) -> str:
        return self._random.choice(sorted(self._fleet.running & set(self._fleet.world.nodes)))
