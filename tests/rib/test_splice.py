"""What a splice makes is what the rules one by one make, whatever rule and path; the everyday ones it does make."""

from dataclasses import replace
from random import Random

import pytest

from bgpd.communities import LLGR_STALE
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier, PeerType, Role
from bgpd.messages.attributes.model import Origin, Unknown
from bgpd.messages.update import announce
from bgpd.policy.chain import Chain
from bgpd.policy.rules import Action, Changes, Conditions, Policy, Rule
from bgpd.reflector.attributes import reflected
from bgpd.rib.decision import rank
from bgpd.rib.export import (
    NO_ADVERTISE,
    ExportRule,
    NextHopMode,
    StaleRoutes,
    refusal,
    rewrite,
)
from bgpd.rib.path import NextHop, Path, SourceKind
from bgpd.rib.splice import splice, surely_passes
from bgpd.speaker.exporting import GroupExporter
from tests.support.attributes import CLUSTER, GLOBAL, HOPS, LINK_LOCAL, made_attributes, read_twice
from tests.support.paths import LOCAL_ASN, negotiated, own_source, path, peer_source, prefix
from tests.support.rib import SELF, export_rule

EBGP, IBGP = PeerType.EXTERNAL, PeerType.INTERNAL


def sent_path(random: Random) -> Path:
    kind = random.choice([EBGP, EBGP, IBGP, IBGP, PeerType.CONFEDERATION, None])
    own = random.choice([SourceKind.NETWORK, SourceKind.KERNEL])
    source = own_source(own) if kind is None else peer_source(1, kind)
    if random.random() < 0.4:
        attributes = made_attributes(random)
    else:
        session = negotiated(remote_asn=int(LOCAL_ASN) if kind is IBGP else 65001)
        attributes, _ = read_twice(random, session)
    made = Path(source, IPV4_UNICAST, attributes, NextHop(bytes(4)))
    made.is_from_client = random.random() < 0.5
    rank(made)
    return made


def random_rule(random: Random) -> ExportRule:
    plain = export_rule(
        random.choice([EBGP, EBGP, IBGP, IBGP, IBGP, PeerType.CONFEDERATION]),
        family=random.choice([IPV4_UNICAST, IPV6_UNICAST]),
        is_client=random.random() < 0.5,
        cluster_id=random.choice([None, CLUSTER, CLUSTER]),
        next_hop_mode=random.choice(list(NextHopMode)),
        next_hop_self=random.choice([SELF, GLOBAL, GLOBAL + LINK_LOCAL]),
        max_message=random.choice([4096, 4096, 600]),
    )
    seldom: dict[str, object] = {
        "may_use_ipv6_next_hop": True,
        "four_octet_as": False,
        "denies_all": True,
        "gateway": random.choice(HOPS),
        "stale_routes": random.choice(list(StaleRoutes)),
        "real_asn": Asn(64999),
        "role": random.choice(list(Role)),
        "is_last_resort": True,
        "next_hop_self": b"",
    }
    names = random.sample(sorted(seldom), k=random.choice([0, 0, 0, 0, 1, 2]))
    return replace(plain, **{name: seldom[name] for name in names})


def keys(family: Family, count: int) -> list[bytes]:
    size = 3 if family is IPV4_UNICAST else 6
    return [bytes((8 * size,)) + (0x0A0000 + number).to_bytes(size) for number in range(count)]


def plainly(path: Path, rule: ExportRule, prefixes: list[bytes]) -> list[bytes] | None:
    """Return the messages by the rules one by one, None = the path does not go out."""
    if refusal(path, rule):
        return None
    exported = rewrite(path, path.attributes, rule, reflected)
    try:
        return announce(rule.family, exported.octets, exported.next_hop, prefixes, rule.max_message)
    except ValueError:  # no room for a prefix
        return []


@pytest.mark.parametrize("seed", range(8))
def test_a_splice_makes_what_the_rules_make(seed: int) -> None:
    random, spliced = Random(seed), 0
    for _ in range(1000):
        sent, rule = sent_path(random), random_rule(random)
        prefixes = keys(rule.family, random.choice([1, 5, 30, 90]))
        message = splice(rule)(sent, prefixes)
        if message:
            spliced += 1
            assert [message] == plainly(sent, rule, prefixes), (sent.attributes.octets.hex(" "), rule)
        assert not (surely_passes(rule)(sent) and refusal(sent, rule)), (sent.attributes.octets.hex(" "), rule)
    assert spliced > 60


PLAIN = {"as_path": (7, 8), "communities": (65001 << 16 | 7,), "med": 5}
REFLECTOR = export_rule(is_client=True, cluster_id=CLUSTER)


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (path(peer_source(1, EBGP), **PLAIN), export_rule(EBGP)),
        (path(peer_source(1, EBGP), as_path=(7,)), export_rule(EBGP, family=IPV6_UNICAST, next_hop_self=GLOBAL)),
        (path(peer_source(1, EBGP), as_path=(7,)), export_rule(EBGP, next_hop_self=GLOBAL)),
        (path(peer_source(1), **PLAIN, local_pref=50, atomic_aggregate=True), export_rule(EBGP)),
        (path(peer_source(1, EBGP), as_path=(7,)), replace(export_rule(EBGP), real_asn=Asn(64999))),
        (path(peer_source(1, EBGP), **PLAIN), export_rule()),
        (path(peer_source(1, EBGP), **PLAIN), export_rule(next_hop_mode=NextHopMode.SELF)),
        (path(peer_source(1), **PLAIN, local_pref=50), REFLECTOR),
        (path(peer_source(1)), REFLECTOR),
        (path(peer_source(1), next_hop="2001:db8::1"), replace(REFLECTOR, family=IPV6_UNICAST, next_hop_self=GLOBAL)),
        (path(peer_source(1), originator_id=BgpIdentifier(5), cluster_list=(BgpIdentifier(9),)), REFLECTOR),
        (path(peer_source(1, is_client=True), local_pref=0), export_rule(cluster_id=CLUSTER)),
    ],
)
def test_everyday_paths_are_spliced(sent: Path, rule: ExportRule) -> None:
    prefixes = keys(rule.family, 5)
    assert [splice(rule)(sent, prefixes)] == plainly(sent, rule, prefixes)
    assert surely_passes(rule)(sent)


def test_what_does_not_fit_into_one_message_is_left_to_the_plain_way() -> None:
    sent, rule = path(peer_source(1, EBGP), **PLAIN), export_rule(EBGP, max_message=500)
    count = next(n for n in range(1, 200) if len(plainly(sent, rule, keys(rule.family, n)) or ()) > 1)
    assert splice(rule)(sent, keys(rule.family, count - 1))
    assert not splice(rule)(sent, keys(rule.family, count))


@pytest.mark.parametrize("rule", [export_rule(EBGP), REFLECTOR])
@pytest.mark.parametrize("community", [LLGR_STALE, NO_ADVERTISE])
def test_what_may_be_held_back_is_left_to_the_plain_way(rule: ExportRule, community: int) -> None:
    sent = path(peer_source(1), as_path=(7, 8), communities=(1, community))
    assert not splice(rule)(sent, keys(rule.family, 5))
    assert not surely_passes(rule)(sent)


@pytest.mark.parametrize("filler", range(300, 600, 20))
@pytest.mark.parametrize("kind", [EBGP, IBGP])
def test_a_block_that_is_too_long_for_the_longest_prefix_is_left_to_the_plain_way(kind: PeerType, filler: int) -> None:
    sent = path(peer_source(1, EBGP), as_path=(7, 8), unknown=(Unknown(0xE0, 99, bytes(filler)),))
    exporter = GroupExporter(export_rule(kind, max_message=600), Chain([]), ())
    exported = exporter.export(sent)
    assert exporter.permits(sent) == (exported is not None)
    assert exported is not None or not exporter.message(sent, keys(IPV4_UNICAST, 1))


ACCEPTED = Policy("all", (Rule("rule 1", Action.ACCEPT),))
WITHOUT_SOME = Policy("some", (Rule("rule 1", Action.REJECT, Conditions(origin=Origin.IGP)),), Action.ACCEPT)
CHANGED = Policy("changed", (Rule("rule 1", Action.ACCEPT, changes=Changes(med=7)),))
ASKED = Policy("asked", (Rule("rule 1", Action.REJECT, Conditions(length=(32, 32))),), Action.ACCEPT)


@pytest.mark.parametrize("policies", [(), (ACCEPTED,), (WITHOUT_SOME,), (CHANGED,)])
def test_an_exporter_says_the_same_with_its_splice_and_without(policies: tuple[Policy, ...]) -> None:
    random, spliced = Random(len(policies)), 0
    for _ in range(1000):
        sent, rule = sent_path(random), random_rule(random)
        exporter, prefixes = GroupExporter(rule, Chain(policies), ()), keys(rule.family, 3)
        exported = exporter.export(sent)
        assert exporter.permits(sent) == (exported is not None)
        message = exporter.message(sent, prefixes)
        if message:
            spliced += 1
            assert exported is not None, (sent.attributes.octets.hex(" "), rule)
            assert [message] == announce(rule.family, exported.octets, exported.next_hop, prefixes, rule.max_message)
    assert (spliced > 50) is (CHANGED not in policies)


@pytest.mark.parametrize(
    ("policies", "withheld", "is_spliced"),
    [
        ((), (), True),
        ((ACCEPTED,), (), True),
        ((WITHOUT_SOME,), (), False),
        ((CHANGED,), (), False),
        ((ASKED,), (), False),
        ((), (prefix("10.99.0.0/16"),), False),
    ],
)
def test_what_policy_does_not_change_is_spliced(
    policies: tuple[Policy, ...], withheld: tuple[bytes, ...], is_spliced: bool
) -> None:
    exporter = GroupExporter(export_rule(EBGP), Chain(policies), withheld)
    assert bool(exporter.message(path(peer_source(1, EBGP), **PLAIN), keys(IPV4_UNICAST, 3))) is is_spliced
