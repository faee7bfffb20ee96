"""An update group with members in memory: what they were sent is decoded and kept as a peer would keep it."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from bgpd.families import IPV4_UNICAST, Family
from bgpd.identity import BgpIdentifier, PeerType
from bgpd.messages.attributes.block import parse
from bgpd.messages.framing import Framer, MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.update import decode
from bgpd.reflector.attributes import reflected
from bgpd.rib.add_path import AddPathRibOut
from bgpd.rib.adj_rib_out import AdjRibOut, Exporter
from bgpd.rib.changes import sort_by_path
from bgpd.rib.export import Exported, ExportRule, NextHopMode, refusal, rewrite
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import Path
from bgpd.rib.splice import Splice, never
from bgpd.rib.update_group import Member, UpdateGroup
from tests.support.paths import LOCAL_ASN, LOCAL_IDENTIFIER, negotiated

SELF = bytes((10, 0, 0, 1))


def export_rule(
    peer_type: PeerType = PeerType.INTERNAL,
    *,
    family: Family = IPV4_UNICAST,
    is_client: bool = False,
    cluster_id: int | None = None,
    next_hop_mode: NextHopMode = NextHopMode.AUTO,
    next_hop_self: bytes = SELF,
    four_octet_as: bool = True,
    max_message: int = 4096,
    denies_all: bool = False,
    path_limit: int | None = None,
) -> ExportRule:
    return ExportRule(
        family,
        peer_type,
        is_client,
        None if cluster_id is None else BgpIdentifier(cluster_id),
        LOCAL_ASN,
        LOCAL_IDENTIFIER,
        next_hop_mode,
        next_hop_self,
        may_use_ipv6_next_hop=False,
        four_octet_as=four_octet_as,
        max_message=max_message,
        denies_all=denies_all,
        path_limit=path_limit,
    )


class PlainExporter:
    """Export rules alone, and a verdict for each prefix where ``withheld`` is given: the oracle's rules too."""

    def __init__(self, rule: ExportRule, withheld: Callable[[bytes], bool] | None = None) -> None:
        self.rule = rule
        self.withheld = withheld
        self.judges_prefixes = withheld is not None
        self.message: Splice = never
        self._memo: dict[Path, Exported] = {}

    def permits(self, path: Path) -> bool:
        return not refusal(path, self.rule)

    def export(self, path: Path) -> Exported | None:
        if refusal(path, self.rule):
            return None
        if path not in self._memo:
            self._memo[path] = rewrite(path, path.attributes, self.rule, reflected)
        return self._memo[path]

    def judge(self, path: Path, prefix: bytes) -> Exported | None:
        return None if self.refusal(path, prefix) else self.export(path)

    def refusal(self, path: Path, prefix: bytes) -> str:
        if self.withheld is not None and self.withheld(prefix):
            return "withheld"
        return refusal(path, self.rule)

    def policy(self, path: Path, prefix: bytes) -> str:
        return ""


class Receiver:
    """A peer at the other end.

    table: prefix, behind its path identifier if any → octets of the attributes and next hop. markers: End-of-RIBs.
    """

    def __init__(self, session: Negotiated) -> None:
        self.session = session
        self.is_congested = False
        self.table: dict[bytes, tuple[bytes, bytes]] = {}
        self.markers = 0
        self.messages = 0
        self.needless_withdrawals = 0
        self._framer = Framer(session.max_receive)

    def send_updates(self, pieces: list[bytes | memoryview], count: int) -> None:
        before = self.messages
        for kind, start, end in self._framer.feed(b"".join(pieces)):
            assert kind == MessageType.UPDATE
            self._take(self._framer.buffer, start, end)
        assert self._framer.error is None
        assert self.messages - before == count

    def send_closing(self, octets: bytes) -> None:
        self.send_updates([octets], 1 if octets else 0)

    def _take(self, buffer: bytes, start: int, end: int) -> None:
        self.messages += 1
        update = decode(buffer, start, end, self.session)
        self.markers += update.is_end_of_rib is not None
        gone = update.withdrawn + (update.mp_withdrawn[1] if update.mp_withdrawn else [])
        for key in gone:
            self.needless_withdrawals += self.table.pop(key, None) is None
        if update.announced:
            attributes = parse(update.attributes, self.session, None)
            self.table.update(dict.fromkeys(update.announced, (attributes.octets, attributes.next_hop)))
        if update.mp_announced:
            _, next_hop, keys = update.mp_announced
            attributes = parse(update.attributes, self.session, next_hop)
            self.table.update(dict.fromkeys(keys, (attributes.octets, next_hop)))


class GroupBench:
    """A Loc-RIB with update groups, one at first; time stands still until ``settle``."""

    def __init__(self, rule: ExportRule, withheld: Callable[[bytes], bool] | None = None) -> None:
        self.rib = LocRib(rule.family, lambda: None)
        self._ready: deque[Callable[[], None]] = deque()
        self.groups: list[UpdateGroup] = []
        self.group = self.another(rule, withheld)
        self.receivers: dict[object, Receiver] = {}
        self.members: dict[object, Member] = {}
        self.group_of: dict[object, UpdateGroup] = {}
        remote = LOCAL_ASN if rule.peer_type is PeerType.INTERNAL else 65001
        session = negotiated(rule.family, remote_asn=remote, four_octet_as=rule.four_octet_as)
        with_ids = frozenset() if rule.path_limit is None else frozenset({rule.family})
        self._session = replace(session, add_path_receive=with_ids)

    def another(self, rule: ExportRule, withheld: Callable[[bytes], bool] | None = None) -> UpdateGroup:
        """Return a new group."""
        kind = AdjRibOut if rule.path_limit is None else AddPathRibOut
        out = kind(rule, PlainExporter(rule, withheld), self.rib)
        for _ in out.counting():
            pass
        group = UpdateGroup(out, self._ready.append, self._ready.append)
        self.groups.append(group)
        return group

    @property
    def exporter(self) -> Exporter:
        return self.group.rib.exporter

    def join(self, token: object, closing: bytes = b"") -> Receiver:
        receiver = self.receivers[token] = Receiver(self._session)
        member = self.members[token] = Member(token, receiver)
        self.group_of[token] = self.group
        self.group.join(member, closing)
        return receiver

    def leave(self, token: object) -> None:
        self.group_of[token].leave(token)
        del self.receivers[token]

    def move(self, token: object, group: UpdateGroup) -> None:
        """Put a member into another group."""
        if self.group_of[token] is not group:
            group.take_over(self.members[token], self.group_of[token])
            self.group_of[token] = group

    def flush(self) -> None:
        if self.rib.has_changes:
            batch = sort_by_path(self.rib.take_changes(), self.rib.table)
            for group in self.groups:
                group.flush(batch)

    def turn(self) -> None:
        """Run what is ready now, not what that makes ready."""
        for _ in range(len(self._ready)):
            self._ready.popleft()()

    def drain(self, token: object) -> None:
        if self.receivers[token].is_congested:
            self.receivers[token].is_congested = False
            self.group_of[token].drained(self.members[token])

    def settle(self) -> None:
        for token in self.receivers:
            self.drain(token)
        self.flush()
        while self._ready:
            self.turn()

    def expected(self, token: object) -> dict[bytes, Exported]:
        """Return what the member must hold, worked out plainly."""
        rib = self.group_of[token].rib
        limit = rib.rule.path_limit
        found: dict[bytes, Exported] = {}
        for prefix, candidates in self.rib.table.items():
            paths = candidates[:1] if limit is None else candidates
            usable = [p for p in paths if p.source.peer != token and not rib.exporter.refusal(p, prefix)]
            for path in usable[: limit or None]:
                exported = rib.exporter.export(path)
                assert exported is not None
                path_id = b"" if limit is None else path.source.number.to_bytes(4)
                assert path_id + prefix not in found
                found[path_id + prefix] = exported
        return found

    def assert_told(self) -> None:
        """Each member holds what it must, and was never sent a withdrawal of something that it did not hold."""
        for token, receiver in self.receivers.items():
            expected = self.expected(token)
            assert set(receiver.table) == set(expected)
            for key, (octets, next_hop) in receiver.table.items():
                assert octets == expected[key].octets
                assert not expected[key].next_hop or next_hop == expected[key].next_hop
            assert self.group_of[token].rib.advertised(token) == len(expected)
            assert receiver.needless_withdrawals == 0
            assert self.members[token].backlog is None
