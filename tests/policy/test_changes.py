"""Changes of attributes."""

from dataclasses import fields

import pytest

from bgpd.addresses import parse_address
from bgpd.communities import parse_communities, parse_pattern
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Origin
from bgpd.policy.changes import apply
from bgpd.policy.rules import Changes
from bgpd.policy.sets import CommunitySet
from tests.support.routes import attributes_of

NEXT_HOP = parse_address("172.18.0.1")


def test_what_changes_nothing_keeps_the_object() -> None:
    attributes = attributes_of(NEXT_HOP, communities="64512:1", med="5")
    same = Changes(add_communities=parse_communities(("64512:1",)), med=5, origin=Origin.IGP)
    assert apply(Changes(), attributes, IPV4_UNICAST) is attributes
    assert apply(same, attributes, IPV4_UNICAST) is attributes


def test_the_octets_follow_the_change() -> None:
    attributes = attributes_of(NEXT_HOP, as_path="65020", communities="64512:1,64512:1:1")
    changes = Changes(
        delete_communities=CommunitySet((parse_pattern("64512:*:*"),)),
        add_communities=parse_communities(("65020:9", "rt:1:1")),
        prepend=(Asn(1), Asn(2)),
        local_pref=7,
        med=8,
        origin=Origin.EGP,
    )
    wanted = attributes_of(
        NEXT_HOP, as_path="1,2,65020", communities="64512:1,65020:9,rt:1:1", local_pref="7", med="8", origin="egp"
    )
    changed = apply(changes, attributes, IPV4_UNICAST)
    assert changed.octets == wanted.octets
    assert str(changed.as_path) == "1 2 65020"
    assert attributes.med is None


def test_setting_communities_replaces_every_kind() -> None:
    attributes = attributes_of(NEXT_HOP, communities="64512:1,64512:1:1,rt:1:1")
    assert (
        apply(Changes(set_communities=parse_communities(())), attributes, IPV4_UNICAST).octets
        == attributes_of(NEXT_HOP).octets
    )
    changed = apply(Changes(set_communities=parse_communities(("1:1",))), attributes, IPV4_UNICAST)
    assert changed.octets == attributes_of(NEXT_HOP, communities="1:1").octets


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_next_hop_is_set_on_routes_of_its_own_family_only(address: str) -> None:
    octets = parse_address(address)
    for family, current in ((IPV4_UNICAST, NEXT_HOP), (IPV6_UNICAST, parse_address("fd10::1"))):
        changed = apply(Changes(next_hop=octets), attributes_of(current), family)
        assert changed.next_hop == (octets if len(octets) == family.octets else current)


def test_a_changed_next_hop_is_in_the_block_of_an_ipv4_route() -> None:
    attributes = attributes_of(NEXT_HOP)
    changed = apply(Changes(next_hop=parse_address("192.0.2.1")), attributes, IPV4_UNICAST)
    assert dict(block.split(changed.octets))[3].hex() == "400304c0000201"


def test_a_long_prepending_begins_a_second_segment() -> None:
    attributes = attributes_of(NEXT_HOP, as_path="65020")
    changed = apply(Changes(prepend=(Asn(1),) * 300), attributes, IPV4_UNICAST)
    assert (changed.as_path.length, changed.as_path.count(1), changed.as_path.origin_asn) == (301, 300, 65020)


@pytest.mark.rfc("4456", "10")
def test_no_rule_of_a_policy_touches_the_marks_of_reflection() -> None:
    marks = {"originator_id": BgpIdentifier(7), "cluster_list": (BgpIdentifier(8), BgpIdentifier(9))}
    attributes = block.replace(attributes_of(NEXT_HOP, as_path="65020", communities="64512:1"), **marks)
    values = {
        "delete_communities": CommunitySet((parse_pattern("64512:*"),)),
        "set_communities": parse_communities(("1:1",)),
        "add_communities": parse_communities(("2:2",)),
        "prepend": (Asn(1),),
        "local_pref": 7,
        "med": 8,
        "next_hop": parse_address("192.0.2.1"),
        "origin": Origin.EGP,
        "weight": 5,
    }
    assert set(values) == {field.name for field in fields(Changes)}
    changed = apply(Changes(**values), attributes, IPV4_UNICAST)  # type: ignore[arg-type]
    assert (changed.originator_id, changed.cluster_list) == tuple(marks.values())
    assert changed.octets != attributes.octets
