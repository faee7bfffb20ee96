"""What an election of reflectors asks about a speaker's sessions (``reflector.election.Sessions``)."""

from collections.abc import Callable, Collection, Iterator
from typing import Final

from bgpd.families import FAMILY_BY_ADDRESS_SIZE
from bgpd.reflector.election import MeshNode, MeshView
from bgpd.rib.path import Candidates
from bgpd.speaker import Speaker
from bgpd.speaker.peer import Peer

_SETTLE: Final = 3.0  # seconds that a peer without End-of-RIB gets to tell what it has


class MeshSessions:
    """Answers from one speaker's peers and tables. view: of the mesh, for the addresses of its nodes."""

    def __init__(self, speaker: Speaker, view: Callable[[], MeshView | None]) -> None:
        self._speaker = speaker
        self._view = view

    def are_up(self, nodes: Collection[str]) -> bool:
        """Are there sessions with all of them, in each family that both have, which have told all?"""
        peers = self._by_address()
        view = self._view()
        own = view.nodes.get(view.me) if view is not None else None
        families = {FAMILY_BY_ADDRESS_SIZE[len(address)] for address in (own.addresses if own is not None else ())}
        return all(
            address in peers and self._has_told_all(peers[address])
            for node in self._nodes(nodes)
            for address in node.addresses
            if FAMILY_BY_ADDRESS_SIZE[len(address)] in families
        )

    def has_any(self, nodes: Collection[str]) -> bool:
        """Are there sessions with some of them, up or not?"""
        return bool(self._peers_of(nodes))

    def reaches_any(self, nodes: Collection[str]) -> bool:
        """Is a session with some of them up? One that waits for others after a restart has told nothing yet."""
        return any(peer.negotiated is not None for peer in self._peers_of(nodes))

    def rests_on(self, nodes: Collection[str]) -> bool:
        """Does some prefix have no path but over sessions with these nodes?"""
        leaving: set[object] = {*self._peers_of(nodes)}
        return bool(leaving) and self._is_any(lambda paths: all(path.source.peer in leaving for path in paths))

    def rests_on_reflection(self, reflectors: Collection[str]) -> bool:
        """Does some prefix have no path but what these reflectors pass on?"""
        passing: set[object] = {*self._peers_of(reflectors)}
        return bool(passing) and self._is_any(
            lambda paths: all(
                path.source.peer in passing and path.attributes.originator_id is not None for path in paths
            )
        )

    def _is_any(self, condition: Callable[[Candidates], bool]) -> bool:
        # Many prefixes share their candidates
        return any(condition(paths) for rib in self._speaker.loc_ribs.values() for paths in set(rib.table.values()))

    def _has_told_all(self, peer: Peer) -> bool:
        negotiated = peer.negotiated
        if negotiated is None:
            return False
        if peer.got_end_of_rib >= set(negotiated.families):
            return True
        age = self._speaker.loop.time() - peer.session.since
        return negotiated.peer_graceful_restart is None and age >= _SETTLE

    def _peers_of(self, nodes: Collection[str]) -> set[Peer]:
        peers = self._by_address()
        return {peers[one] for node in self._nodes(nodes) for one in node.addresses if one in peers}

    def _nodes(self, names: Collection[str]) -> Iterator[MeshNode]:
        view = self._view()
        known = view.nodes if view is not None else {}
        return (known[name] for name in names if name in known)

    def _by_address(self) -> dict[bytes, Peer]:
        return {peer.address: peer for peer in self._speaker.peers.values()}
