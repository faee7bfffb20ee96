"""Which line of a TOML file a key path stands on.

``tomllib`` does not say; this looks at the lines that begin a table or a key, which is enough for a message. Keys of
inline tables are found by the line of the key that holds them.
"""

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=")


def positions(text: str) -> dict[str, int]:
    """Return the line, from 1, of each table and key by its path, as in ``Problem.key``."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    inside = ""  # the quotes of a text of several lines that is still open
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in line else inside
            continue
        header = _HEADER.match(line)
        key = None if header else _KEY.match(line)
        if header:
            table = _table_path(_parts(header[2]), counts, is_array=header[1] == "[[")
            lines.setdefault(table, number)
        elif key:
            path = table
            for part in _parts(key[1]):
                path = f"{path}.{part}" if path else part
                lines.setdefault(path, number)
        for quotes in ('"""', "'''"):
            if line.count(quotes) % 2:
                inside = quotes
    return lines


def line_of(key: str, lines: dict[str, int]) -> int:
    """Return the line of the key or the nearest thing around it, 0 if there is none."""
    while key:
        if key in lines:
            return lines[key]
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return 0


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _table_path(parts: tuple[str, ...], counts: dict[str, int], *, is_array: bool) -> str:
    """Return the path that a header opens; counts holds the last index of each list of tables."""
    path = ""
    for position, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if is_array and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path
