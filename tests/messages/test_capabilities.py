"""Capabilities: each layout as its RFC draws it, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError, OpenError, OpenSubcode
from bgpd.identity import Asn
from bgpd.messages.capabilities import (
    CAPABILITIES,
    AddPath,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    Fqdn,
    GracefulRestartCapability,
    LongLivedFamily,
    LongLivedGracefulRestart,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    Role,
    RouteRefresh,
    UnknownCapability,
    decode_capabilities,
    encode_capability,
)

SAMPLES: list[tuple[str, Capability]] = [
    ("01 04 0002 00 01", MultiProtocol(2, 1)),
    ("02 00", RouteRefresh()),
    ("05 06 0001 0001 0002", ExtendedNextHop(((1, 1, 2),))),
    ("05 0c 0001 0001 0002 0001 0080 0002", ExtendedNextHop(((1, 1, 2), (1, 128, 2)))),
    ("06 00", ExtendedMessage()),
    ("09 01 03", Role(3)),
    ("40 02 0078", GracefulRestartCapability(120)),
    (
        "40 0a c fff 0001 01 80 0002 01 00",
        GracefulRestartCapability(4095, (RestartFamily(1, 1, True), RestartFamily(2, 1)), True, True),
    ),
    ("40 06 8078 0001 01 00", GracefulRestartCapability(120, (RestartFamily(1, 1),), True)),
    ("41 04 00030d40", FourOctetAs(Asn(200000))),
    ("45 08 0001 01 03 0002 01 01", AddPath((PathIdFamily(1, 1, True, True), PathIdFamily(2, 1, True, False)))),
    ("45 04 0001 01 02", AddPath((PathIdFamily(1, 1, False, True),))),
    ("46 00", EnhancedRouteRefresh()),
    ("47 07 0001 01 80 000e10", LongLivedGracefulRestart((LongLivedFamily(1, 1, 3600, True),))),
    ("49 05 02 6831 01 64", Fqdn("h1", "d")),
    ("49 02 00 00", Fqdn("")),
    ("c8 03 616263", UnknownCapability(200, b"abc")),
]


@pytest.mark.parametrize(("octets", "capability"), SAMPLES)
def test_a_capability_is_laid_out_as_its_rfc_says(octets: str, capability: Capability) -> None:
    raw = bytes.fromhex(octets.replace("c fff", "cfff"))
    assert decode_capabilities(raw) == (capability,)
    assert encode_capability(capability) == raw


def test_every_row_has_a_sample() -> None:
    assert {type(capability) for _, capability in SAMPLES} == {
        UnknownCapability, *(row.record for row in CAPABILITIES.values())
    }  # fmt: skip


def test_several_are_read_in_order_and_none_is_lost() -> None:
    raw = b"".join(encode_capability(capability) for _, capability in SAMPLES)
    assert decode_capabilities(raw) == tuple(capability for _, capability in SAMPLES)


@pytest.mark.parametrize(
    "octets",
    ["01 03 000100", "01 05 0001000100", "02 01 00", "05 05 0001000100", "06 01 00", "09 00", "09 02 0000", "40 00",
     "40 01 00", "40 05 0078000101", "41 02 fdea", "41 05 0000fdea00", "45 03 000101", "46 01 00", "47 06 000101800000",
     "49 01 05", "49 03 01 61 01", "49 04 01 61 00 00", "01", "01 04 0001"],
)  # fmt: skip
def test_a_malformed_capability_is_an_open_error(octets: str) -> None:
    with pytest.raises(OpenError) as caught:
        decode_capabilities(bytes.fromhex(octets))
    assert caught.value.subcode == OpenSubcode.UNSPECIFIC


def test_a_thousand_speakers_that_offer_the_same_share_its_records_and_octets() -> None:
    offers = decode_capabilities(bytes.fromhex("40 06 0078 0001 01 80 41 04 0000fdea"))
    again = decode_capabilities(bytes.fromhex("40 06 0078 0001 01 80 41 04 0000fdea"))
    assert all(one is other for one, other in zip(offers, again, strict=True))
    assert encode_capability(offers[0]) is encode_capability(again[0])


def test_a_malformed_capability_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(OpenError):
            decode_capabilities(bytes.fromhex("41 02 fdea"))
        with pytest.raises(ValueError, match="cannot encode"):
            encode_capability(FourOctetAs(Asn(1 << 32)))


@pytest.mark.rfc("7911", "4")
@pytest.mark.parametrize("mode", [0, 4, 255])
def test_an_add_path_mode_that_is_none_makes_the_capability_unknown(mode: int) -> None:
    raw = bytes((0x45, 8, 0, 1, 1, 3, 0, 2, 1, mode))
    assert decode_capabilities(raw) == (UnknownCapability(69, raw[2:]),)
    assert encode_capability(UnknownCapability(69, raw[2:])) == raw


def test_bits_that_have_no_meaning_are_ignored() -> None:
    assert decode_capabilities(bytes.fromhex("01 04 0001 ff 01")) == (MultiProtocol(1, 1),)
    assert decode_capabilities(bytes.fromhex("40 06 3078 0001 01 7f")) == (
        GracefulRestartCapability(120, (RestartFamily(1, 1),)),
    )


def test_a_name_that_is_not_utf_8_is_shown_as_well_as_it_can_be() -> None:
    assert decode_capabilities(bytes.fromhex("49 04 02 ff61 00")) == (Fqdn("\ufffda", ""),)


def test_a_long_name_is_cut_to_whole_characters() -> None:
    (found,) = decode_capabilities(encode_capability(Fqdn("é" * 40, "x" * 70)))
    assert found == Fqdn("é" * 31, "x" * 63)


def test_what_a_layout_cannot_hold_is_refused() -> None:
    for capability in (MultiProtocol(70000, 1), GracefulRestartCapability(4096), UnknownCapability(200, bytes(256))):
        with pytest.raises(ValueError, match=r"capability|encode"):
            encode_capability(capability)


@given(st.binary(max_size=60))
def test_any_octets_raise_nothing_but_a_bgp_error(octets: bytes) -> None:
    for code in (None, *CAPABILITIES):
        raw = octets if code is None else bytes((code, len(octets))) + octets
        try:
            found = decode_capabilities(raw)
        except BgpError:
            continue
        again = b"".join(map(encode_capability, found)) if not any(isinstance(f, Fqdn) for f in found) else raw
        assert decode_capabilities(again) == found
