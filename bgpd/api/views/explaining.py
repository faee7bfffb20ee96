"""Why a prefix is where it is: its paths and what decided, the kernel's route, who is told."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from bgpd.addresses import format_address, format_prefix
from bgpd.api.operations import RouteQuery
from bgpd.api.rows import Candidate, Explanation, Export, FibRow
from bgpd.api.views.describing import Describer, ecmp_limit, fib_row
from bgpd.api.views.scanning import PATH_ID, longest_match
from bgpd.api.views.subjects import PeerView, Refusing, SpeakerView
from bgpd.families import Family
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.decision import against_best, equal_cost
from bgpd.rib.path import Candidates, Path
from bgpd.rib.update_group import Member


def explain(speaker: SpeakerView, query: RouteQuery) -> Explanation:
    """Return why a prefix is where it is: its paths and what decided, who is told, what the kernel has."""
    family, prefix = query.family, query.prefix
    assert family is not None  # the server parsed them together
    assert prefix is not None
    table = speaker.loc_ribs[family].table
    if query.is_address:
        prefix = longest_match(table, prefix) or prefix
    candidates = table.get(prefix)
    text = format_prefix(family, prefix)
    row, fib_why = _kernel_side(speaker, family, prefix, candidates)
    return Explanation(
        prefix=text,
        candidates=tuple(_usable(speaker, family, prefix, candidates))
        + tuple(_rejected(speaker, family, prefix, candidates)),
        exports=tuple(_exports(speaker, family, prefix, candidates)) if candidates else (),
        fib=row,
        fib_why=fib_why,
    )


def _usable(speaker: SpeakerView, family: Family, key: bytes, candidates: Candidates | None) -> Iterator[Candidate]:
    if candidates is None:
        return
    prefix = format_prefix(family, key)
    describe, best = Describer(), candidates[0]
    shared = equal_cost(candidates, ecmp_limit(speaker))
    for path, step in zip(candidates, against_best(candidates), strict=True):
        verdict = "best" if path is best else "multipath" if path in shared else "lost"
        row = describe(path, prefix, is_best=path is best, is_multipath=path in shared)
        let_in = _import_policy(speaker, family, key, path)
        not_black = _not_black_hole(speaker, family, key, path)
        resolution = f"{_resolution(speaker, path)}{not_black and f'; {not_black}'}"
        yield Candidate(row, verdict, step.value, resolution, let_in)


def _import_policy(speaker: SpeakerView, family: Family, prefix: bytes, path: Path) -> str:
    """Return the policy rule that let the path in, empty = none was asked."""
    importer, received = _received(speaker, family, prefix, path)
    return importer.policy(received, prefix) if importer is not None and received is not None else ""


def _not_black_hole(speaker: SpeakerView, family: Family, prefix: bytes, path: Path) -> str:
    """Return why a path that asks to be a black hole is none, empty = it does not ask or is one."""
    importer, received = _received(speaker, family, prefix, path)
    if importer is None or received is None or path.is_black_hole:
        return ""
    return importer.black_hole_refusal(received, prefix)


def _received(speaker: SpeakerView, family: Family, prefix: bytes, path: Path) -> tuple[Refusing | None, Path | None]:
    """Return the path as it was received, and who judged it; None = it is not a peer's."""
    peer = speaker.peers.get(path.source.name) if path.source.peer is not None else None
    rib = peer.adj_ribs_in.get(family) if peer is not None else None
    if peer is None or rib is None or family not in peer.importers:
        return None, None
    key = path.source.path_id.to_bytes(PATH_ID) + prefix if rib.has_path_ids else prefix
    return peer.importers[family], rib.routes.get(key)


def _rejected(
    speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates | None
) -> Iterator[Candidate]:
    describe, text = Describer(), format_prefix(family, prefix)
    sources = {path.source for path in candidates or ()} if candidates else set()
    for peer in speaker.peers.values():
        rib = peer.adj_ribs_in.get(family)
        if rib is None:
            continue
        keys = [i.to_bytes(PATH_ID) + prefix for i in rib.sources] if rib.has_path_ids else [prefix]
        for path in filter(None, map(rib.routes.get, keys)):
            reason = peer.importers[family].refusal(path, prefix)
            if reason or path.source not in sources:
                row = describe(path, text, is_best=False, is_multipath=False)
                yield Candidate(
                    replace(row, rejected=reason),
                    "rejected",
                    reason or "not taken",
                    _resolution(speaker, path),
                )


def _resolution(speaker: SpeakerView, path: Path) -> str:
    """Return how the path's next hop is reached, for people."""
    kernel, hop = speaker.kernel, path.next_hop
    if path.is_black_hole and path.source.peer is not None:
        return "black hole that the peer asks for (RFC 7999); the next hop is not used"
    if not (hop.address or hop.link_local):
        return f"our own, dev {path.interface}" if path.interface else "our own"
    if not hop.is_reachable:
        return f"unreachable: {hop.why}"
    if kernel is None:
        return "not looked up, the kernel is left alone"
    where = f"via {format_address(hop.gateway)} " if hop.gateway else "on the link, "
    metric = f", metric {hop.metric}" if hop.metric else ""
    return f"{where}dev {hop.device_name or '?'}{metric}"


def _exports(speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates) -> Iterator[Export]:
    for name, peer in speaker.peers.items():
        joined = peer.members.get(family)
        if joined is None and family not in peer.settings.families:
            continue
        if joined is None:
            yield Export(name, False, _why_not_member(speaker, peer, family))
            continue
        group, member = joined
        yield _export(name, group.rib, member, prefix, candidates)


def _export(name: str, rib: AdjRibOut, member: Member, prefix: bytes, candidates: Candidates) -> Export:
    told = rib.told(candidates, prefix, member.peer)
    if told and member.is_owed(prefix):
        return Export(name, False, "waits: the peer reads slowly or is still being told its first routes")
    if rib.rule.path_limit is None:
        why = _export_policy(rib, told, prefix) if told else rib.why_untold(candidates[0], prefix, member.peer)
        return Export(name, bool(told), why)
    reasons = [
        f"{path.source.name}: {rib.why_untold(path, prefix, member.peer)}" for path in candidates if path not in told
    ]
    why = "; ".join(reasons) or _export_policy(rib, told, prefix)
    return Export(name, bool(told), why, tuple(map(rib.path_id, told)))


def _export_policy(rib: AdjRibOut, told: Sequence[Path], prefix: bytes) -> str:
    """Return the policy rules that let the paths out, empty = none is asked."""
    rules = dict.fromkeys(rib.exporter.policy(path, prefix) for path in told)
    return "; ".join(f"export policy: {rule}" for rule in rules if rule)


def _why_not_member(speaker: SpeakerView, peer: PeerView, family: Family) -> str:
    negotiated = peer.negotiated
    if negotiated is None:
        return f"the session is {peer.session.state.title}"
    if family not in negotiated.families:
        return f"{family.name} was not negotiated"
    return "we are collecting routes after a restart" if speaker.is_recovering else "not yet told anything"


def _kernel_side(
    speaker: SpeakerView, family: Family, prefix: bytes, candidates: Candidates | None
) -> tuple[FibRow | None, str]:
    kernel, forwarding = speaker.kernel, speaker.forwarding
    if kernel is None or forwarding is None:
        return None, "the kernel is left alone ([kernel] enabled = false)"
    wanted = forwarding.route(family, prefix, candidates)
    present = kernel.route(family, prefix)
    if wanted is None and present is None:
        return None, forwarding.why_not(family, prefix, candidates) if candidates else "there is no path"
    row = fib_row(kernel, family, prefix, format_prefix(family, prefix), present or wanted, candidates)
    if row.state != "failed" and present != wanted:
        row = replace(row, state="queued")
    return row, ""
