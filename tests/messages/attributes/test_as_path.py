"""AS_PATH: its figures, prepending, and the two forms it has on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.identity import Asn
from bgpd.messages.attributes import as_path
from bgpd.messages.attributes.model import AsPath, SegmentType
from bgpd.messages.attributes.spec import Malformed
from tests.support.wire import EXTERNAL, TWO_OCTETS, asns, path_octets, segments

SEQUENCE, SET = SegmentType.AS_SEQUENCE, SegmentType.AS_SET
CONFED, CONFED_SET = SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET
Parts = list[tuple[int, tuple[int, ...]]]


def path(*parts: tuple[int, tuple[int, ...]]) -> AsPath:
    return as_path.from_octets(path_octets(list(parts)))


@pytest.mark.parametrize(
    ("parts", "length", "neighbour", "origin"),
    [
        ([], 0, 0, 0),
        ([(SEQUENCE, (1,))], 1, 1, 1),
        ([(SEQUENCE, (1, 2, 2))], 3, 1, 2),
        ([(SET, (1, 2, 3))], 1, 0, 0),
        ([(SEQUENCE, (1, 2)), (SET, (3, 4))], 3, 1, 0),
        ([(SET, (3, 4)), (SEQUENCE, (1, 2))], 3, 0, 2),
        ([(CONFED, (9, 8))], 0, 0, 0),
        ([(CONFED, (9, 8)), (SEQUENCE, (1, 2))], 2, 1, 2),
        ([(CONFED_SET, (9,)), (SET, (1,)), (SEQUENCE, (2,))], 2, 0, 2),
        ([(SEQUENCE, (1, 2)), (CONFED, (9,))], 2, 1, 2),
        ([(SEQUENCE, (1,)), (SEQUENCE, (2,))], 2, 1, 2),
    ],
)
@pytest.mark.rfc("5065", "5.3")
def test_length_neighbour_and_origin_count_as_the_decision_process_does(
    parts: Parts, length: int, neighbour: int, origin: int
) -> None:
    found = path(*parts)
    assert (found.length, found.neighbour, found.origin_asn) == (length, neighbour, origin)


def test_a_number_that_contains_zeros_is_not_as_zero() -> None:
    assert path((SEQUENCE, (0x01000000, 0x00000001))).length == 2
    assert path((SEQUENCE, (0x00010000, 0x00000100))).length == 2
    with pytest.raises(Malformed, match="AS number 0"):
        path((SEQUENCE, (1, 0, 2)))


@given(st.lists(segments(), max_size=4))
def test_segments_are_read_back_as_written(parts: Parts) -> None:
    found = path(*parts)
    assert [(int(kind), numbers) for kind, numbers in found.segments()] == parts
    assert as_path.from_segments(found.segments()) == found


@given(st.binary(max_size=40))
def test_any_octets_are_a_path_or_malformed(octets: bytes) -> None:
    for negotiated in (EXTERNAL, TWO_OCTETS):
        try:
            found = as_path.decode(octets, negotiated)
        except Malformed:
            continue
        assert as_path.encode(found, negotiated) == octets


@pytest.mark.rfc("4271", "5.1.2")
def test_prepend_goes_into_a_leading_sequence() -> None:
    assert as_path.prepend(path((SEQUENCE, (2,))), 1) == path((SEQUENCE, (1, 2)))
    assert as_path.prepend(path(), 1, 3) == path((SEQUENCE, (1, 1, 1)))
    assert as_path.prepend(path((SET, (2,))), 1) == path((SEQUENCE, (1,)), (SET, (2,)))
    assert as_path.prepend(path((SEQUENCE, (2,))), 1, segment=CONFED) == path((CONFED, (1,)), (SEQUENCE, (2,)))


@pytest.mark.rfc("4271", "5.1.2")
def test_prepend_starts_a_new_segment_at_255_numbers() -> None:
    full = path((SEQUENCE, (2,) * 254))
    assert as_path.prepend(full, 1, 2) == path((SEQUENCE, (1,)), (SEQUENCE, (1,) + (2,) * 254))
    assert as_path.prepend(path(), 1, 300) == path((SEQUENCE, (1,) * 45), (SEQUENCE, (1,) * 255))
    assert as_path.prepend(full, 1, 0) == full


def test_segments_that_are_too_long_are_cut_and_sets_refused() -> None:
    found = as_path.from_segments([(SEQUENCE, tuple(map(Asn, range(1, 601))))])
    assert [len(numbers) for _, numbers in found.segments()] == [90, 255, 255]
    assert (found.length, found.neighbour, found.origin_asn) == (600, 1, 600)
    with pytest.raises(ValueError, match="set"):
        as_path.from_segments([(SET, (Asn(1),) * 256)])
    with pytest.raises(ValueError, match="AS number 0"):
        as_path.from_segments([(SEQUENCE, (Asn(0),))])


@pytest.mark.rfc("5065", "4.1")
def test_confederation_segments_are_taken_out_wherever_they_are() -> None:
    inside = path((CONFED, (9,)), (SEQUENCE, (1,)), (CONFED_SET, (8,)))
    assert as_path.has_confederation(inside)
    assert as_path.without_confederation(inside) == path((SEQUENCE, (1,)))
    outside = path((SEQUENCE, (1,)), (SET, (2,)))
    assert as_path.without_confederation(outside) is outside
    assert not as_path.has_confederation(path())


@pytest.mark.rfc("6793", "4.2.2")
def test_the_narrow_form_has_as_trans_and_as4_path_only_where_needed() -> None:
    wide = path((CONFED, (70000,)), (SEQUENCE, (1, 70000)))
    assert as_path.narrow(wide) == path_octets([(CONFED, (23456,)), (SEQUENCE, (1, 23456))], 2)
    assert as_path.as4_path(wide) == path_octets([(SEQUENCE, (1, 70000))])
    assert as_path.as4_path(path((SEQUENCE, (1, 65535)))) == b""
    assert as_path.as4_path(path((CONFED, (70000,)))) == b""


@pytest.mark.rfc("6793", "4.2.3")
@pytest.mark.parametrize(
    ("narrow", "as4", "expected"),
    [
        ([(SEQUENCE, (1, 23456, 23456))], [(SEQUENCE, (70000, 70001))], [(SEQUENCE, (1, 70000, 70001))]),
        ([(SEQUENCE, (23456,))], [(SEQUENCE, (70000,))], [(SEQUENCE, (70000,))]),
        ([(SEQUENCE, (23456,))], [(SEQUENCE, (1, 70000))], [(SEQUENCE, (23456,))]),
        ([(SET, (5, 6)), (SEQUENCE, (23456,))], [(SEQUENCE, (70000,))], [(SET, (5, 6)), (SEQUENCE, (70000,))]),
        (
            [(CONFED, (9,)), (SEQUENCE, (1,)), (CONFED, (8,)), (SEQUENCE, (23456,))],
            [(SEQUENCE, (70000,))],
            [(CONFED, (9,)), (SEQUENCE, (1,)), (CONFED, (8,)), (SEQUENCE, (70000,))],
        ),
        (
            [(CONFED, (9,)), (SEQUENCE, (23456,)), (CONFED, (8,))],
            [(SEQUENCE, (70000,))],
            [(CONFED, (9,)), (SEQUENCE, (70000,))],
        ),
        ([(SEQUENCE, (1, 2)), (SET, (23456,))], [(SET, (70000,))], [(SEQUENCE, (1, 2)), (SET, (70000,))]),
        ([(SEQUENCE, (1, 23456))], [], [(SEQUENCE, (1, 23456))]),
    ],
)
def test_merging_takes_the_missing_front_from_the_narrow_path(narrow: Parts, as4: Parts, expected: Parts) -> None:
    assert as_path.merge(path(*narrow), path(*as4)) == path(*expected)


@given(st.lists(segments(kinds=(1, 2)), min_size=1, max_size=4), st.lists(asns, max_size=3))
def test_a_path_through_an_old_speaker_is_whole_again(parts: Parts, old: list[int]) -> None:
    wide = path(*parts)
    narrow = as_path.decode(as_path.narrow(wide), TWO_OCTETS)
    for asn in old:
        narrow = as_path.prepend(narrow, min(asn, 65535))
    as4 = as_path.as4_path(wide)
    merged = as_path.merge(narrow, as_path.from_octets(as4)) if as4 else narrow
    assert merged.length == wide.length + len(old)
    flat = [n for _, numbers in merged.segments() for n in numbers]
    assert flat == [min(asn, 65535) for asn in reversed(old)] + [n for _, numbers in parts for n in numbers]
