"""Writes of the cluster's objects, from files or by name: all of them are rehearsed before the first is written."""

import dataclasses
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from bgpd.cli.etcd_options import with_etcd
from bgpd.cli.output import DEGRADED

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.object_store import ObjectStore, Stored
    from bgpd.datastore.resources.files import Written
    from bgpd.datastore.resources.kinds import Kind
    from bgpd.datastore.resources.writing import Birth, Verb

    Choice = Callable[[ObjectStore], Awaitable[list[Written]]]

_DONE: Final = {"create": "created", "apply": "applied", "replace": "replaced", "delete": "deleted"}


def carry_out(verb_name: str, choose: "Choice", endpoints: str, config: Path | None, *, skip: bool) -> None:
    """Do with the chosen objects what a verb says. skip: pass over what is there already, or is not there."""
    from bgpd.datastore.object_store import ObjectStore
    from bgpd.datastore.rehearsal import Rehearsal
    from bgpd.datastore.resources.writing import Verb

    verb = Verb(verb_name)

    async def act(client: "Etcd", prefix: str) -> "tuple[list[Written], list[str], int]":
        store, rehearsed = ObjectStore(client, prefix), ObjectStore(Rehearsal(client), prefix)
        chosen = await choose(store)
        refusals: list[str] = []
        passed = [one for one in chosen if await _may_pass(store, rehearsed, one, verb, refusals, skip=skip)]
        if refusals:
            return [], refusals, len(chosen)
        return *(await _do(store, verb, passed)), len(chosen)

    done, refusals, number = with_etcd(endpoints, config, act)
    if done and refusals:
        complain(f"{_DONE[verb_name]} the first {len(done)} of {number}; then:")
    if refusals:
        raise refuse(refusals)
    for one in done:
        for notice in one.kind.notices(one.name, one.spec) if verb is not Verb.DELETE else ():
            complain(f"{one.kind.name} {one.name}: {notice}")
    kinds = {one.kind.name for one in done}
    named = f"'{kinds.pop()}' " if len(kinds) == 1 else ""
    print(f"Successfully {_DONE[verb_name]} {len(done)} {named}resource(s)")


def rehearse(applied: list[str], deleted: list[str], endpoints: str, config: Path | None) -> dict[str, str | None]:
    """Return the keys that ``apply`` and ``delete`` would write, with their values, None = deleted."""
    from bgpd.datastore.object_store import ObjectStore
    from bgpd.datastore.rehearsal import Rehearsal
    from bgpd.datastore.resources.writing import Verb

    asked = [(Verb.APPLY, one) for one in (read_files(applied) if applied else ())]
    asked += [(Verb.DELETE, one) for one in (read_files(deleted) if deleted else ())]

    async def act(client: "Etcd", prefix: str) -> "tuple[dict[str, str | None], list[str]]":
        rehearsal = Rehearsal(client)
        store, rehearsed = ObjectStore(client, prefix), ObjectStore(rehearsal, prefix)
        refusals: list[str] = []
        for verb, one in asked:
            await _may_pass(store, rehearsed, one, verb, refusals, skip=False)
        return rehearsal.changes(), refusals

    changes, refusals = with_etcd(endpoints, config, act)
    if refusals:
        raise refuse(refusals)
    return changes


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


def with_unknown_fields(written: "list[Written]") -> "list[Written]":
    """Return objects whose unknown fields are taken as they are, and say so."""
    for one in written:
        for fault in one.faults:
            if fault.is_unknown:
                complain(f"{one.place}: {one.kind.name} {one.name}: {fault.where}: stored as it is, nothing knows it")
    return [dataclasses.replace(one, faults=tuple(f for f in one.faults if not f.is_unknown)) for one in written]


def by_name(kind: "Kind", names: list[str]) -> "Choice":
    async def choose(store: "ObjectStore") -> "list[Written]":
        from bgpd.datastore.resources.files import Written

        found = [(name, await find_object(store, kind, name)) for name in names]
        return [Written("", kind, one.name if one is not None else name, {}) for name, one in found]

    return choose


async def find_object(store: "ObjectStore", kind: "Kind", name: str) -> "Stored | None":
    """Return an object by its name, a pool also by its range. Raises ObjectRefusal."""
    if "/" not in name:
        return await store.get(kind, name)
    stored, _ = await store.all_of(kind)
    return next((one for one in stored if one.spec.get("cidr") == name), None)


def birth() -> "Birth":
    """Return what a new object gets."""
    from bgpd.datastore.resources.writing import Birth

    return Birth(str(uuid.uuid4()), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def refuse(lines: Iterable[str]) -> typer.Exit:
    """Print why something is not done; return what ends the command."""
    for line in lines:
        complain(line)
    return typer.Exit(DEGRADED)


def complain(line: str) -> None:
    """Print a line for the operator beside the answer."""
    print(f"bgpctl: {line}", file=sys.stderr)


async def _may_pass(
    store: "ObjectStore",
    rehearsed: "ObjectStore",
    one: "Written",
    verb: "Verb",
    refusals: list[str],
    *,
    skip: bool,
) -> bool:
    """Is there nothing against it after those before it? Adds the reasons to the refusals."""
    from bgpd.datastore.object_store import AlreadyExists, NotFound, ObjectRefusal
    from bgpd.datastore.resources.writing import Verb

    try:
        await rehearsed.write(one, verb, birth())
    except ObjectRefusal as refusal:
        if verb is Verb.DELETE and isinstance(refusal, NotFound) and await store.find(one) is not None:
            return True  # it goes with another one
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
