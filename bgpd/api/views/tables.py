"""The long tables: Loc-RIB, Adj-RIB-In, Adj-RIB-Out and FIB, slice by slice."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from bgpd.api.operations import RouteQuery, Slice
from bgpd.api.rows import FibRow, RouteRow
from bgpd.api.views.describing import Describer, ecmp_limit, exported_row, fib_row, with_staleness
from bgpd.api.views.scanning import PATH_ID, Scanned, scan
from bgpd.api.views.subjects import Moment, PeerView, SpeakerView
from bgpd.families import Family
from bgpd.kernel import FibRoute
from bgpd.rib.decision import equal_cost
from bgpd.rib.export import Exported
from bgpd.rib.path import Candidates, Path


def routes(speaker: SpeakerView, query: RouteQuery, moment: Moment) -> Iterator[Slice[RouteRow]]:
    """Return the Loc-RIB: every usable path of every prefix, the best one first."""
    describe = Describer()
    limit = ecmp_limit(speaker)

    def row(family: Family, prefix: str, path: Path, key: bytes, best: Path, shared: Candidates) -> RouteRow:
        described = describe(path, prefix, is_best=path is best, is_multipath=path in shared)
        peer = speaker.peers.get(path.source.name) if path.source.peer is not None else None
        path_id = path.source.path_id
        return with_staleness(described, peer, family, path_id.to_bytes(PATH_ID) + key if path_id else key, moment)

    def rows(family: Family, prefix: str, candidates: Candidates, key: bytes) -> list[RouteRow]:
        best = candidates[0]
        if query.peer and best.source.name != query.peer:
            return []
        shared = equal_cost(candidates, limit) if len(candidates) > 1 else ()
        return [row(family, prefix, path, key, best, shared) for path in candidates]

    return scan([(family, rib.table) for family, rib in speaker.loc_ribs.items()], query, rows)


def routes_in(speaker: SpeakerView, peer: PeerView, query: RouteQuery, moment: Moment) -> Iterator[Slice[RouteRow]]:
    """Return what the peer announced, with the reason where it is not used."""
    describe = Describer()
    tables: list[tuple[Family, Scanned[Path]]] = []
    ids: set[Family] = set()
    for family, rib in peer.adj_ribs_in.items():
        tables.append((family, rib.routes))
        if rib.has_path_ids:
            ids.add(family)

    def rows(family: Family, prefix: str, path: Path, key: bytes) -> list[RouteRow]:
        octets = key[PATH_ID:] if family in ids else key
        candidates = speaker.loc_ribs[family].table.get(octets)
        rejected = peer.importers[family].refusal(path, octets) if family in peer.importers else path.rejected
        is_best = candidates is not None and candidates[0].source is path.source and not rejected
        policy = "" if rejected or family not in peer.importers else peer.importers[family].policy(path, octets)
        row = describe(path, prefix, is_best=is_best, is_multipath=False)
        return [with_staleness(replace(row, rejected=rejected, policy=policy), peer, family, key, moment)]

    return scan(tables, query, rows, ids)


def routes_out(peer: PeerView, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
    """Return what the peer has been told or is about to be told."""
    tables = [(family, group.rib.loc_rib.table) for family, (group, _) in peer.members.items()]
    described: dict[Exported, RouteRow] = {}

    def rows(family: Family, prefix: str, candidates: Candidates, key: bytes) -> list[RouteRow]:
        negotiated, joined = peer.negotiated, peer.members.get(family)
        if negotiated is None or joined is None:
            return []
        group, member = joined
        found: list[RouteRow] = []
        for path in group.rib.told(candidates, key, member.peer):
            exported = group.rib.exported(path, key)
            if exported is None:
                continue
            row = described.get(exported)
            if row is None:
                row = described[exported] = exported_row(exported, path, group.rib.path_id(path), negotiated)
            found.append(replace(row, prefix=prefix, policy=group.rib.exporter.policy(path, key)))
        return found

    return scan(tables, query, rows)


def fib(speaker: SpeakerView, query: RouteQuery) -> Iterator[Slice[FibRow]]:
    """Return our routes in the kernel, and those that it refused."""
    kernel, forwarding = speaker.kernel, speaker.forwarding
    if kernel is None or forwarding is None:
        return iter([Slice([], None)])
    tables: list[tuple[Family, Mapping[bytes, FibRoute | None]]] = []
    for family in speaker.loc_ribs:
        failed = {prefix: None for of, prefix in kernel.failures if of is family}
        installed = kernel.routes(family)
        tables.append((family, {**failed, **installed} if failed else installed))

    def rows(family: Family, prefix: str, route: FibRoute | None, key: bytes) -> list[FibRow]:
        candidates = speaker.loc_ribs[family].table.get(key)
        wanted = forwarding.route(family, key, candidates)
        return [fib_row(kernel, family, key, prefix, wanted if route is None else route, candidates)]

    return scan(tables, query, rows)
