"""What a test asks of another BGP daemon, whichever it is.

A daemon's module has one class that fulfils ``PeerDaemon``: it renders its configuration from peerings, starts and
ends its processes, and reads its tables with its own tools. One instance is one router: one AS number, one identifier,
many sessions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from conformance.interop.peering import Peering
from tests.support.netns import Namespace


@dataclass(frozen=True, slots=True)
class Seen:
    """A route as the other daemon has it from us. communities: as bgpd writes them; origin: IGP, EGP or INCOMPLETE."""

    prefix: str
    origin: str
    as_path: str
    next_hop: str
    med: int | None = None
    local_pref: int | None = None
    communities: frozenset[str] = frozenset()
    path_id: int = 0


class PeerDaemon(Protocol):
    """One router."""

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running daemon is not told."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def recover(self) -> None:
        """Start it again after it was killed, as a graceful restart."""

    def kill(self) -> None:
        """End it as a crash would."""

    def stop(self) -> None:
        """End it."""

    def state(self, peering: Peering) -> str:
        """Return the session's state in the RFC's words."""

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix and was accepted."""

    def announce(self, peering: Peering, family: str) -> None:
        """Announce the peering's prefix again, after ``withdraw``; at the start it is announced."""

    def withdraw(self, peering: Peering, family: str) -> None:
        """Withdraw the peering's prefix."""

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session with a shutdown communication, and keep it down."""

    def bring_up(self, peering: Peering) -> None:
        """Take the session up after ``shut_down``."""

    def last_error(self, peering: Peering) -> str:
        """Return what it says about the session's last NOTIFICATION, in its own words."""

    def evidence(self, peering: Peering) -> str:
        """Return what itself, or its kernel, says of a limitation that ``Kind.limit`` names for the session.

        Raises AssertionError if it does not show.
        """


@dataclass(frozen=True, slots=True)
class Kind:
    """A daemon's kind. make: namespace, directory, AS number, identifier → one router.

    limit: why it cannot have a session as planned, in a sentence; empty = it can. has_table: it keeps the routes of a
    peer that restarts; without one it only passes on what it hears. has_fib: it writes what it takes into its kernel.
    """

    name: str
    package: str
    version: Callable[[], str]
    make: Callable[[Namespace, Path, int, str], PeerDaemon]
    limit: Callable[[Peering], str]
    has_table: bool = True
    has_fib: bool = False


def shown(text: str, expected: str) -> str:
    """Return the line of a text that holds the expected words. Raises AssertionError if there is none."""
    for line in text.splitlines():
        if expected in line:
            return line.strip()
    raise AssertionError(f"expected to read {expected!r} in: {text}")
