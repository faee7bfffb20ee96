"""NOTIFICATION: codes, data, and the text that an operator leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError, Cease, CeaseSubcode, HeaderError, OpenError, OpenSubcode
from bgpd.messages.notification import Notification, decode, from_error, shutdown_data


def test_code_subcode_and_data_are_the_body() -> None:
    message = Notification(2, 1, b"\0\4")
    assert message.encode()[16:] == bytes.fromhex("0017 03 02 01 0004")
    assert decode(message.encode()[19:]) == message


@pytest.mark.parametrize("size", [0, 1])
def test_a_body_without_both_codes_is_a_bad_length(size: int) -> None:
    with pytest.raises(HeaderError) as caught:
        decode(bytes(size))
    assert caught.value.data == (19 + size).to_bytes(2)


def test_data_that_does_not_fit_is_cut() -> None:
    assert len(Notification(3, 9, bytes(60_000)).encode()) == 4096


def test_an_error_becomes_what_answers_it() -> None:
    error = OpenError(OpenSubcode.UNSUPPORTED_VERSION_NUMBER, b"\0\4", why="version 3")
    assert from_error(error) == Notification(2, 1, b"\0\4")


@pytest.mark.rfc("9003", "2")
@pytest.mark.parametrize("subcode", [CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, CeaseSubcode.ADMINISTRATIVE_RESET])
def test_a_shutdown_text_goes_both_ways(subcode: CeaseSubcode) -> None:
    message = from_error(Cease(subcode, shutdown_data("wartungsfenster — 22 Uhr"), why="asked to"))
    assert decode(message.encode()[19:]).shutdown_text == "wartungsfenster — 22 Uhr"
    assert "wartungsfenster" in str(message)


@pytest.mark.rfc("9003", "2")
def test_a_text_is_cut_to_255_octets_and_whole_characters() -> None:
    data = shutdown_data("é" * 200)
    assert (data[0], len(data)) == (254, 255)
    assert Notification(6, 2, data).shutdown_text == "é" * 127
    assert shutdown_data("x" * 300)[0] == 255
    assert shutdown_data("") == b""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", ""),
        ("00", ""),
        ("03 616263", "abc"),
        ("ff 616263", "abc"),
        ("02 616263", "ab"),
        ("02 61ff", "a\ufffd"),
        ("04 1b5b316d", "\\x1b[1m"),
        ("03 610a62", "a\\nb"),
    ],
)
def test_a_text_from_a_peer_is_shown_without_trusting_it(data: str, text: str) -> None:
    assert Notification(6, 2, bytes.fromhex(data)).shutdown_text == text


def test_other_codes_have_no_text() -> None:
    assert Notification(6, 3, b"\3abc").shutdown_text == ""
    assert Notification(3, 2, b"\3abc").shutdown_text == ""


@pytest.mark.rfc("8538", "3.1")
def test_a_hard_reset_carries_another_notification() -> None:
    message = Notification(6, 9, b"\6\2\3abc")
    assert message.inside_hard_reset == Notification(6, 2, b"\3abc")
    assert message.shutdown_text == "abc"
    assert str(message) == "Cease/Hard Reset (Cease/Administrative Shutdown): abc"
    assert Notification(6, 9).inside_hard_reset is None
    assert Notification(6, 9, b"\6\x09" * 2000).inside_hard_reset is None


@given(st.binary(max_size=100))
def test_any_octets_are_a_notification_that_can_be_shown(octets: bytes) -> None:
    try:
        message = decode(octets)
    except BgpError:
        assert len(octets) < 2
        return
    assert str(message).isprintable()
    assert decode(message.encode()[19:]) == message


@pytest.mark.rfc("9003", "4")
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", ""),
        (b"\0", ""),
        (b"\3bye", ""),
        (b"\xff" + b"x" * 255, ""),
        (b"\2\xc3\xa9", ""),
        (b"\4bye", "its length says 4 octets, there are 3"),
        (b"\2bye", "its length says 2 octets, there are 3"),
        (b"\2\xc3\x28", "it is not UTF-8"),
        (b"\3\xed\xa0\x80", "it is not UTF-8"),
    ],
)
def test_malformed_shutdown_text_is_told_apart(data: bytes, fault: str) -> None:
    assert Notification(6, 2, data).text_fault == fault
    assert Notification(6, 4, data).text_fault == fault
    assert Notification(6, 9, b"\6\2" + data).text_fault == fault
    assert Notification(6, 3, data).text_fault == ""
