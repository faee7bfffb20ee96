"""BGPFilter as policy: every rule of the four lists as one of our rules that does the same.

Conditions must all hold; operations run in order; accept and reject end the whole decision, and what no rule decides
goes on. A rule that cannot be understood makes the whole object unusable: a filter with a hole in it is none.
"""

import re
from collections.abc import Sequence
from typing import Final

from bgpd.communities import NO_COMMUNITIES, Communities, parse_communities, parse_patterns
from bgpd.datastore.calico import values
from bgpd.datastore.calico.documents import BgpFilterDocument, FilterOperation, FilterRule
from bgpd.datastore.calico.model import Filter
from bgpd.datastore.calico.values import UnreadableError
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import Asn, PeerType
from bgpd.policy.rules import Action, AsPathCondition, Changes, Comparison, Conditions, Rule
from bgpd.policy.sets import CommunitySet, PrefixEntry, PrefixSet
from bgpd.rib.path import SourceKind

HIGHEST_PRIORITY: Final = 2147483647  # LOCAL_PREF of priority 0

_OPERATORS: Final = {
    "In": Comparison.IN, "NotIn": Comparison.NOT_IN, "Equal": Comparison.EQUAL, "NotEqual": Comparison.NOT_EQUAL,
}  # fmt: skip
_PEER_TYPES: Final = {"iBGP": (PeerType.INTERNAL,), "eBGP": (PeerType.EXTERNAL, PeerType.CONFEDERATION)}
_ACTIONS: Final = {"Accept": Action.ACCEPT, "Reject": Action.REJECT}
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_.*-]{1,15}")
_COMMUNITY: Final = re.compile(r"\d+:\d+(:\d+)?")


def filter_of(name: str, document: BgpFilterDocument) -> Filter:
    """Return the filter. Raises UnreadableError for a rule that it cannot do."""
    spec = document.spec
    if spec is None:
        return Filter(name)
    return Filter(
        name,
        imports=(
            *_rules(spec.import_v4, IPV4_UNICAST, "importV4"),
            *_rules(spec.import_v6, IPV6_UNICAST, "importV6"),
        ),
        exports=(
            *_rules(spec.export_v4, IPV4_UNICAST, "exportV4"),
            *_rules(spec.export_v6, IPV6_UNICAST, "exportV6"),
        ),
    )


def _rules(written: Sequence[FilterRule] | None, family: Family, key: str) -> list[Rule]:
    return [
        rule_of(rule, family, f"{key} rule {number}", f"spec.{key}[{number - 1}]")
        for number, rule in enumerate(written or (), 1)
    ]


def rule_of(written: FilterRule, family: Family, name: str, where: str) -> Rule:
    """Return the rule that does the same as one of a list; where: its place, for messages. Raises UnreadableError."""
    if written.action not in _ACTIONS:
        raise UnreadableError(f"{where}.action", "Accept or Reject")
    action = _ACTIONS[written.action]
    if written.operations and action is not Action.ACCEPT:
        raise UnreadableError(f"{where}.operations", "none, as the action is Reject")
    return Rule(name, action, _conditions(written, family, where), _changes(written.operations or (), where))


def _conditions(written: FilterRule, family: Family, where: str) -> Conditions:
    if bool(written.cidr) != bool(written.match_operator):
        raise UnreadableError(where, "cidr and matchOperator together, or neither")
    if written.prefix_length is not None and not written.cidr:
        raise UnreadableError(f"{where}.prefixLength", "cidr and matchOperator beside it")
    if written.match_operator and written.match_operator not in _OPERATORS:
        raise UnreadableError(f"{where}.matchOperator", "In, NotIn, Equal or NotEqual")
    if written.source and written.source != "RemotePeers":
        raise UnreadableError(f"{where}.source", "RemotePeers")
    if written.peer_type and written.peer_type not in _PEER_TYPES:
        raise UnreadableError(f"{where}.peerType", "iBGP or eBGP")
    if written.interface and not _INTERFACE.fullmatch(written.interface):
        raise UnreadableError(f"{where}.interface", "a name or glob of at most 15 characters")
    prefixes: tuple[PrefixSet, ...] = ()
    if written.cidr:
        _, prefix = values.cidr(written.cidr, f"{where}.cidr", family)
        prefixes = (PrefixSet((PrefixEntry(family, prefix),)),)
    priority = written.priority
    if priority is not None and not 0 <= priority <= HIGHEST_PRIORITY:
        raise UnreadableError(f"{where}.priority", f"a number from 0 to {HIGHEST_PRIORITY}")
    return Conditions(
        family=family,
        prefixes=prefixes,
        comparison=_OPERATORS[written.match_operator or "In"],
        length=_length(written, family),
        sources=(SourceKind.PEER,) if written.source else (),
        peer_types=_PEER_TYPES[written.peer_type] if written.peer_type else (),
        interface=written.interface or "",
        as_path=AsPathCondition(starts_with=_asns(written.as_path_prefix, f"{where}.asPathPrefix")),
        communities=_communities(written, where),
        local_pref=None if priority is None else (HIGHEST_PRIORITY - priority,) * 2,
    )


def _length(written: FilterRule, family: Family) -> tuple[int, int] | None:
    span = written.prefix_length
    if span is None:
        return None
    most = family.bits if span.max is None else min(span.max, family.bits)
    return (span.min or 0, most)


def _communities(written: FilterRule, where: str) -> tuple[CommunitySet, ...]:
    listed = written.communities.values if written.communities is not None else None
    if not listed:
        return ()
    if len(listed) != 1:
        raise UnreadableError(f"{where}.communities.values", "exactly one")
    return (CommunitySet(parse_patterns(_community(listed[0], f"{where}.communities.values[0]"))),)


def _changes(operations: Sequence[FilterOperation], where: str) -> Changes:
    added: list[str] = []
    prepended: tuple[Asn, ...] = ()
    local_pref: int | None = None
    for index, one in enumerate(operations):
        place = f"{where}.operations[{index}]"
        if [one.add_community, one.prepend_as_path, one.set_priority].count(None) != 2:
            raise UnreadableError(place, "one of addCommunity, prependASPath and setPriority")
        if one.add_community is not None:
            added.append(_community(one.add_community.value, f"{place}.addCommunity.value"))
        elif one.prepend_as_path is not None:  # a later one stands before
            prepended = (*_asns(one.prepend_as_path.prefix, f"{place}.prependASPath.prefix"), *prepended)
        elif one.set_priority is not None:
            priority = one.set_priority.value
            if priority is None or not 0 <= priority <= HIGHEST_PRIORITY:
                raise UnreadableError(f"{place}.setPriority.value", f"a number from 0 to {HIGHEST_PRIORITY}")
            local_pref = HIGHEST_PRIORITY - priority
    return Changes(
        add_communities=parse_communities(tuple(dict.fromkeys(added))) if added else NO_COMMUNITIES,
        prepend=prepended,
        local_pref=local_pref,
    )


def communities(texts: Sequence[str], where: str) -> Communities:
    """Return standard (``a:b``) and large (``a:b:c``) communities. Raises UnreadableError."""
    return parse_communities(tuple(dict.fromkeys(_community(one, where) for one in texts)))


def _community(text: str, where: str) -> str:
    try:
        if not _COMMUNITY.fullmatch(text):
            raise ValueError
        parse_communities((text,))
    except ValueError:
        raise UnreadableError(where, "a community, a:b or a:b:c") from None
    return text


def _asns(written: Sequence[int | str] | None, where: str) -> tuple[Asn, ...]:
    found = [values.asn(one, f"{where}[{index}]") for index, one in enumerate(written or ())]
    if None in found:
        raise UnreadableError(where, "AS numbers, none of them 0")
    return tuple(one for one in found if one is not None)
