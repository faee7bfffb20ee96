"""Telling a peer all of a family again, and hearing it again.

RFC 2918; RFC 7313 (enhanced route refresh: a beginning and an end, and what was not told in between is gone).
"""

from typing import Protocol

from bgpd.families import FAMILIES, Family
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.route_refresh import RouteRefresh, Subtype
from bgpd.messages.update import end_of_rib
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.update_group import Member, UpdateGroup
from bgpd.session.peer import PeerSession


class Refreshed(Protocol):
    """The peer, as a refresh sees it."""

    session: PeerSession
    adj_ribs_in: dict[Family, AdjRibIn]
    members: dict[Family, tuple[UpdateGroup, Member]]
    got_end_of_rib: set[Family]

    @property
    def owes_end_of_rib(self) -> bool:
        """Is End-of-RIB held back?"""

    def report(self, kind: str, reason: str) -> None:
        """Count and log what was set aside."""


class Refreshes:
    """What goes on with one peer, both ways."""

    __slots__ = ("_due", "_heard", "_peer", "_telling")

    def __init__(self, peer: Refreshed) -> None:
        self._peer = peer
        self._heard: set[Family] = set()  # the peer has begun to tell all again
        self._telling: set[Family] = set()  # the peer is told all again
        self._due: set[Family] = set()  # it asked meanwhile, or before it had End-of-RIB

    def forget(self) -> None:
        """Begin anew, with a new session."""
        self._heard.clear()
        self._telling.clear()
        self._due.clear()

    def received(self, message: RouteRefresh, negotiated: Negotiated | None) -> None:
        """Send everything again, or take note that the peer does. negotiated: None = there is no session."""
        peer, family = self._peer, FAMILIES.get((message.afi, message.safi))
        if negotiated is None or family is None or family not in negotiated.families:
            peer.report("route refresh ignored", f"AFI {message.afi} SAFI {message.safi} was not negotiated")
            return
        # RFC 7313 section 4: the octet is a subtype with peers that say so; else RFC 2918 section 3: it is ignored
        if message.subtype == Subtype.REQUEST or not negotiated.enhanced_route_refresh:
            self._tell(family, negotiated)
        elif message.subtype == Subtype.BEGIN:
            if negotiated.peer_graceful_restart is not None and family not in peer.got_end_of_rib:
                # RFC 7313 section 4: until then the peer tells us its first table anyway
                peer.report("route refresh ignored", f"it begins before the {family.name} End-of-RIB")
                return
            self._heard.add(family)
            peer.adj_ribs_in[family].mark_stale()
        elif message.subtype == Subtype.END:
            if family in self._heard:
                self._heard.remove(family)
                peer.adj_ribs_in[family].end_of_stale()
        else:
            peer.report("route refresh ignored", f"message subtype {message.subtype} means nothing to us")

    def told_all(self, negotiated: Negotiated | None) -> None:
        """Learn that the peer has been told all of a family: a refresh that waited for that is due."""
        told = {family for family, (_, member) in self._peer.members.items() if member.backlog is None}
        due = self._due & told
        self._telling -= told
        self._due -= due
        if negotiated is not None:
            for family in due:
                self._tell(family, negotiated)

    def _tell(self, family: Family, negotiated: Negotiated) -> None:
        """Tell the peer all of a family again; after End-of-RIB if that is still to come (RFC 7313 section 4).

        Requests that come while one is answered get one answer: each costs a look at the whole table.
        """
        peer = self._peer
        if family not in peer.members:
            return
        group, member = peer.members[family]
        backlog = member.backlog
        if peer.owes_end_of_rib or (
            backlog is not None and (family in self._telling or backlog.closing.startswith(end_of_rib(family)))
        ):
            self._due.add(family)
            return
        self._telling.add(family)
        closing = b""
        if negotiated.enhanced_route_refresh:
            peer.session.send(RouteRefresh(family.afi, family.safi, Subtype.BEGIN).encode())
            closing = RouteRefresh(family.afi, family.safi, Subtype.END).encode()
        group.refresh(member, closing)
