"""What nodes tell each other in etcd about elected reflectors, below ``/bgpd/v1/reflection/<cluster>/``.

The cluster is the prefix of its other keys, percent-encoded: those that share an etcd elect each for itself. In there,
``roles/<number>`` has its holder and phase, ``members/<node>`` the mode of one that takes part; both outlive their
writers, so that nothing happens where nodes lose etcd. ``alive/<node>`` stands under a lease, and alone says who lives.
All are small JSON documents; what cannot be read counts as absent.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from bgpd.reflector.roles import Member, Mode, Phase, Role, Roles

_START: Final = "/bgpd/v1/reflection/"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,3}")  # written one way only: two keys for a role would hide one another
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError)


class _Role(msgspec.Struct, frozen=True):
    holder: str
    phase: Phase


class _Member(msgspec.Struct, frozen=True, omit_defaults=True):
    mode: Mode
    whole: bool = False


class _Alive(msgspec.Struct, frozen=True):
    candidate: bool


def encode_role(role: Role) -> bytes:
    """Return the value of a role's key."""
    return msgspec.json.encode(_Role(role.holder, role.phase))


def encode_member(member: Member) -> bytes:
    """Return the value of a member's key."""
    return msgspec.json.encode(_Member(member.mode, member.is_whole))


def encode_alive(*, is_candidate: bool) -> bytes:
    """Return the value of the key that says that a node lives."""
    return msgspec.json.encode(_Alive(is_candidate))


def decode_role(value: bytes) -> Role | None:
    """Return a role, None = the value is none."""
    try:
        found = msgspec.json.decode(value, type=_Role)
    except _UNREADABLE:
        return None
    return Role(found.holder, found.phase)


class ElectionKeys:
    """The keys of one cluster's election. start: with which they begin."""

    def __init__(self, prefix: str = "/calico") -> None:
        self.start = f"{_START}{quote(prefix.strip('/'), safe='')}/"
        self._roles = f"{self.start}roles/"
        self._members = f"{self.start}members/"
        self._alive = f"{self.start}alive/"

    def role(self, number: int) -> str:
        """Return the key of a role."""
        return f"{self._roles}{number}"

    def member(self, node: str) -> str:
        """Return the key of a member."""
        return f"{self._members}{node}"

    def alive(self, node: str) -> str:
        """Return the key that says that a node lives."""
        return f"{self._alive}{node}"

    def decode(self, values: Mapping[str, bytes]) -> Roles:
        """Return what all keys say together; others than ours may be among them."""
        roles: dict[int, Role] = {}
        members: dict[str, Member] = {}
        alive: dict[str, bool] = {}
        for key, value in values.items():
            if key.startswith(self._roles):
                number, role = key.removeprefix(self._roles), decode_role(value)
                if role is not None and _NUMBER.fullmatch(number):
                    roles[int(number)] = role
            elif key.startswith(self._members):
                try:
                    member = msgspec.json.decode(value, type=_Member)
                except _UNREADABLE:
                    continue
                members[key.removeprefix(self._members)] = Member(member.mode, member.whole)
            elif key.startswith(self._alive):
                try:
                    alive[key.removeprefix(self._alive)] = msgspec.json.decode(value, type=_Alive).candidate
                except _UNREADABLE:
                    continue
        return Roles(dict(sorted(roles.items())), members, alive)
