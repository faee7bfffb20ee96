"""Speakers with update groups in virtual time: what they tell one another, and when.

RFC 4271 9.1 and 9.2, RFC 4456. A **bundle** is routes of nodes that share their fate (all nodes of a rack), each node
with one path. A **leaf** is a number of alike nodes: it is simulated once, and counts as many times as it has nodes.
A speaker takes what has arrived (one flush of our daemon), changes its tables, encodes each changed path once for each
group, and writes to one member after the other; what arrives meanwhile waits for the next flush. Seconds, octets.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from bench.scaling.costs import Costs

WITHDRAWN_AT_ONCE = 814  # /26 prefixes that one UPDATE withdraws


@dataclass(frozen=True, slots=True)
class Bundle:
    """Routes of nodes that share their fate. home: their leaf. prefixes: of each path."""

    name: str
    home: str
    paths: int
    prefixes: int


@dataclass(frozen=True, slots=True)
class Told:
    """A bundle as a peer tells of it. clusters: its CLUSTER_LIST; None = withdrawn."""

    sender: "Speaker"
    bundle: Bundle
    clusters: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The session with a peer is gone."""

    sender: "Speaker"


@dataclass(slots=True, eq=False)
class Speaker:
    """A node, several alike ones (a leaf), or a reflector. rank: what decides between equal paths; lower wins.

    candidates: for each bundle, who told of it with which CLUSTER_LIST. received: UPDATEs, of one of the alike nodes;
    sent: by all of them. busy: CPU seconds.
    """

    name: str
    rank: int
    nodes: int = 1
    is_reflector: bool = False
    own: Bundle | None = None
    peers: list["Speaker"] = field(default_factory=list)
    clients: set["Speaker"] = field(default_factory=set)
    candidates: dict[Bundle, dict["Speaker", tuple[str, ...]]] = field(default_factory=dict)
    inbox: list[Told | Lost] = field(default_factory=list)
    is_scheduled: bool = False
    is_gone: bool = False
    free_at: float = 0.0
    busy: float = 0.0
    received: int = 0
    sent: int = 0
    octets_sent: int = 0

    def best(self, bundle: Bundle) -> "Speaker | None":
        """Return who told of the best path: the shortest CLUSTER_LIST, then the lowest rank."""
        there = self.candidates.get(bundle)
        if not there:
            return None
        return min(there, key=lambda sender: (len(there[sender]), sender.rank))

    def sessions(self) -> int:
        """Return the sessions of one of the alike nodes."""
        return sum(peer.nodes for peer in self.peers)

    def paths(self) -> int:
        """Return the paths that one of the alike nodes holds, its own one too."""
        held = sum(_seen(bundle, self) for bundle, there in self.candidates.items() for _ in there)
        return held + (1 if self.own else 0)

    def prefixes(self) -> int:
        """Return the prefixes that one of the alike nodes knows."""
        known = sum(_seen(bundle, self) * bundle.prefixes for bundle, there in self.candidates.items() if there)
        return known + (self.own.prefixes if self.own else 0)

    def memory(self, costs: Costs) -> int:
        """Return the octets that the daemon needs."""
        tables = self.paths() * costs.path_memory + self.prefixes() * costs.prefix_memory
        return costs.base_memory + tables + self.sessions() * costs.session_memory


def join(one: Speaker, other: Speaker) -> None:
    """Put a session between two speakers of which none is the other's client."""
    one.peers.append(other)
    other.peers.append(one)


def join_client(reflector: Speaker, client: Speaker) -> None:
    """Put a session between a reflector and its client, which may be a reflector too."""
    join(reflector, client)
    reflector.clients.add(client)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the best path of a bundle: who told of it before and now."""

    bundle: Bundle
    before: Speaker | None
    after: Speaker | None
    clusters: tuple[str, ...]


class Simulation:
    """Speakers that work. now: seconds. settled: when the last node learned of a bundle, or lost it."""

    def __init__(self, speakers: Iterable[Speaker], costs: Costs) -> None:
        self.speakers = list(speakers)
        self.costs = costs
        self.now = 0.0
        self.settled = 0.0
        self._numbers = count()
        self._queue: list[tuple[float, int, Speaker, tuple[Told | Lost, ...]]] = []

    def announce(self, speaker: Speaker, bundle: Bundle) -> None:
        """Let a leaf tell all its peers of routes of its own."""
        for peer in speaker.peers:
            self._deliver(self.now, peer, (Told(speaker, bundle, ()),), sender=speaker)

    def withdraw(self, speaker: Speaker, bundle: Bundle) -> None:
        """Let a leaf take routes of its own back."""
        for peer in speaker.peers:
            self._deliver(self.now, peer, (Told(speaker, bundle, None),), sender=speaker)

    def fail(self, *gone: Speaker) -> None:
        """End speakers; their peers notice now."""
        for speaker in gone:
            speaker.is_gone = True
        for speaker in gone:
            for peer in speaker.peers:
                peer.peers = [each for each in peer.peers if each is not speaker]
                if not peer.is_gone:
                    self._push(self.now, peer, (Lost(speaker),))
        self.speakers = [speaker for speaker in self.speakers if not speaker.is_gone]

    def run(self) -> None:
        """Let everything happen, until nothing is left to be said."""
        while self._queue:
            self.now, _, speaker, arrived = heapq.heappop(self._queue)
            if speaker.is_gone:
                continue
            if arrived:
                speaker.inbox += arrived
                self._schedule(speaker)  # behind what else arrives at this moment
            else:
                speaker.is_scheduled = False
                self._flush(speaker)

    def forget_counts(self) -> None:
        """Count anew from here, at time 0."""
        for speaker in self.speakers:
            speaker.received = speaker.sent = speaker.octets_sent = 0
            speaker.busy = 0.0
            speaker.free_at = 0.0
        self.now = self.settled = 0.0

    def _schedule(self, speaker: Speaker) -> None:
        if not speaker.is_scheduled:
            speaker.is_scheduled = True
            self._push(max(self.now, speaker.free_at), speaker, ())

    def _flush(self, speaker: Speaker) -> None:
        costs, spent = self.costs, 0.0
        before: dict[Bundle, tuple[Speaker | None, tuple[str, ...]]] = {}
        taken, read = 0, 0
        for item in speaker.inbox:
            if read >= costs.tick:
                break
            taken += 1
            for bundle in _touched(speaker, item):
                if bundle not in before:
                    best = speaker.best(bundle)
                    before[bundle] = best, speaker.candidates[bundle][best] if best else ()
            amount = _apply(speaker, item)
            read += amount
            spent += amount * costs.receive
        del speaker.inbox[:taken]
        changes = list(_changes(speaker, before))
        if speaker.is_reflector:
            spent = self._tell(speaker, changes, spent)
        elif any((change.before is None) is not (change.after is None) for change in changes):
            self.settled = max(self.settled, self.now + spent)
        speaker.busy += spent
        speaker.free_at = self.now + spent
        if speaker.inbox:
            self._schedule(speaker)

    def _tell(self, speaker: Speaker, changes: list[Change], spent: float) -> float:
        """Write what changed to the members, one after the other; return the seconds spent, with those before."""
        costs = self.costs
        groups = len({peer in speaker.clients for peer in speaker.peers})
        spent += groups * costs.encode * sum(change.bundle.paths for change in changes)
        for peer in speaker.peers:
            items = tuple(item for change in changes for item in _told(speaker, peer, change))
            if items:
                spent += peer.nodes * (costs.write + self._octets(items, peer) * costs.octet)
                self._deliver(self.now + spent, peer, items, sender=speaker)
        return spent

    def _deliver(self, moment: float, to: Speaker, items: tuple[Told, ...], sender: Speaker) -> None:
        sender.sent += sum(_messages(item, to) for item in items) * to.nodes
        sender.octets_sent += self._octets(items, to) * to.nodes
        self._push(moment + self.costs.latency, to, items)

    def _octets(self, items: Iterable[Told], to: Speaker) -> int:
        costs = self.costs
        total = 0
        for item in items:
            head = costs.message if item.clusters is not None else 23
            total += _messages(item, to) * head + _seen(item.bundle, to) * item.bundle.prefixes * costs.prefix
        return total

    def _push(self, moment: float, speaker: Speaker, arrived: tuple[Told | Lost, ...]) -> None:
        heapq.heappush(self._queue, (moment, next(self._numbers), speaker, arrived))


def _seen(bundle: Bundle, speaker: Speaker) -> int:
    """Return how many paths of a bundle one node of a speaker is told: its own one is not told to it."""
    if bundle.home != speaker.name:
        return bundle.paths
    return math.ceil(bundle.paths * (speaker.nodes - 1) / speaker.nodes)


def _messages(item: Told, to: Speaker) -> int:
    """Return the UPDATEs that one node gets. Each node's path has its own message, also when it is withdrawn."""
    seen = _seen(item.bundle, to)
    return seen if item.clusters is not None else seen * math.ceil(item.bundle.prefixes / WITHDRAWN_AT_ONCE)


def _touched(speaker: Speaker, item: Told | Lost) -> list[Bundle]:
    if isinstance(item, Told):
        return [item.bundle]
    return [bundle for bundle, there in speaker.candidates.items() if item.sender in there]


def _apply(speaker: Speaker, item: Told | Lost) -> int:
    """Change the tables; return how many paths that were."""
    if isinstance(item, Lost):
        amount = 0
        for bundle in _touched(speaker, item):
            del speaker.candidates[bundle][item.sender]
            amount += _seen(bundle, speaker)
        return amount
    amount = _seen(item.bundle, speaker)
    speaker.received += _messages(item, speaker)
    there = speaker.candidates.setdefault(item.bundle, {})
    if item.clusters is None or speaker.name in item.clusters:  # RFC 4456 8: our own cluster, a loop
        there.pop(item.sender, None)
    else:
        there[item.sender] = item.clusters
    return amount


def _changes(speaker: Speaker, before: dict[Bundle, tuple[Speaker | None, tuple[str, ...]]]) -> Iterator[Change]:
    for bundle, (old, clusters) in before.items():
        new = speaker.best(bundle)
        now = speaker.candidates[bundle][new] if new else ()
        if (old, clusters) != (new, now):
            yield Change(bundle, old, new, now)


def _told(speaker: Speaker, peer: Speaker, change: Change) -> Iterator[Told]:
    """Return what a member is told of a change: nothing of its own, and non-clients nothing of non-clients."""
    had = change.before is not None and _passes(speaker, change.bundle, change.before, peer)
    has = change.after is not None and _passes(speaker, change.bundle, change.after, peer)
    if has:
        yield Told(speaker, change.bundle, (speaker.name, *change.clusters))
    elif had:
        yield Told(speaker, change.bundle, None)


def _passes(speaker: Speaker, bundle: Bundle, source: Speaker, peer: Speaker) -> bool:
    if source is peer and not (bundle.home == source.name and source.nodes > 1):
        return False
    return peer in speaker.clients or source in speaker.clients
