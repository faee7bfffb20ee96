"""OPEN: its two forms of optional parameters, the errors of RFC 4271 6.2, and what two of them allow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError, OpenError, OpenSubcode
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages import open as open_message
from bgpd.messages.capabilities import (
    AddPath,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    Fqdn,
    GracefulRestartCapability,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    Role,
    RouteRefresh,
    UnknownCapability,
)
from bgpd.messages.negotiated import GracefulRestart
from bgpd.messages.open import Open, negotiate

IPV4, IPV6 = MultiProtocol(1, 1), MultiProtocol(2, 1)
FIXED = bytes.fromhex("04 fdea 005a 0a000001")  # version 4, AS 65002, 90 s, 10.0.0.1


def decode(octets: str | bytes) -> Open:
    return open_message.decode(bytes.fromhex(octets) if isinstance(octets, str) else octets)


def fault_of(octets: str | bytes) -> BgpError:
    with pytest.raises(BgpError) as caught:
        decode(octets)
    return caught.value


def an_open(*capabilities: Capability, asn: int = 65001, hold_time: int = 90, identifier: int = 1) -> Open:
    return Open(4, Asn(asn), hold_time, BgpIdentifier(identifier), capabilities)


class TestLayout:
    def test_an_open_without_parameters(self) -> None:
        expected = Open(4, Asn(65002), 90, BgpIdentifier(0x0A000001))
        assert decode(FIXED + b"\0") == expected
        assert expected.encode()[16:] == bytes.fromhex("001d 01") + FIXED + b"\0"

    def test_an_open_as_bird_2_writes_it(self) -> None:
        capabilities = "01040001 0001 0200 0600 4006 4078 0001 0100 4104 0000fdea 4600 4700"
        value = bytes.fromhex(capabilities)
        found = decode(FIXED + bytes((len(value) + 2, 2, len(value))) + value)
        assert [type(each).__name__ for each in found.capabilities] == [
            "MultiProtocol", "RouteRefresh", "ExtendedMessage", "GracefulRestartCapability", "FourOctetAs",
            "EnhancedRouteRefresh", "LongLivedGracefulRestart",
        ]  # fmt: skip
        assert found.capabilities[3] == GracefulRestartCapability(120, (RestartFamily(1, 1),), False, True)

    @pytest.mark.rfc("5492", "4")
    def test_capabilities_may_come_in_one_parameter_or_in_many(self) -> None:
        together = decode(FIXED + bytes.fromhex("0a 02 08 0200 0104 0001 0001"))
        apart = decode(FIXED + bytes.fromhex("0c 02 02 0200 02 06 0104 0001 0001"))
        assert together == apart
        assert together.capabilities == (RouteRefresh(), IPV4)

    @pytest.mark.rfc("6793", "4.1")
    def test_a_large_as_number_is_as_trans_in_the_fixed_field(self) -> None:
        octets = an_open(FourOctetAs(Asn(200000)), asn=200000).encode()
        assert octets[20:22] == (23456).to_bytes(2)
        assert decode(octets[19:]).asn == 200000

    @pytest.mark.rfc("9072", "2")
    def test_parameters_beyond_255_octets_take_the_extended_form(self) -> None:
        message = an_open(*[UnknownCapability(200, bytes(200))] * 3)
        octets = message.encode()
        assert octets[28:33] == bytes.fromhex("ff ff 0261 02")
        assert decode(octets[19:]) == message

    @pytest.mark.rfc("9072", "2")
    @pytest.mark.parametrize("length", ["01", "07", "ff"])
    def test_the_extended_form_is_known_by_its_type_whatever_the_short_length(self, length: str) -> None:
        assert decode(FIXED + bytes.fromhex(f"{length} ff 0005 02 0002 0200")).capabilities == (RouteRefresh(),)
        assert decode(FIXED + bytes.fromhex(f"{length} ff 0000")).capabilities == ()

    def test_255_octets_are_still_the_short_form(self) -> None:
        message = an_open(UnknownCapability(200, bytes(251)))
        assert message.encode()[28:31] == bytes.fromhex("ff 02 fd")
        assert decode(message.encode()[19:]) == message
        assert an_open(UnknownCapability(200, bytes(252))).encode()[28:30] == b"\xff\xff"

    @pytest.mark.rfc("8654", "4")
    def test_an_open_never_grows_beyond_4096_octets(self) -> None:
        an_open(*[UnknownCapability(200, bytes(253))] * 15)
        with pytest.raises(ValueError, match="4096"):
            an_open(*[UnknownCapability(200, bytes(253))] * 16).encode()


class TestErrors:
    @pytest.mark.rfc("4271", "6.2")
    @pytest.mark.parametrize("version", [0, 1, 3, 5, 255])
    def test_another_version_is_answered_with_ours(self, version: int) -> None:
        for rest in (FIXED[1:] + b"\0", FIXED[1:] + b"\x09garbage"):
            fault = fault_of(bytes((version,)) + rest)
            assert (fault.subcode, fault.data) == (OpenSubcode.UNSUPPORTED_VERSION_NUMBER, b"\0\4")

    @pytest.mark.rfc("7607", "2")
    def test_as_zero_is_a_bad_peer_as(self) -> None:
        assert fault_of("04 0000 005a 0a000001 00").subcode == OpenSubcode.BAD_PEER_AS
        assert fault_of(FIXED + bytes.fromhex("08 02 06 4104 00000000")).subcode == OpenSubcode.BAD_PEER_AS

    @pytest.mark.rfc("4271", "6.2")
    @pytest.mark.parametrize("kind", [0, 1, 3, 254])
    def test_an_unknown_optional_parameter_is_unsupported(self, kind: int) -> None:
        fault = fault_of(FIXED + bytes((2, kind, 0)))
        assert (type(fault), fault.subcode) == (OpenError, OpenSubcode.UNSUPPORTED_OPTIONAL_PARAMETER)

    @pytest.mark.rfc("4271", "6.2")
    @pytest.mark.parametrize(
        "parameters",
        ["01", "00 02", "01 02", "02 02 01", "03 02 02 02", "03 02 00 02", "04 02 01 02 00", "04 02 02 0201",
         "01 ff", "01 ff 00", "01 ff 0001", "03 ff 0003 02 0001", "03 ff 0002 02 00", "05 02 03 0200 02"],
    )  # fmt: skip
    def test_parameters_that_cannot_be_read_are_unspecific(self, parameters: str) -> None:
        fault = fault_of(FIXED + bytes.fromhex(parameters))
        assert (type(fault), fault.subcode) == (OpenError, OpenSubcode.UNSPECIFIC)

    @given(st.binary(max_size=80))
    def test_any_octets_raise_nothing_but_a_bgp_error(self, octets: bytes) -> None:
        for start in (b"", FIXED, FIXED + bytes((len(octets),)), FIXED + bytes((len(octets) + 2, 2, len(octets)))):
            try:
                decode(start + octets)
            except BgpError:
                continue

    def test_an_open_cut_anywhere_raises_nothing_but_a_bgp_error(self) -> None:
        octets = an_open(IPV4, FourOctetAs(Asn(65001)), Fqdn("a", "b")).encode()[19:]
        for end in range(len(octets)):
            with pytest.raises(BgpError):
                decode(octets[:end])


class TestNegotiate:
    def test_the_smaller_hold_time_counts_and_keepalives_take_a_third(self) -> None:
        found = negotiate(an_open(hold_time=90), an_open(hold_time=30))
        assert (found.hold_time, found.keepalive_time) == (30, 10)
        found = negotiate(an_open(hold_time=3), an_open(hold_time=180))
        assert (found.hold_time, found.keepalive_time) == (3, 1)

    @pytest.mark.rfc("4271", "4.4")
    def test_a_hold_time_of_zero_turns_both_timers_off(self) -> None:
        for local, remote in ((0, 90), (90, 0), (0, 0)):
            found = negotiate(an_open(hold_time=local), an_open(hold_time=remote))
            assert (found.hold_time, found.keepalive_time) == (0, 0)

    @pytest.mark.rfc("4271", "6.2")
    @pytest.mark.parametrize("hold_time", [1, 2])
    def test_a_hold_time_of_one_or_two_seconds_is_refused(self, hold_time: int) -> None:
        with pytest.raises(OpenError) as caught:
            negotiate(an_open(), an_open(hold_time=hold_time))
        assert caught.value.subcode == OpenSubcode.UNACCEPTABLE_HOLD_TIME

    def test_families_are_those_both_announced_in_our_order(self) -> None:
        assert negotiate(an_open(IPV6, IPV4), an_open(IPV4, IPV6)).families == (IPV6_UNICAST, IPV4_UNICAST)
        assert negotiate(an_open(IPV4, IPV6), an_open(IPV6, MultiProtocol(25, 70))).families == (IPV6_UNICAST,)
        assert negotiate(an_open(IPV4), an_open(IPV6)).families == ()

    @pytest.mark.rfc("4760", "8")
    def test_who_announces_no_family_has_ipv4_unicast(self) -> None:
        assert negotiate(an_open(IPV4, IPV6), an_open()).families == (IPV4_UNICAST,)
        assert negotiate(an_open(IPV6), an_open()).families == ()
        assert negotiate(an_open(), an_open()).families == (IPV4_UNICAST,)

    def test_what_needs_both_sides_needs_both(self) -> None:
        all_of = (FourOctetAs(Asn(65001)), ExtendedMessage(), RouteRefresh(), EnhancedRouteRefresh())
        both = negotiate(an_open(*all_of), an_open(*all_of))
        assert (both.four_octet_as, both.route_refresh, both.enhanced_route_refresh) == (True, True, True)
        for one in (negotiate(an_open(*all_of), an_open()), negotiate(an_open(), an_open(*all_of))):
            assert (one.four_octet_as, one.route_refresh, one.enhanced_route_refresh) == (False, False, False)

    @pytest.mark.rfc("8654", "4")
    def test_each_side_says_how_long_a_message_it_takes(self) -> None:
        extended = ExtendedMessage()
        sizes = [
            (found.max_send, found.max_receive)
            for local in ((), (extended,))
            for remote in ((), (extended,))
            for found in [negotiate(an_open(*local), an_open(*remote))]
        ]
        assert sizes == [(4096, 4096), (4096, 4096), (4096, 65535), (65535, 65535)]

    @pytest.mark.rfc("7911", "4")
    def test_path_identifiers_need_a_receiver_and_a_sender(self) -> None:
        local = an_open(IPV4, IPV6, AddPath((PathIdFamily(1, 1, True, False), PathIdFamily(2, 1, True, True))))
        remote = an_open(IPV4, IPV6, AddPath((PathIdFamily(1, 1, True, True), PathIdFamily(2, 1, True, False))))
        found = negotiate(local, remote)
        assert (found.add_path_receive, found.add_path_send) == (frozenset({IPV4_UNICAST}), frozenset({IPV6_UNICAST}))
        assert negotiate(local, an_open(IPV4)).add_path_receive == frozenset()
        only = negotiate(an_open(IPV4, *local.capabilities[2:]), remote)
        assert only.add_path_send == frozenset()

    @pytest.mark.rfc("8950", "4")
    def test_an_ipv6_next_hop_for_ipv4_needs_both(self) -> None:
        offer = ExtendedNextHop(((1, 1, 2), (1, 128, 2)))
        assert negotiate(an_open(offer), an_open(offer)).extended_next_hop == {IPV4_UNICAST}
        assert negotiate(an_open(offer), an_open()).extended_next_hop == frozenset()
        assert negotiate(an_open(offer), an_open(ExtendedNextHop(((1, 1, 1),)))).extended_next_hop == frozenset()

    @pytest.mark.rfc("4724", "3")
    def test_the_last_graceful_restart_offer_of_the_peer_counts(self) -> None:
        first = GracefulRestartCapability(10)
        last = GracefulRestartCapability(
            120, (RestartFamily(1, 1, True), RestartFamily(2, 1), RestartFamily(1, 128, True)), True, True
        )
        assert negotiate(an_open(), an_open(first, last)).peer_graceful_restart == GracefulRestart(
            120, frozenset({IPV4_UNICAST, IPV6_UNICAST}), frozenset({IPV4_UNICAST}), True, True
        )
        assert negotiate(an_open(first), an_open()).peer_graceful_restart is None

    def test_the_peers_role_and_name_are_kept(self) -> None:
        found = negotiate(an_open(), an_open(Role(0), Fqdn("tor-r2", "example.net")))
        assert (found.peer_role, found.peer_host_name) == (0, "tor-r2")
        assert negotiate(an_open(), an_open()).peer_role is None

    def test_numbers_come_from_either_side(self) -> None:
        found = negotiate(an_open(asn=65001, identifier=7), an_open(asn=65002, identifier=8))
        assert (found.local_asn, found.remote_asn) == (65001, 65002)
        assert (found.local_identifier, found.remote_identifier) == (7, 8)
        assert not found.is_internal
        assert replace(found, remote_asn=Asn(65001)).is_internal
