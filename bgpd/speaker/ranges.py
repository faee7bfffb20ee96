"""Peers that dial in from a network: who may, how many at a time, and how long they are remembered.

RFC 4486 section 4 (Connection Rejected). Seconds. A range's limit counts sessions: connections on which the peer's
OPEN was accepted. One that has said nothing counts against the listener's limits alone and leaves no trace; a peer that
has said who it is stays listed for a minute after its connection, or for as long as its routes are kept.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Final

import structlog

from bgpd.addresses import format_address
from bgpd.config import ResolvedPeer, ResolvedRange
from bgpd.errors import Cease, CeaseSubcode
from bgpd.fsm.states import State
from bgpd.messages.framing import MessageType
from bgpd.session.faulty_message import LineLimit
from bgpd.session.listener import Refusal
from bgpd.session.peer import PeerSession
from bgpd.speaker.draining import Stage
from bgpd.speaker.peer import Hub, Peer

KEPT: Final = 60.0  # seconds
MOST_KEPT: Final = 128  # peers of one range without a connection; the oldest goes first

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


class Ranges:
    """The peers of all ranges, which stand among the speaker's peers. A flood must not make any of this slow."""

    def __init__(self, hub: Hub, peers: MutableMapping[str, Peer]) -> None:
        self._hub = hub
        self._peers = peers
        self._by_address: dict[tuple[bytes, str], Peer] = {}
        self._sessions: dict[str, dict[Peer, None]] = {}  # by range: those whose OPEN was accepted
        self._gone: dict[str, dict[Peer, asyncio.TimerHandle]] = {}  # by range: those that stay listed, oldest first
        self._lines: dict[str, LineLimit] = {}

    def find(self, address: bytes, interface: str) -> Peer | None:
        """Return the peer that dials from this address, if there is one already."""
        return self._by_address.get((address, interface))

    def admit(
        self, source: ResolvedRange, settings: ResolvedPeer, add: Callable[[ResolvedPeer, str], Peer]
    ) -> PeerSession | Refusal:
        """Return the session of a new peer from this range, or why there cannot be one."""
        refused = self._refusal(source, settings.address, None)
        if settings.held_down:
            refused = Cease(CeaseSubcode.CONNECTION_REJECTED, why=settings.held_down)
            self._log(source.name, settings.address, settings.held_down)
        if refused is not None:
            return Refusal(refused)
        peer = add(settings, source.name)
        self._by_address[settings.address, settings.interface] = peer
        peer.session.admission = lambda: self._admission(peer)
        peer.session.lines = self._lines_of(source.name)
        return peer.session

    def progressed(self, peer: Peer) -> None:
        """Let go of a peer whose connection is gone, at once or after a while."""
        gone = self._gone.setdefault(peer.range_name, {})
        if (timer := gone.pop(peer, None)) is not None:
            timer.cancel()
        if peer.negotiated is not None or peer.session.is_connected:
            return
        if peer.session.counts.received[MessageType.OPEN] == 0:
            self._let_go(peer)
        elif self._by_address.get(_place(peer)) is peer:
            gone[peer] = self._hub.loop.call_later(KEPT, self._forget, peer)
            if len(gone) > MOST_KEPT:
                self._forget(next(iter(gone)))

    def dropped(self, peer: Peer) -> None:
        """Learn that the speaker removed a peer."""
        if self._by_address.get(_place(peer)) is peer:
            del self._by_address[_place(peer)]
        self._sessions.get(peer.range_name, {}).pop(peer, None)
        if (timer := self._gone.get(peer.range_name, {}).pop(peer, None)) is not None:
            timer.cancel()

    def _admission(self, peer: Peer) -> Cease | None:
        source = next((one for one in self._hub.ranges if one.name == peer.range_name), None)
        if source is None:
            return Cease(CeaseSubcode.PEER_DECONFIGURED, why="its range is no longer configured")
        refused = self._refusal(source, peer.settings.address, peer)
        if refused is None:
            self._sessions.setdefault(source.name, {})[peer] = None
        return refused

    def _refusal(self, source: ResolvedRange, address: bytes, peer: Peer | None) -> Cease | None:
        """Return the Cease for a peer of a range that is full."""
        known = self._sessions.setdefault(source.name, {})
        if len(known) >= source.limit:
            for other in [other for other in known if other.session.state < State.OPEN_CONFIRM]:
                del known[other]
        sessions = len(known) - (peer in known)
        if sessions < source.limit:
            return None
        why = f"range {source.name} is full: {sessions} sessions, the limit is {source.limit}"
        self._log(source.name, address, why)
        return Cease(CeaseSubcode.CONNECTION_REJECTED, why=why)

    def _log(self, name: str, address: bytes, why: str) -> None:
        if self._lines_of(name).left(self._hub.loop.time()):
            _log.warning("peer refused", peer=format_address(address), reason=why)

    def _forget(self, peer: Peer) -> None:
        """Let a peer go that stayed listed; one that cannot go yet is told of when that changes (``progressed``)."""
        self._gone[peer.range_name].pop(peer).cancel()
        if not peer.session.resting:  # else it could come back at once
            self._let_go(peer)

    def _let_go(self, peer: Peer) -> None:
        is_idle = peer.negotiated is None and not peer.session.is_connected and not peer.adj_ribs_in
        if peer.drain.stage is not Stage.NONE or peer.is_disabled:  # an operator wants it to stay away
            return
        if is_idle and self._peers.get(peer.settings.name) is peer:
            del self._peers[peer.settings.name]
            self.dropped(peer)
            peer.session.stop(None)

    def _lines_of(self, name: str) -> LineLimit:
        return self._lines.setdefault(name, LineLimit())


def _place(peer: Peer) -> tuple[bytes, str]:
    return peer.settings.address, peer.settings.interface
