"""Who reflects in a mesh that elects its reflectors, and which sessions follow from that.

A role has a number, from 0 on, and a holder. Each member of the mesh has a mode: as long as it is MESH, it has sessions
with all others; REFLECTED says that it knows all routes through reflectors and needs none but those. A session goes
when neither end needs it, so nobody loses one on another's word. Nodes that do not take part are no members, and count
as MESH. All reflectors have one cluster identifier, so they are no clients of each other, and every member peers with
all of them (RFC 4456 section 7). One that is still building its sessions does not reflect yet: with the identifier it
would refuse what the others reflect to it, which may be all that it has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import Final

from bgpd.identity import BgpIdentifier
from bgpd.records import dataclass

CLUSTER_ID: Final = BgpIdentifier(0xF0_00_00_01)  # 240.0.0.1: of the reserved block, so it is nobody's identifier


class Phase(Enum):
    """How far a reflector is: its sessions are built, it serves, it waits until nobody needs it."""

    PREPARING = "preparing"
    SERVING = "serving"
    RETIRING = "retiring"


class Mode(Enum):
    """Which sessions a member needs."""

    MESH = "mesh"
    REFLECTED = "reflected"


@dataclass(frozen=True, slots=True)
class Role:
    """A role that somebody has."""

    holder: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Member:
    """A node that takes part. is_whole: in MESH, it has all that it needs to do without reflectors."""

    mode: Mode = Mode.MESH
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """All that the nodes have told each other.

    roles: by number. members: by node. alive: those that live, and whether they would reflect.
    """

    roles: Mapping[int, Role] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    alive: Mapping[str, bool] = field(default_factory=dict)

    def number_of(self, node: str) -> int | None:
        """Return the number of a node's role, None = it has none; of several the first, whichever view shows them."""
        return min((number for number, role in self.roles.items() if role.holder == node), default=None)

    def is_reflector(self, node: str) -> bool:
        """Has the node a role, in whatever phase?"""
        return any(role.holder == node for role in self.roles.values())

    def reflects(self, node: str) -> bool:
        """Does the node reflect?"""
        return any(role.holder == node and role.phase is not Phase.PREPARING for role in self.roles.values())

    def mode_of(self, node: str) -> Mode:
        """Return a node's mode."""
        return self.members[node].mode if node in self.members else Mode.MESH

    def wants_session(self, one: str, other: str) -> bool:
        """Do two nodes of the mesh need a session with each other?"""
        if Mode.MESH in (self.mode_of(one), self.mode_of(other)):
            return True
        return self.is_reflector(one) or self.is_reflector(other)

    def is_client(self, me: str, other: str) -> bool:
        """Is the other one a client of ours?"""
        return self.reflects(me) and not self.reflects(other)

    def living(self, *phases: Phase) -> Iterator[tuple[int, Role]]:
        """Yield the roles of these phases whose holders live."""
        for number, role in self.roles.items():
            if role.phase in phases and role.holder in self.alive:
                yield number, role


NO_ROLES: Final = Roles()
