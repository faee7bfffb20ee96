"""The rare messages: which decoder each type has. UPDATE goes its own, faster way (``update``).

RFC 4271 section 4, RFC 2918 section 3.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from bgpd.errors import HeaderError, HeaderSubcode
from bgpd.messages import keepalive, notification, route_refresh
from bgpd.messages import open as open_message
from bgpd.messages.framing import MessageType
from bgpd.messages.keepalive import Keepalive
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh

Message = Open | Notification | Keepalive | RouteRefresh

DECODERS: Final[Mapping[int, Callable[[bytes], Message]]] = MappingProxyType(
    {
        MessageType.OPEN: open_message.decode,
        MessageType.NOTIFICATION: notification.decode,
        MessageType.KEEPALIVE: keepalive.decode,
        MessageType.ROUTE_REFRESH: route_refresh.decode,
    }
)


def decode(message_type: int, body: bytes) -> Message:
    """Return the message. Raises BgpError for one that its RFC does not allow."""
    decoder = DECODERS.get(message_type)
    if decoder is None:
        raise HeaderError(
            HeaderSubcode.BAD_MESSAGE_TYPE, bytes((message_type,)), why=f"message type {message_type} is unknown"
        )
    return decoder(body)


def encode(message: Message) -> bytes:
    """Return the framed message."""
    return message.encode()
