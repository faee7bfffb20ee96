"""One peer of the speaker: its session, what it announced, and its place in the update groups.

RFC 4271 section 3 and 9; RFC 4724 4.2 and RFC 9494 4.2 (its routes while it restarts); RFC 2918 and 7313 (route
refresh); RFC 4486 section 4 (maximum prefixes). The hot entry is ``updates_received``.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import structlog

from bgpd.config import ResolvedPeer, ResolvedRange
from bgpd.errors import Cease, CeaseSubcode
from bgpd.families import Family
from bgpd.fsm.actions import SessionEnd
from bgpd.fsm.states import State
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages import nlri
from bgpd.messages.attributes.block import plain_reader
from bgpd.messages.framing import MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import administrative
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.messages.update import decode, end_of_rib
from bgpd.policy.chain import Chain
from bgpd.policy.subject import PeerContext
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.admission import Admission
from bgpd.rib.export import ExportRule
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Preference, Source, SourceKind
from bgpd.rib.update_group import Member, UpdateGroup
from bgpd.session.connection import Inbox
from bgpd.session.faulty_message import FaultyMessage
from bgpd.session.peer import PeerSession
from bgpd.speaker.draining import PeerDrain, Stage
from bgpd.speaker.import_terms import border, is_denied, signals
from bgpd.speaker.importing import PeerImporter
from bgpd.speaker.intake import take_everyday
from bgpd.speaker.kept_routes import KeptRoutes
from bgpd.speaker.open_asn import OpenAsn
from bgpd.speaker.origin_check import OriginCheck
from bgpd.speaker.prefix_limit import NEVER, PrefixLimit, first_step, is_end_by_limit
from bgpd.speaker.refreshing import Refreshes
from bgpd.speaker.route_faults import OF_UPDATES, RouteFaults
from bgpd.speaker.slices import Slicer

_HEADER: Final = 19  # octets before a message's body
_UPDATE: Final = int(MessageType.UPDATE)
_AT_ONCE: Final = -1  # no table is as small


class Hub(Protocol):
    """What a peer needs of the speaker."""

    loop: asyncio.AbstractEventLoop
    slicer: Slicer
    next_hops: NextHopTable
    loc_ribs: Mapping[Family, LocRib]
    source_numbers: Iterator[int]
    is_draining: bool
    origins: OriginCheck
    activity: int

    @property
    def is_learning(self) -> bool: ...
    @property
    def puts_off_telling(self) -> bool: ...
    @property
    def ranges(self) -> tuple[ResolvedRange, ...]: ...
    def local_open(self, peer: "Peer") -> Open: ...
    def admission(self, peer: "Peer") -> Admission: ...
    def chain(self, names: tuple[str, ...]) -> Chain: ...
    def export_rule(self, peer: "Peer", family: Family, negotiated: Negotiated) -> ExportRule: ...
    def group(self, rule: ExportRule) -> UpdateGroup: ...
    def left(self, group: UpdateGroup) -> None: ...
    def identity(self) -> tuple[BgpIdentifier, BgpIdentifier | None]: ...
    def peer_progressed(self, peer: "Peer") -> None: ...
    def interface_index(self, name: str) -> int: ...


class Peer:
    """A configured or accepted peer, through all of its sessions.

    range_name: the range that it dialled in from, empty = it is configured. is_disabled: by an operator. adj_ribs_in,
    members: by family; members also name the group. got_end_of_rib: families that the present session has sent in full.
    kept_routes: what is left of a lost session. faults: what was set aside of its routes. drain: whether it is being
    taken out.
    """

    def __init__(self, settings: ResolvedPeer, hub: Hub, range_name: str = "") -> None:
        self.settings = settings
        self.range_name = range_name
        self.is_disabled = False
        self.session: PeerSession  # set by ``attach``, since the session wants its user first
        self.adj_ribs_in: dict[Family, AdjRibIn] = {}
        self.importers: dict[Family, PeerImporter] = {}
        self.members: dict[Family, tuple[UpdateGroup, Member]] = {}
        self._log = structlog.get_logger().bind(peer=settings.name)
        self.faults = RouteFaults(hub.loop, self._log)
        self.kept_routes = KeptRoutes(self, hub.loop, hub.slicer, self._log)
        self.drain = PeerDrain(self, hub.loop)
        self.got_end_of_rib: set[Family] = set()
        self._hub = hub
        self._ribs: dict[Family, AdjRibIn] = {}
        self._negotiated: Negotiated | None = None
        self._agreed: Negotiated | None = None
        self._open_asn = OpenAsn()
        self._refreshes = Refreshes(self)
        self._limit = PrefixLimit(self.faults)
        self._set_aside: list[tuple[str, str]] = []  # kinds and reasons of faults in the UPDATE at hand
        self._calm = NEVER  # routes in a table up to which an UPDATE needs no second look

    def attach(self, session: PeerSession) -> None:
        """Give the peer the session whose user it is."""
        self.session = session

    def reconfigure(self, settings: ResolvedPeer) -> None:
        """Take changed options; routes that they concern are still to be judged again."""
        if settings.name != self.settings.name:
            self._log = self.faults.log = self.kept_routes.log = structlog.get_logger().bind(peer=settings.name)
        self.settings = settings
        for rib in self.adj_ribs_in.values():
            for source in rib.sources.values():
                source.reconfigure(settings.name, is_client=settings.reflector_client)

    @property
    def address(self) -> bytes:
        """The address of its session."""
        return self.settings.address

    @property
    def negotiated(self) -> Negotiated | None:
        """What the present session allows; None = not established."""
        return self._negotiated

    @property
    def agreed(self) -> Negotiated | None:
        """What the present session allows, or did the last one, whose routes may be kept; None = there was none."""
        return self._agreed

    @property
    def peer_type(self) -> PeerType:
        """What the peer's AS is to ours."""
        return PeerType(self.settings.peer_type)

    @property
    def context(self) -> PeerContext:
        """What policies see of the peer."""
        settings, agreed = self.settings, self._agreed
        remote = agreed.remote_asn if agreed is not None else settings.asn
        return PeerContext(settings.name, self.peer_type, settings.local_asn, remote or Asn(0))

    def open_asn(self) -> Asn:
        """Return our AS for the next OPEN."""
        return self._open_asn.choose(self.settings, self.session.last_end)

    # what the session asks and tells (see bgpd.session.user.SessionUser)

    def local_open(self) -> Open:
        """Return the OPEN for a new connection."""
        return self._hub.local_open(self)

    def session_up(self, negotiated: Negotiated) -> None:
        """Make the tables of a new session, or take up those of one that was lost."""
        self._negotiated = self._agreed = negotiated
        self.got_end_of_rib.clear()
        self._refreshes.forget()
        self._limit.forget()
        self._set_aside.clear()
        self._be_calm()
        self.kept_routes.perform(self.kept_routes.helper.session_up(negotiated))
        for family in negotiated.families:
            self._open_rib(family, negotiated)
        self._ribs = self.adj_ribs_in
        self.progressed()
        if not self._hub.puts_off_telling:
            self.join_groups()

    def session_down(self, end: SessionEnd) -> None:
        """Leave the groups; keep or clear what the peer announced."""
        negotiated = self._negotiated
        if negotiated is None:
            return
        self._leave_groups()
        self._negotiated = None
        enabled = self.settings.graceful_restart
        self.kept_routes.perform(
            self.kept_routes.helper.session_down(
                end,
                negotiated,
                is_enabled=enabled,
                has_notification=enabled,
                max_stale_time=self.settings.max_stale_time,
            )
        )
        self.progressed()
        if is_end_by_limit(end):
            self._hub.loop.call_soon(self._stay_down)

    def updates_received(self, inbox: Inbox, stop: int) -> None:
        """Take UPDATEs, and stop where the session ends. Raises BgpError for what ends it."""
        while inbox:
            first = inbox.index
            kind, start, end = inbox.messages[first]
            negotiated = self._negotiated
            if kind != _UPDATE or start >= stop:
                break
            if negotiated is not None:
                take_everyday(inbox, stop, negotiated, self._ribs, self._calm)
            if inbox.index > first:
                continue
            inbox.index += 1
            if negotiated is None:
                break
            self._take(inbox.buffer, start, end, negotiated)

    def _take(self, buffer: bytes, start: int, end: int, negotiated: Negotiated) -> None:
        """Take one UPDATE."""
        update = decode(buffer, start, end, negotiated)
        ribs = self._ribs
        if update.mp_withdrawn is not None:
            family, keys = update.mp_withdrawn
            ribs[family].withdraw(keys)
        if update.withdrawn:
            self._classic().withdraw(update.withdrawn)
        if update.announced:
            rib = self._classic()
            rib.announce(update.attributes, None, update.announced)
            if self._calm != NEVER and len(rib) > self._calm:
                self._look_again(rib, buffer, start, end)
        if update.mp_announced is not None:
            family, next_hop, keys = update.mp_announced
            rib = ribs[family]
            rib.announce(update.attributes, next_hop, keys)
            if self._calm != NEVER and len(rib) > self._calm:
                self._look_again(rib, buffer, start, end)
        if update.faults:
            for fault in update.faults:
                self._set_aside.append(("attribute discarded", f"{fault.attribute}: {fault.why}"))
            self._report_faulty(buffer[start - _HEADER : end])
        if update.is_end_of_rib is not None:
            self._end_of_rib(update.is_end_of_rib)

    def batch_received(self) -> None:
        """Take note that there was something to read."""
        self._hub.activity += 1

    def route_refresh_received(self, message: RouteRefresh) -> None:
        """Send everything again, or take note that the peer does."""
        self._refreshes.received(message, self._negotiated)

    def drained(self) -> None:
        """The peer reads again."""
        for group, member in self.members.values():
            group.drained(member)

    def state_changed(self, old: State, new: State) -> None:
        """Tell the speaker, which waits for peers after a restart."""
        del old, new
        self.progressed()

    # what update groups ask (see bgpd.rib.update_group.Outlet)

    @property
    def is_congested(self) -> bool:
        """Has the peer too much unread?"""
        return self.session.is_congested

    def send_updates(self, pieces: list[bytes | memoryview], count: int) -> None:
        """Write UPDATE messages."""
        self.session.writelines(pieces)
        self.session.count_sent(count)

    def send_closing(self, octets: bytes) -> None:
        """Write End-of-RIB, or the mark at the end of a refresh; the peer has been told all of a family."""
        if octets:
            self.session.send(octets)
        self._refreshes.told_all(self._negotiated)

    # what the speaker and its operator do

    @property
    def is_wanted(self) -> bool:
        """Do configuration and operator want the session? It may be held down, or rest, all the same."""
        return self.settings.enabled and not self.is_disabled and self.drain.stage is not Stage.CLOSED

    def start(self) -> None:
        """Let the session come up if it is wanted and nothing holds it down."""
        if self.is_wanted and not self.settings.held_down:
            self.session.start()

    def enable(self) -> None:
        """Let the session come up, whatever the configuration says."""
        self.is_disabled = False
        self.session.start()

    def disable(self, why: str) -> None:
        """Keep the session down until ``enable``; a drain is over with that. why: the peer's operator is told."""
        self.drain.forget()
        self.is_disabled = True
        self.close(administrative(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, why))

    def join_groups(self) -> None:
        """Begin to tell the peer the routes of each family, End-of-RIB at the end of each if the kernel's are known."""
        negotiated = self._negotiated
        if negotiated is None:
            return
        for family in negotiated.families:
            if family not in self.members:
                group = self._hub.group(self._hub.export_rule(self, family, negotiated))
                member = Member(self, self)
                self.members[family] = (group, member)
                group.join(member, b"" if self.owes_end_of_rib else end_of_rib(family))

    @property
    def owes_end_of_rib(self) -> bool:
        """Is End-of-RIB held back (RFC 4724 section 2)? Routes of the kernel are still to come: see ``all_learned``."""
        return self._hub.is_learning

    def all_learned(self) -> None:
        """Send the End-of-RIB that was held back, behind what the peer is still to be told; or begin to tell it."""
        at_once = b""  # all in one: a refresh that waits for one of them begins when its own is sent
        for family, (_, member) in self.members.items():
            closing, backlog = end_of_rib(family), member.backlog
            if backlog is None:
                at_once += closing
            elif not backlog.closing.startswith(closing):  # one that several peers share has got it already
                backlog.closing = closing + backlog.closing
        self.send_closing(at_once)
        self.join_groups()

    def import_again(self) -> None:
        """Judge what the peer sent, and what is kept while it restarts, by changed rules; it need not send it again."""
        for family, rib in self.adj_ribs_in.items():
            importer = self.importers[family] = self._make_importer(family)
            self._hub.slicer.add(rib.evaluate_again(importer))

    def export_again(self) -> None:
        """Tell the peer what differs by changed rules."""
        negotiated = self._negotiated
        if negotiated is None:
            return
        for family, (former, member) in list(self.members.items()):
            group = self._hub.group(self._hub.export_rule(self, family, negotiated))
            if group is not former:
                group.take_over(member, former)
                self.members[family] = (group, member)
                self._hub.left(former)

    # what draining asks (see bgpd.speaker.draining.Drained)

    @property
    def has_told_all(self) -> bool:
        """Has the peer been sent, and taken, all that is to be said?"""
        return not self.session.unsent and not any(member.owed for _, member in self.members.values())

    @property
    def is_started(self) -> bool:
        """Is there a session, or may one come up at any moment?"""
        return self.session.is_started

    def begin_last_resort(self) -> None:
        """Announce everything as a last resort, and take what came from here as one where only this peer leaves."""
        self.export_again()
        if not self._hub.is_draining:
            self.import_again()

    def end_last_resort(self) -> None:
        """Take that back."""
        self.export_again()
        self.import_again()

    def close(self, cease: Cease) -> None:
        """End the session until it is started again, and forget what it brought."""
        self.session.stop(cease)
        self.forget_stale()

    def forget_stale(self) -> None:
        """Drop what is kept of a lost session."""
        self.kept_routes.perform(self.kept_routes.helper.stopped())
        self.progressed()

    def progressed(self) -> None:
        """Tell the speaker, which may wait for this peer."""
        self._hub.peer_progressed(self)

    def reopen(self) -> None:
        """Bring the session up again, unless configuration or operator do not want it."""
        self.start()

    def report(self, kind: str, reason: str) -> None:
        """Count what was set aside of the peer's routes, keep the newest reason, and log it at a bounded rate.

        A fault in an UPDATE waits for the message, which only ``updates_received`` knows.
        """
        if kind in OF_UPDATES:
            self._set_aside.append((kind, reason))
            self._calm = _AT_ONCE
        else:
            self.faults.report(kind, reason)

    def _report_faulty(self, message: bytes) -> None:
        """Report what was wrong in an UPDATE, with all its octets (RFC 7606 section 2)."""
        faults, self._set_aside = self._set_aside, []
        for kind, reason in faults:
            self.faults.report(kind, reason, message=message.hex())
            self.session.faulty = FaultyMessage.of(f"{kind}: {reason}", message, self._hub.loop.time())

    # private

    def _classic(self) -> AdjRibIn:
        for family, rib in self._ribs.items():
            if family.is_classic:
                return rib
        raise KeyError("IPv4 routes on a session without IPv4 unicast")

    def _open_rib(self, family: Family, negotiated: Negotiated) -> None:
        nlri.prepare(family.bits, has_path_id=family in negotiated.add_path_receive)
        plain_reader(negotiated)  # its expressions, too, are compiled before somebody waits for it
        kept = self.adj_ribs_in.get(family)
        if kept is not None and kept.has_path_ids == (family in negotiated.add_path_receive):
            kept.renegotiate(negotiated, self._interface())
            for source in kept.sources.values():
                source.identify(negotiated.remote_asn, negotiated.remote_identifier)
            importer = self.importers[family] = self._make_importer(family)  # policies may have changed meanwhile
            self._hub.slicer.add(kept.evaluate_again(importer))
            return
        if kept is not None:
            self._hub.slicer.add(kept.clear())
        importer = self.importers[family] = self._make_importer(family)
        self.adj_ribs_in[family] = AdjRibIn(
            family,
            self._hub.loc_ribs[family],
            self._hub.next_hops,
            importer,
            self._make_source,
            negotiated,
            self._interface(),
        )

    def _interface(self) -> int:
        """Return the index of the link that the peer is on, 0 = not known."""
        return self._hub.interface_index(self.settings.interface) if self.settings.interface else 0

    def _make_source(self, path_id: int) -> Source:
        negotiated = self._negotiated
        assert negotiated is not None  # routes only come over a session
        return Source(
            SourceKind.PEER,
            self.settings.name,
            Preference.PEER,
            negotiated.remote_asn,
            negotiated.remote_identifier,
            self.settings.address,
            self.peer_type,
            self.settings.reflector_client,
            path_id,
            self,
            next(self._hub.source_numbers),
        )

    def _make_importer(self, family: Family) -> PeerImporter:
        settings = self.settings
        identifier, cluster_id = self._hub.identity()
        return PeerImporter(
            self._hub.admission(self),
            identifier,
            cluster_id,
            self._hub.chain(settings.imports),
            self.context,
            self._hub.next_hops,
            self.report,
            # With the whole node on its way out, all routes would lose alike
            signals(settings, family, is_leaving=self.drain.stage is Stage.LEAVING and not self._hub.is_draining),
            denies_all=is_denied(settings, settings.imports),
            border=border(settings, self._agreed),
            role=settings.role,
            origins=self._hub.origins if self._hub.origins.applies_to(settings.address) else None,
        )

    def _leave(self, family: Family) -> None:
        group, _ = self.members.pop(family)
        group.leave(self)
        self._hub.left(group)

    def _leave_groups(self) -> None:
        for family in list(self.members):
            self._leave(family)

    def _be_calm(self) -> None:
        """Set how many routes a table may have before an UPDATE needs a second look."""
        self._calm = first_step(self.settings)

    def _look_again(self, rib: AdjRibIn, buffer: bytes, start: int, end: int) -> None:
        """Report what was wrong in this UPDATE, and see whether it brought too many prefixes."""
        if self._set_aside:
            self._report_faulty(buffer[start - _HEADER : end])
            self._be_calm()
        self._limit.check(rib, self.settings)

    def check_limits(self) -> None:
        """Hold the tables against a limit that may have changed; end the session if one is too large."""
        self._limit.forget()
        self._be_calm()
        try:
            for rib in list(self._ribs.values()):
                self._limit.check(rib, self.settings)
        except Cease as cease:
            self.session.fail(cease)

    def _stay_down(self) -> None:
        """Keep the session closed for as long as the configuration says (RFC 4486 section 4)."""
        if not self.session.is_started:
            return  # the peer was taken out or removed in the meantime
        pause = self.settings.max_prefix_restart_after
        self.session.rest(pause, f"too many prefixes: {self.session.last_error.rpartition(': ')[2]}")
        self._log.error("session stays down: too many prefixes", restart_after=pause or "reset by an operator")

    def _end_of_rib(self, family: Family) -> None:
        if family not in self._ribs:
            return
        self.got_end_of_rib.add(family)
        self.kept_routes.perform(self.kept_routes.helper.end_of_rib(family))
        self.progressed()
