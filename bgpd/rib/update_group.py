"""An update group: peers that must be sent the same octets, which are encoded once and written to each of them.

RFC 4271 9.2. Hot. A member is in the stream, or behind. One that is behind (new, slow, or asking for a refresh) keeps
the set of prefixes that it is owed, each with what the Loc-RIB had when the member was last told of it: that says what
it holds. It is told their state as of the last flush, slice by slice, when it can take more, and is in the stream again
when it is owed nothing. So a slow peer holds no messages, and neither it nor a full table holds up the others. Members
that come up together are behind together and share the encoding too.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.changes import Batch
from bgpd.rib.packing import Packed
from bgpd.rib.path import Candidates

SLICE: Final = 2500  # routes told to members that are behind, in one go: about 20 ms if each has its own path


class Outlet(Protocol):
    """Where a member's octets go."""

    @property
    def is_congested(self) -> bool:
        """Has the peer so much unread that it should get no more? The group hears ``drained`` when that is over."""

    def send_updates(self, pieces: list[bytes | memoryview], count: int) -> None:
        """Write that many UPDATE messages, in order."""

    def send_closing(self, octets: bytes) -> None:
        """Write the messages that end a backlog, b"" = none; all is told now."""


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
        return len(self.backlog) if self.backlog else 0

    def is_owed(self, prefix: bytes) -> bool:
        """Has the member still to be told of this prefix?"""
        return self.backlog is not None and prefix in self.backlog


class Backlog:
    """What members that are behind together are owed, and the message that ends it (End-of-RIB, EoRR; may be empty).

    owed: prefix → the candidates that they know of (None = they were told nothing). inherited: the same for what other
    groups told the members, each with the Adj-RIB-Out that knows what came out of these candidates there.
    """

    __slots__ = ("closing", "inherited", "is_scheduled", "members", "owed")

    def __init__(self, members: list[Member], owed: dict[bytes, Candidates | None], closing: bytes) -> None:
        self.members = members
        self.owed = owed
        self.inherited: list[tuple[AdjRibOut, dict[bytes, Candidates | None]]] = []
        self.closing = closing
        self.is_scheduled = False

    def __len__(self) -> int:
        return len(self.owed) + sum(len(owed) for _, owed in self.inherited)

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self.owed or any(prefix in owed for _, owed in self.inherited)

    def add(self, before: Mapping[bytes, Candidates | None]) -> None:
        """Owe the members what has changed; what they are owed already they know as it was then."""
        note = self.owed.setdefault
        for prefix, old in before.items():
            note(prefix, old)
        for _, owed in self.inherited:
            for prefix in owed.keys() & before.keys():
                self.owed.pop(prefix, None)

    def split_off(self, member: Member) -> "Backlog":
        """Return a backlog of its own for a member that cannot go on with the others."""
        alone = Backlog([member], dict(self.owed), self.closing)
        alone.inherited = self.inheritance()
        return alone

    def inheritance(self) -> list[tuple[AdjRibOut, dict[bytes, Candidates | None]]]:
        """Return what is inherited, for another backlog: each is taken from in its own time."""
        return [(former, dict(owed)) for former, owed in self.inherited]

    def take(self, own: AdjRibOut, count: int) -> tuple[AdjRibOut, dict[bytes, Candidates | None]]:
        """Take so many prefixes out, with the Adj-RIB-Out by which they were told; an empty one = all is told."""
        while self.inherited:
            former, owed = self.inherited[-1]
            if owed:
                return former, _slice(owed, count)
            self.inherited.pop()
        return own, _slice(self.owed, count)


def _known(rib: AdjRibOut) -> dict[bytes, Candidates | None]:
    """Return what members that are up to date know of."""
    # A copy that nobody else has, so it may be given a wider type
    return cast("dict[bytes, Candidates | None]", rib.loc_rib.before_changes())


def _slice(owed: dict[bytes, Candidates | None], count: int) -> dict[bytes, Candidates | None]:
    return dict([owed.popitem() for _ in range(min(count, len(owed)))])


Schedule = Callable[[Callable[[], None]], object]


class UpdateGroup:
    """The members that share one Adj-RIB-Out.

    schedule: runs a callable soon, after what is ready now. schedule_dump: the same for the start of a dump, which may
    be put off so that others share it.
    """

    __slots__ = ("_fresh", "_moved", "_schedule", "_schedule_dump", "members", "rib")

    def __init__(self, rib: AdjRibOut, schedule: Schedule, schedule_dump: Schedule) -> None:
        self.rib = rib
        self.members: dict[object, Member] = {}
        rib.members = self.members
        self._schedule = schedule
        self._schedule_dump = schedule_dump
        self._fresh: Backlog | None = None  # not begun yet: who comes now shares it
        self._moved: tuple[Backlog, AdjRibOut] | None = None  # the same, of those that come from one other group

    def join(self, member: Member, closing: bytes) -> None:
        """Take a member that has yet to be told everything; closing: sent when it has been."""
        self.members[member.peer] = member
        # One whose members have all left was not told of the changes since
        if self._fresh is None or self._fresh.closing != closing or not self._fresh.members:
            self._fresh = Backlog([], dict[bytes, Candidates | None](self.rib.loc_rib.prefixes()), closing)
            fresh = self._fresh
            fresh.is_scheduled = True
            self._schedule_dump(lambda: self._pump(fresh))
        self._fresh.members.append(member)
        member.backlog = self._fresh

    def take_over(self, member: Member, former: "UpdateGroup") -> None:
        """Take a member from another group of the family: it learns what it is told here, and forgets the rest."""
        backlog = member.backlog
        former.leave(member.peer)
        self.members[member.peer] = member
        if backlog is None and self._moved is not None and self._moved[1] is former.rib and self._moved[0].members:
            member.backlog = self._moved[0]  # it knows what the others of that group know
            member.backlog.members.append(member)
            return
        known = _known(former.rib)
        moved = Backlog([member], {}, backlog.closing if backlog is not None else b"")
        if backlog is not None:
            moved.inherited = backlog.inheritance()
            for _, owed in backlog.inherited:
                for prefix in owed:
                    known.pop(prefix, None)
            known |= backlog.owed
        moved.inherited.append((former.rib, known))
        if backlog is None:
            self._moved = (moved, former.rib)
        member.backlog = moved
        self._soon(moved)

    def leave(self, peer: object) -> None:
        """Forget a member."""
        member = self.members.pop(peer, None)
        if member is not None and member.backlog is not None:
            member.backlog.members.remove(member)
            member.backlog = None

    def refresh(self, member: Member, closing: bytes) -> None:
        """Tell a member everything again (RFC 2918, RFC 7313)."""
        owed = _known(self.rib)
        again = Backlog([member], owed, closing)
        behind = member.backlog
        if behind is not None:
            again.closing = behind.closing + closing
            again.inherited = behind.inheritance()
            behind.members.remove(member)
            owed |= behind.owed
            for _, inherited in behind.inherited:
                for prefix in inherited:
                    owed.pop(prefix, None)
        member.backlog = again
        self._soon(again)

    def flush(self, batch: Batch) -> None:
        """Tell the members what changed: those in the stream now, the others in their turn."""
        self._moved = None
        streaming: list[Member] = []
        for member in self.members.values():
            if member.backlog is None:
                streaming.append(member)
        behind = {id(m.backlog): m.backlog for m in self.members.values() if m.backlog is not None}
        for backlog in behind.values():
            backlog.add(batch.changes.before)
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

    def _soon(self, backlog: Backlog) -> None:
        if not backlog.is_scheduled:
            backlog.is_scheduled = True
            self._schedule(lambda: self._pump(backlog))

    def _pump(self, backlog: Backlog) -> None:
        """Tell the members of a backlog the next slice; those that cannot take more go their own way."""
        backlog.is_scheduled = False
        if self._fresh is backlog:
            self._fresh = None
        if self._moved is not None and self._moved[0] is backlog:
            self._moved = None
        members = backlog.members
        for member in [m for m in members if m.outlet.is_congested]:
            if len(members) == 1:
                return  # ``drained`` goes on
            members.remove(member)
            member.backlog = backlog.split_off(member)
        if not members:
            return
        told_by, owed = backlog.take(self.rib, SLICE // self.rib.routes_per_prefix or 1)
        if owed:
            packed = self.rib.state(owed, told_by)
            if packed:
                self._deliver(packed, members)
            self._soon(backlog)
            return
        for member in members:
            member.backlog = None
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
        for several in [skip for skip in holes if isinstance(skip, frozenset)]:
            spans = holes.pop(several)
            for peer in several:
                holes[peer] = sorted(holes.get(peer, []) + spans)
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
