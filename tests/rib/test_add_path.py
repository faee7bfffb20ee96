"""Adj-RIB-Out with path identifiers: what the group's slices rest on."""

from bgpd.families import IPV4_UNICAST
from bgpd.rib.add_path import AddPathRibOut
from bgpd.rib.changes import sort_by_path
from bgpd.rib.loc_rib import LocRib
from tests.support.paths import path, peer_source, prefix
from tests.support.rib import PlainExporter, export_rule


def test_a_prefix_stands_for_a_route_at_least_while_routes_go_that_were_not_counted_yet() -> None:
    loc_rib = LocRib(IPV4_UNICAST, lambda: None)
    keys = [prefix(f"10.65.{n}.0/24") for n in range(4)]
    source = peer_source(1)
    loc_rib.announce(keys, path(source))
    loc_rib.take_changes()
    rule = export_rule(path_limit=0, cluster_id=1, is_client=True)
    rib = AddPathRibOut(rule, PlainExporter(rule), loc_rib)
    counting = rib.counting()
    loc_rib.withdraw(keys[:3], source)
    rib.changes(sort_by_path(loc_rib.take_changes(), loc_rib.table))
    assert rib.routes_per_prefix >= 1
    list(counting)
    assert rib.advertised(None) == 1
