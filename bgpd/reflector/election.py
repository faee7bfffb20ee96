"""The election of reflectors: from what all nodes see, and from one node's sessions, to what that node does next.

Each node decides for itself by the same rules. Who gets a free role follows from the names and labels of those that
live; a role is taken with a transaction, so it has one holder whatever two nodes believe. Holders stay as long as they
live and are needed. Nobody gives up a session or a role before what takes its place is there:

* growing: a holder builds its sessions (PREPARING), then reflects (SERVING). A member turns to REFLECTED when all
  reflectors serve, its sessions with them are up, and no route of its own table rests on sessions that would go.
* shrinking: holders are RETIRING, members turn to MESH, and are whole when none of their routes comes from a reflector
  alone. Holders leave when all are whole.
* a holder that dies: the others carry on; its role is taken anew. Its routes are stale, not gone (RFC 4724).
* no holder to be reached for long, as where nobody would be one any more: a member turns to MESH by itself.

Times are seconds on one clock.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from bgpd.records import dataclass
from bgpd.reflector.roles import Member, Mode, Phase, Role, Roles

GRACE: Final = 3.0  # that a role is free, or its holder away, before it is taken
TURN: Final = 5.0  # more for each one that does not take it
ALONE: Final = 30.0  # that a member reaches no reflector before it turns to the mesh


@dataclass(frozen=True, slots=True)
class Rules:
    """When and how many. above: nodes that a mesh may have. count: reflectors. is_candidate: would we be one?"""

    above: int
    count: int
    is_candidate: bool = True

    @property
    def below(self) -> int:
        """At so many nodes a mesh does again; less than ``above``, so that one node does not move all to and fro."""
        return self.above - max(1, self.above // 5)


@dataclass(frozen=True, slots=True)
class MeshNode:
    """A node of the mesh. place: value of the label, empty = it has none. addresses: 4 or 16 octets."""

    place: str
    addresses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MeshView:
    """The mesh as one node sees it. rules: None = we do not take part. nodes: those listed, by name.

    is_drained: an operator has taken us out, so our sessions are closed, or will be.
    """

    me: str
    rules: Rules | None
    nodes: Mapping[str, MeshNode]
    roles: Roles
    is_drained: bool = False


class Sessions(Protocol):
    """What is asked about our sessions, nodes by name. Some answers take a look at the whole table."""

    def are_up(self, nodes: Collection[str]) -> bool:
        """Are all sessions with these nodes up, and have they told all?"""

    def reaches_any(self, nodes: Collection[str]) -> bool:
        """Is a session with some of these nodes up, whatever it has told?"""

    def rests_on(self, nodes: Collection[str]) -> bool:
        """Does some prefix have no path but over sessions with these nodes?"""

    def rests_on_reflection(self, reflectors: Collection[str]) -> bool:
        """Does some prefix have no path but what these reflectors pass on?"""

    def has_any(self, nodes: Collection[str]) -> bool:
        """Are there sessions, up or not, with some of these nodes?"""


@dataclass(frozen=True, slots=True)
class Take:
    """Take a role. former: whose it was, empty = nobody's."""

    number: int
    former: str


@dataclass(frozen=True, slots=True)
class Proceed:
    """Our role is in another phase."""

    number: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class Drop:
    """A role goes: ours, or that of a node that is dead and is not replaced."""

    number: int
    holder: str


@dataclass(frozen=True, slots=True)
class Declare:
    """Our mode is another; None = we are no member any more."""

    member: Member | None


@dataclass(frozen=True, slots=True)
class Forget:
    """A member is no node of the cluster any more."""

    node: str


Deed = Take | Proceed | Drop | Declare | Forget


class Election:
    """One node's part in it."""

    def __init__(self) -> None:
        self._free_since: dict[int, float] = {}
        self._alone_since: float | None = None
        self._taken: int | None = None  # the role that we last went for
        self._taken_at = 0.0

    def interrupted(self) -> None:
        """We did not see the cluster for a while: what was free may not have been so all the time."""
        self._free_since.clear()
        self._alone_since = None

    def step(self, view: MeshView, sessions: Sessions, now: float) -> list[Deed]:
        """Return what to do now, in order; each deed shows in a later view, and is asked for again until then."""
        view = _of_those_listed(view)
        mode = Declare(Member()) if self._is_alone(view, sessions, now) else _mode(view, sessions)
        return [*([] if mode is None else [mode]), *self._roles(view, sessions, now), *_forgotten(view)]

    def _is_alone(self, view: MeshView, sessions: Sessions, now: float) -> bool:
        """Are we one that lives by reflectors, and have reached none for too long?"""
        roles = view.roles
        reflectors = {role.holder for _, role in roles.living(Phase.PREPARING, Phase.SERVING)}
        if (
            view.rules is None
            or view.is_drained
            or roles.mode_of(view.me) is Mode.MESH
            or view.me in reflectors
            or sessions.reaches_any(reflectors)
        ):
            self._alone_since = None
            return False
        if self._alone_since is None:
            self._alone_since = now
        return now - self._alone_since >= ALONE

    def _roles(self, view: MeshView, sessions: Sessions, now: float) -> Iterator[Deed]:
        roles = view.roles
        own = roles.number_of(view.me)
        if own is not None:
            yield from _of_too_many(view, own)
            yield from _as_holder(view, own, roles.roles[own].phase, sessions)
        if view.rules is None or view.me not in roles.alive:
            self._free_since.clear()
            return
        wanted = range(view.rules.count) if _is_needed(view, view.rules) else range(0)
        free = [number for number in sorted({*wanted, *roles.roles}) if _is_free(roles, number)]
        self._free_since = {number: self._free_since.get(number, now) for number in free}
        ripe = [number for number in free if now - self._free_since[number] >= GRACE]
        living = sorted(roles.alive)
        for number in ripe:
            if number not in wanted:
                patience = GRACE + TURN * living.index(view.me)
                if now - self._free_since[number] >= patience:
                    yield Drop(number, roles.roles[number].holder)
        if own is None and view.rules.is_candidate:
            yield from self._candidacy(view, [number for number in ripe if number in wanted], now)

    def _candidacy(self, view: MeshView, free: list[int], now: float) -> Iterator[Deed]:
        """Take a role if it is our turn: the first ones take one each, others only what those leave too long."""
        queue = candidates(view)
        if not free or view.me not in queue:
            return
        rank = queue.index(view.me)
        number = free[rank % len(free)]
        turns = max(0, rank - len(free) + 1)
        if self._taken not in (None, number) and now - self._taken_at < TURN:
            return  # we may have got that one, and not see it yet
        if now - self._free_since[number] >= GRACE + TURN * turns:
            self._taken, self._taken_at = number, now
            role = view.roles.roles.get(number)
            yield Take(number, "" if role is None else role.holder)


def _of_those_listed(view: MeshView) -> MeshView:
    """Return the view with those dead that are no nodes any more, whatever they still say."""
    alive = {name: would for name, would in view.roles.alive.items() if name in view.nodes}
    return replace(view, roles=replace(view.roles, alive=alive))


def candidates(view: MeshView) -> list[str]:
    """Return who may take a role, in the order in which they should: as many places as can be, then by name."""
    roles, nodes = view.roles, view.nodes
    crowd: dict[str, int] = {}
    for _, role in roles.living(*Phase):
        if role.holder in nodes:
            place = nodes[role.holder].place
            crowd[place] = crowd.get(place, 0) + 1
    left = sorted(n for n, would in roles.alive.items() if would and n in nodes and not roles.is_reflector(n))
    queue: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in left:
        waiting.setdefault(nodes[name].place, []).append(name)
    while waiting:
        place = min(waiting, key=lambda one: (crowd.get(one, 0), waiting[one][0]))
        queue.append(waiting[place].pop(0))
        crowd[place] = crowd.get(place, 0) + 1
        if not waiting[place]:
            del waiting[place]
    return queue


def _is_needed(view: MeshView, rules: Rules) -> bool:
    """Are there to be reflectors? Where there are some, a few nodes less do not change that."""
    has_some = any(role.phase is not Phase.RETIRING for role in view.roles.roles.values())
    return len(view.nodes) > (rules.below if has_some else rules.above)


def _is_free(roles: Roles, number: int) -> bool:
    role = roles.roles.get(number)
    return role is None or role.holder not in roles.alive


def _of_too_many(view: MeshView, own: int) -> Iterator[Deed]:
    """Drop roles that we took beside our own in late views, but for one in which we reflect before our own does."""
    roles = view.roles.roles
    do_we_reflect = roles[own].phase is not Phase.PREPARING
    for number, role in roles.items():
        if role.holder == view.me and number != own and (do_we_reflect or role.phase is Phase.PREPARING):
            yield Drop(number, view.me)


def _as_holder(view: MeshView, number: int, phase: Phase, sessions: Sessions) -> Iterator[Deed]:
    rules = view.rules
    stays = (
        rules is not None
        and rules.is_candidate
        and number < rules.count
        and view.me in view.nodes
        and _is_needed(view, rules)
    )
    if not stays:
        if phase is Phase.SERVING:
            yield Proceed(number, Phase.RETIRING)
        elif phase is Phase.PREPARING or _is_dispensable(view, sessions):  # nobody rests on one that prepares
            yield Drop(number, view.me)
    elif phase is Phase.RETIRING:
        yield Proceed(number, Phase.SERVING)  # all is as it was
    elif phase is Phase.PREPARING and _needs_no_reflectors(view, sessions):
        yield Proceed(number, Phase.SERVING)


def _is_dispensable(view: MeshView, sessions: Sessions) -> bool:
    """May we stop to reflect? Others do it instead, or everybody we have a session with can do without."""
    roles = view.roles
    others = [role for _, role in roles.living(Phase.PREPARING, Phase.SERVING) if role.holder != view.me]
    if others:
        return all(role.phase is Phase.SERVING for role in others)
    for name, member in roles.members.items():
        if name not in view.nodes or roles.is_reflector(name):
            continue
        is_there = name in roles.alive or sessions.are_up((name,))  # one that etcd has lost may still route
        if is_there and not (member.mode is Mode.MESH and member.is_whole):
            return False
    return True


def _mode(view: MeshView, sessions: Sessions) -> Declare | None:
    """Return our new mode, None = it stays."""
    roles, me = view.roles, view.me
    own = roles.members.get(me)
    if view.rules is None:
        if own is None:
            return None
        return Declare(None)
    serving = {role.holder for _, role in roles.living(Phase.SERVING)}
    is_settled = bool(serving) and not any(roles.living(Phase.PREPARING))
    if roles.is_reflector(me):
        return None if own is not None and own.mode is Mode.MESH else Declare(Member())
    if own is None or own.mode is Mode.MESH:
        leaving = {name for name in roles.members if name in view.nodes and not roles.is_reflector(name) and name != me}
        has_nothing = own is None and not sessions.has_any(leaving)  # to lose: it is new
        if view.is_drained:
            has_nothing = not sessions.reaches_any(leaving)
        if is_settled and (has_nothing or (sessions.are_up(serving) and not sessions.rests_on(leaving))):
            return Declare(Member(Mode.REFLECTED))
        if own is None:
            return Declare(Member())
        is_ending = bool(roles.roles) and all(role.phase is Phase.RETIRING for role in roles.roles.values())
        if is_ending and not own.is_whole and _needs_no_reflectors(view, sessions):
            return Declare(Member(is_whole=True))
        return None
    is_over = all(role.phase is Phase.RETIRING for role in roles.roles.values())
    return Declare(Member()) if is_over else None


def _needs_no_reflectors(view: MeshView, sessions: Sessions) -> bool:
    """Have we sessions with all that live and stay, and all routes from their own nodes?"""
    roles = view.roles
    leaving = {role.holder for role in roles.roles.values() if role.phase is Phase.RETIRING}  # may have closed theirs
    living = {name for name in roles.members if name in roles.alive and name in view.nodes and name != view.me}
    reflecting = {role.holder for role in roles.roles.values() if role.phase is not Phase.PREPARING}
    return sessions.are_up(living - leaving) and not sessions.rests_on_reflection(reflecting - {view.me})


def _forgotten(view: MeshView) -> Iterator[Deed]:
    """Yield the members to forget; the first of the living does it."""
    if view.rules is not None and view.me == min(view.roles.alive, default=""):
        for name in view.roles.members:
            if name not in view.nodes:
                yield Forget(name)


def described(view: MeshView) -> str:
    """Return a node's part in the mesh, for people; empty = it has none."""
    role: Role | None = next((role for role in view.roles.roles.values() if role.holder == view.me), None)
    if role is not None:
        return f"reflector, {role.phase.value}"
    if view.rules is None or view.me not in view.roles.members:
        return ""
    if view.roles.mode_of(view.me) is Mode.MESH:
        return "mesh"
    return f"client of {', '.join(sorted(role.holder for role in view.roles.roles.values())) or 'nobody'}"
