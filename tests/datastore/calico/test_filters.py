"""Every field of Calico's BGPFilter as one of our rules, and that the rule means what the field means.

All conditions must hold, operations run in order, accept and reject end the whole decision, and what no rule decided
goes on. A rule that cannot be done makes its object unusable.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import pytest

from bgpd.datastore.calico import Cluster, filters
from bgpd.datastore.calico.documents import FilterRule
from bgpd.families import FAMILY_BY_NAME, Family
from bgpd.identity import PeerType, parse_asn
from bgpd.messages.attributes import block
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.model import SegmentType
from bgpd.policy import Chain, Policy, Rule
from bgpd.policy.conditions import attribute_tests
from tests.support.calico import Etcd, document, key
from tests.support.routes import a_path, a_peer

V4, V6 = FAMILY_BY_NAME["ipv4-unicast"], FAMILY_BY_NAME["ipv6-unicast"]
SEQUENCE: Final = SegmentType.AS_SEQUENCE


def rule_of(written: Mapping[str, object], family: Family, number: int = 1) -> Rule:
    """Return the rule that a rule of importV4, exportV4, importV6 or exportV6 is."""
    return filters.rule_of(msgspec.convert(written, FilterRule), family, f"rule {number}", "spec.importV4[0]")


def decided(
    rules: list[dict[str, object]],
    prefix: str,
    *,
    peer: PeerType = PeerType.EXTERNAL,
    interface: str = "",
    **fields: str,
) -> str:
    path, key = a_path(prefix, **fields)
    policy = Policy("filter", tuple(rule_of(rule, path.family, number) for number, rule in enumerate(rules, 1)))
    verdict = Chain([policy]).judge(path, path.attributes, key, a_peer(peer), interface)
    if verdict.rule == "end of policies":
        return "goes on"
    return "accept" if verdict.accepted else "reject"


def reject(**conditions: object) -> list[dict[str, object]]:
    return [{"action": "Reject", **conditions}]


TEN: Final = {"cidr": "10.65.0.0/16"}
SPAN: Final = {"prefixLength": {"min": 24, "max": 28}}


@pytest.mark.parametrize(
    ("condition", "matching", "others"),
    [
        ({}, ["0.0.0.0/0", "10.0.0.0/8", "fd00::/64"], []),
        ({**TEN, "matchOperator": "In"}, ["10.65.0.0/16", "10.65.1.0/24"], ["10.0.0.0/8", "10.66.0.0/16"]),
        ({**TEN, "matchOperator": "NotIn"}, ["10.0.0.0/8", "10.66.0.0/16"], ["10.65.0.0/16", "10.65.1.0/24"]),
        ({**TEN, "matchOperator": "Equal"}, ["10.65.0.0/16"], ["10.65.0.0/17", "10.64.0.0/15"]),
        ({**TEN, "matchOperator": "NotEqual"}, ["10.65.0.0/17", "10.64.0.0/15"], ["10.65.0.0/16"]),
        ({**TEN, **SPAN, "matchOperator": "In"}, ["10.65.1.0/24", "10.65.1.0/28"], ["10.65.0.0/16", "10.65.1.0/29"]),
        # the opposite of cidr and length together
        ({**TEN, **SPAN, "matchOperator": "NotIn"}, ["10.65.0.0/16", "10.65.1.0/29", "10.66.0.0/24"], ["10.65.1.0/24"]),
        ({**TEN, **SPAN, "matchOperator": "Equal"}, [], ["10.65.0.0/16", "10.65.0.0/24"]),
        ({**TEN, **SPAN, "matchOperator": "NotEqual"}, ["10.65.0.0/16", "10.65.0.0/24"], []),
        # one bound: from the cidr's own length, up to a host's
        (
            {**TEN, "prefixLength": {"max": 24}, "matchOperator": "In"},
            ["10.65.0.0/16", "10.65.1.0/24"],
            ["10.65.1.0/25"],
        ),
        ({**TEN, "prefixLength": {"min": 26}, "matchOperator": "In"}, ["10.65.1.1/32"], ["10.65.1.0/25"]),
        ({**TEN, "prefixLength": {"min": 8, "max": 99}, "matchOperator": "In"}, ["10.65.0.0/16"], ["10.0.0.0/8"]),
        # a range that ends before the cidr begins: nothing is in it
        ({**TEN, "prefixLength": {"max": 8}, "matchOperator": "In"}, [], ["10.65.0.0/16", "10.0.0.0/8"]),
        ({**TEN, "prefixLength": {"max": 8}, "matchOperator": "NotIn"}, ["10.65.0.0/16", "10.0.0.0/8"], []),
        ({"cidr": "0.0.0.0/0", "matchOperator": "Equal"}, ["0.0.0.0/0"], ["10.0.0.0/8"]),
        ({"cidr": "fd00::/8", "matchOperator": "In"}, ["fd65::/64"], ["2001:db8::/32"]),
    ],
)
def test_a_cidr_is_compared_as_its_operator_says(
    condition: dict[str, object], matching: list[str], others: list[str]
) -> None:
    for prefix in matching:
        assert decided(reject(**condition), prefix) == "reject", prefix
    for prefix in others:
        assert decided(reject(**condition), prefix) == "goes on", prefix


@pytest.mark.parametrize(
    ("condition", "matching", "others"),
    [
        ({"source": "RemotePeers"}, [{"source": "peer"}], [{"source": "kernel"}, {"source": "network"}]),
        (
            {"interface": "cali*"},
            [{"source": "kernel", "interface": "cali12ab34"}],
            [{"source": "kernel", "interface": "eth0"}, {"source": "network"}],
        ),
        ({"interface": "eth0"}, [{"interface": "eth0"}], [{"interface": "eth01"}, {}]),
        ({"communities": {"values": ["64512:7"]}}, [{"communities": "1:1,64512:7"}], [{}, {"communities": "64512:8"}]),
        (
            {"communities": {"values": ["64512:1:2"]}},
            [{"communities": "64512:1:2"}],
            [{"communities": "64512:1"}, {"communities": "64512:1:3"}],
        ),
        (
            {"asPathPrefix": [65020, 65030]},
            [{"as_path": "65020,65030"}, {"as_path": "65020,65030,1"}],
            [{"as_path": "65020"}, {"as_path": "1,65020,65030"}, {"as_path": "65020,1,65030"}, {}],
        ),
        ({"priority": 1024}, [{"local_pref": "2147482623"}], [{"local_pref": "1024"}, {}]),
        ({"priority": 2147483547}, [{}, {"local_pref": "100"}], [{"local_pref": "101"}]),
    ],
)
def test_what_else_is_asked_of_a_route(
    condition: dict[str, object], matching: list[dict[str, str]], others: list[dict[str, str]]
) -> None:
    for fields in matching:
        assert decided(reject(**condition), "10.65.1.0/26", **fields) == "reject", fields
    for fields in others:
        assert decided(reject(**condition), "10.65.1.0/26", **fields) == "goes on", fields


@pytest.mark.parametrize(
    ("written", "matching"),
    [("iBGP", {PeerType.INTERNAL}), ("eBGP", {PeerType.EXTERNAL, PeerType.CONFEDERATION}), (None, set(PeerType))],
)
def test_the_peer_type_compares_the_peers_as_with_ours(written: str | None, matching: set[PeerType]) -> None:
    rules = reject(**({"peerType": written} if written else {}))
    assert {kind for kind in PeerType if decided(rules, "10.0.0.0/8", peer=kind) == "reject"} == matching


def test_all_conditions_must_hold_and_the_first_rule_that_matches_ends_the_decision() -> None:
    rules = [
        {"action": "Accept", **TEN, "matchOperator": "In", "source": "RemotePeers"},
        {"action": "Reject", "source": "RemotePeers"},
        {"action": "Accept"},
    ]
    assert decided(rules, "10.65.1.0/26") == "accept"
    assert decided(rules, "10.66.1.0/26") == "reject"
    assert decided(rules, "10.66.1.0/26", source="kernel") == "accept"


@pytest.mark.parametrize(
    ("operations", "changed"),
    [
        ([{"addCommunity": {"value": "65020:9"}}], {"communities": "1:1,65020:9"}),
        ([{"addCommunity": {"value": "65020:1:9"}}], {"communities": "1:1,65020:1:9"}),
        ([{"addCommunity": {"value": "1:1"}}], {}),
        ([{"prependASPath": {"prefix": [7, 8]}}], {"as_path": "7,8,65020"}),
        ([{"prependASPath": {"prefix": [7]}}, {"prependASPath": {"prefix": [8, 9]}}], {"as_path": "8,9,7,65020"}),
        ([{"setPriority": {"value": 1024}}], {"local_pref": "2147482623"}),
        ([{"setPriority": {"value": 1}}, {"setPriority": {"value": 2147483647}}], {"local_pref": "0"}),
    ],
)
def test_operations_run_in_order(operations: list[object], changed: dict[str, str]) -> None:
    fields = {"communities": "1:1", "as_path": "65020"}
    path, key = a_path("10.65.1.0/26", **fields)
    wanted, _ = a_path("10.65.1.0/26", **(fields | changed))
    policy = Policy("filter", (rule_of({"action": "Accept", "operations": operations}, V4),))
    verdict = Chain([policy]).judge(path, path.attributes, key, a_peer())
    assert verdict.accepted
    assert verdict.attributes.octets == wanted.attributes.octets


def test_an_as_set_at_the_beginning_stands_for_each_of_its_members() -> None:
    rule = rule_of({"action": "Reject", "asPathPrefix": [65030, 65040]}, V4)
    test = attribute_tests(rule.conditions)[0].holds
    for text, is_match in (("{65020 65030} 65040", True), ("{65020} 65040", False), ("(64900) 65030 65040 1", True)):
        kind = SegmentType.AS_CONFED_SEQUENCE if text.startswith("(") else SegmentType.AS_SET
        first, rest = text[1:].split(")" if text.startswith("(") else "}")
        segments = [(kind, tuple(map(parse_asn, first.split()))), (SEQUENCE, tuple(map(parse_asn, rest.split())))]
        assert test(block.make(as_path=from_segments(segments))) is is_match, text


def test_a_list_concerns_routes_of_its_own_family_alone() -> None:
    path, key = a_path("10.0.0.0/8")
    policy = Policy("filter", (rule_of({"action": "Reject"}, V6),))
    assert Chain([policy]).judge(path, path.attributes, key, a_peer()).rule == "end of policies"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"action": "Perhaps"}, "spec.importV4[0].action: expected Accept or Reject"),
        ({}, "spec.importV4[0].action: expected Accept or Reject"),
        ({"action": "Reject", "cidr": "10.0.0.0/8"}, "cidr and matchOperator together"),
        ({"action": "Reject", "matchOperator": "In"}, "cidr and matchOperator together"),
        ({"action": "Reject", "cidr": "10.0.0.0/8", "matchOperator": "Inside"}, "matchOperator: expected In, NotIn"),
        ({"action": "Reject", "cidr": "fd00::/8", "matchOperator": "In"}, "cidr: expected an IPv4 CIDR"),
        ({"action": "Reject", "prefixLength": {"min": 8}}, "prefixLength: expected cidr"),
        ({"action": "Reject", "source": "LocalPeers"}, "source: expected RemotePeers"),
        ({"action": "Reject", "peerType": "cBGP"}, "peerType: expected iBGP or eBGP"),
        ({"action": "Reject", "interface": "a" * 16}, "interface: expected a name or glob of at most 15"),
        ({"action": "Reject", "communities": {"values": ["1:1", "2:2"]}}, "communities.values: expected exactly one"),
        ({"action": "Reject", "communities": {"values": ["1:65536"]}}, "values[0]: expected a community"),
        ({"action": "Reject", "communities": {"values": ["no-export"]}}, "values[0]: expected a community"),
        ({"action": "Reject", "asPathPrefix": [0]}, "asPathPrefix: expected AS numbers"),
        ({"action": "Reject", "priority": -1}, "priority: expected a number from 0"),
        ({"action": "Reject", "operations": [{"setPriority": {"value": 1}}]}, "operations: expected none"),
        ({"action": "Accept", "operations": [{}]}, "operations[0]: expected one of addCommunity"),
        ({"action": "Accept", "operations": [{"addCommunity": {"value": "x"}}]}, "addCommunity.value: expected a comm"),
        ({"action": "Accept", "operations": [{"setPriority": {}}]}, "setPriority.value: expected a number"),
        ({"action": 7}, "$.spec.importV4[0].action"),
    ],
)
def test_a_rule_that_cannot_be_done_leaves_the_last_good_filter(rule: dict[str, object], reason: str) -> None:
    cluster = Cluster("w1")
    name = key("bgpfilters", "f")
    assert cluster.put(name, document({"importV4": [{"action": "Reject"}]})) is None
    problem = cluster.put(name, document({"importV4": [rule]}))
    assert problem is not None
    assert reason in problem.why
    etcd = Etcd()
    etcd.cluster = cluster
    etcd.node("w1", "10.0.0.1/24")
    found = etcd.config()
    assert [policy.name for policy in found.resolved.policies] == ["filter f import", "cluster export"]
    assert [str(problem)] == [str(one) for one in found.problems]


def test_each_list_becomes_rules_of_its_family_and_direction() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    reject_all = [{"action": "Reject"}]
    etcd.filter("f", importV4=reject_all, exportV6=reject_all)
    policies = {policy.name: policy for policy in etcd.config().resolved.policies}
    for name, family, other in (
        ("filter f import", "10.0.0.0/8", "fd00::/8"),
        ("filter f export", "fd00::/8", "10.0.0.0/8"),
    ):
        for prefix, is_rejected in ((family, True), (other, False)):
            path, wire = a_path(prefix)
            verdict = Chain([policies[name]]).judge(path, path.attributes, wire, a_peer())
            assert verdict.accepted is not is_rejected, (name, prefix)


def test_a_filter_without_rules_is_not_asked() -> None:
    etcd = Etcd()
    etcd.node("w1", "10.0.0.1/24")
    etcd.filter("empty", importV4=[])
    etcd.peer("tor", peerIP="10.0.0.9", asNumber=65020, filters=["empty"])
    (peer,) = etcd.config().resolved.peers
    assert (peer.imports, peer.exports) == ((), ("cluster export",))
