"""``bgpctl version``: of this program, of the daemon, and of the Calico that the cluster says it has."""

from pathlib import Path
from typing import TYPE_CHECKING

import bgpd
from bgpd.api.rows import StatusRow
from bgpd.cli.client import DEFAULT_SOCKET, Client, Unreachable
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.output import Output, OutputOption, SocketOption, print_answer
from bgpd.datastore.store import StoreError

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd


def version(
    output: OutputOption = Output.TABLE,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
    socket: SocketOption = DEFAULT_SOCKET,
) -> None:
    """Show the versions of bgpctl, of the running bgpd, and of the cluster."""
    versions = {"client": bgpd.__version__, "daemon": _daemon(socket)}
    try:
        versions |= with_etcd(endpoints, config, _cluster)
    except StoreError as error:
        versions["cluster"] = f"unknown: {error}"
    lines = [f"{_heading(what):<17} {text}" for what, text in versions.items()]
    print_answer(versions, output, lambda: "\n".join(lines))


def _heading(what: str) -> str:
    return f"{what.capitalize()}:" if what.endswith("type") else f"{what.capitalize()} version:"


def _daemon(socket: Path) -> str:
    try:
        return Client(socket).get("status", StatusRow).version
    except Unreachable:
        return "none is running"


async def _cluster(client: "Etcd", prefix: str) -> dict[str, str]:
    from bgpd.datastore.first_objects import CLUSTER_INFORMATION
    from bgpd.datastore.resources.shapes import part, text
    from bgpd.datastore.resources.writing import decode

    entry = await client.get(f"{prefix.rstrip('/')}/{CLUSTER_INFORMATION}")
    if entry is None:
        return {"cluster": "none is told in etcd"}
    try:
        spec = part(decode(entry.value), "spec")
    except ValueError:
        return {"cluster": "unknown: what etcd has is no JSON object"}
    kind = text(spec, "clusterType")
    return {"cluster": text(spec, "calicoVersion") or "not said"} | ({"cluster type": kind} if kind else {})
