"""Faults of policies and sets across keys: names that are not there, conditions that contradict each other."""

import difflib
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from bgpd.addresses import format_prefix
from bgpd.communities import parse_patterns
from bgpd.config import syntax
from bgpd.config.model import Config
from bgpd.config.problems import Finding
from bgpd.config.tables.policy import RuleAction, RuleTable
from bgpd.families import FAMILY_BY_NAME, Family

K = TypeVar("K", bound=Hashable)


def policy_faults(config: Config) -> Iterator[Finding]:
    """Yield the faults of ``[[policy]]`` and of the sets."""
    sets = _Sets(config)
    yield from sets.faults()
    names: dict[str, str] = {}
    for index, policy in enumerate(config.policy):
        if policy.name:
            yield from again(names, policy.name, f"policy[{index}].name", f'"{policy.name}"')
        for position, rule in enumerate(policy.rules):
            yield from _rule(rule, f"policy[{index}].rules[{position}]", sets)


def again(seen: dict[K, str], value: K, key: str, words: str) -> Iterator[Finding]:
    """Yield a fault if the value has been seen, else remember it."""
    if value in seen:
        yield Finding(key, f"expected each only once, found {words}, which stands in {seen[value]} already")
    else:
        seen[value] = key


def near(name: str, known: Iterable[str]) -> str:
    """Return what there is instead of an unknown name, for people: the nearest one, else all."""
    names = sorted(one for one in known if one)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(f'"{one}"' for one in names) or "none"
    return f'did you mean "{close[0]}"?' if close else f"there are: {listed}"


class _Sets:
    """The sets of a file by kind and name, and what rules may ask of them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.prefix_set = {
            one.name: frozenset(syntax.prefix_entry(text).family for text in one.prefixes) for one in config.prefix_set
        }
        self.known: dict[str, frozenset[str]] = {
            "prefix_set": frozenset(self.prefix_set),
            "next_hop_set": frozenset(one.name for one in config.next_hop_set),
            "as_set": frozenset(one.name for one in config.as_set),
            "community_set": frozenset(one.name for one in config.community_set),
        }
        self._wild = {
            one.name: next((text for text in one.communities if not _is_exact(text)), "")
            for one in config.community_set
        }

    def faults(self) -> Iterator[Finding]:
        """Yield the names that stand there twice."""
        for kind in self.known:
            names: dict[str, str] = {}
            for index, one in enumerate(getattr(self._config, kind)):
                if one.name:
                    yield from again(names, one.name, f"{kind}[{index}].name", f'"{one.name}"')

    def unknown(self, written: Iterable[object], kind: str, key: str) -> Iterator[Finding]:
        """Yield the references to sets that there are not. key: of the list that they stand in."""
        for index, one in enumerate(written):
            name = syntax.set_name(one)
            if name and name not in self.known[kind]:
                message = f'expected the name of a [[{kind}]], found "@{name}"; {near(name, self.known[kind])}'
                yield Finding(f"{key}[{index}]", message, (kind,))

    def wild(self, written: Iterable[str], key: str) -> Iterator[Finding]:
        """Yield the sets with a ``*`` where a community is put on a route."""
        for index, one in enumerate(written):
            wild = self._wild.get(syntax.set_name(one), "")
            if wild:
                message = f'expected communities without *, as they are put on a route; found "{wild}" in {one}'
                yield Finding(f"{key}[{index}]", message, ("community_set",))


def _rule(rule: RuleTable, key: str, sets: _Sets) -> Iterator[Finding]:
    written = rule.prefixes or (() if rule.prefix is None else (rule.prefix,))
    if rule.prefix is not None and rule.prefixes is not None:
        yield Finding(f"{key}.prefixes", "expected either prefix or prefixes, found both")
    if rule.match is not None and not written:
        message = "expected a prefix or prefixes to match with, found neither"
        yield Finding(f"{key}.match", message, (f"{key}.prefix", f"{key}.prefixes"))
    if rule.community_match is not None and not rule.communities:
        message = "expected communities to match with, found none"
        yield Finding(f"{key}.community_match", message, (f"{key}.communities",))
    yield from _references(rule, key, sets)
    families = _families(written, sets)
    if rule.family is not None and families and FAMILY_BY_NAME[rule.family] not in families:
        first = written[0] if syntax.set_name(written[0]) else _prefix_text(written[0])
        yield Finding(f"{key}.family", f'expected the family of prefix "{first}", found "{rule.family}"')
    for name, span, most in (
        ("length", rule.length, max((family.bits for family in families), default=128)),
        ("med", rule.med, None),
        ("local_pref", rule.local_pref, None),
        ("as_path.length", rule.as_path.length, None),
    ):
        yield from _span(span, f"{key}.{name}", most)
    if rule.action is RuleAction.REJECT:
        for name in _changes(rule):
            yield Finding(f"{key}.{name}", 'expected no change in a rule with action = "reject"')


def _references(rule: RuleTable, key: str, sets: _Sets) -> Iterator[Finding]:
    if rule.prefix is not None:
        for finding in sets.unknown((rule.prefix,), "prefix_set", key):
            yield Finding(f"{key}.prefix", finding.message, finding.reads)
    lists: tuple[tuple[str, str, tuple[object, ...] | None], ...] = (
        ("prefixes", "prefix_set", rule.prefixes),
        ("next_hop", "next_hop_set", rule.next_hop),
        ("as_path.contains", "as_set", rule.as_path.contains),
        ("as_path.origin", "as_set", rule.as_path.origin),
        ("as_path.neighbour", "as_set", rule.as_path.neighbour),
        ("communities", "community_set", rule.communities),
        ("delete_communities", "community_set", rule.delete_communities),
        ("set_communities", "community_set", rule.set_communities),
        ("add_communities", "community_set", rule.add_communities),
    )
    for name, kind, written in lists:
        yield from sets.unknown(written or (), kind, f"{key}.{name}")
    yield from sets.wild(rule.set_communities or (), f"{key}.set_communities")
    yield from sets.wild(rule.add_communities, f"{key}.add_communities")


def _families(written: Iterable[str], sets: _Sets) -> frozenset[Family]:
    """Return the families that a rule's prefixes are of."""
    found: frozenset[Family] = frozenset()
    for text in written:
        name = syntax.set_name(text)
        found |= sets.prefix_set.get(name, frozenset()) if name else {syntax.prefix_entry(text).family}
    return found


def _prefix_text(written: str) -> str:
    entry = syntax.prefix_entry(written)
    return format_prefix(entry.family, entry.prefix)


def _is_exact(text: str) -> bool:
    return all(pattern.is_exact for pattern in parse_patterns(text))


def _changes(rule: RuleTable) -> list[str]:
    """Return the keys of the rule that change a route."""
    written = {
        "delete_communities": bool(rule.delete_communities),
        "set_communities": rule.set_communities is not None,
        "add_communities": bool(rule.add_communities),
        "prepend": bool(rule.prepend),
        "set_local_pref": rule.set_local_pref is not None,
        "set_med": rule.set_med is not None,
        "set_next_hop": rule.set_next_hop is not None,
        "set_origin": rule.set_origin is not None,
        "set_weight": rule.set_weight is not None,
    }
    return [name for name, is_written in written.items() if is_written]


def _span(span: tuple[int, int] | None, key: str, most: int | None) -> Iterator[Finding]:
    if span is None:
        return
    if span[0] > span[1]:
        yield Finding(key, f"expected [least, most], found [{span[0]}, {span[1]}]")
    elif most is not None and not 0 <= span[0] <= span[1] <= most:
        yield Finding(key, f"expected prefix lengths from 0 to {most}, found [{span[0]}, {span[1]}]")
