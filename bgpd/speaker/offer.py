"""What we offer a peer in our OPEN.

RFC 4271 4.2, RFC 5492; RFC 4724 section 3 (R and F bits), RFC 8538 (N bit), RFC 9234 section 4.1 (role), RFC 9494
section 3.1. Seconds.
"""

from typing import Final

from bgpd.config.resolved import ResolvedNode, ResolvedPeer
from bgpd.config.tables.session import AddPathDirection
from bgpd.identity import Asn, PeerType
from bgpd.messages.capabilities import (
    AddPath,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    Fqdn,
    GracefulRestartCapability,
    LongLivedFamily,
    LongLivedGracefulRestart,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    Role,
    RouteRefresh,
)
from bgpd.messages.open import Open

_VERSION: Final = 4
_IPV6_AFI: Final = 2


def offer(peer: ResolvedPeer, node: ResolvedNode, asn: Asn, *, is_restarting: bool, is_preserved: bool) -> Open:
    """Return the OPEN for a new connection.

    asn: ours on this connection. is_restarting: we came up with routes of an earlier run in the kernel and are still
    collecting. is_preserved: what we forwarded before this connection we forward still.
    """
    capabilities: list[Capability] = [MultiProtocol(family.afi, family.safi) for family in peer.families]
    capabilities += [RouteRefresh(), EnhancedRouteRefresh(), FourOctetAs(asn), ExtendedMessage()]
    if peer.role is not None:
        capabilities.append(Role(peer.role.code))
    classic = tuple((family.afi, family.safi, _IPV6_AFI) for family in peer.families if family.is_classic)
    if classic and len(peer.address) > 4:
        capabilities.append(ExtendedNextHop(classic))
    if peer.graceful_restart:
        families = tuple(RestartFamily(f.afi, f.safi, is_preserved) for f in peer.families)
        capabilities.append(
            GracefulRestartCapability(peer.restart_time, families, is_restarting, has_notification=True)
        )
        if peer.max_stale_time or peer.stale_time:
            # Without a family: we keep routes of others, and nobody needs to keep ours
            kept = peer.families if peer.stale_time else ()
            capabilities.append(
                LongLivedGracefulRestart(
                    tuple(LongLivedFamily(f.afi, f.safi, peer.stale_time, is_preserved) for f in kept)
                )
            )
    receives = peer.add_path in (AddPathDirection.RECEIVE, AddPathDirection.BOTH)
    sends = peer.add_path in (AddPathDirection.SEND, AddPathDirection.BOTH)
    if receives or sends:
        capabilities.append(AddPath(tuple(PathIdFamily(f.afi, f.safi, receives, sends) for f in peer.families)))
    if node.name:
        capabilities.append(Fqdn(node.name))
    return Open(_VERSION, asn, peer.hold_time, node.identifier, tuple(capabilities))


def peer_type(peer: ResolvedPeer) -> PeerType:
    """Return what the peer's AS is to the one that we use on its session."""
    return PeerType(peer.peer_type)
