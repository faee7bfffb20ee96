"""What changes about a path as it comes into our AS, and roles as a table."""

import pytest

from bgpd.identity import Asn, Role
from bgpd.messages.attributes.block import encode
from bgpd.rib import only_to_customer
from bgpd.rib.border import NO_BORDER, Border
from tests.support.paths import path, peer_source

LOCAL, KEPT = bytes.fromhex("4004fde800000001"), bytes.fromhex("0002fde800000001")
WIDE_LOCAL, WIDE_KEPT = b"\x40\x02" + bytes(18), b"\x00\x02" + bytes(18)


def test_without_a_border_nothing_changes() -> None:
    attributes = path(peer_source(1), as_path=(7,), extended_communities=(LOCAL,)).attributes
    assert NO_BORDER.passed(attributes) is attributes
    assert Border(is_crossed=True).passed(path(peer_source(1)).attributes) is not None


def test_a_path_that_needs_no_change_is_the_same_object() -> None:
    attributes = path(peer_source(1), as_path=(7,), otc=Asn(7), extended_communities=(KEPT,)).attributes
    assert Border(otc=Asn(8), is_crossed=True).passed(attributes) is attributes


@pytest.mark.rfc("4360", "6")
@pytest.mark.rfc("5701", "2")
def test_non_transitive_communities_of_both_sizes_are_left_outside() -> None:
    attributes = path(
        peer_source(1), extended_communities=(LOCAL, KEPT), ipv6_extended_communities=(WIDE_KEPT, WIDE_LOCAL)
    ).attributes
    found = Border(is_crossed=True).passed(attributes)
    assert (found.extended_communities, found.ipv6_extended_communities) == ((KEPT,), (WIDE_KEPT,))
    assert found.octets == encode(found)
    only = path(peer_source(1), extended_communities=(LOCAL,)).attributes
    assert Border(is_crossed=True).passed(only).octets == path(peer_source(1)).attributes.octets


def test_several_changes_are_made_at_once() -> None:
    attributes = path(peer_source(1), as_path=(7,), extended_communities=(LOCAL,)).attributes
    found = Border(prepended=Asn(64), otc=Asn(7), is_crossed=True).passed(attributes)
    assert (str(found.as_path), found.otc, found.extended_communities) == ("64 7", 7, ())
    assert found.octets == encode(found)


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("role", "leaks", "marks_received", "marks_sent", "withholds"),
    [
        (Role.PROVIDER, {7, 8}, False, True, False),
        (Role.ROUTE_SERVER, {7, 8}, False, True, False),
        (Role.PEER, {8}, True, True, True),
        (Role.CUSTOMER, set(), True, False, True),
        (Role.ROUTE_SERVER_CLIENT, set(), True, False, True),
        (None, set(), False, False, False),
    ],
)
def test_what_each_role_says(
    role: Role | None, leaks: set[int], marks_received: bool, marks_sent: bool, withholds: bool
) -> None:
    assert {otc for otc in (7, 8) if only_to_customer.leak(role, Asn(otc), Asn(7))} == leaks
    assert only_to_customer.leak(role, None, Asn(7)) == ""
    assert only_to_customer.marks_received(role) == marks_received
    assert only_to_customer.marks_sent(role) == marks_sent
    assert bool(only_to_customer.refusal(role, Asn(7))) == withholds
    assert only_to_customer.refusal(role, None) == ""
