"""The layers of bgpd, held by reading the imports: what may import what, and where third-party packages are allowed.

Imports go down only. Changing a table here is a decision and needs an ADR.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import bgpd

ROOT: Final = Path(bgpd.__file__).parent

LEAVES: Final = {"errors", "families", "identity", "addresses", "communities", "records"}

# Package (or module) below bgpd: what of bgpd it may import. Itself goes without saying.
LAYERS: Final[dict[str, set[str]]] = {
    "errors": set(),
    "families": {"records"},
    "identity": {"records"},
    "addresses": {"families"},
    "communities": {"records"},
    "records": set(),
    "messages": LEAVES,
    "fsm": LEAVES | {"messages"},
    "session": LEAVES | {"messages", "fsm"},
    "rib": LEAVES | {"messages"},
    "policy": LEAVES | {"messages", "rib"},
    "reflector": LEAVES | {"messages", "rib"},
    "kernel": LEAVES | {"rib.path"},
    "config": LEAVES | {"messages", "rib.path", "policy"},
    "datastore": LEAVES | {"messages", "rib.path", "policy", "config", "reflector"},
    "speaker": LEAVES | {"messages", "fsm", "session", "rib", "policy", "reflector", "kernel", "config", "datastore"},
    "api": LEAVES | {"messages", "fsm", "session", "rib", "policy", "kernel", "config"},  # the speaker as a Protocol
    "lab": LEAVES | {"api.rows"},  # drives the daemon from outside, as a person does
    "cli": LEAVES
    | {
        "messages",
        "fsm",
        "session",
        "rib",
        "policy",
        "reflector",
        "kernel",
        "config",
        "datastore",
        "speaker",
        "api",
        "lab",
    },
    "__main__": {"cli"},
    "__init__": set(),
}

# Packages whose values depend on octets and arguments alone, and such modules of the edges.
PURE: Final = (
    *sorted(LEAVES),
    "messages",
    "fsm",
    "rib",
    "policy",
    "reflector",
    "config",
    "kernel.routes",
    "kernel.learning",
    "kernel.lookup",
    "kernel.programming",
    "datastore.calico",
    "datastore.resources",
    "api.rows",
    "api.views",
    "lab.options",
    "lab.topology",
    "lab.configuration",
    "lab.page",
)
IMPURE: Final = {
    "asyncio",
    "datetime",
    "random",
    "secrets",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}

# Third-party package: where in bgpd it may be imported.
THIRD_PARTY: Final[dict[str, set[str]]] = {
    "aetcd": {"datastore.etcd"},
    "aiohttp": {"api"},
    "construct": {"messages"},
    "grpc": {"datastore.etcd"},
    "msgspec": {"config", "datastore", "api", "cli", "lab"},
    "prometheus_client": {"api"},
    "pyroute2": {"kernel"},
    "rich": {"cli"},
    "structlog": {"session", "kernel", "datastore", "speaker", "api", "cli"},
    "typer": {"cli"},
    "uvloop": {"cli"},
    "yaml": {"datastore", "cli"},
}


@dataclass(frozen=True, slots=True)
class Import:
    """One import: in which module, of what, and whether inside a function."""

    module: str  # below bgpd
    target: str
    line: int
    is_nested: bool

    def __str__(self) -> str:
        return f"bgpd.{self.module}:{self.line} imports {self.target}"


def _modules() -> dict[str, ast.Module]:
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(file.read_text(), str(file))
    return found


def _imports(module: str, tree: ast.Module) -> Iterator[Import]:
    nested = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"bgpd.{module}:{node.lineno}: relative import"
            assert node.module is not None
            # "from bgpd.lab import records" imports a module, "from bgpd.errors import Cease" a name of one
            names = [_existing(f"{node.module}.{alias.name}") or node.module for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(module, name, node.lineno, id(node) in nested)


def _existing(name: str) -> str:
    path = ROOT.parent.joinpath(*name.split("."))
    return name if path.is_dir() or path.with_suffix(".py").exists() else ""


MODULES: Final = _modules()
IMPORTS: Final = tuple(found for name, tree in MODULES.items() for found in _imports(name, tree))


def _is_within(name: str, packages: "set[str] | tuple[str, ...]") -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _layer(module: str) -> str:
    return module.partition(".")[0]


def test_every_package_has_its_place_in_the_table() -> None:
    assert {_layer(module) for module in MODULES} <= set(LAYERS)


def test_records_are_those_whose_methods_wait() -> None:
    direct = [
        f"bgpd.{name}:{node.lineno}"
        for name, tree in MODULES.items()
        if name != "records"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(alias.name == "dataclass" for alias in node.names)
    ]
    assert not direct, "the standard library's dataclass costs half a millisecond of each start: see bgpd.records"


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    upward = [
        str(found)
        for found in IMPORTS
        if _layer(found.module) == layer
        and found.target.startswith("bgpd.")
        and not _is_within(found.target.removeprefix("bgpd."), LAYERS[layer] | {layer})
    ]
    assert upward == []


def test_the_table_has_no_circle() -> None:
    below = {layer: {_layer(name) for name in allowed} - {layer} for layer, allowed in LAYERS.items()}
    while below:
        free = {layer for layer, allowed in below.items() if not allowed & set(below)}
        assert free, f"these import each other: {sorted(below)}"
        below = {layer: allowed for layer, allowed in below.items() if layer not in free}


def test_pure_code_knows_no_clock_no_socket_and_no_chance() -> None:
    impure = [
        str(found) for found in IMPORTS if _is_within(found.module, PURE) and found.target.partition(".")[0] in IMPURE
    ]
    assert impure == []


def test_third_party_packages_stay_where_they_belong() -> None:
    astray = []
    for found in IMPORTS:
        package = found.target.partition(".")[0]
        if package != "bgpd" and package not in sys.stdlib_module_names:
            assert package in THIRD_PARTY, f"{found}, which is not in the table"
            if not _is_within(found.module, THIRD_PARTY[package]):
                astray.append(str(found))
    assert astray == []


def test_only_the_command_line_imports_inside_functions() -> None:
    """It does so to answer ``--version`` and ``--check`` at once; anywhere else it would hide a circle."""
    assert [str(found) for found in IMPORTS if found.is_nested and _layer(found.module) != "cli"] == []


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert {name for name in MODULES if name.split(".")[-1] in {"utils", "helpers", "common", "base", "misc"}} == set()


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in MODULES.items() if not ast.get_docstring(tree)] == []
