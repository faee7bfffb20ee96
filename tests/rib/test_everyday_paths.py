"""Everyday paths: what is made in one go is what is made step by step, in every field, and has the same rank."""

from random import Random

import pytest

from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes.block import parse
from bgpd.rib.admission import Admission
from bgpd.rib.decision import insert, order, rank
from bgpd.rib.everyday_paths import maker
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Candidates, Path
from tests.support.attributes import HOPS, read_twice
from tests.support.paths import LOCAL_ASN, negotiated, peer_source
from tests.support.rib import SELF

RANKED = ("group", "med", "rank", "tail")
ITSELF = ("alone", "imported", "attributes", "taken")


class Reach:
    """How an address is reached, which follows from its last octet."""

    gateway, device, device_name, why = b"", 3, "eth3", "no route to it"

    def __init__(self, number: int) -> None:
        self.is_reachable, self.metric = number % 4 != 3, number


class Reaches:
    """Answers lookups."""

    def lookup(self, address: bytes, interface: int = 0) -> Reach:
        del interface
        return Reach(address[-1])


@pytest.mark.parametrize("kind", list(PeerType))
def test_what_is_made_in_one_go_is_what_is_made_step_by_step(kind: PeerType) -> None:
    random, made, left = Random(4), 0, 0
    session = negotiated(remote_asn=int(LOCAL_ASN) if kind is PeerType.INTERNAL else 65001)
    for _ in range(200):
        next_hops = NextHopTable(Reaches())
        source = peer_source(1, kind)
        source.is_client, source.name = random.random() < 0.5, random.choice(["one", "another"])
        held = Admission(
            (LOCAL_ASN, Asn(7)) if random.random() < 0.3 else (LOCAL_ASN,),
            random.choice([0, 1]),
            random.choice([None, Asn(65001), Asn(7)]),
            frozenset({SELF}),
            random.choice([None, None, Asn(64999)]),
        )
        make = maker(held, source, IPV4_UNICAST, next_hops.get)
        for _ in range(6):
            usual, plainly = read_twice(random, session)
            if not usual.is_everyday:
                continue
            found = make(usual)
            expected = Path(source, IPV4_UNICAST, plainly, next_hops.get(plainly.next_hop))
            why = held.refusal(expected)
            if found is None:
                left += 1
                continue
            made += 1
            assert not why
            assert found.rank == ()
            for name in set(Path.__slots__) - {*RANKED, *ITSELF}:
                assert getattr(found, name) == getattr(expected, name), name
            assert (found.alone, found.imported) == ((found,), found)
            assert found.taken is found.attributes is usual
            assert usual.next_hop == plainly.next_hop
            order([found])
            rank(expected)
            assert found.rank == expected.rank
            rank(found)
            assert [getattr(found, name) for name in RANKED] == [getattr(expected, name) for name in RANKED]
    assert left > 50
    assert (made > 50) is (kind is not PeerType.CONFEDERATION)


def test_the_paths_of_one_next_hop_share_its_octets() -> None:
    random, session = Random(1), negotiated()
    make = maker(Admission((), 0, None, frozenset()), peer_source(1), IPV4_UNICAST, NextHopTable(None).get)
    seen: dict[bytes, set[int]] = {hop: set() for hop in HOPS}
    last = b""
    for _ in range(200):
        found = make(usual) if (usual := read_twice(random, session)[0]).is_everyday else None
        if found is not None:
            assert last is found.attributes.next_hop or last != found.attributes.next_hop
            last = found.attributes.next_hop
            seen[last].add(id(found.next_hop))
    assert max(map(len, seen.values())) == 1


def test_paths_that_were_never_compared_are_put_in_order_like_all_others() -> None:
    random = Random(8)
    session, several = negotiated(remote_asn=65001), 0
    for _ in range(300):
        unranked, ranked = list[Path](), list[Path]()
        next_hops = NextHopTable(Reaches())
        for number in range(random.randrange(1, 6)):
            kind = random.choice([PeerType.EXTERNAL, PeerType.INTERNAL])
            source = peer_source(number, kind, identifier=random.randrange(3))
            if random.random() < 0.2:  # a new session: its identifier is in what is compared
                source.identify(source.asn, BgpIdentifier(random.randrange(3)))
            make = maker(Admission((), 0, None, frozenset()), source, IPV4_UNICAST, next_hops.get)
            usual, plainly = read_twice(random, session)
            found = make(usual) if usual.is_everyday else None
            expected = Path(source, IPV4_UNICAST, plainly, next_hops.get(plainly.next_hop))
            rank(expected)
            if found is None:
                found = expected
            elif random.random() < 0.3:
                order([found])
            unranked.append(found)
            ranked.append(expected)
        several += len(unranked) > 2
        expected_order = [ranked.index(one) for one in order(ranked)]
        random.shuffle(pairs := list(range(len(ranked))))
        found_order: Candidates = ()
        if random.random() < 0.5:
            for at in pairs:
                found_order = insert(unranked[at], found_order)
        else:
            found_order = order(unranked[at] for at in pairs)
        assert [unranked.index(one) for one in found_order] == expected_order
    assert several > 100


@pytest.mark.rfc("4271", "6.3")
def test_octets_behind_an_empty_path_are_no_first_as() -> None:
    octets = bytes.fromhex("40010100 400200 400304 0a010002")
    like_next_hop = Asn(int.from_bytes(octets[9:13]))
    begun = octets[:4] + b"\x40\2\6\2\1" + octets[9:13] + octets[7:]
    for kind, expected in ((PeerType.EXTERNAL, [True, False]), (PeerType.INTERNAL, [True, True])):
        held = Admission((LOCAL_ASN,), 0, like_next_hop, frozenset())
        make = maker(held, peer_source(1, kind), IPV4_UNICAST, NextHopTable(None).get)
        attributes = [parse(block, negotiated(remote_asn=like_next_hop), None) for block in (begun, octets)]
        assert [make(each) is not None for each in attributes] == expected
