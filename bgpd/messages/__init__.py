"""BGP messages: octets to records and back, without a socket (RFC 4271 section 4 and the RFCs of each module)."""

from bgpd.messages.attributes.model import Attributes
from bgpd.messages.framing import Framer, MessageType
from bgpd.messages.keepalive import KEEPALIVE, Keepalive
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.messages.update import Update

__all__ = [
    "KEEPALIVE",
    "Attributes",
    "Framer",
    "Keepalive",
    "MessageType",
    "Negotiated",
    "Notification",
    "Open",
    "RouteRefresh",
    "Update",
]
