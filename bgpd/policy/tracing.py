"""A decision rule by rule, for people: what each rule asked, what it found instead, what it did.

Works from the rules themselves, in the plain order of ``Policy``: it is also what the tests hold the compiled chain to.
"""

from collections.abc import Iterator

from bgpd.addresses import format_address, format_prefix
from bgpd.communities import (
    Communities,
    format_community,
    format_extended_community,
    format_large_community,
)
from bgpd.families import Family
from bgpd.messages.attributes.model import Attributes
from bgpd.policy.chain import Chain, Verdict, end_of
from bgpd.policy.changes import apply, settles
from bgpd.policy.conditions import (
    DEFAULT_LOCAL_PREF,
    Subject,
    attribute_tests,
    concerns,
    context_tests,
    prefix_test,
)
from bgpd.policy.rules import Action, Changes, Delta, NumberChange, Policy, Removal, Rule
from bgpd.records import dataclass
from bgpd.rib.export import Settled


@dataclass(frozen=True, slots=True)
class Look:
    """One rule, or a policy's default, that was looked at.

    misses: the conditions that did not hold, each with what the route has instead; empty = the rule matched.
    operations: what it did then, in order.
    """

    policy: str
    rule: str
    action: Action
    misses: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    @property
    def is_match(self) -> bool:
        """Did all of its conditions hold?"""
        return not self.misses


@dataclass(frozen=True, slots=True)
class Trace:
    """All rules that were looked at, in order, and the decision."""

    looks: tuple[Look, ...]
    verdict: Verdict


def trace(chain: Chain, subject: Subject, prefix: bytes) -> Trace:
    """Return how the chain decides about a prefix of the subject's path."""
    attributes, weight, settled = subject.path.taken, 0, Settled.NOTHING
    family = subject.path.family
    looks: list[Look] = []
    for policy in chain.policies:
        for rule in policy.rules:
            misses = tuple(_misses(rule, subject, attributes, prefix))
            changes = rule.changes
            looks.append(
                Look(policy.name, rule.name, rule.action, misses, () if misses else tuple(operations(changes, family)))
            )
            if misses:
                continue
            if rule.action is not Action.REJECT:
                attributes = apply(changes, attributes, family)
                weight = weight if changes.weight is None else changes.weight
                settled |= settles(changes, family)
            if rule.action is not Action.NEXT:
                accepted = rule.action is Action.ACCEPT
                return Trace(tuple(looks), Verdict(accepted, attributes, _label(policy, rule), weight, settled))
        looks.append(Look(policy.name, "default", policy.default))
        if policy.default is not Action.NEXT:
            accepted = policy.default is Action.ACCEPT
            return Trace(tuple(looks), Verdict(accepted, attributes, f"{policy.name} default", weight, settled))
    return Trace(tuple(looks), Verdict(chain.final, attributes, end_of(chain.has_policies), weight, settled))


def operations(changes: Changes, family: Family) -> Iterator[str]:
    """Yield what a rule does to a route of the family, each as its key and value."""
    deleted = dict.fromkeys(pattern.text for pattern in changes.delete_communities.patterns)
    if deleted and changes.set_communities is None:
        yield f"delete_communities {' '.join(deleted)}"
    if changes.set_communities is not None:
        yield f"set_communities {_communities(changes.set_communities) or 'none'}"
    if added := _communities(changes.add_communities):
        yield f"add_communities {added}"
    if changes.prepend:
        yield f"prepend {' '.join(map(str, changes.prepend))}"
    if changes.local_pref is not None:
        yield f"set_local_pref {_number(changes.local_pref)}"
    if changes.med is not None:
        yield f"set_med {_number(changes.med)}"
    if changes.next_hop:
        foreign = "" if len(changes.next_hop) == family.octets else f" (not on {family.name} routes)"
        yield f"set_next_hop {format_address(changes.next_hop)}{foreign}"
    if changes.origin is not None:
        yield f"set_origin {changes.origin.name.lower()}"
    if changes.weight is not None:
        yield f"set_weight {changes.weight}"


def communities_text(attributes: Attributes) -> str:
    """Return all communities of a route, with spaces between; empty = none."""
    return _communities(
        Communities(
            attributes.communities,
            attributes.extended_communities,
            attributes.ipv6_extended_communities,
            attributes.large_communities,
        )
    )


def _label(policy: Policy, rule: Rule) -> str:
    return f"{policy.name} {rule.name}"


def _misses(rule: Rule, subject: Subject, attributes: Attributes, prefix: bytes) -> Iterator[str]:
    """Yield the conditions of the rule that do not hold."""
    conditions, family = rule.conditions, subject.path.family
    if not concerns(conditions, family):
        yield f"{'prefix' if conditions.family is None else 'family'}: the route is {family.name}"
        return
    test = prefix_test(conditions, family)
    if test is not None and not test(prefix):
        key = "prefix" if conditions.prefixes else "length"
        yield f"{key}: {format_prefix(family, prefix)}"
    for asked in context_tests(conditions):
        if not asked.holds(subject):
            yield f"{asked.key}: {_context(asked.key, subject)}"
    for one in attribute_tests(conditions):
        if not one.holds(attributes):
            yield f"{one.key}: {_attribute(one.key, attributes)}"


def _context(key: str, subject: Subject) -> str:
    """Return what the subject has where a condition of that key did not hold."""
    source, peer = subject.path.source, subject.peer
    sender = source.peer_type.value if source.peer_type is not None else "our own route"
    return {
        "source": source.kind.value,
        "peer": peer.name or "no peer given",
        "peer_type": peer.peer_type.value,
        "from_peer": source.name if source.peer_type is not None else sender,
        "from_peer_type": sender,
        "interface": subject.interface_name or "none, or not known",
    }[key]


def _attribute(key: str, attributes: Attributes) -> str:
    """Return what the attributes have where a condition of that key did not hold."""
    if key.startswith("as_path."):
        text = str(attributes.as_path) or "empty"
        return f"{attributes.as_path.length}" if key == "as_path.length" else text
    return {
        "origin": attributes.origin.name.lower(),
        "med": "absent, counts as 0" if attributes.med is None else str(attributes.med),
        "local_pref": f"absent, counts as {DEFAULT_LOCAL_PREF}"
        if attributes.local_pref is None
        else str(attributes.local_pref),
        "next_hop": format_address(attributes.next_hop) if attributes.next_hop else "none, our own route",
        "communities": communities_text(attributes) or "none",
    }[key]


def _number(change: NumberChange) -> str:
    match change:
        case Removal():
            return change.value
        case Delta(amount):
            return f"{amount:+d}"
        case _:
            return str(change)


def _communities(communities: Communities) -> str:
    texts = [
        *map(format_community, communities.plain),
        *map(format_large_community, communities.large),
        *map(format_extended_community, communities.extended),
        *map(format_extended_community, communities.ipv6_extended),
    ]
    return " ".join(texts)
