"""Rule conditions as functions: what a rule asks of the prefix, of the attributes, and of the rest.

The three are apart because the answer changes at different times: with each prefix, with each change that an earlier
rule made to the attributes, and never for one path towards one peer. A new condition is a field of ``Conditions`` and
one line in ``context_tests`` or ``attribute_tests``, under the name of its key.
"""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Final

from bgpd.addresses import host_prefix
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.identity import Asn, PeerType
from bgpd.messages.attributes.model import AsPath, Attributes, SegmentType
from bgpd.policy.patterns import as_path_pattern
from bgpd.policy.rules import AsPathCondition, Conditions, Quantifier
from bgpd.policy.sets import AsSet, CommunitySet, PrefixSet, PrefixTest, Span, carried_communities
from bgpd.policy.subject import PeerContext
from bgpd.records import dataclass
from bgpd.rib.path import Path

AttributesTest = Callable[[Attributes], bool]

DEFAULT_LOCAL_PREF: Final = 100  # RFC 4271 9.1.1 leaves it to us; what a route without LOCAL_PREF counts as
_CONFEDERATION: Final = (SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET)


@dataclass(frozen=True, slots=True)
class Subject:
    """For whom a path is judged: what conditions see beside prefix and attributes."""

    path: Path
    peer: PeerContext
    interface_name: str = ""


@dataclass(frozen=True, slots=True)
class ContextTest:
    """One condition on path and peer. key: as in the configuration."""

    key: str
    holds: Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class AttributeTest:
    """One condition on the attributes. key: as in the configuration."""

    key: str
    holds: AttributesTest


def concerns(conditions: Conditions, family: Family) -> bool:
    """Can a route of the family match at all?"""
    if conditions.family is not None and conditions.family is not family:
        return False
    return not conditions.prefixes or any(family in one.families for one in conditions.prefixes)


def context_tests(conditions: Conditions) -> tuple[ContextTest, ...]:
    """Return what asks neither prefix nor attributes; all must hold."""
    tests: list[ContextTest] = []
    add = tests.append
    sources, peer_types, from_types = conditions.sources, conditions.peer_types, conditions.from_peer_types
    peers, from_peers, interface = conditions.peers, conditions.from_peers, conditions.interface
    if sources:
        add(ContextTest("source", lambda subject: subject.path.source.kind in sources))
    if peers:
        add(ContextTest("peer", lambda subject: is_named(subject.peer.name, peers)))
    if peer_types:
        add(ContextTest("peer_type", lambda subject: subject.peer.peer_type in peer_types))
    if from_peers:
        add(ContextTest("from_peer", lambda subject: is_named(subject.path.sender, from_peers)))
    if from_types:
        add(ContextTest("from_peer_type", lambda subject: _is_from(subject.path, from_types)))
    if interface:
        add(ContextTest("interface", lambda subject: is_named(subject.interface_name, (interface,))))
    return tuple(tests)


def prefix_test(conditions: Conditions, family: Family) -> PrefixTest | None:
    """Return what asks the prefix, None if nothing does; for a family that the conditions concern.

    The length must be in range as well as the prefix inside or the same; ``not-`` is the opposite of both together.
    """
    sets = tuple(one for one in conditions.prefixes if family in one.families)
    span = conditions.length
    if not sets:
        return None if span is None else _length_test(span)
    is_exact = conditions.comparison.is_exact
    only = sets[0].entries[0] if len(sets) == 1 and len(sets[0].entries) == 1 else None
    if only is not None and only.lengths is None and not is_exact:
        base = _inside_one(only.prefix, span)
    else:
        base = _either(tuple(one.same(family) if is_exact else one.inside(family) for one in sets))
        if span is not None:
            base = _both(_length_test(span), base)
    return _opposite(base) if conditions.comparison.is_negated else base


def attribute_tests(conditions: Conditions) -> tuple[AttributeTest, ...]:
    """Return what asks the attributes; all must hold."""
    tests: list[AttributeTest] = []
    add = tests.append
    if conditions.origin is not None:
        wanted = conditions.origin
        add(AttributeTest("origin", lambda attributes: attributes.origin == wanted))
    if conditions.med is not None:
        add(AttributeTest("med", _med_test(conditions.med)))
    if conditions.local_pref is not None:
        add(AttributeTest("local_pref", _local_pref_test(conditions.local_pref)))
    if conditions.next_hops:
        add(AttributeTest("next_hop", _next_hop_test(conditions.next_hops)))
    tests += _as_path_tests(conditions.as_path)
    if conditions.communities:
        add(AttributeTest("communities", _communities_test(conditions.communities, conditions.community_quantifier)))
    return tuple(tests)


def is_named(name: str, globs: Iterable[str]) -> bool:
    """Does one of the globs match the name? ``*`` any characters, ``?`` one; an empty name is none and matches none."""
    return bool(name) and any(fnmatchcase(name, glob.replace("[", "[[]")) for glob in globs)


def _is_from(path: Path, kinds: tuple[PeerType, ...]) -> bool:
    return path.source.peer_type in kinds


def _length_test(span: Span) -> PrefixTest:
    least, most = span
    return lambda prefix: least <= prefix[0] <= most


def _both(one: PrefixTest, other: PrefixTest) -> PrefixTest:
    return lambda prefix: one(prefix) and other(prefix)


def _either(tests: tuple[PrefixTest, ...]) -> PrefixTest:
    return tests[0] if len(tests) == 1 else lambda prefix: any(test(prefix) for test in tests)


def _opposite(test: PrefixTest) -> PrefixTest:
    return lambda prefix: not test(prefix)


def _inside_one(outer: bytes, span: Span | None = None) -> PrefixTest:
    """Return one test of prefix and length, without calls into ``addresses``: it runs for each prefix."""
    length = outer[0]
    least, most = (length, 255) if span is None else (max(length, span[0]), span[1])
    whole, rest = divmod(length, 8)
    head = outer[1 : 1 + whole]
    if not rest:
        return lambda prefix: least <= prefix[0] <= most and prefix.startswith(head, 1)
    mask, last, position = 0xFF << (8 - rest) & 0xFF, outer[1 + whole], 1 + whole
    return lambda prefix: least <= prefix[0] <= most and prefix.startswith(head, 1) and prefix[position] & mask == last


def _med_test(span: Span) -> AttributesTest:
    least, most = span
    return lambda attributes: least <= (attributes.med or 0) <= most


def _local_pref_test(span: Span) -> AttributesTest:
    least, most = span

    def is_in_range(attributes: Attributes) -> bool:
        value = DEFAULT_LOCAL_PREF if attributes.local_pref is None else attributes.local_pref
        return least <= value <= most

    return is_in_range


def _next_hop_test(sets: tuple[PrefixSet, ...]) -> AttributesTest:
    families = frozenset(family for one in sets for family in one.families)
    tests = {family: _either(tuple(one.inside(family) for one in sets)) for family in families}

    def is_inside(attributes: Attributes) -> bool:
        address = attributes.next_hop[:16]  # of a global and a link-local address, the global one
        family = FAMILY_BY_ADDRESS_SIZE.get(len(address))
        return family in tests and tests[family](host_prefix(address))

    return is_inside


def _as_path_tests(condition: AsPathCondition) -> list[AttributeTest]:
    tests: list[AttributeTest] = []

    def add(key: str, test: Callable[[AsPath], bool]) -> None:
        tests.append(AttributeTest(f"as_path.{key}", lambda attributes: test(attributes.as_path)))

    contains, origins, neighbours = condition.contains, condition.origins, condition.neighbours
    if contains:
        add("contains", lambda path: any(_is_in(asn, contains) for _, numbers in path.segments() for asn in numbers))
    if origins:
        add("origin", lambda path: _is_in(path.origin_asn, origins))
    if neighbours:
        add("neighbour", lambda path: _is_in(path.neighbour, neighbours))
    if condition.starts_with:
        start = condition.starts_with
        add("starts_with", lambda path: _starts_with(path, start))
    if condition.pattern:
        search = as_path_pattern(condition.pattern).search
        add("matches", lambda path: search(str(path)))
    if condition.length is not None:
        least, most = condition.length
        add("length", lambda path: least <= path.length <= most)
    return tests


def _is_in(asn: int, sets: tuple[AsSet, ...]) -> bool:
    return any(asn in one for one in sets)


def _starts_with(path: AsPath, start: tuple[Asn, ...]) -> bool:
    """Does the path begin with these? A set stands for any of its members; confederation segments do not count."""
    places: list[tuple[Asn, ...]] = []
    for kind, numbers in path.segments():
        if kind is SegmentType.AS_SET:
            places.append(numbers)
        elif kind not in _CONFEDERATION:
            places += [(asn,) for asn in numbers]
        if len(places) >= len(start):
            break
    return len(places) >= len(start) and all(asn in place for asn, place in zip(start, places, strict=False))


def _communities_test(sets: tuple[CommunitySet, ...], quantifier: Quantifier) -> AttributesTest:
    def has_any(attributes: Attributes) -> bool:
        carried = carried_communities(attributes)
        return any(one.meets(carried) for one in sets)

    def has_all(attributes: Attributes) -> bool:
        carried = carried_communities(attributes)
        return all(one.is_within(carried) for one in sets)

    def has_none(attributes: Attributes) -> bool:
        return not has_any(attributes)

    return {Quantifier.ANY: has_any, Quantifier.ALL: has_all, Quantifier.NONE: has_none}[quantifier]
