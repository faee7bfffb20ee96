"""Which octets a peer is sent: what its settings, its session and this node say about it.

RFC 4271 5.1.3 (next hop), RFC 2545 section 3, RFC 4456, RFC 7705, RFC 8212, RFC 8950, RFC 9494 section 4.
"""

from collections.abc import Collection

from bgpd.addresses import is_link_local
from bgpd.config import ResolvedNode, ResolvedPeer
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.identity import PeerType
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.export import ExportRule, NextHopMode, StaleRoutes
from bgpd.speaker.draining import Stage
from bgpd.speaker.named_policies import NamedPolicies
from bgpd.speaker.offer import peer_type
from bgpd.speaker.peer import Peer


def export_rule(
    peer: Peer,
    family: Family,
    negotiated: Negotiated,
    node: ResolvedNode,
    policies: NamedPolicies,
    gateways: Collection[bytes],
) -> ExportRule:
    """Return the rule of a peer's update group. gateways: addresses that routes of ours lead to."""
    settings = peer.settings
    kind = peer_type(settings)
    return ExportRule(
        family=family,
        peer_type=kind,
        is_client=settings.reflector_client,
        cluster_id=node.cluster_id if kind is PeerType.INTERNAL else None,
        local_asn=negotiated.local_asn,
        local_identifier=node.identifier,
        next_hop_mode=NextHopMode(settings.next_hop.value),
        next_hop_self=_next_hop_self(peer, family, negotiated, node),
        may_use_ipv6_next_hop=family in negotiated.extended_next_hop,
        four_octet_as=negotiated.four_octet_as,
        max_message=negotiated.max_send,
        policies=settings.exports,
        peer_name=settings.name if policies.ask_for_names(settings.exports) else "",
        generation=policies.generation(settings.exports),
        gateway=settings.address if settings.address in gateways else b"",
        denies_all=kind is PeerType.EXTERNAL and settings.ebgp_requires_policy and not settings.exports,
        path_limit=settings.add_path_send_limit if family in negotiated.add_path_send else None,
        stale_routes=_stale_routes(settings, kind, negotiated),
        real_asn=settings.real_asn
        if settings.prepends_real_asn and negotiated.local_asn != settings.real_asn
        else None,
        role=settings.role,
        is_last_resort=peer.drain.stage is Stage.LEAVING,
    )


def _next_hop_self(peer: Peer, family: Family, negotiated: Negotiated, node: ResolvedNode) -> bytes:
    """Return our address as next hop in a family: our end of the session, else the node's first address of it."""
    local = peer.session.local_address
    if peer.settings.is_unnumbered and family.is_classic and family in negotiated.extended_next_hop:
        return local  # the one address that the peer is sure to reach
    if FAMILY_BY_ADDRESS_SIZE[len(local)] is family and not is_link_local(local):
        return local
    for address, _ in node.addresses:
        if FAMILY_BY_ADDRESS_SIZE[len(address)] is family:
            # RFC 2545 section 3: the link-local address goes along where the peer is on the link
            return address + local if is_link_local(local) and len(local) == len(address) else address
    return local if len(local) == family.octets or family in negotiated.extended_next_hop else b""


def _stale_routes(settings: ResolvedPeer, kind: PeerType, negotiated: Negotiated) -> StaleRoutes:
    if negotiated.peer_long_lived is not None:
        return StaleRoutes.SENT
    return StaleRoutes.LAST_RESORT if settings.sends_stale and kind is not PeerType.EXTERNAL else StaleRoutes.WITHHELD
