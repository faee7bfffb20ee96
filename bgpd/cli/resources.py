"""``bgpctl create|apply|replace|delete|get``: the cluster's objects in etcd, from files and on the screen.

All documents are checked before the first is written. Exit status as elsewhere: 1 refused, 2 etcd does not answer.
"""

import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bgpd.cli import show
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.output import DEGRADED, Output, OutputOption, print_answer

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.object_store import ObjectStore, Stored
    from bgpd.datastore.resources.files import Written
    from bgpd.datastore.resources.kinds import Kind
    from bgpd.datastore.resources.shapes import Document, Json
    from bgpd.datastore.resources.writing import Birth, Verb

    Choice = Callable[[ObjectStore], Awaitable[list[Written]]]

_DONE: Final = {"create": "created", "apply": "applied", "replace": "replaced", "delete": "deleted"}
FILES_HELP: Final = "YAML or JSON; a directory: the files in it; -: standard input. May be repeated."

FilesOption = Annotated[
    list[str], typer.Option("--filename", "-f", metavar="FILE", help=FILES_HELP, show_default=False)
]
OptionalFilesOption = Annotated[
    list[str] | None, typer.Option("--filename", "-f", metavar="FILE", help=FILES_HELP, show_default=False)
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
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Create objects; one that is there already is an error."""
    _write("create", files, endpoints, config, skip=skip_exists)


def apply(files: FilesOption, endpoints: EndpointsOption = "", config: ConfigOption = None) -> None:
    """Create objects, or change those that are there.

    A file is the whole of an object's spec: what it leaves out goes, but for what programs write there. Labels and
    annotations are added to those that are there.
    """
    _write("apply", files, endpoints, config)


def replace(files: FilesOption, endpoints: EndpointsOption = "", config: ConfigOption = None) -> None:
    """Change objects that are there: spec, labels and annotations are those of the file."""
    _write("replace", files, endpoints, config)


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
    _act("delete", _by_name(_kind(kind), names), endpoints, config, skip=skip_not_exists)


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
        _complain(line)
    if missing:
        raise typer.Exit(DEGRADED)


def rehearse(applied: list[str], deleted: list[str], endpoints: str, config: Path | None) -> dict[str, str | None]:
    """Return the keys that ``apply`` and ``delete`` would write, with their values, None = deleted."""
    from bgpd.datastore.object_store import ObjectRefusal, ObjectStore
    from bgpd.datastore.rehearsal import Rehearsal
    from bgpd.datastore.resources.writing import Verb

    asked = [(Verb.APPLY, one) for one in (read_files(applied) if applied else ())]
    asked += [(Verb.DELETE, one) for one in (read_files(deleted) if deleted else ())]

    async def act(client: "Etcd", prefix: str) -> "tuple[dict[str, str | None], list[str]]":
        rehearsal = Rehearsal(client)
        store = ObjectStore(rehearsal, prefix)
        refusals: list[str] = []
        for verb, one in asked:
            try:
                await store.write(one, verb, birth())
            except ObjectRefusal as refusal:
                refusals += [f"{one.place}: {reason}" for reason in refusal.reasons]
        return rehearsal.changes(), refusals

    changes, refusals = with_etcd(endpoints, config, act)
    if refusals:
        raise refuse(refusals)
    return changes


COMMANDS: Final = (create, apply, replace, delete, get)


def birth() -> "Birth":
    """Return what a new object gets."""
    from bgpd.datastore.resources.writing import Birth

    return Birth(str(uuid.uuid4()), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def refuse(lines: Iterable[str]) -> typer.Exit:
    """Print why something is not done; return what ends the command."""
    for line in lines:
        _complain(line)
    return typer.Exit(DEGRADED)


def read_files(files: Iterable[str]) -> "list[Written]":
    """Return the objects of files; what cannot be one ends the command."""
    from bgpd.cli.documents import DocumentError, documents
    from bgpd.datastore.resources.files import Unusable, written

    usable: list[Written] = []
    faults: list[str] = []
    try:
        for one in written(documents(files)):
            if isinstance(one, Unusable):
                faults += [f"{one.place}: {fault}" for fault in one.faults]
            else:
                usable.append(one)
    except DocumentError as error:
        raise refuse([str(error)]) from error
    if faults:
        raise refuse(faults)
    if not usable:
        raise refuse([f"{', '.join(files)}: expected an object, found none"])
    return usable


def _write(verb_name: str, files: list[str], endpoints: str, config: Path | None, *, skip: bool = False) -> None:
    written = read_files(files)

    async def choose(_: "ObjectStore") -> "list[Written]":
        return written

    _act(verb_name, choose, endpoints, config, skip=skip)


def _act(verb_name: str, choose: "Choice", endpoints: str, config: Path | None, *, skip: bool) -> None:
    from bgpd.datastore.object_store import ObjectStore
    from bgpd.datastore.resources.writing import Verb

    verb = Verb(verb_name)

    async def act(client: "Etcd", prefix: str) -> "tuple[list[Written], list[str], int]":
        store = ObjectStore(client, prefix)
        chosen = await choose(store)
        refusals: list[str] = []
        passed = [one for one in chosen if await _may_pass(store, one, verb, refusals, skip=skip)]
        if refusals:
            return [], refusals, len(chosen)
        return *(await _do(store, verb, passed)), len(chosen)

    done, refusals, number = with_etcd(endpoints, config, act)
    if done and refusals:
        _complain(f"{_DONE[verb_name]} the first {len(done)} of {number}; then:")
    if refusals:
        raise refuse(refusals)
    for one in done:
        for notice in one.kind.notices(one.name, one.spec) if verb is not Verb.DELETE else ():
            _complain(f"{one.kind.name} {one.name}: {notice}")
    kinds = {one.kind.name for one in done}
    named = f"'{kinds.pop()}' " if len(kinds) == 1 else ""
    print(f"Successfully {_DONE[verb_name]} {len(done)} {named}resource(s)")


async def _may_pass(store: "ObjectStore", one: "Written", verb: "Verb", refusals: list[str], *, skip: bool) -> bool:
    """Is there nothing against it? Adds the reasons to the refusals."""
    from bgpd.datastore.object_store import AlreadyExists, NotFound, ObjectRefusal

    try:
        await store.check(one, verb, birth())
    except ObjectRefusal as refusal:
        if not (skip and isinstance(refusal, AlreadyExists | NotFound)):
            refusals += [f"{one.place}: {reason}" if one.place else reason for reason in refusal.reasons]
        return False
    return True


async def _do(store: "ObjectStore", verb: "Verb", chosen: "list[Written]") -> "tuple[list[Written], list[str]]":
    """Return what was done, and why the rest was not."""
    from bgpd.datastore.object_store import NotFound, ObjectRefusal
    from bgpd.datastore.resources.writing import Verb

    done: list[Written] = []
    for one in chosen:
        try:
            await store.write(one, verb, birth())
        except ObjectRefusal as refusal:
            if verb is Verb.DELETE and isinstance(refusal, NotFound):  # it went with another one
                done.append(one)
                continue
            return done, [f"{one.place}: {reason}" if one.place else reason for reason in refusal.reasons]
        done.append(one)
    return done, []


def _by_name(kind: "Kind", names: list[str]) -> "Choice":
    async def choose(store: "ObjectStore") -> "list[Written]":
        from bgpd.datastore.resources.files import Written

        found = [(name, await _find(store, kind, name)) for name in names]
        return [Written("", kind, one.name if one is not None else name, {}) for name, one in found]

    return choose


async def _find(store: "ObjectStore", kind: "Kind", name: str) -> "Stored | None":
    """Return an object by its name, a pool also by its range. Raises ObjectRefusal."""
    if "/" not in name:
        return await store.get(kind, name)
    stored, _ = await store.all_of(kind)
    return next((one for one in stored if one.spec.get("cidr") == name), None)


async def _of_names(store: "ObjectStore", kind: "Kind", names: list[str]) -> "tuple[list[Stored], list[str]]":
    from bgpd.datastore.object_store import ObjectRefusal

    found: list[Stored] = []
    missing: list[str] = []
    for name in names:
        try:
            one = await _find(store, kind, name)
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


def _complain(line: str) -> None:
    print(f"bgpctl: {line}", file=sys.stderr)
