"""Every NOTIFICATION that the daemon has, and those that it has a code for but never sends, with the reason.

What an operator or a timer of minutes makes it send is here; what octets make it send is in the tables of
``test_notifications``, and the last test holds both together against the codes that ``bgpd.errors`` knows.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from bgpd.errors import SUBCODES, ErrorCode
from tests.support.daemon import until
from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    AS_PATH,
    ENHANCED_REFRESH,
    IPV4,
    KEEPALIVE,
    NEXT_HOP,
    OPEN,
    ORIGIN,
    REFRESH,
    WirePeer,
    address,
    as_path,
    attribute,
    graceful_restart,
    message,
    path_attributes,
    prefix,
    prefixes,
    u32,
    update,
)
from tests.wire import test_notifications as by_octets

EXTERNAL, OTHER = Remote(2, 65002), Remote(3, 65003)
FEW = Remote(4, 65004, "max_prefixes = { limit = 2, restart_after = 1 }")
GONE, GONE_TOO = Remote(5, 65005), Remote(6, 65006)
CHANGED = Remote(7, 65007, "hold_time = 80")
RENAMED = Remote(8, 65008, 'families = ["ipv4-unicast"]')
DISABLED = Remote(9, 65009)
PEERS = (EXTERNAL, OTHER, FEW, GONE, GONE_TOO, CHANGED, RENAMED, DISABLED)
PLAIN = REFRESH + ENHANCED_REFRESH
NOTIFYING = PLAIN + graceful_restart(60, flags=4)  # RFC 8538's N flag
Answer = tuple[int, int, bytes]


def text(words: str) -> bytes:
    """Return a shutdown text (RFC 9003)."""
    return bytes((len(words),)) + words.encode()


# --- Faults of an UPDATE that has no route which could be withdrawn (RFC 7606 5.2) ---


def alone(code: int, value: bytes) -> tuple[bytes, bytes]:
    """Return an UPDATE with mandatory attributes alone, and the one of them that is not as it should be."""
    parts = {
        ORIGIN: attribute(ORIGIN, b"\0"),
        AS_PATH: attribute(AS_PATH, as_path(EXTERNAL.asn)),
        NEXT_HOP: attribute(NEXT_HOP, address("192.0.2.1")),
    }
    parts[code] = attribute(code, value)
    return update(b"".join(parts.values())), parts[code]


WITHOUT_A_ROUTE = {
    "ORIGIN 3": (6, *alone(ORIGIN, b"\3")),
    "ORIGIN 255": (6, *alone(ORIGIN, b"\xff")),
    "ORIGIN of 2 octets": (5, *alone(ORIGIN, b"\0\0")),
    "NEXT_HOP 0.0.0.0": (8, *alone(NEXT_HOP, bytes(4))),
    "NEXT_HOP that is multicast": (8, *alone(NEXT_HOP, address("224.0.0.1"))),
    "NEXT_HOP of 5 octets": (5, *alone(NEXT_HOP, bytes(5))),
    "segment of an unknown type": (11, *alone(AS_PATH, as_path(EXTERNAL.asn, kind=9))),
    "segment that overruns": (11, *alone(AS_PATH, b"\2\2" + u32(EXTERNAL.asn))),
}


@pytest.mark.rfc("4271", "6.3")
@pytest.mark.rfc("7606", "5.2")
@pytest.mark.parametrize(("subcode", "octets", "data"), WITHOUT_A_ROUTE.values(), ids=WITHOUT_A_ROUTE)
def test_fault_that_no_route_can_pay_for(daemon: WireDaemon, subcode: int, octets: bytes, data: bytes) -> None:
    with daemon.session(EXTERNAL) as peer:
        peer.send(octets)
        assert peer.ending() == (ErrorCode.UPDATE_MESSAGE, subcode, data)


# --- What an operator decides (RFC 4486), with and without RFC 8538's N flag ---


def both(daemon: WireDaemon, remote: Remote, what: str) -> tuple[Answer | None, Answer | None]:
    """Return how a session ends by a command, for a peer without notification support and for one with it."""
    found = []
    for capabilities in (PLAIN, NOTIFYING):
        with daemon.session(remote, capabilities=capabilities) as peer:
            daemon.command(f"peers/{remote.address}/{what}")
            found.append(peer.ending())
        with suppress(Exception):
            daemon.command(f"peers/{remote.address}/enable")
    return found[0], found[1]


RESET, SHUT = text("reset by an operator"), text("disabled by an operator")


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "5.1")
@pytest.mark.parametrize(
    ("what", "plain", "notifying"),
    [
        ("reset", (6, 4, RESET), (6, 4, RESET)),
        ("hard-reset", (6, 4, RESET), (6, 9, b"\6\4" + RESET)),
        ("disable", (6, 2, SHUT), (6, 9, b"\6\2" + SHUT)),
    ],
)
def test_command_of_an_operator(daemon: WireDaemon, what: str, plain: Answer, notifying: Answer) -> None:
    assert both(daemon, DISABLED, what) == (plain, notifying)


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "5.1")
def test_peer_that_is_no_longer_configured(daemon: WireDaemon) -> None:
    with daemon.session(GONE) as plain, daemon.session(GONE_TOO, capabilities=NOTIFYING) as notifying:
        daemon.reload(GONE.table + GONE_TOO.table, "")
        assert plain.ending() == (6, 3, b"")
        assert notifying.ending() == (6, 9, b"\6\3")
    with WirePeer(GONE.address, ("127.0.0.1", daemon.port), GONE.asn) as again:
        assert again.ending() == (6, 5, b"")  # a stranger now


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "4")
def test_change_that_leaves_the_routes_what_they_are(daemon: WireDaemon) -> None:
    with daemon.session(OTHER) as observer:
        with daemon.session(CHANGED, capabilities=NOTIFYING) as peer:
            peer.send(update(path_attributes([CHANGED.asn]), prefixes("10.1.0.0/16")))
            observer.wait_for("10.1.0.0/16")
            daemon.reload("hold_time = 80", "hold_time = 70")
            assert peer.ending() == (6, 6, b"")
        observer.sync()
        assert "withdraw" not in observer.told("10.1.0.0/16")
        with daemon.session(CHANGED) as back:
            back.sync()
            observer.wait_gone("10.1.0.0/16")  # it preserves nothing any more
            daemon.reload("hold_time = 70", "hold_time = 80")
            assert back.ending() == (6, 6, b"")


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "5.1")
def test_change_that_makes_other_routes_of_them(daemon: WireDaemon) -> None:
    with daemon.session(OTHER) as observer:
        with daemon.session(RENAMED, capabilities=NOTIFYING, families=(IPV4,)) as peer:
            peer.send(update(path_attributes([RENAMED.asn]), prefixes("10.1.0.0/16")))
            observer.wait_for("10.1.0.0/16")
            daemon.reload(RENAMED.options, RENAMED.options + '\nadd_path = "receive"')
            assert peer.ending() == (6, 9, b"\6\6")
        observer.wait_gone("10.1.0.0/16")


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "5.1")
@pytest.mark.parametrize(
    ("capabilities", "answer"),
    [(PLAIN, (6, 1, b"\0\1\1" + u32(2))), (NOTIFYING, (6, 9, b"\6\1\0\1\1" + u32(2)))],
    ids=["plain", "N flag"],
)
def test_more_prefixes_than_allowed(daemon: WireDaemon, capabilities: bytes, answer: Answer) -> None:
    with daemon.session(OTHER) as observer:
        with admitted(daemon, capabilities) as peer:
            peer.send(update(path_attributes([FEW.asn]), prefixes("10.1.0.0/16", "10.2.0.0/16")))
            observer.wait_for("10.1.0.0/16", "10.2.0.0/16")
            peer.send(update(path_attributes([FEW.asn]), prefixes("10.3.0.0/16")))
            assert peer.ending() == answer
        observer.wait_gone("10.1.0.0/16", "10.2.0.0/16")  # a peer that stays down keeps no routes with us


def admitted(daemon: WireDaemon, capabilities: bytes) -> WirePeer:
    """Return a session of the limited peer, once it may come back."""
    end = time.monotonic() + 10
    while True:
        peer = daemon.connect(FEW, capabilities=capabilities)
        peer.send(peer.opening)
        first = peer.receive()
        if first.kind == OPEN:
            peer.send(message(KEEPALIVE))
            peer.expect(KEEPALIVE)
            return peer
        peer.close()
        assert time.monotonic() < end


# --- The send hold timer (RFC 9687), made short ---

SHORT: Final = (
    "-c",
    "import bgpd.fsm.transitions as table; table.MIN_SEND_HOLD_TIME = 1; from bgpd.cli.main import main; main()",
)


class Deaf:
    """A peer that keeps its session alive and reads nothing, until it is told to."""

    def __init__(self, peer: WirePeer) -> None:
        self.peer = peer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Deaf":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hush()

    def hush(self) -> None:
        """Send nothing more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):
            while not self._stop.wait(0.5):
                self.peer.send(message(KEEPALIVE))


def wide_routes(asn: int, count: int) -> bytes:
    """Return UPDATEs of 4 kB each."""
    bulk = attribute(99, bytes(3900), 0xC0)
    return b"".join(
        update(
            path_attributes([asn, 70000 + number], "192.0.2.1", 0, bulk),
            prefix(f"20.{number >> 8}.{number & 255}.0/24"),
        )
        for number in range(count)
    )


@pytest.mark.rfc("9687", "4.3")
@pytest.mark.rfc("9687", "5")
def test_peer_that_reads_nothing_for_the_send_hold_time(tmp_path: Path) -> None:
    with WireDaemon(tmp_path, PEERS, program=SHORT) as daemon:
        deaf = daemon.connect(EXTERNAL, hold_time=3, receive_buffer=4096, families=(IPV4,))
        patient = daemon.connect(GONE, hold_time=0, receive_buffer=4096, families=(IPV4,))
        with daemon.session(OTHER) as feeder:
            for silent in (deaf, patient):
                silent.send(silent.opening, message(KEEPALIVE))
            with Deaf(deaf) as keeping:
                until(lambda: daemon.peer(EXTERNAL).row.state == daemon.peer(GONE).row.state == "Established", "up")
                feeder.send(wide_routes(OTHER.asn, 2000))
                feeder.sync()
                until(lambda: "Send Hold Timer Expired" in daemon.logged, "it is given up")
                keeping.hush()
                assert deaf.ending() == (8, 0, b"")  # it may still read what was in the way, for two seconds
            feeder.sync()  # the others are as they were
            assert daemon.peer(EXTERNAL).row.last_error.startswith("Sent: Send Hold Timer Expired")
            assert daemon.peer(GONE).row.state == "Established"  # RFC 9687 4.3: without a hold time it does not run
            patient.cut()
        deaf.cut()


# --- All of them ---

NEVER: Final[dict[tuple[int, int], str]] = {
    (3, 3): "RFC 7606 3 d withdraws the routes instead, and without a route nothing is missing",
    (5, 0): "each state that can send one has a subcode of its own (RFC 6608)",
    (6, 8): "what could run out is bounded: half-open connections, prefixes, what a slow peer is owed",
}
"""A code that we name, since a peer may send it, and why we never send it."""

ELSEWHERE: Final[dict[tuple[int, int], str]] = {
    (2, 11): "test_identity.py::test_roles_that_fit_and_others",
    (4, 0): "test_notifications.py::test_silence_ends_the_session_when_the_hold_time_is_over",
    (5, 1): "test_notifications.py::test_message_before_the_open",
    (5, 2): "test_notifications.py::test_message_before_the_first_keepalive",
    (5, 3): "test_notifications.py::test_open_in_an_established_session",
    (6, 1): "test_every_notification.py::test_more_prefixes_than_allowed",
    (6, 2): "test_every_notification.py::test_command_of_an_operator",
    (6, 3): "test_every_notification.py::test_peer_that_is_no_longer_configured",
    (6, 4): "test_every_notification.py::test_command_of_an_operator",
    (6, 5): "test_notifications.py::test_stranger_is_told_that_it_is_refused",
    (6, 6): "test_every_notification.py::test_change_that_leaves_the_routes_what_they_are",
    (6, 7): "test_collisions.py::test_opens_on_both",
    (6, 9): "test_every_notification.py::test_command_of_an_operator",
    (7, 1): "test_notifications.py::test_route_refresh_of_a_wrong_length",
    (8, 0): "test_every_notification.py::test_peer_that_reads_nothing_for_the_send_hold_time",
}
"""Codes that one test each provokes; the others are rows of a table."""

IN_TABLES: Final = (
    {(1, subcode) for _, subcode, _ in by_octets.BAD_HEADERS.values()}
    | {(2, subcode) for _, _, subcode, _ in by_octets.BAD_OPENS.values()}
    | {(3, subcode) for _, subcode, _ in by_octets.BAD_UPDATES.values()}
    | {(3, subcode) for subcode, _, _ in WITHOUT_A_ROUTE.values()}
)


def test_each_code_is_provoked_or_has_a_reason_why_it_is_never_sent() -> None:
    without_subcodes = {(int(code), 0) for code in ErrorCode if code not in SUBCODES}
    known = {(int(code), int(subcode)) for code, subcodes in SUBCODES.items() for subcode in subcodes}
    assert IN_TABLES | ELSEWHERE.keys() | NEVER.keys() == known | without_subcodes
    assert not NEVER.keys() & (IN_TABLES | ELSEWHERE.keys())
    for shown in ELSEWHERE.values():
        file, _, name = shown.partition("::")
        assert f"def {name}(" in (Path(__file__).parent / file).read_text(), shown
