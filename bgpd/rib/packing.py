"""Packing: what changed for a group of peers, as framed UPDATE messages that all of its members can be sent.

RFC 4271 9.2 and section 4.3. Hot. Each message carries prefixes of one path, so it has one source; ``skip`` names the
peer that must not get it (who sent us the path: split horizon) and ``only`` the one peer that it is for. With path
identifiers (RFC 7911) a prefix has the four octets of one before it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bgpd.families import Family
from bgpd.messages import update
from bgpd.rib.export import Exported


class Packed(NamedTuple):
    """Framed UPDATE messages for the members of a group. messages: how many the octets are.

    skip: a token, or a frozenset of several.
    """

    octets: bytes
    messages: int
    skip: object = None
    only: object = None


def together(messages: list[bytes], skip: object) -> Packed:
    """Return the messages as one: those of paths that came from one peer, for example."""
    return Packed(b"".join(messages), len(messages), skip)


def announced(family: Family, exported: Exported, prefixes: Sequence[bytes], skip: object, max_message: int) -> Packed:
    """Return the messages that announce the prefixes with the path's exported attributes.

    Raises ValueError if the attributes leave no room for a prefix.
    """
    return together(update.announce(family, exported.octets, exported.next_hop, prefixes, max_message), skip)


def withdrawn(
    family: Family, prefixes: Sequence[bytes], max_message: int, *, skip: object = None, only: object = None
) -> Packed:
    """Return the messages that withdraw the prefixes."""
    messages = update.withdraw(family, prefixes, max_message)
    return Packed(b"".join(messages), len(messages), skip, only)
