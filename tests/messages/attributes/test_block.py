"""Attribute blocks: every rule of RFC 4271 6.3 as RFC 7606 has it, and the fast reader against the plain one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import UpdateError, UpdateSubcode
from bgpd.identity import Asn
from bgpd.messages.attributes import SPECS, block
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.block import TreatAsWithdraw
from bgpd.messages.attributes.model import Aggregator, Attributes, Fault, Origin, SegmentType, Unknown
from bgpd.messages.attributes.spec import tlv
from bgpd.messages.negotiated import Negotiated
from tests.support.wire import (
    AS_PATH,
    COMMUNITIES,
    EXTERNAL,
    GLOBAL,
    INTERNAL,
    LINK_LOCAL,
    LOCAL_PREF,
    MANDATORY,
    MED,
    MP_MANDATORY,
    NEXT_HOP,
    ORIGIN,
    TWO_OCTETS,
    blocks,
    path_octets,
    segments,
)

NARROW_PATH = bytes.fromhex("40 02 06 0202 fdea 5ba0")  # 65002 AS_TRANS
NARROW = ORIGIN + NARROW_PATH + NEXT_HOP


def values(attributes: Attributes) -> dict[str, object]:
    return {name: getattr(attributes, name) for name in Attributes.__slots__}


def parse(octets: bytes, negotiated: Negotiated = EXTERNAL) -> Attributes:
    return block.parse(octets, negotiated, None)


def withdrawn(octets: bytes, negotiated: Negotiated = EXTERNAL) -> TreatAsWithdraw:
    with pytest.raises(TreatAsWithdraw) as caught:
        parse(octets, negotiated)
    return caught.value


class TestReading:
    def test_all_attributes_are_decoded(self) -> None:
        octets = (
            MANDATORY
            + MED
            + LOCAL_PREF
            + bytes.fromhex("40 06 00c0 07 08 00030d40 0a000009")
            + COMMUNITIES
            + bytes.fromhex("80 09 04 0a00000280 0a 08 0a000003 0a000004c0 10 08 0002fde900000064")
            + bytes.fromhex("c0 19 14 0002 20010db8000000000000000000000001 006480 1a 0b 01000b 000000000000002a")
            + bytes.fromhex("c0 20 0c 0000fde9 00000001 00000002c0 23 04 0000fdeae0 63 02 abcd")
        )
        found = parse(octets, INTERNAL)
        assert values(found) == {
            "octets": octets,
            "origin": Origin.IGP,
            "as_path": from_segments([(SegmentType.AS_SEQUENCE, (Asn(65002), Asn(200000)))]),
            "next_hop": b"\x0a\0\0\1",
            "med": 5,
            "local_pref": 100,
            "atomic_aggregate": True,
            "aggregator": Aggregator(Asn(200000), b"\x0a\0\0\x09"),
            "communities": (0xFDEA0001, 0xFFFFFF01),
            "originator_id": 0x0A000002,
            "cluster_list": (0x0A000003, 0x0A000004),
            "extended_communities": (bytes.fromhex("0002fde900000064"),),
            "ipv6_extended_communities": (bytes.fromhex("000220010db80000000000000000000000010064"),),
            "aigp": 42,
            "large_communities": ((65001, 1, 2),),
            "otc": 65002,
            "unknown": (Unknown(0xE0, 99, b"\xab\xcd"),),
            "faults": (),
        }

    def test_a_canonical_block_is_kept_as_the_object_it_is(self) -> None:
        for _ in range(2):
            octets = bytes(bytearray(MANDATORY + MED + COMMUNITIES))
            assert parse(octets).octets is octets

    @pytest.mark.rfc("4271", "4.3")
    @pytest.mark.parametrize(
        "octets",
        [
            MED + NEXT_HOP + AS_PATH + ORIGIN,
            bytes.fromhex("41 01 01 00") + AS_PATH + NEXT_HOP + MED,
            bytes.fromhex("60 01 01 00") + AS_PATH + NEXT_HOP + MED,
            ORIGIN + bytes.fromhex("50 02 000a") + AS_PATH[3:] + NEXT_HOP + MED,
            ORIGIN + AS_PATH + NEXT_HOP + bytes.fromhex("8f 04 04 00000005"),
            ORIGIN + AS_PATH + NEXT_HOP + bytes.fromhex("a0 04 04 00000005"),
            ORIGIN + AS_PATH + NEXT_HOP + bytes.fromhex("90 04 0004 00000005"),
        ],
    )
    def test_order_low_flags_and_long_lengths_are_made_canonical(self, octets: bytes) -> None:
        for _ in range(2):
            found = parse(octets)
            assert (found.octets, found.med, found.faults) == (MANDATORY + MED, 5, ())

    @pytest.mark.rfc("4271", "5")
    def test_partial_stays_on_an_optional_transitive_attribute(self) -> None:
        octets = MANDATORY + b"\xe0" + COMMUNITIES[1:]
        for _ in range(2):
            assert parse(octets).octets == octets

    def test_a_long_attribute_keeps_its_long_length(self) -> None:
        octets = MANDATORY + tlv(8, 0xC0, bytes(400))
        for _ in range(2):
            assert parse(octets).octets is octets
        assert len(parse(octets).communities) == 100

    @pytest.mark.rfc("8092", "3")
    def test_a_large_community_that_is_there_twice_counts_once(self) -> None:
        octets = MANDATORY + bytes.fromhex("c0 20 18" + "0000fde90000000100000002" * 2)
        assert parse(octets).large_communities == ((65001, 1, 2),)

    def test_more_attributes_than_are_remembered_are_still_read(self) -> None:
        for number in range(40_000):
            octets = MANDATORY + b"\x80\4\4" + number.to_bytes(4)
            assert block.parse(octets, EXTERNAL, None).med == number


class TestMpRoutes:
    def test_the_next_hop_of_mp_reach_needs_no_attribute(self) -> None:
        for next_hop in (GLOBAL, GLOBAL + LINK_LOCAL, b"\x0a\0\0\2"):
            found = block.parse(MP_MANDATORY + MED, EXTERNAL, next_hop)
            assert (found.next_hop, found.octets) == (next_hop, MP_MANDATORY + MED)

    @pytest.mark.rfc("4760", "3")
    @pytest.mark.parametrize("ignored", [NEXT_HOP, bytes.fromhex("40 03 04 e0000001"), bytes.fromhex("80 03 01 00")])
    def test_a_next_hop_attribute_beside_mp_reach_is_ignored_whatever_it_says(self, ignored: bytes) -> None:
        found = block.parse(MP_MANDATORY + ignored + MED, EXTERNAL, GLOBAL)
        assert (found.next_hop, found.octets, found.faults) == (GLOBAL, MP_MANDATORY + MED, ())

    @pytest.mark.parametrize("missing", [ORIGIN, AS_PATH, b""])
    def test_origin_and_as_path_are_needed_all_the_same(self, missing: bytes) -> None:
        with pytest.raises(TreatAsWithdraw, match="missing"):
            block.parse(missing, EXTERNAL, GLOBAL)

    @pytest.mark.rfc("4271", "6.3")
    @pytest.mark.parametrize(
        "next_hop",
        [bytes(16), bytes(32), b"\xff\2" + bytes(14), b"\0\0\0\0", b"\xe0\0\0\1", GLOBAL + GLOBAL],
    )
    def test_a_next_hop_that_no_host_has_withdraws(self, next_hop: bytes) -> None:
        with pytest.raises(TreatAsWithdraw, match="MP_REACH_NLRI"):
            block.parse(MP_MANDATORY, EXTERNAL, next_hop)

    @pytest.mark.parametrize("next_hop", [bytes(16) + LINK_LOCAL, LINK_LOCAL, LINK_LOCAL * 2, GLOBAL + bytes(16)])
    def test_next_hops_that_are_seen_in_the_wild_are_taken(self, next_hop: bytes) -> None:
        assert block.parse(MP_MANDATORY, EXTERNAL, next_hop).next_hop == next_hop


class TestFaults:
    @pytest.mark.rfc("7606", "3 d")
    @pytest.mark.parametrize(("missing", "code"), [(ORIGIN, 1), (AS_PATH, 2), (NEXT_HOP, 3)])
    def test_a_missing_mandatory_attribute_withdraws(self, missing: bytes, code: int) -> None:
        fault = withdrawn((MANDATORY + MED).replace(missing, b""))
        assert (fault.subcode, fault.data) == (UpdateSubcode.MISSING_WELL_KNOWN_ATTRIBUTE, bytes((code,)))
        assert fault.attribute == SPECS[code].name

    @pytest.mark.rfc("7606", "7")
    @pytest.mark.parametrize(
        ("attribute", "subcode"),
        [
            ("40 01 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("40 01 02 0000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("40 01 01 03", UpdateSubcode.INVALID_ORIGIN),
            ("40 01 01 ff", UpdateSubcode.INVALID_ORIGIN),
            ("40 02 01 02", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 02 0200", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 06 0002 00000001", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 06 0501 00000001", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 06 0202 00000001", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 07 0201 00000001 02", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 08 0201 00000001 0200", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 06 0201 00000000", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 0c 0201 00000001 0101 00000000", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 06 0301 0000fdea", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 02 0c 0201 0000fdea 0401 00000001", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 03 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("40 03 03 0a0000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("40 03 05 0a00000100", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("40 03 04 00000000", UpdateSubcode.INVALID_NEXT_HOP),
            ("40 03 04 f0000001", UpdateSubcode.INVALID_NEXT_HOP),
            ("40 03 04 e0000001", UpdateSubcode.INVALID_NEXT_HOP),
            ("40 03 04 ffffffff", UpdateSubcode.INVALID_NEXT_HOP),
            ("80 04 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("80 04 03 000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("80 04 05 0000000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 08 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 08 06 000000000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 10 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 10 04 00000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 19 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 19 08 0000000000000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 20 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 20 08 0000000000000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 23 00", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("c0 23 05 0000000000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
        ],
    )
    def test_a_malformed_attribute_withdraws(self, attribute: str, subcode: UpdateSubcode) -> None:
        octets = bytes.fromhex(attribute)
        kept = [each for each in (ORIGIN, AS_PATH, NEXT_HOP) if each[1] != octets[1]]
        for order in (b"".join([octets, *kept]), b"".join(sorted([octets, *kept], key=lambda each: each[1]))):
            fault = withdrawn(order)
            assert (fault.attribute, fault.subcode, fault.data) == (SPECS[octets[1]].name, subcode, octets)

    @pytest.mark.rfc("7606", "7.5")
    @pytest.mark.parametrize(
        "attribute", ["40 05 00", "40 05 03 000000", "80 09 05 0000000000", "80 0a 00", "80 0a 03 000000"]
    )
    def test_a_malformed_internal_attribute_withdraws_inside_and_is_discarded_outside(self, attribute: str) -> None:
        octets = bytes.fromhex(attribute)
        assert withdrawn(MANDATORY + octets, INTERNAL).data == octets
        found = parse(MANDATORY + octets)
        assert (found.octets, found.faults) == (MANDATORY, (Fault(SPECS[octets[1]].name, "from another AS"),))

    @pytest.mark.rfc("7606", "7.9")
    @pytest.mark.parametrize(
        "attribute", ["40 05 04 00000064", "80 09 04 00000001", "80 0a 04 00000001", "c0 05 04 00000064"]
    )
    def test_an_internal_attribute_from_another_as_is_discarded(self, attribute: str) -> None:
        found = parse(MANDATORY + bytes.fromhex(attribute))
        assert found.octets == MANDATORY
        assert (found.local_pref, found.originator_id, found.cluster_list) == (None, None, ())
        assert len(found.faults) == 1

    @pytest.mark.rfc("7606", "7.7")
    @pytest.mark.parametrize(
        "attribute",
        [
            "40 06 01 00",
            "c0 07 00",
            "c0 07 06 fdea 0a000001",
            "c0 07 07 00000000000000",
            "c0 07 08 00000000 0a000001",
            "c0 11 06 0201 00000001",
            "c0 12 08 00000001 0a000001",
        ],
    )
    def test_a_malformed_or_superfluous_aggregate_is_discarded(self, attribute: str) -> None:
        octets = bytes.fromhex(attribute)
        found = parse(MANDATORY + octets)
        assert (found.octets, found.aggregator, found.atomic_aggregate) == (MANDATORY, None, False)
        assert [fault.attribute for fault in found.faults] == [SPECS[octets[1]].name]

    @pytest.mark.rfc("7311", "3")
    @pytest.mark.parametrize(
        "attribute",
        ["80 1a 00", "80 1a 0a 01000a 00000000000000", "80 1a 0b 01000c 0000000000000000", "80 1a 04 02000400"],
    )
    def test_a_malformed_aigp_is_discarded(self, attribute: str) -> None:
        found = parse(MANDATORY + bytes.fromhex(attribute), INTERNAL)
        assert (found.octets, found.aigp, len(found.faults)) == (MANDATORY, None, 1)

    @pytest.mark.rfc("7311", "3.4")
    def test_aigp_from_another_as_is_discarded(self) -> None:
        octets = MANDATORY + bytes.fromhex("80 1a 0b 01000b 000000000000002a")
        found = parse(octets)
        assert (found.octets, found.aigp, len(found.faults)) == (MANDATORY, None, 1)
        found = parse(octets, INTERNAL)
        assert (found.octets, found.aigp) == (octets, 42)

    @pytest.mark.rfc("7606", "3 c")
    @pytest.mark.parametrize("code", [code for code in SPECS if code not in (17, 18, 26)])
    def test_wrong_flags_withdraw(self, code: int) -> None:
        good = {
            1: ORIGIN, 2: AS_PATH, 3: NEXT_HOP, 4: MED, 5: LOCAL_PREF, 6: tlv(6, 0x40, b""), 7: tlv(7, 0xC0, b"\1" * 8),
            8: COMMUNITIES, 9: tlv(9, 0x80, bytes(4)), 10: tlv(10, 0x80, bytes(4)), 16: tlv(16, 0xC0, bytes(8)),
            25: tlv(25, 0xC0, bytes(20)), 32: tlv(32, 0xC0, bytes(12)),
            35: tlv(35, 0xC0, bytes(4)),
        }[code]  # fmt: skip
        kept = b"".join(each for each in (ORIGIN, AS_PATH, NEXT_HOP) if each[1] != code)
        parse(good + kept, INTERNAL)
        for flags in {0x00, 0x40, 0x80, 0xC0} - {SPECS[code].flags}:
            wrong = bytes((flags,)) + good[1:]
            fault = withdrawn(wrong + kept, INTERNAL)
            assert (fault.subcode, fault.data) == (UpdateSubcode.ATTRIBUTE_FLAGS_ERROR, wrong)

    @pytest.mark.rfc("7311", "3.2")
    @pytest.mark.parametrize("flags", [0x00, 0x40, 0xC0])
    def test_aigp_with_wrong_flags_is_discarded(self, flags: int) -> None:
        found = parse(MANDATORY + tlv(26, flags, b"\1\0\x0b" + bytes(8)), INTERNAL)
        assert (found.octets, found.aigp, len(found.faults)) == (MANDATORY, None, 1)

    @pytest.mark.rfc("7606", "3 g")
    def test_of_an_attribute_that_is_there_twice_the_first_counts(self) -> None:
        for second in (b"\x80\4\4\0\0\0\7", b"\x80\4\1\0", b"\x40\4\4\0\0\0\7"):
            found = parse(MANDATORY + MED + second)
            assert (found.med, found.octets) == (5, MANDATORY + MED)
            assert found.faults[0].attribute == "MULTI_EXIT_DISC"
        unknown = tlv(99, 0xC0, b"1") + tlv(99, 0xC0, b"2")
        assert parse(MANDATORY + unknown).unknown == (Unknown(0xE0, 99, b"1"),)

    @pytest.mark.rfc("7606", "4")
    @pytest.mark.parametrize("rest", ["c0", "c0 08", "c0 08 04 000000", "d0 08 00", "d0 08 0004 000000", "c0 08 ff"])
    def test_attributes_that_overrun_or_underrun_the_block_withdraw(self, rest: str) -> None:
        assert withdrawn(MANDATORY + bytes.fromhex(rest)).subcode == UpdateSubcode.MALFORMED_ATTRIBUTE_LIST

    @pytest.mark.rfc("4271", "6.3")
    @pytest.mark.parametrize("code", [0, 13, 99, 255])
    def test_an_unknown_well_known_attribute_resets(self, code: int) -> None:
        octets = tlv(code, 0x40, b"ab")
        for each in (octets + MANDATORY, MANDATORY + octets, octets, bytes.fromhex("40 01 01 07") + octets):
            with pytest.raises(UpdateError) as caught:
                parse(each)
            assert caught.value.subcode == UpdateSubcode.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE
            assert caught.value.data == octets

    @pytest.mark.rfc("4271", "5")
    def test_an_unknown_attribute_goes_on_with_partial_if_it_is_transitive(self) -> None:
        for flags in (0xC0, 0xE0, 0xC5):
            found = parse(MANDATORY + tlv(99, flags, b"ab"))
            assert found.unknown == (Unknown(0xE0, 99, b"ab"),)
            assert found.octets == MANDATORY + tlv(99, 0xE0, b"ab")
        found = parse(tlv(99, 0x80, b"ab") + MANDATORY)
        assert (found.unknown, found.octets, found.faults) == ((), MANDATORY, ())

    @pytest.mark.rfc("7606", "3 h")
    def test_the_strongest_of_several_outcomes_counts(self) -> None:
        discard, withdraw, reset = (bytes.fromhex(each) for each in ("40 06 01 00", "80 04 01 00", "40 63 00"))
        assert withdrawn(MANDATORY + discard + withdraw).attribute == "MULTI_EXIT_DISC"
        with pytest.raises(UpdateError):
            parse(MANDATORY + withdraw + discard + reset)

    @pytest.mark.rfc("5065", "5")
    def test_confederation_segments_come_from_inside_only(self) -> None:
        octets = ORIGIN + tlv(2, 0x40, bytes.fromhex("0301 0000fde8 0201 0000fdea")) + NEXT_HOP
        assert withdrawn(octets).attribute == "AS_PATH"
        assert parse(octets, INTERNAL).as_path.neighbour == 65002
        found = parse(octets + LOCAL_PREF, replace(EXTERNAL, is_confederation=True))
        assert (str(found.as_path), found.local_pref) == ("(65000) 65002", 100)

    @pytest.mark.rfc("5065", "5")
    @pytest.mark.parametrize(
        "value", ["", "0201 0000fdea", "0401 0000fde8 0201 0000fdea", "0201 0000fdea 0301 0000fde8"]
    )
    def test_a_path_from_another_member_as_begins_with_a_confederation_sequence(self, value: str) -> None:
        member = replace(EXTERNAL, is_confederation=True)
        octets = ORIGIN + tlv(2, 0x40, bytes.fromhex(value)) + NEXT_HOP
        fault = withdrawn(octets, member)
        assert (fault.attribute, fault.subcode) == ("AS_PATH", UpdateSubcode.MALFORMED_AS_PATH)
        good = ORIGIN + tlv(2, 0x40, bytes.fromhex("0301 0000fde8" + value)) + NEXT_HOP
        assert parse(good, member).as_path.octets == bytes.fromhex("0301 0000fde8" + value)

    def test_what_an_internal_session_taught_is_not_taken_from_outside(self) -> None:
        octets = MANDATORY + LOCAL_PREF + bytes.fromhex("80 09 04 00000001 80 0a 04 00000001")
        assert parse(octets, INTERNAL).local_pref == 100
        assert parse(octets).local_pref is None
        assert parse(octets, INTERNAL).cluster_list == (1,)


class TestTwoOctets:
    @pytest.mark.rfc("6793", "4.2.3")
    def test_as4_path_takes_the_place_of_the_narrow_path(self) -> None:
        found = parse(NARROW + bytes.fromhex("c0 11 0a 0202 0000fdea 00030d40"), TWO_OCTETS)
        assert str(found.as_path) == "65002 200000"
        assert found.octets == MANDATORY

    @pytest.mark.rfc("6793", "4.2.3")
    def test_a_shorter_as4_path_is_filled_from_the_front(self) -> None:
        found = parse(NARROW + bytes.fromhex("c0 11 06 0201 00030d40"), TWO_OCTETS)
        assert found.octets == MANDATORY

    @pytest.mark.rfc("6793", "4.2.3")
    def test_a_longer_as4_path_is_ignored(self) -> None:
        found = parse(NARROW + bytes.fromhex("c0 11 0e 0203 00000001 00000002 00000003"), TWO_OCTETS)
        assert str(found.as_path) == "65002 23456"

    @pytest.mark.rfc("6793", "4.2.3")
    def test_an_aggregator_that_is_not_as_trans_rules_both_out(self) -> None:
        octets = NARROW + bytes.fromhex("c0 07 06 fdea 0a000009 c0 11 06 0201 00030d40 c0 12 08 00030d40 0a000008")
        found = parse(octets, TWO_OCTETS)
        assert found.aggregator == Aggregator(Asn(65002), b"\x0a\0\0\x09")
        assert str(found.as_path) == "65002 23456"

    @pytest.mark.rfc("6793", "4.2.3")
    def test_as4_aggregator_takes_the_place_of_as_trans(self) -> None:
        octets = NARROW + bytes.fromhex("c0 07 06 5ba0 0a000009 c0 11 06 0201 00030d40 c0 12 08 00030d40 0a000008")
        found = parse(octets, TWO_OCTETS)
        assert found.aggregator == Aggregator(Asn(200000), b"\x0a\0\0\x08")
        assert found.octets == MANDATORY + bytes.fromhex("c0 07 08 00030d40 0a000008")

    @pytest.mark.rfc("6793", "6")
    @pytest.mark.parametrize(
        "attribute",
        ["c0 11 00", "c0 11 04 02010000", "c0 11 06 0200 00000001", "c0 11 06 0901 00000001", "c0 11 06 0201 00000000",
         "c0 12 07 00030d400a0000", "c0 12 08 00000000 0a000001"],
    )  # fmt: skip
    def test_a_malformed_four_octet_attribute_is_discarded(self, attribute: str) -> None:
        octets = bytes.fromhex(attribute)
        found = parse(NARROW + octets, TWO_OCTETS)
        assert str(found.as_path) == "65002 23456"
        assert [fault.attribute for fault in found.faults] == [SPECS[octets[1]].name]

    @pytest.mark.rfc("6793", "6")
    def test_confederation_segments_in_as4_path_are_left_out(self) -> None:
        found = parse(NARROW + bytes.fromhex("c0 11 0c 0301 00000001 0201 00030d40"), TWO_OCTETS)
        assert str(found.as_path) == "65002 200000"

    @pytest.mark.rfc("6793", "4.1")
    def test_the_four_octet_attributes_are_discarded_from_a_four_octet_peer(self) -> None:
        found = parse(MANDATORY + bytes.fromhex("c0 11 06 0201 00030d41 c0 12 08 00030d40 0a000008"))
        assert found.octets == MANDATORY
        assert [fault.attribute for fault in found.faults] == ["AS4_PATH", "AS4_AGGREGATOR"]

    def test_a_four_octet_aggregator_is_malformed_there(self) -> None:
        found = parse(NARROW + bytes.fromhex("c0 07 08 00030d40 0a000008"), TWO_OCTETS)
        assert (found.aggregator, found.faults[0].attribute) == (None, "AGGREGATOR")

    @given(blocks())
    def test_the_two_octet_form_of_any_block_reads_as_the_block(self, octets: bytes) -> None:
        expected = parse(octets)
        found = parse(block.two_octet(octets), TWO_OCTETS)
        if expected.aggregator is None or expected.aggregator.asn > 0xFFFF:
            assert found.as_path == from_segments(expected.as_path.segments())
            assert {n: v for n, v in values(found).items() if n not in ("octets", "as_path")} == {
                n: v for n, v in values(expected).items() if n not in ("octets", "as_path")
            }
        elif all(n <= 0xFFFF for _, numbers in expected.as_path.segments() for n in numbers):
            assert found.octets == octets


class TestWriting:
    @given(blocks())
    def test_split_and_join_give_the_block_back(self, octets: bytes) -> None:
        parts = block.split(octets)
        assert b"".join(whole for _, whole in parts) == octets
        assert [code for code, _ in parts] == sorted({code for code, _ in parts})
        assert all(whole[1] == code for code, whole in parts)

    @given(blocks())
    def test_encode_of_parse_is_the_block_but_for_partial(self, octets: bytes) -> None:
        plain = b"".join(
            bytes((whole[0] & ~0x20,)) + whole[1:] if code in SPECS else whole for code, whole in block.split(octets)
        )
        found = parse(octets)
        assert block.encode(found) == plain
        assert values(parse(plain)) == {**values(found), "octets": plain}

    @given(blocks(), st.sampled_from([EXTERNAL, INTERNAL]), st.booleans(), st.data())
    def test_fast_and_plain_reading_agree_on_flipped_octets(
        self, octets: bytes, negotiated: Negotiated, is_mp: bool, data: st.DataObject
    ) -> None:
        changed = bytearray(octets)
        for _ in range(data.draw(st.integers(0, 2))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        next_hop = GLOBAL if is_mp else None
        outcomes: list[object] = []
        for read in (block.parse, block.parse, block.parse_plainly):
            try:
                outcomes.append(values(read(bytes(changed), negotiated, next_hop)))
            except (TreatAsWithdraw, UpdateError) as fault:
                outcomes.append((type(fault), str(fault)))
        assert outcomes[0] == outcomes[1] == outcomes[2]

    @given(blocks(), st.sampled_from([EXTERNAL, INTERNAL]), st.booleans())
    def test_an_everyday_block_has_a_known_layout(self, octets: bytes, negotiated: Negotiated, is_mp: bool) -> None:
        next_hop = GLOBAL if is_mp else None
        try:
            read = block.parse(octets, negotiated, next_hop)
        except TreatAsWithdraw:
            return
        if not read.is_everyday:
            return
        found = block.parse_plainly(octets, negotiated, next_hop)
        start, count = found.octets, found.as_path.length
        size = 2 + 4 * count if count else 0
        assert start[:7] == bytes((0x40, 1, 1, found.origin, 0x40, 2, size))
        assert start[7 : 7 + min(size, 2)] == bytes((2, count))[:size]
        assert found.as_path.octets == start[7 : 7 + size]
        rest = dict(block.split(start[7 + size :]))
        hop = [] if is_mp else [3]
        set_by = {4: found.med, 5: found.local_pref}
        assert [code for code in rest if code < 6] == hop + [c for c, value in set_by.items() if value is not None]
        assert set(rest) <= {3, 4, 5, 6, 7, 8, 32}
        assert not any(community >= 0xFFFF0000 for community in found.communities)

    @pytest.mark.parametrize("extra", [b"", MED, tlv(8, 0xC0, b"\xfd\xea\0\1"), tlv(32, 0xC0, bytes(12))])
    def test_what_routers_send_is_everyday(self, extra: bytes) -> None:
        assert parse(MANDATORY + extra).is_everyday
        assert parse(ORIGIN + tlv(2, 0x40, b"") + NEXT_HOP + extra).is_everyday
        assert not block.replace(parse(MANDATORY + extra), med=1).is_everyday

    @pytest.mark.parametrize(
        "octets",
        [
            ORIGIN + tlv(2, 0x40, path_octets([(1, (1, 2))])) + NEXT_HOP,
            MANDATORY + tlv(8, 0xC0, bytes.fromhex("ffffff01")),
            MANDATORY + tlv(16, 0xC0, bytes(8)),
            MANDATORY + tlv(35, 0xC0, b"\0\0\0\1"),
            MANDATORY + tlv(99, 0xE0, b"x"),
        ],
    )
    def test_what_rules_look_for_is_not_everyday(self, octets: bytes) -> None:
        assert not parse(octets).is_everyday

    def test_replace_changes_what_is_named_and_nothing_else(self) -> None:
        octets = MANDATORY + b"\xe0" + COMMUNITIES[1:] + tlv(99, 0xE0, b"x")
        old = parse(octets)
        new = block.replace(old, med=7, local_pref=200)
        assert new.octets == MANDATORY + b"\x80\4\4\0\0\0\7\x40\5\4\0\0\0\xc8" + octets[len(MANDATORY) :]
        assert (new.med, new.local_pref, old.med, old.octets) == (7, 200, None, octets)
        assert values(parse(new.octets, INTERNAL)) == values(new)

    def test_replace_takes_away_what_is_set_to_absent(self) -> None:
        old = parse(MANDATORY + MED + COMMUNITIES + tlv(99, 0xE0, b"x"))
        new = block.replace(old, med=None, communities=(), unknown=(Unknown(0xE0, 98, b"y"),))
        assert new.octets == MANDATORY + tlv(98, 0xE0, b"y")

    def test_replace_follows_the_next_hop(self) -> None:
        old = parse(MANDATORY)
        assert block.replace(old, next_hop=b"\x0a\0\0\2").octets == MP_MANDATORY + b"\x40\3\4\x0a\0\0\2"
        assert block.replace(old, next_hop=GLOBAL).octets == MP_MANDATORY
        assert block.replace(old, next_hop=b"").octets == MP_MANDATORY

    def test_a_field_that_is_none_is_refused(self) -> None:
        with pytest.raises(TypeError, match="colour"):
            block.replace(parse(MANDATORY), colour=1)
        with pytest.raises(TypeError, match="colour"):
            block.make(colour=1)
        with pytest.raises(TypeError, match="octets"):
            block.replace(parse(MANDATORY), octets=b"")

    def test_made_attributes_read_back_as_they_are(self) -> None:
        made = block.make(
            origin=Origin.EGP,
            as_path=from_segments([(SegmentType.AS_SEQUENCE, (Asn(65002),))]),
            next_hop=b"\x0a\0\0\1",
            med=0,
            local_pref=0,
            aggregator=Aggregator(Asn(1), b"\1\2\3\4"),
            communities=(1, 2),
            unknown=(Unknown(0xE0, 99, b""),),
        )
        assert values(parse(made.octets, INTERNAL)) == values(made)

    def test_a_local_route_has_an_empty_path_and_no_next_hop(self) -> None:
        assert block.make(origin=Origin.IGP).octets == ORIGIN + b"\x40\2\0"

    def test_encode_for_a_two_octet_session_adds_the_four_octet_attributes(self) -> None:
        made = parse(MANDATORY + bytes.fromhex("c0 07 08 00030d40 0a000008"))
        assert block.encode(made, False) == (
            NARROW + bytes.fromhex("c0 07 06 5ba0 0a000008 c0 11 0a 0202 0000fdea 00030d40 c0 12 08 00030d40 0a000008")
        )
        assert block.encode(parse(ORIGIN + bytes.fromhex("40 02 06 0201 0000fdea") + NEXT_HOP), False) == (
            ORIGIN + bytes.fromhex("40 02 04 0201 fdea") + NEXT_HOP
        )

    @pytest.mark.rfc("6793", "4.2.2")
    def test_an_aggregator_that_fits_has_no_four_octet_twin(self) -> None:
        made = parse(MANDATORY + bytes.fromhex("c0 07 08 0000ffff 0a000008"))
        found = dict(block.split(block.encode(made, False)))
        assert found[7] == bytes.fromhex("c0 07 06 ffff 0a000008")
        assert 18 not in found

    @given(st.lists(segments(kinds=(1, 2)), max_size=3))
    def test_faults_are_not_kept_in_the_octets(self, parts: list[tuple[int, tuple[int, ...]]]) -> None:
        path = tlv(2, 0x40, path_octets(parts))
        found = parse(ORIGIN + path + NEXT_HOP + LOCAL_PREF)
        assert found.octets == ORIGIN + path + NEXT_HOP


def test_check_finds_what_parse_would_but_misses_no_attribute() -> None:
    block.check(b"", EXTERNAL)
    block.check(ORIGIN, EXTERNAL)
    with pytest.raises(TreatAsWithdraw):
        block.check(bytes.fromhex("40 01 01 04"), EXTERNAL)


def test_a_confederation_member_with_four_octets_reads_as_one_with_two() -> None:
    member = replace(EXTERNAL, is_confederation=True)
    octets = ORIGIN + bytes.fromhex("40 02 0c 0301 0000fde8 0201 0000fdea") + NEXT_HOP
    assert parse(octets, member).octets == octets
    assert parse(block.two_octet(octets), replace(member, four_octet_as=False)).octets == octets
