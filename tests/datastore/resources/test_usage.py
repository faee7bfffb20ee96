"""Use of pools and blocks, from the IPAM's keys."""

import json

import pytest

from bgpd.datastore.resources.usage import address, block_of_key, blocks, pools

PREFIX = "/calico"
HOST = f"{PREFIX}/ipam/v2/host"
BLOCK = f"{PREFIX}/ipam/v2/assignment"
CONTENTS = {
    "cidr": "10.65.3.64/26",
    "affinity": "host:worker-3",
    "allocations": [0, None, 1, 1, *[None] * 60],
    "attributes": [
        {"handle_id": "h1", "secondary": {"node": "worker-3", "pod": "web"}},
        {"handle_id": "h2", "secondary": {"node": "worker-4"}},
    ],
}
VALUES = {
    f"{HOST}/worker-3/ipv4/block/10.65.3.64-26": b'{"state":"confirmed"}',
    f"{HOST}/worker-4/ipv4/block/10.65.4.0-26": b"",
    f"{HOST}/worker-4/ipv6/block/fd00:10::-122": b'{"state":"pending"}',
    f"{BLOCK}/ipv4/block/10.65.3.64-26": json.dumps(CONTENTS).encode(),
    f"{BLOCK}/ipv4/block/192.168.0.0-26": b'{"affinity":null,"allocations":[0]}',
    f"{BLOCK}/ipv4/block/garbage": b"x",
    f"{PREFIX}/ipam/v2/config": b"{}",
}


def test_blocks_come_with_owner_state_and_use() -> None:
    found = blocks(VALUES, PREFIX)
    assert [(str(one.cidr), one.node, one.state, one.in_use, one.borrowed) for one in found] == [
        ("10.65.3.64/26", "worker-3", "confirmed", 3, 2),
        ("10.65.4.0/26", "worker-4", "confirmed", 0, 0),
        ("192.168.0.0/26", "", "", 1, 0),
        ("fd00:10::/122", "worker-4", "pending", 0, 0),
    ]


def test_blocks_are_counted_to_their_pool() -> None:
    found = pools(
        blocks(VALUES, PREFIX), [("v6", {"cidr": "fd00:10::/64"}), ("v4", {"cidr": "10.65.0.0/16"}), ("bad", {})]
    )
    assert [(one.name, one.total, one.in_use, len(one.blocks)) for one in found] == [
        ("v4", 65536, 3, 2),
        ("v6", 1 << 64, 0, 1),
        ("", 64, 1, 1),
    ]


def test_an_address_is_somebodys() -> None:
    used = address(VALUES, PREFIX, "10.65.3.66")
    assert used is not None
    assert (str(used.block), used.handle, used.attributes) == ("10.65.3.64/26", "h2", {"node": "worker-4"})
    assert address(VALUES, PREFIX, "10.65.3.65") is None
    assert address(VALUES, PREFIX, "10.99.0.1") is None
    with pytest.raises(ValueError):
        address(VALUES, PREFIX, "x")


def test_keys_of_something_else_are_no_blocks() -> None:
    assert block_of_key(f"{PREFIX}/ipam/v2/handle/h1", PREFIX) is None
    assert block_of_key(f"{BLOCK}/ipv4/block/10.65.3.64-99", PREFIX) is None
