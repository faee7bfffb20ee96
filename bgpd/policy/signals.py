"""What well-known communities of received routes ask for, and which of it is granted to a peer.

RFC 8326 (GRACEFUL_SHUTDOWN: this way is about to close), RFC 7999 (BLACKHOLE: drop the traffic). Import policy comes
first: what it takes off a route is not asked for any more, and what it puts on one is asked for.
"""

from enum import IntEnum

from bgpd.communities import BLACKHOLE, GRACEFUL_SHUTDOWN
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.records import dataclass

_LEAST = 0  # LOCAL_PREF


class Scope(IntEnum):
    """How far a black hole may spread: the community that is added to it (RFC 7999 3.2); RFC 1997."""

    NO_EXPORT = 0xFFFFFF01
    NO_ADVERTISE = 0xFFFFFF02


@dataclass(frozen=True, slots=True)
class Signals:
    """What is granted to one peer in one family.

    shuts_down: routes with GRACEFUL_SHUTDOWN are a last resort. is_leaving: so are all, since we are about to close the
    session. black_hole_length: shortest prefix length, in bits, that becomes a black hole; None = none does.
    """

    shuts_down: bool = False
    is_leaving: bool = False
    black_hole_length: int | None = None
    black_hole_scope: Scope = Scope.NO_EXPORT

    def apply(self, attributes: Attributes) -> Attributes:
        """Return the attributes with what is granted for all prefixes alike; the same object where nothing is."""
        communities = attributes.communities
        if self.is_leaving:
            added = () if GRACEFUL_SHUTDOWN in communities else (GRACEFUL_SHUTDOWN,)
            return block.replace(attributes, local_pref=_LEAST, communities=communities + added)
        if self.is_last_resort(attributes) and attributes.local_pref != _LEAST:
            return block.replace(attributes, local_pref=_LEAST)
        return attributes

    def is_last_resort(self, attributes: Attributes) -> bool:
        """Shall every other way win, whatever weight policy gave this one?"""
        return self.is_leaving or (self.shuts_down and GRACEFUL_SHUTDOWN in attributes.communities)

    def asks_black_hole(self, attributes: Attributes) -> bool:
        """May some prefix with these attributes become a black hole?"""
        return self.black_hole_length is not None and BLACKHOLE in attributes.communities

    def grants_black_hole(self, attributes: Attributes, prefix: bytes) -> bool:
        """Does the prefix become a black hole?"""
        shortest = self.black_hole_length
        return shortest is not None and prefix[0] >= shortest and BLACKHOLE in attributes.communities

    def as_black_hole(self, attributes: Attributes) -> Attributes:
        """Return the attributes with the community that keeps a black hole from spreading (RFC 7999 3.2)."""
        communities = attributes.communities
        if any(int(scope) in communities for scope in Scope):
            return attributes
        return block.replace(attributes, communities=(*communities, int(self.black_hole_scope)))

    def black_hole_refusal(self, attributes: Attributes, prefix: bytes) -> str:
        """Return why a route with BLACKHOLE is an ordinary one, for people; empty = it is none, or has none."""
        if BLACKHOLE not in attributes.communities or self.grants_black_hole(attributes, prefix):
            return ""
        if self.black_hole_length is None:
            return "community blackhole is not honoured for this peer (blackhole.accept)"
        return f"community blackhole is not honoured below /{self.black_hole_length}"
