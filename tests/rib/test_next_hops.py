"""Next hops in use are known once; what no path holds any more is forgotten."""

from bgpd.rib.next_hops import NextHopTable


def test_next_hops_that_no_path_holds_do_not_pile_up() -> None:
    table = NextHopTable(None)
    kept = [table.get(number.to_bytes(4)) for number in range(1, 100)]
    for number in range(100, 20_000):
        table.get(number.to_bytes(4))
    assert len(table) < 4000
    assert [table.get(hop.address) for hop in kept] == kept
