"""``bgpctl``: shows and steers a running bgpd through its API.

Exit status: 0 all expected peers are up, 1 something is degraded or a command was refused, 2 no daemon or no etcd
answers, 3 the command line is wrong.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import msgspec
import typer

import bgpd
from bgpd.api.rows import (
    ClusterView,
    Explanation,
    FibRow,
    Outcome,
    PeerDetail,
    PeerList,
    Proposal,
    RouteRow,
    StatusRow,
)
from bgpd.cli import cluster_settings, ipam, node, object_writes, policy, resources, show, version
from bgpd.cli.client import DEFAULT_SOCKET, Client, Listing, Refusal, Unreachable, segment
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption
from bgpd.cli.output import (
    DEGRADED,
    SOCKET_VARIABLE,
    UNREACHABLE,
    USAGE,
    Output,
    OutputOption,
    SocketOption,
    as_yaml,
    print_answer,
)
from bgpd.datastore.store import StoreError

PAGE: Final = 1000  # rows laid out together, and how many a table shows unless told
_LOOK: Final = 0.1  # seconds between looks at what is waited for
_CLICK_USAGE: Final = 2  # what typer exits with for a wrong command line
_WRONG_REQUEST: Final = (400, 404)  # HTTP status of a request for something that there is not

_APPLIED_HELP: Final = f"What `apply -f` takes: {resources.FILES_HELP}"

Answer = TypeVar("Answer")


class LogLevel(Enum):
    """How much the daemon logs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class FamilyName(Enum):
    """An address family."""

    IPV4 = "ipv4-unicast"
    IPV6 = "ipv6-unicast"


FamilyOption = Annotated[FamilyName | None, typer.Option("--family", "-f", help="Only this address family.")]
PeerOption = Annotated[str, typer.Option("--peer", help="Only routes whose best path is from this peer.")]
LongerOption = Annotated[bool, typer.Option("--longer", help="Also what is more specific than PREFIX.")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", min=0, help=f"Rows at most, 0 = all.  [default: {PAGE} in a table, else all]", show_default=False
    ),
]
OptionalFileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A changed bgp.toml.", show_default=False)
]
OptionalPeerArgument = Annotated[
    str, typer.Argument(metavar="[PEER]", help="Name of the peer; none: the whole node.", show_default=False)
]
PeerArgument = Annotated[str, typer.Argument(metavar="PEER", help="Name of the peer.")]

app = typer.Typer(
    name="bgpctl",
    help="Shows and steers a running bgpd, and keeps a cluster's objects in etcd.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(node.app, name="node")
app.add_typer(policy.app, name="policy")
app.add_typer(cluster_settings.app, name="config")
app.add_typer(ipam.app, name="ipam")
for command in (*resources.COMMANDS, version.version):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says and end the process."""
    try:
        app(args=arguments, prog_name="bgpctl")
    except SystemExit as end:
        sys.exit(USAGE if end.code == _CLICK_USAGE else end.code)
    except Unreachable as error:
        print(f"bgpctl: {error}", file=sys.stderr)
        sys.exit(UNREACHABLE)
    except Refusal as refusal:
        print(f"bgpctl: {refusal}", file=sys.stderr)
        if refusal.hint:
            print(f"bgpctl: hint: {refusal.hint}", file=sys.stderr)
        sys.exit(USAGE if refusal.status in _WRONG_REQUEST else DEGRADED)
    except StoreError as error:
        print(f"bgpctl: {error}", file=sys.stderr)
        if error.hint:
            print(f"bgpctl: hint: {error.hint}", file=sys.stderr)
        sys.exit(UNREACHABLE)
    sys.exit(0)


@app.callback()
def everywhere(
    socket: Annotated[Path | None, typer.Option("--socket", help="The daemon's control socket.", hidden=True)] = None,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Take what may stand before the command."""
    if show_version:
        print(f"bgpctl {bgpd.__version__}")
        raise typer.Exit
    if socket is not None:
        os.environ[SOCKET_VARIABLE] = str(socket)  # the command's own option finds it there


@app.command()
def status(output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Show the daemon at a glance."""
    row = Client(socket).get("status", StatusRow)
    print_answer(row, output, lambda: show.status(row))
    _exit_degraded(row.state == "degraded" or row.peers_up < row.peers_expected)


@app.command()
def peers(output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """List the peers."""
    rows = Client(socket).get("peers", PeerList).rows
    print_answer(rows, output, lambda: show.table(show.PEERS, rows, wide=output is Output.WIDE))
    _exit_degraded(any(row.is_expected and not row.is_up for row in rows))


@app.command()
def peer(name: PeerArgument, output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Show all about one peer."""
    detail = Client(socket).get(f"peers/{segment(name)}", PeerDetail)
    print_answer(detail, output, lambda: show.peer(detail))
    _exit_degraded(detail.row.is_expected and not detail.row.is_up)


@app.command()
def routes(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[PREFIX] | in PEER [PREFIX] | out PEER [PREFIX]", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
    family: FamilyOption = None,
    longer: LongerOption = False,
    from_peer: PeerOption = "",
    limit: LimitOption = None,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """List the Loc-RIB, or what a peer sent (in) or is sent (out).

    An address in place of a prefix finds the most specific prefix that covers it.
    """
    what, prefix = _table_of(words or [])
    query = _query(family, prefix, longer, from_peer, _limit(limit, output))
    _list(Client(socket).listing(what, query), RouteRow, output, show.ROUTES)


@app.command()
def fib(
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", show_default=False)] = "",
    output: OutputOption = Output.TABLE,
    family: FamilyOption = None,
    longer: LongerOption = False,
    limit: LimitOption = None,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """List the routes that bgpd writes to the kernel."""
    query = _query(family, prefix, longer, "", _limit(limit, output))
    failed = []

    def look(row: FibRow) -> None:
        if row.state == "failed":
            failed.append(row.prefix)

    _list(Client(socket).listing("fib", query), FibRow, output, show.FIB, look)
    _exit_degraded(bool(failed))


@app.command()
def explain(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="A prefix, or an address for what covers it.")],
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Say why a prefix is where it is: its paths, the step that decided, the kernel's route, who is told."""
    found = Client(socket).get("explain", Explanation, {"prefix": prefix})
    print_answer(found, output, lambda: show.explanation(found))


@app.command()
def reload(output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Read the configuration again; only what changed is touched."""
    _command(socket, "reload", output)


@app.command()
def reset(
    name: PeerArgument,
    hard: Annotated[bool, typer.Option("--hard", help="Keep no routes, on either side.")] = False,
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Close a peer's session; it comes up again by itself, and routes stay where both sides can do that (RFC 8538)."""
    _command(socket, f"peers/{segment(name)}/{'hard-reset' if hard else 'reset'}", output)


@app.command()
def enable(name: PeerArgument, output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Let a disabled peer come up."""
    _command(socket, f"peers/{segment(name)}/enable", output)


@app.command()
def disable(name: PeerArgument, output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Close a peer's session and keep it down until it is enabled or bgpd starts again."""
    _command(socket, f"peers/{segment(name)}/disable", output)


@app.command()
def drain(
    name: OptionalPeerArgument = "",
    wait: Annotated[float, typer.Option("--wait", min=0, max=86400, help="Seconds that others get to move away.")] = 5,
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Take this node, or the session with a PEER, out of service without loss; `undrain` brings it back.

    What we announce becomes a last resort (RFC 8326), so that others move away while the old way still works. After
    the wait the sessions are closed and our routes leave the kernel. The command returns when that is done.
    """
    client = Client(socket)
    outcome = client.command(_of_peer(name, "drain"), Outcome, {"wait": f"{wait:g}"})
    print_answer(outcome, output, lambda: "\n".join(outcome.done))
    while _drain_ends(client, name) is not None:
        time.sleep(_LOOK)


@app.command()
def undrain(
    name: OptionalPeerArgument = "", output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET
) -> None:
    """Bring this node, or the session with a PEER, back after `drain`, or stop a `drain` that still waits."""
    _command(socket, _of_peer(name, "undrain"), output)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A bgp.toml.")]) -> None:
    """Print every problem of a configuration file; no daemon is needed."""
    from bgpd.cli.check import check as check_file

    _exit_degraded(check_file(file) != 0)


@app.command()
def diff(
    file: OptionalFileArgument = None,
    applied: Annotated[list[str] | None, typer.Option("--apply", help=_APPLIED_HELP, show_default=False)] = None,
    deleted: Annotated[
        list[str] | None, typer.Option("--delete", help="What `delete -f` takes.", show_default=False)
    ] = None,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Show what a reload with FILE, or objects applied to or deleted from etcd, would do to this node.

    Which sessions reset, which routes change. Nothing is changed.
    """
    if file is None and not applied and not deleted:
        raise typer.BadParameter("give a FILE, or objects with --apply or --delete")
    try:
        text = file.read_text() if file is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from error
    changes = object_writes.rehearse(applied or [], deleted or [], endpoints, config) if applied or deleted else {}
    proposal = Proposal("" if file is None else str(file.absolute()), text, changes)
    outcome = Client(socket).command("diff", Outcome, text=msgspec.json.encode(proposal).decode())
    print_answer(outcome, output, lambda: "\n".join(outcome.done))


@app.command()
def cluster(
    all_sessions: Annotated[bool, typer.Option("--all", help="Also the sessions that are up.")] = False,
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Show all nodes of the cluster, and every session that is not up at both ends, as their bgpds report them."""
    view = Client(socket).get("cluster", ClusterView)
    print_answer(view, output, lambda: show.cluster(view, all_sessions=all_sessions, wide=output is Output.WIDE))
    _exit_degraded(any(row.state != "up" for row in view.nodes) or any(row.verdict != "up" for row in view.sessions))


@app.command("log-level")
def log_level(
    level: Annotated[LogLevel, typer.Argument(metavar="LEVEL", help="debug, info, warning or error.")],
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Change how much the daemon logs, until it starts again."""
    outcome = Client(socket).command("log-level", Outcome, {"level": level.value})
    print_answer(outcome, output, lambda: "\n".join(outcome.done))


def _of_peer(name: str, command: str) -> str:
    return f"peers/{segment(name)}/{command}" if name else command


def _drain_ends(client: Client, name: str) -> float | None:
    if name:
        return client.get(f"peers/{segment(name)}", PeerDetail).row.drain_ends
    return client.get("status", StatusRow).drain_ends


def _command(socket: Path, what: str, output: Output) -> None:
    outcome = Client(socket).command(what, Outcome)
    print_answer(outcome, output, lambda: "\n".join(outcome.done) or "nothing to do")


def _table_of(words: list[str]) -> tuple[str, str]:
    """Return which list the words of ``routes`` ask for, and its prefix."""
    if words[:1] in (["in"], ["out"]):
        if len(words) not in (2, 3):
            raise typer.BadParameter(f"routes {words[0]} takes a PEER, then perhaps a PREFIX")
        return f"peers/{segment(words[1])}/routes/{words[0]}", words[2] if len(words) == 3 else ""
    if len(words) > 1:
        raise typer.BadParameter(f"one PREFIX, or 'in PEER', or 'out PEER'; not {' '.join(words)!r}")
    return "routes", words[0] if words else ""


def _query(family: FamilyName | None, prefix: str, longer: bool, from_peer: str, limit: int) -> dict[str, str]:
    if longer and not prefix:
        raise typer.BadParameter("--longer needs a PREFIX")
    query = {"prefix": prefix, "peer": from_peer, "family": family.value if family else ""}
    return (
        {key: value for key, value in query.items() if value}
        | {"limit": str(limit)}
        | ({"longer": "true"} if longer else {})
    )


def _limit(limit: int | None, output: Output) -> int:
    if limit is not None:
        return limit
    return PAGE if output in (Output.TABLE, Output.WIDE) else 0


def _list(
    listing: Listing,
    kind: type[Answer],
    output: Output,
    columns: Sequence[show.Column[Answer]],
    look: Callable[[Answer], None] = lambda _: None,
) -> None:
    """Print a list of any length while it comes."""
    decode = msgspec.json.Decoder(kind).decode
    if output is Output.JSON:
        separator = "["
        for line in listing:
            look(decode(line))
            sys.stdout.write(f"{separator}\n  {line.decode()}")
            separator = ","
        print("[]" if separator == "[" else "\n]")
    elif output is Output.YAML:
        empty = True
        for line in listing:
            look(decode(line))
            sys.stdout.write(as_yaml([msgspec.json.decode(line)]))
            empty = False
        if empty:
            print("[]")
    else:
        rows = map(decode, listing)
        for page in iter(lambda: list(islice(rows, PAGE)), []):
            for row in page:
                look(row)
            show.out(show.table(columns, page, wide=output is Output.WIDE))
    if listing.next is not None:
        print("bgpctl: there are more rows; --limit 0 shows all", file=sys.stderr)


def _exit_degraded(is_degraded: bool) -> None:
    if is_degraded:
        raise typer.Exit(DEGRADED)


if __name__ == "__main__":
    main()
