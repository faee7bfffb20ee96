"""The speaker as the views see it: what is looked at of each part, and the moment of looking."""

from collections.abc import Mapping, Sized
from typing import Protocol

from bgpd.config import Resolved, ResolvedPeer
from bgpd.families import Family
from bgpd.fsm.graceful_restart import Helper
from bgpd.kernel import FibRoute, Kernel
from bgpd.messages.negotiated import Negotiated
from bgpd.records import dataclass
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Candidates, Path
from bgpd.rib.update_group import Member, UpdateGroup
from bgpd.session.listener import Listener
from bgpd.session.peer import PeerSession


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on two clocks: the event loop's and Unix time, seconds."""

    loop: float
    unix: float

    def unix_of(self, loop_time: float) -> float:
        """Return the Unix time of a loop time."""
        return self.unix - (self.loop - loop_time)


class Refusing(Protocol):
    """What says why a received path is not used, or which policy rule let it in."""

    def refusal(self, path: Path, prefix: bytes) -> str: ...
    def black_hole_refusal(self, path: Path, prefix: bytes) -> str: ...
    def policy(self, path: Path, prefix: bytes) -> str: ...


class StageView(Protocol):
    """How far a peer is taken out; the value is for people."""

    @property
    def value(self) -> str: ...


class DrainView(Protocol):
    """Whether an operator takes a peer out. ends: loop time at which its session is closed, None = not waited for."""

    @property
    def stage(self) -> StageView: ...
    @property
    def ends(self) -> float | None: ...


class RouteFaultsView(Protocol):
    """What was set aside of a peer's routes, by kind: how often, and the newest reason."""

    @property
    def by_kind(self) -> Mapping[str, int]: ...
    @property
    def last(self) -> Mapping[str, str]: ...


class KeptRoutesView(Protocol):
    """What is kept of a lost session, and until when by family (loop time; None = nothing)."""

    @property
    def helper(self) -> Helper: ...
    def until(self, family: Family) -> float | None: ...


class PeerView(Protocol):
    """What is looked at of a peer. range_name: of the range that it came from, empty = it has a table of its own."""

    @property
    def settings(self) -> ResolvedPeer: ...
    @property
    def session(self) -> PeerSession: ...
    @property
    def negotiated(self) -> Negotiated | None: ...
    @property
    def adj_ribs_in(self) -> Mapping[Family, AdjRibIn]: ...
    @property
    def importers(self) -> Mapping[Family, Refusing]: ...
    @property
    def members(self) -> Mapping[Family, tuple[UpdateGroup, Member]]: ...
    @property
    def range_name(self) -> str: ...
    @property
    def faults(self) -> RouteFaultsView: ...
    @property
    def kept_routes(self) -> KeptRoutesView: ...
    @property
    def drain(self) -> DrainView: ...
    @property
    def is_wanted(self) -> bool: ...


class ForwardingView(Protocol):
    """What is looked at of the way to the kernel."""

    def route(self, family: Family, prefix: bytes, candidates: Candidates | None) -> FibRoute | None: ...
    def why_not(self, family: Family, prefix: bytes, candidates: Candidates) -> str: ...


class SpeakerView(Protocol):
    """What is looked at of the speaker. kernel, forwarding: None = the kernel is left alone."""

    @property
    def config(self) -> Resolved: ...
    @property
    def peers(self) -> Mapping[str, PeerView]: ...
    @property
    def loc_ribs(self) -> Mapping[Family, LocRib]: ...
    @property
    def groups(self) -> Sized: ...
    @property
    def kernel(self) -> Kernel | None: ...
    @property
    def forwarding(self) -> ForwardingView | None: ...
    @property
    def next_hops(self) -> NextHopTable: ...
    @property
    def listener(self) -> Listener: ...
    @property
    def is_recovering(self) -> bool: ...
    @property
    def is_draining(self) -> bool: ...
    @property
    def started_at(self) -> float: ...
    @property
    def reloaded_at(self) -> float | None: ...
