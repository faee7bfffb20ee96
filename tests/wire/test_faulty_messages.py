"""Messages that were not as they should be, as an operator finds them: in the log, all of it, and at the peer."""

import json
import subprocess
import sys

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    COMMUNITIES,
    KEEPALIVE,
    MED,
    OPEN,
    UPDATE,
    attribute,
    message,
    mp_unreach,
    open_message,
    path_attributes,
    prefixes,
    u32,
    update,
)

PEER = Remote(2, 65002)
CHATTY = Remote(3, 65003)
PEERS = (PEER, CHATTY)
ROUTE = "10.1.0.0/16"


def lines(daemon: WireDaemon, about: Remote) -> list[dict[str, str]]:
    """Return what it logged about a peer."""
    read = [json.loads(line) for line in daemon.logged.splitlines()]
    return [line for line in read if line.get("peer") == about.address]


FAULTS = {
    "treated as withdraw": (
        update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(MED, b"\0")), prefixes(ROUTE)),
        "treated as withdraw",
        "MULTI_EXIT_DISC",
    ),
    "attribute discarded": (
        update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(6, b"\0")), prefixes(ROUTE)),
        "attribute discarded",
        "ATOMIC_AGGREGATE",
    ),
    "no unicast prefix": (
        update(path_attributes([PEER.asn]), prefixes("224.0.0.0/8")),
        "attribute discarded",
        "224.0.0.0/8 is not a unicast prefix",
    ),
    "family that was not negotiated": (
        update(mp_unreach(b"", (25, 65))),
        "attribute discarded",
        "AFI 25 SAFI 65 was not negotiated",
    ),
}


@pytest.mark.rfc("7606", "2")
@pytest.mark.parametrize(("octets", "kind", "words"), FAULTS.values(), ids=FAULTS)
def test_faulty_update_is_logged_in_full_and_kept(daemon: WireDaemon, octets: bytes, kind: str, words: str) -> None:
    with daemon.session(PEER) as peer:
        peer.send(update(path_attributes([PEER.asn]), prefixes("10.9.0.0/16")), octets)
        peer.sync()
        found = daemon.peer(PEER).faulty
        assert found is not None
        assert (found.hex, found.octets) == (octets.hex(), len(octets))
        assert found.reason.startswith(f"{kind}: ")
        assert words in found.reason
    last = [line for line in lines(daemon, PEER) if line["event"] == kind][-1]
    assert last["message"] == octets.hex()
    assert words in last["reason"]


@pytest.mark.rfc("7606", "2")
def test_sound_update_behind_a_faulty_one_is_not_blamed(daemon: WireDaemon) -> None:
    faulty = update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(COMMUNITIES, b"\1\2")), prefixes(ROUTE))
    sound = update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(COMMUNITIES, u32(5))), prefixes(ROUTE))
    with daemon.session(PEER) as peer:
        peer.send(sound, faulty, sound)
        peer.sync()
        found = daemon.peer(PEER).faulty
        assert found is not None
        assert found.hex == faulty.hex()


ENDINGS = {
    "UPDATE without room": (message(UPDATE, b"\0\5\0\0"), "Sent: Update Message/Malformed Attribute List"),
    "unknown well-known attribute": (
        update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(99, b"\0", 0x40)), prefixes(ROUTE)),
        "Sent: Update Message/Unrecognized Well Known Attribute",
    ),
    "prefix too long": (
        update(path_attributes([PEER.asn]), b"\x21" + bytes(5)),
        "Sent: Update Message/Invalid Network Field",
    ),
    "another OPEN": (
        open_message(PEER.asn, "10.0.0.2"),
        "Sent: Finite State Machine/Unexpected In Established",
    ),
    "ROUTE-REFRESH of 3 octets": (message(5, b"\0\1\0"), "Sent: Route Refresh/Invalid Message Length"),
    "KEEPALIVE of 20 octets": (message(KEEPALIVE, b"\0"), "Sent: Message Header/Bad Message Length"),
    "unknown type": (message(77, b"abc"), "Sent: Message Header/Bad Message Type"),
    "no marker": (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "Sent: Message Header/Connection Not Synchronized"),
}


@pytest.mark.parametrize(("octets", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_message_that_ends_the_session_is_logged_in_full_and_kept(
    daemon: WireDaemon, octets: bytes, reason: str
) -> None:
    with daemon.session(PEER) as peer:
        peer.send(octets)
        peer.ending()
    found = daemon.peer(PEER).faulty
    assert found is not None
    assert found.hex == octets.hex()
    assert found.reason.startswith(reason)
    last = [line for line in lines(daemon, PEER) if line["event"] == "session ended" and "message" in line][-1]
    assert last["message"] == octets.hex()


def test_refused_open_is_logged_in_full_and_kept(daemon: WireDaemon) -> None:
    octets = open_message(65099, "10.0.0.2")
    with daemon.connect(PEER) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        assert peer.ending()[:2] == (2, 2)
    found = daemon.peer(PEER).faulty
    assert found is not None
    assert found.hex == octets.hex()
    assert [line for line in lines(daemon, PEER) if line["event"] == "no session"][-1]["message"] == octets.hex()


def test_faults_by_the_thousand_are_counted_but_few_are_logged(daemon: WireDaemon) -> None:
    with daemon.session(CHATTY) as peer:
        for number in range(3000):
            bad = attribute(MED, number.to_bytes(3))
            peer.send(update(path_attributes([CHATTY.asn], "192.0.2.1", 0, bad), prefixes(ROUTE)))
        peer.sync()
        found = daemon.peer(CHATTY).faulty
        assert found is not None
        assert u32(2999)[1:].hex() in found.hex
    logged = [line for line in lines(daemon, CHATTY) if line["event"] == "treated as withdraw"]
    assert 1 <= len(logged) <= 40  # twenty a minute, and a minute may end meanwhile


def test_bgpctl_shows_the_reason_and_the_octets(daemon: WireDaemon) -> None:
    long = update(path_attributes([PEER.asn], "192.0.2.1", 0, attribute(COMMUNITIES, bytes(1501))), prefixes(ROUTE))
    with daemon.session(PEER) as peer:
        peer.send(long)
        peer.sync()
        command = [sys.executable, "-c", "from bgpd.cli.ctl import main; main()"]
        said = subprocess.run(
            [*command, "--socket", str(daemon.directory / "bgpd.sock"), "peer", PEER.address],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    assert "last faulty message" in said
    assert "treated as withdraw: COMMUNITIES: " in said
    assert long[:32].hex() in said
    assert f"{len(long)} octets in all; the log has them" in said
