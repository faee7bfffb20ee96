"""The catalogue itself: well-formed, every test it names exists, no binding rule without a test or a reason."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.requirements.catalogue import (
    ROOT,
    CatalogueError,
    Level,
    Requirement,
    Rfc,
    Standing,
    load,
    matches,
    missing,
    read,
)
from conformance.requirements.outcomes import NOT_FOUND, judge
from conformance.requirements.report import document, is_current

CATALOGUE = load()
REFERENCES = sorted({test for rfc in CATALOGUE for one in rfc.requirement for test in one.tests})


def write(directory: Path, body: str, number: int = 1) -> Path:
    """Write a file of the catalogue with one requirement of this body."""
    path = directory / "rfc1.toml"
    path.write_text(f'number = {number}\ntitle = "One"\n[[requirement]]\n{body}\n')
    return path


GOOD = 'id = "2-1"\nsection = "2"\nlevel = "MUST"\ntext = "Do."\n'


def test_every_named_test_exists() -> None:
    assert missing(REFERENCES) == []


def test_every_named_parameter_exists() -> None:
    named = [reference for reference in REFERENCES if "[" in reference]
    files = sorted({reference.partition("::")[0] for reference in named})
    if not named:
        return
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"]
    nodes = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [reference for reference in named if not any(matches(reference, node) for node in nodes)] == []


def test_every_binding_rule_has_a_test_or_a_reason() -> None:
    bare = [
        f"RFC {rfc.number} {one.id}"
        for rfc in CATALOGUE
        for one in rfc.requirement
        if one.level.is_binding and one.standing is Standing.UNTESTED
    ]
    assert bare == []


def _markers(path: Path) -> Iterator[tuple[str, str]]:
    """Yield test and RFC number of each ``@pytest.mark.rfc`` of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rfc":
                    yield f"{path.relative_to(ROOT)}::{node.name}", ast.literal_eval(mark.args[0])


def test_every_marked_rfc_is_in_the_catalogue() -> None:
    numbers = {str(rfc.number) for rfc in CATALOGUE}
    files = [path for part in ("tests", "conformance") for path in sorted((ROOT / part).rglob("test_*.py"))]
    unknown = [(test, number) for path in files for test, number in _markers(path) if number not in numbers]
    assert unknown == [], "these need a conformance/requirements/rfcN.toml"


def test_the_document_is_current() -> None:
    assert is_current(CATALOGUE), "run: python -m conformance.requirements --write"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('section = "2"\nlevel = "MUST"\ntext = "Do."', "missing required field `id`"),
        (GOOD.replace("MUST", "OUGHT"), "OUGHT"),
        (GOOD + "colour = 1", "unknown field `colour`"),
        (GOOD + 'tests = ["a::b"]\nnot_met = "no"', "more than one of tests"),
        (GOOD + 'tests = ["a::b", "a::b"]', "names a test twice"),
        (GOOD + "[[requirement]]\n" + GOOD, "2-1 is there twice"),
        (GOOD.replace("2-1", "3-1"), "must begin with its section"),
        (GOOD.replace("Do.", " "), "has no text"),
        ("id = ", "rfc1.toml"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(CatalogueError, match=words) as caught:
        read(write(tmp_path, body))
    assert str(caught.value).startswith("rfc1.toml: ")


def test_a_file_under_another_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"rfc2\.toml"):
        read(write(tmp_path, GOOD, number=2))


def test_a_test_that_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_b(): ...\nclass TestC:\n    async def test_d(self): ...\n")
    there = ["test_a.py::test_b", "test_a.py::test_b[1-2]", "test_a.py::TestC::test_d"]
    absent = ["test_a.py::test_d", "test_a.py::TestC", "test_z.py::test_b"]
    assert missing([*there, *absent], tmp_path) == absent


def test_a_requirement_holds_only_if_all_its_tests_were_found_and_passed() -> None:
    outcomes = {"f::a": "passed", "f::b[1]": "passed", "f::b[2]": "failed", "f::c": "skipped", "f::ab": "failed"}

    def faults(*tests: str) -> tuple[tuple[str, str], ...]:
        return judge(Requirement("2-1", "2", Level.MUST, "Do.", tests), outcomes).faults

    assert faults("f::a") == faults("f::a", "f::b[1") == ()
    assert faults("f::b") == (("f::b[2]", "failed"),)
    assert faults("f::c") == (("f::c", "skipped"),)
    assert faults("f::d") == (("f::d", NOT_FOUND),)


def test_the_document_counts_and_gives_reasons() -> None:
    rules = (
        Requirement("2-1", "2", Level.MUST, "Do.", ("f::a",)),
        Requirement("2-2", "2", Level.MUST_NOT, "Don't.", not_met="It hurts."),
        Requirement("2-3", "2", Level.SHOULD, "Maybe."),
    )
    text = document((Rfc(9, "Nine", rules),))
    assert "| 9 | Nine | 3 | 1 | 1 | 0 | 1 |" in text
    assert "| 9 2 | Don't. | MUST NOT | It hurts. |" in text
