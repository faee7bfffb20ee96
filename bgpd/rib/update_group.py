"""An update group: peers that must be sent the same octets, which are encoded once and written to each of them.

RFC 4271 9.2. Hot. A member is in the stream, or behind. One that is behind (new, slow, or asking for a refresh) keeps
the set of prefixes that it is owed; it is told their state of the moment, slice by slice, when it can take more, and
is in the stream again when it is owed nothing. So a slow peer holds no messages, and neither it nor a full table
holds up the others. Members that come up together are behind together and share the encoding too.
"""

from collections.abc import Callable
from typing import Final, Protocol

from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.changes import Batch
from bgpd.rib.packing import Packed

SLICE: Final = 2500  # prefixes told to members that are behind, in one go: about 20 ms if each has its own path


class Outlet(Protocol):
    """Where a member's octets go."""

    @property
    def is_congested(self) -> bool:
        """Has the peer so much unread that it should get no more? The group hears ``drained`` when that is over."""

    def send_updates(self, pieces: list[bytes | memoryview], count: int) -> None:
        """Write that many UPDATE messages, in order."""

    def send_closing(self, octets: bytes) -> None:
        """Write the messages that end a backlog."""


class Member:
    """One peer in a group. peer: the token of its sources. backlog: None = it is in the stream."""

    __slots__ = ("backlog", "outlet", "peer")

    def __init__(self, peer: object, outlet: Outlet) -> None:
        self.peer = peer
        self.outlet = outlet
        self.backlog: Backlog | None = None

    @property
    def owed(self) -> int:
        """How many prefixes the member has still to be told."""
        return len(self.backlog.owed) if self.backlog else 0


class Backlog:
    """What members that are behind together are owed, and the message that ends it (End-of-RIB, EoRR; may be empty).

    owed: prefix → may they hold something for it that has to be withdrawn?
    """

    __slots__ = ("closing", "is_scheduled", "members", "owed")

    def __init__(self, members: list[Member], owed: dict[bytes, bool], closing: bytes) -> None:
        self.members = members
        self.owed = owed
        self.closing = closing
        self.is_scheduled = False


class UpdateGroup:
    """The members that share one Adj-RIB-Out.

    schedule: runs a callable soon, after what is ready now.
    """

    __slots__ = ("_fresh", "_schedule", "members", "rib")

    def __init__(self, rib: AdjRibOut, schedule: Callable[[Callable[[], None]], object]) -> None:
        self.rib = rib
        self.members: dict[object, Member] = {}
        self._schedule = schedule
        self._fresh: Backlog | None = None  # made in this tick: who comes now shares it

    def join(self, member: Member, closing: bytes, *, holds_routes: bool = False) -> None:
        """Take a member that has yet to be told everything; closing: sent when it has been.

        holds_routes: it has routes from a former group, which this one may have to withdraw.
        """
        self.members[member.peer] = member
        if holds_routes:
            self._fall_behind(member, dict.fromkeys(self.rib.loc_rib.table, True), closing)
            return
        # One whose members have all left was not told of the changes since
        if self._fresh is None or self._fresh.closing != closing or not self._fresh.members:
            self._fresh = Backlog([], dict.fromkeys(self.rib.loc_rib.table, False), closing)
            self._soon(self._fresh)
        self._fresh.members.append(member)
        member.backlog = self._fresh

    def leave(self, peer: object) -> None:
        """Forget a member."""
        member = self.members.pop(peer, None)
        if member is not None and member.backlog is not None:
            member.backlog.members.remove(member)
            member.backlog = None

    def refresh(self, member: Member, closing: bytes) -> None:
        """Tell a member everything again (RFC 2918, RFC 7313)."""
        owed = dict.fromkeys(self.rib.loc_rib.table, False)
        if member.backlog is not None:
            owed |= member.backlog.owed
            closing = member.backlog.closing + closing
            member.backlog.members.remove(member)
        self._fall_behind(member, owed, closing)

    def flush(self, batch: Batch) -> None:
        """Tell the members what changed: those in the stream now, the others in their turn."""
        streaming: list[Member] = []
        for member in self.members.values():
            if member.backlog is None:
                streaming.append(member)
        behind = {id(m.backlog): m.backlog for m in self.members.values() if m.backlog is not None}
        for backlog in behind.values():
            backlog.owed.update(dict.fromkeys(batch.before, True))
        packed = self.rib.changes(batch)  # also with nobody in the stream: it keeps the counts
        if streaming and packed:
            self._deliver(packed, streaming)
            for member in streaming:
                if member.outlet.is_congested:
                    member.backlog = Backlog([member], {}, b"")

    def drained(self, member: Member) -> None:
        """Go on with a member that can take more again."""
        if member.backlog is not None:
            self._soon(member.backlog)

    def _fall_behind(self, member: Member, owed: dict[bytes, bool], closing: bytes) -> None:
        member.backlog = Backlog([member], owed, closing)
        self._soon(member.backlog)

    def _soon(self, backlog: Backlog) -> None:
        if not backlog.is_scheduled:
            backlog.is_scheduled = True
            self._schedule(lambda: self._pump(backlog))

    def _pump(self, backlog: Backlog) -> None:
        """Tell the members of a backlog the next slice; those that cannot take more go their own way."""
        backlog.is_scheduled = False
        if self._fresh is backlog:
            self._fresh = None
        members = backlog.members
        for member in [m for m in members if m.outlet.is_congested]:
            if len(members) == 1:
                return  # ``drained`` goes on
            members.remove(member)
            member.backlog = Backlog([member], dict(backlog.owed), backlog.closing)
        if not members:
            return
        owed = backlog.owed
        if owed:
            chunk = dict([owed.popitem() for _ in range(min(SLICE, len(owed)))])
            packed = self.rib.state(chunk)
            if packed:
                self._deliver(packed, members)
            self._soon(backlog)
            return
        for member in members:
            member.backlog = None
            if backlog.closing:
                member.outlet.send_closing(backlog.closing)
        backlog.members = []

    @staticmethod
    def _deliver(packed: list[Packed], members: list[Member]) -> None:
        """Write the messages to the members, but to none what it must not get (``skip``, ``only``)."""
        common = [message for message in packed if message.only is None]
        whole = b"".join([message.octets for message in common])
        total = sum([message.messages for message in common])
        holes: dict[object, list[tuple[int, int, int]]] = {}
        position = 0
        for octets, count, skip, _ in common:
            end = position + len(octets)
            if skip is not None:
                holes.setdefault(skip, []).append((position, end, count))
            position = end
        private: dict[object, list[Packed]] = {}
        for message in packed:
            if message.only is not None:
                private.setdefault(message.only, []).append(message)
        view = memoryview(whole)
        for member in members:
            own, extra = holes.get(member.peer), private.get(member.peer)
            if own is None and extra is None:
                if whole:
                    member.outlet.send_updates([whole], total)
                continue
            pieces: list[bytes | memoryview] = []
            count, position = total, 0
            for start, end, messages in own or ():
                if start > position:
                    pieces.append(view[position:start])
                position = end
                count -= messages
            if position < len(whole):
                pieces.append(view[position:])
            for message in extra or ():
                pieces.append(message.octets)
                count += message.messages
            if pieces:
                member.outlet.send_updates(pieces, count)
