"""The rare messages, read or written, leave nothing for the garbage collector."""

import gc
from collections.abc import Callable
from contextlib import suppress

import pytest

from bgpd.errors import BgpError
from bgpd.messages import notification, route_refresh
from bgpd.messages.capabilities import decode_capabilities, encode_capability
from bgpd.messages.framing import HEADER_SIZE
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open, decode
from bgpd.messages.route_refresh import RouteRefresh
from tests.messages.test_capabilities import SAMPLES
from tests.messages.test_open import FIXED

OPEN = decode(FIXED + b"\0")
OFFERS = b"".join(encode_capability(capability) for _, capability in SAMPLES)
FULL = Open(OPEN.version, OPEN.asn, OPEN.hold_time, OPEN.identifier, decode_capabilities(OFFERS))
FULL_BODY = FULL.encode()[HEADER_SIZE:]


@pytest.mark.parametrize(
    "does",
    [
        pytest.param(lambda: decode(FULL_BODY), id="OPEN read"),
        pytest.param(FULL.encode, id="OPEN written"),
        pytest.param(lambda: decode(FULL_BODY[:5]), id="OPEN cut off"),
        pytest.param(lambda: decode_capabilities(bytes.fromhex("40 03 0078 00")), id="capability cut off"),
        pytest.param(lambda: notification.decode(b"\6\2"), id="NOTIFICATION read"),
        pytest.param(Notification(6, 2, b"why").encode, id="NOTIFICATION written"),
        pytest.param(lambda: notification.decode(b"\6"), id="NOTIFICATION cut off"),
        pytest.param(lambda: route_refresh.decode(bytes.fromhex("0001 00 01")), id="ROUTE-REFRESH read"),
        pytest.param(RouteRefresh(1, 1).encode, id="ROUTE-REFRESH written"),
        pytest.param(lambda: route_refresh.decode(bytes(5)), id="ROUTE-REFRESH too long"),
    ],
)
def test_no_cycles_are_left(does: Callable[[], object]) -> None:
    def once() -> None:
        with suppress(BgpError):
            does()

    once()  # what is imported or remembered at first is not counted
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            once()
        assert gc.collect() == 0
    finally:
        gc.enable()
