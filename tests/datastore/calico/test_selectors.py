"""Selectors: every operator, what binds tighter, absent labels, and that they mean the same as a plain evaluator."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.datastore.calico.selectors import SelectorError, compiled

LABELS = {"rack": "r2", "rr": "true", "node.kubernetes.io/role": "worker", "a-b_c": "", "in": "x"}


@pytest.mark.parametrize(
    ("text", "is_match"),
    [
        ("rack == 'r2'", True),
        ('rack == "r2"', True),
        ("rack=='r1'", False),
        ("rack != 'r1'", True),
        ("rack != 'r2'", False),
        ("absent == ''", False),
        ("absent != 'x'", True),
        ("a-b_c == ''", True),
        ("has(rr)", True),
        ("!has(rr)", False),
        ("has(absent)", False),
        ("! has( absent )", True),
        ("has(node.kubernetes.io/role)", True),
        ("rack in {'r1', 'r2'}", True),
        ("rack in {'r1'}", False),
        ("rack in {}", False),
        ("rack in{'r2'}", True),
        ("absent in {''}", False),
        ("rack not in {'r1'}", True),
        ("rack not in {'r1','r2'}", False),
        ("absent not in {'x'}", True),
        ("rack contains '2'", True),
        ("rack contains 'x'", False),
        ("absent contains ''", False),
        ("rack starts with 'r'", True),
        ("rack starts with '2'", False),
        ("absent starts with ''", False),
        ("rack ends with '2'", True),
        ("rack ends  with 'r'", False),
        ("absent ends with ''", False),
        ("all()", True),
        ("global()", True),
        ("!all()", False),
        ("in == 'x'", True),
        # && binds tighter than ||
        ("has(rr) || has(absent) && has(absent)", True),
        ("(has(rr) || has(absent)) && has(absent)", False),
        ("has(absent) && has(absent) || has(rr)", True),
        ("!has(absent) && rack == 'r2'", True),
        ("!(has(absent) || rack == 'r2')", False),
        ("!!has(rr)", True),
        ("!rack == 'r1'", True),
    ],
)
def test_an_expression_means_what_the_grammar_says(text: str, is_match: bool) -> None:
    assert compiled(text)(LABELS) is is_match


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "rack", "rack =", "rack == r2", "rack == 'r2", "== 'x'", "has()", "has(rack", "any()", "all(",
        "(all()", "all())", "rack in 'r2'", "rack in {'a' 'b'}", "rack in {'a',", "rack not {'a'}", "rack starts 'r'",
        "rack ends with", "all() &&", "|| all()", "all() all()", "all() & all()", "rack ~ 'x'", "rack == 'a' 'b'",
        "'rack' == 'a'", "(" * 1000 + "all()" + ")" * 1000, "!" * 1000 + "all()",
    ],
)  # fmt: skip
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(SelectorError):
        compiled(text)


_NAMES = st.sampled_from(["a", "b", "c.d/e"])
_TEXTS = st.text(alphabet="xyz ", max_size=3)
_SETS = st.lists(_TEXTS, max_size=3)


def _quoted(text: str) -> str:
    return f"'{text}'"


def _listed(members: list[str]) -> str:
    return "{" + ", ".join(map(_quoted, members)) + "}"


# (text, equivalent Python over a dict called labels)
_ATOMS = st.one_of(
    st.builds(lambda n, v: (f"{n} == '{v}'", f"labels.get({n!r}) == {v!r}"), _NAMES, _TEXTS),
    st.builds(lambda n, v: (f"{n} != '{v}'", f"labels.get({n!r}) != {v!r}"), _NAMES, _TEXTS),
    st.builds(lambda n: (f"has({n})", f"{n!r} in labels"), _NAMES),
    st.builds(lambda n, v: (f"{n} in {_listed(v)}", f"labels.get({n!r}) in {v!r}"), _NAMES, _SETS),
    st.builds(lambda n, v: (f"{n} not in {_listed(v)}", f"labels.get({n!r}) not in {v!r}"), _NAMES, _SETS),
    st.builds(lambda n, v: (f"{n} contains '{v}'", f"({n!r} in labels and {v!r} in labels[{n!r}])"), _NAMES, _TEXTS),
    st.builds(
        lambda n, v: (f"{n} starts with '{v}'", f"({n!r} in labels and labels[{n!r}].startswith({v!r}))"),
        _NAMES,
        _TEXTS,
    ),
    st.builds(
        lambda n, v: (f"{n} ends with '{v}'", f"({n!r} in labels and labels[{n!r}].endswith({v!r}))"), _NAMES, _TEXTS
    ),
    st.sampled_from([("all()", "True"), ("global()", "True")]),
)
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda one: (f"!({one[0]})", f"(not ({one[1]}))"), inner),
        st.builds(lambda one: (f"({one[0]})", f"({one[1]})"), inner),
        # without parentheses: Python's "and" binds tighter than "or" too
        st.builds(lambda one, two: (f"{one[0]} && {two[0]}", f"{one[1]} and {two[1]}"), inner, inner),
        st.builds(lambda one, two: (f"{one[0]} || {two[0]}", f"{one[1]} or {two[1]}"), inner, inner),
    ),
    max_leaves=12,
)


@given(_EXPRESSIONS, st.dictionaries(_NAMES, _TEXTS))
def test_it_decides_as_a_plain_evaluation_does(expression: tuple[str, str], labels: dict[str, str]) -> None:
    text, python = expression
    assert compiled(text)(labels) is bool(eval(python, {"labels": labels}))


@given(st.text(alphabet="ab'\"!&|(){},= hasin", max_size=40))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    with contextlib.suppress(SelectorError):
        assert compiled(text)({"a": "b"}) in (True, False)
