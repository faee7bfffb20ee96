"""Where a block may come from: its owner, who borrowed an address of it, and who passes the owner's route on."""

import pytest

from bgpd.addresses import format_address, parse_address, parse_prefix
from bgpd.identity import Asn, BgpIdentifier, PeerType, parse_identifier
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Origin, SegmentType
from bgpd.policy.origins import OriginNode, Origins
from bgpd.rib.path import NextHop, Path, Preference, Source, SourceKind

INTERNAL, EXTERNAL = PeerType.INTERNAL, PeerType.EXTERNAL


def a_node(name: str, address: str, asn: int = 64512) -> OriginNode:
    return OriginNode(name, frozenset({parse_address(address)}), parse_identifier(address), Asn(asn))


def some_origins(
    blocks: dict[str, tuple[str, ...]], borrowed: dict[str, tuple[str, ...]] | None = None, **asns: int
) -> Origins:
    """Return origins of nodes w1 to w3 at 10.0.0.1 to 10.0.0.3, and a reflector rr at 10.0.0.9."""
    numbers = {"w1": 1, "w2": 2, "w3": 3, "rr": 9}
    nodes = {name: a_node(name, f"10.0.0.{number}", asns.get(name, 64512)) for name, number in numbers.items()}
    tables: list[dict[object, dict[bytes, tuple[str, ...]]]] = []
    for written in (blocks, borrowed or {}):
        table: dict[object, dict[bytes, tuple[str, ...]]] = {}
        for prefix, owners in written.items():
            family, octets = parse_prefix(prefix)
            table.setdefault(family, {})[octets] = owners
        tables.append(table)
    return Origins(nodes, *tables)  # type: ignore[arg-type]  # families are the keys


def refusal(
    origins: Origins,
    prefix: str,
    peer: str,
    next_hop: str = "",
    *,
    kind: PeerType = INTERNAL,
    path: tuple[int, ...] = (),
    originator: str = "",
) -> str:
    family, octets = parse_prefix(prefix)
    attributes = block.make(
        origin=Origin.IGP,
        next_hop=parse_address(next_hop or peer),
        as_path=as_path.from_segments([(SegmentType.AS_SEQUENCE, tuple(map(Asn, path)))] if path else []),
        originator_id=parse_identifier(originator) if originator else None,
    )
    source = Source(
        SourceKind.PEER, peer, Preference.PEER, Asn(1), BgpIdentifier(1), address=parse_address(peer), peer_type=kind
    )
    return origins.refusal(Path(source, family, attributes, NextHop(parse_address(next_hop or peer))), octets)


BLOCKS = {"10.65.3.64/26": ("w1",), "10.65.7.0/26": ("w2",), "fd65::3:0/122": ("w1",)}
BORROWED = {"10.65.3.70/32": ("w3",)}


@pytest.mark.parametrize(
    ("prefix", "peer", "is_accepted"),
    [
        ("10.65.3.64/26", "10.0.0.1", True),
        ("10.65.3.64/26", "10.0.0.2", False),
        ("10.65.3.66/32", "10.0.0.1", True),
        ("10.65.3.66/32", "10.0.0.2", False),
        ("10.65.3.64/27", "10.0.0.2", False),  # a part of a block counts as inside
        ("10.65.3.70/32", "10.0.0.1", True),
        ("10.65.3.70/32", "10.0.0.3", True),  # borrowed
        ("10.65.3.71/32", "10.0.0.3", False),
        ("10.65.0.0/16", "10.0.0.2", True),  # in no block
        ("10.65.9.0/26", "10.0.0.2", True),
        ("fd65::3:7/128", "10.0.0.2", False),
        ("10.65.3.64/26", "172.18.0.1", True),  # no node
    ],
)
def test_a_node_announces_its_blocks_and_what_it_borrowed(prefix: str, peer: str, is_accepted: bool) -> None:
    assert (refusal(some_origins(BLOCKS, BORROWED), prefix, peer) == "") is is_accepted


@pytest.mark.parametrize(
    ("next_hop", "originator", "is_accepted"),
    [
        ("10.0.0.1", "", True),
        ("10.0.0.9", "10.0.0.1", True),  # the reflector is the next hop, but says whose the route is
        ("10.0.0.9", "10.0.0.2", False),
        ("10.0.0.2", "10.0.0.2", False),
        ("10.0.0.9", "", False),
    ],
)
def test_a_reflector_passes_on_what_is_the_owners(next_hop: str, originator: str, is_accepted: bool) -> None:
    found = refusal(some_origins(BLOCKS), "10.65.3.64/26", "10.0.0.9", next_hop, originator=originator)
    assert (found == "") is is_accepted


@pytest.mark.parametrize(
    ("path", "is_accepted"),
    [((64602,), False), ((64602, 64601), True), ((64602, 64603), False), ((64602, 65020, 64601), True), ((), False)],
)
def test_across_ases_the_first_as_of_the_path_must_be_the_owners(path: tuple[int, ...], is_accepted: bool) -> None:
    origins = some_origins(BLOCKS, w1=64601, w2=64602, w3=64603)
    assert (refusal(origins, "10.65.3.64/26", "10.0.0.2", kind=EXTERNAL, path=path) == "") is is_accepted


def test_a_block_of_a_node_that_is_gone_may_come_from_nobody() -> None:
    origins = some_origins({"10.65.3.64/26": ("gone",)})
    why = refusal(origins, "10.65.3.64/26", "10.0.0.2")
    assert why == "10.65.3.64/26 is not w2's to announce: etcd says it is of gone"


def test_a_block_that_two_nodes_claim_may_come_from_both() -> None:
    origins = some_origins({"10.65.3.64/26": ("w1", "w2")})
    assert [bool(refusal(origins, "10.65.3.64/26", f"10.0.0.{n}")) for n in (1, 2, 3)] == [False, False, True]


def test_the_smallest_block_around_a_prefix_counts() -> None:
    origins = some_origins({"10.65.3.0/24": ("w1",), "10.65.3.64/26": ("w2",)})
    assert refusal(origins, "10.65.3.65/32", "10.0.0.2") == ""
    assert refusal(origins, "10.65.3.65/32", "10.0.0.1")
    assert refusal(origins, "10.65.3.1/32", "10.0.0.1") == ""


def test_changes_name_the_nodes_and_blocks_that_are_judged_otherwise() -> None:
    old = some_origins(BLOCKS, BORROWED)
    new = some_origins({**BLOCKS, "10.65.7.0/26": ("w3",), "10.65.9.0/26": ("w1",)}, {})
    family, _ = parse_prefix("10.0.0.0/8")
    changes = old.changes(new)
    assert changes.addresses == frozenset()
    assert changes.blocks[family] == {parse_prefix(one)[1] for one in ("10.65.7.0/26", "10.65.9.0/26", "10.65.3.70/32")}
    moved = some_origins(BLOCKS, BORROWED, w2=64999)
    changes = old.changes(moved)
    assert list(map(format_address, changes.addresses)) == ["10.0.0.2"]
    assert changes.blocks[family] == {parse_prefix("10.65.7.0/26")[1]}
    assert not any(old.changes(old).blocks.values())
