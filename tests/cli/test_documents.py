"""YAML as operators write it, and as we print it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.cli.documents import DocumentError, documents, parse
from bgpd.cli.output import as_yaml
from bgpd.datastore.resources.shapes import Json

texts = st.text(st.characters(exclude_categories=("Cs",))) | st.from_regex(r"[-+0-9.:eExo_]{1,8}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_is_printed_is_read_as_it_was(value: Json) -> None:
    assert [one for _, one in parse("x", as_yaml(value))] == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64512:7", "64512:7"),
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("1.10", 1.1),
        ('"1.10"', "1.10"),
        ("64512", 64512),
        ("0x10", 16),
        ("007", "007"),
        ("1e3", "1e3"),
        ("~", None),
    ],
)
def test_plain_values(text: str, value: Json) -> None:
    assert list(parse("x", f"a: {text}")) == [("x:1", {"a": value})]


def test_each_document_is_named_by_its_line() -> None:
    assert [place for place, _ in parse("x", "# first\na: 1\n---\n\nb: 2\n---\n- c\n")] == ["x:2", "x:5", "x:7"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: 1\na: 2", "x:3: a stands there twice"),
        ("a: [", "x:1: not YAML"),
        ("&a [*a]", "x:1: nested too deeply"),
        ("[" * 2000, "not YAML|nested too deeply"),
        ("? [a]\n: b", "x:1: expected a text as a key"),
        ("a: !!python/object:os.system x", "x:1: expected a text, a number"),
        ("a: " + "9" * 5000, "x:1: not a number"),
        ("a: \x01", "x: not YAML"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        list(parse("x", text))


def test_a_directory_without_documents_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DocumentError, match="found none"):
        list(documents([str(tmp_path_factory.mktemp("empty"))]))
