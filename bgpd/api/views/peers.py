"""Peers as rows."""

from collections.abc import Iterable, Iterator

from bgpd.addresses import format_address
from bgpd.api.operations import Refused
from bgpd.api.rows import FamilyCount, FaultyRow, MessageCount, PeerDetail, PeerRow
from bgpd.api.views.subjects import Moment, PeerView, SpeakerView
from bgpd.config import ResolvedPeer
from bgpd.config.tables.session import AddPathDirection, MaxPrefixAction
from bgpd.families import Family
from bgpd.fsm.graceful_restart import Phase
from bgpd.fsm.states import State
from bgpd.identity import ROLE_BY_CODE, format_identifier
from bgpd.messages.framing import MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.update_group import Member, UpdateGroup
from bgpd.session.faulty_message import FaultyMessage


def find_peer(speaker: SpeakerView, name: str) -> PeerView:
    """Return the peer of that name, or of that address if there is one such. Raises Refused."""
    peer = speaker.peers.get(name)
    if peer is not None:
        return peer
    found = [peer for peer in speaker.peers.values() if peer_address(peer) == name]
    if len(found) == 1:
        return found[0]
    raise Refused(404, f"there is no peer {name}", "bgpctl peers lists them")


def is_expected(peer: PeerView) -> bool:
    """Should the peer be up? Not one that is disabled or drained, nor one that came from a range by itself."""
    return not peer.range_name and (peer.is_wanted or peer.session.is_started)


def _is_enabled(peer: PeerView) -> bool:
    return bool(peer.drain.stage.value) or peer.is_wanted or peer.session.is_started


def is_up(peer: PeerView) -> bool:
    """Is there a session?"""
    return peer.session.state is State.ESTABLISHED


def peer_row(peer: PeerView, moment: Moment) -> PeerRow:
    """Return the peer as a line."""
    settings, session, negotiated = peer.settings, peer.session, peer.negotiated
    return PeerRow(
        name=settings.name,
        address=peer_address(peer),
        node=negotiated.peer_host_name if negotiated is not None else "",
        type=peer_kind(settings),
        asn=negotiated.remote_asn if negotiated is not None else settings.asn,
        state=session.state.title,
        since=moment.unix_of(session.since),
        received=sum(len(rib) for rib in peer.adj_ribs_in.values()),
        accepted=sum(rib.accepted for rib in peer.adj_ribs_in.values()),
        sent=sum(_advertised(group, member) for group, member in peer.members.values()),
        last_error=last_error(peer),
        is_expected=is_expected(peer),
        is_up=is_up(peer),
        origin="range" if peer.range_name else "config",
        drain=peer.drain.stage.value,
        drain_ends=moment.unix_of(peer.drain.ends) if peer.drain.ends is not None else None,
        is_enabled=_is_enabled(peer),
        ended_by=session.ended_by,
    )


def peer_detail(peer: PeerView, moment: Moment) -> PeerDetail:
    """Return all about the peer."""
    settings, session = peer.settings, peer.session
    counts = session.counts
    local = session.local_address or settings.local_address
    return PeerDetail(
        row=peer_row(peer, moment),
        port=settings.port,
        local_address=format_address(local) if local else "",
        local_asn=settings.local_asn,
        is_passive=settings.passive,
        is_enabled=_is_enabled(peer),
        held_down=settings.held_down,
        imports=settings.imports,
        exports=settings.exports,
        flaps=session.flaps,
        last_error_at=moment.unix_of(session.last_error_at) if last_error(peer) else None,
        unsent=session.unsent,
        is_congested=session.is_congested,
        families=tuple(family_counts(peer, moment)),
        messages=tuple(MessageCount(kind.name, counts.received[kind], counts.sent[kind]) for kind in MessageType),
        octets_received=counts.octets_received,
        octets_sent=counts.octets_sent,
        ended_at=moment.unix_of(session.ended_at) if session.ended_at is not None else None,
        resting=session.resting,
        rests_until=moment.unix_of(session.rests_until) if session.rests_until is not None else None,
        faulty=_faulty(session.faulty, moment) if session.faulty is not None else None,
        negotiated=_negotiated(peer.negotiated, peer.settings) if peer.negotiated is not None else {},
        settings=_settings(settings),
        route_faults={kind: f"{n}, last: {peer.faults.last[kind]}" for kind, n in peer.faults.by_kind.items()},
    )


def _faulty(found: FaultyMessage, moment: Moment) -> FaultyRow:
    return FaultyRow(moment.unix_of(found.at), found.reason, found.size, found.octets.hex())


def peer_address(peer: PeerView) -> str:
    settings = peer.settings
    if not settings.address:
        return f"%{settings.interface}"  # it is not known yet
    text = format_address(settings.address)
    return f"{text}%{settings.interface}" if settings.interface else text


def last_error(peer: PeerView) -> str:
    session = peer.session
    if peer.settings.held_down:
        return f"Held down: {peer.settings.held_down}"
    is_old_news = is_up(peer) and session.flaps == 0  # attempts that failed before the first session
    return "" if is_old_news else session.last_error


def peer_kind(settings: ResolvedPeer) -> str:
    if settings.peer_type != "internal":
        return "ebgp" if settings.peer_type == "external" else "confed"
    return "client" if settings.reflector_client else "ibgp"


def family_counts(peer: PeerView, moment: Moment) -> Iterator[FamilyCount]:
    families = dict.fromkeys((*peer.adj_ribs_in, *peer.members))
    for family in families:
        rib, joined = peer.adj_ribs_in.get(family), peer.members.get(family)
        until = peer.kept_routes.until(family)
        yield FamilyCount(
            family.name,
            len(rib) if rib is not None else 0,
            rib.accepted if rib is not None else 0,
            _advertised(*joined) if joined is not None else 0,
            joined[1].owed if joined is not None else 0,
            len(rib.stale) if rib is not None else 0,
            _stale_phase(peer, family),
            moment.unix_of(until) if until is not None else None,
        )


def _stale_phase(peer: PeerView, family: Family) -> str:
    helper = peer.kept_routes.helper
    if family not in helper.stale:
        return ""
    if family in helper.long_lived:
        return "long-lived"
    return "returning" if helper.phase is Phase.RETURNING else "restarting"


def _advertised(group: UpdateGroup, member: Member) -> int:
    return group.rib.advertised(member.peer)


def _negotiated(negotiated: Negotiated, settings: ResolvedPeer) -> dict[str, str]:
    def names(families: Iterable[Family]) -> str:
        return ", ".join(sorted(family.name for family in families)) or "none"

    restart = negotiated.peer_graceful_restart
    keepalive_time = min(negotiated.keepalive_time, settings.keepalive_time or negotiated.keepalive_time)
    return {
        "identifier": format_identifier(negotiated.remote_identifier),
        "families": names(negotiated.families),
        "hold time": f"{negotiated.hold_time} s, keepalive {keepalive_time} s",
        "graceful restart": f"{restart.restart_time} s, {names(restart.families)}" if restart is not None else "no",
        "long-lived restart": _long_lived(negotiated),
        "route refresh": "enhanced" if negotiated.enhanced_route_refresh else _yes(negotiated.route_refresh),
        "four-octet AS": _yes(negotiated.four_octet_as),
        "longest message": f"{negotiated.max_send} octets sent, {negotiated.max_receive} received",
        "add path": f"receive {names(negotiated.add_path_receive)}; send {names(negotiated.add_path_send)}",
        "IPv6 next hop": names(negotiated.extended_next_hop),
        "AS numbers": f"the peer's {negotiated.remote_asn}, ours {negotiated.local_asn}",
        "peer's role": _role(negotiated.peer_role),
    }


def _long_lived(negotiated: Negotiated) -> str:
    offer = negotiated.peer_long_lived
    if offer is None:
        return "no"
    return ", ".join(f"{family.name} {seconds} s" for family, seconds in offer.times) or "yes, no family of its own"


def _role(code: int | None) -> str:
    if code is None:
        return "not told"
    role = ROLE_BY_CODE.get(code)
    return role.value if role is not None else f"unknown ({code})"


def _local_asn(settings: ResolvedPeer) -> str:
    """Return what becomes of our two AS numbers on the session, for people (RFC 7705)."""
    if settings.local_asn == settings.real_asn:
        return ""
    both = (
        ("put before received paths", settings.prepends_local_asn),
        (f"beside {settings.real_asn} in sent paths", settings.prepends_real_asn),
        (
            f"in place of {settings.real_asn} in sent paths",
            settings.peer_type == "external" and not settings.prepends_real_asn,
        ),
        (f"or {settings.real_asn}, whichever the peer takes", settings.is_dual_asn),
    )
    return ", ".join([str(settings.local_asn), *(words for words, holds in both if holds)])


def _settings(settings: ResolvedPeer) -> dict[str, str]:
    limit = f"{settings.max_prefix_limit}, then {settings.max_prefix_action.value}"
    limit += f"; warning above {settings.max_prefix_threshold} %"
    if settings.max_prefix_action is MaxPrefixAction.CLOSE:
        pause = settings.max_prefix_restart_after
        limit += f", back after {pause} s" if pause else ", back when it is reset"
    return {
        "authentication": _authentication(settings),
        "next hop": settings.next_hop.value,
        "paths sent": _paths_sent(settings),
        **({"local AS": local} if (local := _local_asn(settings)) else {}),
        **({"our role": f"{settings.role.value}{', strict' * settings.is_role_required}"} if settings.role else {}),
        "prefix limit": limit if settings.max_prefix_limit else "none",
        "hops": f"GTSM, {settings.ttl_security}"
        if settings.ttl_security
        else f"TTL {settings.multihop_ttl or 'default'}",
    }


def _authentication(settings: ResolvedPeer) -> str:
    if settings.tcp_ao:
        key = settings.tcp_ao[0]
        others = f" of {len(settings.tcp_ao)}" if len(settings.tcp_ao) > 1 else ""
        return f"TCP-AO, {key.algorithm.value}, key {key.send_id}/{key.recv_id}{others}"
    return "TCP-MD5" if settings.password is not None else "none"


def _paths_sent(settings: ResolvedPeer) -> str:
    if settings.add_path not in (AddPathDirection.SEND, AddPathDirection.BOTH):
        return "the best one"
    return f"the best {settings.add_path_send_limit}" if settings.add_path_send_limit else "all"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
