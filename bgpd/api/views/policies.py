"""Policy tests: what policies would decide about a route that is in the tables or that a person describes.

Nothing is touched: the rules are asked one by one (``bgpd.policy.tracing``), those that run stay as they are.
"""

import difflib
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from bgpd.addresses import format_address, format_prefix
from bgpd.api.operations import PolicyQuery, Refused, TrialRoute
from bgpd.api.rows import PolicyStep, PolicyTrial
from bgpd.api.views.describing import route_row
from bgpd.api.views.scanning import PATH_ID
from bgpd.api.views.subjects import SpeakerView
from bgpd.config import Resolved, ResolvedPeer
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import EMPTY_AS_PATH, Origin
from bgpd.policy.chain import Chain, Verdict
from bgpd.policy.conditions import Subject
from bgpd.policy.rules import Policy
from bgpd.policy.subject import PeerContext
from bgpd.policy.tracing import Trace, trace
from bgpd.records import dataclass
from bgpd.rib.path import NextHop, Path, Preference, Source, SourceKind

_SOMEBODY = "somebody"  # the peer that a described route came from, where no name was given
_NOT_IN_TABLES = "this prefix is not in the tables; a plain route stands in for it"
_NO_TABLES = "no daemon is asked for the route; a plain one stands in for it"
_PREFERENCES = {SourceKind.NETWORK: Preference.NETWORK, SourceKind.KERNEL: Preference.KERNEL}


@dataclass(frozen=True, slots=True)
class _Found:
    """The route that is tested. origin: where it is from, for people."""

    path: Path
    interface_name: str
    origin: str


def policy_trial(speaker: SpeakerView, query: PolicyQuery) -> PolicyTrial:
    """Return what the running policies would decide. Raises Refused."""
    peers = _peers(speaker.config) | {name: peer.settings for name, peer in speaker.peers.items()}
    peer = _find_peer(peers, query.peer) if query.peer else None
    found = _in_tables(speaker, query, peer) if query.route is None else None
    return _trial(speaker.config, query, peer, found, _NOT_IN_TABLES)


def planned_trial(config: Resolved, query: PolicyQuery) -> PolicyTrial:
    """Return what the policies of a configuration would decide; no daemon is asked. Raises Refused."""
    peer = _find_peer(_peers(config), query.peer) if query.peer else None
    return _trial(config, query, peer, None, _NO_TABLES)


def _trial(
    config: Resolved, query: PolicyQuery, peer: ResolvedPeer | None, found: _Found | None, absent: str
) -> PolicyTrial:
    policies = _policies(config, query, peer)
    notes = tuple(_notes(query, peer))
    if query.route is None and found is None:
        notes += (absent,)
    if found is None:
        found = _described(config, query, peer)
    subject = Subject(found.path, _context(config, query, peer), found.interface_name)
    denied = _denied(query, peer)
    if denied:
        traced = Trace((), Verdict(False, found.path.attributes, denied))
    else:
        traced = trace(Chain(policies), subject, query.prefix)
    verdict, source = traced.verdict, found.path.source.name
    text = format_prefix(query.family, query.prefix)
    before = route_row(found.path.attributes, text, source, found.path.attributes.next_hop)
    after = route_row(verdict.attributes, text, source, verdict.attributes.next_hop)
    return PolicyTrial(
        prefix=text,
        peer=peer.name if peer is not None else "",
        direction="export" if query.is_export else "import",
        policies=tuple(policy.name for policy in policies),
        route=found.origin,
        steps=tuple(
            PolicyStep(look.policy, look.rule, look.action.value, look.is_match, look.misses, look.operations)
            for look in traced.looks
        ),
        accepted=verdict.accepted,
        rule=verdict.rule,
        before=before,
        after=replace(after, weight=0 if query.is_export else verdict.weight),
        notes=notes,
    )


def _peers(config: Resolved) -> dict[str, ResolvedPeer]:
    """Return the peers that are configured, and for each range what its peers are like, by name."""
    ranges = {one.name: one.template for one in config.ranges}
    return ranges | {peer.name: peer for peer in config.peers}


def _find_peer(peers: Mapping[str, ResolvedPeer], name: str) -> ResolvedPeer:
    if name in peers:
        return peers[name]
    found = [peer for peer in peers.values() if peer.address and format_address(peer.address) == name]
    if len(found) == 1:
        return found[0]
    raise Refused(404, f"there is no peer {name}", _near(name, peers))


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(names) or 'none'}"


def _names(query: PolicyQuery, peer: ResolvedPeer | None) -> tuple[str, ...]:
    """Return the names of the peer's own policies."""
    if peer is None:
        return ()
    return peer.exports if query.is_export else peer.imports


def _policies(config: Resolved, query: PolicyQuery, peer: ResolvedPeer | None) -> tuple[Policy, ...]:
    known = {policy.name: policy for policy in config.policies}
    if not query.policy:
        return tuple(known[name] for name in _names(query, peer) if name in known)
    if query.policy not in known:
        raise Refused(404, f"there is no policy {query.policy}", _near(query.policy, known))
    return (known[query.policy],)


def _denied(query: PolicyQuery, peer: ResolvedPeer | None) -> str:
    """Return the reason of RFC 8212 where it lets nothing pass, else nothing."""
    if query.policy or peer is None or _names(query, peer) or not peer.ebgp_requires_policy:
        return ""
    if PeerType(peer.peer_type) is not PeerType.EXTERNAL:
        return ""
    return f"eBGP session without an {'export' if query.is_export else 'import'} policy (RFC 8212)"


def _notes(query: PolicyQuery, peer: ResolvedPeer | None) -> Iterable[str]:
    direction = "export" if query.is_export else "import"
    if peer is not None and query.policy and query.policy not in _names(query, peer):
        listed = ", ".join(_names(query, peer)) or "none"
        yield f"peer {peer.name} does not have this policy for {direction}; it has {listed}"


def _context(config: Resolved, query: PolicyQuery, peer: ResolvedPeer | None) -> PeerContext:
    if peer is None:
        return PeerContext("", query.peer_type, config.node.asn, Asn(0))
    return PeerContext(peer.name, PeerType(peer.peer_type), peer.local_asn, peer.asn or Asn(0))


def _described(config: Resolved, query: PolicyQuery, peer: ResolvedPeer | None) -> _Found:
    """Return a path as the query describes it; where it says nothing, as a plain route has it."""
    route = query.route or TrialRoute()
    kind = route.source or SourceKind.PEER
    name, peer_type = kind.value, None
    if kind is SourceKind.PEER:
        sender = peer if peer is not None and not query.is_export and not route.from_peer else None
        name = sender.name if sender is not None else route.from_peer or _SOMEBODY
        known = sender or _peers(config).get(name)
        peer_type = route.from_peer_type or (
            PeerType(known.peer_type)
            if known is not None
            else PeerType.EXTERNAL
            if query.is_export
            else query.peer_type
        )
    source = Source(
        kind,
        name,
        _PREFERENCES.get(kind, Preference.PEER),
        config.node.asn,
        BgpIdentifier(config.node.identifier),
        peer_type=peer_type,
    )
    next_hop = route.next_hop
    if not next_hop and kind is SourceKind.PEER and peer is not None and len(peer.address) == query.family.octets:
        next_hop = b"" if query.is_export else peer.address
    attributes = block.make(
        origin=Origin.IGP if route.origin is None else route.origin,
        as_path=route.as_path or EMPTY_AS_PATH,
        next_hop=next_hop,
        med=route.med,
        local_pref=route.local_pref,
        communities=route.communities.plain,
        extended_communities=route.communities.extended,
        ipv6_extended_communities=route.communities.ipv6_extended,
        large_communities=route.communities.large,
    )
    path = Path(source, query.family, attributes, NextHop(next_hop))
    return _Found(path, route.interface, "as described" if query.route is not None else "a plain route")


def _in_tables(speaker: SpeakerView, query: PolicyQuery, peer: ResolvedPeer | None) -> _Found | None:
    """Return the route as it is now: what a peer sent for import, the best path for export; None = there is none."""
    candidates = speaker.loc_ribs[query.family].table.get(query.prefix)
    best = candidates[0] if candidates else None
    if query.is_export:
        return None if best is None else _Found(best, best.interface, f"the best path, from {best.source.name}")
    name = peer.name if peer is not None else best.source.name if best is not None else ""
    path = _received(speaker, query, name)
    if path is not None:
        return _Found(path, path.interface, f"as received from {name}")
    if peer is None and best is not None:
        return _Found(best, best.interface, f"the best path, from {best.source.name}")
    return None


def _received(speaker: SpeakerView, query: PolicyQuery, name: str) -> Path | None:
    peer = speaker.peers.get(name)
    rib = peer.adj_ribs_in.get(query.family) if peer is not None else None
    if rib is None:
        return None
    keys = [i.to_bytes(PATH_ID) + query.prefix for i in sorted(rib.sources)] if rib.has_path_ids else [query.prefix]
    return next(filter(None, map(rib.routes.get, keys)), None)
