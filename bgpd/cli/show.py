"""How rows look on a terminal: tables of rich, compact or wide. Pure but for rich: rows in, something to print out.

Columns are tables here: a heading, what fills it, and whether it is only shown wide. A list that may be long is
printed in pages with the widths of the first, so that a million rows need the memory of a thousand.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bgpd.api.rows import (
    Candidate,
    ClusterNodeRow,
    ClusterSessionRow,
    ClusterView,
    DatastoreRow,
    Explanation,
    Export,
    FamilyCount,
    FaultyRow,
    FibRow,
    PeerDetail,
    PeerRow,
    PolicyStep,
    PolicyTrial,
    RouteRow,
    StatusRow,
)
from bgpd.records import dataclass

Row = TypeVar("Row")
MAX_WIDTH: Final = 10_000  # columns, of a file or a pipe: nothing is folded there
CALENDAR_AFTER: Final = 20 * 3600  # seconds; older than that a date says more than a time of day
MOST_OCTETS: Final = 256  # of a faulty message that are shown
_GOOD, _BAD, _WARN, _DIM = "green", "red", "yellow", "dim"


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column.

    cell: what stands there. is_wide: only with ``-o wide``. is_number: to the right. is_sparse: only where a row has
    something to say.
    """

    heading: str
    cell: Callable[[Row], str | Text]
    is_wide: bool = False
    is_number: bool = False
    is_sparse: bool = False


def out(what: RenderableType) -> None:
    """Print it: as wide as the terminal; as wide as it is where there is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)  # a prefix may look like either
    if not console.is_terminal:
        console.width = MAX_WIDTH
    with console.capture() as capture:
        console.print(what)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def table(columns: Sequence[Column[Row]], rows: Iterable[Row], *, wide: bool) -> Table:
    """Return the rows as a table."""
    rows = list(rows)
    shown = [
        column
        for column in columns
        if (wide or not column.is_wide) and (not column.is_sparse or any(map(column.cell, rows)))
    ]
    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        result.add_column(
            column.heading, justify="right" if column.is_number else "left", overflow="fold", no_wrap=False
        )
    for row in rows:
        result.add_row(*[column.cell(row) for column in shown])
    return result


def since(moment: float | None, now: float | None = None) -> str:
    """Return a moment (Unix time) as local time of day, or as a date once it is long ago; None is ``-``."""
    if moment is None:
        return "-"
    age = (time.time() if now is None else now) - moment
    return time.strftime("%H:%M:%S" if age < CALENDAR_AFTER else "%Y-%m-%d", time.localtime(moment))


def _state(row: PeerRow) -> Text:
    if row.drain:
        return Text(f"{row.state} ({row.drain})", style=_WARN)
    if not row.is_enabled:
        return Text(f"{row.state} (disabled)", style=_DIM)
    return Text(row.state, style=_GOOD if row.is_up else _BAD if row.is_expected else _DIM)


PEERS: Final[Sequence[Column[PeerRow]]] = (
    Column("PEER", lambda r: r.name),
    Column("ADDRESS", lambda r: r.address, is_wide=True),
    Column("NODE", lambda r: r.node or "-"),
    Column("TYPE", lambda r: r.type),
    Column("AS", lambda r: str(r.asn or "-"), is_number=True),
    Column("STATE", _state),
    Column("SINCE", lambda r: since(r.since)),
    Column("RCVD", lambda r: str(r.received), is_number=True),
    Column("ACC", lambda r: str(r.accepted), is_number=True),
    Column("SENT", lambda r: str(r.sent), is_number=True),
    Column("ORIGIN", lambda r: r.origin, is_wide=True),
    Column("LAST-ERROR", lambda r: r.trouble or "-"),
)


def _marks(row: RouteRow) -> Text:
    if row.rejected:
        return Text("x", style=_BAD)
    mark = ">" if row.is_best else "=" if row.is_multipath else " "
    return Text(mark + ("S" if row.is_long_lived else "s" if row.is_stale else ""), style=_GOOD if row.is_best else "")


ROUTES: Final[Sequence[Column[RouteRow]]] = (
    Column("", _marks),
    Column("PREFIX", lambda r: r.prefix),
    Column("PATH-ID", lambda r: str(r.path_id or ""), is_number=True, is_sparse=True),
    Column("NEXT-HOP", lambda r: r.next_hop or "-"),
    Column("PEER", lambda r: r.peer),
    Column("LPREF", lambda r: "-" if r.local_pref is None else str(r.local_pref), is_number=True),
    Column("MED", lambda r: "-" if r.med is None else str(r.med), is_number=True),
    Column("AS-PATH", lambda r: f"{r.as_path} {r.origin[:1].lower()}".strip()),
    Column("COMMUNITIES", lambda r: " ".join(r.communities), is_wide=True),
    Column("ORIGINATOR", lambda r: r.originator, is_wide=True),
    Column("CLUSTERS", lambda r: " ".join(r.cluster_list), is_wide=True),
    Column("OTC", lambda r: "" if r.otc is None else str(r.otc), is_wide=True),
    Column("STALE-UNTIL", lambda r: since(r.stale_until), is_wide=True),
    Column("WEIGHT", lambda r: str(r.weight), is_wide=True, is_number=True),
    Column("POLICY", lambda r: r.policy, is_wide=True),
    Column("REJECTED", lambda r: r.rejected, is_wide=True),
)


def _legs(row: FibRow) -> str:
    if not row.legs:
        return row.kind
    ways = []
    for leg in row.legs:
        via = f"via {leg.gateway} " if leg.gateway else ""
        ways.append(f"{via}dev {leg.device}" + (" onlink" if leg.is_onlink else ""))
    return "\n".join(ways)


def _fib_state(row: FibRow) -> Text:
    return Text(row.state, style={"installed": _GOOD, "failed": _BAD}.get(row.state, _WARN))


FIB: Final[Sequence[Column[FibRow]]] = (
    Column("PREFIX", lambda r: r.prefix),
    Column("ROUTE", _legs),
    Column("PEER", lambda r: r.peer or "-"),
    Column("STATE", _fib_state),
    Column("ERROR", lambda r: r.error or "-"),
)


_VERDICTS: Final = {"best": _GOOD, "multipath": _GOOD, "rejected": _BAD}
CANDIDATES: Final[Sequence[Column[Candidate]]] = (
    Column("VERDICT", lambda c: Text(c.verdict, style=_VERDICTS.get(c.verdict, ""))),
    Column("PEER", lambda c: c.route.peer),
    Column("NEXT-HOP", lambda c: c.route.next_hop or "-"),
    Column("WEIGHT", lambda c: str(c.route.weight), is_number=True),
    Column("LPREF", lambda c: "-" if c.route.local_pref is None else str(c.route.local_pref), is_number=True),
    Column("MED", lambda c: "-" if c.route.med is None else str(c.route.med), is_number=True),
    Column("AS-PATH", lambda c: f"{c.route.as_path} {c.route.origin[:1].lower()}".strip()),
    Column("WHY", lambda c: c.why),
    Column("POLICY", lambda c: c.policy or "-"),
    Column("REACHED", lambda c: c.resolution),
)
EXPORTS: Final[Sequence[Column[Export]]] = (
    Column("TO PEER", lambda e: e.peer),
    Column("SENT", lambda e: Text("yes", style=_GOOD) if e.is_sent else Text("no", style=_WARN)),
    Column("PATH-IDS", lambda e: ", ".join(map(str, e.path_ids)), is_sparse=True),
    Column("WHY", lambda e: e.why or "-"),
)


def status(row: StatusRow) -> RenderableType:
    """Return the daemon at a glance."""
    style = {"ok": _GOOD, "starting": _WARN, "draining": _WARN}.get(row.state, _BAD)
    is_draining = row.state == "draining"
    routes = ", ".join(f"{count} {family}" for family, count in row.routes.items()) or "none"
    grid = _grid(
        ("bgpd", f"{row.version}, node {row.node}, AS {row.asn}, identifier {row.identifier}"),
        ("state", Text(_drain(row.state, row.drain_ends), style=style)),
        *((("drained", f"peers {', '.join(row.drained_peers)}"),) if row.drained_peers and not is_draining else ()),
        ("since", since(row.started) + (f", reloaded {since(row.reloaded)}" if row.reloaded else "")),
        *((("reflector", f"cluster {row.cluster_id}"),) if row.cluster_id else ()),
        *((("role in the mesh", row.mesh_role),) if row.mesh_role else ()),
        ("peers", f"{row.peers_up} of {row.peers_expected} expected are established"),
        ("routes", routes),
        ("kernel", f"{row.fib_installed} installed, {row.fib_queued} queued, {row.fib_failed} failed"),
        ("loop lag", f"{row.loop_lag * 1000:.1f} ms"),
        *((("etcd", _datastore(row.datastore)),) if row.datastore is not None else ()),
    )
    problems = [Text(f"! {problem}", style=_BAD) for problem in row.problems]
    notices = [Text(f"  {notice}", style=_WARN) for notice in row.datastore.notices] if row.datastore else []
    return Group(grid, *problems, *notices)


def _datastore(store: DatastoreRow) -> str:
    changed = f", changed {since(store.changed)}" if store.changed is not None else ""
    where = f"followed at {store.endpoint}" if store.is_connected else "not followed"
    return f"{where}, revision {store.revision}{changed}"


def cluster(view: ClusterView, *, all_sessions: bool, wide: bool) -> RenderableType:
    """Return all nodes, and the sessions that are not up at both ends or all that are known."""
    rows = [row for row in view.sessions if all_sessions or row.verdict != "up"]
    lines = [Text(f"{view.sessions_up} sessions are up" + ("" if rows else ", all of them"), style=_GOOD)]
    if all_sessions and not view.is_complete:
        lines.append(Text("too many to list: only those that are not up", style=_WARN))
    columns = _CLUSTER_NODES if not any(row.role for row in view.nodes) else (*_CLUSTER_NODES, _CLUSTER_ROLE)
    return Group(table(columns, view.nodes, wide=wide), "", *([table(_ENDS, rows, wide=wide)] if rows else []), *lines)


def _drain(word: str, ends: float | None) -> str:
    """Return what an operator's drain has come to."""
    if ends is not None:
        return f"{word}: announced as a last resort, closed at {since(ends)}; undrain takes it back"
    return f"{word}: closed; undrain brings it back" if word in ("draining", "drained") else word


def peer(detail: PeerDetail) -> RenderableType:
    """Return all about one peer."""
    row = detail.row
    head = _grid(
        ("peer", f"{row.name} ({row.address} port {detail.port})" + (f", node {row.node}" if row.node else "")),
        (
            "type",
            f"{row.type}, AS {row.asn or 'any'}, ours {detail.local_asn}" + (", passive" if detail.is_passive else ""),
        ),
        ("state", Text.assemble((row.state, _GOOD if row.is_up else _BAD), f" since {since(row.since)}")),
        *((("drain", Text(_drain(row.drain, row.drain_ends), style=_WARN)),) if row.drain else ()),
        *((("held down", Text(detail.held_down, style=_BAD)),) if detail.held_down else ()),
        *((("stays down", Text(_rest(detail), style=_BAD)),) if detail.resting else ()),
        *((("disabled", "by an operator or the configuration"),) if not detail.is_enabled else ()),
        ("our address", detail.local_address or "-"),
        ("session ended", f"{row.ended_by} ({since(detail.ended_at)})" if row.ended_by else "-"),
        ("last error", f"{row.last_error} ({since(detail.last_error_at)})" if row.last_error else "-"),
        ("flaps", str(detail.flaps)),
        ("policies", f"import {', '.join(detail.imports) or 'none'}; export {', '.join(detail.exports) or 'none'}"),
        ("unsent", f"{detail.unsent} octets" + (", congested" if detail.is_congested else "")),
        *((name, value) for name, value in detail.negotiated.items()),
        *((name, value) for name, value in detail.settings.items()),
        *((name, Text(value, style=_WARN)) for name, value in detail.route_faults.items()),
    )
    headings = ("FAMILY", "RCVD", "ACC", "SENT", "OWED", "STALE")
    families = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for count in detail.families:
        numbers = (count.received, count.accepted, count.sent, count.owed)
        families.add_row(count.family, *map(str, numbers), _stale(count))
    messages = Table("MESSAGES", "RCVD", "SENT", box=None, pad_edge=False, header_style="bold")
    for kind in detail.messages:
        messages.add_row(kind.type, str(kind.received), str(kind.sent))
    messages.add_row("octets", str(detail.octets_received), str(detail.octets_sent))
    faulty = [] if detail.faulty is None else ["", *_faulty(detail.faulty)]
    return Group(head, "", families, "", messages, *faulty)


def _rest(detail: PeerDetail) -> str:
    until = f"comes back at {since(detail.rests_until)}" if detail.rests_until is not None else "until it is reset"
    return f"{detail.resting}; {until}"


def _faulty(found: FaultyRow) -> list[RenderableType]:
    """Return the last faulty message: what was wrong, and its octets, 32 to a line."""
    digits = found.hex[: 2 * MOST_OCTETS]
    lines: list[RenderableType] = [Text(f"last faulty message ({since(found.at)}): {found.reason}", style=_WARN)]
    lines += [digits[at : at + 64] for at in range(0, len(digits), 64)]
    if found.octets > MOST_OCTETS:
        lines.append(f"... {found.octets} octets in all; the log has them")
    return lines


def _stale(count: FamilyCount) -> str:
    """Return how many routes are kept of a peer that restarts, and how long yet."""
    if not count.stale_phase:
        return str(count.stale)
    until = f" until {since(count.stale_until)}" if count.stale_until is not None else ""
    return f"{count.stale} {count.stale_phase}{until}"


def explanation(found: Explanation) -> RenderableType:
    """Return why a prefix is where it is."""
    parts: list[RenderableType] = [Text(found.prefix, style="bold")]
    if found.candidates:
        parts.append(table(CANDIDATES, found.candidates, wide=True))
    else:
        parts.append("no path: nobody announces it to us, and it is not ours")
    if found.fib is not None:
        parts += [
            "",
            Text.assemble("kernel: ", _fib_state(found.fib), f" {_legs(found.fib)} {found.fib.error}".rstrip()),
        ]
    else:
        parts += ["", f"kernel: not written: {found.fib_why}"]
    if found.exports:
        parts += ["", table(EXPORTS, found.exports, wide=True)]
    return Group(*parts)


def _step_result(step: PolicyStep) -> Text:
    if not step.is_match:
        return Text("no match", style=_DIM)
    return Text(step.action, style={"accept": _GOOD, "reject": _BAD}.get(step.action, ""))


POLICY_STEPS: Final[Sequence[Column[PolicyStep]]] = (
    Column("POLICY", lambda s: s.policy),
    Column("RULE", lambda s: s.rule),
    Column("RESULT", _step_result),
    Column("BECAUSE", lambda s: "\n".join(s.misses) or "-"),
    Column("DOES", lambda s: "\n".join(s.operations) or "-"),
)
_ATTRIBUTES: Final[Sequence[tuple[str, Callable[[RouteRow], str]]]] = (
    ("next hop", lambda r: r.next_hop or "-"),
    ("AS path", lambda r: r.as_path or "-"),
    ("origin", lambda r: r.origin.lower()),
    ("LOCAL_PREF", lambda r: "-" if r.local_pref is None else str(r.local_pref)),
    ("MED", lambda r: "-" if r.med is None else str(r.med)),
    ("communities", lambda r: " ".join(r.communities) or "-"),
    ("weight", lambda r: str(r.weight)),
)


def policy_trial(trial: PolicyTrial) -> RenderableType:
    """Return what policies would decide about a route."""
    to = {"import": "from", "export": "to"}[trial.direction]
    policies = ", ".join(trial.policies) or "no policy"
    title = f"{trial.prefix} {trial.direction}ed {to} {trial.peer or 'any peer'}: {policies}"
    parts: list[RenderableType] = [Text(title, style="bold"), f"route: {trial.route}"]
    parts += [Text(f"! {note}", style=_WARN) for note in trial.notes]
    if trial.steps:
        parts += ["", table(POLICY_STEPS, trial.steps, wide=True)]
    style, word = (_GOOD, "accepted") if trial.accepted else (_BAD, "rejected")
    parts += ["", Text.assemble((word, style), f" by {trial.rule}")]
    attributes = Table("ATTRIBUTE", "BEFORE", "AFTER", box=None, pad_edge=False, header_style="bold")
    for name, cell in _ATTRIBUTES:
        before, after = cell(trial.before), cell(trial.after)
        attributes.add_row(name, before, Text(after, style=_WARN if after != before else ""))
    return Group(*parts, "", attributes) if trial.accepted else Group(*parts)


def _grid(*pairs: tuple[str, str | Text]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    for name, value in pairs:
        grid.add_row(name, value)
    return grid


_NODE_HEADINGS: Final = ("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO")
_NODE_TYPES: Final = {"Mesh": "node-to-node mesh", "Global": "global"}  # by what names from a cluster begin with


def node_status(peers: Sequence[PeerRow], now: float | None = None, mesh_role: str = "") -> RenderableType:
    """Return the tables that ``calicoctl node status`` prints, one for each family of the peers' addresses.

    mesh_role: this node's in a mesh that elects its reflectors, which stands before the tables; empty = none.
    """
    parts: list[RenderableType] = ["Calico process is running."]
    if mesh_role:
        parts.append(f"Role in the mesh: {mesh_role}.")
    for name, is_ipv6 in (("IPv4", False), ("IPv6", True)):
        rows = [row for row in peers if (":" in row.address) is is_ipv6]
        parts.append("")
        if not rows:
            parts += [f"{name} BGP status", f"No {name} peers found."]
            continue
        ascii_table = Table(*_NODE_HEADINGS, box=box.ASCII2, header_style="")
        for row in rows:
            state = "up" if row.is_up else "start" if row.is_expected else "down"
            info = row.state if row.is_up or not row.trouble else f"{row.state} {row.trouble}"
            kind = _NODE_TYPES.get(row.name.partition("_")[0], "node specific")
            ascii_table.add_row(row.address, kind, state, since(row.since, now), info)
        parts += [f"{name} BGP status", ascii_table]
    return Group(*parts)


_NODE_STYLES: Final = {"up": _GOOD, "dead": _BAD, "unlisted": _WARN}
_VERDICT_STYLES: Final = {"up": _GOOD, "down": _WARN}
_CLUSTER_NODES: Final[tuple[Column[ClusterNodeRow], ...]] = (
    Column("NODE", lambda row: row.node),
    Column("STATE", lambda row: Text(row.state, _NODE_STYLES.get(row.state, _BAD))),
    Column("VERSION", lambda row: row.version or "-"),
    Column("AS", lambda row: str(row.asn or "-"), is_number=True),
    Column("IDENTIFIER", lambda row: row.identifier or "-", is_wide=True),
    Column("SINCE", lambda row: since(row.since) if row.since is not None else "-"),
    Column("SESSIONS", lambda row: f"{row.sessions_up}/{row.sessions}", is_number=True),
    Column("ROUTES", lambda row: str(row.routes), is_number=True),
)
_CLUSTER_ROLE: Final[Column[ClusterNodeRow]] = Column("ROLE", lambda row: row.role or "-")
_ENDS: Final[tuple[Column[ClusterSessionRow], ...]] = (
    Column("NODE", lambda row: row.node),
    Column("STATE", lambda row: row.state or "-"),
    Column("OTHER", lambda row: row.other),
    Column("OTHER-STATE", lambda row: row.other_state or "-"),
    Column("VERDICT", lambda row: Text(row.verdict, _VERDICT_STYLES.get(row.verdict, _BAD))),
    Column("ADDRESS", lambda row: row.address, is_wide=True),
    Column("OTHER-ADDRESS", lambda row: row.other_address, is_wide=True),
    Column("WHY", lambda row: row.why or "-"),
)
