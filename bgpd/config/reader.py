"""A TOML document against the model: every fault, not only the first, and what is left without them.

``msgspec.convert`` stops at its first error, so each key is converted by itself. What remains of the document after the
faulty keys are taken out still converts, and can be checked across keys.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Final, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from bgpd.config.problems import Finding
from bgpd.config.syntax import Syntax

_LONGEST_FOUND: Final = 60  # characters of a value that a message repeats
_SECRETS: Final = frozenset({"password", "key"})
_INTEGER_BITS: Final = 64  # that TOML promises for an integer; Python does not write all that it reads
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def read(
    document: Mapping[str, object], model: type[msgspec.Struct], key: str = ""
) -> tuple[dict[str, object], list[Finding]]:
    """Return the document without its faulty keys, and the faults."""
    findings: list[Finding] = []
    fields = fields_of(model)
    clean: dict[str, object] = {}
    for name, value in document.items():
        path = join(key, name)
        if name not in fields:
            findings.append(Finding(path, _unknown(name, tuple(fields))))
            continue
        clean.update((name, kept) for kept in _value(value, fields[name].type, path, findings))
    return clean, findings


def join(key: str, name: str) -> str:
    """Return the path of a key inside a table."""
    written = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{key}.{written}" if key else written


@cache
def fields_of(model: type[msgspec.Struct]) -> Mapping[str, FieldInfo]:
    """Return the fields of a table by their keys; they are asked for each of a thousand peers."""
    return {field.encode_name: field for field in msgspec.structs.fields(model)}


def unwrap(annotation: object) -> tuple[object, tuple[Meta, ...]]:
    """Return a field's type without ``Annotated`` and ``None``, and all that was annotated, outermost first."""
    metas: tuple[Meta, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *found = get_args(annotation)
            metas += tuple(meta for meta in found if isinstance(meta, Meta))
            continue
        if get_origin(annotation) in (Union, UnionType):
            choices = [choice for choice in get_args(annotation) if choice is not type(None)]
            if len(choices) == 1:
                annotation = choices[0]
                continue
        return annotation, metas


def syntax_of(metas: tuple[Meta, ...]) -> Syntax | None:
    """Return the syntax among a field's annotations, the outermost one."""
    for meta in metas:
        found = (meta.extra or {}).get("syntax")
        if isinstance(found, Syntax):
            return found
    return None


def table_type(annotation: object) -> type[msgspec.Struct] | None:
    """Return the model of a field that is a table."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) else None


def list_item(annotation: object) -> object | None:
    """Return what a field that is a list of any length holds."""
    arguments = get_args(annotation)
    return arguments[0] if get_origin(annotation) is tuple and arguments[-1] is Ellipsis else None


def expected(annotation: object) -> str:
    """Return what a field takes, in words."""
    kind, metas = unwrap(annotation)
    written = syntax_of(metas)
    if written is not None:
        return written.expected
    item = list_item(kind)
    if item is not None:
        return "a list of tables" if table_type(unwrap(item)[0]) else f"a list, each {expected(item)}"
    if get_origin(kind) is tuple:
        return f"two numbers [least, most], each {expected(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "one of " + ", ".join(json.dumps(member.value) for member in kind)
    if kind is bool:
        return "true or false"
    if kind is int:
        return f"a whole number{_bounds(metas)}"
    if kind is float:
        return f"a number{_bounds(metas)}"
    if kind is str:
        return "text that is not empty" if any(meta.min_length for meta in metas) else "text"
    return "a table"


def _value(value: object, annotation: object, path: str, findings: list[Finding]) -> Iterator[object]:
    """Yield what is left of the value, nothing if there is nothing."""
    kind, metas = unwrap(annotation)
    table = table_type(kind)
    if table is not None:
        if not isinstance(value, dict):
            findings.append(Finding(path, f"expected a table [{path}], found {_found(value)}"))
            return
        clean, inner = read(value, table, path)
        findings += inner
        yield clean
        return
    item = list_item(kind)
    if item is not None:
        yield from _items(value, item, metas, path, findings)
        return
    why = _fault(value, annotation, metas)
    if why is None:
        yield value
        return
    secret = path.rpartition(".")[2] in _SECRETS
    found = _hidden(value) if secret else _found(value)
    findings.append(Finding(path, f"expected {expected(annotation)}, found {found}{f' ({why})' if why else ''}"))


def _items(
    value: object, item: object, metas: tuple[Meta, ...], path: str, findings: list[Finding]
) -> Iterator[object]:
    """Yield the list without its faulty items; tables keep their place, so that their paths stay right."""
    table = table_type(unwrap(item)[0])
    if not isinstance(value, list):
        wanted = f"a list of tables [[{path}]]" if table else f"a list, each {expected(item)}"
        findings.append(Finding(path, f"expected {wanted}, found {_found(value)}"))
        return
    if not value and any(meta.min_length for meta in metas):
        findings.append(Finding(path, f"expected at least one item, each {expected(item)}, found []"))
        return
    kept: list[object] = []
    for index, one in enumerate(value):
        left = list(_value(one, item, f"{path}[{index}]", findings))
        kept += left if left or table is None else [{}]
    if kept or not value:
        yield kept


def _fault(value: object, annotation: object, metas: tuple[Meta, ...]) -> str | None:
    """Return why the value does not fit, empty if the type says it all; None if it fits."""
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return ""
    written = syntax_of(metas)
    if written is None:
        return None
    try:
        written.check(value)
    except ValueError as error:
        return str(error)
    return None


def _unknown(name: str, known: tuple[str, ...]) -> str:
    """Return the message for a key that there is not, with the nearest one that there is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f'unknown key; did you mean "{near[0]}"?'
    return f"unknown key; expected one of {', '.join(known)}"


def _bounds(metas: tuple[Meta, ...]) -> str:
    """Return the range that annotations set, in words."""
    least = next((meta.ge for meta in metas if meta.ge is not None), None)
    above = next((meta.gt for meta in metas if meta.gt is not None), None)
    most = next((meta.le for meta in metas if meta.le is not None), None)
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if above is not None and most is not None:
        return f" above {above}, at most {most}"
    return ""


def _hidden(value: object) -> str:
    """Return what may be said of a secret."""
    return f"{len(value.encode())} octets" if isinstance(value, str) else "something that is not text"


def _found(value: object) -> str:
    """Return a value as it stands in the file, shortened."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        text = f"[{', '.join(map(_found, value))}]"
    elif isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        return f"a number of more than {_INTEGER_BITS} bits"
    elif isinstance(value, bool | str):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_FOUND else f"{text[: _LONGEST_FOUND - 1]}…"
