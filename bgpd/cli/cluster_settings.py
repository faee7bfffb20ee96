"""``bgpctl config``: the cluster's AS number, its mesh and what its nodes log, in etcd."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.object_writes import birth, refuse

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.resources.settings import Setting
    from bgpd.datastore.resources.shapes import Json

app = typer.Typer(help="Cluster-wide settings, kept in etcd.", no_args_is_help=True, rich_markup_mode=None)

SettingArgument = Annotated[str, typer.Argument(metavar="NAME", help="asNumber, nodeToNodeMesh or logLevel.")]
NodeOption = Annotated[str, typer.Option("--node", help="Of this node alone; only logLevel.", show_default=False)]


@app.command("set")
def set_setting(
    name: SettingArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A number; on or off; a level.")],
    node: NodeOption = "",
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Set the AS number of all nodes without their own, turn the mesh on or off, or set the log level."""
    from bgpd.datastore.resources.settings import parse

    setting = _setting(name)
    try:
        parsed = parse(setting, value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    _write(setting, node, parsed, endpoints, config)


@app.command("unset")
def unset_setting(
    name: SettingArgument, node: NodeOption = "", endpoints: EndpointsOption = "", config: ConfigOption = None
) -> None:
    """Go back to the default, or for a node to what holds for all."""
    _write(_setting(name), node, None, endpoints, config)


@app.command("get")
def get_setting(
    name: SettingArgument, node: NodeOption = "", endpoints: EndpointsOption = "", config: ConfigOption = None
) -> None:
    """Show the value that counts."""
    from bgpd.datastore.resources.bgp_configuration import DEFAULT
    from bgpd.datastore.resources.settings import current

    setting = _setting(name)
    wanted = list(dict.fromkeys((_object(setting, node), DEFAULT)))

    async def act(client: "Etcd", prefix: str) -> str:
        from bgpd.datastore.object_store import ObjectStore
        from bgpd.datastore.resources.kinds import BGP_CONFIGURATION

        store = ObjectStore(client, prefix)
        found = [await store.get(BGP_CONFIGURATION, one) for one in wanted]
        return current(setting, *(one.spec for one in found if one is not None))

    print(_guarded(endpoints, config, act))


def _write(setting: "Setting", node: str, value: "Json", endpoints: str, config: Path | None) -> None:
    name = _object(setting, node)

    async def act(client: "Etcd", prefix: str) -> str:
        from bgpd.datastore.object_store import ObjectStore
        from bgpd.datastore.resources.kinds import BGP_CONFIGURATION
        from bgpd.datastore.resources.settings import edited

        await ObjectStore(client, prefix).edit(BGP_CONFIGURATION, name, partial(edited, setting, value), birth())
        return ""

    _guarded(endpoints, config, act)


def _guarded(endpoints: str, config: Path | None, act: "Callable[[Etcd, str], Awaitable[str]]") -> str:
    from bgpd.datastore.object_store import ObjectRefusal

    try:
        return with_etcd(endpoints, config, act)
    except ObjectRefusal as refusal:
        raise refuse(refusal.reasons) from refusal


def _setting(name: str) -> "Setting":
    from bgpd.datastore.resources.settings import setting_named

    try:
        return setting_named(name)
    except ValueError as error:
        raise typer.BadParameter(f"NAME: {error}") from error


def _object(setting: "Setting", node: str) -> str:
    from bgpd.datastore.resources.settings import object_name

    try:
        return object_name(setting, node)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
