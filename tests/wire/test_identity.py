"""Who the daemon is to its peers, octet by octet: in a confederation, in a role, as the AS that it used to be.

RFC 5065, RFC 9234, RFC 7705, RFC 4360 section 6, RFC 6793. The daemon is Member-AS 65000 of confederation 100.
"""

import struct

import pytest

from tests.support.wire_daemon import ASN, Remote, WireDaemon
from tests.support.wire_peer import (
    AS_PATH,
    CLUSTER_LIST,
    EXTENDED_COMMUNITIES,
    KEEPALIVE,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    NEXT_HOP,
    OPEN,
    ORIGIN,
    ORIGINATOR_ID,
    OTC,
    WirePeer,
    address,
    as_path,
    attribute,
    capability,
    four_octet_as,
    message,
    multiprotocol,
    open_message,
    parameter,
    prefixes,
    u32,
    update,
)

MEMBER, INSIDE = Remote(2, 65001), Remote(3, ASN)
OUTSIDE, OTHER = Remote(4, 65004), Remote(5, 65005)
CUSTOMER = Remote(6, 65006, 'role = "provider"')
PROVIDER = Remote(7, 65007, 'role = "customer"')
PEER = Remote(8, 65008, 'role = "peer"')
STRICT = Remote(9, 65009, 'role = "customer"\nstrict_role = true')
MIGRANT = Remote(10, 65010, "local_asn = 64")
SERVER = Remote(11, 65011, 'role = "rs-client"')
PEERS = (MEMBER, INSIDE, OUTSIDE, OTHER, CUSTOMER, PROVIDER, PEER, STRICT, MIGRANT, SERVER)
NODE = "confederation = { identifier = 100, members = [65000, 65001, 65002] }"

ROUTE = "10.1.0.0/16"
SEQUENCE, SET, CONFED_SEQUENCE, CONFED_SET = 2, 1, 3, 4
OPEN_ERROR, BAD_PEER_AS, ROLE_MISMATCH = 2, 2, 11
ROLE = 9


def confed(*asns: int, kind: int = CONFED_SEQUENCE) -> bytes:
    return as_path(*asns, kind=kind)


def announce(peer: WirePeer, path: bytes, *more: bytes) -> None:
    block = attribute(ORIGIN, b"\0") + attribute(AS_PATH, path) + attribute(NEXT_HOP, address("192.0.2.1"))
    peer.send(update(block + b"".join(more), prefixes(ROUTE)))


def relayed(
    daemon: WireDaemon, source: Remote, target: Remote, path: bytes, *more: bytes
) -> dict[int, tuple[int, bytes]]:
    """Return the attributes with which the target is told the source's route."""
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        announce(feeder, path, *more)
        return observer.wait_for(ROUTE).attributes


def reason(daemon: WireDaemon, source: Remote, path: bytes, *more: bytes) -> dict[str, str]:
    """Return what was set aside of the route, by kind; the other peers must not have heard of it."""
    with daemon.session(OTHER) as observer, daemon.session(source) as feeder:
        announce(feeder, path, *more)
        feeder.sync()
        observer.sync()
        assert observer.told(ROUTE) == []
        return daemon.peer(source).route_faults


# --- Confederation -----------------------------------------------------------------------------------------------


@pytest.mark.rfc("5065", "4")
@pytest.mark.parametrize(("remote", "expected"), [(MEMBER, ASN), (INSIDE, ASN), (OUTSIDE, 100), (MIGRANT, 64)])
def test_open_names_the_as_that_the_peer_knows_us_by(daemon: WireDaemon, remote: Remote, expected: int) -> None:
    with daemon.connect(remote) as peer:
        peer.send(peer.opening)
        body = peer.expect(OPEN).body
        assert struct.unpack("!H", body[1:3]) == (expected,)
        assert four_octet_as(expected) in body


@pytest.mark.rfc("5065", "4.1")
@pytest.mark.parametrize(
    ("source", "target", "path", "expected"),
    [
        (OUTSIDE, MEMBER, as_path(65004, 7), confed(ASN) + as_path(65004, 7)),
        (OUTSIDE, INSIDE, as_path(65004, 7), as_path(65004, 7)),
        (OUTSIDE, OTHER, as_path(65004, 7), as_path(100, 65004, 7)),
        (MEMBER, INSIDE, confed(65001) + as_path(7), confed(65001) + as_path(7)),
        (MEMBER, OTHER, confed(65001, 65002) + as_path(7), as_path(100, 7)),
        (MEMBER, OTHER, confed(65001), as_path(100)),
        (MEMBER, OTHER, confed(65001) + confed(65002, 65009, kind=CONFED_SET), as_path(100)),
        (MEMBER, OTHER, confed(65001) + as_path(8, 9, kind=SET), as_path(100) + as_path(8, 9, kind=SET)),
        (INSIDE, MEMBER, b"", confed(ASN)),
        (INSIDE, MEMBER, confed(65002) + as_path(7), confed(ASN, 65002) + as_path(7)),
        (INSIDE, MEMBER, confed(65002, 65009, kind=CONFED_SET), confed(ASN) + confed(65002, 65009, kind=CONFED_SET)),
    ],
)
def test_as_path_over_each_border(
    daemon: WireDaemon, source: Remote, target: Remote, path: bytes, expected: bytes
) -> None:
    assert relayed(daemon, source, target, path)[AS_PATH][1].hex() == expected.hex()


@pytest.mark.rfc("5065", "5.2")
def test_local_pref_med_and_next_hop_cross_between_members_and_reflection_does_not(daemon: WireDaemon) -> None:
    more = (
        attribute(MED, u32(5)) + attribute(LOCAL_PREF, u32(300)),
        attribute(ORIGINATOR_ID, address("10.7.7.7")) + attribute(CLUSTER_LIST, address("10.8.8.8")),
    )
    found = relayed(daemon, INSIDE, MEMBER, as_path(7), *more)
    assert (found[MED][1], found[LOCAL_PREF][1], found[NEXT_HOP][1]) == (u32(5), u32(300), address("192.0.2.1"))
    assert not {ORIGINATOR_ID, CLUSTER_LIST} & set(found)
    found = relayed(daemon, MEMBER, INSIDE, confed(65001), *more[:1])
    assert (found[MED][1], found[LOCAL_PREF][1]) == (u32(5), u32(300))
    found = relayed(daemon, MEMBER, OUTSIDE, confed(65001), *more[:1])
    assert not {MED, LOCAL_PREF} & set(found)


@pytest.mark.rfc("5065", "5")
@pytest.mark.parametrize(
    ("remote", "path"),
    [
        (OUTSIDE, confed(65004)),
        (OUTSIDE, as_path(65004) + confed(65001)),
        (OUTSIDE, as_path(65004) + confed(65001, kind=CONFED_SET)),
        (MEMBER, as_path(65001)),
        (MEMBER, b""),
        (MEMBER, confed(65001, kind=CONFED_SET)),
        (MEMBER, as_path(7) + confed(65001)),
    ],
)
def test_a_path_that_such_a_peer_does_not_send_is_malformed(daemon: WireDaemon, remote: Remote, path: bytes) -> None:
    assert "AS_PATH" in reason(daemon, remote, path)["treated as withdraw"]


@pytest.mark.rfc("4271", "9.1.2")
@pytest.mark.parametrize(
    ("remote", "path", "looped"),
    [
        (MEMBER, confed(65001, ASN), ASN),
        (MEMBER, confed(65001) + confed(ASN, 65009, kind=CONFED_SET), ASN),
        (MEMBER, confed(65001) + as_path(7, 100), 100),
        (OUTSIDE, as_path(65004, 100), 100),
        (OUTSIDE, as_path(65004) + as_path(9, 100, kind=SET), 100),
        (INSIDE, confed(65002, ASN), ASN),
        (MIGRANT, as_path(65010, 64), 64),
        (MIGRANT, as_path(65010, 100), 100),
    ],
)
def test_a_path_through_us_is_a_loop(daemon: WireDaemon, remote: Remote, path: bytes, looped: int) -> None:
    assert f"AS loop: our AS {looped}" in reason(daemon, remote, path)["path rejected"]


@pytest.mark.rfc("5065", "4")
def test_the_numbers_of_members_mean_nothing_outside(daemon: WireDaemon) -> None:
    """A Member-AS number is the confederation's own affair; somebody else may have the same private number."""
    assert relayed(daemon, OUTSIDE, OTHER, as_path(65004, ASN))[AS_PATH][1] == as_path(100, 65004, ASN)
    path = confed(65001) + as_path(65002)
    assert relayed(daemon, MEMBER, INSIDE, path)[AS_PATH][1] == path


@pytest.mark.rfc("4271", "6.3")
def test_the_first_as_from_another_member_is_its_own(daemon: WireDaemon) -> None:
    assert "AS_PATH begins with 65002" in reason(daemon, MEMBER, confed(65002, 65001))["path rejected"]


@pytest.mark.rfc("6793", "4.2.2")
def test_as4_path_has_no_segment_of_the_confederation(daemon: WireDaemon) -> None:
    with daemon.session(MEMBER, has_four_octet_as=False) as observer, daemon.session(OUTSIDE) as feeder:
        announce(feeder, as_path(65004, 4200000000))
        found = observer.wait_for(ROUTE).attributes
        assert found[AS_PATH][1] == as_path(ASN, kind=CONFED_SEQUENCE, size=2) + as_path(65004, 23456, size=2)
        assert found[17][1] == as_path(65004, 4200000000)


@pytest.mark.rfc("5065", "4")
@pytest.mark.parametrize("asn", [100, ASN, 65002])
def test_an_external_peer_is_nobody_of_the_confederation(daemon: WireDaemon, asn: int) -> None:
    with daemon.connect(OUTSIDE) as peer:
        offers = parameter(multiprotocol(1, 1) + four_octet_as(asn))
        peer.send(open_message(asn, "10.0.0.4", parameters=offers))
        assert peer.ending() == (OPEN_ERROR, BAD_PEER_AS, b"")


# --- Roles -------------------------------------------------------------------------------------------------------


@pytest.mark.rfc("9234", "4.1")
@pytest.mark.parametrize(("remote", "code"), [(CUSTOMER, 0), (SERVER, 2), (PROVIDER, 3), (PEER, 4)])
def test_open_tells_our_role(daemon: WireDaemon, remote: Remote, code: int) -> None:
    with daemon.connect(remote) as peer:
        peer.send(peer.opening)
        assert capability(ROLE, bytes((code,))) in peer.expect(OPEN).body


@pytest.mark.rfc("9234", "4.1")
@pytest.mark.parametrize("remote", [OUTSIDE, INSIDE, MEMBER])
def test_without_a_role_none_is_told(daemon: WireDaemon, remote: Remote) -> None:
    with daemon.connect(remote) as peer:
        peer.send(peer.opening)
        assert b"\x09\x01" not in peer.expect(OPEN).body[10:]


@pytest.mark.rfc("9234", "4.2")
@pytest.mark.parametrize(
    ("remote", "roles", "is_refused"),
    [
        (CUSTOMER, (3,), False),
        (CUSTOMER, (3, 3), False),
        (CUSTOMER, (), False),
        (CUSTOMER, (0,), True),
        (CUSTOMER, (1,), True),
        (CUSTOMER, (2,), True),
        (CUSTOMER, (4,), True),
        (CUSTOMER, (5,), True),
        (CUSTOMER, (255,), True),
        (CUSTOMER, (3, 0), True),
        (CUSTOMER, (0, 3), True),
        (PEER, (4,), False),
        (PEER, (3,), True),
        (SERVER, (1,), False),
        (SERVER, (2,), True),
        (STRICT, (), True),
        (STRICT, (0,), False),
        (STRICT, (3,), True),
        (OUTSIDE, (0,), False),
        (OUTSIDE, (99,), False),
        (OUTSIDE, (0, 3), True),
    ],
)
def test_roles_that_fit_and_others(
    daemon: WireDaemon, remote: Remote, roles: tuple[int, ...], is_refused: bool
) -> None:
    offers = b"".join(capability(ROLE, bytes((role,))) for role in roles)
    with daemon.connect(remote, capabilities=offers) as peer:
        peer.send(peer.opening)
        peer.expect(OPEN)
        if is_refused:
            assert peer.ending() == (OPEN_ERROR, ROLE_MISMATCH, b"")
        else:
            peer.expect(KEEPALIVE)


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        (PROVIDER, None, 65007),
        (PROVIDER, 7, 7),
        (PROVIDER, 65007, 65007),
        (PEER, None, 65008),
        (PEER, 65008, 65008),
        (SERVER, None, 65011),
        (SERVER, 7, 7),
        (CUSTOMER, None, None),
        (OUTSIDE, None, None),
        (OUTSIDE, 7, 7),
    ],
)
def test_otc_on_the_way_in(daemon: WireDaemon, source: Remote, given: int | None, expected: int | None) -> None:
    path = as_path(source.asn, 7)
    more = () if given is None else (attribute(OTC, u32(given)),)
    for target in (INSIDE, MEMBER):  # it is kept over both kinds of inner borders
        found = relayed(daemon, source, target, path, *more)
        assert (found[OTC][1] if OTC in found else None) == (None if expected is None else u32(expected))
        assert OTC not in found or found[OTC][0] == 0xC0


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(("source", "otc"), [(CUSTOMER, 7), (CUSTOMER, 65006), (PEER, 7), (PEER, 100)])
def test_a_route_leak_is_not_used(daemon: WireDaemon, source: Remote, otc: int) -> None:
    assert f"OTC {otc}" in reason(daemon, source, as_path(source.asn), attribute(OTC, u32(otc)))["route leak"]


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("target", "given", "expected"),
    [(CUSTOMER, None, 100), (CUSTOMER, 7, 7), (PEER, None, 100), (OUTSIDE, 7, 7), (OUTSIDE, None, None)],
)
def test_otc_on_the_way_out(daemon: WireDaemon, target: Remote, given: int | None, expected: int | None) -> None:
    more = () if given is None else (attribute(OTC, u32(given)),)
    for source, path in ((INSIDE, as_path(7)), (OTHER, as_path(OTHER.asn)), (MEMBER, confed(65001))):
        found = relayed(daemon, source, target, path, attribute(LARGE_COMMUNITIES, u32(1, 2, 3)), *more)
        assert (found[OTC][1] if OTC in found else None) == (None if expected is None else u32(expected))


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize("target", [PROVIDER, PEER, SERVER])
def test_a_route_with_otc_does_not_go_up_or_sideways(daemon: WireDaemon, target: Remote) -> None:
    with daemon.session(target) as observer, daemon.session(OUTSIDE) as feeder:
        announce(feeder, as_path(OUTSIDE.asn))
        observer.wait_for(ROUTE)
        announce(feeder, as_path(OUTSIDE.asn), attribute(OTC, u32(7)))
        observer.wait_gone(ROUTE)


# --- An AS in migration ------------------------------------------------------------------------------------------


@pytest.mark.rfc("7705", "3")
def test_the_local_as_stands_in_paths_of_both_directions(daemon: WireDaemon) -> None:
    assert relayed(daemon, MIGRANT, INSIDE, as_path(65010))[AS_PATH][1] == as_path(64, 65010)
    assert relayed(daemon, MIGRANT, OTHER, as_path(65010))[AS_PATH][1] == as_path(100, 64, 65010)
    assert relayed(daemon, INSIDE, MIGRANT, as_path(7))[AS_PATH][1] == as_path(64, 100, 7)
    assert relayed(daemon, MEMBER, MIGRANT, confed(65001))[AS_PATH][1] == as_path(64, 100)


def test_who_both_are_is_shown(daemon: WireDaemon) -> None:
    with daemon.session(STRICT, capabilities=capability(ROLE, b"\0")):
        detail = daemon.peer(STRICT)
        assert detail.settings["our role"] == "customer, strict"
        assert detail.negotiated["peer's role"] == "provider"
        assert detail.negotiated["AS numbers"] == "the peer's 65009, ours 100"
    with daemon.session(MIGRANT):
        detail = daemon.peer(MIGRANT)
        assert detail.settings["local AS"] == "64, put before received paths, beside 100 in sent paths"
        assert detail.negotiated["peer's role"] == "not told"
    with daemon.session(MEMBER):
        assert daemon.peer(MEMBER).row.type == "confed"


# --- Extended and large communities ------------------------------------------------------------------------------


@pytest.mark.rfc("4360", "6")
@pytest.mark.parametrize(
    ("source", "target", "is_kept"),
    [
        (OUTSIDE, OTHER, False),
        (OUTSIDE, INSIDE, False),
        (OUTSIDE, MEMBER, False),
        (INSIDE, OTHER, False),
        (INSIDE, MEMBER, True),
        (MEMBER, INSIDE, True),
        (MEMBER, OTHER, False),
    ],
)
def test_non_transitive_extended_communities_stay_in_the_confederation(
    daemon: WireDaemon, source: Remote, target: Remote, is_kept: bool
) -> None:
    transitive, local = bytes.fromhex("0002fde800000001"), bytes.fromhex("4004fde800000001")
    path = {OUTSIDE: as_path(OUTSIDE.asn), INSIDE: b"", MEMBER: confed(65001)}[source]
    found = relayed(daemon, source, target, path, attribute(EXTENDED_COMMUNITIES, local + transitive))
    assert found[EXTENDED_COMMUNITIES][1] == (local + transitive if is_kept else transitive)
    found = relayed(daemon, source, target, path, attribute(EXTENDED_COMMUNITIES, local))
    assert (EXTENDED_COMMUNITIES in found) == is_kept


@pytest.mark.rfc("8092", "3")
@pytest.mark.parametrize("target", [INSIDE, OTHER])
def test_a_large_community_is_passed_on_once(daemon: WireDaemon, target: Remote) -> None:
    twice = u32(1, 2, 3) + u32(4, 5, 6) + u32(1, 2, 3)
    found = relayed(daemon, OUTSIDE, target, as_path(OUTSIDE.asn), attribute(LARGE_COMMUNITIES, twice))
    assert found[LARGE_COMMUNITIES][1] == u32(1, 2, 3) + u32(4, 5, 6)


# --- OPEN --------------------------------------------------------------------------------------------------------


@pytest.mark.rfc("6793", "4.1")
@pytest.mark.parametrize(("my_as", "is_refused"), [(65004, False), (23456, False), (65005, True), (0, True)])
def test_both_places_of_the_as_number_say_the_same(daemon: WireDaemon, my_as: int, is_refused: bool) -> None:
    with daemon.connect(OUTSIDE) as peer:
        peer.send(open_message(65004, "10.0.0.4", parameters=peer.parameters, my_as=my_as))
        if is_refused:
            assert peer.ending() == (OPEN_ERROR, BAD_PEER_AS, b"")
        else:
            peer.expect(OPEN)
            peer.send(message(KEEPALIVE))
            peer.expect(KEEPALIVE)
