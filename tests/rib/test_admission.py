from random import Random

import pytest

from bgpd.addresses import parse_address
from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, PeerType
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.block import parse, replace
from bgpd.messages.attributes.model import AsPath, SegmentType
from bgpd.rib.admission import Admission
from bgpd.rib.path import NextHop, Path, Source
from tests.support.attributes import read_twice
from tests.support.paths import LOCAL_ASN, negotiated, path, peer_source

OWN = parse_address("10.0.0.1")


def rules(*, allow_own_as: int = 0, remote_asn: int | None = 65001) -> Admission:
    remote = None if remote_asn is None else Asn(remote_asn)
    return Admission((LOCAL_ASN,), allow_own_as, remote, frozenset({OWN}))


def external(**options: object) -> Path:
    fields: dict[str, object] = {"as_path": (65001,)} | options
    return path(peer_source(1, PeerType.EXTERNAL), **fields)  # type: ignore[arg-type]


def test_an_ordinary_path_is_let_in() -> None:
    assert rules().refusal(external()) == ""


@pytest.mark.rfc("4271", "9.1.2")
def test_our_own_as_in_the_path_is_a_loop_unless_it_is_allowed() -> None:
    looped = external(as_path=(65001, LOCAL_ASN))
    assert "AS loop" in rules().refusal(looped)
    assert rules(allow_own_as=1).refusal(looped) == ""
    assert "2 times" in rules(allow_own_as=1).refusal(external(as_path=(65001, LOCAL_ASN, LOCAL_ASN)))


@pytest.mark.rfc("4271", "6.3")
def test_an_external_path_begins_with_the_peers_as() -> None:
    assert "begins with 7" in rules().refusal(external(as_path=(7, 65001)))
    assert "begins with no AS" in rules().refusal(external(as_path=()))
    assert rules(remote_asn=None).refusal(external(as_path=(7,))) == ""
    assert rules().refusal(path(peer_source(1), as_path=(7,))) == ""


@pytest.mark.rfc("4271", "6.3")
def test_octets_behind_an_empty_path_are_no_first_as() -> None:
    octets = bytes.fromhex("40010100 400200 400304 0a010002")
    like_next_hop = int.from_bytes(octets[9:13])
    held, hop = rules(remote_asn=like_next_hop), NextHop(octets[-4:])
    session = negotiated(remote_asn=like_next_hop)
    for block in (octets[:4] + b"\x40\2\6\2\1" + octets[9:13] + octets[7:], octets):
        received = Path(peer_source(1, PeerType.EXTERNAL), IPV4_UNICAST, parse(block, session, None), hop)
        assert received.attributes.is_everyday
        reason = held.refusal(received)
    assert reason == f"AS_PATH begins with no AS, not with the peer's AS {like_next_hop}"


@pytest.mark.rfc("4271", "5.1.3")
def test_a_next_hop_that_is_ours_or_out_of_reach_is_of_no_use() -> None:
    assert "our own address" in rules().refusal(external(next_hop="10.0.0.1"))
    lost = external()
    lost.next_hop = NextHop(lost.next_hop.address, is_reachable=False, why="no route to it")
    assert rules().refusal(lost) == "next hop 10.1.0.1 is unreachable: no route to it"


@pytest.mark.parametrize("text", ["127.0.0.2", "127.255.1.1"])
def test_a_loopback_next_hop_only_counts_from_a_peer_on_this_host(text: str) -> None:
    assert "loopback" in rules().refusal(external(next_hop=text))
    here = peer_source(1, PeerType.EXTERNAL)
    here.address = parse_address("127.0.0.2")
    assert isinstance(here, Source)
    assert rules().refusal(path(here, as_path=(65001,), next_hop=text)) == ""


def segments(*given: tuple[SegmentType, tuple[int, ...]]) -> AsPath:
    return from_segments([(kind, tuple(map(Asn, numbers))) for kind, numbers in given])


@pytest.mark.rfc("5065", "4")
@pytest.mark.parametrize(
    ("given", "looped"),
    [
        (((SegmentType.AS_CONFED_SEQUENCE, (7, 65100)),), 65100),
        (((SegmentType.AS_CONFED_SEQUENCE, (7,)), (SegmentType.AS_CONFED_SET, (65100,))), 65100),
        (((SegmentType.AS_CONFED_SEQUENCE, (7,)), (SegmentType.AS_SEQUENCE, (8, 100))), 100),
        (((SegmentType.AS_CONFED_SEQUENCE, (7,)), (SegmentType.AS_SET, (100, 8))), 100),
        (((SegmentType.AS_CONFED_SEQUENCE, (7,)), (SegmentType.AS_SEQUENCE, (65100,))), None),
        (((SegmentType.AS_CONFED_SEQUENCE, (7, 100)),), None),
    ],
)
def test_each_number_of_ours_makes_a_loop_where_it_means_us(
    given: tuple[tuple[SegmentType, tuple[int, ...]], ...], looped: int | None
) -> None:
    admission = Admission((Asn(100),), 0, None, frozenset(), member_asn=Asn(65100))
    found = path(peer_source(1, PeerType.CONFEDERATION))
    found.attributes = replace(found.attributes, as_path=segments(*given))
    why = admission.refusal(found)
    assert (f"our AS {looped}" in why) if looped else not why
    assert not Admission((Asn(100),), 1, None, frozenset(), member_asn=Asn(65100)).refusal(found)


@pytest.mark.rfc("4271", "6.3")
def test_a_path_of_another_member_begins_with_its_member_as() -> None:
    found = path(peer_source(1, PeerType.CONFEDERATION))
    for numbers, is_fine in (((65001, 9), True), ((9, 65001), False)):
        own = segments((SegmentType.AS_CONFED_SEQUENCE, numbers), (SegmentType.AS_SEQUENCE, (7,)))
        found.attributes = replace(found.attributes, as_path=own)
        assert (rules().refusal(found) == "") is is_fine


@pytest.mark.parametrize("kind", list(PeerType))
def test_what_surely_passes_is_not_refused_by_the_rules_in_turn(kind: PeerType) -> None:
    random, passed = Random(2), 0
    session = negotiated(remote_asn=int(LOCAL_ASN) if kind is PeerType.INTERNAL else 65001)
    hops = [NextHop(bytes((10, 1, 0, n)), is_reachable=n > 1) for n in range(4)]
    for _ in range(1000):
        first = random.choice([None, Asn(65001), Asn(7)])
        member = random.choice([None, None, Asn(64999)])
        held = Admission((LOCAL_ASN,), random.choice([0, 1]), first, frozenset({OWN}), member)
        for _ in range(3):
            usual, plainly = read_twice(random, session)
            hop = random.choice(hops)
            found = [
                held.refusal(Path(peer_source(1, kind), IPV4_UNICAST, attributes, hop))
                for attributes in (plainly, usual)
            ]
            assert found[0] == found[1], usual.octets.hex(" ")
            received = Path(peer_source(1, kind), IPV4_UNICAST, usual, hop)
            passed += usual.is_everyday and held.surely_passes(received)
    assert (passed > 50) is (kind is not PeerType.CONFEDERATION)
