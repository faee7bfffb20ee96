"""Many nodes that elect reflectors, as a model in virtual time: a store that each sees late, sessions, routes.

Sessions come up a while after both ends want them and go at once; a route is known directly, or passed on by a node
that reflects, a while after that. What a node knew of a peer that crashed stays, as graceful restart has it. It counts
which routes between living nodes were there and are gone.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from random import Random

from bgpd.reflector.election import Declare, Deed, Drop, Election, Forget, MeshNode, MeshView, Proceed, Rules, Take
from bgpd.reflector.roles import Member, Phase, Role, Roles

TICK = 0.5  # seconds
LEASE = 10.0
SETUP = 1.0  # until a session that both want is up and has told all
PASS = 6.0  # until what a node reflects is known; longer than all need to agree
STALE = 120.0


@dataclass
class Peer:
    """One node. lag: seconds by which it sees the store late. blind_until: it neither sees nor writes before.

    is_drained: it has closed all its sessions, and looks on.
    """

    name: str
    rules: Rules
    lag: float
    is_listed: bool = True
    is_up: bool = True
    is_drained: bool = False
    blind_until: float = 0.0
    extended_at: float = 0.0
    election: Election = field(default_factory=Election)
    seen: Roles = field(default_factory=Roles)
    listed: frozenset[str] = frozenset()


class MeshModel:
    """All of them. lost: (time, node, node whose route it lost)."""

    def __init__(self, seed: int, rules: Rules) -> None:
        self.now = 0.0
        self.peers: dict[str, Peer] = {}
        self.lost: list[tuple[float, str, str]] = []
        self._rules = rules
        self._random = Random(seed)
        self._roles: dict[int, Role] = {}
        self._members: dict[str, Member] = {}
        self._alive: set[str] = set()
        self._history: list[tuple[float, Roles, frozenset[str]]] = []
        self._wanted_since: dict[frozenset[str], float] = {}
        self._crashed: dict[tuple[str, str], float] = {}  # (who keeps, of whom) → when
        self._routes: set[tuple[str, str]] = set()
        self._passed: dict[tuple[str, str, str], float] = {}  # (at, by, of) → since when

    @property
    def roles(self) -> Roles:
        """What is in the store."""
        return Roles(dict(self._roles), dict(self._members), dict.fromkeys(self._alive, True))

    def add(self, name: str) -> None:
        """A node comes, or one that crashed is back."""
        lag = self._random.uniform(0, 1)
        self.peers[name] = Peer(name, self._rules, lag, extended_at=self.now)
        self._alive.add(name)

    def crash(self, name: str) -> None:
        """A daemon dies."""
        self.peers[name].is_up = False
        for other in self.peers.values():
            if self._is_session(name, other.name):
                self._crashed[other.name, name] = self.now

    def drain(self, name: str, *, is_drained: bool = True) -> None:
        """An operator takes a node out, or brings it back."""
        self.peers[name].is_drained = is_drained

    def unlist(self, name: str) -> None:
        """A node leaves the cluster for good, in order."""
        self.peers[name].is_listed = self.peers[name].is_up = False

    def blind(self, name: str, seconds: float) -> None:
        """A node loses the store, and nothing else."""
        self.peers[name].blind_until = self.now + seconds

    def run(self, seconds: float) -> None:
        """Let time go on."""
        ends = self.now + seconds
        while self.now < ends:
            self._tick()

    def _tick(self) -> None:
        self.now += TICK
        for peer in self.peers.values():
            if not (peer.is_up and peer.blind_until <= self.now):
                continue
            if peer.is_drained and not peer.seen.is_reflector(peer.name):
                self._alive.discard(peer.name)
                continue
            peer.extended_at = self.now
            self._alive.add(peer.name)
        self._alive -= {p.name for p in self.peers.values() if self.now - p.extended_at > LEASE}
        listed = frozenset(peer.name for peer in self.peers.values() if peer.is_listed)
        self._history.append((self.now, self.roles, listed))
        self._history = self._history[-4:]
        living = [peer for peer in self.peers.values() if peer.is_up and peer.blind_until <= self.now]
        for peer in living:
            known = [one for one in self._history if one[0] <= self.now - peer.lag] or self._history[:1]
            _, peer.seen, peer.listed = known[-1]
        self._connect()
        self._route()
        self._random.shuffle(living)
        for peer in living:
            nodes = {name: MeshNode(name[-1:], ()) for name in peer.listed}
            rules = replace(peer.rules, is_candidate=peer.rules.is_candidate and not peer.is_drained)
            seen = MeshView(peer.name, rules, nodes, peer.seen, is_drained=peer.is_drained)
            for deed in peer.election.step(seen, _Sessions(self, peer), self.now):
                self._do(deed, peer)

    def _do(self, deed: Deed, peer: Peer) -> None:
        match deed:
            case Take(number, former):
                present = self._roles.get(number)
                if ("" if present is None else present.holder) == former:
                    self._roles[number] = Role(peer.name, Phase.PREPARING)
            case Proceed(number, phase):
                if number in self._roles and self._roles[number].holder == peer.name:
                    self._roles[number] = Role(peer.name, phase)
            case Drop(number, holder):
                if number in self._roles and self._roles[number].holder == holder:
                    del self._roles[number]
            case Declare(None):
                self._members.pop(peer.name, None)
            case Declare(Member() as member):
                self._members[peer.name] = member
            case Forget(node):
                self._members.pop(node, None)

    def _connect(self) -> None:
        for one in self.peers.values():
            for other in self.peers.values():
                if one.name < other.name:
                    pair = frozenset((one.name, other.name))
                    if all(
                        a.is_up and not a.is_drained and b.name in a.listed and a.seen.wants_session(a.name, b.name)
                        for a, b in ((one, other), (other, one))
                    ):
                        self._wanted_since.setdefault(pair, self.now)
                    else:
                        self._wanted_since.pop(pair, None)

    def _is_session(self, one: str, other: str) -> bool:
        since = self._wanted_since.get(frozenset((one, other)))
        return since is not None and self.now - since >= SETUP

    def _is_kept(self, at: str, of: str) -> bool:
        """Is what a node knew of a peer that crashed still there? Not if it dropped the peer."""
        peer = self.peers[at]
        crashed = self._crashed.get((at, of))
        is_kept = crashed is not None and self.now - crashed < STALE
        return is_kept and of in peer.listed and peer.seen.wants_session(at, of)

    def knows_directly(self, at: str, of: str) -> bool:
        """Has a node a route of another from itself?"""
        return self._is_session(at, of) or self._is_kept(at, of)

    def passers(self, at: str, of: str) -> set[str]:
        """Who passes a node's route on to another one?"""
        return {
            by
            for by in self.peers
            if (since := self._passed.get((at, by, of))) is not None and self.now - since >= PASS
        }

    def _route(self) -> None:
        up = [name for name, peer in self.peers.items() if peer.is_up]
        direct = {
            name: {of for of in self.peers if of != name and self.knows_directly(name, of)} for name in self.peers
        }
        passed: dict[tuple[str, str, str], float] = {}
        for by, passer in self.peers.items():
            if not passer.is_up:
                for key in [key for key in self._passed if key[1] == by and self._is_kept(key[0], by)]:
                    passed[key] = self._passed[key]  # stale
                continue
            if not passer.seen.reflects(by):
                continue
            for at in up:
                if by not in direct[at] or self.peers[at].seen.reflects(at):  # its own cluster identifier
                    continue
                is_client = passer.seen.is_client(by, at)
                for of in direct[by] - {at}:
                    if is_client or passer.seen.is_client(by, of):
                        passed[at, by, of] = self._passed.get((at, by, of), self.now)
        self._passed = passed
        known = [(at, of) for (at, _, of), since in passed.items() if self.now - since >= PASS]
        routes = {(at, of) for at in up for of in direct[at]} | {(at, of) for at, of in known if self.peers[at].is_up}
        for at, of in self._routes - routes:
            if all(self.peers[name].is_up and not self.peers[name].is_drained for name in (at, of)):
                self.lost.append((self.now, at, of))
        self._routes = routes

    def is_complete(self) -> bool:
        """Does every living node know all the others?"""
        up = [name for name, peer in self.peers.items() if peer.is_up and not peer.is_drained]
        return all((at, of) in self._routes for at in up for of in up if at != of)


class _Sessions:
    """One node's answers."""

    def __init__(self, model: MeshModel, peer: Peer) -> None:
        self._model, self._me = model, peer

    def are_up(self, nodes: Collection[str]) -> bool:
        return all(self._model._is_session(self._me.name, node) for node in nodes if node in self._me.listed)

    def has_any(self, nodes: Collection[str]) -> bool:
        seen = self._me.seen
        return any(seen.wants_session(self._me.name, node) for node in nodes if node in self._me.listed)

    def reaches_any(self, nodes: Collection[str]) -> bool:
        return any(self._model._is_session(self._me.name, node) for node in nodes)

    def rests_on(self, nodes: Collection[str]) -> bool:
        me, model = self._me.name, self._model
        leaving = set(nodes) & self._me.listed
        return any(
            model.knows_directly(me, of) and of in leaving and not model.passers(me, of) - leaving
            for of in model.peers
            if of != me
        )

    def rests_on_reflection(self, reflectors: Collection[str]) -> bool:
        me, model = self._me.name, self._model
        return any(
            not model.knows_directly(me, of) and model.passers(me, of) & set(reflectors)
            for of in model.peers
            if of != me
        )
