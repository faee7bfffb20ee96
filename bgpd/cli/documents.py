"""Documents in files: YAML or JSON, several in a file, files in a directory, ``-`` for standard input.

YAML as JSON has it, the way Calico's tools read it: a time, ``on`` and ``64512:77`` are texts, and a key that stands
twice is a mistake. What is a number here is one for PyYAML too, which puts texts like it in quotes: what ``get`` prints
is read as it was.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml

from bgpd.datastore.resources.shapes import Json

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_DEEPEST: Final = 60
_DECIMAL: Final = re.compile(r"[-+]?[0-9]+")


class DocumentError(Exception):
    """A file that cannot be read."""


class _Loader(yaml.SafeLoader):
    """YAML's safe values, without those that only YAML 1.1 has, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # where PyYAML looks


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("$"), [""])


def documents(paths: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """Yield each document with where it stands. Raises DocumentError."""
    for path in paths:
        for name, text in _texts(path):
            yield from parse(name, text)


def parse(name: str, text: str) -> Iterator[tuple[str, Json]]:
    """Yield the documents of a text. name: of its file. Raises DocumentError."""
    try:
        yield from _parsed(name, _Loader(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        raise DocumentError(f"{place}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error


def _parsed(name: str, loader: _Loader) -> Iterator[tuple[str, Json]]:
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # it was looked for
            yield f"{name}:{node.start_mark.line + 1}", _value(name, node, 0)
    finally:
        loader.dispose()


def _texts(path: str) -> Iterator[tuple[str, str]]:
    try:
        if path == "-":
            yield "standard input", sys.stdin.read()
            return
        given = Path(path)
        files = sorted(one for one in given.iterdir() if one.suffix in _SUFFIXES) if given.is_dir() else [given]
        if not files:
            raise DocumentError(f"{path}: expected files with {', '.join(_SUFFIXES)} in it, found none")
        for file in files:
            yield str(file), file.read_text()
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: not UTF-8 text") from error


def _value(name: str, node: yaml.Node, depth: int) -> Json:
    place = f"{name}:{node.start_mark.line + 1}"
    if depth > _DEEPEST:  # an alias may stand inside what it names
        raise DocumentError(f"{place}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Json] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise DocumentError(f"{place}: expected a text as a key")
            if key in made:
                raise DocumentError(f"{name}:{key_node.start_mark.line + 1}: {key} stands there twice")
            made[key] = _value(name, value_node, depth + 1)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_value(name, one, depth + 1) for one in node.value]
    return _scalar(place, node)


def _scalar(place: str, node: yaml.Node) -> Json:
    text = str(node.value)
    try:
        match node.tag.rpartition(":")[2]:
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
            case "int":
                return int(text, 10) if _DECIMAL.fullmatch(text) else int(text, 0)
            case "float":
                return float(text)
            case "str":
                return text
    except ValueError:
        raise DocumentError(f"{place}: not a number: {text[:40]}") from None
    raise DocumentError(f"{place}: expected a text, a number, true, false or null, found {node.tag}")
