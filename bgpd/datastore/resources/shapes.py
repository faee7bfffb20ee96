"""What a document may look like (named fields, lists, maps of texts, single values), and what is wrong with one.

Reading gives back the document with its values in the form that is stored (an AS number as a number) and without
what says nothing (``null``). Every fault names the field as it is written: ``spec.importV4[2].action``.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Final, TypeAlias

from bgpd.records import dataclass

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Document: TypeAlias = dict[str, Json]

_MOST_SHOWN: Final = 60  # characters of a wrong value


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    where: the field. is_unknown: it is a field that we do not know. path: of that, without indices.
    """

    where: str
    message: str
    is_unknown: bool = False
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value. expected: in words. read: gives its stored form, raises ValueError."""

    expected: str
    read: Callable[[Json], Json]


@dataclass(frozen=True, slots=True)
class Texts:
    """A map of texts, such as labels. key, value: return what is wrong, empty = nothing."""

    key: Callable[[str], str]
    value: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Opaque:
    """Whatever somebody else writes there."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A list."""

    item: "Shape"
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A named field. is_required: has to be there. is_kept: a program writes it, so it stays when a file is silent."""

    shape: "Shape"
    is_required: bool = False
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Named fields."""

    fields: Mapping[str, Field] = field(default_factory=dict)


Shape: TypeAlias = Leaf | Texts | Opaque | Rows | Table


def read(shape: Shape, value: Json, where: str, faults: list[Fault], path: tuple[str, ...] = ()) -> Json:
    """Return the value as it is stored; what is wrong is added to the faults, and a wrong value given back as it is."""
    match shape:
        case Leaf():
            return _leaf(shape, value, where, faults)
        case Rows():
            return _rows(shape, value, where, faults, path)
        case Table():
            return _table(shape, value, where, faults, path)
        case Texts():
            return _texts(shape, value, where, faults)
    return value


def shown(value: Json) -> str:
    """Return a wrong value for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def has(document: Json, path: Sequence[str]) -> bool:
    """Is there a field at a path without indices, in any item of the lists on the way?"""
    if not path:
        return True
    if isinstance(document, list):
        return any(has(item, path) for item in document)
    return isinstance(document, dict) and path[0] in document and has(document[path[0]], path[1:])


def kept(shape: Shape, stored: Json, written: Json) -> Json:
    """Return what is written, with what a program wrote and with fields that we do not know, as they are stored.

    A list is taken as it is written.
    """
    if not (isinstance(shape, Table) and isinstance(stored, dict) and isinstance(written, dict)):
        return written
    made = dict(written)
    for name, value in stored.items():
        known = shape.fields.get(name)
        if name in written:
            made[name] = kept(known.shape if known is not None else Opaque(), value, written[name])
        elif known is None or known.is_kept:
            made[name] = value
    return made


def part(document: Json, *names: str) -> Document:
    """Return the table at a path, empty if there is none."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def text(document: Json, *names: str) -> str:
    """Return the text at a path, empty if there is none."""
    value = part(document, *names[:-1]).get(names[-1])
    return value if isinstance(value, str) else ""


def _leaf(leaf: Leaf, value: Json, where: str, faults: list[Fault]) -> Json:
    try:
        return leaf.read(value)
    except ValueError as error:
        why = str(error)
        faults.append(Fault(where, f"expected {leaf.expected}, found {shown(value)}" + (f": {why}" if why else "")))
        return value


def _rows(rows: Rows, value: Json, where: str, faults: list[Fault], path: tuple[str, ...]) -> Json:
    if not isinstance(value, list):
        faults.append(Fault(where, f"expected a list, found {shown(value)}"))
        return value
    if len(value) < rows.least or (rows.most is not None and len(value) > rows.most):
        if rows.least == rows.most:
            number = f"exactly {rows.least}"
        else:
            number = f"at least {rows.least}" if len(value) < rows.least else f"at most {rows.most}"
        faults.append(Fault(where, f"expected {number}, found {len(value)}"))
    return [read(rows.item, one, f"{where}[{index}]", faults, path) for index, one in enumerate(value)]


def _table(table: Table, value: Json, where: str, faults: list[Fault], path: tuple[str, ...]) -> Json:
    if not isinstance(value, dict):
        faults.append(Fault(where, f"expected fields with names, found {shown(value)}"))
        return value
    made: Document = {}
    for name, one in value.items():
        here = f"{where}.{name}" if where else name
        known = table.fields.get(name)
        if known is None:
            faults.append(Fault(here, _unknown(name, table), is_unknown=True, path=(*path, name)))
            made[name] = one
        elif one is not None:
            value_read = read(known.shape, one, here, faults, (*path, name))
            if value_read != "" or not isinstance(known.shape, Leaf):  # an empty text says nothing
                made[name] = value_read
    for name, known in table.fields.items():
        if known.is_required and name not in made:
            faults.append(Fault(f"{where}.{name}" if where else name, f"is missing; expected {_wanted(known.shape)}"))
    return made


def _texts(shape: Texts, value: Json, where: str, faults: list[Fault]) -> Json:
    if not isinstance(value, dict):
        faults.append(Fault(where, f"expected names with texts, found {shown(value)}"))
        return value
    for key, one in value.items():
        here = f"{where}.{key}"
        if why := shape.key(key):
            faults.append(Fault(here, why))
        if not isinstance(one, str):
            faults.append(Fault(here, f"expected a text, found {shown(one)}: write it in quotes"))
        elif why := shape.value(one):
            faults.append(Fault(here, why))
    return value


def _unknown(name: str, table: Table) -> str:
    near = {one.lower(): one for one in table.fields}
    close = difflib.get_close_matches(name.lower(), near, n=1)
    return "no such field" + (
        f"; did you mean {near[close[0]]}?" if close else f"; known are {', '.join(table.fields)}"
    )


def _wanted(shape: Shape) -> str:
    match shape:
        case Leaf():
            return shape.expected
        case Rows():
            return "a list"
    return "fields with names"
