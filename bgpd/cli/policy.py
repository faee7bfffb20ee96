"""``bgpctl policy``: what policies would decide about a route, without touching anything.

Asks the running daemon, or with ``--config`` reads a file and asks nobody.
"""

from pathlib import Path
from typing import Annotated

import typer

from bgpd.api.rows import Failure, PolicyTrial
from bgpd.cli import show
from bgpd.cli.client import DEFAULT_SOCKET, Client, Refusal
from bgpd.cli.output import DEGRADED, Output, OutputOption, SocketOption, print_answer

app = typer.Typer(help="Looks at policies.", no_args_is_help=True, rich_markup_mode=None)


@app.command("test")
def try_policy(
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help="A policy; without it all of the peer's, in order.", show_default=False),
    ] = "",
    prefix: Annotated[str, typer.Option("--prefix", "-p", help="Prefix of the route.", show_default=False)] = "",
    peer: Annotated[
        str, typer.Option("--peer", help="Peer, or range of peers, that the policy is applied to.", show_default=False)
    ] = "",
    is_import: Annotated[bool, typer.Option("--import/--export", help="Which way the route goes.")] = True,
    peer_type: Annotated[
        str, typer.Option(help="Without --peer: internal, external or confederation.", show_default=False)
    ] = "",
    source: Annotated[str, typer.Option(help="The route's source: peer, network or kernel.", show_default=False)] = "",
    from_peer: Annotated[str, typer.Option("--from", help="Peer that it came from.", show_default=False)] = "",
    from_type: Annotated[str, typer.Option(help="Kind of that peer.", show_default=False)] = "",
    as_path: Annotated[str, typer.Option(help='Its AS path: "65020 65030".', show_default=False)] = "",
    community: Annotated[
        list[str] | None, typer.Option(help="One of its communities, of any kind; may be repeated.", show_default=False)
    ] = None,
    next_hop: Annotated[str, typer.Option(help="Its next hop.", show_default=False)] = "",
    med: Annotated[str, typer.Option(help="Its MED.", show_default=False)] = "",
    local_pref: Annotated[str, typer.Option(help="Its LOCAL_PREF.", show_default=False)] = "",
    origin: Annotated[str, typer.Option(help="Its ORIGIN: igp, egp or incomplete.", show_default=False)] = "",
    interface: Annotated[str, typer.Option(help="Interface that it leaves by.", show_default=False)] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="Policies of this file; no daemon is asked.", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Show which rule of a policy decides about a route, and what becomes of the route.

    Without any option that describes the route, it is the one that is in the tables: for import as the peer sent it,
    for export the best one.
    """
    asked = {
        "policy": name, "prefix": prefix, "peer": peer, "direction": "import" if is_import else "export",
        "peer-type": peer_type, "source": source, "from": from_peer, "from-type": from_type, "as-path": as_path,
        "next-hop": next_hop, "med": med, "local-pref": local_pref, "origin": origin, "interface": interface,
    }  # fmt: skip
    query = {key: text for key, text in asked.items() if text}
    if community:
        query["community"] = ",".join(community)
    trial = Client(socket).get("policy/test", PolicyTrial, query) if config is None else _planned(config, query)
    print_answer(trial, output, lambda: show.policy_trial(trial))


def _planned(file: Path, query: dict[str, str]) -> PolicyTrial:
    """Return the answer by the policies of a file. Raises Refusal."""
    from bgpd.api.operations import Refused
    from bgpd.api.policy_queries import parse_policy_query
    from bgpd.api.views import planned_trial
    from bgpd.cli.check import read, report
    from bgpd.config import ConfigError

    try:
        return planned_trial(read(file), parse_policy_query({key: [text] for key, text in query.items()}))
    except ConfigError as error:
        report(error)
        raise typer.Exit(DEGRADED) from error
    except Refused as refused:
        raise Refusal(refused.status, Failure(str(refused), refused.hint)) from refused
