"""Import policy and the choice of the best route: what policy made of a route is what counts and what is told."""

from dataclasses import dataclass
from random import Random

import pytest

from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, BgpIdentifier, PeerType, Role
from bgpd.policy.chain import Chain
from bgpd.policy.rules import Action, Changes, Conditions, Policy, Rule
from bgpd.policy.signals import Signals
from bgpd.policy.subject import PeerContext
from bgpd.rib.admission import Admission
from bgpd.rib.border import NO_BORDER, Border
from bgpd.rib.decision import rank
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import NextHop, Path
from bgpd.speaker.importing import PeerImporter
from tests.support.attributes import CLUSTER, read_twice
from tests.support.cluster import Cluster, cluster, network, peer
from tests.support.paths import LOCAL_ASN, negotiated, peer_source

PREFIX = "10.65.9.0/24"
POLICY = '[[policy]]\nname = "{}"\nrules = [ {{ action = "accept", {} }} ]\n'


def _feeders(made: Cluster) -> None:
    """Start two peers in one neighbouring AS that announce the same prefix."""
    for number in (2, 3):
        made.start(number, peer(1, asn="64512", ebgp_requires_policy="false") + network(PREFIX), asn=65002)


def _from(made: Cluster, number: int) -> str:
    path = made.best(number, PREFIX)
    assert path is not None
    return path.source.name


@pytest.mark.rfc("4271", "5.1.4")
def test_med_that_policy_changes_counts_as_changed() -> None:
    low, high = POLICY.format("low", "set_med = 10"), POLICY.format("high", "set_med = 20")
    with cluster() as made:
        _feeders(made)
        made.start(1, peer(2, asn="65002", import_='["high"]') + peer(3, asn="65002", import_='["low"]') + low + high)
        made.established()
        made.until(1, PREFIX)
        made.run(1)
        assert _from(made, 1) == "10.0.0.3"  # by identifier it would be the other one


@pytest.mark.rfc("4271", "5.1.5")
@pytest.mark.rfc("4271", "9.1.1")
def test_what_policy_makes_of_local_pref_is_told_inside() -> None:
    liked = POLICY.format("liked", "set_local_pref = 250")
    with cluster() as made:
        made.start(2, peer(1, asn="64512", ebgp_requires_policy="false") + network(PREFIX), asn=65002)
        made.start(1, peer(2, asn="65002", import_='["liked"]') + peer(4) + liked)
        made.start(4, peer(1))
        made.until(4, PREFIX)
        path = made.best(4, PREFIX)
        assert path is not None
        assert path.attributes.local_pref == 250


@pytest.mark.rfc("4271", "5.1.4")
def test_a_policy_takes_med_off() -> None:
    with_med, without = POLICY.format("with", "set_med = 10"), POLICY.format("without", 'set_med = "remove"')
    options = {"asn": "64512", "export": '["with"]', "ebgp_requires_policy": "false"}
    with cluster() as made:
        made.start(2, peer(1, **options) + network(PREFIX) + with_med, asn=65002)
        made.start(1, peer(2, asn="65002", import_='["without"]') + peer(4) + without)
        made.start(4, peer(1))
        made.until(4, PREFIX)
        ((_, received),) = made.peer(1, 2).adj_ribs_in[IPV4_UNICAST].routes.items()
        assert received.attributes.med == 10
        for number in (1, 4):
            path = made.best(number, PREFIX)
            assert path is not None
            assert path.attributes.med is None


OPEN = {"ebgp_requires_policy": "false"}
HOST, NETWORK = "10.65.9.1/32", "10.65.8.0/24"


def _black_holes(made: Cluster, blackhole: str, community: str = '["blackhole"]') -> tuple[Path, Path]:
    """Let a neighbour ask for black holes of a host and of a network; return the best paths here."""
    asking = network(HOST, communities=community) + network(NETWORK, communities=community)
    made.start(2, peer(1, asn="64512", **OPEN) + asking, asn=65002)
    made.start(1, peer(2, asn="65002", **OPEN, blackhole=blackhole) + peer(4))
    made.start(4, peer(1))
    made.until(1, HOST)
    made.until(1, NETWORK)
    made.run(1)
    host, whole = made.best(1, HOST), made.best(1, NETWORK)
    assert host is not None
    assert whole is not None
    return host, whole


@pytest.mark.rfc("7999", "3.3")
@pytest.mark.parametrize(
    ("blackhole", "is_host", "is_network"),
    [
        ("{ }", False, False),
        ("{ accept = true }", True, False),
        ("{ accept = true, min_length_ipv4 = 24 }", True, True),
        ("{ accept = false, min_length_ipv4 = 24 }", False, False),
    ],
)
def test_a_black_hole_is_made_only_where_it_was_agreed_on_and_for_long_prefixes(
    blackhole: str, is_host: bool, is_network: bool
) -> None:
    with cluster() as made:
        host, whole = _black_holes(made, blackhole)
        assert (host.is_black_hole, whole.is_black_hole) == (is_host, is_network)


@pytest.mark.rfc("7999", "3.2")
@pytest.mark.parametrize(
    ("blackhole", "communities", "added", "is_told_inside"),
    [
        ("{ accept = true }", '["blackhole"]', (0xFFFFFF01,), True),
        ('{ accept = true, add_community = "no-advertise" }', '["blackhole"]', (0xFFFFFF02,), False),
    ],
)
def test_a_black_hole_does_not_spread(
    blackhole: str, communities: str, added: tuple[int, ...], is_told_inside: bool
) -> None:
    with cluster() as made:
        host, _ = _black_holes(made, blackhole, communities)
        assert host.attributes.communities == (0xFFFF029A, *added)
        assert (made.best(4, HOST) is not None) == is_told_inside


@pytest.mark.rfc("7999", "3.3")
def test_import_policy_says_who_may_ask_for_a_black_hole() -> None:
    policy = (
        '[[policy]]\nname = "own"\nrules = [ { prefix = "10.65.9.0/24", match = "in", action = "accept" } ]\n'
        'default = "reject"\n'
    )
    asking = network(HOST, communities='["blackhole"]') + network("10.66.0.1/32", communities='["blackhole"]')
    with cluster() as made:
        made.start(2, peer(1, asn="64512", **OPEN) + asking, asn=65002)
        made.start(1, policy + peer(2, asn="65002", import_='["own"]', blackhole="{ accept = true }"))
        made.until(1, HOST)
        made.run(1)
        host = made.best(1, HOST)
        assert host is not None
        assert host.is_black_hole
        assert made.best(1, "10.66.0.1/32") is None


class _Ways:
    """A routing table that has a way to some addresses only, given as their last octets."""

    def __init__(self, *reachable: int) -> None:
        self.reachable = set(reachable)

    def lookup(self, address: bytes, interface: int = 0) -> "_Way":
        del interface
        return _Way(address[-1] in self.reachable)


@dataclass(frozen=True)
class _Way:
    is_reachable: bool
    metric: int = 0
    gateway: bytes = b""
    device: int = 1
    device_name: str = "eth0"
    why: str = "no route"


@pytest.mark.rfc("4271", "9.1.2.1")
@pytest.mark.parametrize("more", ["", 'prefix = "10.0.0.0/8", '])
def test_the_next_hop_that_policy_sets_is_the_one_that_has_to_be_reachable(more: str) -> None:
    through = '[[policy]]\nname = "p"\nrules = [ { ' + more + 'action = "accept", set_next_hop = "10.0.0.77" } ]\n'
    with cluster() as made:
        speaker = made.start(1, peer(2, import_='["p"]') + peer(3) + through)
        ways = speaker.next_hops._resolver = _Ways(2)
        made.start(2, peer(1) + network(PREFIX))
        made.established(2)
        made.run(1)
        assert made.best(1, PREFIX) is None
        ((_, received),) = made.peer(1, 2).adj_ribs_in[IPV4_UNICAST].routes.items()
        importer = made.peer(1, 2).importers[IPV4_UNICAST]
        assert importer.refusal(received, b"\x18\x0a\x41\x09") == "next hop 10.0.0.77 is unreachable: no route"
        for reachable in ({77}, {2}, {2, 77}):
            ways.reachable = reachable
            speaker.topology_changed()
            made.until(1, PREFIX, present=77 in reachable, within=1)


DENIED = Policy("denied", (Rule("rule 1", Action.REJECT, Conditions(med=(2, 3))),), Action.ACCEPT)
CHANGED = Policy("changed", (Rule("rule 1", Action.ACCEPT, changes=Changes(local_pref=7)),))


@pytest.mark.parametrize("kind", [PeerType.EXTERNAL, PeerType.INTERNAL])
@pytest.mark.parametrize("policies", [(), (DENIED,), (CHANGED,)])
def test_an_everyday_path_is_admitted_like_any_other(kind: PeerType, policies: tuple[Policy, ...]) -> None:
    random, everyday = Random(3), 0
    session = negotiated(remote_asn=int(LOCAL_ASN) if kind is PeerType.INTERNAL else 65001)
    hop, source = NextHop(bytes((10, 1, 0, 1))), peer_source(1, kind)
    for _ in range(300):
        signals = Signals(
            shuts_down=random.random() < 0.5,
            is_leaving=random.random() < 0.2,
            black_hole_length=random.choice([None, None, 32]),
        )
        border = random.choice([NO_BORDER, Border(is_crossed=True), Border(Asn(64999)), Border(otc=Asn(65001))])
        role, denies_all = random.choice([None, None, *Role]), random.random() < 0.1
        for _ in range(3):
            outcomes = []
            for attributes in read_twice(random, session):
                importer = PeerImporter(
                    Admission((LOCAL_ASN,), 0, Asn(65001), frozenset()),
                    BgpIdentifier(5),
                    BgpIdentifier(CLUSTER),
                    Chain(policies),
                    PeerContext("peer1", kind, LOCAL_ASN, source.asn),
                    NextHopTable(None),
                    lambda _kind, _reason: None,
                    signals,
                    denies_all=denies_all,
                    border=border,
                    role=role,
                )
                for _ in range(2):  # the second finds what is kept of the first
                    received = Path(source, IPV4_UNICAST, attributes, hop)
                    rank(received)
                    importer.admit(received)
                everyday += attributes.is_everyday
                taken, imported = received.taken, received.imported
                made = None if imported is None else (imported.attributes.octets, imported.rank, imported.weight)
                is_same = imported is received
                outcomes.append((received.rejected, importer.rejected, taken.octets, is_same, made))
            assert outcomes[0] == outcomes[1], attributes.octets.hex(" ")
    assert everyday > 100
