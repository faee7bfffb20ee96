from dataclasses import replace

import pytest

from bgpd.addresses import parse_address
from bgpd.families import IPV6_UNICAST
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.block import make, parse, split
from bgpd.messages.attributes.block import replace as block_replace
from bgpd.messages.attributes.model import EMPTY_AS_PATH, Attributes, Origin, SegmentType, Unknown
from bgpd.reflector.attributes import loop, reflected
from bgpd.rib.export import ExportRule, NextHopMode, Settled, refusal, rewrite
from bgpd.rib.path import OWN, Path, SourceKind
from tests.support.paths import LOCAL_ASN, negotiated, own_source, path, peer_source
from tests.support.rib import SELF, export_rule

EBGP = PeerType.EXTERNAL
CLUSTER = 0xF4000001
GIVEN = bytes((10, 1, 0, 1))


def told(sent: Path, rule: ExportRule) -> Attributes:
    """Return the attributes as the peer reads them."""
    assert refusal(sent, rule) == ""
    exported = rewrite(sent, sent.attributes, rule, reflected)
    remote = LOCAL_ASN if rule.peer_type is PeerType.INTERNAL else 65001
    session = negotiated(rule.family, remote_asn=remote, four_octet_as=rule.four_octet_as)
    return parse(exported.octets, session, exported.next_hop or None)


@pytest.mark.rfc("4271", "5.1.2")
def test_our_as_stands_first_towards_another_as_and_not_within_ours() -> None:
    sent = path(peer_source(1, EBGP), as_path=(7, 8))
    assert str(told(sent, export_rule(EBGP)).as_path) == f"{LOCAL_ASN} 7 8"
    assert str(told(sent, export_rule()).as_path) == "7 8"


@pytest.mark.rfc("4271", "5.1.2")
@pytest.mark.parametrize("length", [0, 1, 60, 61, 62, 63, 64, 254, 255])
def test_our_as_stands_first_however_long_the_path_is(length: int) -> None:
    numbers = tuple(range(1, length + 1))
    got = told(path(peer_source(1, EBGP), as_path=numbers), export_rule(EBGP)).as_path
    assert got.length == length + 1
    assert str(got) == " ".join(map(str, (LOCAL_ASN, *numbers)))


@pytest.mark.rfc("5065", "4.1")
def test_the_confederations_segments_stay_inside_wherever_they_stand() -> None:
    inside = from_segments(
        [(SegmentType.AS_SEQUENCE, (Asn(7), Asn(8))), (SegmentType.AS_CONFED_SEQUENCE, (Asn(65100),))]
    )
    sent = path(peer_source(1, PeerType.CONFEDERATION))
    sent.attributes = block_replace(sent.attributes, as_path=inside)
    assert str(told(sent, export_rule(EBGP)).as_path) == f"{LOCAL_ASN} 7 8"


@pytest.mark.rfc("4271", "5.1.3")
@pytest.mark.parametrize(
    ("sent", "rule", "expected"),
    [
        (path(peer_source(1, EBGP)), export_rule(), GIVEN),
        (path(peer_source(1, EBGP)), export_rule(EBGP), SELF),
        (path(peer_source(1, EBGP)), export_rule(EBGP, next_hop_mode=NextHopMode.KEEP), GIVEN),
        (path(peer_source(1, EBGP)), export_rule(next_hop_mode=NextHopMode.SELF), SELF),
        (path(own_source(), next_hop=""), export_rule(), SELF),
        (path(own_source(), next_hop=""), export_rule(next_hop_mode=NextHopMode.KEEP), SELF),
        (path(own_source(SourceKind.KERNEL)), export_rule(), GIVEN),
        (path(own_source(SourceKind.KERNEL)), export_rule(EBGP), SELF),
    ],
)
def test_the_next_hop_is_kept_or_ours(sent: Path, rule: ExportRule, expected: bytes) -> None:
    assert told(sent, rule).next_hop == expected


@pytest.mark.rfc("2545", "3")
@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("20010db8000000000000000000000001 fe800000000000000000000000000001", "20010db8000000000000000000000001"),
        ("00000000000000000000000000000000 fe800000000000000000000000000001", "fd000000000000000000000000000001"),
        ("fe800000000000000000000000000001", "fd000000000000000000000000000001"),
    ],
)
@pytest.mark.parametrize("mode", [NextHopMode.AUTO, NextHopMode.KEEP])
def test_link_local_next_hop_is_not_passed_on(received: str, expected: str, mode: NextHopMode) -> None:
    rule = export_rule(
        family=IPV6_UNICAST, next_hop_mode=mode, next_hop_self=bytes.fromhex("fd000000000000000000000000000001")
    )
    attributes = make(origin=Origin.IGP, as_path=EMPTY_AS_PATH, next_hop=bytes.fromhex(received))
    sent = Path(peer_source(1, EBGP), IPV6_UNICAST, attributes, OWN)
    assert told(sent, rule).next_hop == bytes.fromhex(expected)


@pytest.mark.rfc("8950", "4")
@pytest.mark.parametrize("mode", [NextHopMode.AUTO, NextHopMode.KEEP])
def test_ipv4_route_has_an_ipv6_next_hop_only_for_peers_that_take_it(mode: NextHopMode) -> None:
    sent = path(peer_source(1, EBGP), next_hop="2001:db8::1")
    rule = export_rule(next_hop_mode=mode)
    assert told(sent, rule).next_hop == SELF
    assert told(sent, replace(rule, may_use_ipv6_next_hop=True)).next_hop == parse_address("2001:db8::1")
    assert "next hop" in refusal(sent, replace(rule, next_hop_self=b""))


@pytest.mark.rfc("4271", "5")
@pytest.mark.parametrize("code", [0, 99])
def test_unknown_transitive_attribute_is_passed_on_wherever_it_stands(code: int) -> None:
    unknown = Unknown(0xE0, code, b"\0\0\0\7")
    sent = path(peer_source(1, EBGP), as_path=(7,), med=5, unknown=(unknown,))
    found = told(sent, export_rule(EBGP))
    assert (str(found.as_path), found.next_hop, found.med, found.unknown) == (f"{LOCAL_ASN} 7", SELF, None, (unknown,))


@pytest.mark.rfc("4271", "5.1.4")
def test_med_is_not_passed_on_to_another_as_unless_policy_set_it() -> None:
    sent = path(peer_source(1, EBGP), med=5)
    assert told(sent, export_rule()).med == 5
    assert told(sent, export_rule(EBGP)).med is None
    changed = path(peer_source(1, EBGP), med=9).attributes
    exported = rewrite(sent, changed, export_rule(EBGP), reflected, Settled.MED)
    assert parse(exported.octets, negotiated(remote_asn=65001), exported.next_hop or None).med == 9


@pytest.mark.rfc("4271", "5.1.5")
def test_local_pref_stays_within_the_as_and_is_always_there() -> None:
    assert told(path(peer_source(1, EBGP)), export_rule()).local_pref == 100
    assert told(path(peer_source(1, EBGP), local_pref=7), export_rule()).local_pref == 7
    assert told(path(peer_source(1), local_pref=7), export_rule(EBGP)).local_pref is None


@pytest.mark.rfc("1997", "well-known communities")
@pytest.mark.parametrize(
    ("community", "internal", "external"),
    [(0xFFFFFF01, True, False), (0xFFFFFF02, False, False), (0xFFFFFF03, True, False), (0x00640064, True, True)],
)
def test_well_known_communities_bound_where_a_route_goes(community: int, internal: bool, external: bool) -> None:
    sent = path(peer_source(1, EBGP), communities=(community,))
    assert (refusal(sent, export_rule()) == "") is internal
    assert (refusal(sent, export_rule(EBGP)) == "") is external


@pytest.mark.rfc("4360", "6")
def test_non_transitive_extended_communities_stay_within_the_as() -> None:
    transitive, other = bytes.fromhex("0002fc000000004d"), bytes.fromhex("4004fc000000004d")
    sent = path(peer_source(1), extended_communities=(transitive, other))
    assert told(sent, export_rule(EBGP)).extended_communities == (transitive,)
    only = path(peer_source(1), extended_communities=(other,))
    assert told(only, export_rule(EBGP)).extended_communities == ()


@pytest.mark.rfc("4360", "6")
def test_non_transitive_extended_communities_go_to_other_members_of_the_confederation() -> None:
    both = (bytes.fromhex("0002fc000000004d"), bytes.fromhex("4004fc000000004d"))
    exported = rewrite(
        path(peer_source(1), extended_communities=both),
        path(peer_source(1), extended_communities=both).attributes,
        export_rule(PeerType.CONFEDERATION),
        reflected,
    )
    assert dict(split(exported.octets))[16] == bytes.fromhex("c01010") + b"".join(both)


@pytest.mark.rfc("4456", "6")
@pytest.mark.parametrize(
    ("from_client", "to_client", "is_reflector", "goes"),
    [
        (True, True, True, True),
        (True, False, True, True),
        (False, True, True, True),
        (False, False, True, False),
        (True, True, False, False),
    ],
)
def test_ibgp_routes_go_on_only_by_reflection(
    from_client: bool, to_client: bool, is_reflector: bool, goes: bool
) -> None:
    rule = export_rule(is_client=to_client, cluster_id=CLUSTER if is_reflector else None)
    assert (refusal(path(peer_source(1, is_client=from_client)), rule) == "") is goes


@pytest.mark.rfc("4456", "8")
def test_a_reflected_route_names_its_originator_and_our_cluster() -> None:
    source = peer_source(1, is_client=True)
    rule = export_rule(is_client=True, cluster_id=CLUSTER)
    first = told(path(source), rule)
    assert first.originator_id == source.identifier
    assert first.cluster_list == (CLUSTER,)
    again = told(path(source, originator_id=BgpIdentifier(77), cluster_list=(BgpIdentifier(5),)), rule)
    assert again.originator_id == 77
    assert again.cluster_list == (CLUSTER, 5)


@pytest.mark.rfc("4456", "8")
def test_originator_and_clusters_stay_within_the_as() -> None:
    sent = path(peer_source(1), originator_id=BgpIdentifier(77), cluster_list=(BgpIdentifier(5),))
    seen = told(sent, export_rule(EBGP))
    assert (seen.originator_id, seen.cluster_list) == (None, ())


@pytest.mark.rfc("4456", "8")
def test_a_route_that_came_back_is_known_by_its_originator_or_cluster() -> None:
    ours, cluster = BgpIdentifier(1), BgpIdentifier(CLUSTER)
    assert "ORIGINATOR_ID" in loop(path(peer_source(1), originator_id=ours).attributes, ours, cluster)
    assert "CLUSTER_LIST" in loop(path(peer_source(1), cluster_list=(cluster,)).attributes, ours, cluster)
    assert loop(path(peer_source(1), cluster_list=(cluster,)).attributes, ours, None) == ""


@pytest.mark.rfc("6793", "4.2.2")
def test_a_two_octet_peer_gets_as_trans_and_reads_the_whole_path_by_as4_path() -> None:
    sent = path(peer_source(1, EBGP), as_path=(4200000000, 7))
    assert str(told(sent, export_rule(EBGP, four_octet_as=False)).as_path) == f"{LOCAL_ASN} 4200000000 7"


@pytest.mark.rfc("8212", "3")
def test_an_external_peer_without_policy_gets_nothing() -> None:
    assert "RFC 8212" in refusal(path(own_source(), next_hop=""), export_rule(EBGP, denies_all=True))


def test_without_an_address_of_the_family_nothing_can_be_told() -> None:
    assert "next hop" in refusal(path(own_source(), next_hop=""), export_rule(next_hop_self=b""))
