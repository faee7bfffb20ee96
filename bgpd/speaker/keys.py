"""What peers sign their segments with: keys on the listening sockets, and who is held down for want of them.

RFC 2385 (TCP-MD5), RFC 5925 (TCP-AO). Addresses are 4 or 16 octets. A peer whose keys the kernel does not take is held
down and never let in without.
"""

from dataclasses import replace
from typing import Final

from bgpd.addresses import format_address, prefix_address
from bgpd.config import ResolvedNode, ResolvedPeer, ResolvedRange
from bgpd.session.listener import Listener, ListenError
from bgpd.session.settings import AoAlgorithm, AoKey, SessionSettings
from bgpd.session.sockets import Network
from bgpd.speaker.offer import peer_type

_Place = tuple[bytes, int]  # address, and how many of its bits count
_Signature = tuple[str | None, tuple[AoKey, ...]]  # TCP-MD5 password, TCP-AO keys


class Keys:
    """The keys of all peers and ranges, and whose they are.

    Places change hands in a reload, so a key that nobody needs any more is only taken away by ``tidy``: at no moment
    can anybody get in without.
    """

    def __init__(self, listener: Listener, network: Network, node: ResolvedNode) -> None:
        self._listener: Final = listener
        self._network: Final = network
        self._node = node
        self._faults: dict[str, str] = {}  # by range
        self._places: dict[str, _Place] = {}  # by owner
        self._owners: dict[_Place, dict[str, _Signature]] = {}
        self._vacated: set[_Place] = set()

    def of_peer(self, peer: ResolvedPeer) -> ResolvedPeer:
        """Require the peer's keys from now on; return the peer, held down if they cannot be had."""
        place = peer.address, len(peer.address) * 8
        why = self._require(f"peer {peer.name}", place, session_settings(peer, self._node))
        return replace(peer, held_down=peer.held_down or why)

    def of_range(self, source: ResolvedRange) -> None:
        """Require the range's keys from now on."""
        place = prefix_address(source.family, source.prefix), source.prefix[0]
        settings = session_settings(source.template, self._node)
        self._faults[source.name] = self._require(f"range {source.name}", place, settings)

    def member(self, source: ResolvedRange, peer: ResolvedPeer) -> ResolvedPeer:
        """Return a peer of the range, held down if the range's keys cannot be had."""
        return replace(peer, held_down=peer.held_down or self._faults.get(source.name, ""))

    def drop_peer(self, name: str) -> None:
        """Require no keys of this peer any more; ``tidy`` has to follow."""
        self._drop(f"peer {name}")

    def drop_range(self, name: str) -> None:
        """Require no keys of this range any more; ``tidy`` has to follow."""
        self._faults.pop(name, None)
        self._drop(f"range {name}")

    def tidy(self) -> None:
        """Take away the keys that nobody needs any more."""
        for address, length in self._vacated:
            self._listener.set_password(address, length, None)
            self._listener.set_ao_keys(address, length, ())
        self._vacated.clear()

    def _require(self, owner: str, place: _Place, settings: SessionSettings) -> str:
        """Return why the keys cannot be had; empty = they are required now, or there are none."""
        self._drop(owner)
        why = self._network.refusal(settings)
        address, length = place
        if why or not settings.authentication or not address:  # an unnumbered peer's is not known yet
            return why
        signature = settings.password, settings.ao_keys
        for other, theirs in self._owners.get(place, {}).items():
            if theirs != signature:
                one = format_address(address)
                return f"the kernel takes one key for an address on all links, and {other} has another one for {one}"
        self._places[owner] = place
        self._owners.setdefault(place, {})[owner] = signature
        self._vacated.discard(place)
        try:
            # The kernel refuses a key of the one kind where it has one of the other
            if settings.password is None:
                self._listener.set_password(address, length, None)
            self._listener.set_ao_keys(address, length, settings.ao_keys)
            if settings.password is not None:
                self._listener.set_password(address, length, settings.password)
        except ListenError as error:
            self._drop(owner)
            return f"{settings.authentication} cannot be used: {error.why}"
        return ""

    def _drop(self, owner: str) -> None:
        place = self._places.pop(owner, None)
        if place is None:
            return
        del self._owners[place][owner]
        if not self._owners[place]:
            del self._owners[place]
            self._vacated.add(place)


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
