"""Sets against the plain way to say the same, and the cost of a large one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import covers, truncate
from bgpd.communities import parse_communities, parse_patterns
from bgpd.config.syntax import prefix_entry
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import Asn
from bgpd.messages.attributes import block
from bgpd.policy.sets import AsSet, CommunitySet, PrefixEntry, PrefixSet, carried_communities
from tests.support.paths import prefix

ADDRESSES = st.builds(
    lambda head, tail: bytes((head,)) + tail, st.sampled_from([0, 10, 128]), st.binary(min_size=3, max_size=3)
)
PREFIXES = st.builds(lambda address, length: truncate(b"\x20" + address, length), ADDRESSES, st.integers(0, 32))
SPANS = st.none() | st.tuples(st.integers(0, 32), st.integers(0, 32)).map(lambda pair: (min(pair), max(pair)))
ASNS = st.integers(1, 60).map(Asn)


@given(st.lists(st.builds(PrefixEntry, st.just(IPV4_UNICAST), PREFIXES, SPANS), max_size=12), PREFIXES)
def test_a_set_of_prefixes_has_what_one_of_its_members_takes(entries: list[PrefixEntry], asked: bytes) -> None:
    made = PrefixSet(tuple(entries))

    def takes(entry: PrefixEntry) -> bool:
        least, most = entry.lengths or (0, 32)
        return covers(entry.prefix, asked) and least <= asked[0] <= most

    assert made.inside(IPV4_UNICAST)(asked) is any(map(takes, entries))
    assert made.same(IPV4_UNICAST)(asked) is any(
        takes(entry) if entry.lengths else entry.prefix == asked for entry in entries
    )


def test_families_do_not_meet_in_a_set() -> None:
    made = PrefixSet((prefix_entry("0.0.0.0/0"),))
    assert made.families == {IPV4_UNICAST}
    assert not made.inside(IPV6_UNICAST)(prefix("::/0"))


def test_sets_of_the_same_members_are_equal() -> None:
    assert PrefixSet((prefix_entry("10.0.0.0/8"),)) == PrefixSet((prefix_entry("10.0.0.0/8"),))
    assert PrefixSet((prefix_entry("10.0.0.0/8"),)) != PrefixSet((prefix_entry("10.0.0.0/8 le 9"),))


def test_a_hundred_thousand_prefixes_are_not_looked_through() -> None:
    entries = tuple(
        PrefixEntry(IPV4_UNICAST, bytes((24,)) + number.to_bytes(3)) for number in range(0x0A0000, 0x0A0000 + 100_000)
    )
    made = PrefixSet(entries)
    questions = [bytes((26,)) + number.to_bytes(3) + b"\x40" for number in range(0x0A0000, 0x0A0000 + 2000)]
    for test, expected in ((made.inside(IPV4_UNICAST), True), (made.same(IPV4_UNICAST), False)):
        started = time.process_time()
        assert all(test(one) is expected for one in questions)
        assert time.process_time() - started < 0.5  # one by one it would be minutes


@given(st.lists(st.tuples(ASNS, ASNS).map(lambda pair: (min(pair), max(pair))), max_size=8), ASNS)
def test_a_set_of_as_numbers_has_what_is_in_one_of_its_ranges(ranges: list[tuple[Asn, Asn]], asked: Asn) -> None:
    assert (asked in AsSet(tuple(ranges))) is any(least <= asked <= most for least, most in ranges)


@pytest.mark.parametrize(
    ("written", "carried", "meets", "is_within"),
    [
        ("64512:*", "64512:7", True, True),
        ("*:7", "64512:7", True, True),
        ("64512:*", "64513:7", False, False),
        ("64512:*:2", "64512:1:2", True, True),
        ("rt:*:7", "rt:10.0.0.1:7", True, True),
        ("rt:*:7", "rt:100000:7", True, True),
        ("rt:*:7", "rt:1:7", True, True),
        ("rt:*:7", "rt:[2001:db8::1]:7", True, True),
        ("rt:*:7", "ro:1:7", False, False),
        ("rt:*:100000", "rt:1:100000", True, True),
        ("rt:*:*,64512:1", "rt:1:7", True, False),
        ("rt:*:*,64512:1", "rt:1:7,64512:1", True, True),
        ("64512:1", "64512:1:1", False, False),
        ("no-export", "65535:65281", True, True),
    ],
)
def test_communities_meet_by_kind_and_number(written: str, carried: str, meets: bool, is_within: bool) -> None:
    made = CommunitySet(tuple(pattern for text in written.split(",") for pattern in parse_patterns(text)))
    found = parse_communities(tuple(carried.split(",")))
    attributes = block.make(
        communities=found.plain,
        extended_communities=found.extended,
        ipv6_extended_communities=found.ipv6_extended,
        large_communities=found.large,
    )
    octets = carried_communities(attributes)
    assert made.meets(octets) is meets
    assert made.is_within(octets) is is_within
