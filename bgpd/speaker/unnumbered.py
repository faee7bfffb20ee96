"""Peers that are named by their interface: whoever is the one router on that link.

RFC 4861 (router discovery), RFC 8950 (IPv4 routes over IPv6 next hops). The peer's link-local address is part of its
settings while it is known; until then it is held down, and says why.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import structlog

from bgpd.addresses import format_address, is_link_local
from bgpd.config import ResolvedPeer
from bgpd.errors import Cease, CeaseSubcode
from bgpd.fsm.states import State
from bgpd.session.listener import Refusal
from bgpd.session.peer import PeerSession
from bgpd.session.router_discovery import Discovery, LinkState
from bgpd.speaker.peer import Peer

_MAKE: Final = "an unnumbered peer needs a link with one router"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


class Owner(Protocol):
    """What is needed of the speaker."""

    def settle(self, peer: Peer, settings: ResolvedPeer) -> None:
        """Use these settings, whose address or reason to be held down is new; the session is down."""


class Unnumbered:
    """All such peers."""

    def __init__(self, owner: Owner, make_discovery: Callable[[Callable[[str, LinkState], None]], Discovery]) -> None:
        self._owner = owner
        self._make_discovery = make_discovery
        self._discovery: Discovery | None = None
        self._peers: dict[str, Peer] = {}  # by interface
        self._configured: dict[str, ResolvedPeer] = {}  # by interface
        self._links: dict[str, LinkState] = {}
        self._advertised: set[bytes] = set()  # addresses of peers that an advertisement told

    def waiting(self, configured: ResolvedPeer) -> ResolvedPeer:
        """Return the settings of a peer that is not found yet."""
        return replace(configured, held_down=configured.held_down or _silent(configured.interface))

    def add(self, peer: Peer, configured: ResolvedPeer) -> None:
        """Look for the peer from now on."""
        interface = configured.interface
        if (former := self._peers.get(interface)) is not None:
            self.remove(former)  # it is on its way to another link, and what it knew of this one was told already
        self._peers[interface], self._configured[interface] = peer, configured
        if self._discovery is None:
            self._discovery = self._make_discovery(self._link_changed)
        self._discovery.watch(interface)

    def remove(self, peer: Peer) -> None:
        """Look for it no more."""
        interface = peer.settings.interface
        if self._peers.get(interface) is peer and self._discovery is not None:
            del self._peers[interface], self._configured[interface]
            self._links.pop(interface, None)
            self._discovery.unwatch(interface)

    def close(self) -> None:
        """Look for nobody any more."""
        if self._discovery is not None:
            self._discovery.close()

    def topology_changed(self) -> None:
        """Take note that interfaces may have come or gone."""
        if self._discovery is not None:
            self._discovery.look()

    def changed(self, peer: Peer, configured: ResolvedPeer) -> ResolvedPeer:
        """Return the settings that go with a changed configuration of the peer."""
        self._configured[configured.interface] = configured
        address = peer.settings.address
        why = "" if address else self._why(configured.interface)
        return replace(configured, address=address, held_down=configured.held_down or why)

    def progressed(self, peer: Peer) -> None:
        """Take the address that was found meanwhile, now that the session is down."""
        interface = peer.settings.interface
        if self._peers.get(interface) is peer and peer.negotiated is None and interface in self._links:
            self._look_again(peer)

    def match(self, address: bytes, interface: str) -> PeerSession | Refusal | None:
        """Return whose session a connection is that came from an address which is not known yet."""
        peer = self._peers.get(interface)
        if peer is None or not is_link_local(address):
            return None
        settings = peer.settings
        if settings.password is not None or settings.tcp_ao:
            return None  # nobody has checked its signature
        known = self._links.get(interface, LinkState()).routers
        if peer.session.state >= State.OPEN_CONFIRM or len({*known, address}) > 1:
            others = {*known, settings.address} - {b"", address}
            why = _several(interface, (address, *others))
            _log.warning("peer refused", peer=settings.name, reason=why)
            return Refusal(Cease(CeaseSubcode.CONNECTION_REJECTED, why=why))
        if self._configured[interface].held_down or not peer.is_wanted:
            return peer.session  # which refuses
        self._settle(peer, address, "")
        return peer.session

    def _link_changed(self, interface: str, state: LinkState) -> None:
        known = self._links.get(interface, LinkState()).routers
        self._links[interface] = state
        peer = self._peers.get(interface)
        if peer is None:
            return
        if len(state.routers) > 1 and state.routers != known:
            _log.error("unnumbered peer is not clear", peer=peer.settings.name, reason=self._why(interface))
        self._look_again(peer)

    def _look_again(self, peer: Peer) -> None:
        settings, interface = peer.settings, peer.settings.interface
        state = self._links[interface]
        current = settings.address
        if not state.routers and not state.why and current:
            return  # it may be silent, or never have advertised itself: TCP tells whether it is there
        if state.why and state.routers:
            return  # a message could not be sent: that passes
        has_session = peer.session.state >= State.OPEN_CONFIRM
        if len(state.routers) > 1 and has_session:
            return  # it goes on with the one it has
        if len(state.routers) == 1:
            address = state.routers[0]
            if has_session and address != current and current not in self._advertised:
                return
            self._advertised = self._advertised - {current} | {address}
            self._settle(peer, address, "")
        else:
            self._settle(peer, b"", self._why(interface))

    def _settle(self, peer: Peer, address: bytes, why: str) -> None:
        configured = self._configured[peer.settings.interface]
        new = replace(configured, address=address, held_down=configured.held_down or why)
        if (new.address, new.held_down) == (peer.settings.address, peer.settings.held_down):
            return
        log = _log.info if address else _log.warning
        log("unnumbered peer", peer=new.name, address=format_address(address) if address else "", reason=why)
        self._owner.settle(peer, new)

    def _why(self, interface: str) -> str:
        state = self._links.get(interface, LinkState())
        if len(state.routers) > 1:
            return _several(interface, state.routers)
        return state.why or _silent(interface)


def _silent(interface: str) -> str:
    return f"no router has advertised itself on {interface} yet"


def _several(interface: str, routers: tuple[bytes, ...]) -> str:
    names = ", ".join(sorted(map(format_address, routers)))
    return f"{len(routers)} routers on {interface}: {names}; {_MAKE}"
