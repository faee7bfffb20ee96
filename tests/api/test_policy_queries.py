"""What a policy test asks, read from text."""

import pytest

from bgpd.api.operations import Refused
from bgpd.api.policy_queries import parse_as_path, parse_policy_query
from bgpd.identity import PeerType
from bgpd.messages.attributes.model import Origin
from bgpd.rib.path import SourceKind


def test_a_route_is_described_in_full() -> None:
    query = parse_policy_query(
        {
            "policy": ["p"], "prefix": ["10.0.0.0/8"], "direction": ["export"], "source": ["kernel"], "med": ["5"],
            "as-path": ["65020,65030 {1 2}"], "community": ["64512:1,rt:1:1", "1:2:3"], "next-hop": ["10.0.0.1"],
            "local-pref": ["0"], "origin": ["egp"], "interface": ["cali1"], "peer-type": ["confederation"],
        }
    )  # fmt: skip
    assert query.is_export
    assert query.peer_type is PeerType.CONFEDERATION
    route = query.route
    assert route is not None
    assert (route.source, str(route.as_path), route.med, route.local_pref, route.origin, route.interface) == (
        SourceKind.KERNEL, "65020 65030 {1 2}", 5, 0, Origin.EGP, "cali1",
    )  # fmt: skip
    assert (len(route.communities.plain), len(route.communities.extended), len(route.communities.large)) == (1, 1, 1)


def test_without_a_description_the_route_is_that_of_the_tables() -> None:
    assert parse_policy_query({"peer": ["tor"], "prefix": ["fd00::/64"]}).route is None


@pytest.mark.parametrize("word", ["peer", "remote-peers", "RemotePeers"])
def test_a_route_of_a_peer_has_three_names(word: str) -> None:
    route = parse_policy_query({"policy": ["p"], "prefix": ["10.0.0.0/8"], "source": [word]}).route
    assert route is not None
    assert route.source is SourceKind.PEER


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"prefix": []}, "no prefix to test with"),
        ({"prefix": ["10.0.0.1/8"]}, "prefix: 10.0.0.1/8 has host bits set"),
        ({"policy": []}, "neither a policy nor a peer"),
        ({"direction": ["out"]}, "import or export, not out"),
        ({"source": ["felix"]}, "unknown source felix"),
        ({"community": ["no-exprot"]}, "did you mean 'no-export'"),
        ({"community": ["64512:*"]}, "cannot be put on a route"),
        ({"as-path": ["65020 x"]}, "'x' does not belong"),
        ({"as-path": ["0"]}, "between 1 and"),
        ({"med": ["-1"]}, "med: not such a number"),
        ({"med": ["1", "2"]}, "med is given 2 times"),
        ({"origin": ["none"]}, "there is no ORIGIN none"),
        ({"next-hop": ["x"]}, "next-hop: 'x'"),
        ({"colour": ["red"]}, "unknown parameter colour"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, list[str]], why: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_policy_query({"policy": ["p"], "prefix": ["10.0.0.0/8"]} | changed)
    assert why in str(refused.value)
    assert refused.value.status == 400


def test_an_as_path_is_read_as_it_is_printed() -> None:
    for text in ("", "1", "1 2 {3 4} 5", "{1}"):
        assert str(parse_as_path(text)) == text
