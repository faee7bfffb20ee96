"""Each message in each state that has no use for it, sound and malformed; and silence in the first state.

RFC 4271 8.2.2, RFC 6608. The sound ones that reset a session are in ``test_notifications`` too, with what is special
about each; here is the whole table. A message of a wrong length for its type is a header error in any state (6.1).
"""

from pathlib import Path
from typing import Final

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    WirePeer,
    message,
    open_message,
    path_attributes,
    prefixes,
    route_refresh,
    update,
)

PEER, OTHER = Remote(2, 65002), Remote(3, 65003)
PEERS = (PEER, OTHER)

OPEN_SENT, OPEN_CONFIRM, ESTABLISHED = "OpenSent", "OpenConfirm", "Established"
SUBCODES: Final = {OPEN_SENT: 1, OPEN_CONFIRM: 2, ESTABLISHED: 3}

SOUND_OPEN = open_message(PEER.asn, "10.0.0.2")
BAD_OPEN = open_message(PEER.asn, "10.0.0.2", version=3)
BAD_UPDATE = message(UPDATE, b"\0\5\0\0")
SHORT_REFRESH = message(ROUTE_REFRESH, b"\0\1\0")
UNEXPECTED: Final = {
    "KEEPALIVE": (message(KEEPALIVE), (OPEN_SENT,)),
    "OPEN": (SOUND_OPEN, (OPEN_CONFIRM, ESTABLISHED)),
    "malformed OPEN": (BAD_OPEN, (ESTABLISHED,)),
    "UPDATE": (update(path_attributes([PEER.asn]), prefixes("10.1.0.0/16")), (OPEN_SENT, OPEN_CONFIRM)),
    "malformed UPDATE": (BAD_UPDATE, (OPEN_SENT, OPEN_CONFIRM)),
    "ROUTE-REFRESH": (route_refresh(), (OPEN_SENT, OPEN_CONFIRM)),
    "malformed ROUTE-REFRESH": (SHORT_REFRESH, (OPEN_SENT, OPEN_CONFIRM)),
}
CASES = [
    pytest.param(octets, state, id=f"{name} in {state}")
    for name, (octets, states) in UNEXPECTED.items()
    for state in states
]
BAD_HEADERS = {
    "unknown type": (message(6, b"?"), (1, 3, b"\6")),
    "KEEPALIVE with a body": (message(KEEPALIVE, b"?"), (1, 2, b"\0\x14")),
    "OPEN without a body": (message(OPEN), (1, 2, b"\0\x13")),
    "UPDATE without a body": (message(UPDATE), (1, 2, b"\0\x13")),
    "NOTIFICATION without a body": (message(NOTIFICATION), (1, 2, b"\0\x13")),
}


def in_state(daemon: WireDaemon, remote: Remote, state: str) -> WirePeer:
    """Return a connection on which the daemon is in that state."""
    if state == ESTABLISHED:
        return daemon.session(remote)
    peer = daemon.connect(remote)
    peer.expect(OPEN)
    if state == OPEN_CONFIRM:
        peer.send(peer.opening)
        peer.expect(KEEPALIVE)
    return peer


@pytest.mark.rfc("6608", "4")
@pytest.mark.rfc("4271", "6.6")
@pytest.mark.parametrize(("octets", "state"), CASES)
def test_message_that_the_state_has_no_use_for(daemon: WireDaemon, octets: bytes, state: str) -> None:
    with daemon.session(OTHER) as other:
        with in_state(daemon, PEER, state) as peer:
            peer.send(octets)
            assert peer.ending() == (5, SUBCODES[state], octets[18:19])
        other.sync()
        assert other.told("10.1.0.0/16") == []


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize("state", SUBCODES)
@pytest.mark.parametrize(("octets", "answer"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_bad_header_is_a_header_error_in_any_state(
    daemon: WireDaemon, octets: bytes, answer: tuple[int, int, bytes], state: str
) -> None:
    with in_state(daemon, PEER, state) as peer:
        peer.send(octets)
        assert peer.ending() == answer


IMPATIENT: Final = (
    "-c",
    "import bgpd.fsm.transitions as table; table.OPEN_HOLD_TIME = 1; from bgpd.cli.main import main; main()",
)


@pytest.mark.rfc("4271", "6.5")
@pytest.mark.rfc("4271", "8.2.2")
def test_silence_before_the_open_ends_the_connection(tmp_path: Path) -> None:
    with WireDaemon(tmp_path, PEERS, program=IMPATIENT) as daemon, daemon.session(OTHER) as other:
        with daemon.connect(PEER) as silent:
            silent.expect(OPEN)
            assert silent.ending() == (4, 0, b"")
        with daemon.connect(PEER) as half:
            half.expect(OPEN)
            half.send(half.opening[:-1])  # an OPEN that never ends is no OPEN
            assert half.ending() == (4, 0, b"")
        other.sync()
        assert "no OPEN within" in daemon.logged
