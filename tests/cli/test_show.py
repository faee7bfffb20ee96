import io

from rich.console import Console, RenderableType

from bgpd.api.rows import ClusterNodeRow, ClusterView, RouteRow
from bgpd.cli import show


def headings(*rows: RouteRow) -> list[object]:
    return [column.header for column in show.table(show.ROUTES, rows, wide=False).columns]


def test_path_identifiers_have_a_column_where_there_are_some() -> None:
    plain = RouteRow("10.0.0.0/8", "10.0.0.1", "a", "", "IGP")
    identified = RouteRow("10.0.0.0/8", "10.0.0.2", "a", "", "IGP", path_id=7)
    assert "PATH-ID" not in headings(plain)
    assert "PATH-ID" in headings(plain, identified)


def test_roles_in_the_mesh_have_a_column_where_there_are_some() -> None:
    def printed(*roles: str) -> str:
        nodes = tuple(ClusterNodeRow(f"n{number}", "up", role=role) for number, role in enumerate(roles))
        return text(show.cluster(ClusterView(nodes, (), 0), all_sessions=False, wide=False))

    assert "ROLE" not in printed("", "")
    shown = printed("", "reflector, serving")
    assert "ROLE" in shown
    assert "reflector, serving" in shown


def test_node_status_names_the_role_in_the_mesh() -> None:
    assert "Role in the mesh: client of a, b." in text(show.node_status((), mesh_role="client of a, b"))
    assert "Role in the mesh" not in text(show.node_status(()))


def text(what: RenderableType) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()
