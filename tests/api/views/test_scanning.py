"""Reading tables in slices: filters, order, pages, and tables that change meanwhile."""

import pytest

from bgpd.addresses import parse_prefix
from bgpd.api.operations import SLICE, RouteQuery
from bgpd.api.views.scanning import PATH_ID, longest_match, scan
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family


def key(text: str) -> bytes:
    return parse_prefix(text)[1]


IPV4 = {key(text): text for text in ("10.65.8.0/24", "10.0.0.0/8", "10.65.0.0/16", "10.65.7.0/26", "192.0.2.0/24")}
IPV6 = {key("fd00:10::/64"): "fd00:10::/64"}
TABLES = [(IPV4_UNICAST, IPV4), (IPV6_UNICAST, IPV6)]


def rows(_: Family, prefix: str, value: str, __: bytes) -> list[str]:
    assert prefix == value
    return [prefix]


def found(query: RouteQuery) -> list[str]:
    return [row for piece in scan(TABLES, query, rows) for row in piece.rows]


def test_all_rows_come_in_order_family_by_family() -> None:
    assert found(RouteQuery()) == [
        "10.0.0.0/8",
        "10.65.0.0/16",
        "10.65.7.0/26",
        "10.65.8.0/24",
        "192.0.2.0/24",
        "fd00:10::/64",
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RouteQuery(IPV6_UNICAST), ["fd00:10::/64"]),
        (RouteQuery(IPV4_UNICAST, key("10.65.0.0/16")), ["10.65.0.0/16"]),
        (RouteQuery(IPV4_UNICAST, key("10.66.0.0/16")), []),
        (RouteQuery(IPV4_UNICAST, key("10.65.0.0/16"), longer=True), ["10.65.0.0/16", "10.65.7.0/26", "10.65.8.0/24"]),
        (RouteQuery(IPV4_UNICAST, key("10.65.7.9/32"), is_address=True), ["10.65.7.0/26"]),
        (RouteQuery(IPV4_UNICAST, key("10.65.9.9/32"), is_address=True), ["10.65.0.0/16"]),
        (RouteQuery(IPV4_UNICAST, key("198.51.100.1/32"), is_address=True), []),
        (RouteQuery(IPV4_UNICAST, key("10.65.7.9/32")), []),
    ],
)
def test_a_query_narrows(query: RouteQuery, expected: list[str]) -> None:
    assert found(query) == expected


def test_pages_join_without_a_gap() -> None:
    pages: list[str] = []
    start: int | None = 0
    while start is not None:
        pieces = list(scan(TABLES, RouteQuery(start=start, limit=2), rows))
        page = [row for piece in pieces for row in piece.rows]
        assert len(page) <= 2
        pages += page
        start = pieces[-1].next
    assert pages == found(RouteQuery())


def test_a_table_may_change_between_slices() -> None:
    table = {bytes((24,)) + number.to_bytes(3): number for number in range(3 * SLICE)}
    pieces = scan([(IPV4_UNICAST, table)], RouteQuery(limit=0), lambda _, __, value, ___: [value])
    seen = list(next(pieces).rows)
    table.clear()
    table[key("10.0.0.0/8")] = -1
    seen += [row for piece in pieces for row in piece.rows]
    assert seen == list(range(SLICE))


def test_path_identifiers_are_no_part_of_the_prefix() -> None:
    table = {number.to_bytes(PATH_ID) + key("10.65.0.0/16"): "10.65.0.0/16" for number in (7, 9)}
    for query in (RouteQuery(), RouteQuery(IPV4_UNICAST, key("10.65.0.0/16"))):
        pieces = scan([(IPV4_UNICAST, table)], query, rows, {IPV4_UNICAST})
        assert [row for piece in pieces for row in piece.rows] == ["10.65.0.0/16"] * 2


def test_the_default_route_is_the_last_to_match() -> None:
    table = {b"\0": "0.0.0.0/0", key("10.0.0.0/8"): "10.0.0.0/8"}
    assert longest_match(table, key("10.1.2.3/32")) == key("10.0.0.0/8")
    assert longest_match(table, key("11.1.2.3/32")) == b"\0"
