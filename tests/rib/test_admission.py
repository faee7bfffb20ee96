import pytest

from bgpd.addresses import parse_address
from bgpd.identity import Asn, PeerType
from bgpd.rib.admission import Admission
from bgpd.rib.path import NextHop, Path, Source
from tests.support.paths import LOCAL_ASN, path, peer_source

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
