"""Every combination of iBGP and eBGP, who dials, IPv4, IPv6 or both, with and without TCP-MD5, with each daemon.

RFC 4271 5.1 and 9.2 (attributes), RFC 4760, RFC 2385, RFC 1997, RFC 4360, RFC 8092 (communities of all three kinds).
"""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from conformance.interop.meeting import Meeting
from conformance.interop.peer_daemon import Seen
from conformance.interop.peering import COMMUNITIES, LOCAL_PREF, MED, OUR_COMMUNITIES, Peering, matrix
from conformance.interop.plan import BEHIND_US, NETWORK, OUR_MED, Dialling
from conformance.interop.waiting import NotYet, eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

PEERINGS: Final = matrix()
INTERNAL_SOURCE, EXTERNAL_SOURCE = (
    next(peering for peering in PEERINGS if peering.is_internal is internal and len(peering.families) == 2)
    for internal in (True, False)
)

CARRIED: Final = [(peering, family) for peering in PEERINGS for family in peering.families]

each = pytest.mark.parametrize("peering", PEERINGS, ids=lambda peering: peering.name)
each_family = pytest.mark.parametrize(
    ("peering", "family"), CARRIED, ids=[f"{peering.name}: {family}" for peering, family in CARRIED]
)


@each
def test_the_session_is_established(meeting: Meeting, peering: Peering) -> None:
    assert meeting.state(peering) == ("Established", "Established")


@each
def test_the_right_side_dialled(meeting: Meeting, peering: Peering) -> None:
    connections = set(_connections(meeting, peering))

    assert len(connections) == 1
    we_dialled = connections.pop()
    assert peering.dialling is Dialling.BOTH or we_dialled is (peering.dialling is Dialling.WE)


@each_family
def test_our_routes_reach_them_with_their_attributes(meeting: Meeting, peering: Peering, family: str) -> None:
    prefix = NETWORK[family]
    seen = eventually("our network is in their table", lambda: _seen(meeting, peering, prefix))

    assert (seen.origin, seen.as_path) == ("IGP", peering.our_path(BEHIND_US))
    assert (seen.next_hop, seen.med) == (peering.next_hop(family), OUR_MED)
    assert seen.local_pref in ((100,) if peering.is_internal else (100, None))  # eBGP: a default of their own
    assert seen.communities == set(OUR_COMMUNITIES)


@each_family
def test_their_routes_reach_us_with_their_attributes(meeting: Meeting, peering: Peering, family: str) -> None:
    prefix = peering.prefix(family)
    row = eventually("their route is here", lambda: meeting.bgpd.route_in(peering.name, prefix))

    assert row.as_path == ("" if peering.is_internal else str(peering.their_asn))
    assert (row.origin, row.med, row.next_hop) == ("IGP", MED, peering.their_address(family))
    assert row.local_pref == (LOCAL_PREF if peering.is_internal else None)
    assert set(row.communities) == set(COMMUNITIES)
    assert (row.rejected, row.is_best) == ("", True)


@each_family
def test_their_routes_are_in_our_kernel_and_carry_traffic(meeting: Meeting, peering: Peering, family: str) -> None:
    prefix = peering.prefix(family)
    route = eventually("in the kernel", lambda: meeting.bgpd.kernel_route(prefix))

    assert (route.dev, route.way) == ("eth0", peering.their_address(family))
    meeting.here.run("ping", "-n", "-c", "1", "-W", "3", "-I", peering.our_address(family), peering.inside(family))


@each_family
def test_what_they_withdraw_leaves_our_kernel_and_comes_back(meeting: Meeting, peering: Peering, family: str) -> None:
    other = meeting.of(peering)
    prefix = peering.prefix(family)
    eventually("in the kernel", lambda: meeting.bgpd.kernel_route(prefix))

    other.withdraw(peering, family)
    try:
        eventually("gone from our kernel", lambda: not meeting.bgpd.kernel_route_or_none(prefix))
        eventually("gone from our table", lambda: not meeting.bgpd.routes_in(peering.name, prefix))
    finally:
        other.announce(peering, family)

    eventually("in the kernel again", lambda: meeting.bgpd.kernel_route(prefix))


@each_family
def test_what_we_withdraw_leaves_their_table_and_comes_back(meeting: Meeting, peering: Peering, family: str) -> None:
    other = meeting.of(peering)
    prefix = peering.container(family)
    eventually("the container is in their table", lambda: other.routes(peering, prefix))

    meeting.remove_container(prefix)
    try:
        eventually("gone from their table", lambda: not other.routes(peering, prefix))
    finally:
        meeting.add_container(prefix)

    eventually("in their table again", lambda: other.routes(peering, prefix))


@each_family
def test_routes_of_another_as_come_to_internal_peers_unchanged_and_internal_ones_go_out(
    meeting: Meeting, peering: Peering, family: str
) -> None:
    source = EXTERNAL_SOURCE if peering.is_internal else INTERNAL_SOURCE
    prefix = source.prefix(family)
    seen = eventually("the route arrives", lambda: _seen(meeting, peering, prefix))

    assert seen.communities == set(COMMUNITIES)
    if peering.is_internal:
        assert (seen.as_path, seen.next_hop) == (str(source.their_asn), source.their_address(family))
        assert (seen.med, seen.local_pref) == (MED, 100)
    else:
        assert (seen.as_path, seen.next_hop) == (peering.our_path(), peering.next_hop(family))
        assert not seen.med  # absent, which some show as 0
        assert seen.local_pref in (100, None)


def _seen(meeting: Meeting, peering: Peering, prefix: str) -> Seen:
    found = meeting.of(peering).routes(peering, prefix)
    if not found:
        raise NotYet(f"{meeting.kind.name} has no {prefix} of this session")
    return found[0]


def _connections(meeting: Meeting, peering: Peering) -> Iterator[bool]:
    """Yield for each TCP connection of the session whether we dialled it."""
    for line in meeting.here.run("ss", "-Htn", "state", "established").splitlines():
        local, remote = (re.sub(r"[\[\]]", "", end).rpartition(":") for end in line.split()[2:4])
        if (local[0].partition("%")[0], remote[0].partition("%")[0]) == (peering.our_end, peering.their_end):
            yield remote[2] == "179"
