"""The reference of bgp.toml, made from the model: ``python -m bgpd.config.reference`` prints it as Markdown."""

import json
from collections.abc import Iterator

import msgspec

from bgpd.config.model import Config
from bgpd.config.reader import expected, list_item, table_type, unwrap
from bgpd.config.tables.session import DEFAULT_SESSION, SessionTable


def reference() -> str:
    """Return the reference of all tables, in the order of the file."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for field in msgspec.structs.fields(Config):
        kind, _ = unwrap(field.type)
        item = list_item(kind)
        table = table_type(unwrap(item)[0] if item is not None else kind)
        if table is not None:
            name = f"[[{field.encode_name}]]" if item is not None else f"[{field.encode_name}]"
            yield from _table(table, f"`{name}`", field.encode_name, 3)


def _table(table: type[msgspec.Struct], title: str, key: str, level: int) -> Iterator[str]:
    """Yield a table's heading, rows and the tables inside it."""
    inherited = set() if table is SessionTable else {field.name for field in msgspec.structs.fields(SessionTable)}
    own = [field for field in msgspec.structs.fields(table) if field.name not in inherited]
    own.sort(key=lambda field: field.name not in table.__annotations__)  # what is the table's alone comes first
    yield f"{'#' * level} {title}"
    yield ""
    yield (table.__doc__ or "").strip()
    yield ""
    inner: list[tuple[type[msgspec.Struct], str, str]] = []
    rows: list[str] = []
    for field in own:
        kind, metas = unwrap(field.type)
        item = list_item(kind)
        nested = table_type(unwrap(item)[0] if item is not None else kind)
        if nested is not None:
            words = "list of tables" if item is not None else "table"
            path = f"{key}.{field.encode_name}"
            inner.append((nested, f"`{path}`, a {words}", path))
            default = _written(field.default) if item is not None and field.default else "see below"
            rows.append(_row(field.encode_name, f"a {words}", default, (nested.__doc__ or "").strip()))
            continue
        description = next((meta.description for meta in metas if meta.description), "")
        rows.append(_row(field.encode_name, expected(field.type), _default(table, field, metas), description))
    yield "| key | takes | default | meaning |"
    yield "|---|---|---|---|"
    yield from rows
    yield ""
    for nested, heading, path in inner:
        yield from _table(nested, heading, path, level + 1)


def _row(key: str, takes: str, default: str, meaning: str) -> str:
    cells = (f"`{key}`", takes, default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(table: type[msgspec.Struct], field: msgspec.structs.FieldInfo, metas: tuple[msgspec.Meta, ...]) -> str:
    """Return what holds where the key is not there."""
    extras = [meta.extra or {} for meta in metas]
    in_words = next((str(extra["default"]) for extra in extras if extra.get("default")), "")
    if in_words:
        return in_words
    if any(extra.get("required") for extra in extras):
        return "**required**"
    value: object = field.default
    if value is None:
        value = _session_default(table, field.name)
    return _written(value)


def _session_default(table: type[msgspec.Struct], name: str) -> object:
    """Return the default of a key of ``[session]`` or of a table inside it."""
    places = (DEFAULT_SESSION, *(getattr(DEFAULT_SESSION, inner) for inner in DEFAULT_SESSION.__struct_fields__))
    for place in places:
        if type(place) is table:
            found: object = getattr(place, name)
            return found
    return None


def _written(value: object) -> str:
    """Return a value as it would stand in the file."""
    if isinstance(value, tuple):
        return f"`[{', '.join(_plain(one) for one in value)}]`"
    return f"`{_plain(value)}`"


def _plain(value: object) -> str:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        pairs = [(field.encode_name, getattr(value, field.name)) for field in fields]
        kept = [f"{name} = {_plain(one)}" for name, one in pairs if one not in (None, (), False, 0, "")]
        return "{ " + ", ".join(kept) + " }"
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(one) for one in value)}]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    print(reference())
