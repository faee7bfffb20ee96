"""What the API answers: one struct for each kind of row, the same for JSON and for the tables of ``bgpctl``.

Addresses, prefixes and AS paths are text. Times are seconds; a ``since`` or ``at`` is Unix time. Empty text means
"nothing"; ``None`` means that there is no value.
"""

from msgspec import Struct


class Failure(Struct, frozen=True):
    """Why a request was refused. hint: what to do about it; may be empty."""

    error: str
    hint: str = ""


class MessageCount(Struct, frozen=True):
    """Messages of one type on one session since the daemon started."""

    type: str
    received: int
    sent: int


class FamilyCount(Struct, frozen=True):
    """Routes of one peer in one family. owed: prefixes that a slow peer has not been sent yet.

    stale: routes that are kept while the peer restarts. stale_phase: ``restarting``, ``long-lived`` or ``returning``,
    empty = nothing is stale. stale_until: Unix time at which they go, or become a last resort.
    """

    family: str
    received: int
    accepted: int
    sent: int
    owed: int = 0
    stale: int = 0
    stale_phase: str = ""
    stale_until: float | None = None


class PeerRow(Struct, frozen=True):
    """One peer, as a line.

    node: host name that the peer announced, or its name in the cluster. type: ``ibgp``, ``ebgp``, ``client`` or
    ``confed`` (another Member-AS of our confederation). state: the RFC's name of the FSM state. is_expected: it should
    be up; a disabled peer should not. received, accepted, sent: routes, over all families. drain: ``draining`` (its
    routes are a last resort) or ``drained`` (closed), empty = neither; drain_ends: Unix time at which the one becomes
    the other. is_enabled: neither configuration nor operator keep it down, or it is drained, which comes first.
    last_error: the newest failure, of a session or of an attempt; ended_by: why the last established session ended.
    Both empty = none.
    """

    name: str
    address: str
    node: str
    type: str
    asn: int | None
    state: str
    since: float
    received: int
    accepted: int
    sent: int
    last_error: str
    is_expected: bool = True
    is_up: bool = False
    origin: str = "config"
    drain: str = ""
    drain_ends: float | None = None
    is_enabled: bool = True
    ended_by: str = ""

    @property
    def trouble(self) -> str:
        """Return what an operator has to know first, empty = nothing."""
        return self.ended_by if self.is_up and self.ended_by else trouble(self.ended_by, self.last_error)


def trouble(ended_by: str, last_error: str) -> str:
    """Return what ended the last session, and the newest failure if that is another one."""
    return f"{ended_by}; then {last_error}" if ended_by and last_error != ended_by else last_error


class PeerList(Struct, frozen=True):
    """All peers, in the order of the configuration."""

    rows: tuple[PeerRow, ...]


class FaultyRow(Struct, frozen=True):
    """The last message of a peer that was not as it should be.

    octets: of the whole message; hex: these octets, or the first 4,096 of them. The log has them all.
    """

    at: float
    reason: str
    octets: int
    hex: str


class PeerDetail(Struct, frozen=True):
    """All about one peer.

    negotiated: what both OPENs allow, by name; empty while the session is down. resting: why the session stays down by
    itself, empty = it does not; rests_until: when it comes back, None = when it is reset. ended_at: when the last
    established session ended.
    """

    row: PeerRow
    port: int
    local_address: str
    local_asn: int
    is_passive: bool
    is_enabled: bool
    held_down: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    flaps: int
    last_error_at: float | None
    unsent: int
    is_congested: bool
    families: tuple[FamilyCount, ...]
    messages: tuple[MessageCount, ...]
    octets_received: int
    octets_sent: int
    negotiated: dict[str, str]
    settings: dict[str, str]
    route_faults: dict[str, str] = {}
    resting: str = ""
    rests_until: float | None = None
    faulty: FaultyRow | None = None
    ended_at: float | None = None


class RouteRow(Struct, frozen=True, omit_defaults=True):
    """One prefix with one path. rejected: why it is not used. otc: ONLY_TO_CUSTOMER (RFC 9234), an AS number.

    is_stale: kept while its peer restarts, or a last resort: is_long_lived (RFC 9494). stale_until: Unix time at which
    our timer ends that, None = it is stale elsewhere. weight: given by import policy, on this node only. policy: which
    policy rule let it in or out; empty = none was asked.
    """

    prefix: str
    next_hop: str
    peer: str
    as_path: str
    origin: str
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[str, ...] = ()
    is_best: bool = False
    is_multipath: bool = False
    is_stale: bool = False
    is_long_lived: bool = False
    stale_until: float | None = None
    rejected: str = ""
    path_id: int = 0
    originator: str = ""
    cluster_list: tuple[str, ...] = ()
    weight: int = 0
    policy: str = ""
    otc: int | None = None


class RouteList(Struct, frozen=True):
    """A list of routes, read as a whole. next: where it goes on, None = it is complete."""

    rows: tuple[RouteRow, ...]
    next: int | None


class FibLeg(Struct, frozen=True, omit_defaults=True):
    """One way that a FIB route leaves by. gateway: empty = on the link."""

    gateway: str
    device: str
    is_onlink: bool = False
    weight: int = 1


class FibRow(Struct, frozen=True, omit_defaults=True):
    """One route that we wrote or want to write.

    state: ``installed``, ``queued`` or ``failed``. error: the kernel's text. peer: where its best path came from.
    """

    prefix: str
    kind: str
    legs: tuple[FibLeg, ...]
    state: str
    error: str = ""
    peer: str = ""


class Candidate(Struct, frozen=True):
    """One path of the prefix being explained.

    verdict: ``best``, ``multipath``, ``lost`` or ``rejected``. why: the decision step against the best path, or the
    reason of the rejection. resolution: how the next hop is reached, or why it is not. policy: which rule of the peer's
    import policies let it in; empty = none was asked.
    """

    route: RouteRow
    verdict: str
    why: str
    resolution: str
    policy: str = ""


class Export(Struct, frozen=True):
    """Whether one peer is sent the prefix, and why or why not.

    path_ids: of the paths that it is sent, where it takes several (RFC 7911); why: then also of those it is not sent.
    """

    peer: str
    is_sent: bool
    why: str
    path_ids: tuple[int, ...] = ()


class Explanation(Struct, frozen=True):
    """Why a prefix is where it is. fib: the row, or None with fib_why saying why nothing is written."""

    prefix: str
    candidates: tuple[Candidate, ...]
    exports: tuple[Export, ...]
    fib: FibRow | None
    fib_why: str = ""


class PolicyStep(Struct, frozen=True):
    """One rule that a policy test looked at, or a policy's default.

    misses: the conditions that did not hold, with what the route has instead; empty = the rule matched. operations:
    what it did to the route.
    """

    policy: str
    rule: str
    action: str
    is_match: bool
    misses: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


class PolicyTrial(Struct, frozen=True):
    """What policies would decide about a route; nothing was touched.

    peer: whom they were asked for, empty = nobody in particular. direction: ``import`` or ``export``. policies: in
    order. route: where the route is from, for people. rule: what decided. after: the route as the rules left it.
    """

    prefix: str
    peer: str
    direction: str
    policies: tuple[str, ...]
    route: str
    steps: tuple[PolicyStep, ...]
    accepted: bool
    rule: str
    before: RouteRow
    after: RouteRow
    notes: tuple[str, ...] = ()


class KeyRow(Struct, frozen=True):
    """A key of the datastore whose value cannot be used, and why; never the value."""

    key: str
    why: str


class DatastoreRow(Struct, frozen=True):
    """How the cluster's datastore is.

    why: why it is not connected, empty = it is. waiting: what the configuration waits for. refused: why the latest one
    is not in force. revision: as last heard. changed: when a configuration last came of it. lists: how often all of it
    was read. problems: keys whose last good value stays in force. notices: what is asked for and done otherwise.
    status_key: why our status key is not written, empty = it is. election: why we take no part in that of reflectors
    though we should, empty = we do, or should not.
    """

    kind: str
    endpoint: str
    is_connected: bool
    why: str = ""
    waiting: str = ""
    refused: str = ""
    revision: int = 0
    changed: float | None = None
    lists: int = 0
    disconnects: int = 0
    problems: tuple[KeyRow, ...] = ()
    notices: tuple[str, ...] = ()
    status_key: str = ""
    election: str = ""


class ClusterNodeRow(Struct, frozen=True):
    """One node of the cluster. state: ``up``, ``dead`` (it is listed, but no bgpd reports from there) or ``unlisted``.

    sessions_up, sessions: as it sees them. routes: over all families. role: in a mesh that elects its reflectors.
    """

    node: str
    state: str
    version: str = ""
    asn: int = 0
    identifier: str = ""
    since: float | None = None
    sessions_up: int = 0
    sessions: int = 0
    routes: int = 0
    role: str = ""


class ClusterSessionRow(Struct, frozen=True):
    """One session from both ends; other: a node, or the address of a router outside the cluster.

    state, other_state: as either end sees it, empty = it has no such session. verdict: ``up``, ``down``, ``mismatch``
    (up at one end only), ``one end`` (configured at one end only), ``dead`` (nobody reports from the other end).
    why: last errors.
    """

    node: str
    address: str
    state: str
    other: str
    other_address: str
    other_state: str
    verdict: str
    why: str = ""


class ClusterView(Struct, frozen=True):
    """All nodes and their sessions, as their bgpds report them.

    sessions: all of them if is_complete, else those that are not up at both ends. sessions_up: how many are.
    """

    nodes: tuple[ClusterNodeRow, ...]
    sessions: tuple[ClusterSessionRow, ...]
    sessions_up: int
    is_complete: bool = True


class StatusRow(Struct, frozen=True):
    """The daemon at a glance.

    state: ``ok``, ``degraded``, ``starting``, ``draining`` or ``waiting`` (for a first configuration); problems: what
    is wrong. datastore: None = the configuration is a file alone. mesh_role: in a mesh that elects its reflectors.
    drain_ends: Unix time at which the sessions of a node that is drained are closed, None = nothing is waited for.
    drained_peers: those that an operator has taken out, or is taking out.
    """

    version: str
    node: str
    asn: int
    identifier: str
    state: str
    started: float
    reloaded: float | None
    peers_expected: int
    peers_up: int
    routes: dict[str, int]
    fib_installed: int
    fib_queued: int
    fib_failed: int
    unknown_peers: int
    loop_lag: float
    problems: tuple[str, ...] = ()
    cluster_id: str = ""
    drain_ends: float | None = None
    drained_peers: tuple[str, ...] = ()
    datastore: DatastoreRow | None = None
    mesh_role: str = ""


class Proposal(Struct, frozen=True):
    """Something else to be configured.

    text: of the file, None = as it is. file: its path, for messages and relative paths. changes: keys of etcd and their
    new values, None = gone.
    """

    file: str = ""
    text: str | None = None
    changes: dict[str, str | None] = {}


class Outcome(Struct, frozen=True):
    """What a command did, line by line; empty = nothing had to change."""

    done: tuple[str, ...]
