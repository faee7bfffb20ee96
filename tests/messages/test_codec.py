"""The rare messages by type, ROUTE-REFRESH and KEEPALIVE among them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.errors import BgpError, HeaderError, HeaderSubcode, RouteRefreshError, RouteRefreshSubcode
from bgpd.families import IPV6_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages import codec
from bgpd.messages.framing import MessageType, frame
from bgpd.messages.keepalive import KEEPALIVE, Keepalive
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh, Subtype

MESSAGES = [
    (MessageType.OPEN, Open(4, Asn(65001), 90, BgpIdentifier(1))),
    (MessageType.NOTIFICATION, Notification(6, 4)),
    (MessageType.KEEPALIVE, Keepalive()),
    (MessageType.ROUTE_REFRESH, RouteRefresh(2, 1, Subtype.BEGIN)),
]


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_each_message_is_read_back_as_written(kind: MessageType, message: codec.Message) -> None:
    octets = codec.encode(message)
    assert octets[18] == kind
    assert codec.decode(kind, octets[19:]) == message


def test_a_keepalive_is_a_header() -> None:
    assert bytes.fromhex("ff" * 16 + "001304") == KEEPALIVE == Keepalive().encode()
    with pytest.raises(HeaderError) as caught:
        codec.decode(MessageType.KEEPALIVE, b"\0")
    assert (caught.value.subcode, caught.value.data) == (HeaderSubcode.BAD_MESSAGE_LENGTH, (20).to_bytes(2))


@pytest.mark.parametrize("kind", [0, 2, 6])
def test_a_type_without_a_decoder_is_a_bad_type(kind: int) -> None:
    with pytest.raises(HeaderError) as caught:
        codec.decode(kind, b"")
    assert caught.value.data == bytes((kind,))


@pytest.mark.rfc("2918", "3")
def test_a_route_refresh_names_a_family() -> None:
    message = RouteRefresh(2, 1)
    assert message.encode()[16:] == bytes.fromhex("0017 05 0002 00 01")
    assert message.family is IPV6_UNICAST
    assert RouteRefresh(25, 70).family is None
    assert codec.decode(5, bytes.fromhex("0001 09 01")) == RouteRefresh(1, 1, 9)


@pytest.mark.rfc("7313", "5")
@pytest.mark.parametrize("body", [b"", b"\0", b"\0\1\1", b"\0\1\1\1\0", bytes(500)])
def test_a_route_refresh_of_another_length_is_sent_back_whole(body: bytes) -> None:
    with pytest.raises(RouteRefreshError) as caught:
        codec.decode(MessageType.ROUTE_REFRESH, body)
    assert caught.value.subcode == RouteRefreshSubcode.INVALID_MESSAGE_LENGTH
    assert caught.value.data == frame(MessageType.ROUTE_REFRESH, body)


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_octets_raise_nothing_but_a_bgp_error(kind: int, body: bytes) -> None:
    try:
        message = codec.decode(kind, body)
    except BgpError:
        return
    assert codec.decode(kind, codec.encode(message)[19:]) == message
