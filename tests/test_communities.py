"""Communities as text; values from the RFCs and the IANA registries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.communities import (
    WELL_KNOWN,
    Communities,
    format_community,
    format_extended_community,
    format_large_community,
    parse_communities,
    parse_pattern,
)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("rt:64512:77", "0002fc000000004d"),
        ("ro:10.0.0.1:5", "01030a0000010005"),
        ("rt:65546:7", "02020001000a0007"),
        ("rt:77L:5", "02020000004d0005"),
        ("ro:4294967295:65535", "0203ffffffffffff"),
        ("opaque:12:8", "030c000000000008"),
        ("opaque:255:281474976710655", "03ffffffffffffff"),
        ("0x4004112233445566", "4004112233445566"),
        ("0x430c000000000008", "430c000000000008"),
        ("0x0006fc000000004d", "0006fc000000004d"),
    ],
)
@pytest.mark.rfc("4360", "3")
def test_extended_communities_have_their_octets(text: str, octets: str) -> None:
    (community,) = parse_communities((text,)).extended
    assert community.hex() == octets
    assert format_extended_community(community) == text


@pytest.mark.rfc("5668", "2")
def test_a_dotted_as_number_is_one_of_four_octets() -> None:
    assert (
        parse_communities(("rt:1.10:7", "rt:0.77:5")).extended == parse_communities(("rt:65546:7", "rt:77L:5")).extended
    )
    assert parse_pattern("rt:*L:5").mask.hex() == "ffff00000000ffff"
    assert parse_pattern("opaque:12:*").mask.hex() == "ffff000000000000"


@given(st.binary(min_size=8, max_size=8) | st.binary(min_size=20, max_size=20))
def test_every_extended_community_is_read_back_from_its_text(octets: bytes) -> None:
    found = parse_communities((format_extended_community(octets),))
    assert (*found.extended, *found.ipv6_extended) == (octets,)


@pytest.mark.rfc("5701", "2")
def test_an_ipv6_address_specific_community_has_twenty_octets() -> None:
    (community,) = parse_communities(("rt:[2001:db8::1]:7",)).ipv6_extended
    assert community.hex() == "0002" + "20010db8000000000000000000000001" + "0007"
    assert format_extended_community(community) == "rt:[2001:db8::1]:7"


@pytest.mark.rfc("1997", "Well-known Communities")
def test_registered_names_stand_for_their_numbers() -> None:
    found = parse_communities(("no-export", "no-advertise", "no-export-subconfed"))
    assert found.plain == (0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03)
    assert [format_community(one) for one in WELL_KNOWN.values()] == list(WELL_KNOWN)


def test_kinds_are_told_apart_by_their_form_and_repeats_collapse() -> None:
    found = parse_communities(("64512:77", "64512:1:2", "rt:1:1", "64512:77"))
    assert found == Communities((64512 << 16 | 77,), (bytes.fromhex("0002000100000001"),), (), ((64512, 1, 2),))


@pytest.mark.parametrize(
    "text",
    ["", "1", "65536:1", "1:65536", "1:2:4294967296", "1:2:3:4", "a:b", "-1:1", "rt:1", "rt:65536:65536", "rt:x:1",
     "rt:[::1:7", "rt:10.0.0.300:1", "0x12", "no-exports", "rt:[::1]:65536", "rt:77L:65536", "rt:L:1", "rt:1.70000:1",
     "opaque:256:1", "opaque:1", "opaque:1:281474976710656", "0x00112233445566778899"],
)  # fmt: skip
def test_what_is_no_community_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_pattern(text)


def test_a_pattern_cannot_be_put_on_a_route() -> None:
    with pytest.raises(ValueError, match=r"a community with \* cannot be put on a route"):
        parse_communities(("64512:*",))


@given(st.integers(0, 0xFFFF_FFFF))
def test_plain_communities_survive_their_text(community: int) -> None:
    assert parse_communities((format_community(community),)).plain == (community,)


@given(st.tuples(*[st.integers(0, 0xFFFF_FFFF)] * 3))
def test_large_communities_survive_their_text(community: tuple[int, int, int]) -> None:
    assert parse_communities((format_large_community(community),)).large == (community,)


@given(st.binary(min_size=8, max_size=8))
def test_extended_communities_survive_their_text(community: bytes) -> None:
    assert parse_communities((format_extended_community(community),)).extended == (community,)


@pytest.mark.rfc("8092", "5")
@pytest.mark.parametrize("text", ["0:0:0", "4294967295:10:7", "65001:0:100"])
def test_a_large_community_is_written_without_leading_zeros(text: str) -> None:
    padded = ":".join("00" + part for part in text.split(":"))
    for each in (text, padded):
        (community,) = parse_communities((each,)).large
        assert format_large_community(community) == text
