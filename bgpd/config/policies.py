"""From the policies and sets that are written to the typed ones that decide.

A set is made once; every rule that names it holds the same object. What a rule lists beside sets becomes one more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from bgpd.addresses import parse_address
from bgpd.communities import Communities, parse_communities, parse_patterns
from bgpd.config import syntax
from bgpd.config.model import Config
from bgpd.config.tables.policy import OriginName, PolicyTable, RouteSource, RulePeerType, RuleTable
from bgpd.families import FAMILY_BY_NAME
from bgpd.identity import PeerType
from bgpd.messages.attributes.model import Origin
from bgpd.policy.rules import (
    Action,
    AsPathCondition,
    Changes,
    Comparison,
    Conditions,
    NumberChange,
    Policy,
    Quantifier,
    Rule,
)
from bgpd.policy.sets import AsSet, CommunitySet, PrefixSet
from bgpd.rib.path import SourceKind

_SOURCES: Final = {
    RouteSource.LOCAL: (SourceKind.NETWORK, SourceKind.KERNEL),
    RouteSource.NETWORK: (SourceKind.NETWORK,),
    RouteSource.KERNEL: (SourceKind.KERNEL,),
    RouteSource.PEER: (SourceKind.PEER,),
    RouteSource.REMOTE_PEERS: (SourceKind.PEER,),
}
_ORIGINS: Final = {OriginName.IGP: Origin.IGP, OriginName.EGP: Origin.EGP, OriginName.INCOMPLETE: Origin.INCOMPLETE}

Made = TypeVar("Made")
Written = TypeVar("Written", bound=int | str)


def policies(config: Config) -> tuple[Policy, ...]:
    """Return the policies of a configuration without faults."""
    reader = _Reader(config)
    return tuple(map(reader.policy, config.policy))


class _Reader:
    """Makes rules; knows the sets that they may name."""

    def __init__(self, config: Config) -> None:
        self._prefixes = {one.name: _prefix_set(one.prefixes) for one in config.prefix_set}
        self._next_hops = {one.name: _prefix_set(one.next_hops) for one in config.next_hop_set}
        self._as_numbers = {one.name: _as_set(one.asns) for one in config.as_set}
        self._communities = {one.name: _community_set(one.communities) for one in config.community_set}
        self._texts = {one.name: one.communities for one in config.community_set}

    def policy(self, policy: PolicyTable) -> Policy:
        """Return the typed policy."""
        return Policy(
            name=policy.name,
            rules=tuple(self._rule(rule, number) for number, rule in enumerate(policy.rules, 1)),
            default=Action(policy.default),
        )

    def _rule(self, rule: RuleTable, number: int) -> Rule:
        return Rule(
            name=rule.name or f"rule {number}",
            action=Action(rule.action),
            conditions=self._conditions(rule),
            changes=self._changes(rule),
        )

    def _conditions(self, rule: RuleTable) -> Conditions:
        path = rule.as_path
        written = rule.prefixes if rule.prefix is None else (rule.prefix,)
        return Conditions(
            family=None if rule.family is None else FAMILY_BY_NAME[rule.family],
            prefixes=_sets(written, self._prefixes, _prefix_set),
            comparison=Comparison.IN if rule.match is None else Comparison(rule.match),
            length=rule.length,
            sources=() if rule.source is None else _SOURCES[rule.source],
            peers=rule.peer or (),
            peer_types=_peer_types(rule.peer_type),
            from_peers=rule.from_peer or (),
            from_peer_types=_peer_types(rule.from_peer_type),
            interface=rule.interface or "",
            next_hops=_sets(rule.next_hop, self._next_hops, _prefix_set),
            as_path=AsPathCondition(
                contains=_sets(path.contains, self._as_numbers, _as_set),
                origins=_sets(path.origin, self._as_numbers, _as_set),
                neighbours=_sets(path.neighbour, self._as_numbers, _as_set),
                starts_with=tuple(map(syntax.asn_value, path.starts_with or ())),
                pattern=path.matches or "",
                length=path.length,
            ),
            communities=_sets(rule.communities, self._communities, _community_set),
            community_quantifier=Quantifier.ANY if rule.community_match is None else Quantifier(rule.community_match),
            med=rule.med,
            local_pref=rule.local_pref,
            origin=None if rule.origin is None else _ORIGINS[rule.origin],
        )

    def _changes(self, rule: RuleTable) -> Changes:
        deleted = _community_set(self._named(rule.delete_communities))
        return Changes(
            delete_communities=deleted,
            set_communities=None if rule.set_communities is None else self._exact(rule.set_communities),
            add_communities=self._exact(rule.add_communities),
            prepend=tuple(map(syntax.asn_value, rule.prepend)),
            local_pref=_number(rule.set_local_pref),
            med=_number(rule.set_med),
            next_hop=b"" if rule.set_next_hop is None else parse_address(rule.set_next_hop),
            origin=None if rule.set_origin is None else _ORIGINS[rule.set_origin],
            weight=rule.set_weight,
        )

    def _exact(self, written: tuple[str, ...]) -> Communities:
        return parse_communities(self._named(written))

    def _named(self, written: tuple[str, ...]) -> tuple[str, ...]:
        """Return the communities with those of a set in the place of its name."""
        return tuple(one for text in written for one in self._texts.get(syntax.set_name(text), (text,)))


def _sets(
    written: tuple[Written, ...] | None, named: Mapping[str, Made], make: Callable[[Iterable[Written]], Made]
) -> tuple[Made, ...]:
    """Return the sets that are named, and one of what else is written."""
    found = [named[syntax.set_name(one)] for one in written or () if syntax.set_name(one)]
    rest = [one for one in written or () if not syntax.set_name(one)]
    return (*found, make(rest)) if rest else tuple(found)


def _prefix_set(written: Iterable[str]) -> PrefixSet:
    return PrefixSet(tuple(map(syntax.prefix_entry, written)))


def _as_set(written: Iterable[int | str]) -> AsSet:
    return AsSet(tuple(map(syntax.asn_range, written)))


def _community_set(written: Iterable[str]) -> CommunitySet:
    return CommunitySet(tuple(pattern for text in written for pattern in parse_patterns(text)))


def _peer_types(written: RulePeerType | None) -> tuple[PeerType, ...]:
    return () if written is None else (PeerType(written.value),)


def _number(written: int | str | None) -> NumberChange | None:
    return None if written is None else syntax.number_change(written)
