"""UPDATE: where routes are found, what RFC 7606 leaves a session reset, and messages packed up to the limit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError, HeaderError, UpdateError, UpdateSubcode
from bgpd.families import FAMILIES, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.messages import update
from bgpd.messages.attributes import block
from bgpd.messages.attributes.spec import TreatAsWithdraw, tlv
from bgpd.messages.framing import split
from bgpd.messages.negotiated import Negotiated
from tests.support.wire import (
    AS_PATH,
    COMMUNITIES,
    EXTERNAL,
    GLOBAL,
    INTERNAL,
    LINK_LOCAL,
    MANDATORY,
    MED,
    MP_MANDATORY,
    NEXT_HOP,
    ORIGIN,
    PATH_IDS,
    ROUTE,
    ROUTE6,
    TWO_OCTETS,
    blocks,
    body,
    prefixes,
    reach,
    read,
    unreach,
)

ONLY_IPV6 = replace(EXTERNAL, families=(IPV6_UNICAST,))
ONLY_IPV4 = replace(EXTERNAL, families=(IPV4_UNICAST,))
EXTENDED_NEXT_HOP = replace(EXTERNAL, extended_next_hop=frozenset({IPV4_UNICAST}))
PATH_ID = b"\0\0\0\7"


def fault_of(octets: bytes, negotiated: Negotiated = EXTERNAL) -> BgpError:
    with pytest.raises(BgpError) as caught:
        read(octets, negotiated)
    return caught.value


class TestRoutes:
    def test_the_messages_own_fields_are_ipv4_unicast(self) -> None:
        found = read(body(MANDATORY, ROUTE, withdrawn=b"\x08\x0b"))
        assert (found.attributes, found.announced, found.withdrawn) == (MANDATORY, [ROUTE], [b"\x08\x0b"])
        assert (found.mp_announced, found.mp_withdrawn, found.is_end_of_rib, found.faults) == (None, None, None, ())

    def test_a_plain_announcement_and_a_plain_withdrawal_are_read(self) -> None:
        assert read(body(MANDATORY, ROUTE)).announced == [ROUTE]
        assert read(body(withdrawn=ROUTE)) == update.Update(b"", [ROUTE], [], None, None, None, ())

    @pytest.mark.rfc("4760", "3")
    @pytest.mark.parametrize("place", ["first", "middle", "last"])
    def test_mp_reach_is_taken_out_of_the_block_wherever_it_is(self, place: str) -> None:
        reached = reach(GLOBAL, ROUTE6)
        attributes = {
            "first": reached + MP_MANDATORY,
            "middle": ORIGIN + reached + AS_PATH,
            "last": MP_MANDATORY + reached,
        }[place]
        found = read(body(attributes))
        assert found.attributes == MP_MANDATORY
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, [ROUTE6])

    @pytest.mark.rfc("4760", "3")
    def test_the_reserved_octet_of_mp_reach_is_ignored(self) -> None:
        for reserved in (b"\0", b"\x01", b"\xff"):
            value = IPV6_UNICAST.afi.to_bytes(2) + b"\1\x10" + GLOBAL + reserved + ROUTE6
            for attributes in (tlv(14, 0x80, value) + MP_MANDATORY, MP_MANDATORY + tlv(14, 0x80, value)):
                assert read(body(attributes)).mp_announced == (IPV6_UNICAST, GLOBAL, [ROUTE6])

    def test_mp_reach_with_an_extended_length_is_read(self) -> None:
        routes = [bytes((128,)) + GLOBAL[:12] + number.to_bytes(4) for number in range(30)]
        found = read(body(reach(GLOBAL, b"".join(routes)) + MP_MANDATORY))
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, routes)

    @pytest.mark.rfc("7606", "5.1")
    def test_all_four_kinds_of_routes_in_one_message_are_read(self) -> None:
        attributes = reach(GLOBAL, ROUTE6) + unreach(b"\x10\x20\x01") + MANDATORY
        found = read(body(attributes, ROUTE, withdrawn=b"\x08\x0b"))
        assert found.attributes == MANDATORY
        assert found.announced == [ROUTE]
        assert found.withdrawn == [b"\x08\x0b"]
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, [ROUTE6])
        assert found.mp_withdrawn == (IPV6_UNICAST, [b"\x10\x20\x01"])

    def test_octets_14_and_15_inside_other_attributes_hide_nothing(self) -> None:
        path = tlv(2, 0x40, bytes.fromhex("0201 800e800f"))
        communities = tlv(8, 0xC0, bytes.fromhex("800e0300 900f0001"))
        attributes = ORIGIN + path + NEXT_HOP + communities
        assert read(body(attributes, ROUTE)).attributes == attributes
        found = read(body(attributes + unreach(ROUTE6), ROUTE))
        assert (found.attributes, found.mp_withdrawn) == (attributes, (IPV6_UNICAST, [ROUTE6]))

    @pytest.mark.rfc("7911", "3")
    def test_path_identifiers_stay_in_front_of_the_keys(self) -> None:
        found = read(body(MANDATORY, PATH_ID + ROUTE, withdrawn=PATH_ID + ROUTE), PATH_IDS)
        assert (found.announced, found.withdrawn) == ([PATH_ID + ROUTE], [PATH_ID + ROUTE])
        found = read(body(reach(GLOBAL, PATH_ID + ROUTE6) + MP_MANDATORY), PATH_IDS)
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, [PATH_ID + ROUTE6])
        assert read(body(unreach(PATH_ID + ROUTE6)), PATH_IDS).mp_withdrawn == (IPV6_UNICAST, [PATH_ID + ROUTE6])
        assert read(body(withdrawn=PATH_ID + ROUTE), PATH_IDS).withdrawn == [PATH_ID + ROUTE]

    @pytest.mark.rfc("4271", "4.3")
    def test_stray_bits_behind_a_prefix_are_cleared(self) -> None:
        assert read(body(MANDATORY, b"\x14\x0a\x00\xff")).announced == [b"\x14\x0a\x00\xf0"]
        found = read(body(reach(GLOBAL, b"\x21\x20\x01\x0d\xb8\xff") + MP_MANDATORY))
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, [b"\x21\x20\x01\x0d\xb8\x80"])

    @pytest.mark.rfc("4271", "6.3")
    def test_a_prefix_that_is_not_unicast_is_ignored_and_named(self) -> None:
        found = read(body(MANDATORY, ROUTE + b"\x04\xe0"))
        assert found.announced == [ROUTE]
        assert [(fault.attribute, fault.why) for fault in found.faults] == [
            ("NLRI", "224.0.0.0/4 is not a unicast prefix")
        ]
        found = read(body(reach(GLOBAL, ROUTE6 + b"\x08\xff") + MP_MANDATORY))
        assert found.mp_announced == (IPV6_UNICAST, GLOBAL, [ROUTE6])
        assert "ff00::/8" in found.faults[0].why
        found = read(body(MANDATORY, PATH_ID + ROUTE + PATH_ID + b"\x04\xe0"), PATH_IDS)
        assert found.announced == [PATH_ID + ROUTE]


class TestNextHops:
    @pytest.mark.rfc("2545", "3")
    def test_an_ipv6_next_hop_has_one_address_or_two(self) -> None:
        for next_hop in (GLOBAL, GLOBAL + LINK_LOCAL):
            assert read(body(reach(next_hop, ROUTE6) + MP_MANDATORY)).mp_announced == (IPV6_UNICAST, next_hop, [ROUTE6])

    @pytest.mark.rfc("4760", "3")
    def test_ipv4_routes_in_mp_reach_have_an_ipv4_next_hop(self) -> None:
        attributes = reach(b"\x0a\0\0\1", ROUTE, IPV4_UNICAST) + MP_MANDATORY
        assert read(body(attributes)).mp_announced == (IPV4_UNICAST, b"\x0a\0\0\1", [ROUTE])

    @pytest.mark.rfc("8950", "3")
    @pytest.mark.parametrize("next_hop", [GLOBAL, GLOBAL + LINK_LOCAL])
    def test_ipv4_routes_have_an_ipv6_next_hop_only_where_negotiated(self, next_hop: bytes) -> None:
        octets = body(reach(next_hop, ROUTE, IPV4_UNICAST) + MP_MANDATORY)
        assert read(octets, EXTENDED_NEXT_HOP).mp_announced == (IPV4_UNICAST, next_hop, [ROUTE])
        assert fault_of(octets).subcode == UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR

    @pytest.mark.rfc("7606", "7.11")
    @pytest.mark.parametrize("size", [0, 1, 4, 12, 15, 17, 24, 31, 33, 48])
    def test_another_size_of_next_hop_resets_the_session(self, size: int) -> None:
        attribute = reach(bytes(size), ROUTE6)
        fault = fault_of(body(attribute + MP_MANDATORY))
        assert (fault.subcode, fault.data) == (UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR, attribute)


class TestEndOfRib:
    @pytest.mark.rfc("4724", "2")
    def test_an_empty_update_ends_ipv4_unicast(self) -> None:
        assert read(body()) == update.Update(b"", [], [], None, None, IPV4_UNICAST, ())
        assert read(body(), ONLY_IPV6).is_end_of_rib is None

    @pytest.mark.rfc("4724", "2")
    @pytest.mark.parametrize("family", list(FAMILIES.values()), ids=lambda family: family.name)
    def test_an_empty_mp_unreach_alone_ends_its_family(self, family: Family) -> None:
        assert read(body(unreach(b"", family))) == update.Update(b"", [], [], None, None, family, ())

    def test_an_end_of_rib_of_a_family_that_the_session_lacks_means_nothing(self) -> None:
        found = read(body(unreach(b"")), ONLY_IPV4)
        assert found.is_end_of_rib is None
        assert found.faults[0].attribute == "MP_UNREACH_NLRI"

    def test_an_empty_mp_unreach_beside_other_routes_is_no_end_of_rib(self) -> None:
        assert read(body(unreach(b""), withdrawn=ROUTE)).is_end_of_rib is None
        assert read(body(unreach(b"") + MANDATORY, ROUTE)).is_end_of_rib is None
        assert read(body(reach(GLOBAL, ROUTE6) + unreach(b"") + MP_MANDATORY)).is_end_of_rib is None

    def test_a_withdrawal_is_no_end_of_rib(self) -> None:
        assert read(body(unreach(ROUTE6))).is_end_of_rib is None
        assert read(body(withdrawn=ROUTE)).is_end_of_rib is None

    @pytest.mark.parametrize("family", list(FAMILIES.values()), ids=lambda family: family.name)
    def test_our_own_mark_is_read_back(self, family: Family) -> None:
        octets = update.end_of_rib(family)
        assert split(octets, 4096) == ([(2, 19, len(octets))], len(octets))
        assert read(octets[19:]).is_end_of_rib is family

    def test_our_marks_are_what_rfc_4724_writes(self) -> None:
        assert update.end_of_rib(IPV4_UNICAST)[16:].hex() == "00170200000000"
        assert update.end_of_rib(IPV6_UNICAST)[16:].hex() == "001d020000" + "0006" + "800f03000201"


class TestFamilies:
    @pytest.mark.rfc("4760", "8")
    def test_routes_of_a_family_that_was_not_negotiated_are_ignored_and_named(self) -> None:
        found = read(body(reach(GLOBAL, ROUTE6) + MP_MANDATORY), ONLY_IPV4)
        assert found.mp_announced is None
        assert "ipv6-unicast was not negotiated" in found.faults[0].why
        assert read(body(unreach(ROUTE6)), ONLY_IPV4).mp_withdrawn is None
        found = read(body(MANDATORY, ROUTE, withdrawn=ROUTE), ONLY_IPV6)
        assert (found.announced, found.withdrawn) == ([], [])
        assert found.faults

    def test_an_unknown_family_is_ignored_whatever_its_routes_look_like(self) -> None:
        attribute = tlv(14, 0x80, bytes.fromhex("4004 47 00 00") + b"\xff" * 20)
        found = read(body(attribute + MP_MANDATORY))
        assert (found.mp_announced, found.attributes) == (None, MP_MANDATORY)
        assert "AFI 16388 SAFI 71" in found.faults[0].why


class TestResets:
    @pytest.mark.rfc("4271", "6.3")
    @pytest.mark.parametrize(
        "octets", ["0001 0000", "0005 0000", "0000 0001", "0000 ffff 00", "ffff 0000", "0001 18 00"]
    )
    def test_lengths_that_exceed_the_message_are_a_malformed_list(self, octets: str) -> None:
        fault = fault_of(bytes.fromhex(octets))
        assert (type(fault), fault.subcode) == (UpdateError, UpdateSubcode.MALFORMED_ATTRIBUTE_LIST)

    def test_a_body_too_short_for_its_lengths_is_a_bad_message_length(self) -> None:
        fault = fault_of(b"\0\0\0")
        assert isinstance(fault, HeaderError)
        assert fault.data == (22).to_bytes(2)

    @pytest.mark.rfc("4271", "6.3")
    @pytest.mark.parametrize("routes", ["21 0a00000100", "18 0a00", "18", "ff"])
    def test_a_network_field_that_cannot_be_read_resets(self, routes: str) -> None:
        for octets in (body(MANDATORY, bytes.fromhex(routes)), body(withdrawn=bytes.fromhex(routes))):
            assert fault_of(octets).subcode == UpdateSubcode.INVALID_NETWORK_FIELD

    @pytest.mark.rfc("7606", "3 g")
    @pytest.mark.parametrize("attribute", [reach(GLOBAL, ROUTE6), unreach(ROUTE6)])
    def test_an_mp_attribute_that_is_there_twice_resets(self, attribute: bytes) -> None:
        assert fault_of(body(attribute * 2 + MP_MANDATORY)).subcode == UpdateSubcode.MALFORMED_ATTRIBUTE_LIST
        assert fault_of(body(attribute + MANDATORY + attribute, ROUTE)).subcode == 1

    @pytest.mark.rfc("7606", "5.3")
    @pytest.mark.parametrize("flags", [0x00, 0x40, 0xC0])
    def test_an_mp_attribute_with_other_flags_resets(self, flags: int) -> None:
        for attribute in (reach(GLOBAL, ROUTE6, flags=flags), unreach(ROUTE6, flags=flags)):
            fault = fault_of(body(attribute + MP_MANDATORY))
            assert (fault.subcode, fault.data) == (UpdateSubcode.ATTRIBUTE_FLAGS_ERROR, attribute)

    @pytest.mark.rfc("4271", "4.3")
    def test_the_low_flag_bits_and_partial_of_an_mp_attribute_are_ignored(self) -> None:
        for flags in (0x81, 0x8F, 0xA0):
            assert read(body(reach(GLOBAL, ROUTE6, flags=flags) + MP_MANDATORY)).mp_announced is not None
            assert read(body(unreach(ROUTE6, flags=flags))).mp_withdrawn is not None

    @pytest.mark.rfc("7606", "5.3")
    @pytest.mark.parametrize("size", range(5))
    def test_an_mp_attribute_that_is_too_short_resets(self, size: int) -> None:
        attribute = tlv(14, 0x80, bytes.fromhex("0002 01 00 00")[:size])
        fault = fault_of(body(attribute + MP_MANDATORY))
        assert (fault.subcode, fault.data) == (UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR, attribute)
        if size < 3:
            attribute = tlv(15, 0x80, bytes(size))
            assert fault_of(body(attribute)).subcode == UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR

    def test_a_next_hop_longer_than_its_attribute_resets(self) -> None:
        attribute = tlv(14, 0x80, bytes.fromhex("0002 01 10") + GLOBAL)  # the reserved octet is missing
        assert fault_of(body(attribute + MP_MANDATORY)).subcode == UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR

    @pytest.mark.rfc("4760", "7")
    @pytest.mark.parametrize("routes", ["81 20010db8", "40 2001", "20 20010d"])
    def test_mp_routes_that_cannot_be_read_reset(self, routes: str) -> None:
        for attribute in (reach(GLOBAL, bytes.fromhex(routes)), unreach(bytes.fromhex(routes))):
            fault = fault_of(body(attribute + MP_MANDATORY))
            assert (fault.subcode, fault.data) == (UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR, attribute)


class TestWithoutRoutes:
    @pytest.mark.rfc("7606", "5.2")
    @pytest.mark.parametrize(
        ("attributes", "subcode"),
        [
            ("40 01 01 03", UpdateSubcode.INVALID_ORIGIN),
            ("40 01 02 0000", UpdateSubcode.ATTRIBUTE_LENGTH_ERROR),
            ("80 01 01 00", UpdateSubcode.ATTRIBUTE_FLAGS_ERROR),
            ("40 02 02 0201", UpdateSubcode.MALFORMED_AS_PATH),
            ("40 03 04 00000000", UpdateSubcode.INVALID_NEXT_HOP),
            ("40 01 05 00", UpdateSubcode.MALFORMED_ATTRIBUTE_LIST),
            ("40 01", UpdateSubcode.MALFORMED_ATTRIBUTE_LIST),
            ("50 01 00", UpdateSubcode.MALFORMED_ATTRIBUTE_LIST),
        ],
    )
    def test_a_fault_that_would_withdraw_resets_where_nothing_can_be_withdrawn(
        self, attributes: str, subcode: UpdateSubcode
    ) -> None:
        octets = bytes.fromhex(attributes)
        for each in (body(octets), body(octets, withdrawn=ROUTE), body(unreach(ROUTE6) + octets)):
            assert fault_of(each).subcode == subcode

    @pytest.mark.rfc("7606", "5.2")
    def test_a_discarded_attribute_or_none_at_fault_resets_nothing(self) -> None:
        for attributes in (ORIGIN, MANDATORY, MED, "40 06 01 00", "c0 07 01 00"):
            octets = bytes.fromhex(attributes) if isinstance(attributes, str) else attributes
            assert read(body(octets, withdrawn=ROUTE)).withdrawn == [ROUTE]

    @pytest.mark.rfc("7606", "5.2")
    def test_an_mp_reach_without_routes_is_no_reachable_route(self) -> None:
        found = read(body(reach(GLOBAL, b"") + MP_MANDATORY))
        assert (found.mp_announced, found.is_end_of_rib) == (None, None)
        assert fault_of(body(reach(GLOBAL, b"") + bytes.fromhex("40 01 01 09"))).subcode == 6

    @pytest.mark.rfc("7606", "4")
    def test_an_mp_reach_that_is_cut_off_leaves_nothing_to_withdraw(self) -> None:
        assert fault_of(body(MP_MANDATORY + reach(GLOBAL, ROUTE6)[:-2])).subcode == 1

    @pytest.mark.rfc("7606", "4")
    def test_an_attribute_that_is_cut_off_leaves_the_network_field_readable(self) -> None:
        found = read(body(MANDATORY + b"\xc0\x08\x20\0", ROUTE))
        assert found.announced == [ROUTE]
        with pytest.raises(TreatAsWithdraw):
            block.parse(found.attributes, EXTERNAL, None)

    def test_an_unknown_well_known_attribute_resets_without_routes_too(self) -> None:
        fault = fault_of(body(bytes.fromhex("40 63 01 00")))
        assert (fault.subcode, fault.data.hex()) == (UpdateSubcode.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, "40630100")


def read_all(messages: list[bytes], negotiated: Negotiated = EXTERNAL, limit: int = 4096) -> list[update.Update]:
    found = []
    for message in messages:
        assert len(message) <= limit
        assert split(message, 65535) == ([(2, 19, len(message))], len(message))
        found.append(update.decode(message, 19, len(message), negotiated))
    return found


class TestAnnounce:
    def test_ipv4_routes_stand_in_the_network_field_with_next_hop_in_its_place(self) -> None:
        (message,) = update.announce(IPV4_UNICAST, ORIGIN + AS_PATH + MED, b"\x0a\0\0\1", [ROUTE, b"\0"], 4096)
        assert message[19:] == body(ORIGIN + AS_PATH + NEXT_HOP + MED, ROUTE + b"\0")

    def test_next_hop_comes_behind_a_path_of_any_length(self) -> None:
        path = tlv(2, 0x40, bytes((2, 100)) + b"\0\0\0\7" * 100)
        (message,) = update.announce(IPV4_UNICAST, ORIGIN + path + MED, b"\x0a\0\0\1", [ROUTE], 4096)
        assert message[19:] == body(ORIGIN + path + NEXT_HOP + MED, ROUTE)

    def test_without_a_next_hop_the_block_is_taken_as_it_is(self) -> None:
        (message,) = update.announce(IPV4_UNICAST, MANDATORY + MED, b"", [ROUTE], 4096)
        assert message[19:] == body(MANDATORY + MED, ROUTE)

    @pytest.mark.rfc("7606", "5.1")
    def test_other_routes_stand_in_mp_reach_in_front_of_all(self) -> None:
        (message,) = update.announce(IPV6_UNICAST, MP_MANDATORY + MED, GLOBAL, [ROUTE6], 4096)
        assert message[19:] == body(reach(GLOBAL, ROUTE6) + MP_MANDATORY + MED)

    @pytest.mark.rfc("8950", "3")
    def test_ipv4_routes_by_an_ipv6_next_hop_stand_in_mp_reach(self) -> None:
        (message,) = update.announce(IPV4_UNICAST, MP_MANDATORY, GLOBAL, [ROUTE], 4096)
        assert message[19:] == body(reach(GLOBAL, ROUTE, IPV4_UNICAST) + MP_MANDATORY)

    def test_no_routes_make_no_message(self) -> None:
        assert update.announce(IPV4_UNICAST, MP_MANDATORY, b"\x0a\0\0\1", [], 4096) == []
        assert update.announce(IPV6_UNICAST, MP_MANDATORY, GLOBAL, [], 4096) == []
        assert update.withdraw(IPV4_UNICAST, [], 4096) == []
        assert update.withdraw(IPV6_UNICAST, [], 4096) == []

    def test_attributes_that_leave_no_room_for_a_route_are_refused(self) -> None:
        big = MP_MANDATORY + tlv(8, 0xC0, bytes(4060))
        for family, next_hop in ((IPV4_UNICAST, b"\x0a\0\0\1"), (IPV6_UNICAST, GLOBAL)):
            with pytest.raises(ValueError, match="octets"):
                update.announce(family, big, next_hop, [ROUTE, ROUTE], 4096)
            assert update.announce(family, big, next_hop, [ROUTE, ROUTE], 65535)

    @given(data=st.data())
    def test_every_route_arrives_in_order_and_messages_are_full(self, data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(list(FAMILIES.values())))
        next_hop = data.draw(st.sampled_from([b"\x0a\0\0\1", GLOBAL] if family.is_classic else [GLOBAL]))
        keys = data.draw(st.lists(prefixes(family), max_size=60))
        attributes = data.draw(blocks(has_next_hop=False))
        limit = data.draw(st.integers(len(attributes) + 100, len(attributes) + 300))
        messages = update.announce(family, attributes, next_hop, keys, limit)
        found = read_all(messages, EXTENDED_NEXT_HOP, limit)
        arrived = [u.announced if family.is_classic and len(next_hop) == 4 else u.mp_announced[2] for u in found]  # type: ignore[index]
        assert [key for each in arrived for key in each] == keys
        for message, following in zip(messages, arrived[1:], strict=False):
            assert len(message) + len(following[0]) + 1 > limit
        for each in found:
            parsed = block.parse(each.attributes, EXTERNAL, None if each.announced else next_hop)
            assert parsed.next_hop == next_hop

    @given(data=st.data())
    def test_one_message_is_made_as_all_are(self, data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(list(FAMILIES.values())))
        next_hop = data.draw(st.sampled_from([b"", GLOBAL] if family.is_classic else [GLOBAL, GLOBAL + LINK_LOCAL]))
        keys = data.draw(st.lists(prefixes(family), max_size=60))
        attributes = data.draw(blocks(has_next_hop=not next_hop))
        whole = update.announce(family, attributes, next_hop, keys, 4096)
        assert update.announcer(family, next_hop, 4096)(attributes, keys) == (whole[0] if whole else b"")
        if whole:
            assert update.announcer(family, next_hop, len(whole[0]) - 1)(attributes, keys) == b""

    @pytest.mark.parametrize(("last", "size"), [([], 254), ([b"\0"], 255), ([b"\x08\x20"], 256)])
    def test_the_length_of_mp_reach_nlri_has_two_octets_above_255(self, last: list[bytes], size: int) -> None:
        hosts = [b"\x80\x20\x01" + bytes(12) + index.to_bytes(2) for index in range(13)]
        keys = [*hosts, b"\x30\x20\x01" + bytes(4), b"\x20\x20\x01\0\1", *last]
        assert 5 + len(GLOBAL) + len(b"".join(keys)) == size
        (whole,) = update.announce(IPV6_UNICAST, MP_MANDATORY, GLOBAL, keys, 4096)
        assert update.announcer(IPV6_UNICAST, GLOBAL, 4096)(MP_MANDATORY, keys) == whole

    @pytest.mark.rfc("4271", "4.3")
    @pytest.mark.parametrize("family", list(FAMILIES.values()), ids=lambda family: family.name)
    def test_no_message_both_withdraws_and_announces(self, family: Family) -> None:
        keys = [ROUTE, b"\0"] if family is IPV4_UNICAST else [ROUTE6, b"\0"]
        for next_hop in (b"\x0a\0\0\1", GLOBAL) if family.is_classic else (GLOBAL,):
            for found in read_all(update.announce(family, MP_MANDATORY, next_hop, keys, 4096), EXTENDED_NEXT_HOP):
                assert (found.withdrawn, found.mp_withdrawn) == ([], None)
        for found in read_all(update.withdraw(family, keys, 4096)):
            assert (found.attributes, found.announced, found.mp_announced) == (b"", [], None)

    @given(data=st.data())
    def test_every_withdrawal_arrives_in_order_and_messages_are_full(self, data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(list(FAMILIES.values())))
        keys = data.draw(st.lists(prefixes(family), max_size=60))
        limit = data.draw(st.integers(60, 300))
        messages = update.withdraw(family, keys, limit)
        found = read_all(messages, limit=limit)
        arrived = [u.withdrawn if family.is_classic else u.mp_withdrawn[1] for u in found]  # type: ignore[index]
        assert [key for each in arrived for key in each] == keys
        for message, following in zip(messages, arrived[1:], strict=False):
            assert len(message) + len(following[0]) + 1 > limit
        assert all(u.is_end_of_rib is None for u in found)

    def test_a_large_table_fills_messages_of_either_length(self) -> None:
        keys = [b"\x18\x0a" + number.to_bytes(2) for number in range(50_000)]
        for limit in (4096, 65535):
            messages = update.announce(IPV4_UNICAST, MP_MANDATORY, b"\x0a\0\0\1", keys, limit)
            assert [key for u in read_all(messages, limit=limit) for key in u.announced] == keys
            assert len(messages) == -(-len(keys) // ((limit - 23 - len(MANDATORY)) // 4))


SESSIONS = [EXTERNAL, INTERNAL, TWO_OCTETS, PATH_IDS, EXTENDED_NEXT_HOP, ONLY_IPV4, ONLY_IPV6]


def read_everything(octets: bytes, negotiated: Negotiated) -> None:
    """Do what a session does with a body; only the faults that it knows may come out."""
    try:
        found = read(octets, negotiated)
    except BgpError:
        return
    for next_hop in (None, *([found.mp_announced[1]] if found.mp_announced else [])):
        try:
            parsed = block.parse(found.attributes, negotiated, next_hop)
        except (BgpError, TreatAsWithdraw):
            continue
        again = block.parse(parsed.octets, replace(negotiated, four_octet_as=True), next_hop)
        assert again.octets == parsed.octets


class TestHostileOctets:
    @given(st.binary(max_size=200), st.sampled_from(SESSIONS))
    def test_any_octets_raise_nothing_but_a_bgp_error(self, octets: bytes, negotiated: Negotiated) -> None:
        read_everything(octets, negotiated)

    @given(blocks(), st.lists(prefixes(IPV4_UNICAST), max_size=3).map(b"".join), st.sampled_from(SESSIONS), st.data())
    def test_flipped_octets_raise_nothing_but_a_bgp_error(
        self, attributes: bytes, routes: bytes, negotiated: Negotiated, data: st.DataObject
    ) -> None:
        octets = bytearray(body(reach(GLOBAL, ROUTE6) + unreach(ROUTE6) + attributes, routes))
        for _ in range(data.draw(st.integers(1, 4))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        read_everything(bytes(octets), negotiated)

    @pytest.mark.parametrize("negotiated", SESSIONS)
    def test_a_message_cut_anywhere_raises_nothing_but_a_bgp_error(self, negotiated: Negotiated) -> None:
        octets = body(reach(GLOBAL, ROUTE6) + unreach(ROUTE6) + MANDATORY + MED + COMMUNITIES, ROUTE, withdrawn=ROUTE)
        for end in range(len(octets)):
            read_everything(octets[:end], negotiated)

    @pytest.mark.parametrize("negotiated", SESSIONS)
    def test_attributes_cut_anywhere_raise_nothing_but_a_bgp_error(self, negotiated: Negotiated) -> None:
        attributes = reach(GLOBAL, ROUTE6) + unreach(ROUTE6) + MANDATORY + MED + COMMUNITIES
        for end in range(len(attributes)):
            read_everything(body(attributes[:end], ROUTE), negotiated)
            read_everything(body(attributes[:end]), negotiated)
