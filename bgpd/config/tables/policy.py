"""The tables of policies and of the sets that they name; see ``docs/policy.md``."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about
from bgpd.config.tables.values import (
    U32,
    AddressText,
    AsnOrSet,
    AsnRangeText,
    AsnText,
    CommunityOrSet,
    CommunityPatternText,
    FamilyName,
    InterfaceGlob,
    Name,
    NextHopOrSet,
    PatternOrSet,
    PeerGlob,
    PrefixEntryText,
    PrefixOrSet,
    PrefixText,
)


class Match(StrEnum):
    """How a route's prefix is compared with a rule's."""

    IN = "in"
    NOT_IN = "not-in"
    EQUAL = "equal"
    NOT_EQUAL = "not-equal"


class CommunityMatch(StrEnum):
    """How many of a rule's communities a route must carry."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


class RouteSource(StrEnum):
    """Where a route came from; local = network or kernel, remote-peers is Calico's word for peer."""

    LOCAL = "local"
    NETWORK = "network"
    KERNEL = "kernel"
    PEER = "peer"
    REMOTE_PEERS = "remote-peers"


class RulePeerType(StrEnum):
    """What the peer's AS is to ours."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    CONFEDERATION = "confederation"


class OriginName(StrEnum):
    """ORIGIN by name."""

    IGP = "igp"
    EGP = "egp"
    INCOMPLETE = "incomplete"


class RuleAction(StrEnum):
    """What a matching rule does: next = change the route and go on."""

    ACCEPT = "accept"
    REJECT = "reject"
    NEXT = "next"


class AsPathTable(Table, frozen=True, kw_only=True):
    """Conditions on the AS path; all that are given must hold."""

    contains: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        about("One of these AS numbers is in the path.", default="any"),
    ] = None
    origin: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        about("One of these is the last AS of the path.", default="any"),
    ] = None
    neighbour: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        about("One of these is the first AS of the path.", default="any"),
    ] = None
    starts_with: Annotated[
        Annotated[tuple[AsnText, ...], Meta(min_length=1)] | None,
        about("The path starts with all of these, in this order.", default="any"),
    ] = None
    matches: Annotated[
        str | None,
        about(
            "Found in the path's text, AS numbers with a space between and sets in braces; see `docs/policy.md`.",
            default="any",
            written=syntax.REGEX,
        ),
    ] = None
    length: Annotated[
        tuple[U32, U32] | None, about("Least and most length of the path; a set counts as one.", default="any")
    ] = None


class RuleTable(Table, frozen=True, kw_only=True):
    """A rule of a policy: conditions, all of which must hold, then changes, then the action."""

    name: Annotated[Name | None, about("Name in explanations.", default="its place: `rule 1`")] = None
    family: Annotated[FamilyName | None, about("Family of the route.", default="any")] = None
    prefix: Annotated[
        PrefixOrSet | None, about("The route's prefix is compared with this one, or these.", default="any")
    ] = None
    prefixes: Annotated[
        Annotated[tuple[PrefixOrSet, ...], Meta(min_length=1)] | None,
        about("As `prefix`, any of several.", default="any"),
    ] = None
    match: Annotated[
        Match | None,
        about("`in` = equal or more specific, `equal` = the same, and their opposites.", default='`"in"`'),
    ] = None
    length: Annotated[tuple[int, int] | None, about("Least and most prefix length, in bits.", default="any")] = None
    source: Annotated[RouteSource | None, about("Where the route came from.", default="any")] = None
    peer: Annotated[
        Annotated[tuple[PeerGlob, ...], Meta(min_length=1)] | None,
        about("Names of the peer that the policy is applied to.", default="any"),
    ] = None
    peer_type: Annotated[
        RulePeerType | None, about("Kind of the peer that the policy is applied to.", default="any")
    ] = None
    from_peer: Annotated[
        Annotated[tuple[PeerGlob, ...], Meta(min_length=1)] | None,
        about("Names of the peer that the route came from; our own routes do not match.", default="any"),
    ] = None
    from_peer_type: Annotated[
        RulePeerType | None, about("Kind of the peer that the route came from.", default="any")
    ] = None
    interface: Annotated[
        InterfaceGlob | None,
        about("Interface that the route leaves by; a route without one does not match.", default="any"),
    ] = None
    next_hop: Annotated[
        Annotated[tuple[NextHopOrSet, ...], Meta(min_length=1)] | None,
        about("The next hop is one of these addresses, or in one of these prefixes.", default="any"),
    ] = None
    as_path: AsPathTable = AsPathTable()
    communities: Annotated[
        Annotated[tuple[PatternOrSet, ...], Meta(min_length=1)] | None,
        about("Communities of any kind, `*` for any number.", default="any"),
    ] = None
    community_match: Annotated[
        CommunityMatch | None, about("Whether any, all or none of `communities` must be there.", default='`"any"`')
    ] = None
    med: Annotated[tuple[U32, U32] | None, about("Least and most MED; absent counts as 0.", default="any")] = None
    local_pref: Annotated[
        tuple[U32, U32] | None, about("Least and most LOCAL_PREF; absent counts as 100.", default="any")
    ] = None
    origin: Annotated[OriginName | None, about("ORIGIN of the route.", default="any")] = None
    action: Annotated[
        RuleAction | None,
        about("`accept` and `reject` end the whole decision, `next` goes on.", required=True),
    ] = None
    delete_communities: Annotated[tuple[PatternOrSet, ...], about("Communities to remove, `*` for any number.")] = ()
    set_communities: Annotated[
        tuple[CommunityOrSet, ...] | None,
        about("Communities of all kinds are replaced by these; `[]` removes all.", default="unchanged"),
    ] = None
    add_communities: Annotated[tuple[CommunityOrSet, ...], about("Communities to add.")] = ()
    prepend: Annotated[tuple[AsnText, ...], about("AS numbers to put before the AS path, in this order.")] = ()
    set_local_pref: Annotated[
        int | str | None, about("LOCAL_PREF to set, or its change.", default="unchanged", written=syntax.NUMBER_CHANGE)
    ] = None
    set_med: Annotated[
        int | str | None, about("MED to set, or its change.", default="unchanged", written=syntax.NUMBER_CHANGE)
    ] = None
    set_next_hop: Annotated[
        AddressText | None, about("Next hop to set, on routes of the address's own family.", default="unchanged")
    ] = None
    set_origin: Annotated[OriginName | None, about("ORIGIN to set.", default="unchanged")] = None
    set_weight: Annotated[
        U32 | None,
        about("Weight of an imported route: higher wins before LOCAL_PREF, on this node only.", default="0"),
    ] = None


class PrefixSetTable(Table, frozen=True, kw_only=True):
    """Prefixes that rules name as `@name` in `prefix` and `prefixes`."""

    name: Annotated[str, about("Name of the set.", required=True)] = ""
    prefixes: Annotated[
        Annotated[tuple[PrefixEntryText, ...], Meta(min_length=1)],
        about("The prefixes; one with lengths of its own takes those, whatever `match` says.", required=True),
    ] = ()


class NextHopSetTable(Table, frozen=True, kw_only=True):
    """Next hops that rules name as `@name` in `next_hop`."""

    name: Annotated[str, about("Name of the set.", required=True)] = ""
    next_hops: Annotated[
        Annotated[tuple[PrefixText, ...], Meta(min_length=1)], about("Addresses and prefixes.", required=True)
    ] = ()


class AsSetTable(Table, frozen=True, kw_only=True):
    """AS numbers that rules name as `@name` in `as_path.contains`, `as_path.origin` and `as_path.neighbour`."""

    name: Annotated[str, about("Name of the set.", required=True)] = ""
    asns: Annotated[
        Annotated[tuple[AsnRangeText, ...], Meta(min_length=1)], about("AS numbers and ranges.", required=True)
    ] = ()


class CommunitySetTable(Table, frozen=True, kw_only=True):
    """Communities that rules name as `@name` where they match, delete, set or add communities."""

    name: Annotated[str, about("Name of the set.", required=True)] = ""
    communities: Annotated[
        Annotated[tuple[CommunityPatternText, ...], Meta(min_length=1)],
        about("Communities of any kind, `*` for any number; without `*` where they are set or added.", required=True),
    ] = ()


class PolicyTable(Table, frozen=True, kw_only=True):
    """A named list of rules for `import` and `export` of peers; see `docs/policy.md`."""

    name: Annotated[str, about("Name of the policy.", required=True)] = ""
    rules: tuple[RuleTable, ...] = ()
    default: Annotated[
        RuleAction, about("What happens to a route that no rule decided; `next` = the next policy, at last accept.")
    ] = RuleAction.NEXT
