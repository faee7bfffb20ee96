"""What is measured, as values of one moment: what the metrics are made of.

Times are seconds, sizes octets. What is called a count grows from the start of the daemon on; the rest is the state
now.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol

from bgpd.records import dataclass

STATES: Final = ("Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established")
LAG_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Distribution(Protocol):
    """How often values fell where.

    bounds: upper bounds, ascending. counts: one for each bound, and one for what is above. total: sum of the values.
    """

    @property
    def bounds(self) -> Sequence[float]: ...
    @property
    def counts(self) -> Sequence[int]: ...
    @property
    def total(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """A distribution at one moment."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Histogram:
    """A distribution that is being filled."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, as often as told."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


@dataclass(frozen=True, slots=True)
class FamilyStatistics:
    """Routes of one peer in one family. stale: kept while it restarts; long_lived: those of them in that phase."""

    family: str
    received: int
    accepted: int
    sent: int
    stale: int = 0
    long_lived: int = 0


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """One peer.

    state: one of STATES. uptime: 0 = not established. owed: prefixes that a slow peer waits for. faults: what was set
    aside of its routes, by kind: a count.
    """

    name: str
    address: str
    asn: int
    type: str
    state: str
    uptime: float
    flaps: int
    last_reason: str
    received: Mapping[str, int]
    sent: Mapping[str, int]
    octets_received: int
    octets_sent: int
    unsent: int
    owed: int
    families: tuple[FamilyStatistics, ...]
    faults: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FibStatistics:
    """The FIB writer: routes now, then counts."""

    installed: int = 0
    queued: int = 0
    failed: int = 0
    written: int = 0
    deleted: int = 0
    errors: int = 0
    resynchronizations: int = 0
    reinstalled: int = 0


@dataclass(frozen=True, slots=True)
class DatastoreStatistics:
    """The cluster's datastore. changed: Unix time of the last change, 0 = none. problems: by key. Then counts.

    mesh_role: of this node in a mesh that elects its reflectors, empty = it has no part in one.
    """

    is_connected: bool
    revision: int
    changed: float
    problems: tuple[str, ...]
    lists: int
    disconnects: int
    status_writes: int
    mesh_role: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that is measured.

    prefixes: of the Loc-RIB by family. paths: held from peers, by family. distributions: name → (text, distribution).
    tasks: of the event loop. worst_lag: seconds that the event loop was late at most, since the start.
    """

    version: str
    started: float
    peers: tuple[PeerStatistics, ...]
    prefixes: Mapping[str, int]
    update_groups: int
    next_hops: int
    unknown_peers: int
    fib: FibStatistics
    distributions: Mapping[str, tuple[str, Distribution]]
    paths: Mapping[str, int]
    tasks: int
    worst_lag: float
    datastore: DatastoreStatistics | None = None
