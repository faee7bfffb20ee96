"""Messages whose body is short, at each octet, with lengths in front of it that agree; and messages octet by octet.

RFC 4271 6.1 to 6.3, RFC 7606 section 4. What is cut off without any length being corrected is in
``test_hostile_octets``. An observer must never see a route that nobody announced.
"""

import struct

import pytest

from tests.support.wire_daemon import Remote, WireDaemon
from tests.support.wire_peer import (
    COMMUNITIES,
    ENHANCED_REFRESH,
    EXTENDED_MESSAGES,
    IPV4,
    IPV6,
    KEEPALIVE,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    NOTIFICATION,
    OPEN,
    REFRESH,
    ROUTE_REFRESH,
    UPDATE,
    Event,
    WirePeer,
    attribute,
    capability,
    four_octet_as,
    graceful_restart,
    long_lived_restart,
    message,
    multiprotocol,
    open_message,
    parameter,
    path_attributes,
    prefixes,
    route_refresh,
    u32,
    update,
)

HOSTILE, OBSERVER = Remote(2, 65002, 'add_path = "both"'), Remote(3, 65003)
PEERS = (HOSTILE, OBSERVER)

CAPABILITIES = {
    "multiprotocol IPv4": multiprotocol(1, 1),
    "multiprotocol IPv6": multiprotocol(2, 1),
    "route refresh": REFRESH,
    "extended next hop": capability(5, struct.pack("!HHH", 1, 1, 2)),
    "extended messages": EXTENDED_MESSAGES,
    "role": capability(9, b"\4"),
    "graceful restart": graceful_restart(60, flags=4),
    "four-octet AS": four_octet_as(HOSTILE.asn),
    "ADD-PATH": capability(69, b"".join(struct.pack("!HBB", *family, 3) for family in (IPV4, IPV6))),
    "enhanced route refresh": ENHANCED_REFRESH,
    "long-lived graceful restart": long_lived_restart(100),
    "host name": capability(73, b"\4host\0"),
    "unknown": capability(200, b"what"),
}
ALL = b"".join(CAPABILITIES.values())
ENDS = {sum(map(len, list(CAPABILITIES.values())[:count])) for count in range(len(CAPABILITIES) + 1)}


def opening(capabilities: bytes) -> bytes:
    """Return an OPEN whose lengths are right, whatever the capabilities are."""
    return open_message(HOSTILE.asn, "10.0.0.2", 90, parameter(capabilities) if capabilities else b"")


def extended_opening(capabilities: bytes) -> bytes:
    """Return the same with extended parameters (RFC 9072)."""
    whole = b"\2" + struct.pack("!H", len(capabilities)) + capabilities
    return message(OPEN, opening(b"")[19:-1] + b"\xff\xff" + struct.pack("!H", len(whole)) + whole)


def answer(daemon: WireDaemon, octets: bytes) -> tuple[int, int, bytes] | None:
    """Return the NOTIFICATION that answers an OPEN, None = it is accepted."""
    with daemon.connect(HOSTILE) as peer:
        peer.expect(OPEN)
        peer.send(octets)
        found = peer.receive()
        if found.kind == KEEPALIVE:
            return None
        assert found.kind == NOTIFICATION
        return peer.ending()


def test_open_with_everything_in_it_is_accepted(daemon: WireDaemon) -> None:
    assert answer(daemon, opening(ALL)) is None
    assert answer(daemon, extended_opening(ALL)) is None


@pytest.mark.rfc("4271", "6.2")
@pytest.mark.parametrize("make", [opening, extended_opening], ids=["RFC 4271", "RFC 9072"])
def test_open_whose_body_ends_at_any_octet(daemon: WireDaemon, make: type) -> None:
    body = make(ALL)[19:]
    for size in range(len(body)):
        found = answer(daemon, message(OPEN, body[:size]))
        if size < 10:
            assert found == (1, 2, struct.pack("!H", 19 + size)), size
        else:
            assert found == (2, 0, b""), size


@pytest.mark.rfc("5492", "4")
@pytest.mark.parametrize("make", [opening, extended_opening], ids=["RFC 4271", "RFC 9072"])
def test_capabilities_that_end_at_any_octet(daemon: WireDaemon, make: type) -> None:
    for size in range(1, len(ALL)):
        found = answer(daemon, make(ALL[:size]))
        if size in ENDS:
            assert found is None, size
        else:
            assert found == (2, 0, b""), size


FIXED = ("multiprotocol IPv4", "multiprotocol IPv6", "four-octet AS", "role")
SHORT_OPENS = {
    f"{name}, {size} octets": capability(CAPABILITIES[name][0], CAPABILITIES[name][2 : 2 + size])
    for name in FIXED
    for size in range(len(CAPABILITIES[name]) - 2)
}


@pytest.mark.rfc("5492", "4")
@pytest.mark.parametrize("short", SHORT_OPENS.values(), ids=SHORT_OPENS)
def test_capability_that_is_too_short(daemon: WireDaemon, short: bytes) -> None:
    assert answer(daemon, opening(multiprotocol(1, 1) + short)) == (2, 0, b"")


@pytest.mark.rfc("7313", "5")
@pytest.mark.parametrize("size", range(4))
def test_route_refresh_whose_body_ends_at_any_octet(daemon: WireDaemon, size: int) -> None:
    octets = message(ROUTE_REFRESH, route_refresh()[19 : 19 + size])
    with daemon.session(HOSTILE) as peer:
        peer.send(octets)
        assert peer.ending() == (7, 1, octets)


@pytest.mark.rfc("4271", "6.1")
@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
def test_notification_whose_body_ends_at_any_octet(daemon: WireDaemon, state: str) -> None:
    body = b"\6\2\x04bye!"
    for size in range(len(body)):
        with daemon.session(HOSTILE) if state == "Established" else daemon.connect(HOSTILE) as peer:
            if state != "Established":
                peer.expect(OPEN)
            if state == "OpenConfirm":
                peer.send(peer.opening)
                peer.expect(KEEPALIVE)
            peer.send(message(NOTIFICATION, body[:size]))
            assert peer.ending() == ((1, 2, struct.pack("!H", 19 + size)) if size < 2 else None)


ROUTES = prefixes("10.1.0.0/16", "10.2.3.0/24")
BLOCK = path_attributes(
    [HOSTILE.asn, 70000],
    "192.0.2.1",
    0,
    attribute(MED, u32(5)),
    attribute(LOCAL_PREF, u32(9)),
    attribute(COMMUNITIES, u32(7, 8)),
    attribute(LARGE_COMMUNITIES, u32(1, 2, 3)),
)


def boundaries(block: bytes) -> set[int]:
    """Return where attributes end."""
    found, position = {0}, 0
    while position < len(block):
        position += 3 + block[position + 2]
        found.add(position)
    return found


@pytest.mark.rfc("7606", "4")
def test_attributes_that_end_at_any_octet_cost_the_routes(daemon: WireDaemon) -> None:
    mandatory = len(path_attributes([HOSTILE.asn, 70000]))
    ends = boundaries(BLOCK)
    with daemon.session(OBSERVER) as observer, daemon.session(HOSTILE) as peer:
        for size in range(len(BLOCK)):
            peer.send(update(BLOCK, ROUTES))
            peer.sync()
            observer.sync()
            assert set(observer.table) == {"10.1.0.0/16", "10.2.3.0/24"}
            peer.send(update(BLOCK[:size], ROUTES))
            peer.sync()
            observer.sync()
            is_whole = size in ends and size >= mandatory
            assert len(observer.table) == (2 if is_whole else 0), size


@pytest.mark.rfc("4271", "6.3")
@pytest.mark.parametrize("field", ["announced", "withdrawn"])
def test_routes_that_end_at_any_octet_reset_the_session(daemon: WireDaemon, field: str) -> None:
    with daemon.session(OBSERVER) as observer:
        for size in range(len(ROUTES)):
            with daemon.session(HOSTILE) as peer:
                peer.send(update(BLOCK, ROUTES))
                cut = ROUTES[:size]
                peer.send(update(BLOCK, cut) if field == "announced" else update(withdrawn=cut))
                if size in (0, 3):
                    peer.sync()
                else:
                    assert peer.ending() == (3, 10, b""), size
        observer.sync()
        observer.wait_gone("10.1.0.0/16", "10.2.3.0/24")
        assert not {event.about for event in observer.events if event.what == "announce"} - {
            "10.1.0.0/16",
            "10.2.3.0/24",
        }


def by_octets(peer: WirePeer, octets: bytes) -> None:
    """Send each octet in a segment of its own."""
    for position in range(len(octets)):
        peer.send(octets[position : position + 1])


@pytest.mark.rfc("4271", "6.1")
def test_everything_may_come_octet_by_octet(daemon: WireDaemon) -> None:
    with daemon.session(OBSERVER) as observer, daemon.connect(HOSTILE) as peer:
        by_octets(peer, opening(ALL.replace(CAPABILITIES["ADD-PATH"], b"")) + message(KEEPALIVE))
        peer.expect(OPEN)
        peer.expect(KEEPALIVE)
        by_octets(peer, update(BLOCK, ROUTES) + message(KEEPALIVE) + route_refresh())
        peer.read_until(lambda: Event("EoRR", IPV4) in peer.events)
        observer.wait_for("10.1.0.0/16", "10.2.3.0/24")
        by_octets(peer, message(UPDATE, update(withdrawn=ROUTES)[19:]))
        observer.wait_gone("10.1.0.0/16", "10.2.3.0/24")
        by_octets(peer, message(NOTIFICATION, b"\6\2\4bye!"))
        assert peer.ending() is None
    daemon.wait_for_log(lambda logged: "bye!" in logged)
