"""One path, one exported route, one kernel route as a row."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from bgpd.addresses import format_address
from bgpd.api.rows import FibLeg, FibRow, RouteRow
from bgpd.api.views.subjects import Moment, PeerView, SpeakerView
from bgpd.communities import format_community, format_extended_community, format_large_community
from bgpd.families import Family
from bgpd.identity import format_identifier
from bgpd.kernel import FibRoute, Kernel
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.export import Exported
from bgpd.rib.path import Candidates, Path

_DEFAULT_ECMP: Final = 1


def ecmp_limit(speaker: SpeakerView) -> int:
    return speaker.config.kernel.ecmp if speaker.kernel is not None else _DEFAULT_ECMP


class Describer:
    """Makes rows of paths; what does not depend on the prefix is worked out once for a path."""

    def __init__(self) -> None:
        self._rows: dict[Path, RouteRow] = {}

    def __call__(self, path: Path, prefix: str, *, is_best: bool, is_multipath: bool) -> RouteRow:
        row = self._rows.get(path)
        if row is None:
            hop = path.next_hop
            row = route_row(path.attributes, "", path.source.name, hop.address or hop.link_local)
            row = self._rows[path] = replace(
                row,
                is_stale=path.is_stale,
                is_long_lived=path.is_stale,
                rejected=path.rejected,
                path_id=path.source.path_id,
                weight=path.weight,
            )
        return replace(row, prefix=prefix, is_best=is_best, is_multipath=is_multipath and not is_best)


def with_staleness(row: RouteRow, peer: PeerView | None, family: Family, key: bytes, moment: Moment) -> RouteRow:
    """Return the row with what the peer's restart means for it. key: as in the Adj-RIB-In of the peer."""
    rib = peer.adj_ribs_in.get(family) if peer is not None else None
    if peer is None or rib is None or key not in rib.stale:
        return row
    until = peer.kept_routes.until(family)
    return replace(row, is_stale=True, stale_until=moment.unix_of(until) if until is not None else None)


def route_row(attributes: Attributes, prefix: str, peer: str, next_hop: bytes) -> RouteRow:
    originator = attributes.originator_id
    return RouteRow(
        prefix=prefix,
        next_hop=format_address(next_hop) if next_hop else "",
        peer=peer,
        as_path=str(attributes.as_path),
        origin=attributes.origin.name,
        local_pref=attributes.local_pref,
        med=attributes.med,
        communities=tuple(_communities(attributes)),
        originator=format_identifier(originator) if originator is not None else "",
        cluster_list=tuple(map(format_identifier, attributes.cluster_list)),
        otc=attributes.otc,
    )


def _communities(attributes: Attributes) -> Iterator[str]:
    yield from map(format_community, attributes.communities)
    yield from map(format_large_community, attributes.large_communities)
    yield from map(format_extended_community, attributes.extended_communities)
    yield from map(format_extended_community, attributes.ipv6_extended_communities)


def exported_row(exported: Exported, path: Path, path_id: int, negotiated: Negotiated) -> RouteRow:
    """Return a route as the peer reads it, without its prefix; rejected: what it will find wrong."""
    try:
        attributes = block.parse(exported.octets, negotiated, exported.next_hop or None)
    except TreatAsWithdraw as fault:
        row = route_row(path.attributes, "", path.source.name, path.attributes.next_hop)
        return replace(row, rejected=str(fault), path_id=path_id)
    return replace(route_row(attributes, "", path.source.name, attributes.next_hop), path_id=path_id)


def fib_row(
    kernel: Kernel, family: Family, key: bytes, prefix: str, route: FibRoute | None, candidates: Candidates | None
) -> FibRow:
    failure = kernel.failures.get((family, key))
    legs = tuple(
        FibLeg(
            format_address(leg.gateway) if leg.gateway else "",
            kernel.interface_name(leg.device) if leg.device else "",
            leg.is_onlink,
            leg.weight,
        )
        for leg in (route.legs if route is not None else ())
    )
    return FibRow(
        prefix=prefix,
        kind=route.kind.name.lower() if route is not None else "",
        legs=legs,
        state="failed" if failure is not None else "installed",
        error=failure.text if failure is not None else "",
        peer=candidates[0].source.name if candidates else "",
    )
