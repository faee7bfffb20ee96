"""What peers sign their segments with: keys on the listening sockets, and who is held down for want of them.

RFC 2385 (TCP-MD5), RFC 5925 (TCP-AO). Addresses are 4 or 16 octets. A peer whose keys the kernel does not take is held
down and never let in without.
"""

from dataclasses import replace
from typing import Final

from bgpd.addresses import prefix_address
from bgpd.config import ResolvedNode, ResolvedPeer, ResolvedRange
from bgpd.session.listener import Listener, ListenError
from bgpd.session.settings import AoAlgorithm, AoKey, SessionSettings
from bgpd.session.sockets import Network
from bgpd.speaker.offer import peer_type


class Keys:
    """The keys of all peers and ranges."""

    def __init__(self, listener: Listener, network: Network, node: ResolvedNode) -> None:
        self._listener: Final = listener
        self._network: Final = network
        self._node = node
        self._faults: dict[str, str] = {}  # by range

    def of_peer(self, peer: ResolvedPeer) -> ResolvedPeer:
        """Require the peer's keys from now on; return the peer, held down if they cannot be had."""
        why = self._require(peer.address, len(peer.address) * 8, session_settings(peer, self._node))
        return replace(peer, held_down=peer.held_down or why)

    def of_range(self, source: ResolvedRange) -> None:
        """Require the range's keys from now on."""
        address, length = prefix_address(source.family, source.prefix), source.prefix[0]
        self._faults[source.name] = self._require(address, length, session_settings(source.template, self._node))

    def member(self, source: ResolvedRange, peer: ResolvedPeer) -> ResolvedPeer:
        """Return a peer of the range, held down if the range's keys cannot be had."""
        return replace(peer, held_down=peer.held_down or self._faults.get(source.name, ""))

    def drop_peer(self, peer: ResolvedPeer) -> None:
        """Require no keys of this peer any more."""
        self._drop(peer.address, len(peer.address) * 8)

    def drop_range(self, source: ResolvedRange) -> None:
        """Require no keys of this range any more."""
        self._faults.pop(source.name, None)
        self._drop(prefix_address(source.family, source.prefix), source.prefix[0])

    def _require(self, address: bytes, length: int, settings: SessionSettings) -> str:
        why = self._network.refusal(settings)
        if why:
            self._drop(address, length)
            return why
        try:
            self._listener.set_password(address, length, settings.password)
            self._listener.set_ao_keys(address, length, settings.ao_keys)
        except ListenError as error:
            return f"{settings.authentication} cannot be used: {error.why}"
        return ""

    def _drop(self, address: bytes, length: int) -> None:
        self._listener.set_password(address, length, None)
        self._listener.set_ao_keys(address, length, ())


def session_settings(peer: ResolvedPeer, node: ResolvedNode) -> SessionSettings:
    """Return what a session must know of its peer."""
    return SessionSettings(
        name=peer.name,
        address=peer.address,
        interface=peer.interface,
        port=peer.port,
        local_address=peer.local_address,
        local_asn=peer.local_asn,
        remote_asn=peer.asn,
        peer_type=peer_type(peer),
        local_identifier=node.identifier,
        hold_time=peer.hold_time,
        connect_retry_time=peer.connect_retry_time,
        idle_hold_first=peer.idle_hold_first,
        idle_hold_max=peer.idle_hold_max,
        is_passive=peer.passive,
        password=peer.password,
        multihop_ttl=peer.multihop_ttl,
        ttl_security=peer.ttl_security,
        ao_keys=tuple(
            AoKey(key.send_id, key.recv_id, AoAlgorithm(key.algorithm.value), key.key) for key in peer.tcp_ao
        ),
        other_asn=peer.real_asn if peer.is_dual_asn else None,
        confederation=node.confederation,
        is_role_required=peer.is_role_required,
        keepalive_time=peer.keepalive_time,
    )
