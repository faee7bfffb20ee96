"""Which peers there are: configured ones and those that dialled in; and what a changed configuration does to them.

RFC 4271 8.2.1. A peer's session is closed only where TCP or OPEN depend on what changed.
"""

from collections.abc import Mapping
from random import Random
from typing import Protocol

import structlog

from bgpd.addresses import covers, host_prefix, is_link_local
from bgpd.config import Resolved, ResolvedPeer, ResolvedRange
from bgpd.config.diff import Changes, PeerChange
from bgpd.errors import Cease, CeaseSubcode
from bgpd.messages.notification import harden
from bgpd.session.listener import Listener, Refusal
from bgpd.session.peer import PeerSession
from bgpd.session.sockets import Network
from bgpd.speaker.draining import Stage
from bgpd.speaker.keys import Keys, session_settings
from bgpd.speaker.peer import Hub, Peer
from bgpd.speaker.ranges import Ranges
from bgpd.speaker.unnumbered import Unnumbered

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


class Configured(Hub, Protocol):
    """What is needed of the speaker."""

    config: Resolved


class PeerTable:
    """All peers. by_name: by name. listener: which asks here whose session a connection is. held: names of peers that a
    run before this one had taken out, and that have not come yet.
    """

    def __init__(self, speaker: Configured, network: Network, random: Random) -> None:
        self.by_name: dict[str, Peer] = {}
        self.held: set[str] = set()
        self.listener = Listener(network, self._find, speaker.loop)
        self._speaker = speaker
        self._network = network
        self._random = random
        self._dynamic = Ranges(speaker, self.by_name)
        # Configured peers by address and link; None = unknown
        self._places: dict[tuple[bytes, str], Peer] | None = None
        self._unnumbered = Unnumbered(self, network.router_discovery)
        self._keys = Keys(self.listener, network, speaker.config.node)

    def require_keys(self) -> list[ResolvedPeer]:
        """Require the keys of all that is configured, before anybody may dial; return the peers, to be added then."""
        config = self._speaker.config
        peers = [self._keys.of_peer(peer) for peer in config.peers]
        for source in config.ranges:
            self._keys.of_range(source)
        return peers

    def add(self, settings: ResolvedPeer, range_name: str = "") -> Peer:
        """Add a peer and let its session come up. range_name: where it dialled in, empty = it is configured."""
        configured = settings
        if settings.is_unnumbered:
            settings = self._unnumbered.waiting(settings)
        speaker = self._speaker
        peer = Peer(settings, speaker, range_name)
        if not range_name:
            self._places = None
        wanted = session_settings(settings, speaker.config.node)
        peer.attach(PeerSession(wanted, peer, self._network, speaker.loop, self._random))
        self.by_name[settings.name] = peer
        if settings.is_unnumbered:
            self._unnumbered.add(peer, configured)
        if speaker.is_draining or settings.name in self.held:
            self.held.discard(settings.name)
            peer.drain.hold()
        elif settings.held_down:
            _log.error("session held down", peer=settings.name, reason=settings.held_down)
        peer.start()
        return peer

    def apply(self, changes: Changes) -> None:
        """Do to the peers what a changed configuration asks for, which the speaker has already."""
        config = self._speaker.config
        for change in changes.peers_changed:
            if change.fields or change.reset:  # then ``_change`` requires its keys anew
                self._keys.drop_peer(change.old.name)  # others may have its address now
        for gone_range in (*changes.ranges_removed, *(moved.old for moved in changes.ranges_changed)):
            self._keys.drop_range(gone_range.name)
        for gone in changes.peers_removed:
            self._remove(self.by_name[gone.name])
        for new_range in (*(moved.new for moved in changes.ranges_changed), *changes.ranges_added):
            self._keys.of_range(new_range)
        ranges = {one.name: one for one in config.ranges}
        for peer in [peer for peer in self.by_name.values() if peer.range_name]:
            self._change_dynamic(peer, ranges, changes)
        renamed = [(self.by_name.pop(one.old.name), one.new.name) for one in changes.peers_changed if one.is_renamed]
        self.by_name.update((name, peer) for peer, name in renamed)  # one may have another's former name
        for change in changes.peers_changed:
            if dynamic := self._dynamic.find(change.new.address, change.new.interface):
                self._remove(dynamic)  # the address is a configured peer's now
            peer = self.by_name[change.new.name]
            if change.old.is_unnumbered != change.new.is_unnumbered or (
                change.new.is_unnumbered and change.old.interface != change.new.interface
            ):
                self._replace(peer, change.new)
            else:
                self._change(peer, change, change.new)
        for added in changes.peers_added:
            if dynamic := self._dynamic.find(added.address, added.interface):
                self._replace(dynamic, added)  # it has a table of its own now
            else:
                self.add(self._keys.of_peer(added))
        self._keys.tidy()
        self._try_keys_again()

    def progressed(self, peer: Peer) -> None:
        """Learn that a peer's session changed, or that it told us all of a family."""
        if peer.range_name:
            self._speaker.loop.call_soon(self._dynamic.progressed, peer)
        elif peer.settings.is_unnumbered:
            self._speaker.loop.call_soon(self._unnumbered.progressed, peer)

    def topology_changed(self) -> None:
        """Take note that interfaces may have come or gone."""
        self._unnumbered.topology_changed()

    def settle(self, peer: Peer, settings: ResolvedPeer) -> None:
        """Use the address at which an unnumbered peer was found, or hold it down; see ``speaker.unnumbered``."""
        settings = self._keys.of_peer(settings)
        self._keys.tidy()
        if peer.session.is_started or settings.held_down:  # one that rests would be dialled when its time is over
            peer.session.stop(None)
        peer.settings = settings
        self._places = None
        peer.session.update_settings(session_settings(settings, self._speaker.config.node))
        if not peer.session.resting:
            peer.start()

    async def close(self) -> None:
        """Let nobody come any more."""
        await self.listener.close()
        self._unnumbered.close()

    def _find(self, address: bytes, interface: str) -> PeerSession | Refusal | None:
        """Return whose session a connection from this address is, if anybody's."""
        link = interface if is_link_local(address) else ""
        if self._places is None:
            self._places = {
                (p.settings.address, p.settings.interface): p for p in self.by_name.values() if not p.range_name
            }
        peer = self._places.get((address, link)) or self._dynamic.find(address, link)
        if peer is not None:
            return peer.session
        if self._speaker.is_draining:
            return None
        if link and (unnumbered := self._unnumbered.match(address, link)) is not None:
            return unnumbered
        for source in self._speaker.ranges:
            if source.family.octets == len(address) and covers(source.prefix, host_prefix(address)):
                new = source.peer(address, link)
                return self._dynamic.admit(source, self._keys.member(source, new), self.add)
        return None

    def _remove(self, peer: Peer) -> None:
        """Close the session with a peer that is no longer configured."""
        settings = peer.settings
        peer.drain.forget()
        peer.close(Cease(CeaseSubcode.PEER_DECONFIGURED, why="removed from the configuration"))
        self._places = None
        self._unnumbered.remove(peer)
        if peer.range_name:
            self._dynamic.dropped(peer)
        else:
            self._keys.drop_peer(settings.name)
        del self.by_name[settings.name]

    def _replace(self, old: Peer, settings: ResolvedPeer) -> None:
        """Begin anew with a peer; what an operator said of it holds on."""
        is_drained, ends = old.drain.stage is not Stage.NONE, old.drain.ends
        self._remove(old)
        new = self.add(self._keys.of_peer(settings))
        if old.is_disabled:
            new.disable("disabled by an operator")
        elif is_drained:
            new.drain.begin(ends - self._speaker.loop.time() if ends is not None else 0, "drained by an operator")

    def _change_dynamic(self, peer: Peer, ranges: Mapping[str, ResolvedRange], changes: Changes) -> None:
        """Apply what changed of the range that the peer came from."""
        source = ranges.get(peer.range_name)
        address = peer.settings.address
        if source is None or not covers(source.prefix, host_prefix(address)):
            self._remove(peer)
            return
        for change in changes.ranges_changed:
            if change.new.name == source.name:
                new = self._keys.member(source, source.peer(address, peer.settings.interface))
                self._change(peer, change.template, new)

    def _change(self, peer: Peer, change: PeerChange, new: ResolvedPeer) -> None:
        """Apply changed options; the session is closed only if it has to be."""
        if not (change.fields or change.reset):
            if change.imports:
                peer.import_again()
            if change.exports:
                peer.export_again()
            return
        if not peer.range_name:
            if new.is_unnumbered:
                new = self._unnumbered.changed(peer, new)
            new = self._keys.of_peer(new)
        peer.reconfigure(new)
        self._places = None
        is_resting = bool(peer.session.resting)
        if change.reset:
            cease = Cease(CeaseSubcode.OTHER_CONFIGURATION_CHANGE, why=f"{', '.join(change.reset)} changed")
            if change.keeps_routes:
                peer.session.stop(cease)
                if change.imports:
                    peer.import_again()
            else:
                peer.close(harden(cease))
        peer.session.update_settings(session_settings(new, self._speaker.config.node))
        if change.reset:
            if new.held_down:
                _log.error("session held down", peer=new.name, reason=new.held_down)
            peer.start()
            return
        if change.fields or not is_resting:
            peer.start()
        peer.check_limits()
        if change.imports:
            peer.import_again()
        if change.exports:
            peer.export_again()

    def _try_keys_again(self) -> None:
        """Let peers come up that were held down for keys which can be had by now."""
        for configured in self._speaker.config.peers:
            peer = self.by_name[configured.name]
            if peer.settings.held_down and not (configured.held_down or configured.is_unnumbered):
                peer.settings = self._keys.of_peer(configured)
                peer.start()
