"""Prefix tests against the plain way to say the same."""

from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import covers, truncate
from bgpd.families import IPV4_UNICAST
from bgpd.policy.conditions import prefix_test
from bgpd.policy.rules import Comparison, Conditions
from bgpd.policy.sets import PrefixEntry, PrefixSet

# Few different first octets, so that prefixes meet.
ADDRESSES = st.builds(
    lambda head, tail: bytes((head,)) + tail, st.sampled_from([0, 10, 128]), st.binary(min_size=3, max_size=3)
)
PREFIXES = st.builds(lambda address, length: truncate(b"\x20" + address, length), ADDRESSES, st.integers(0, 32))
SPANS = st.tuples(st.integers(0, 32), st.integers(0, 32)).map(lambda pair: (min(pair), max(pair)))


def a_set(prefixes: list[bytes]) -> tuple[PrefixSet, ...]:
    return (PrefixSet(tuple(PrefixEntry(IPV4_UNICAST, one) for one in prefixes)),)


@given(
    st.lists(PREFIXES, min_size=1, max_size=12),
    st.sampled_from(Comparison),
    st.none() | SPANS,
    PREFIXES,
)
def test_every_comparison_says_what_the_plain_words_say(
    prefixes: list[bytes], comparison: Comparison, span: tuple[int, int] | None, prefix: bytes
) -> None:
    conditions = Conditions(prefixes=a_set(prefixes), comparison=comparison, length=span)
    test = prefix_test(conditions, IPV4_UNICAST)
    assert test is not None

    is_in_range = span is None or span[0] <= prefix[0] <= span[1]
    plain = {
        Comparison.IN: is_in_range and any(covers(one, prefix) for one in prefixes),
        Comparison.NOT_IN: not (is_in_range and any(covers(one, prefix) for one in prefixes)),
        Comparison.EQUAL: is_in_range and prefix in prefixes,
        Comparison.NOT_EQUAL: not (is_in_range and prefix in prefixes),
    }
    assert test(prefix) is plain[comparison]


@given(st.lists(PREFIXES, min_size=9, max_size=40), PREFIXES)
def test_many_prefixes_are_found_as_few_are(prefixes: list[bytes], prefix: bytes) -> None:
    test = prefix_test(Conditions(prefixes=a_set(prefixes)), IPV4_UNICAST)
    assert test is not None
    assert test(prefix) is any(covers(one, prefix) for one in prefixes)


def test_nothing_is_asked_of_the_prefix_without_a_condition_on_it() -> None:
    assert prefix_test(Conditions(), IPV4_UNICAST) is None
