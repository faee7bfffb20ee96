"""The faults that bgpd answers with a NOTIFICATION, one class for each error code.

RFC 4271 section 6 and 4.5; subcodes: RFC 4486 (Cease), RFC 6608 (FSM), RFC 7313 (ROUTE-REFRESH), RFC 8538 (hard
reset), RFC 9234 (role), RFC 9687 (send hold timer). Codes and subcodes are octets.
"""

from enum import IntEnum
from typing import ClassVar, Final


class ErrorCode(IntEnum):
    """Error code of a NOTIFICATION."""

    MESSAGE_HEADER = 1
    OPEN_MESSAGE = 2
    UPDATE_MESSAGE = 3
    HOLD_TIMER_EXPIRED = 4
    FINITE_STATE_MACHINE = 5
    CEASE = 6
    ROUTE_REFRESH = 7
    SEND_HOLD_TIMER_EXPIRED = 8


class HeaderSubcode(IntEnum):
    """Subcodes of a message header error (RFC 4271 6.1)."""

    CONNECTION_NOT_SYNCHRONIZED = 1
    BAD_MESSAGE_LENGTH = 2
    BAD_MESSAGE_TYPE = 3


class OpenSubcode(IntEnum):
    """Subcodes of an OPEN message error (RFC 4271 6.2, RFC 5492, RFC 9234)."""

    UNSPECIFIC = 0
    UNSUPPORTED_VERSION_NUMBER = 1
    BAD_PEER_AS = 2
    BAD_BGP_IDENTIFIER = 3
    UNSUPPORTED_OPTIONAL_PARAMETER = 4
    UNACCEPTABLE_HOLD_TIME = 6
    UNSUPPORTED_CAPABILITY = 7
    ROLE_MISMATCH = 11


class UpdateSubcode(IntEnum):
    """Subcodes of an UPDATE message error (RFC 4271 6.3)."""

    MALFORMED_ATTRIBUTE_LIST = 1
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2
    MISSING_WELL_KNOWN_ATTRIBUTE = 3
    ATTRIBUTE_FLAGS_ERROR = 4
    ATTRIBUTE_LENGTH_ERROR = 5
    INVALID_ORIGIN = 6
    INVALID_NEXT_HOP = 8
    OPTIONAL_ATTRIBUTE_ERROR = 9
    INVALID_NETWORK_FIELD = 10
    MALFORMED_AS_PATH = 11


class FsmSubcode(IntEnum):
    """The state in which a message was unexpected (RFC 6608)."""

    UNSPECIFIED = 0
    UNEXPECTED_IN_OPEN_SENT = 1
    UNEXPECTED_IN_OPEN_CONFIRM = 2
    UNEXPECTED_IN_ESTABLISHED = 3


class CeaseSubcode(IntEnum):
    """Why a session was closed on purpose (RFC 4486, RFC 8538)."""

    MAXIMUM_PREFIXES_REACHED = 1
    ADMINISTRATIVE_SHUTDOWN = 2
    PEER_DECONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    OTHER_CONFIGURATION_CHANGE = 6
    CONNECTION_COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8
    HARD_RESET = 9


class RouteRefreshSubcode(IntEnum):
    """Subcodes of a ROUTE-REFRESH message error (RFC 7313 section 5)."""

    INVALID_MESSAGE_LENGTH = 1


class BgpError(Exception):
    """A fault answered with a NOTIFICATION (RFC 4271 section 6).

    subcode: an octet of the code's own list, 0 = unspecific. data: octets that go into the NOTIFICATION.
    why: the reason for people; it goes to the log and to ``bgpctl``, never on the wire. message: the message at fault,
    with its header, where whoever caught the fault knows it.
    """

    code: ClassVar[ErrorCode]

    def __init__(self, subcode: int = 0, data: bytes = b"", *, why: str) -> None:
        super().__init__(why)
        self.subcode = subcode
        self.data = data
        self.why = why
        self.message = b""


class HeaderError(BgpError):
    """A message header that cannot be trusted (RFC 4271 6.1)."""

    code = ErrorCode.MESSAGE_HEADER


class OpenError(BgpError):
    """An OPEN that we cannot accept (RFC 4271 6.2)."""

    code = ErrorCode.OPEN_MESSAGE


class UpdateError(BgpError):
    """An UPDATE that even RFC 7606 answers with a session reset."""

    code = ErrorCode.UPDATE_MESSAGE


class HoldTimerExpiredError(BgpError):
    """The peer was silent for longer than the hold time (RFC 4271 6.5)."""

    code = ErrorCode.HOLD_TIMER_EXPIRED


class FsmError(BgpError):
    """An event that the state has no transition for (RFC 4271 6.6, RFC 6608)."""

    code = ErrorCode.FINITE_STATE_MACHINE


class Cease(BgpError):
    """A session closed on purpose (RFC 4271 6.7, RFC 4486)."""

    code = ErrorCode.CEASE


class RouteRefreshError(BgpError):
    """A ROUTE-REFRESH of a wrong length (RFC 7313 section 5)."""

    code = ErrorCode.ROUTE_REFRESH


class SendHoldTimerExpiredError(BgpError):
    """The peer did not read for longer than the send hold time (RFC 9687)."""

    code = ErrorCode.SEND_HOLD_TIMER_EXPIRED


SUBCODES: Final[dict[ErrorCode, type[IntEnum]]] = {
    ErrorCode.MESSAGE_HEADER: HeaderSubcode,
    ErrorCode.OPEN_MESSAGE: OpenSubcode,
    ErrorCode.UPDATE_MESSAGE: UpdateSubcode,
    ErrorCode.FINITE_STATE_MACHINE: FsmSubcode,
    ErrorCode.CEASE: CeaseSubcode,
    ErrorCode.ROUTE_REFRESH: RouteRefreshSubcode,
}


def format_error(code: int, subcode: int) -> str:
    """Return the names of a NOTIFICATION's codes, numbers where they have none: ``Cease/Peer Deconfigured``."""
    try:
        name = ErrorCode(code).name
    except ValueError:
        return f"code {code}/{subcode}"
    text = name.replace("_", " ").title()
    if code not in SUBCODES or subcode == 0:
        return text if subcode == 0 else f"{text}/{subcode}"
    try:
        detail = SUBCODES[ErrorCode(code)](subcode).name.replace("_", " ").title()
    except ValueError:
        detail = str(subcode)
    return f"{text}/{detail}"
