"""A document against the model: whatever stands in it, only a ConfigError comes out, and all of it is looked at."""

import datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgpd.config.checks import check
from bgpd.config.model import Config
from bgpd.config.reader import list_item, read, table_type, unwrap

VALUES = st.recursive(
    st.none().map(lambda _: datetime.date(1979, 5, 27))
    | st.booleans()
    | st.integers()
    | st.integers(-5, 70000)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["10.0.0.0/8", "fe80::1%eth0", "::", "1.10", "64512:77", "rt:1:1", "internal", "accept", "http://["]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def documents(model: type[msgspec.Struct], depth: int = 2) -> st.SearchStrategy[dict[str, object]]:
    """Return documents with a few of the model's keys, some values of the right shape and some of any."""
    entries: list[st.SearchStrategy[tuple[str, object]]] = []
    for field in msgspec.structs.fields(model):
        kind, _ = unwrap(field.type)
        item = list_item(kind)
        table = table_type(unwrap(item)[0] if item is not None else kind)
        value: st.SearchStrategy[object] = (
            VALUES if table is None or not depth else VALUES | documents(table, depth - 1)
        )
        shaped = value if item is None else value | st.lists(value, max_size=2)
        entries.append(st.tuples(st.just(field.encode_name), shaped))
    return st.lists(st.one_of(entries), max_size=4).map(dict)


TABLES = {field.encode_name: field for field in msgspec.structs.fields(Config)}


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_left_of_any_document_converts_and_can_be_checked(name: str, data: st.DataObject) -> None:
    kind, _ = unwrap(TABLES[name].type)
    item = list_item(kind)
    table = table_type(unwrap(item)[0] if item is not None else kind)
    assert table is not None
    drawn = data.draw(documents(table) if item is None else st.lists(documents(table), max_size=2))

    clean, findings = read({"node": {"asn": 1, "router_id": "1.1.1.1"}} | {name: drawn}, Config)

    assert all(finding.key and finding.message for finding in findings)
    check(msgspec.convert(clean, Config))


def test_a_document_without_faults_is_left_as_it_is() -> None:
    document: dict[str, object] = {
        "node": {"asn": 1, "addresses": ["10.0.0.1/8"]},
        "peer": [{"address": "10.0.0.2", "asn": 1}],
    }
    assert read(document, Config) == (document, [])


def test_tables_keep_their_place_when_one_is_faulty() -> None:
    clean, findings = read({"peer": [7, {"address": "10.0.0.2"}]}, Config)
    assert clean == {"peer": [{}, {"address": "10.0.0.2"}]}
    assert [finding.key for finding in findings] == ["peer[0]"]


@pytest.mark.parametrize("key", ["a b", "ä", ""])
def test_a_key_that_needs_quotes_is_quoted_in_its_path(key: str) -> None:
    _, (finding,) = read({"node": {key: 1}}, Config)
    assert finding.key == f'node."{key}"'


def test_a_long_value_is_shortened() -> None:
    _, (finding,) = read({"log": {"level": "x" * 500}}, Config)
    assert len(finding.message) < 150
