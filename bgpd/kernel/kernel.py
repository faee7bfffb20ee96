"""The kernel as the speaker sees it: what is learned from it, how addresses are reached, and our routes in it.

Composes the watcher (what is there) and the FIB writer (what we want there).
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bgpd.addresses import parse_prefix
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.fib import Fib, FibStats
from bgpd.kernel.learning import LocalRoute
from bgpd.kernel.links import InterfaceAddress, Link
from bgpd.kernel.lookup import Resolution
from bgpd.kernel.netlink import KernelError, NetlinkSocket, Overrun, explain_permission, is_permission
from bgpd.kernel.packing import RoutePacker
from bgpd.kernel.retries import FibFailure
from bgpd.kernel.routes import FibRoute, RouteKind
from bgpd.kernel.settings import KernelSettings
from bgpd.kernel.watcher import KernelUser, Watcher

# Deleting a route that is not there, of a table that is not there, tells whether we may write.
_PROBE_TABLE: Final = 0xFFFF_FFFE
_PROBE_PREFIX: Final = parse_prefix("192.0.2.1/32")[1]
_PROBE_ROUTE: Final = FibRoute((), RouteKind.BLACKHOLE)


class Kernel:
    """Routes, links and addresses of the network namespace that the thread is in when ``start`` is called.

    user: told of changes, on the loop.
    """

    def __init__(self, settings: KernelSettings, user: KernelUser, loop: AbstractEventLoop) -> None:
        self.settings = settings
        self._loop = loop
        self._fib = Fib(settings, loop)
        self._watcher = Watcher(settings, user, self._fib, loop)
        self._writer: NetlinkSocket | None = None

    async def start(self) -> None:
        """Open the sockets and read what is there; then ``learn``. Raises KernelError."""
        self._writer = NetlinkSocket()
        try:
            self._check_permission(self._writer)
            self._fib.start(self._watcher, self._writer)
            await self._watcher.start(self._writer.port)
        except (OSError, Overrun) as error:
            await self.close()
            reason = error.strerror if isinstance(error, OSError) else "the receive buffer is too small"
            raise KernelError(f"cannot read the kernel's routes: {reason}") from error
        except KernelError:
            await self.close()
            raise

    async def learn(self) -> None:
        """Tell of what is learned from what was read, in slices; then write routes."""
        await self._watcher.learn()

    def _check_permission(self, writer: NetlinkSocket) -> None:
        probe = RoutePacker(IPV4_UNICAST, _PROBE_TABLE, self.settings.protocol).delete(_PROBE_PREFIX, _PROBE_ROUTE, 1)
        refusal = writer.exchange_one(probe)
        if refusal is not None and is_permission(refusal.errno):
            raise KernelError(explain_permission("write routes"))

    async def close(self) -> None:
        """Stop; our routes stay in the kernel."""
        self._fib.close()
        await self._watcher.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def apply_settings(self, settings: KernelSettings) -> None:
        """Use changed learn rules and limits. Raises ValueError if table or protocol differ: they need a new Kernel."""
        if (settings.table, settings.protocol) != (self.settings.table, self.settings.protocol):
            raise ValueError("the routing table and the route protocol cannot change while running")
        self.settings = settings
        self._watcher.apply_settings(settings)

    # ------------------------------------------------------------ what is there

    def lookup(self, address: bytes, interface: int = 0) -> Resolution:
        """Return how an address is reached over routes that are not ours; interface: for link-local ones."""
        return self._watcher.lookup(address, interface)

    @property
    def links(self) -> Mapping[int, Link]:
        """Interfaces by index."""
        return self._watcher.links

    @property
    def addresses(self) -> Mapping[int, frozenset[InterfaceAddress]]:
        """Addresses by interface index."""
        return self._watcher.addresses

    @property
    def learned(self) -> Mapping[Family, Mapping[bytes, LocalRoute]]:
        """Routes that the learn rules select, by family and prefix."""
        return self._watcher.learned

    def interface_index(self, name: str) -> int | None:
        """Return the index of the interface with that name; None: there is none."""
        return self._watcher.interface_index(name)

    def interface_name(self, index: int) -> str:
        """Return the name of the interface with that index, empty if there is none."""
        link = self._watcher.links.get(index)
        return link.name if link is not None else ""

    def resynchronise(self, why: str) -> None:
        """Read everything again and put our routes right."""
        self._watcher.resynchronise(why)

    # ------------------------------------------------------------ our routes

    def program(self, family: Family, changes: Mapping[bytes, FibRoute | None]) -> None:
        """Write these routes, None: delete; a later change of a prefix supersedes one that is still queued."""
        self._fib.program(family, changes)

    async def flushed(self) -> None:
        """Return when all that was programmed has been handed to the kernel."""
        await self._fib.flushed()

    def begin_sweep(self) -> None:
        """Treat all our routes as inherited (as after ``start``): they stay until ``sweep`` unless programmed again."""
        self._fib.begin_sweep()

    def sweep(self) -> int:
        """Delete the inherited routes that nobody has programmed; return how many."""
        return self._fib.sweep()

    def flush_all(self) -> None:
        """Delete all our routes (queued: see ``flushed``)."""
        self._fib.flush_all()

    def installed(self, family: Family) -> int:
        """Return how many prefixes have a route of ours in the kernel."""
        return self._fib.installed(family)

    def queued(self) -> int:
        """Return how many prefixes wait to be written."""
        return self._fib.queued()

    def route(self, family: Family, prefix: bytes) -> FibRoute | None:
        """Return our route in the kernel for a prefix."""
        return self._fib.route(family, prefix)

    def routes(self, family: Family) -> Mapping[bytes, FibRoute]:
        """Return all our routes of a family in the kernel: a new mapping."""
        return self._fib.routes(family)

    @property
    def failures(self) -> Mapping[tuple[Family, bytes], FibFailure]:
        """Routes that are wanted and not in the kernel, with the reason."""
        return self._fib.failures

    @property
    def stats(self) -> FibStats:
        """Counters of the FIB writer."""
        return self._fib.stats

    @property
    def events(self) -> int:
        """How many netlink events were read."""
        return self._watcher.events

    @property
    def resyncs(self) -> int:
        """How often everything was read again."""
        return self._watcher.resyncs

    @property
    def on_written(self) -> list[Callable[[Family, Sequence[bytes]], None]]:
        """Called with the prefixes of each batch that the kernel has accepted (not deletions)."""
        return self._fib.on_written
