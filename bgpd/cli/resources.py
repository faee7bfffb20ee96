"""``bgpctl create|apply|replace|delete|get``: the cluster's objects in etcd, from files and on the screen.

All documents are rehearsed before the first is written. Exit status as elsewhere: 1 refused, 2 etcd does not answer.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bgpd.cli import show
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.object_writes import by_name, carry_out, complain, find_object, read_files, with_unknown_fields
from bgpd.cli.output import DEGRADED, Output, OutputOption, print_answer

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.object_store import ObjectStore, Stored
    from bgpd.datastore.resources.files import Written
    from bgpd.datastore.resources.kinds import Kind
    from bgpd.datastore.resources.shapes import Document, Json

FILES_HELP: Final = "YAML or JSON; a directory: the files in it; -: standard input. May be repeated."

FilesOption = Annotated[
    list[str], typer.Option("--filename", "-f", metavar="FILE", help=FILES_HELP, show_default=False)
]
OptionalFilesOption = Annotated[
    list[str] | None, typer.Option("--filename", "-f", metavar="FILE", help=FILES_HELP, show_default=False)
]
UnknownOption = Annotated[
    bool, typer.Option("--allow-unknown", help="Store fields that this version does not know, of a newer Calico.")
]
KindArgument = Annotated[
    str,
    typer.Argument(
        metavar="[KIND]", help="node, bgpPeer, bgpConfiguration, bgpFilter or ipPool, in any case.", show_default=False
    ),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME…]", help="Names; of a pool, its range does too.", show_default=False),
]


def create(
    files: FilesOption,
    skip_exists: Annotated[bool, typer.Option("--skip-exists", help="Leave alone what is there already.")] = False,
    allow_unknown: UnknownOption = False,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Create objects; one that is there already is an error."""
    _write("create", files, endpoints, config, skip=skip_exists, allow_unknown=allow_unknown)


def apply(
    files: FilesOption,
    allow_unknown: UnknownOption = False,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Create objects, or change those that are there.

    A file is the whole of an object's spec: what it leaves out goes, but for what programs write there. Labels and
    annotations are added to those that are there.
    """
    _write("apply", files, endpoints, config, allow_unknown=allow_unknown)


def replace(
    files: FilesOption,
    allow_unknown: UnknownOption = False,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Change objects that are there: spec, labels and annotations are those of the file."""
    _write("replace", files, endpoints, config, allow_unknown=allow_unknown)


def delete(
    kind: KindArgument = "",
    names: NamesArgument = None,
    files: OptionalFilesOption = None,
    skip_not_exists: Annotated[bool, typer.Option("--skip-not-exists", help="Pass over what is not there.")] = False,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Delete objects, named or those of a file."""
    _check_arguments(kind, names, files)
    if files:
        _write("delete", files, endpoints, config, skip=skip_not_exists)
        return
    if not names:
        raise typer.BadParameter("which ones? Give a NAME behind the KIND")
    carry_out("delete", by_name(_kind(kind), names), endpoints, config, skip=skip_not_exists)


def get(
    kind: KindArgument = "",
    names: NamesArgument = None,
    files: OptionalFilesOption = None,
    export: Annotated[
        bool, typer.Option("--export", help="Without what belongs to this cluster alone: uid, revision, status.")
    ] = False,
    output: OutputOption = Output.TABLE,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Show objects: all of a kind, named ones, or those of a file."""
    _check_arguments(kind, names, files)
    written = read_files(files) if files else []
    chosen = _kind(kind) if kind else None

    async def act(client: "Etcd", prefix: str) -> "tuple[list[Stored], list[str], int]":
        from bgpd.datastore.object_store import ObjectStore

        store = ObjectStore(client, prefix)
        default_asn = await _default_asn(store)
        if chosen is None:
            found, missing = await _of_files(store, written)
        elif names:
            found, missing = await _of_names(store, chosen, names)
        else:
            found, missing = await store.all_of(chosen)
        return found, missing, default_asn

    found, missing, default_asn = with_etcd(endpoints, config, act)
    if output in (Output.TABLE, Output.WIDE):
        _print_tables(found, chosen, default_asn, wide=output is Output.WIDE)
    elif found or not missing:
        print_answer(_answer(found, chosen, is_one=len(names or ()) == 1, export=export), output, lambda: "")
    for line in missing:
        complain(line)
    if missing:
        raise typer.Exit(DEGRADED)


COMMANDS: Final = (create, apply, replace, delete, get)


def _write(
    verb_name: str,
    files: list[str],
    endpoints: str,
    config: Path | None,
    *,
    skip: bool = False,
    allow_unknown: bool = False,
) -> None:
    written = with_unknown_fields(read_files(files)) if allow_unknown else read_files(files)

    async def choose(_: "ObjectStore") -> "list[Written]":
        return written

    carry_out(verb_name, choose, endpoints, config, skip=skip)


async def _of_names(store: "ObjectStore", kind: "Kind", names: list[str]) -> "tuple[list[Stored], list[str]]":
    from bgpd.datastore.object_store import ObjectRefusal

    found: list[Stored] = []
    missing: list[str] = []
    for name in names:
        try:
            one = await find_object(store, kind, name)
        except ObjectRefusal as refusal:
            missing += refusal.reasons
            continue
        if one is None:
            missing.append(f"{kind.name} {name}: there is none")
        else:
            found.append(one)
    return found, missing


async def _of_files(store: "ObjectStore", written: "list[Written]") -> "tuple[list[Stored], list[str]]":
    from bgpd.datastore.object_store import ObjectRefusal

    found: list[Stored] = []
    missing: list[str] = []
    for named in written:
        try:
            one = await store.find(named)
        except ObjectRefusal as refusal:
            missing += refusal.reasons
            continue
        if one is None:
            missing.append(f"{named.place}: {named.kind.name} {named.name}: there is none")
        else:
            found.append(one)
    return found, missing


async def _default_asn(store: "ObjectStore") -> int:
    from bgpd.datastore.object_store import ObjectRefusal
    from bgpd.datastore.resources.bgp_configuration import DEFAULT, DEFAULT_ASN
    from bgpd.datastore.resources.kinds import BGP_CONFIGURATION

    try:
        settings = await store.get(BGP_CONFIGURATION, DEFAULT)
    except ObjectRefusal:
        return DEFAULT_ASN
    asn = settings.spec.get("asNumber") if settings is not None else None
    return asn if isinstance(asn, int) else DEFAULT_ASN


def _answer(found: "list[Stored]", kind: "Kind | None", *, is_one: bool, export: bool) -> "Document":
    """Return what JSON and YAML show: one object, or a list of them."""
    from bgpd.datastore.resources.kinds import API_VERSION
    from bgpd.datastore.resources.writing import exported, exposed

    shown = [exposed(one.kind, one.name, one.document, one.revision) for one in found]
    if export:
        shown = [exported(one) for one in shown]
    if is_one and shown:
        return shown[0]
    items: list[Json] = list(shown)
    return {
        "kind": f"{kind.name}List" if kind is not None else "List",
        "apiVersion": API_VERSION,
        "metadata": {},
        "items": items,
    }


def _print_tables(found: "list[Stored]", kind: "Kind | None", default_asn: int, *, wide: bool) -> None:
    from bgpd.datastore.resources.rows import Object, columns
    from bgpd.datastore.resources.shapes import part
    from bgpd.datastore.resources.writing import exposed

    kinds = [kind] if kind is not None else list({one.kind.name: one.kind for one in found}.values())
    for number, one_kind in enumerate(kinds):
        if number:
            print()
        headings = [show.Column(one.heading, one.cell) for one in columns(one_kind, wide=wide)]
        rows = [
            Object(one.name, part(exposed(one.kind, one.name, one.document, one.revision), "spec"), default_asn)
            for one in found
            if one.kind is one_kind
        ]
        show.out(show.table(headings, rows, wide=wide))


def _check_arguments(kind: str, names: list[str] | None, files: list[str] | None) -> None:
    if files and (kind or names):
        raise typer.BadParameter("either -f FILE or KIND [NAME…]")
    if not files and not kind:
        raise typer.BadParameter("which objects? Give KIND [NAME…] or -f FILE")


def _kind(name: str) -> "Kind":
    from bgpd.datastore.resources.kinds import kind_named

    try:
        return kind_named(name)
    except ValueError as error:
        raise typer.BadParameter(f"KIND: {error}") from error
