"""The attribute table: one row for each code, and encode undoes decode on both kinds of session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.identity import Asn
from bgpd.messages.attributes import SPECS, aggregator, aigp, as4_aggregator, as4_path, as_path, block
from bgpd.messages.attributes.model import Aggregator, Attributes, SegmentType
from bgpd.messages.attributes.spec import Malformed, TreatAsWithdraw, tlv
from tests.support.wire import EXTERNAL, TWO_OCTETS, path_octets


def test_every_field_of_attributes_has_a_row() -> None:
    assert {spec.field for spec in SPECS.values() if spec.field} == set(Attributes.__slots__) - {
        "octets", "unknown", "faults"
    }  # fmt: skip


@given(st.binary(max_size=40))
def test_any_value_is_decoded_or_malformed(value: bytes) -> None:
    for spec in SPECS.values():
        for negotiated in (EXTERNAL, TWO_OCTETS):
            try:
                spec.decode(value, negotiated)
            except Malformed:
                continue


@pytest.mark.parametrize(("negotiated", "octets"), [(EXTERNAL, "00030d40 0a000001"), (TWO_OCTETS, "fdea 0a000001")])
def test_an_aggregator_goes_both_ways(negotiated: object, octets: str) -> None:
    value = bytes.fromhex(octets)
    assert aggregator.SPEC.encode(aggregator.SPEC.decode(value, negotiated), negotiated) == value  # type: ignore[arg-type]


@pytest.mark.rfc("6793", "4.2.2")
def test_an_aggregator_too_large_for_two_octets_is_as_trans() -> None:
    assert aggregator.encode(Aggregator(Asn(200000), b"\1\2\3\4"), TWO_OCTETS) == bytes.fromhex("5ba0 01020304")


def test_the_four_octet_attributes_go_both_ways() -> None:
    value = path_octets([(2, (1, 200000))])
    assert as4_path.encode(as4_path.decode(value, TWO_OCTETS), TWO_OCTETS) == value
    value = bytes.fromhex("00030d40 0a000001")
    assert as4_aggregator.encode(as4_aggregator.decode(value, TWO_OCTETS), TWO_OCTETS) == value


@pytest.mark.parametrize("module", [aggregator, as4_aggregator])
def test_nothing_is_not_an_aggregator(module: object) -> None:
    with pytest.raises(ValueError, match="AGGREGATOR"):
        module.encode(None, EXTERNAL)  # type: ignore[attr-defined]


@pytest.mark.rfc("7311", "3")
def test_the_first_aigp_tlv_counts_and_others_are_passed_over() -> None:
    tlvs = "05 0004 ff01 000b 000000000000000701 000b 0000000000000008"
    assert aigp.decode(bytes.fromhex(tlvs), EXTERNAL) == 7
    assert aigp.encode(7, EXTERNAL) == bytes.fromhex("01 000b 0000000000000007")
    with pytest.raises(Malformed, match="cut off"):
        aigp.decode(bytes.fromhex("01 000b 0000000000000007 01"), EXTERNAL)


def test_two_octet_attributes_come_in_order() -> None:
    path = as_path.from_segments([(SegmentType.AS_SEQUENCE, (Asn(200000),))])
    attributes = block.make(as_path=path, aggregator=Aggregator(Asn(200000), b"\1\2\3\4"))
    assert [code for code, _ in block.split(block.two_octet(attributes.octets))] == [1, 2, 7, 17, 18]


def test_a_length_takes_two_octets_only_above_255() -> None:
    assert tlv(8, 0xC0, bytes(255))[:3].hex() == "c008ff"
    assert tlv(8, 0xC0, bytes(256))[:4].hex() == "d0080100"
    assert tlv(8, 0xD0, b"")[:3].hex() == "c00800"


def test_a_path_is_shown_as_people_write_it() -> None:
    path = as_path.from_octets(path_octets([(3, (65000,)), (4, (65001, 65002)), (2, (1, 2)), (1, (3, 4))]))
    assert str(path) == "(65000) [65001 65002] 1 2 {3 4}"
    assert (path.count(1), path.count(3), path.count(9), path.count(0x00010000)) == (1, 1, 0, 0)


def test_a_withdrawal_names_the_attribute() -> None:
    assert str(TreatAsWithdraw("4 octets", "ORIGIN")) == "ORIGIN: 4 octets"
