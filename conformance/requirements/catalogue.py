"""The catalogue: one TOML file for each RFC, read strictly.

A requirement is one rule in our own words, with the tests that would fail if it were broken, or the reason why it is
not met on purpose, or why it does not concern this speaker. A requirement with none of the three is untested.
A test is named as pytest names it, ``tests/fsm/test_collision.py::test_…``; without parameters it stands for all of
them, and ``…[HoldTimerExpired-`` for those whose parameters begin so.
"""

import ast
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
DIRECTORY: Final = Path(__file__).resolve().parent


class Level(Enum):
    """How binding a rule is: RFC 2119's words, REQUIRED and SHALL being MUST, RECOMMENDED being SHOULD.

    STATED: a rule that the text gives without one of these words; it binds like a MUST.
    """

    MUST = "MUST"
    MUST_NOT = "MUST NOT"
    STATED = "STATED"
    SHOULD = "SHOULD"
    SHOULD_NOT = "SHOULD NOT"
    MAY = "MAY"

    @property
    def is_binding(self) -> bool:
        """Has the rule no exceptions?"""
        return self in (Level.MUST, Level.MUST_NOT, Level.STATED)


class Standing(Enum):
    """What we say of a requirement; the value is for people."""

    TESTED = "tested"
    NOT_MET = "deliberately not met"
    NOT_APPLICABLE = "does not apply"
    UNTESTED = "untested"


class CatalogueError(Exception):
    """A file of the catalogue that cannot be used; names the file and the fault."""


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of one RFC. id: unique within it, the section first. text: in our own words."""

    id: str
    section: str
    level: Level
    text: str
    tests: tuple[str, ...] = ()
    not_met: str = ""
    not_applicable: str = ""

    @property
    def standing(self) -> Standing:
        """What we say of it."""
        if self.tests:
            return Standing.TESTED
        if self.not_met:
            return Standing.NOT_MET
        return Standing.NOT_APPLICABLE if self.not_applicable else Standing.UNTESTED


class Rfc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One RFC and what it requires of us, in the order of its sections."""

    number: int
    title: str
    requirement: tuple[Requirement, ...]


def load(directory: Path = DIRECTORY) -> tuple[Rfc, ...]:
    """Return all RFCs by number. Raises CatalogueError."""
    found = [read(path) for path in sorted(directory.glob("rfc*.toml"))]
    return tuple(sorted(found, key=lambda rfc: rfc.number))


def read(path: Path) -> Rfc:
    """Return the RFC of one file. Raises CatalogueError."""
    try:
        rfc = msgspec.toml.decode(path.read_bytes(), type=Rfc)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    for fault in _faults(rfc, path.name):
        raise CatalogueError(f"{path.name}: {fault}")
    return rfc


def _faults(rfc: Rfc, name: str) -> Iterator[str]:
    if name != f"rfc{rfc.number}.toml":
        yield f"the file is of RFC {rfc.number}, so its name must be rfc{rfc.number}.toml"
    seen: set[str] = set()
    for one in rfc.requirement:
        if one.id in seen:
            yield f"{one.id} is there twice"
        seen.add(one.id)
        if not one.id.startswith(f"{one.section}-"):
            yield f"{one.id} must begin with its section, {one.section}-"
        if not one.text.strip():
            yield f"{one.id} has no text"
        if sum(map(bool, (one.tests, one.not_met, one.not_applicable))) > 1:
            yield f"{one.id} has more than one of tests, not_met and not_applicable"
        if len(set(one.tests)) < len(one.tests):
            yield f"{one.id} names a test twice"


def matches(reference: str, node: str) -> bool:
    """Does the reference name the test with this pytest id?"""
    return node.startswith(reference) if "[" in reference else node.partition("[")[0] == reference


def missing(references: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return the references whose file has no such test; parameters are not looked at."""
    known: dict[str, frozenset[str]] = {}
    absent: list[str] = []
    for reference in references:
        name, _, test = reference.partition("::")
        if name not in known:
            known[name] = tests_in(root / name)
        if test.partition("[")[0] not in known[name]:
            absent.append(reference)
    return absent


def tests_in(path: Path) -> frozenset[str]:
    """Return the tests of a file as pytest names them, ``test_…`` or ``TestClass::test_…``; none without a file."""
    if not path.is_file():
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}::{each.name}" for each in node.body if _is_test(each))
        elif _is_test(node):
            found.add(node.name)
    return frozenset(found)


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
