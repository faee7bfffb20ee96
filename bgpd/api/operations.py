"""What the API asks of the daemon: views to show, commands to carry out.

A long table is given in slices, so that the event loop turns between two of them: a slice is the rows found among a
bounded number of prefixes, and the position at which to go on.
"""

from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from bgpd.api.health import Health
from bgpd.api.rows import (
    ClusterView,
    Explanation,
    FibRow,
    Outcome,
    PeerDetail,
    PeerRow,
    PolicyTrial,
    Proposal,
    RouteRow,
    StatusRow,
)
from bgpd.api.statistics import Statistics
from bgpd.communities import NO_COMMUNITIES, Communities
from bgpd.families import Family
from bgpd.identity import PeerType
from bgpd.messages.attributes.model import AsPath, Origin
from bgpd.records import dataclass
from bgpd.rib.path import SourceKind

SLICE: Final = 500  # prefixes looked at between two turns of the event loop

Row = TypeVar("Row")


class Refused(Exception):
    """A request that cannot be carried out. status: of HTTP. hint: what to do about it."""

    def __init__(self, status: int, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.hint = hint


@dataclass(frozen=True, slots=True)
class RouteQuery:
    """Which rows of a table are asked for.

    family: None = all. prefix: canonical octets, None = all; needs the family. is_address: an address was asked for:
    the most specific prefix that covers it is meant. longer: more specific prefixes as well. peer: where the best
    path came from, empty = anywhere. start: position in the table, from an earlier answer. limit: rows, 0 = all.
    """

    family: Family | None = None
    prefix: bytes | None = None
    is_address: bool = False
    longer: bool = False
    peer: str = ""
    start: int = 0
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class TrialRoute:
    """A route as a person describes it for a policy test; absent = as a plain route has it.

    source: ``peer``, ``network`` or ``kernel``. from_peer: name of the peer that it came from.
    """

    source: SourceKind | None = None
    from_peer: str = ""
    from_peer_type: PeerType | None = None
    as_path: AsPath | None = None
    communities: Communities = NO_COMMUNITIES
    next_hop: bytes = b""
    med: int | None = None
    local_pref: int | None = None
    origin: Origin | None = None
    interface: str = ""


@dataclass(frozen=True, slots=True)
class PolicyQuery:
    """A policy test.

    policy: name; empty = all that the peer has for this direction. peer: name or address, empty = nobody in particular,
    of the kind peer_type. route: None = as it is in the tables now, or a plain one.
    """

    family: Family
    prefix: bytes
    policy: str = ""
    peer: str = ""
    peer_type: PeerType = PeerType.EXTERNAL
    is_export: bool = False
    route: TrialRoute | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """Rows found in one go. next: where to go on, None = the table is at its end."""

    rows: list[Row]
    next: int | None


class Glance(Protocol):
    """What a daemon can always tell of itself, also one that waits for its first configuration."""

    def status(self) -> StatusRow: ...
    def statistics(self) -> Statistics: ...
    def health(self) -> Health: ...


class Operations(Glance, Protocol):
    """The daemon as the API sees it. All runs on the event loop, and only what is ``async`` waits. Raises Refused."""

    def peers(self) -> list[PeerRow]: ...
    def peer(self, name: str) -> PeerDetail: ...
    def routes(self, query: RouteQuery) -> Iterator[Slice[RouteRow]]: ...
    def routes_in(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]: ...
    def routes_out(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]: ...
    def fib(self, query: RouteQuery) -> Iterator[Slice[FibRow]]: ...
    def explain(self, query: RouteQuery) -> Explanation: ...
    def policy_trial(self, query: PolicyQuery) -> PolicyTrial: ...

    async def cluster(self) -> ClusterView: ...

    async def reload(self) -> Outcome: ...
    async def plan(self, proposal: Proposal) -> Outcome:
        """Return what a proposal would do if it were the configuration."""

    def drain(self, peer: str, wait: float) -> Outcome:
        """Take a peer out, or the node if peer is empty: its routes are a last resort first, for so many seconds."""

    def undrain(self, peer: str) -> Outcome: ...
    def reset(self, peer: str) -> Outcome: ...
    def hard_reset(self, peer: str) -> Outcome: ...
    def enable(self, peer: str) -> Outcome: ...
    def disable(self, peer: str) -> Outcome: ...
    def set_log_level(self, level: str) -> Outcome: ...
