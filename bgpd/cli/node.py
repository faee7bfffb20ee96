"""``bgpctl node``: the node as Calico's tools show it, and its way into a cluster that is in etcd."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bgpd.api.rows import PeerList, StatusRow
from bgpd.cli import show
from bgpd.cli.client import DEFAULT_SOCKET, Client, Unreachable
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.local_addresses import AUTODETECT, unique_local_prefix
from bgpd.cli.object_writes import birth, complain, refuse
from bgpd.cli.output import DEGRADED, Output, OutputOption, SocketOption, print_answer

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.object_store import ObjectStore, Stored
    from bgpd.datastore.resources.shapes import Document

START_TIME: Final = 20.0  # seconds until a daemon answers
_LOOK: Final = 0.1  # seconds between looks
_LOG_LINES: Final = 10

app = typer.Typer(
    help="The node as Calico's tools show it, and its start.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def status(output: OutputOption = Output.TABLE, socket: SocketOption = DEFAULT_SOCKET) -> None:
    """Show the peers in the tables of ``calicoctl node status``."""
    client = Client(socket)
    rows = client.get("peers", PeerList).rows
    role = client.get("status", StatusRow).mesh_role
    print_answer(rows, output, lambda: show.node_status(rows, mesh_role=role))
    if any(row.is_expected and not row.is_up for row in rows):
        raise typer.Exit(DEGRADED)


@app.command()
def run(
    name: Annotated[
        str,
        typer.Option("--name", envvar="NODENAME", help="Of the node.  [default: the host's]", show_default=False),
    ] = "",
    ip: Annotated[
        str, typer.Option("--ip", help="IPv4 address; without a mask that of the interface which has it.")
    ] = AUTODETECT,
    ip6: Annotated[str, typer.Option("--ip6", help="IPv6 address.", show_default=False)] = "",
    asn: Annotated[
        str, typer.Option("--as", metavar="ASN", help="AS number.  [default: the cluster's]", show_default=False)
    ] = "",
    no_default_ippools: Annotated[
        bool,
        typer.Option("--no-default-ippools", envvar="NO_DEFAULT_POOLS", help="Make no pool where there is none."),
    ] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Become the daemon instead of starting it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the daemon's file and command, do nothing.")
    ] = False,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Register this host as a node of the cluster, and start bgpd on it.

    A cluster without pools gets one, 192.168.0.0/16. The daemon's file is written beside its control socket; with
    --config it is that file, and the cluster that of its [etcd]. A node that is registered already keeps what is not
    given here.
    """
    from bgpd.cli.node_start import Plan, planned

    plan: Plan = planned(name, endpoints, config, socket)
    if dry_run:
        print(plan.text, end="")
        print(f"# {' '.join(plan.command)}")
        return
    registered = _register(plan.name, ip, ip6, _asn(asn), endpoints, config)
    print(f"Node {plan.name} is registered: {_summary(registered)}")
    _begin_cluster(registered, endpoints, config, has_pools=not no_default_ippools)
    if (daemon := _answering(plan.socket)) is not None:
        print(f"bgpd {daemon.version} runs already as node {daemon.node} ({plan.socket})")
        return
    plan.write()
    if foreground:
        sys.stdout.flush()
        os.execv(plan.command[0], plan.command)
    _start(plan.command, plan.log, plan.socket)


def _register(name: str, ip: str, ip6: str, asn: int, endpoints: str, config: Path | None) -> "Stored":
    from bgpd.cli.local_addresses import AddressError, chosen
    from bgpd.datastore.object_store import ObjectRefusal

    async def act(client: "Etcd", prefix: str) -> "Stored":
        from bgpd.datastore.object_store import ObjectStore
        from bgpd.datastore.resources.kinds import NODE
        from bgpd.datastore.resources.node import with_addresses
        from bgpd.datastore.resources.shapes import text

        store = ObjectStore(client, prefix)
        former = await store.get(NODE, name)
        spec = former.spec if former is not None else {}
        ipv4 = chosen(ip, 4, text(spec, "bgp", "ipv4Address"))
        ipv6 = chosen(ip6, 6, text(spec, "bgp", "ipv6Address"))
        await _check_free(store, name, ipv4, ipv6)
        return await store.edit(NODE, name, lambda spec: with_addresses(spec, ipv4, ipv6, asn), birth())

    try:
        return with_etcd(endpoints, config, act)
    except ObjectRefusal as refusal:
        raise refuse(refusal.reasons) from refusal
    except AddressError as error:
        raise refuse([str(error)]) from error


def _begin_cluster(node: "Stored", endpoints: str, config: Path | None, *, has_pools: bool) -> None:
    """Write what a cluster has from its first node on. has_pools: of its own accord, where there are none.

    A user of etcd's that may not do that registers its node all the same: others have made it, or will.
    """
    from bgpd.datastore.store import StoreError

    async def act(client: "Etcd", prefix: str) -> tuple[list[str], list[str]]:
        from bgpd.datastore.first_objects import make_cluster_information, make_default_pools

        made = await make_cluster_information(client, prefix, birth(), uuid.uuid4().hex)
        done = ["ClusterInformation default"] if made else []
        if not has_pools:
            return done, []
        pools, reasons = await make_default_pools(client, prefix, node.spec, birth(), unique_local_prefix())
        return done + pools, reasons

    try:
        made, reasons = with_etcd(endpoints, config, act)
    except StoreError as error:
        complain(f"what a first node makes was left alone: {error}")
        return
    for what in made:
        print(f"{what} is made, as there was none")
    for why in reasons:
        complain(f"no default pool is made: {why}")


def _asn(written: str) -> int:
    from bgpd.datastore.resources.values import ASN, asn

    try:
        return asn(written)
    except ValueError as error:
        raise typer.BadParameter(f"--as: expected {ASN.expected}, found {written}") from error


async def _check_free(store: "ObjectStore", name: str, *addresses: str) -> None:
    """Raise ObjectRefusal if another node has one of the addresses."""
    from bgpd.datastore.object_store import ObjectRefusal
    from bgpd.datastore.resources.kinds import NODE
    from bgpd.datastore.resources.shapes import text

    wanted = {address.partition("/")[0] for address in addresses if address}
    others, _ = await store.all_of(NODE)
    for other in others:
        for field in ("ipv4Address", "ipv6Address"):
            address = text(other.spec, "bgp", field).partition("/")[0]
            if other.name != name and address in wanted:
                raise ObjectRefusal(
                    f"Node {name}: spec.bgp.{field}: expected an address that no other node has, "
                    f"found {address}: {other.name} has it; if that is this host, give --name {other.name}"
                )


def _summary(node: "Stored") -> str:
    from bgpd.datastore.resources.shapes import part

    bgp: Document = part(node.spec, "bgp")
    addresses = [str(bgp[field]) for field in ("ipv4Address", "ipv6Address") if bgp.get(field)]
    asn = bgp.get("asNumber")
    return ", ".join([*addresses, f"AS {asn}" if asn else "the cluster's AS"])


def _answering(socket: Path) -> StatusRow | None:
    try:
        return Client(socket).get("status", StatusRow)
    except Unreachable:
        return None


def _start(command: list[str], log: Path, socket: Path) -> None:
    """Start a daemon that outlives us, and wait until it answers."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    ends = time.monotonic() + START_TIME
    while time.monotonic() < ends:
        if process.poll() is not None:
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            raise refuse([f"bgpd ended with status {process.returncode}; the end of {log}:", *lines])
        if (daemon := _answering(socket)) is not None:
            print(f"bgpd {daemon.version} is {daemon.state}, process {process.pid}, log {log}")
            process.returncode = 0  # it outlives us: nobody waits for it
            return
        time.sleep(_LOOK)
    raise refuse([f"bgpd, process {process.pid}, does not answer on {socket} after {START_TIME:g} s; see {log}"])
