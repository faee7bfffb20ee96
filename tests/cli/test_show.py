from bgpd.api.rows import RouteRow
from bgpd.cli import show


def headings(*rows: RouteRow) -> list[object]:
    return [column.header for column in show.table(show.ROUTES, rows, wide=False).columns]


def test_path_identifiers_have_a_column_where_there_are_some() -> None:
    plain = RouteRow("10.0.0.0/8", "10.0.0.1", "a", "", "IGP")
    identified = RouteRow("10.0.0.0/8", "10.0.0.2", "a", "", "IGP", path_id=7)
    assert "PATH-ID" not in headings(plain)
    assert "PATH-ID" in headings(plain, identified)
