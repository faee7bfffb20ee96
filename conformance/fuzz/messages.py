"""Targets: framing and the rare messages (OPEN, NOTIFICATION, ROUTE-REFRESH).

RFC 4271 4.1, 4.2, 4.5, 6; RFC 5492, 9072 (OPEN); RFC 9003, 8538 (NOTIFICATION); RFC 2918, 7313 (ROUTE-REFRESH).
"""

from typing import Final

from bgpd.errors import BgpError, HeaderError, OpenError, RouteRefreshError
from bgpd.fsm import open_checks
from bgpd.identity import Asn
from bgpd.messages import codec, notification, route_refresh
from bgpd.messages import open as open_message
from bgpd.messages.capabilities import (
    AddPath,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestartCapability,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    Role,
    RouteRefresh,
)
from bgpd.messages.framing import HEADER_SIZE, Framer, MessageType, frame, split
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, MAX_MESSAGE
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from tests.support.speakers import opening, settings

_MOST_OF_OPEN: Final = MAX_MESSAGE - HEADER_SIZE
_PLAIN: Final = opening(65001, "10.0.0.1")
_EVERYTHING: Final = opening(
    65001,
    "10.0.0.1",
    90,
    MultiProtocol(2, 1),
    ExtendedNextHop(((1, 1, 2),)),
    ExtendedMessage(),
    Role(4),
    GracefulRestartCapability(120, (RestartFamily(1, 1, is_preserved=True), RestartFamily(2, 1))),
    AddPath((PathIdFamily(1, 1, receives=True, sends=True), PathIdFamily(2, 1, receives=True, sends=True))),
    EnhancedRouteRefresh(),
    RouteRefresh(),
    FourOctetAs(Asn(65001)),
)
_SHORTEST_BODY: Final = {1: 10, 2: 4, 3: 2, 4: 0, 5: 0}  # by type


def framing(octets: bytes) -> None:
    """Octet 1: longest message, and by how many octets the stream comes; then the stream. Whole and piecewise agree."""
    if not octets:
        return
    longest = MAX_EXTENDED_MESSAGE if octets[0] & 1 else MAX_MESSAGE
    step = 1 + (octets[0] >> 1)
    stream = octets[1:]
    whole, error, rest = _feed(stream, longest, max(len(stream), 1))
    pieces, late_error, late_rest = _feed(stream, longest, step)
    assert pieces == whole
    if error is None or late_error is not None:
        assert (error is None) is (late_error is None)
        assert late_rest == rest
        if error is not None and late_error is not None:
            assert (error.subcode, error.data) == (late_error.subcode, late_error.data)
    else:
        assert rest < HEADER_SIZE  # a marker that is wrong in part: known at once, or when the header is complete
    for kind, body in whole:
        assert _SHORTEST_BODY[kind] <= len(body) <= longest - HEADER_SIZE
        assert frame(kind, body) in stream
    try:
        messages, consumed = split(stream, longest)
    except HeaderError:
        assert not whole
        assert error is not None
    else:
        assert [(kind, stream[start:end]) for kind, start, end in messages] == whole
        assert consumed == len(stream) - rest


def _feed(stream: bytes, longest: int, step: int) -> tuple[list[tuple[int, bytes]], HeaderError | None, int]:
    """Return the messages of a stream that comes by so many octets, the fault, and how many octets are left behind."""
    framer = Framer(longest)
    found: list[tuple[int, bytes]] = []
    for position in range(0, len(stream), step):
        found += [(kind, framer.buffer[a:b]) for kind, a, b in framer.feed(stream[position : position + step])]
    return found, framer.error, len(stream) - sum(HEADER_SIZE + len(body) for _, body in found)


def opening_message(octets: bytes) -> None:
    """The body of an OPEN: it is refused, or its encoding reads as the same OPEN, and negotiating with it works."""
    try:
        message = open_message.decode(octets[:_MOST_OF_OPEN])
    except OpenError as error:
        _check_answer(error)
        return
    _check_encoding(message)
    for local in (_PLAIN, _EVERYTHING):
        try:
            negotiated = open_checks.check(message, local, settings(remote_asn=None))
        except OpenError as error:
            _check_answer(error)
            continue
        assert negotiated.families
        assert negotiated.add_path_receive <= set(negotiated.families)
        assert negotiated.add_path_send <= set(negotiated.families)
        assert negotiated.extended_next_hop <= set(negotiated.families)
        assert negotiated.hold_time == 0 or negotiated.hold_time >= 3
        assert negotiated.keepalive_time <= negotiated.hold_time


def _check_encoding(message: Open) -> None:
    try:
        encoded = message.encode()
    except ValueError:
        return  # its capabilities were spread over parameters that do not fit into one
    again = open_message.decode(encoded[HEADER_SIZE:])
    assert (again.asn, again.hold_time, again.identifier) == (message.asn, message.hold_time, message.identifier)
    assert list(map(type, again.capabilities)) == list(map(type, message.capabilities))
    assert again.encode() == encoded


def _check_answer(error: BgpError) -> None:
    """A fault has to be one that a NOTIFICATION can tell."""
    assert notification.decode(notification.from_error(error).encode()[HEADER_SIZE:]) == notification.from_error(error)
    assert str(error)


def notifying(octets: bytes) -> None:
    """The body of a NOTIFICATION: its text is printable, its encoding reads as the same."""
    try:
        message = notification.decode(octets)
    except HeaderError as error:
        _check_answer(error)
        return
    again = notification.decode(message.encode()[HEADER_SIZE:])
    most = MAX_MESSAGE - HEADER_SIZE - 2
    assert again == Notification(message.code, message.subcode, message.data[:most])
    assert str(message).isprintable()
    assert message.shutdown_text.isprintable()


def refreshing(octets: bytes) -> None:
    """The body of a ROUTE-REFRESH: its encoding is itself."""
    try:
        message = route_refresh.decode(octets[: MAX_EXTENDED_MESSAGE - HEADER_SIZE])
    except RouteRefreshError as error:
        assert len(octets) != 4
        _check_refused_refresh(error)
        return
    assert message.encode() == frame(MessageType.ROUTE_REFRESH, octets)
    assert message.family is None or (message.family.afi, message.family.safi) == (message.afi, message.safi)


def _check_refused_refresh(error: RouteRefreshError) -> None:
    answer = notification.decode(notification.from_error(error).encode()[HEADER_SIZE:])
    assert error.data.startswith(answer.data)


def any_message(octets: bytes) -> None:
    """Octet 1: the type; then the body. What a decoder returns, it can encode."""
    if not octets:
        return
    try:
        message = codec.decode(octets[0], octets[1:_MOST_OF_OPEN])
    except BgpError:
        return
    try:
        encoded = codec.encode(message)
    except ValueError:
        assert isinstance(message, Open)
        return
    assert encoded[HEADER_SIZE - 1] == octets[0]
