"""One session for each option that both sides have: what was agreed is what happens.

RFC 2918 and 7313 (route refresh), RFC 4271 6.7 and RFC 4486 (maximum prefixes), RFC 5082 (GTSM), RFC 6793 (four-octet
AS numbers), RFC 7911 (ADD-PATH), RFC 8654 (extended messages), RFC 8950 (IPv6 next hops), RFC 9003 (shutdown text),
RFC 9234 (roles).
"""

import pytest

from conformance.interop.meeting import Meeting
from conformance.interop.peering import LONG_COMMUNITIES, LONG_PREFIX, OPTIONS, Option, Peering
from conformance.interop.plan import BEHIND_US, NETWORK, NODE
from conformance.interop.waiting import NotYet, eventually, throughout

pytestmark = [pytest.mark.interop, pytest.mark.netns]

CLOSED = (Option.MAX_PREFIXES_OURS, Option.MAX_PREFIXES_THEIRS)
UP = [peering for option, peering in OPTIONS.items() if option not in CLOSED]
TEXT = "moving racks"


def of(option: Option) -> pytest.MarkDecorator:
    """Return the parameter of a test of one option."""
    return pytest.mark.parametrize("peering", [OPTIONS[option]], ids=[option.value])


@pytest.mark.parametrize("peering", UP, ids=lambda peering: peering.name)
def test_the_session_carries_routes_both_ways(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])
    other = meeting.of(peering)

    def is_all_there() -> bool:
        return all(other.routes(peering, NETWORK[family]) for family in peering.families) and all(
            meeting.bgpd.kernel_route(peering.prefix(family)) for family in peering.families
        )

    eventually("our networks in their table, theirs in our kernel", is_all_there)


@of(Option.FOUR_OCTET_AS)
def test_long_as_numbers_come_through_whole(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    row = eventually("their route is here", lambda: meeting.bgpd.route_in(peering.name, peering.prefix("ipv4")))

    assert row.as_path.split()[0] == str(peering.their_asn)
    assert meeting.bgpd.peer(peering.name).negotiated["four-octet AS"] == "yes"


@of(Option.TWO_OCTET_AS)
def test_an_old_session_carries_long_as_numbers_beside_the_path(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    seen = eventually("our network", lambda: meeting.of(peering).routes(peering, NETWORK["ipv4"]))[0]

    assert meeting.bgpd.peer(peering.name).negotiated["four-octet AS"] == "no"
    assert seen.as_path == peering.our_path(BEHIND_US)


@of(Option.ROUTE_REFRESH)
def test_a_refresh_that_they_ask_for_sends_everything_again_and_loses_nothing(
    meeting: Meeting, peering: Peering
) -> None:
    meeting.wait_established([peering])
    other, prefix = meeting.of(peering), NETWORK["ipv4"]
    eventually("our network", lambda: other.routes(peering, prefix))
    requests, _ = meeting.bgpd.messages(peering.name, "ROUTE_REFRESH")
    _, updates = meeting.bgpd.messages(peering.name, "UPDATE")

    other.ask_refresh(peering)

    eventually("the request", lambda: meeting.bgpd.messages(peering.name, "ROUTE_REFRESH")[0] > requests)
    eventually("our answer", lambda: meeting.bgpd.messages(peering.name, "UPDATE")[1] > updates)
    throughout("our network is in their table", lambda: other.routes(peering, prefix), seconds=0.3)
    assert meeting.state(peering) == ("Established", "Established")


@of(Option.ENHANCED_REFRESH)
def test_an_enhanced_refresh_is_framed_by_its_marks(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])
    other, prefix = meeting.of(peering), NETWORK["ipv4"]
    eventually("our network", lambda: other.routes(peering, prefix))
    _, marks = meeting.bgpd.messages(peering.name, "ROUTE_REFRESH")
    assert meeting.bgpd.peer(peering.name).negotiated["route refresh"] == "enhanced"

    other.ask_refresh(peering)

    eventually("two marks", lambda: meeting.bgpd.messages(peering.name, "ROUTE_REFRESH")[1] == marks + 2)
    throughout("our network is in their table", lambda: other.routes(peering, prefix), seconds=0.3)


@of(Option.ADD_PATH_RECEIVE)
def test_several_paths_come_with_identifiers_of_their_own(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    def several() -> list[int]:
        for prefix in (NETWORK["ipv4"], peering.prefix("ipv4")):
            rows = [row for row in meeting.bgpd.routes_in(peering.name, prefix) if not row.rejected]
            if len(rows) > 1:
                return [row.path_id for row in rows]
        raise NotYet("one path for each prefix, or none")

    identifiers = eventually("several paths", several)

    assert len(set(identifiers)) == len(identifiers) >= 2
    assert meeting.bgpd.peer(peering.name).negotiated["add path"].startswith("receive ipv4-unicast")


@of(Option.ADD_PATH_SEND)
def test_they_have_several_paths_of_ours(meeting: Meeting, peering: Peering) -> None:
    source = OPTIONS[Option.ADD_PATH_RECEIVE]
    meeting.wait_established([peering, source])

    def several() -> int:
        prefixes = (NETWORK["ipv4"], source.prefix("ipv4"))
        return max(len(meeting.of(peering).routes(peering, prefix)) for prefix in prefixes)

    eventually("more than one path", lambda: several() > 1)
    assert "send ipv4-unicast" in meeting.bgpd.peer(peering.name).negotiated["add path"]


@of(Option.EXTENDED_MESSAGES)
def test_attributes_too_long_for_a_plain_message_arrive(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    seen = eventually("the long route", lambda: meeting.of(peering).routes(peering, LONG_PREFIX))[0]

    assert seen.communities == LONG_COMMUNITIES


@of(Option.EXTENDED_NEXT_HOP)
def test_ipv4_routes_come_with_an_ipv6_next_hop_and_are_so_in_the_kernel(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])
    prefix = peering.prefix("ipv4")

    row = eventually("their route is here", lambda: meeting.bgpd.route_in(peering.name, prefix))
    kernel = eventually("in the kernel", lambda: meeting.bgpd.kernel_route(prefix))

    assert (row.next_hop, kernel.way) == (peering.their_address("ipv6"),) * 2
    meeting.here.run("ping", "-n", "-c", "1", "-W", "3", "-I", NODE["ipv4"], peering.inside("ipv4"))


@of(Option.ROLE)
def test_roles_are_agreed(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    assert "customer" in " ".join(meeting.bgpd.peer(peering.name).negotiated.values())


@of(Option.SHUTDOWN_TEXT_FROM_THEM)
def test_we_say_why_they_closed_the_session(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])
    eventually("in the kernel", lambda: meeting.bgpd.kernel_route(peering.prefix("ipv4")))

    meeting.of(peering).shut_down(peering, TEXT)
    try:
        eventually("we say what they said", lambda: _ended(meeting, peering, TEXT))
        eventually("their routes go", lambda: not meeting.bgpd.kernel_route_or_none(peering.prefix("ipv4")))
    finally:
        meeting.of(peering).bring_up(peering)
    meeting.wait_established([peering], limit=40)


@of(Option.SHUTDOWN_TEXT_FROM_US)
def test_they_say_why_we_closed_the_session(meeting: Meeting, peering: Peering) -> None:
    meeting.wait_established([peering])

    meeting.bgpd.disable(peering.name)
    try:
        eventually(
            "they say what we said", lambda: "disabled by an operator" in meeting.of(peering).last_error(peering)
        )
        eventually("our routes go", lambda: not meeting.of(peering).routes(peering, NETWORK["ipv4"]))
    finally:
        meeting.bgpd.enable(peering.name)
    meeting.wait_established([peering], limit=40)


@of(Option.MAX_PREFIXES_OURS)
def test_a_peer_above_our_limit_is_closed_and_told_so(meeting: Meeting, peering: Peering) -> None:
    eventually("we say so", lambda: _ended(meeting, peering, "the limit is 1"))
    eventually("they say so", lambda: "prefix" in meeting.of(peering).last_error(peering).lower())


@of(Option.MAX_PREFIXES_THEIRS)
def test_a_peer_that_closes_above_its_limit_is_reported(meeting: Meeting, peering: Peering) -> None:
    eventually("we say what they said", lambda: _ended(meeting, peering, "Maximum Prefixes Reached"))


def _ended(meeting: Meeting, peering: Peering, words: str) -> bool:
    return any(words in reason for reason in meeting.bgpd.endings(peering.name))
