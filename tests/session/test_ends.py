"""The words for how a session ended."""

import pytest

from bgpd.errors import CeaseSubcode, ErrorCode, UpdateSubcode
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.session.ends import blames_message, describe_end

UPDATE = (ErrorCode.UPDATE_MESSAGE, UpdateSubcode.MALFORMED_ATTRIBUTE_LIST)
CEASE = (ErrorCode.CEASE, CeaseSubcode.ADMINISTRATIVE_RESET)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (SessionEnd(EndKind.RECEIVED_NOTIFICATION, *CEASE, b"", ""), "Received: Cease/Administrative Reset"),
        (SessionEnd(EndKind.SENT_NOTIFICATION, *CEASE, b"", "again"), "Sent: Cease/Administrative Reset: again"),
        (SessionEnd(EndKind.CONNECTION_LOST, 0, 0, b"", "closed by the peer"), "Socket: Closed by the peer"),
        (SessionEnd(EndKind.ADMINISTRATIVE, 0, 0, b"", "restart"), "Stopped: restart"),
    ],
)
def test_the_words_say_which_side_ended_it(end: SessionEnd, words: str) -> None:
    assert describe_end(end) == words


def test_a_message_is_at_fault_only_where_we_refused_one() -> None:
    assert blames_message(SessionEnd(EndKind.SENT_NOTIFICATION, *UPDATE, b"", "no ORIGIN"))
    assert not blames_message(SessionEnd(EndKind.RECEIVED_NOTIFICATION, *UPDATE, b"", ""))
    assert not blames_message(SessionEnd(EndKind.SENT_NOTIFICATION, *CEASE, b"", "again"))
