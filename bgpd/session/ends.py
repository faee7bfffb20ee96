"""Why a session or an attempt at one ended, for people and for the log.

RFC 4271 section 6; RFC 7606 section 2: the whole malformed message is logged.
"""

from typing import Final

from bgpd.errors import ErrorCode
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.messages.notification import Notification

_OF_MESSAGES: Final = frozenset(
    {
        *(ErrorCode.MESSAGE_HEADER, ErrorCode.OPEN_MESSAGE, ErrorCode.UPDATE_MESSAGE),
        *(ErrorCode.FINITE_STATE_MACHINE, ErrorCode.ROUTE_REFRESH),
    }
)


def describe_end(end: SessionEnd) -> str:
    """Return the reason for people: which side said what."""
    match end.kind:
        case EndKind.RECEIVED_NOTIFICATION:
            return f"Received: {Notification(end.code, end.subcode, end.data)}"
        case EndKind.CONNECTION_LOST | EndKind.REPLACED:
            return f"Socket: {end.why[:1].upper()}{end.why[1:]}"
        case _ if end.code:
            return f"Sent: {Notification(end.code, end.subcode, end.data).name}: {end.why}"
        case _:
            return f"Stopped: {end.why}"


def blames_message(end: SessionEnd) -> bool:
    """Was it a message of the peer that we answered with a NOTIFICATION?"""
    return end.kind is EndKind.SENT_NOTIFICATION and end.code in _OF_MESSAGES
