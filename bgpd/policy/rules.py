"""Policies as typed values: what the TOML tables and Calico's BGPFilter become.

A policy is rules in order. A rule is conditions, all of which must hold, then changes, then an action. ``None`` or an
empty tuple is a condition that is not asked or a change that is not made. Where a condition has several sets or values,
any one of them will do.
"""

from enum import Enum
from typing import Final

from bgpd.communities import NO_COMMUNITIES, Communities
from bgpd.families import Family
from bgpd.identity import Asn, PeerType
from bgpd.messages.attributes.model import Origin
from bgpd.policy.sets import NO_COMMUNITY_SET, AsSet, CommunitySet, PrefixSet, Span
from bgpd.records import dataclass
from bgpd.rib.path import SourceKind


class Action(Enum):
    """What a matching rule, or a policy's default, does; NEXT goes on with the next rule or policy."""

    ACCEPT = "accept"
    REJECT = "reject"
    NEXT = "next"


class Quantifier(Enum):
    """How many of a rule's communities a route must carry."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


class Comparison(Enum):
    """How a route's prefix is compared with a rule's: inside (equal or more specific) or the same, or the opposite."""

    IN = "in"
    NOT_IN = "not-in"
    EQUAL = "equal"
    NOT_EQUAL = "not-equal"

    @property
    def is_negated(self) -> bool:
        """Does it match what the plain comparison does not?"""
        return self in (Comparison.NOT_IN, Comparison.NOT_EQUAL)

    @property
    def is_exact(self) -> bool:
        """Does it compare with the prefix itself, not with what is inside?"""
        return self in (Comparison.EQUAL, Comparison.NOT_EQUAL)


@dataclass(frozen=True, slots=True)
class AsPathCondition:
    """Conditions on AS_PATH.

    contains, origins, neighbours: one of these is in the path, its last, its first AS. starts_with: the path
    begins with all of these. pattern: a regular expression (``patterns``) that is searched in the path's text. length:
    as the decision process counts it.
    """

    contains: tuple[AsSet, ...] = ()
    origins: tuple[AsSet, ...] = ()
    neighbours: tuple[AsSet, ...] = ()
    starts_with: tuple[Asn, ...] = ()
    pattern: str = ""
    length: Span | None = None


ANY_AS_PATH: Final = AsPathCondition()


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule asks of a route.

    prefixes: compared as comparison says; a route of a family that has none here does not match. length: of the prefix,
    in bits. sources: kinds of source. peers, peer_types: of the peer that is asked for, names as globs; from_peers,
    from_peer_types: of the one that the route came from. interface: glob over the name of the interface that the
    route leaves by; a route without one does not match. next_hops: prefixes that it is inside of. med, local_pref:
    absent counts as 0 and 100.
    """

    family: Family | None = None
    prefixes: tuple[PrefixSet, ...] = ()
    comparison: Comparison = Comparison.IN
    length: Span | None = None
    sources: tuple[SourceKind, ...] = ()
    peers: tuple[str, ...] = ()
    peer_types: tuple[PeerType, ...] = ()
    from_peers: tuple[str, ...] = ()
    from_peer_types: tuple[PeerType, ...] = ()
    interface: str = ""
    next_hops: tuple[PrefixSet, ...] = ()
    as_path: AsPathCondition = ANY_AS_PATH
    communities: tuple[CommunitySet, ...] = ()
    community_quantifier: Quantifier = Quantifier.ANY
    med: Span | None = None
    local_pref: Span | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A number is changed by so much, and stays within 32 bits."""

    amount: int


class Removal(Enum):
    """An attribute is taken away."""

    REMOVE = "remove"


NumberChange = int | Delta | Removal  # an int is the new value


@dataclass(frozen=True, slots=True)
class Changes:
    """What a rule does to a route, in this order.

    delete_communities, then set_communities (all kinds are replaced; None = left alone), then add_communities. prepend:
    in the order in which the path will show them. next_hop: 4 or 16 octets, for routes of that family only. weight: of
    an imported route, compared before LOCAL_PREF, never sent.
    """

    delete_communities: CommunitySet = NO_COMMUNITY_SET
    set_communities: Communities | None = None
    add_communities: Communities = NO_COMMUNITIES
    prepend: tuple[Asn, ...] = ()
    local_pref: NumberChange | None = None
    med: NumberChange | None = None
    next_hop: bytes = b""
    origin: Origin | None = None
    weight: int | None = None


ALWAYS: Final = Conditions()
NO_CHANGES: Final = Changes()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. name: for explanations."""

    name: str
    action: Action
    conditions: Conditions = ALWAYS
    changes: Changes = NO_CHANGES


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, and what happens to a route that none of them decided."""

    name: str
    rules: tuple[Rule, ...] = ()
    default: Action = Action.NEXT

    @property
    def looks_at_peer(self) -> bool:
        """Does a rule ask for the name of the peer that it decides for?"""
        return any(rule.conditions.peers for rule in self.rules)

    @property
    def looks_at_sender(self) -> bool:
        """Does a rule ask for the name of the peer that the route came from?"""
        return any(rule.conditions.from_peers for rule in self.rules)
