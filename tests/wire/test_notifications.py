"""What the daemon answers to octets that it cannot accept: code, subcode and data of the NOTIFICATION, then the end."""

import signal
import struct
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE
from tests.support.wire_daemon import ADDRESS, IDENTIFIER, Remote, WireDaemon
from tests.support.wire_peer import (
    AS_PATH,
    ENHANCED_REFRESH,
    KEEPALIVE,
    MARKER,
    MED,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    NOTIFICATION,
    OPEN,
    ORIGIN,
    REFRESH,
    ROUTE_REFRESH,
    UPDATE,
    WirePeer,
    address,
    attribute,
    capability,
    four_octet_as,
    graceful_restart,
    message,
    mp_reach,
    mp_unreach,
    multiprotocol,
    open_message,
    parameter,
    path_attributes,
    prefixes,
    route_refresh,
    update,
)

EBGP = Remote(2, 65002)
IBGP = Remote(3, 65000)
BIG = Remote(4, 4200000000)
ONLY_IPV4 = Remote(5, 65005, 'families = ["ipv4-unicast"]')
PEERS = (EBGP, IBGP, BIG, ONLY_IPV4)

HEADER, OPEN_ERROR, UPDATE_ERROR, HOLD_TIMER, FSM, CEASE, REFRESH_ERROR = 1, 2, 3, 4, 5, 6, 7


def raw(length: int, kind: int, body: bytes = b"", marker: bytes = MARKER) -> bytes:
    """Return a message whose header says what it likes."""
    return marker + struct.pack("!HB", length, kind) + body


def after_open(peer: WirePeer) -> None:
    """Bring the daemon to OpenConfirm."""
    peer.send(peer.opening)
    peer.expect(OPEN)
    peer.expect(KEEPALIVE)


BAD_HEADERS = {
    "marker": (raw(19, KEEPALIVE, marker=b"\xff" * 15 + b"\xfe"), 1, b""),
    "marker of zeros": (raw(19, KEEPALIVE, marker=bytes(16)), 1, b""),
    "length 0": (raw(0, KEEPALIVE), 2, b"\0\0"),
    "length 18": (raw(18, KEEPALIVE), 2, b"\0\x12"),
    "OPEN of 28": (raw(28, OPEN, bytes(9)), 2, b"\0\x1c"),
    "OPEN above 4096": (raw(4097, OPEN), 2, b"\x10\x01"),
    "UPDATE of 22": (raw(22, UPDATE, bytes(3)), 2, b"\0\x16"),
    "NOTIFICATION of 20": (raw(20, NOTIFICATION, b"\6"), 2, b"\0\x14"),
    "KEEPALIVE of 20": (raw(20, KEEPALIVE, b"\0"), 2, b"\0\x14"),
    "type 0": (raw(19, 0), 3, b"\0"),
    "type 6": (raw(23, 6, bytes(4)), 3, b"\6"),
    "type 255": (raw(19, 255), 3, b"\xff"),
}


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize(("octets", "subcode", "data"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_bad_header_in_open_sent(daemon: WireDaemon, octets: bytes, subcode: int, data: bytes) -> None:
    with daemon.connect(EBGP) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        assert peer.ending() == (HEADER, subcode, data)


@pytest.mark.rfc("8654", "4")
@pytest.mark.parametrize("kind", [UPDATE, NOTIFICATION, ROUTE_REFRESH])
def test_long_message_is_refused_until_the_opens_are_exchanged(daemon: WireDaemon, kind: int) -> None:
    with daemon.connect(EBGP) as peer:
        peer.expect(OPEN)
        peer.send(raw(4097, kind))
        assert peer.ending() == (HEADER, 2, b"\x10\x01")


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize(("octets", "subcode", "data"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_bad_header_in_established(daemon: WireDaemon, octets: bytes, subcode: int, data: bytes) -> None:
    with daemon.session(EBGP) as peer:
        peer.send(octets)
        assert peer.ending() == (HEADER, subcode, data)


@pytest.mark.rfc("4271", "6.1")
def test_what_came_before_a_bad_header_counts(daemon: WireDaemon) -> None:
    with daemon.session(IBGP) as observer, daemon.session(EBGP) as peer:
        peer.send(update(path_attributes([EBGP.asn]), prefixes("10.1.0.0/16")), raw(19, 9))
        assert peer.ending() == (HEADER, 3, b"\x09")
        observer.sync()
        assert observer.told("10.1.0.0/16") == ["announce", "withdraw"]


FAMILIES = multiprotocol(1, 1) + multiprotocol(2, 1)


def opening(
    parameters: bytes = parameter(FAMILIES), asn: int = EBGP.asn, identifier: str = "10.0.0.2", hold_time: int = 90
) -> bytes:
    """Return an OPEN of the external peer."""
    return open_message(asn, identifier, hold_time, parameters)


BAD_OPENS = {
    "version 3": (EBGP, open_message(EBGP.asn, "10.0.0.2", version=3), 1, b"\0\4"),
    "version 5": (EBGP, open_message(EBGP.asn, "10.0.0.2", version=5), 1, b"\0\4"),
    "another AS": (EBGP, opening(asn=65003), 2, b""),
    "another AS by capability": (EBGP, opening(parameter(four_octet_as(65003)), asn=65002), 2, b""),
    "AS 0": (EBGP, open_message(0, "10.0.0.2"), 2, b""),
    "AS 0 by capability": (EBGP, opening(parameter(four_octet_as(0))), 2, b""),
    "AS_TRANS alone": (BIG, open_message(23456, "10.0.0.4"), 2, b""),
    "identifier 0": (EBGP, opening(identifier="0.0.0.0"), 3, b""),
    "our identifier in our AS": (IBGP, open_message(IBGP.asn, IDENTIFIER), 3, b""),
    "unknown parameter": (EBGP, opening(parameter(b"\0", kind=1)), 4, b""),
    "unknown parameter behind capabilities": (EBGP, opening(parameter(FAMILIES) + parameter(b"", kind=77)), 4, b""),
    "hold time 1": (EBGP, opening(hold_time=1), 6, b""),
    "hold time 2": (EBGP, opening(hold_time=2), 6, b""),
    "no family in common": (
        ONLY_IPV4,
        open_message(ONLY_IPV4.asn, "10.0.0.5", parameters=parameter(multiprotocol(2, 1))),
        7,
        multiprotocol(1, 1),
    ),
    "capability cut off": (EBGP, opening(parameter(b"\1")), 0, b""),
    "capability longer than its parameter": (EBGP, opening(parameter(b"\1\5\0\1\0\1")), 0, b""),
    "multiprotocol of 3 octets": (EBGP, opening(parameter(capability(1, bytes(3)))), 0, b""),
    "four-octet AS of 2 octets": (EBGP, opening(parameter(capability(65, b"\xfd\xea"))), 0, b""),
    "parameter cut off": (EBGP, opening(b"\2"), 0, b""),
    "parameter longer than the field": (EBGP, opening(b"\2\6\1\4"), 0, b""),
    "parameters shorter than said": (EBGP, message(OPEN, opening()[19:-1]), 0, b""),
    "octets behind the parameters": (EBGP, message(OPEN, opening()[19:] + b"\0"), 0, b""),
    "extended parameters cut off": (EBGP, message(OPEN, opening(b"")[19:-1] + b"\xff\xff\0"), 0, b""),
}


@pytest.mark.rfc("4271", "6.2")
@pytest.mark.parametrize(("remote", "octets", "subcode", "data"), BAD_OPENS.values(), ids=BAD_OPENS)
def test_open_that_is_refused(daemon: WireDaemon, remote: Remote, octets: bytes, subcode: int, data: bytes) -> None:
    with daemon.connect(remote) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        assert peer.ending() == (OPEN_ERROR, subcode, data)


GOOD_OPENS = {
    "no parameter at all": (EBGP, opening(b"")),
    "hold time 0": (EBGP, opening(hold_time=0)),
    "hold time 3": (EBGP, opening(hold_time=3)),
    "our identifier in another AS": (EBGP, opening(identifier=IDENTIFIER)),  # RFC 6286 section 2.1
    "a capability in a parameter of its own each": (
        EBGP,
        opening(parameter(multiprotocol(1, 1)) + parameter(multiprotocol(2, 1)) + parameter(four_octet_as(EBGP.asn))),
    ),
    "unknown capabilities": (EBGP, opening(parameter(capability(200, b"what") + FAMILIES + capability(128)))),
    "unknown families": (EBGP, opening(parameter(multiprotocol(25, 70) + FAMILIES + multiprotocol(1, 2)))),
    "the same capability twice": (EBGP, opening(parameter(FAMILIES + FAMILIES + REFRESH + REFRESH))),
    "extended parameters": (  # RFC 9072
        EBGP,
        message(
            OPEN,
            opening(b"")[19:-1] + b"\xff\xff" + struct.pack("!HBH", 3 + len(FAMILIES), 2, len(FAMILIES)) + FAMILIES,
        ),
    ),
    "four-octet AS": (BIG, open_message(BIG.asn, "10.0.0.4", parameters=parameter(FAMILIES + four_octet_as(BIG.asn)))),
}


@pytest.mark.rfc("4271", "4.2")
@pytest.mark.rfc("5492", "3")
@pytest.mark.parametrize(("remote", "octets"), GOOD_OPENS.values(), ids=GOOD_OPENS)
def test_open_that_is_accepted(daemon: WireDaemon, remote: Remote, octets: bytes) -> None:
    with daemon.connect(remote) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        peer.expect(KEEPALIVE)
        peer.send(message(KEEPALIVE))
        peer.expect(UPDATE)  # End-of-RIB


BLOCK = path_attributes([EBGP.asn])
ROUTE = prefixes("10.1.0.0/16")
ROUTE6 = prefixes("2001:db8:1::/48")
NEXT_HOP6 = address("2001:db8::2")
WITHOUT_NEXT_HOP = path_attributes([EBGP.asn], None)
_UNKNOWN = attribute(99, b"\1", flags=0x40)
_REACH = mp_reach(NEXT_HOP6, ROUTE6)
_SHORT_HOP = mp_reach(NEXT_HOP6[:15], ROUTE6)
_LONG_HOP = attribute(MP_REACH, b"\0\2\1\xff" + NEXT_HOP6 + b"\0" + ROUTE6)
_BAD_FLAGS = attribute(MP_REACH, _REACH[3:], flags=0xC0)
_BAD_UNREACH_FLAGS = attribute(MP_UNREACH, b"\0\2\1" + ROUTE6, flags=0x40)
_BAD_ROUTE = mp_reach(NEXT_HOP6, b"\x81" + bytes(17))
_BAD_UNREACH = mp_unreach(b"\x30\x20\x01")
_EMPTY_REACH = attribute(MP_REACH)
_EMPTY_UNREACH = attribute(MP_UNREACH, b"\0")
_BAD_ORIGIN = attribute(ORIGIN, b"\0", flags=0xC0)

BAD_UPDATES = {
    "withdrawn routes longer than the message": (message(UPDATE, b"\0\5\0\0\0"), 1, b""),
    "attributes longer than the message": (message(UPDATE, b"\0\0\0\5" + BLOCK[:4]), 1, b""),
    "no room for the attributes' length": (message(UPDATE, b"\0\3" + ROUTE), 1, b""),
    "prefix of 33 bits": (update(BLOCK, b"\x21\x0a\1\0\0\0"), 10, b""),
    "prefix cut off": (update(BLOCK, ROUTE + b"\x18\x0a\1"), 10, b""),
    "withdrawn prefix of 33 bits": (update(withdrawn=b"\x21\x0a\1\0\0\0"), 10, b""),
    "withdrawn prefix cut off": (update(withdrawn=b"\x20\x0a"), 10, b""),
    "unknown well-known attribute": (update(BLOCK + _UNKNOWN, ROUTE), 2, _UNKNOWN),
    "MP_REACH_NLRI twice": (update(_REACH + _REACH + WITHOUT_NEXT_HOP), 1, b""),
    "MP_UNREACH_NLRI twice": (update(mp_unreach(ROUTE6) + mp_unreach(ROUTE6)), 1, b""),
    "flags of MP_REACH_NLRI": (update(_BAD_FLAGS + WITHOUT_NEXT_HOP), 4, _BAD_FLAGS),
    "flags of MP_UNREACH_NLRI": (update(_BAD_UNREACH_FLAGS), 4, _BAD_UNREACH_FLAGS),
    "next hop of 15 octets": (update(_SHORT_HOP + WITHOUT_NEXT_HOP), 9, _SHORT_HOP),
    "next hop longer than MP_REACH_NLRI": (update(_LONG_HOP + WITHOUT_NEXT_HOP), 9, _LONG_HOP),
    "empty MP_REACH_NLRI": (update(_EMPTY_REACH + WITHOUT_NEXT_HOP), 9, _EMPTY_REACH),
    "MP_UNREACH_NLRI of an octet": (update(_EMPTY_UNREACH), 9, _EMPTY_UNREACH),
    "IPv6 prefix of 129 bits": (update(_BAD_ROUTE + WITHOUT_NEXT_HOP), 9, _BAD_ROUTE),
    "withdrawn IPv6 prefix cut off": (update(_BAD_UNREACH), 9, _BAD_UNREACH),
    # RFC 7606 5.2: no route is there that could be withdrawn, so what would be mild is a reset
    "fault without a route": (
        update(_BAD_ORIGIN + attribute(AS_PATH) + attribute(NEXT_HOP, address("192.0.2.1"))),
        4,
        _BAD_ORIGIN,
    ),
    "length fault without a route": (update(BLOCK + attribute(MED, b"\0")), 5, attribute(MED, b"\0")),
}


@pytest.mark.rfc("4271", "6.3")
@pytest.mark.rfc("7606", "3")
@pytest.mark.parametrize(("octets", "subcode", "data"), BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_update_that_resets_the_session(daemon: WireDaemon, octets: bytes, subcode: int, data: bytes) -> None:
    with daemon.session(EBGP) as peer:
        peer.send(octets)
        assert peer.ending() == (UPDATE_ERROR, subcode, data)


EARLY = {
    "KEEPALIVE": message(KEEPALIVE),
    "UPDATE": update(BLOCK, ROUTE),
    "ROUTE-REFRESH": route_refresh(),
    "ROUTE-REFRESH of a wrong length": message(ROUTE_REFRESH, b"\0"),
}


@pytest.mark.rfc("6608", "4")
@pytest.mark.parametrize("octets", EARLY.values(), ids=EARLY)
def test_message_before_the_open(daemon: WireDaemon, octets: bytes) -> None:
    with daemon.connect(EBGP) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        assert peer.ending() == (FSM, 1, octets[18:19])  # the type of the message


@pytest.mark.rfc("6608", "4")
@pytest.mark.parametrize(
    "octets", [update(BLOCK, ROUTE), route_refresh(), opening()], ids=["UPDATE", "REFRESH", "OPEN"]
)
def test_message_before_the_first_keepalive(daemon: WireDaemon, octets: bytes) -> None:
    with daemon.connect(EBGP) as peer:
        after_open(peer)
        peer.send(octets)
        assert peer.ending() == (FSM, 2, octets[18:19])


@pytest.mark.rfc("6608", "4")
def test_open_in_an_established_session(daemon: WireDaemon) -> None:
    with daemon.session(EBGP) as peer:
        peer.send(peer.opening)
        assert peer.ending() == (FSM, 3, bytes((OPEN,)))


@pytest.mark.rfc("4271", "6.4")
@pytest.mark.parametrize(
    "octets",
    [message(NOTIFICATION, b"\6\2"), message(NOTIFICATION, b"\xc8\xc8junk"), message(NOTIFICATION, b"\2\1\0\3")],
    ids=["Cease", "unknown code", "unsupported version"],
)
@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
def test_notification_is_not_answered(daemon: WireDaemon, octets: bytes, state: str) -> None:
    with daemon.session(EBGP) if state == "Established" else daemon.connect(EBGP) as peer:
        if state == "OpenSent":
            peer.expect(OPEN)
        elif state == "OpenConfirm":
            after_open(peer)
        peer.send(octets)
        assert peer.ending() is None


@pytest.mark.rfc("4271", "6.4")
def test_notification_with_unknown_codes_is_logged(daemon: WireDaemon) -> None:
    with daemon.session(EBGP) as peer:
        peer.send(message(NOTIFICATION, b"\xc9\xcajunk"))
        assert peer.ending() is None
    daemon.wait_for_log(lambda logged: "code 201/202" in logged)


@pytest.mark.rfc("9003", "4")
def test_malformed_shutdown_text_of_a_peer_is_logged(daemon: WireDaemon) -> None:
    with daemon.session(ONLY_IPV4, families=((1, 1),)) as peer:
        peer.send(message(NOTIFICATION, b"\6\2\2\xc3\x28"))
        assert peer.ending() is None
    daemon.wait_for_log(lambda logged: "it is not UTF-8" in logged)


@pytest.mark.rfc("4271", "6.5")
def test_silence_ends_the_session_when_the_hold_time_is_over(daemon: WireDaemon) -> None:
    with (
        daemon.connect(EBGP, hold_time=3) as silent,
        daemon.session(IBGP, hold_time=3) as established,
        daemon.session(BIG, hold_time=0) as patient,
    ):
        after_open(silent)  # in OpenConfirm as in Established
        assert established.ending() == (HOLD_TIMER, 0, b"")
        assert silent.ending() == (HOLD_TIMER, 0, b"")
        patient.sync()
        assert patient.notification is None


@pytest.mark.rfc("7313", "5")
@pytest.mark.parametrize("body", [b"", b"\0\1\1", b"\0\1\0\1\0"], ids=["0", "3", "5"])
def test_route_refresh_of_a_wrong_length(daemon: WireDaemon, body: bytes) -> None:
    octets = message(ROUTE_REFRESH, body)
    with daemon.session(EBGP) as peer:
        peer.send(octets)
        assert peer.ending() == (REFRESH_ERROR, 1, octets)


@pytest.mark.rfc("2918", "4")
@pytest.mark.parametrize("octets", [route_refresh((25, 70)), route_refresh(subtype=9)], ids=["family", "subtype"])
def test_route_refresh_that_means_nothing_to_us_is_ignored(daemon: WireDaemon, octets: bytes) -> None:
    with daemon.session(EBGP) as peer:
        peer.send(octets)
        peer.sync()
        assert peer.notification is None


@pytest.mark.rfc("4271", "8.2.1")
@pytest.mark.rfc("4486", "4")
def test_stranger_is_told_that_it_is_refused(daemon: WireDaemon) -> None:
    with WirePeer("127.0.0.99", (ADDRESS, daemon.port), 65002) as stranger:
        assert stranger.ending() == (CEASE, 5, b"")
    assert "no peer has this address" in daemon.logged


@pytest.mark.rfc("4271", "6.8")
def test_second_connection_gives_way_to_the_session(daemon: WireDaemon) -> None:
    with daemon.session(EBGP) as first, daemon.connect(EBGP) as second:
        second.send(second.opening)
        assert second.ending() == (CEASE, 7, b"")
        first.sync()
        assert first.notification is None


@pytest.mark.rfc("4724", "5")
def test_second_connection_of_a_peer_with_graceful_restart_replaces_the_session(daemon: WireDaemon) -> None:
    capabilities = REFRESH + ENHANCED_REFRESH + graceful_restart(30)
    with (
        daemon.session(EBGP, capabilities=capabilities) as first,
        daemon.session(EBGP, capabilities=capabilities) as second,
    ):
        assert first.ending() is None
        second.sync()


@pytest.mark.rfc("4486", "4")
@pytest.mark.rfc("8538", "3")
def test_stop_says_cease_but_to_those_that_keep_our_routes(tmp_path: Path) -> None:
    reason = b"\x0abgpd stops"  # RFC 9003
    with WireDaemon(tmp_path, PEERS) as daemon:
        with (
            daemon.session(EBGP) as plain,
            daemon.session(IBGP, capabilities=graceful_restart(30)) as helper,
            daemon.connect(BIG) as early,
        ):
            early.expect(OPEN)
            daemon.process.send_signal(signal.SIGTERM)
            assert plain.ending() == (CEASE, 2, reason)
            assert helper.ending() is None
            assert early.ending() == (CEASE, 2, reason)
        assert daemon.process.wait(PATIENCE) == 0
        with pytest.raises(ConnectionRefusedError):
            daemon.connect(EBGP)
