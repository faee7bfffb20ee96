"""What there is to see of the speaker, as rows: functions of its tables, without a side effect.

The speaker is known here only by what is looked at. A long table is read in slices (see ``operations``): its keys
are copied first, each slice then looks up what its keys hold by then, so that a table may change meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from msgspec.structs import replace

from bgpd.addresses import covers, format_address, format_prefix, truncate
from bgpd.api.operations import SLICE, Refused, RouteQuery, Slice
from bgpd.api.rows import (
    Candidate,
    Explanation,
    Export,
    FamilyCount,
    FibLeg,
    FibRow,
    MessageCount,
    PeerDetail,
    PeerRow,
    RouteRow,
    StatusRow,
)
from bgpd.api.statistics import Distribution, FamilyStatistics, FibStatistics, PeerStatistics, Statistics
from bgpd.communities import format_community, format_extended_community, format_large_community
from bgpd.config import Resolved, ResolvedPeer
from bgpd.families import Family
from bgpd.fsm.states import State
from bgpd.identity import format_identifier
from bgpd.kernel import FibRoute, Kernel
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.framing import MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.decision import Step, equal_cost, why
from bgpd.rib.export import Exported
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Candidates, NextHop, Path
from bgpd.rib.update_group import Member, UpdateGroup
from bgpd.session.listener import Listener
from bgpd.session.peer import PeerSession

Row = TypeVar("Row")
Value = TypeVar("Value")

_SORTED: Final = 10_000  # prefixes: a table of at most so many is shown in order, a larger one as it lies in memory
_PATH_ID: Final = 4  # octets before the prefix in the keys of a table with path identifiers
_NAMED: Final = 5  # peers that a problem names
_DEFAULT_ECMP: Final = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on two clocks: the event loop's and Unix time, seconds."""

    loop: float
    unix: float

    def unix_of(self, loop_time: float) -> float:
        """Return the Unix time of a loop time."""
        return self.unix - (self.loop - loop_time)


class Refusing(Protocol):
    """What says why a received path is not used."""

    def refusal(self, path: Path, prefix: bytes) -> str: ...


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


# ---------------------------------------------------------------- peers


def find_peer(speaker: SpeakerView, name: str) -> PeerView:
    """Return the peer of that name, or of that address if there is one such. Raises Refused."""
    peer = speaker.peers.get(name)
    if peer is not None:
        return peer
    found = [peer for peer in speaker.peers.values() if _address(peer) == name]
    if len(found) == 1:
        return found[0]
    raise Refused(404, f"there is no peer {name}", "bgpctl peers lists them")


def is_expected(peer: PeerView) -> bool:
    """Should the peer be up? Not one that is disabled, nor one that came from a range by itself."""
    settings = peer.settings
    return not peer.range_name and (peer.session.is_started or (settings.enabled and bool(settings.held_down)))


def is_up(peer: PeerView) -> bool:
    """Is there a session?"""
    return peer.session.state is State.ESTABLISHED


def peer_row(peer: PeerView, moment: Moment) -> PeerRow:
    """Return the peer as a line."""
    settings, session, negotiated = peer.settings, peer.session, peer.negotiated
    return PeerRow(
        name=settings.name,
        address=_address(peer),
        node=negotiated.peer_host_name if negotiated is not None else "",
        type=_type(settings),
        asn=negotiated.remote_asn if negotiated is not None else settings.asn,
        state=session.state.title,
        since=moment.unix_of(session.since),
        received=sum(len(rib) for rib in peer.adj_ribs_in.values()),
        accepted=sum(rib.accepted for rib in peer.adj_ribs_in.values()),
        sent=sum(_advertised(group, member) for group, member in peer.members.values()),
        last_error=_last_error(peer),
        is_expected=is_expected(peer),
        is_up=is_up(peer),
        origin="range" if peer.range_name else "config",
    )


def peer_detail(peer: PeerView, moment: Moment) -> PeerDetail:
    """Return all about the peer."""
    settings, session = peer.settings, peer.session
    counts = session.counts
    local = session.local_address or settings.local_address
    return PeerDetail(
        row=peer_row(peer, moment),
        port=settings.port,
        local_address=format_address(local) if local else "",
        local_asn=settings.local_asn,
        is_passive=settings.passive,
        is_enabled=settings.enabled and session.is_started,
        held_down=settings.held_down,
        imports=settings.imports,
        exports=settings.exports,
        flaps=session.flaps,
        last_error_at=moment.unix_of(session.last_error_at) if _last_error(peer) else None,
        unsent=session.unsent,
        is_congested=session.is_congested,
        families=tuple(_family_counts(peer)),
        messages=tuple(MessageCount(kind.name, counts.received[kind], counts.sent[kind]) for kind in MessageType),
        octets_received=counts.octets_received,
        octets_sent=counts.octets_sent,
        negotiated=_negotiated(peer.negotiated) if peer.negotiated is not None else {},
        settings=_settings(settings),
    )


def _address(peer: PeerView) -> str:
    settings = peer.settings
    text = format_address(settings.address)
    return f"{text}%{settings.interface}" if settings.interface else text


def _last_error(peer: PeerView) -> str:
    session = peer.session
    if peer.settings.held_down:
        return f"Held down: {peer.settings.held_down}"
    is_old_news = is_up(peer) and session.flaps == 0  # attempts that failed before the first session
    return "" if is_old_news else session.last_error


def _type(settings: ResolvedPeer) -> str:
    if settings.peer_type == "external":
        return "ebgp"
    return "client" if settings.reflector_client else "ibgp"


def _advertised(group: UpdateGroup, member: Member) -> int:
    return group.rib.advertised(member.peer)


def _family_counts(peer: PeerView) -> Iterator[FamilyCount]:
    families = dict.fromkeys((*peer.adj_ribs_in, *peer.members))
    for family in families:
        rib, joined = peer.adj_ribs_in.get(family), peer.members.get(family)
        yield FamilyCount(
            family.name,
            len(rib) if rib is not None else 0,
            rib.accepted if rib is not None else 0,
            _advertised(*joined) if joined is not None else 0,
            joined[1].owed if joined is not None else 0,
        )


def _negotiated(negotiated: Negotiated) -> dict[str, str]:
    def names(families: Iterable[Family]) -> str:
        return ", ".join(sorted(family.name for family in families)) or "none"

    restart = negotiated.peer_graceful_restart
    return {
        "identifier": format_identifier(negotiated.remote_identifier),
        "families": names(negotiated.families),
        "hold time": f"{negotiated.hold_time} s, keepalive {negotiated.keepalive_time} s",
        "graceful restart": f"{restart.restart_time} s, {names(restart.families)}" if restart is not None else "no",
        "route refresh": "enhanced" if negotiated.enhanced_route_refresh else _yes(negotiated.route_refresh),
        "four-octet AS": _yes(negotiated.four_octet_as),
        "longest message": f"{negotiated.max_send} octets sent, {negotiated.max_receive} received",
        "add path": f"receive {names(negotiated.add_path_receive)}; send {names(negotiated.add_path_send)}",
        "IPv6 next hop": names(negotiated.extended_next_hop),
    }


def _settings(settings: ResolvedPeer) -> dict[str, str]:
    limit = f"{settings.max_prefix_limit}, then {settings.max_prefix_action.value}"
    return {
        "authentication": "TCP-MD5" if settings.password is not None else "none",
        "next hop": settings.next_hop.value,
        "prefix limit": limit if settings.max_prefix_limit else "none",
        "hops": f"GTSM, {settings.ttl_security}"
        if settings.ttl_security
        else f"TTL {settings.multihop_ttl or 'default'}",
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


# ---------------------------------------------------------------- tables


def routes(speaker: SpeakerView, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
    """Return the Loc-RIB: every usable path of every prefix, the best one first."""
    describe = _Describer()
    limit = _ecmp(speaker)

    def rows(_: Family, prefix: str, candidates: Candidates) -> list[RouteRow]:
        best = candidates[0]
        if query.peer and best.source.name != query.peer:
            return []
        shared = equal_cost(candidates, limit) if len(candidates) > 1 else ()
        return [describe(path, prefix, is_best=path is best, is_multipath=path in shared) for path in candidates]

    return _scan([(family, rib.table) for family, rib in speaker.loc_ribs.items()], query, rows)


def routes_in(speaker: SpeakerView, peer: PeerView, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
    """Return what the peer announced, with the reason where it is not used."""
    describe = _Describer()
    tables: list[tuple[Family, Mapping[bytes, Path]]] = []
    ids: set[Family] = set()
    for family, rib in peer.adj_ribs_in.items():
        tables.append((family, rib.table))
        if rib.has_path_ids:
            ids.add(family)

    def rows(family: Family, prefix: str, path: Path, key: bytes) -> list[RouteRow]:
        octets = key[_PATH_ID:] if family in ids else key
        candidates = speaker.loc_ribs[family].table.get(octets)
        rejected = peer.importers[family].refusal(path, octets) if family in peer.importers else path.rejected
        is_best = candidates is not None and candidates[0].source is path.source and not rejected
        stale = key in peer.adj_ribs_in[family].stale if family in peer.adj_ribs_in else False
        row = describe(path, prefix, is_best=is_best, is_multipath=False)
        return [replace(row, rejected=rejected, is_stale=stale or row.is_stale)]

    return _scan_keys(tables, query, rows, ids)


def routes_out(peer: PeerView, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
    """Return what the peer has been told or is about to be told."""
    tables = [(family, group.rib.loc_rib.table) for family, (group, _) in peer.members.items()]
    described: dict[Exported, RouteRow] = {}

    def rows(family: Family, prefix: str, candidates: Candidates, key: bytes) -> list[RouteRow]:
        negotiated, joined = peer.negotiated, peer.members.get(family)
        if negotiated is None or joined is None:
            return []
        group, member = joined
        path = candidates[0]
        if path.source.peer is not None and path.source.peer is member.peer:
            return []
        exported = _exported(group.rib, path, key)
        if exported is None:
            return []
        row = described.get(exported)
        if row is None:
            row = described[exported] = _exported_row(exported, path, negotiated)
        return [replace(row, prefix=prefix)]

    return _scan_keys(tables, query, rows, set())


def fib(speaker: SpeakerView, query: RouteQuery) -> Iterator[Slice[FibRow]]:
    """Return our routes in the kernel, and those that it refused."""
    kernel, forwarding = speaker.kernel, speaker.forwarding
    if kernel is None or forwarding is None:
        return iter([Slice([], None)])
    tables: list[tuple[Family, Mapping[bytes, FibRoute | None]]] = []
    for family in speaker.loc_ribs:
        failed = {prefix: None for of, prefix in kernel.failures if of is family}
        tables.append((family, {**failed, **kernel.routes(family)}))

    def rows(family: Family, prefix: str, route: FibRoute | None, key: bytes) -> list[FibRow]:
        candidates = speaker.loc_ribs[family].table.get(key)
        wanted = forwarding.route(family, key, candidates)
        return [_fib_row(kernel, family, key, prefix, wanted if route is None else route, candidates)]

    return _scan_keys(tables, query, rows, set())


def _ecmp(speaker: SpeakerView) -> int:
    return speaker.config.kernel.ecmp if speaker.kernel is not None else _DEFAULT_ECMP


def _scan(
    tables: Sequence[tuple[Family, Mapping[bytes, Value]]],
    query: RouteQuery,
    rows: Callable[[Family, str, Value], list[Row]],
) -> Iterator[Slice[Row]]:
    return _scan_keys(tables, query, lambda family, prefix, value, _: rows(family, prefix, value), set())


def _scan_keys(
    tables: Sequence[tuple[Family, Mapping[bytes, Value]]],
    query: RouteQuery,
    rows: Callable[[Family, str, Value, bytes], list[Row]],
    with_path_ids: set[Family],
) -> Iterator[Slice[Row]]:
    """Yield the rows that the query asks for, slice by slice; at least one slice."""
    chosen = [
        (family, table, _keys(table, query, _PATH_ID if family in with_path_ids else 0))
        for family, table in tables
        if query.family in (None, family)
    ]
    total = sum(len(keys) for _, _, keys in chosen)
    left = query.limit or total * 1000 + 1
    position, start = 0, query.start
    found: list[Row] = []
    looked = 0
    for family, table, keys in chosen:
        skip = _PATH_ID if family in with_path_ids else 0
        first = min(max(start - position, 0), len(keys))
        wanted = _filter(query, skip)
        for offset in range(first, len(keys)):
            key = keys[offset]
            looked += 1
            value = table.get(key) if wanted is None or wanted(key) else None
            if value is not None:
                found += rows(family, format_prefix(family, key[skip:]), value, key)
                if len(found) >= left:
                    at = position + offset + 1
                    yield Slice(found, at if at < total else None)
                    return
            if looked >= SLICE:
                looked = 0
                left -= len(found)
                yield Slice(found, position + offset + 1)
                found = []
        position += len(keys)
    yield Slice(found, None)


def _keys(table: Mapping[bytes, object], query: RouteQuery, skip: int) -> list[bytes]:
    """Return the keys to look at, in the order in which they are shown."""
    prefix = query.prefix
    if prefix is not None and not query.longer and not skip:
        if prefix in table:
            return [prefix]
        match = longest_match(table, prefix) if query.is_address else None
        return [match] if match is not None else []
    keys = list(table)
    if len(keys) <= _SORTED:
        keys.sort(key=lambda key: (key[skip + 1 :], key[skip]))
    return keys


def _filter(query: RouteQuery, skip: int) -> Callable[[bytes], bool] | None:
    prefix = query.prefix
    if prefix is None:
        return None
    if query.longer:
        return lambda key: covers(prefix, key[skip:])
    if skip:
        return lambda key: key[skip:] == prefix
    return None


def longest_match(table: Mapping[bytes, object], address: bytes) -> bytes | None:
    """Return the most specific prefix of the table that covers a host prefix, None = there is none."""
    for length in range(address[0], -1, -1):
        prefix = truncate(address, length)
        if prefix in table:
            return prefix
    return None


# ---------------------------------------------------------------- one route


class _Describer:
    """Makes rows of paths; what does not depend on the prefix is worked out once for a path."""

    def __init__(self) -> None:
        self._rows: dict[Path, RouteRow] = {}

    def __call__(self, path: Path, prefix: str, *, is_best: bool, is_multipath: bool) -> RouteRow:
        row = self._rows.get(path)
        if row is None:
            hop = path.next_hop
            row = _row(path.attributes, "", path.source.name, hop.address or hop.link_local)
            row = self._rows[path] = replace(
                row, is_stale=path.is_stale, rejected=path.rejected, path_id=path.source.path_id
            )
        return replace(row, prefix=prefix, is_best=is_best, is_multipath=is_multipath and not is_best)


def _row(attributes: Attributes, prefix: str, peer: str, next_hop: bytes) -> RouteRow:
    originator = attributes.originator_id
    return RouteRow(
        prefix=prefix,
        next_hop=format_address(next_hop) if next_hop else "",
        peer=peer,
        as_path=str(attributes.as_path),
        origin=attributes.origin.name,
        local_pref=attributes.local_pref,
        med=attributes.med,
        communities=tuple(_communities(attributes)),
        originator=format_identifier(originator) if originator is not None else "",
        cluster_list=tuple(map(format_identifier, attributes.cluster_list)),
    )


def _communities(attributes: Attributes) -> Iterator[str]:
    yield from map(format_community, attributes.communities)
    yield from map(format_large_community, attributes.large_communities)
    yield from map(format_extended_community, attributes.extended_communities)
    yield from map(format_extended_community, attributes.ipv6_extended_communities)


def _exported(rib: AdjRibOut, path: Path, prefix: bytes) -> Exported | None:
    exporter = rib.exporter
    if exporter.judges_prefixes:
        return exporter.judge(path, prefix)
    return exporter.export(path) if exporter.permits(path) else None


def _exported_row(exported: Exported, path: Path, negotiated: Negotiated) -> RouteRow:
    """Return a route as the peer reads it, without its prefix; rejected: what it will find wrong."""
    try:
        attributes = block.parse(exported.octets, negotiated, exported.next_hop or None)
    except TreatAsWithdraw as fault:
        return replace(_row(path.attributes, "", path.source.name, path.attributes.next_hop), rejected=str(fault))
    return _row(attributes, "", path.source.name, attributes.next_hop)


def _fib_row(
    kernel: Kernel, family: Family, key: bytes, prefix: str, route: FibRoute | None, candidates: Candidates | None
) -> FibRow:
    failure = kernel.failures.get((family, key))
    legs = tuple(
        FibLeg(
            format_address(leg.gateway) if leg.gateway else "",
            kernel.interface_name(leg.device) if leg.device else "",
            leg.is_onlink,
            leg.weight,
        )
        for leg in (route.legs if route is not None else ())
    )
    return FibRow(
        prefix=prefix,
        kind=route.kind.name.lower() if route is not None else "",
        legs=legs,
        state="failed" if failure is not None else "installed",
        error=failure.text if failure is not None else "",
        peer=candidates[0].source.name if candidates else "",
    )


# ---------------------------------------------------------------- explain


def explain(speaker: SpeakerView, query: RouteQuery) -> Explanation:
    """Return why a prefix is where it is: its paths and what decided, who is told, what the kernel has."""
    family, prefix = query.family, query.prefix
    assert family is not None  # the server parsed them together
    assert prefix is not None
    table = speaker.loc_ribs[family].table
    if query.is_address:
        prefix = longest_match(table, prefix) or prefix
    candidates = table.get(prefix)
    text = format_prefix(family, prefix)
    row, fib_why = _kernel_side(speaker, family, prefix, candidates)
    return Explanation(
        prefix=text,
        candidates=tuple(_usable(speaker, text, candidates)) + tuple(_rejected(speaker, family, prefix, candidates)),
        exports=tuple(_exports(speaker, family, prefix, candidates)) if candidates else (),
        fib=row,
        fib_why=fib_why,
    )


def _usable(speaker: SpeakerView, prefix: str, candidates: Candidates | None) -> Iterator[Candidate]:
    if candidates is None:
        return
    describe, best = _Describer(), candidates[0]
    shared = equal_cost(candidates, _ecmp(speaker))
    for path in candidates:
        if path is best:
            verdict, step = "best", why(best, candidates[1]) if len(candidates) > 1 else Step.ONLY
        else:
            verdict, step = "multipath" if path in shared else "lost", why(best, path)
        row = describe(path, prefix, is_best=path is best, is_multipath=path in shared)
        yield Candidate(row, verdict, step.value, _resolution(speaker, path.next_hop))


def _rejected(
    speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates | None
) -> Iterator[Candidate]:
    describe, text = _Describer(), format_prefix(family, prefix)
    sources = {path.source for path in candidates or ()} if candidates else set()
    for peer in speaker.peers.values():
        rib = peer.adj_ribs_in.get(family)
        if rib is None:
            continue
        keys = [i.to_bytes(_PATH_ID) + prefix for i in rib.sources] if rib.has_path_ids else [prefix]
        for path in filter(None, map(rib.table.get, keys)):
            reason = peer.importers[family].refusal(path, prefix)
            if reason or path.source not in sources:
                row = describe(path, text, is_best=False, is_multipath=False)
                yield Candidate(
                    replace(row, rejected=reason),
                    "rejected",
                    reason or "not taken",
                    _resolution(speaker, path.next_hop),
                )


def _resolution(speaker: SpeakerView, hop: NextHop) -> str:
    """Return how a next hop is reached, for people."""
    kernel = speaker.kernel
    if not (hop.address or hop.link_local):
        return "our own"
    if not hop.is_reachable:
        return f"unreachable: {hop.why}"
    if kernel is None:
        return "not looked up, the kernel is left alone"
    device = kernel.interface_name(hop.device) if hop.device else ""
    where = f"via {format_address(hop.gateway)} " if hop.gateway else "on the link, "
    metric = f", metric {hop.metric}" if hop.metric else ""
    return f"{where}dev {device or '?'}{metric}"


def _exports(speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates) -> Iterator[Export]:
    path = candidates[0]
    reasons: dict[UpdateGroup, str] = {}
    for name, peer in speaker.peers.items():
        joined = peer.members.get(family)
        if joined is None:
            yield Export(name, False, _why_not_member(speaker, peer, family))
            continue
        group, member = joined
        if path.source.peer is not None and path.source.peer is member.peer:
            yield Export(name, False, "the best path is from this peer")
            continue
        if group not in reasons:
            reasons[group] = group.rib.exporter.refusal(path, prefix)
        owed = member.backlog is not None and prefix in member.backlog.owed
        reason = reasons[group] or (
            "waits: the peer reads slowly or is still being told its first routes" if owed else ""
        )
        yield Export(name, not reason, reason)


def _why_not_member(speaker: SpeakerView, peer: PeerView, family: Family) -> str:
    negotiated = peer.negotiated
    if negotiated is None:
        return f"the session is {peer.session.state.title}"
    if family not in negotiated.families:
        return f"{family.name} was not negotiated"
    return "we are collecting routes after a restart" if speaker.is_recovering else "not yet told anything"


def _kernel_side(
    speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates | None
) -> tuple[FibRow | None, str]:
    kernel, forwarding = speaker.kernel, speaker.forwarding
    if kernel is None or forwarding is None:
        return None, "the kernel is left alone ([kernel] enabled = false)"
    wanted = forwarding.route(family, prefix, candidates)
    present = kernel.route(family, prefix)
    if wanted is None and present is None:
        return None, forwarding.why_not(family, prefix, candidates) if candidates else "there is no path"
    row = _fib_row(kernel, family, prefix, format_prefix(family, prefix), present or wanted, candidates)
    if row.state != "failed" and present is not wanted:
        row = replace(row, state="queued")
    return row, ""


# ---------------------------------------------------------------- the whole


def status(speaker: SpeakerView, moment: Moment, version: str, loop_lag: float) -> StatusRow:
    """Return the daemon at a glance."""
    node, kernel = speaker.config.node, speaker.kernel
    expected = [peer for peer in speaker.peers.values() if is_expected(peer)]
    problems = tuple(_problems(speaker, expected))
    state = "draining" if speaker.is_draining else "starting" if speaker.is_recovering else "ok"
    return StatusRow(
        version=version,
        node=node.name,
        asn=node.asn,
        identifier=format_identifier(node.identifier),
        state="degraded" if problems and state == "ok" else state,
        started=moment.unix_of(speaker.started_at),
        reloaded=moment.unix_of(speaker.reloaded_at) if speaker.reloaded_at is not None else None,
        peers_expected=len(expected),
        peers_up=sum(map(is_up, expected)),
        routes={family.name: len(rib) for family, rib in speaker.loc_ribs.items()},
        fib_installed=sum(map(kernel.installed, speaker.loc_ribs)) if kernel is not None else 0,
        fib_queued=kernel.queued() if kernel is not None else 0,
        fib_failed=len(kernel.failures) if kernel is not None else 0,
        unknown_peers=speaker.listener.unknown_peers,
        loop_lag=loop_lag,
        problems=problems,
        cluster_id=format_identifier(node.cluster_id) if node.cluster_id is not None else "",
    )


def _problems(speaker: SpeakerView, expected: Sequence[PeerView]) -> Iterator[str]:
    down = [peer for peer in expected if not is_up(peer)]
    for peer in down[:_NAMED]:
        error = peer.settings.held_down or peer.session.last_error
        yield f"peer {peer.settings.name} is {peer.session.state.title}" + (f": {error}" if error else "")
    if len(down) > _NAMED:
        yield f"{len(down) - _NAMED} more peers are down"
    if speaker.kernel is not None and speaker.kernel.failures:
        failures = speaker.kernel.failures
        (family, prefix), failure = next(iter(failures.items()))
        yield f"{len(failures)} routes are not in the kernel, such as {format_prefix(family, prefix)}: {failure.text}"


def statistics(
    speaker: SpeakerView, moment: Moment, version: str, distributions: Mapping[str, tuple[str, Distribution]]
) -> Statistics:
    """Return all that is measured."""
    kernel = speaker.kernel
    return Statistics(
        version=version,
        started=moment.unix_of(speaker.started_at),
        peers=tuple(_peer_statistics(peer, moment) for peer in speaker.peers.values()),
        prefixes={family.name: len(rib) for family, rib in speaker.loc_ribs.items()},
        update_groups=len(speaker.groups),
        next_hops=len(speaker.next_hops),
        unknown_peers=speaker.listener.unknown_peers,
        fib=FibStatistics(
            installed=sum(map(kernel.installed, speaker.loc_ribs)),
            queued=kernel.queued(),
            failed=len(kernel.failures),
            written=kernel.stats.written,
            deleted=kernel.stats.deleted,
            errors=kernel.stats.errors,
            resynchronizations=kernel.resyncs,
            reinstalled=kernel.stats.reinstalled,
        )
        if kernel is not None
        else FibStatistics(),
        distributions=distributions,
    )


def _peer_statistics(peer: PeerView, moment: Moment) -> PeerStatistics:
    settings, session, negotiated = peer.settings, peer.session, peer.negotiated
    counts = session.counts
    families = tuple(_family_counts(peer))
    return PeerStatistics(
        name=settings.name,
        address=_address(peer),
        asn=(negotiated.remote_asn if negotiated is not None else settings.asn) or 0,
        type=_type(settings),
        state=session.state.title,
        uptime=moment.loop - session.established_at if session.established_at is not None else 0.0,
        flaps=session.flaps,
        last_reason=session.last_error,
        received={kind.name: counts.received[kind] for kind in MessageType},
        sent={kind.name: counts.sent[kind] for kind in MessageType},
        octets_received=counts.octets_received,
        octets_sent=counts.octets_sent,
        unsent=session.unsent,
        owed=sum(family.owed for family in families),
        families=tuple(FamilyStatistics(f.family, f.received, f.accepted, f.sent) for f in families),
    )
