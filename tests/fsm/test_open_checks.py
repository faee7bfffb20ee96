"""Which OPENs are accepted, and what answers the others."""

from dataclasses import replace

import pytest

from bgpd.errors import OpenError, OpenSubcode
from bgpd.fsm.open_checks import check
from bgpd.identity import Asn, BgpIdentifier, Confederation, PeerType, parse_identifier
from bgpd.messages.capabilities import FourOctetAs, MultiProtocol, Role
from bgpd.messages.open import Open
from tests.support.speakers import opening, settings

LOCAL = opening(65001, "10.0.0.1")


def _refused(remote: Open, local: Open = LOCAL, **changes: object) -> OpenError:
    with pytest.raises(OpenError) as caught:
        check(remote, local, settings(**changes))
    return caught.value


@pytest.mark.rfc("4271", "4.2")
def test_an_open_that_fits_gives_what_both_allow() -> None:
    negotiated = check(opening(hold_time=30), LOCAL, settings())
    assert (negotiated.remote_asn, negotiated.hold_time, negotiated.keepalive_time) == (65002, 30, 10)


@pytest.mark.rfc("4271", "6.2")
def test_another_version_is_refused_with_ours() -> None:
    error = _refused(replace(opening(), version=5))
    assert (error.subcode, error.data) == (OpenSubcode.UNSUPPORTED_VERSION_NUMBER, b"\0\4")


@pytest.mark.rfc("4271", "6.2")
@pytest.mark.parametrize(
    ("asn", "changes"),
    [
        (65003, {}),
        (65001, {}),
        (65002, {"remote_asn": None, "peer_type": PeerType.INTERNAL}),
        (65001, {"remote_asn": None, "peer_type": PeerType.EXTERNAL}),
    ],
)
def test_an_as_that_is_not_the_expected_one_is_refused(asn: int, changes: dict[str, object]) -> None:
    assert _refused(opening(asn), **changes).subcode == OpenSubcode.BAD_PEER_AS


@pytest.mark.parametrize(
    ("asn", "kind"), [(65001, PeerType.INTERNAL), (65002, PeerType.EXTERNAL), (4_200_000_000, PeerType.EXTERNAL)]
)
def test_an_as_that_the_peer_type_allows_is_accepted(asn: int, kind: PeerType) -> None:
    assert check(opening(asn), LOCAL, settings(remote_asn=None, peer_type=kind)).remote_asn == asn


@pytest.mark.rfc("7607", "2")
@pytest.mark.parametrize("expected", [None, Asn(65002)])
def test_as_0_is_refused(expected: Asn | None) -> None:
    remote = replace(opening(), asn=Asn(0))
    assert _refused(remote, remote_asn=expected, peer_type=PeerType.EXTERNAL).subcode == OpenSubcode.BAD_PEER_AS


@pytest.mark.rfc("6286", "2.2")
def test_identifier_zero_is_refused() -> None:
    error = _refused(replace(opening(), identifier=BgpIdentifier(0)))
    assert error.subcode == OpenSubcode.BAD_BGP_IDENTIFIER


@pytest.mark.rfc("6286", "2.2")
def test_an_internal_peer_with_our_own_identifier_is_refused() -> None:
    error = _refused(opening(65001, "10.0.0.1"), remote_asn=Asn(65001))
    assert error.subcode == OpenSubcode.BAD_BGP_IDENTIFIER


@pytest.mark.rfc("6286", "2.1")
def test_an_external_peer_may_have_our_own_identifier() -> None:
    assert check(opening(65002, "10.0.0.1"), LOCAL, settings()).remote_identifier == parse_identifier("10.0.0.1")


@pytest.mark.rfc("4271", "6.2")
@pytest.mark.parametrize("seconds", [1, 2])
def test_a_hold_time_of_one_or_two_seconds_is_refused(seconds: int) -> None:
    assert _refused(opening(hold_time=seconds)).subcode == OpenSubcode.UNACCEPTABLE_HOLD_TIME


@pytest.mark.rfc("5492", "5")
def test_no_family_in_common_is_refused_with_the_families_we_offer() -> None:
    remote = Open(4, Asn(65002), 90, parse_identifier("10.0.0.2"), (MultiProtocol(2, 1), FourOctetAs(Asn(65002))))
    error = _refused(remote)
    assert error.subcode == OpenSubcode.UNSUPPORTED_CAPABILITY
    assert error.data == bytes.fromhex("01 04 0001 00 01")


def test_a_peer_without_capabilities_has_ipv4_unicast() -> None:
    remote = Open(4, Asn(65002), 90, parse_identifier("10.0.0.2"))
    negotiated = check(remote, LOCAL, settings())
    assert [family.name for family in negotiated.families] == ["ipv4-unicast"]
    assert not negotiated.four_octet_as


@pytest.mark.rfc("9234", "4.2")
@pytest.mark.parametrize(("ours", "theirs"), [(0, 3), (3, 0), (1, 2), (2, 1), (4, 4)])
def test_roles_that_fit_are_accepted(ours: int, theirs: int) -> None:
    local = opening(65001, "10.0.0.1", 90, Role(ours))
    assert check(opening(65002, "10.0.0.2", 90, Role(theirs)), local, settings()).peer_role == theirs


@pytest.mark.rfc("9234", "4.2")
@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (0, 4), (3, 3), (1, 1), (4, 0)])
def test_roles_that_do_not_fit_are_refused(ours: int, theirs: int) -> None:
    local = opening(65001, "10.0.0.1", 90, Role(ours))
    error = _refused(opening(65002, "10.0.0.2", 90, Role(theirs)), local)
    assert error.subcode == OpenSubcode.ROLE_MISMATCH


@pytest.mark.rfc("9234", "4.2")
def test_two_roles_in_one_open_are_refused() -> None:
    remote = opening(65002, "10.0.0.2", 90, Role(0), Role(3))
    assert _refused(remote).subcode == OpenSubcode.ROLE_MISMATCH


@pytest.mark.rfc("9234", "4.2")
def test_the_same_role_several_times_counts_once() -> None:
    local = opening(65001, "10.0.0.1", 90, Role(0))
    assert check(opening(65002, "10.0.0.2", 90, Role(3), Role(3)), local, settings()).peer_role == 3


def test_a_role_that_only_one_side_announces_is_no_fault() -> None:
    assert check(opening(65002, "10.0.0.2", 90, Role(0)), LOCAL, settings()).peer_role == 0


GROUP = Confederation(Asn(100), frozenset({Asn(65001), Asn(65003)}))


@pytest.mark.rfc("9234", "4.2")
def test_a_peer_without_a_role_is_refused_where_one_is_required() -> None:
    local = opening(65001, "10.0.0.1", 90, Role(3))
    error = _refused(opening(), local, is_role_required=True)
    assert (error.subcode, "expected provider" in error.why) == (OpenSubcode.ROLE_MISMATCH, True)
    assert check(opening(65002, "10.0.0.2", 90, Role(0)), local, settings(is_role_required=True)).peer_role == 0


@pytest.mark.rfc("5065", "4")
def test_another_member_of_our_confederation_is_marked_as_one() -> None:
    expected = settings(remote_asn=Asn(65003), peer_type=PeerType.CONFEDERATION, confederation=GROUP)
    found = check(opening(65003), LOCAL, expected)
    assert (found.is_confederation, found.is_internal) == (True, False)
    assert not check(opening(), LOCAL, settings(confederation=GROUP)).is_confederation


@pytest.mark.rfc("6286", "2.2")
def test_our_identifier_may_be_that_of_a_peer_in_another_member_as() -> None:
    expected = settings(remote_asn=Asn(65003), peer_type=PeerType.CONFEDERATION, confederation=GROUP)
    assert check(opening(65003, "10.0.0.1"), LOCAL, expected).remote_identifier == LOCAL.identifier


@pytest.mark.rfc("5065", "4")
@pytest.mark.parametrize("asn", [100, 65001, 65003])
def test_an_external_peer_is_in_no_member_as_of_our_confederation(asn: int) -> None:
    local = opening(100, "10.0.0.1")
    error = _refused(
        opening(asn),
        local,
        local_asn=Asn(100),
        remote_asn=None,
        peer_type=PeerType.EXTERNAL,
        confederation=GROUP,
    )
    assert error.subcode == OpenSubcode.BAD_PEER_AS


@pytest.mark.rfc("7705", "4.2")
@pytest.mark.parametrize("used", [65001, 64])
@pytest.mark.parametrize("theirs", [65001, 64])
def test_an_internal_session_of_an_as_in_migration_is_internal_whoever_uses_which(used: int, theirs: int) -> None:
    changes = {"remote_asn": None, "peer_type": PeerType.INTERNAL, "other_asn": Asn(64)}
    assert check(opening(theirs), opening(used, "10.0.0.1"), settings(**changes)).is_internal
    assert _refused(opening(65002), opening(used, "10.0.0.1"), **changes).subcode == OpenSubcode.BAD_PEER_AS
    same = _refused(opening(theirs, "10.0.0.1"), opening(used, "10.0.0.1"), **changes)
    assert same.subcode == OpenSubcode.BAD_BGP_IDENTIFIER
