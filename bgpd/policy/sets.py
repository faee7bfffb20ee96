"""Sets that rules ask: of prefixes, AS numbers and communities; made once, shared by every rule that names them.

A look-up does not depend on how many members there are: prefixes are found by hash for each length that the set has,
numbers and exact communities by hash, ranges of numbers by bisection. Sets compare by what was written into them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Final, NamedTuple

from bgpd.communities import CommunityPattern, large_to_octets
from bgpd.families import Family
from bgpd.identity import Asn
from bgpd.messages.attributes.model import Attributes
from bgpd.records import dataclass

PrefixTest = Callable[[bytes], bool]
Span = tuple[int, int]  # least and most, both included

_Masked = tuple[str, int, int]  # kind of community, mask, value
_ByLength = dict[int, dict[int, int]]  # length of a member → its leading bits → bit n is set: length n is in


class PrefixEntry(NamedTuple):
    """A member of a set of prefixes. lengths: those that it takes; None = as the rule compares: inside, or the same."""

    family: Family
    prefix: bytes
    lengths: Span | None = None


@dataclass(frozen=True, slots=True)
class PrefixSet:
    """Prefixes of any family."""

    entries: tuple[PrefixEntry, ...]
    _hash: int = field(init=False, repr=False, compare=False)
    _same: Mapping[Family, frozenset[bytes]] = field(init=False, repr=False, compare=False)
    _inside: Mapping[Family, _ByLength] = field(init=False, repr=False, compare=False)
    _ranges: Mapping[Family, _ByLength] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        same: dict[Family, set[bytes]] = {}
        inside: dict[Family, _ByLength] = {}
        ranges: dict[Family, _ByLength] = {}
        for family, prefix, lengths in self.entries:
            if lengths is None:
                same.setdefault(family, set()).add(prefix)
                _allow(inside.setdefault(family, {}), family, prefix, (prefix[0], family.bits))
            else:
                _allow(inside.setdefault(family, {}), family, prefix, lengths)
                _allow(ranges.setdefault(family, {}), family, prefix, lengths)
        object.__setattr__(self, "_hash", hash(self.entries))
        object.__setattr__(self, "_same", {family: frozenset(members) for family, members in same.items()})
        object.__setattr__(self, "_inside", inside)
        object.__setattr__(self, "_ranges", ranges)

    def __hash__(self) -> int:
        return self._hash

    @property
    def families(self) -> frozenset[Family]:
        """Return the families that it has members of."""
        return frozenset(self._inside)

    def inside(self, family: Family) -> PrefixTest:
        """Return a test for what a member covers, or takes by a length range of its own."""
        return _range_test(self._inside.get(family, {}), family)

    def same(self, family: Family) -> PrefixTest:
        """Return a test for the members themselves; those with a length range of their own take what that says."""
        members = self._same.get(family, frozenset())
        ranges = self._ranges.get(family)
        if not ranges:
            return members.__contains__
        in_range = _range_test(ranges, family)
        return lambda prefix: prefix in members or in_range(prefix)


@dataclass(frozen=True, slots=True)
class AsSet:
    """AS numbers, as ranges (least, most); one number is a range of one."""

    ranges: tuple[tuple[Asn, Asn], ...]
    _single: frozenset[int] = field(init=False, repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        merged: list[list[int]] = []
        for least, most in sorted(one for one in self.ranges if one[0] < one[1]):
            if merged and least <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], most)
            else:
                merged.append([least, most])
        object.__setattr__(self, "_single", frozenset(least for least, most in self.ranges if least == most))
        object.__setattr__(self, "_starts", tuple(least for least, _ in merged))
        object.__setattr__(self, "_ends", tuple(most for _, most in merged))

    def __contains__(self, asn: int) -> bool:
        if asn in self._single:
            return True
        place = bisect_right(self._starts, asn) - 1
        return place >= 0 and asn <= self._ends[place]


@dataclass(frozen=True, slots=True)
class CommunitySet:
    """Communities of all kinds, each exact or with a wildcard."""

    patterns: tuple[CommunityPattern, ...]  # those of one text are alternatives
    _exact: frozenset[tuple[str, bytes]] = field(init=False, repr=False, compare=False)
    _masked: tuple[_Masked, ...] = field(init=False, repr=False, compare=False)
    _by_text: tuple[tuple[_Masked, ...], ...] = field(init=False, repr=False, compare=False)  # the masked ones

    def __post_init__(self) -> None:
        exact = frozenset((one.kind, one.value) for one in self.patterns if one.is_exact)
        by_text: dict[str, tuple[_Masked, ...]] = {}
        for one in self.patterns:
            if not one.is_exact:
                masked = (one.kind, int.from_bytes(one.mask), int.from_bytes(one.value))
                by_text[one.text] = (*by_text.get(one.text, ()), masked)
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_masked", tuple(masked for patterns in by_text.values() for masked in patterns))
        object.__setattr__(self, "_by_text", tuple(by_text.values()))

    def has(self, kind: str, octets: bytes) -> bool:
        """Does one of the patterns match a community of that kind, given in octets?"""
        if (kind, octets) in self._exact:
            return True
        if not self._masked:
            return False
        number = int.from_bytes(octets)
        return any(_meets(one, kind, number) for one in self._masked)

    def meets(self, carried: Iterable[tuple[str, bytes]]) -> bool:
        """Is one of these communities in the set?"""
        return any(self.has(kind, octets) for kind, octets in carried)

    def is_within(self, carried: tuple[tuple[str, bytes], ...]) -> bool:
        """Does every written community match one of these? One that was written may be several patterns."""
        return self._exact <= frozenset(carried) and all(
            any(_meets(one, kind, int.from_bytes(octets)) for one in patterns for kind, octets in carried)
            for patterns in self._by_text
        )


NO_COMMUNITY_SET: Final = CommunitySet(())


def carried_communities(attributes: Attributes) -> tuple[tuple[str, bytes], ...]:
    """Return all communities of a route as (kind, octets), the kinds being those of ``CommunityPattern``."""
    return (
        *[("plain", community.to_bytes(4)) for community in attributes.communities],
        *[("extended", octets) for octets in attributes.extended_communities],
        *[("ipv6_extended", octets) for octets in attributes.ipv6_extended_communities],
        *[("large", large_to_octets(community)) for community in attributes.large_communities],
    )


def _meets(masked: _Masked, kind: str, number: int) -> bool:
    return masked[0] == kind and number & masked[1] == masked[2]


def _allow(table: _ByLength, family: Family, prefix: bytes, lengths: Span) -> None:
    """Enter that prefixes of these lengths are in which begin with the bits of this one."""
    length, least, most = prefix[0], max(prefix[0], lengths[0]), min(family.bits, lengths[1])
    if least > most:
        return
    members = table.setdefault(length, {})
    bits = int.from_bytes(prefix[1:]) >> (-length % 8)
    members[bits] = members.get(bits, 0) | (1 << most + 1) - (1 << least)


def _range_test(table: _ByLength, family: Family) -> PrefixTest:
    size = family.bits
    steps = tuple((length, size - length, members.get) for length, members in sorted(table.items()))

    def is_inside(prefix: bytes) -> bool:
        length = prefix[0]
        address = int.from_bytes(prefix[1:]) << size - 8 * (len(prefix) - 1)
        for shortest, shift, find in steps:
            if shortest > length:
                return False
            if find(address >> shift, 0) >> length & 1:
                return True
        return False

    return is_inside
