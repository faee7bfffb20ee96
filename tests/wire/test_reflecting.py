"""A route reflector: who hears of whose routes, and the marks that keep them from going round (RFC 4456)."""

import pytest

from tests.support.wire_daemon import ADDRESS, ASN, Remote, WireDaemon
from tests.support.wire_peer import (
    AS_PATH,
    CLUSTER_LIST,
    IPV6,
    LOCAL_PREF,
    MED,
    NEXT_HOP,
    OPTIONAL,
    ORIGIN,
    ORIGINATOR_ID,
    WELL_KNOWN,
    WirePeer,
    address,
    attribute,
    mp_reach,
    path_attributes,
    prefixes,
    u32,
    update,
)

CLUSTER = "10.255.0.99"
NODE = f'cluster_id = "{CLUSTER}"'
CLIENT, CLIENT2 = Remote(2, ASN, "reflector_client = true"), Remote(3, ASN, "reflector_client = true")
PLAIN, PLAIN2 = Remote(4, ASN), Remote(5, ASN)
OUTSIDE = Remote(6, 65006)
SELF = Remote(7, ASN, 'reflector_client = true\nnext_hop = "self"')
PEERS = (CLIENT, CLIENT2, PLAIN, PLAIN2, OUTSIDE, SELF)

ROUTE, ROUTE6 = "10.1.0.0/16", "2001:db8:1::/48"
HOP, HOP6 = "192.0.2.1", "2001:db8::2"
PREFERENCE = attribute(LOCAL_PREF, u32(150))


def announce(peer: WirePeer, *more: bytes) -> None:
    path = [peer.asn] if peer.asn != ASN else []
    inside = () if path else (PREFERENCE,)
    peer.send(update(path_attributes(path, HOP, 0, attribute(MED, u32(5)), *inside, *more), prefixes(ROUTE)))


@pytest.mark.rfc("4456", "6")
@pytest.mark.parametrize(
    ("source", "target", "is_told"),
    [
        (CLIENT, CLIENT2, True),
        (CLIENT, PLAIN, True),
        (PLAIN, CLIENT, True),
        (PLAIN, PLAIN2, False),
        (CLIENT, OUTSIDE, True),
        (PLAIN, OUTSIDE, True),
        (OUTSIDE, CLIENT, True),
        (OUTSIDE, PLAIN, True),
    ],
)
def test_who_is_told(daemon: WireDaemon, source: Remote, target: Remote, is_told: bool) -> None:
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        announce(feeder)
        feeder.sync()
        observer.sync()
        assert (ROUTE in observer.table) == is_told
        assert "announce" not in feeder.told(ROUTE)
        feeder.send(update(withdrawn=prefixes(ROUTE)))
        observer.wait_gone(ROUTE)


@pytest.mark.rfc("4456", "8")
@pytest.mark.parametrize(("source", "target"), [(CLIENT, CLIENT2), (CLIENT, PLAIN), (PLAIN, CLIENT)])
def test_reflected_route_keeps_its_attributes_and_gets_two(daemon: WireDaemon, source: Remote, target: Remote) -> None:
    with daemon.session(target) as observer, daemon.session(source) as feeder:
        announce(feeder)
        assert observer.wait_for(ROUTE).attributes == {
            ORIGIN: (WELL_KNOWN, b"\0"),
            AS_PATH: (WELL_KNOWN, b""),
            NEXT_HOP: (WELL_KNOWN, address(HOP)),
            MED: (OPTIONAL, u32(5)),
            LOCAL_PREF: (WELL_KNOWN, u32(150)),
            ORIGINATOR_ID: (OPTIONAL, address(feeder.identifier)),
            CLUSTER_LIST: (OPTIONAL, address(CLUSTER)),
        }


@pytest.mark.rfc("4456", "8")
def test_originator_stays_and_clusters_are_put_in_front(daemon: WireDaemon) -> None:
    before = attribute(ORIGINATOR_ID, address("10.9.9.9")), attribute(CLUSTER_LIST, address("10.8.8.8"))
    with daemon.session(CLIENT2) as observer, daemon.session(PLAIN) as feeder:
        announce(feeder, *before)
        route = observer.wait_for(ROUTE)
        assert route.value(ORIGINATOR_ID) == address("10.9.9.9")
        assert route.value(CLUSTER_LIST) == address(CLUSTER) + address("10.8.8.8")


@pytest.mark.rfc("4456", "8")
@pytest.mark.parametrize(
    "mark",
    [
        attribute(ORIGINATOR_ID, address("10.255.0.1")),
        attribute(CLUSTER_LIST, address("10.8.8.8") + address(CLUSTER)),
        attribute(ORIGINATOR_ID, address("10.9.9.9")) + attribute(CLUSTER_LIST, address(CLUSTER)),
    ],
    ids=["our identifier", "our cluster behind another", "our cluster alone"],
)
def test_route_that_came_back_is_not_used(daemon: WireDaemon, mark: bytes) -> None:
    with daemon.session(CLIENT2) as observer, daemon.session(CLIENT) as feeder:
        announce(feeder)
        observer.wait_for(ROUTE)
        announce(feeder, mark)
        observer.wait_gone(ROUTE)
        feeder.sync()


@pytest.mark.rfc("4456", "8")
def test_marks_stay_within_the_as(daemon: WireDaemon) -> None:
    with (
        daemon.session(OUTSIDE) as outside,
        daemon.session(CLIENT2) as inside,
        daemon.session(CLIENT) as feeder,
    ):
        announce(feeder, attribute(ORIGINATOR_ID, address("10.9.9.9")), attribute(CLUSTER_LIST, address("10.8.8.8")))
        assert not {ORIGINATOR_ID, CLUSTER_LIST, LOCAL_PREF, MED} & outside.wait_for(ROUTE).attributes.keys()
        inside.wait_for(ROUTE)
        feeder.send(update(withdrawn=prefixes(ROUTE)))
        inside.wait_gone(ROUTE)
        announce(outside)
        route = inside.wait_for(ROUTE)
        assert not {ORIGINATOR_ID, CLUSTER_LIST} & route.attributes.keys()  # not reflected: it came from outside
        assert route.number(LOCAL_PREF) == 100


@pytest.mark.rfc("4456", "9")
def test_originator_counts_as_identifier_then_the_shorter_cluster_list(daemon: WireDaemon) -> None:
    def marks(originator: str, *clusters: str) -> tuple[bytes, bytes]:
        return attribute(ORIGINATOR_ID, address(originator)), attribute(CLUSTER_LIST, b"".join(map(address, clusters)))

    with (
        daemon.session(OUTSIDE) as observer,
        daemon.session(CLIENT2) as inside,
        daemon.session(CLIENT) as low,
        daemon.session(PLAIN) as high,
    ):
        observer.sync()
        announce(low, *marks("10.9.9.9", "10.8.8.8"))
        announce(high, *marks("10.9.9.8", "10.8.8.8"))
        high.sync()
        inside.sync()
        assert inside.table[ROUTE].value(ORIGINATOR_ID) == address("10.9.9.8")
        announce(high, *marks("10.9.9.9", "10.8.8.8", "10.8.8.7"))
        high.sync()
        inside.sync()
        assert inside.table[ROUTE].value(CLUSTER_LIST) == address(CLUSTER) + address("10.8.8.8")
        announce(low, *marks("10.9.9.9", "10.8.8.8", "10.8.8.7", "10.8.8.6"))
        low.sync()
        inside.sync()
        assert inside.table[ROUTE].value(CLUSTER_LIST) == address(CLUSTER) + address("10.8.8.8") + address("10.8.8.7")


@pytest.mark.rfc("4456", "6")
def test_best_path_that_moves_from_a_client_to_a_non_client_is_withdrawn_from_non_clients(daemon: WireDaemon) -> None:
    with (
        daemon.session(PLAIN2) as observer,
        daemon.session(CLIENT2) as client,
        daemon.session(CLIENT) as first,
        daemon.session(PLAIN) as second,
    ):
        announce(first)
        observer.wait_for(ROUTE)
        announce(second)  # a higher identifier: no change
        first.send(update(withdrawn=prefixes(ROUTE)))
        observer.wait_gone(ROUTE)
        client.read_until(
            lambda: ROUTE in client.table and client.table[ROUTE].value(ORIGINATOR_ID) == address(second.identifier)
        )
        assert client.told(ROUTE) == ["announce", "announce"]
        announce(first)
        observer.wait_for(ROUTE)
        assert second.wait_for(ROUTE).value(ORIGINATOR_ID) == address(first.identifier)


@pytest.mark.rfc("4456", "10")
def test_next_hop_of_a_reflected_route_is_ours_only_if_asked_for(daemon: WireDaemon) -> None:
    with (
        daemon.session(CLIENT2) as plain,
        daemon.session(SELF) as by_us,
        daemon.session(CLIENT) as feeder,
    ):
        announce(feeder)
        assert plain.wait_for(ROUTE).next_hop == address(HOP)
        assert by_us.wait_for(ROUTE).next_hop == address(ADDRESS)


@pytest.mark.rfc("4760", "3")
def test_ipv6_is_reflected_alike(daemon: WireDaemon) -> None:
    with daemon.session(CLIENT2) as observer, daemon.session(CLIENT) as feeder:
        feeder.send(
            update(mp_reach(address(HOP6), prefixes(ROUTE6), IPV6) + path_attributes([], None, 0, PREFERENCE)),
        )
        route = observer.wait_for(ROUTE6)
        assert route.next_hop == address(HOP6)
        assert route.value(ORIGINATOR_ID) == address(feeder.identifier)
        assert route.value(CLUSTER_LIST) == address(CLUSTER)
