"""What a daemon cannot do is shown by itself: its parser, its log, or the kernel beside it.

Only the sessions that a daemon cannot have come here, and they come to no other test: see ``conftest.py``.
"""

from collections.abc import Callable

import pytest

from conformance.interop.meeting import Meeting
from conformance.interop.peering import OPTIONS, Option, Peering, matrix

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.limitations]


@pytest.mark.parametrize("peering", [*matrix(), *OPTIONS.values()], ids=lambda peering: peering.name)
def test_a_limitation_shows(meeting: Meeting, peering: Peering, record_property: Callable[[str, object], None]) -> None:
    record_property("limitation", meeting.kind.limit(peering))
    if Option.SHUTDOWN_TEXT_FROM_US in peering.options:
        meeting.wait_established([peering])
        meeting.bgpd.disable(peering.name)
    record_property("evidence", meeting.of(peering).evidence(peering))
