"""Framing: whole messages out of a stream, and the header errors of RFC 4271 6.1."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bgpd.errors import HeaderError, HeaderSubcode
from bgpd.messages.framing import Framer, MessageType, frame, split
from bgpd.messages.keepalive import KEEPALIVE
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, MAX_MESSAGE

MARKER = b"\xff" * 16
UPDATE = frame(MessageType.UPDATE, bytes(4))


def header(length: int, kind: int, marker: bytes = MARKER) -> bytes:
    return marker + length.to_bytes(2) + bytes((kind,))


def fault_of(octets: bytes, max_length: int = MAX_MESSAGE) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        split(octets, max_length)
    return caught.value


def test_a_frame_is_marker_length_type_and_body() -> None:
    assert frame(MessageType.KEEPALIVE, b"") == bytes.fromhex("ff" * 16 + "0013" + "04")


def test_a_body_that_no_length_field_can_hold_is_refused() -> None:
    assert len(frame(MessageType.UPDATE, bytes(65535 - 19))) == 65535
    with pytest.raises(ValueError, match="65535"):
        frame(MessageType.UPDATE, bytes(65535 - 18))


def test_whole_messages_are_found_by_their_place() -> None:
    messages, consumed = split(KEEPALIVE + UPDATE + UPDATE[:10], MAX_MESSAGE)
    assert messages == [(4, 19, 19), (2, 38, 42)]
    assert consumed == 42


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize("place", range(16))
def test_a_marker_that_is_not_all_ones_is_not_synchronized(place: int) -> None:
    marker = bytearray(MARKER)
    marker[place] = 0xFE
    assert fault_of(header(19, 4, bytes(marker))).subcode == HeaderSubcode.CONNECTION_NOT_SYNCHRONIZED


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (4, 0),
        (4, 18),
        (4, 20),
        (1, 28),
        (2, 22),
        (3, 20),
        (5, 18),
        (1, 4097),
        (2, 4097),
        (3, 4097),
        (4, 4096),
        (5, 65535),
    ],
)
def test_a_length_that_the_type_cannot_have_is_sent_back(kind: int, length: int) -> None:
    fault = fault_of(header(length, kind))
    assert (fault.subcode, fault.data) == (HeaderSubcode.BAD_MESSAGE_LENGTH, length.to_bytes(2))


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize("kind", [0, 6, 128, 255])
def test_an_unknown_type_is_sent_back(kind: int) -> None:
    fault = fault_of(header(19, kind))
    assert (fault.subcode, fault.data) == (HeaderSubcode.BAD_MESSAGE_TYPE, bytes((kind,)))


@pytest.mark.rfc("4271", "6.1")
def test_the_length_of_an_unknown_type_is_looked_at_first() -> None:
    assert fault_of(header(18, 77)).subcode == HeaderSubcode.BAD_MESSAGE_LENGTH


@pytest.mark.rfc("8654", "4")
@pytest.mark.parametrize(("kind", "is_allowed"), [(1, False), (2, True), (3, True), (4, False), (5, True)])
def test_extended_messages_are_all_but_open_and_keepalive(kind: int, is_allowed: bool) -> None:
    octets = header(5000, kind) + bytes(5000 - 19)
    if is_allowed:
        assert split(octets, MAX_EXTENDED_MESSAGE) == ([(kind, 19, 5000)], 5000)
    else:
        assert fault_of(octets, MAX_EXTENDED_MESSAGE).data == (5000).to_bytes(2)
    assert fault_of(octets).subcode == HeaderSubcode.BAD_MESSAGE_LENGTH


def test_messages_of_the_longest_length_are_taken() -> None:
    for size, limit in ((4096, MAX_MESSAGE), (65535, MAX_EXTENDED_MESSAGE)):
        octets = header(size, 2) + bytes(size - 19)
        assert split(octets, limit)[1] == size


def test_good_messages_before_a_fault_are_delivered_first() -> None:
    framer = Framer()
    assert framer.feed(KEEPALIVE + UPDATE + header(18, 2)) == [(4, 19, 19), (2, 38, 42)]
    assert framer.error is not None
    assert framer.error.data == (18).to_bytes(2)
    assert framer.feed(KEEPALIVE) == []


def test_split_leaves_a_fault_behind_good_messages_for_the_next_call() -> None:
    octets = KEEPALIVE + header(19, 9)
    messages, consumed = split(octets, MAX_MESSAGE)
    assert messages == [(4, 19, 19)]
    assert fault_of(octets[consumed:]).subcode == HeaderSubcode.BAD_MESSAGE_TYPE


def test_a_wrong_marker_is_seen_before_the_header_is_complete() -> None:
    framer = Framer()
    framer.feed(b"GET / HTTP/1.1")
    assert framer.error is not None
    assert framer.error.subcode == HeaderSubcode.CONNECTION_NOT_SYNCHRONIZED


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    stream = KEEPALIVE + UPDATE + frame(MessageType.UPDATE, bytes(700)) + KEEPALIVE
    for size in (1, 2, 7, 18, 19, 20, 500):
        framer = Framer()
        found = []
        for start in range(0, len(stream), size):
            messages = framer.feed(stream[start : start + size])
            found += [(kind, framer.buffer[begin:end]) for kind, begin, end in messages]
        assert found == [(4, b""), (2, bytes(4)), (2, bytes(700)), (4, b"")]
        assert framer.error is None


def test_a_longer_limit_counts_from_the_next_read_on() -> None:
    framer = Framer()
    framer.max_length = MAX_EXTENDED_MESSAGE
    assert framer.feed(header(5000, 2) + bytes(4981)) == [(2, 19, 5000)]


@given(st.lists(st.binary(max_size=60)), st.sampled_from([MAX_MESSAGE, MAX_EXTENDED_MESSAGE]))
def test_no_octets_do_more_than_set_the_error(chunks: list[bytes], limit: int) -> None:
    framer = Framer(limit)
    for chunk in chunks:
        for kind, start, end in framer.feed(chunk):
            assert 19 <= start <= end <= len(framer.buffer)
            assert kind in set(MessageType)


def test_a_wrong_marker_that_comes_octet_by_octet_is_seen_at_its_first_wrong_one() -> None:
    framer = Framer()
    for octet in KEEPALIVE + MARKER[:7]:
        framer.feed(bytes((octet,)))
        assert framer.error is None
    framer.feed(b"\0")
    assert framer.error is not None
    assert framer.error.subcode == HeaderSubcode.CONNECTION_NOT_SYNCHRONIZED


@given(st.lists(st.sampled_from([KEEPALIVE, UPDATE])), st.integers(0, 200), st.binary(min_size=1, max_size=3))
@example([KEEPALIVE], 19, b"\xff\x00")
def test_flipped_octets_never_deliver_what_comes_behind_a_fault(
    messages: list[bytes], place: int, flipped: bytes
) -> None:
    stream = bytearray(b"".join(messages))
    stream[place : place + len(flipped)] = flipped
    whole, parts = Framer(), Framer()
    whole_found = whole.feed(bytes(stream))
    parts_found = [m for start in range(0, len(stream), 5) for m in parts.feed(bytes(stream[start : start + 5]))]
    assert [kind for kind, _, _ in whole_found] == [kind for kind, _, _ in parts_found]
    assert (whole.error is None) == (parts.error is None)
