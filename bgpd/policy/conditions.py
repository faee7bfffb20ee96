"""Rule conditions as functions: what a rule asks of the prefix, of the attributes, and of the rest.

The three are apart because the answer changes at different times: with each prefix, with each change that an earlier
rule made to the attributes, and never for one path towards one peer.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from bgpd.addresses import covers, host_prefix, truncate
from bgpd.communities import CommunityPattern, large_to_octets
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.identity import Asn
from bgpd.messages.attributes.model import AsPath, Attributes, SegmentType
from bgpd.policy.rules import AsPathCondition, Conditions, Quantifier, Span
from bgpd.policy.subject import PeerContext
from bgpd.rib.path import Path

PrefixTest = Callable[[bytes], bool]
AttributesTest = Callable[[Attributes], bool]

DEFAULT_LOCAL_PREF: Final = 100  # RFC 4271 9.1.1 leaves it to us; what a route without LOCAL_PREF counts as
_FEW: Final = 8  # prefixes that are tried one by one


def concerns(conditions: Conditions, family: Family) -> bool:
    """Can a route of the family match at all?"""
    if conditions.family is not None and conditions.family is not family:
        return False
    return not conditions.prefixes or any(one is family for one, _ in conditions.prefixes)


def holds(conditions: Conditions, path: Path, peer: PeerContext, interface_name: str) -> bool:
    """Do the conditions hold that look at neither prefix nor attributes?"""
    if conditions.sources and path.source.kind not in conditions.sources:
        return False
    if conditions.peer_type is not None and peer.peer_type is not conditions.peer_type:
        return False
    return not conditions.interface or (bool(interface_name) and fnmatchcase(interface_name, conditions.interface))


def prefix_test(conditions: Conditions, family: Family) -> PrefixTest | None:
    """Return what asks the prefix, None if nothing does; for a family that the conditions concern.

    The length must be in range as well as the prefix inside or the same; ``not-`` is the opposite of both together.
    """
    prefixes = tuple(prefix for one, prefix in conditions.prefixes if one is family)
    if not prefixes:
        return None if conditions.length is None else _length_test(conditions.length)
    if len(prefixes) == 1 and not conditions.comparison.is_exact:
        base = _inside_one(prefixes[0], conditions.length)
    else:
        base = _same_test(prefixes) if conditions.comparison.is_exact else _inside_test(prefixes)
        if conditions.length is not None:
            base = _both(_length_test(conditions.length), base)
    return _opposite(base) if conditions.comparison.is_negated else base


def attribute_tests(conditions: Conditions) -> tuple[AttributesTest, ...]:
    """Return what asks the attributes; all must hold."""
    tests: list[AttributesTest] = []
    if conditions.origin is not None:
        wanted = conditions.origin
        tests.append(lambda attributes: attributes.origin == wanted)
    if conditions.med is not None:
        tests.append(_med_test(conditions.med))
    if conditions.local_pref is not None:
        tests.append(_local_pref_test(conditions.local_pref))
    if conditions.next_hops:
        tests.append(_next_hop_test(conditions.next_hops))
    tests += _as_path_tests(conditions.as_path)
    if conditions.communities:
        tests.append(_communities_test(conditions.communities, conditions.community_quantifier))
    return tuple(tests)


def matching(patterns: tuple[CommunityPattern, ...], octets: bytes, kind: str) -> bool:
    """Does one of the patterns match a community of that kind, given in octets?"""
    for pattern in patterns:
        if pattern.kind != kind:
            continue
        masked = int.from_bytes(octets) & int.from_bytes(pattern.mask)
        if masked == int.from_bytes(pattern.value):
            return True
    return False


def communities_by_kind(attributes: Attributes) -> dict[str, tuple[bytes, ...]]:
    """Return the communities of a route in octets, by the kind that a pattern names."""
    return {
        "plain": tuple(community.to_bytes(4) for community in attributes.communities),
        "extended": attributes.extended_communities,
        "ipv6_extended": attributes.ipv6_extended_communities,
        "large": tuple(map(large_to_octets, attributes.large_communities)),
    }


def _length_test(span: Span) -> PrefixTest:
    least, most = span
    return lambda prefix: least <= prefix[0] <= most


def _both(one: PrefixTest, other: PrefixTest) -> PrefixTest:
    return lambda prefix: one(prefix) and other(prefix)


def _opposite(test: PrefixTest) -> PrefixTest:
    return lambda prefix: not test(prefix)


def _same_test(prefixes: tuple[bytes, ...]) -> PrefixTest:
    return frozenset(prefixes).__contains__


def _inside_test(prefixes: tuple[bytes, ...]) -> PrefixTest:
    """Return a test for equal or more specific."""
    if len(prefixes) <= _FEW:
        tests = tuple(map(_inside_one, prefixes))
        return lambda prefix: any(test(prefix) for test in tests)
    by_length: dict[int, set[bytes]] = {}
    for prefix in prefixes:
        by_length.setdefault(prefix[0], set()).add(prefix)
    lengths = tuple(sorted(by_length.items()))

    def is_inside(prefix: bytes) -> bool:
        return any(length <= prefix[0] and truncate(prefix, length) in same for length, same in lengths)

    return is_inside


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


def _next_hop_test(prefixes: tuple[tuple[Family, bytes], ...]) -> AttributesTest:
    def is_inside(attributes: Attributes) -> bool:
        address = attributes.next_hop[:16]  # of a global and a link-local address, the global one
        family = FAMILY_BY_ADDRESS_SIZE.get(len(address))
        return family is not None and any(
            one is family and covers(prefix, host_prefix(address)) for one, prefix in prefixes
        )

    return is_inside


def _as_path_tests(condition: AsPathCondition) -> list[AttributesTest]:
    tests: list[AttributesTest] = []
    contains, origins, neighbours = condition.contains, condition.origins, condition.neighbours
    if contains:
        tests.append(lambda attributes: any(attributes.as_path.count(asn) for asn in contains))
    if origins:
        tests.append(lambda attributes: attributes.as_path.origin_asn in origins)
    if neighbours:
        tests.append(lambda attributes: attributes.as_path.neighbour in neighbours)
    if condition.starts_with:
        start = condition.starts_with
        tests.append(lambda attributes: _first_asns(attributes.as_path)[: len(start)] == start)
    if condition.pattern:
        search = re.compile(condition.pattern).search
        tests.append(lambda attributes: search(str(attributes.as_path)) is not None)
    if condition.length is not None:
        least, most = condition.length
        tests.append(lambda attributes: least <= attributes.as_path.length <= most)
    return tests


def _first_asns(path: AsPath) -> tuple[Asn, ...]:
    """Return the numbers of the sequences that the path begins with."""
    found: tuple[Asn, ...] = ()
    for kind, numbers in path.segments():
        if kind is not SegmentType.AS_SEQUENCE:
            break
        found += numbers
    return found


def _communities_test(patterns: tuple[CommunityPattern, ...], quantifier: Quantifier) -> AttributesTest:
    def is_carried(pattern: CommunityPattern, carried: dict[str, tuple[bytes, ...]]) -> bool:
        return any(matching((pattern,), octets, pattern.kind) for octets in carried[pattern.kind])

    def has_any(attributes: Attributes) -> bool:
        carried = communities_by_kind(attributes)
        return any(is_carried(pattern, carried) for pattern in patterns)

    def has_all(attributes: Attributes) -> bool:
        carried = communities_by_kind(attributes)
        return all(is_carried(pattern, carried) for pattern in patterns)

    def has_none(attributes: Attributes) -> bool:
        return not has_any(attributes)

    return {Quantifier.ANY: has_any, Quantifier.ALL: has_all, Quantifier.NONE: has_none}[quantifier]
