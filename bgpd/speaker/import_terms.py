"""What a peer's settings and its session say about the routes that come from it.

RFC 8326 (graceful shutdown), RFC 7999 (black holes), RFC 7705 (local AS), RFC 9234 (OTC), RFC 8212 (no policy).
"""

from bgpd.config import ResolvedNode, ResolvedPeer
from bgpd.families import Family
from bgpd.identity import PeerType
from bgpd.messages.negotiated import Negotiated
from bgpd.policy.signals import Scope, Signals
from bgpd.rib import only_to_customer
from bgpd.rib.admission import Admission
from bgpd.rib.border import NO_BORDER, Border


def admission(settings: ResolvedPeer, node: ResolvedNode, local_address: bytes, agreed: Negotiated | None) -> Admission:
    """Return the rules that the peer's paths are held against. local_address: our end of the session."""
    own = {address for address, _ in node.addresses} | {local_address}
    remote = agreed.remote_asn if agreed is not None else settings.asn
    group = node.confederation
    own_asns = [settings.local_asn, settings.real_asn]
    if group is not None:
        own_asns = [*(asn for asn in own_asns if asn != node.asn), group.identifier]
    return Admission(
        own_asns=tuple(dict.fromkeys(own_asns)),
        allow_own_as=settings.allow_own_as,
        remote_asn=remote if settings.enforce_first_as else None,
        own_addresses=frozenset(own - {b""}),
        member_asn=node.asn if group is not None else None,
    )


def signals(settings: ResolvedPeer, family: Family, *, is_leaving: bool) -> Signals:
    """Return which communities are orders. is_leaving: what comes from the peer is a last resort."""
    length = settings.black_hole_ipv4 if family.is_classic else settings.black_hole_ipv6
    return Signals(
        shuts_down=settings.graceful_shutdown and _is_external(settings),
        is_leaving=is_leaving,
        black_hole_length=length if settings.black_holes else None,
        black_hole_scope=Scope[settings.black_hole_scope.name],
    )


def border(settings: ResolvedPeer, agreed: Negotiated | None) -> Border:
    """Return what is put into paths where they come into our AS. agreed: by the present or last session."""
    if agreed is None or not _is_external(settings):
        return NO_BORDER
    prepends = settings.prepends_local_asn and agreed.local_asn != settings.real_asn
    return Border(
        prepended=agreed.local_asn if prepends else None,
        otc=agreed.remote_asn if only_to_customer.marks_received(settings.role) else None,
        is_crossed=True,
    )


def is_denied(settings: ResolvedPeer, policies: tuple[str, ...]) -> bool:
    """Is everything refused for want of a policy?"""
    return _is_external(settings) and settings.ebgp_requires_policy and not policies


def _is_external(settings: ResolvedPeer) -> bool:
    return PeerType(settings.peer_type) is PeerType.EXTERNAL
