"""Plain blocks: each shortcut gives what the rules one by one do, also where it is misled."""

from random import Random

import pytest

from bgpd.errors import UpdateError
from bgpd.identity import Asn
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.attributes.plain import EverydayAttributes, preferences
from bgpd.messages.attributes.spec import TreatAsWithdraw, tlv
from bgpd.messages.negotiated import Negotiated
from tests.support.wire import EXTERNAL, GLOBAL, INTERNAL, LINK_LOCAL, path_octets

# Numbers whose octets look like what is looked for, alone or beside another: AS 0, a well-known community
WORDS = (0, 1, 0x0100_0000, 0xFDE8, 0x0100, 0xFFFF, 0xFFFF_0000, 0x00FF_FF00, 0xFFFF_FF01, 0xFF00_00FF, 4_200_000_000)


def words(random: Random, most: int) -> bytes:
    return b"".join(word.to_bytes(4) for word in random.choices(WORDS, k=random.randrange(1, most)))


def as_path(random: Random, *, is_faultless: bool) -> bytes:
    """Return AS_PATH, in one sequence, whose length may have two octets."""
    count = random.choice([0, 1, 1, 2, 3, 5, 15, 16, 17, 20, 63])
    numbers = random.choices(WORDS[1 if is_faultless else 0 :], k=count)
    value = path_octets([(2, tuple(numbers))] if count else [])
    return b"P\2" + len(value).to_bytes(2) + value if random.random() < 0.3 else tlv(2, 0x40, value)


def plain_block(random: Random, *, has_next_hop: bool) -> bytes:
    """Return a block that is plain, but for AS 0 and for what may not come from another AS."""
    is_faultless = random.random() < 0.8
    parts = [tlv(1, 0x40, bytes((random.randrange(3),))), as_path(random, is_faultless=is_faultless)]
    if has_next_hop:
        parts.append(tlv(3, 0x40, random.choice([b"\x0a\0\0\1", b"\x0a\xff\xff\1", b"\x01\0\0\0", b"\xdf\0\0\0"])))
    optional = {
        4: (0x80, random.choice(WORDS).to_bytes(4)),
        5: (0x40, random.choice(WORDS).to_bytes(4)),
        6: (0x40, b""),
        7: (0xC0, random.choice(WORDS[1 if is_faultless else 0 :]).to_bytes(4) + b"\0\0\0\0"),
        8: (0xC0, words(random, 64)),
        9: (0x80, bytes(4)),
        10: (0x80, words(random, 4)),
        16: (0xC0, bytes(8)),
        32: (0xC0, bytes(12)),
        35: (0xC0, b"\0\0\0\1"),
    }
    for code in sorted(random.sample(sorted(optional), k=random.choice([0, 1, 1, 2, 3]))):
        flags, value = optional[code]
        parts.append(tlv(code, flags | random.choice([0, 0, 0x20]) * (flags == 0xC0), value))
    return b"".join(parts)


def values(attributes: Attributes) -> dict[str, object]:
    return {name: getattr(attributes, name) for name in Attributes.__slots__}


def outcome(octets: bytes, negotiated: Negotiated, next_hop: bytes | None, *, is_plain: bool) -> object:
    """Return what reading the block comes to."""
    try:
        return values((block.parse if is_plain else block.parse_plainly)(octets, negotiated, next_hop))
    except (TreatAsWithdraw, UpdateError) as fault:
        return type(fault), str(fault)


@pytest.mark.parametrize("negotiated", [EXTERNAL, INTERNAL], ids=["external", "internal"])
@pytest.mark.parametrize(
    "next_hop", [None, GLOBAL, GLOBAL + LINK_LOCAL, bytes(16)], ids=["classic", "one", "two", "no"]
)
def test_plain_blocks_are_read_as_by_every_rule_in_turn(negotiated: Negotiated, next_hop: bytes | None) -> None:
    random, everyday, refused = Random(5), 0, 0
    for _ in range(3000):
        octets = plain_block(random, has_next_hop=(next_hop is None) != (random.random() < 0.05))
        if random.random() < 0.2:
            changed = bytearray(octets)
            changed[random.randrange(len(octets))] = random.choice([0, 1, 2, 4, 0x40, 0xFF, random.randrange(256)])
            octets = bytes(changed)
        expected = outcome(octets, negotiated, next_hop, is_plain=False)
        assert outcome(octets, negotiated, next_hop, is_plain=True) == expected, octets.hex(" ")
        refused += isinstance(expected, tuple)
        read = block.plain_reader(negotiated)(octets, next_hop)
        everyday += read is not None and read.is_everyday
    assert refused > 200
    assert (everyday > 800) is (next_hop != bytes(16))


def is_everyday(octets: bytes) -> bool:
    """Say by each attribute what ``Attributes`` calls everyday; the block is plain."""
    parts = dict(block.split(octets))
    return parts.keys() <= {1, 2, 3, 4, 5, 6, 7, 8, 32} and b"\xff\xff" not in parts.get(8, b"")[2:]


@pytest.mark.parametrize("negotiated", [EXTERNAL, INTERNAL], ids=["external", "internal"])
def test_a_plain_block_is_everyday_if_nothing_in_it_asks_for_something(negotiated: Negotiated) -> None:
    random, read = Random(6), block.plain_reader(negotiated)
    found = {False: 0, True: 0}
    for _ in range(3000):
        octets = plain_block(random, has_next_hop=True)
        attributes = read(octets, None)
        if attributes is None:
            continue
        found[attributes.is_everyday] += 1
        assert attributes.is_everyday is is_everyday(octets), octets.hex(" ")
        assert isinstance(attributes, EverydayAttributes) is attributes.is_everyday
    assert min(found.values()) > 200


@pytest.mark.parametrize(
    "extra",
    [
        tlv(4, 0x80, bytes(4)),  # MED 0 is no AS 0
        tlv(4, 0x80, b"\xff\xff\0\0"),
        tlv(7, 0xC0, b"\0\0\0\1" + bytes(4)),
        tlv(8, 0xC0, bytes(4)),
        tlv(8, 0xC0, b"\0\xff\0\xff"),
        tlv(32, 0xC0, b"\xff" * 12),
    ],
)
def test_what_only_looks_like_a_fault_or_a_signal_is_everyday(extra: bytes) -> None:
    for path in (
        "0a 02 02 0000fd00 00000001",
        "06 02 01 0000ffff",
        "06 02 01 01000000",
        "0042 02 10" + "0001 0000" * 16,
    ):
        as_path = bytes.fromhex("5002" if len(path) > 60 else "4002") + bytes.fromhex(path)
        octets = bytes.fromhex("40010100") + as_path + bytes.fromhex("400304 0affff00") + extra
        read = block.plain_reader(EXTERNAL)(octets, None)
        assert read is not None
        assert read.is_everyday
        assert values(read) == values(block.parse_plainly(octets, EXTERNAL, None))


def test_preferences_are_those_of_the_attributes_taken_apart() -> None:
    random, seen = Random(7), set()
    for next_hop in (None, GLOBAL):
        for _ in range(500):
            read = block.plain_reader(INTERNAL)(plain_block(random, has_next_hop=next_hop is None), next_hop)
            if read is not None and read.is_everyday:
                assert preferences(read.octets) == (read.med or 0, read.local_pref)
                seen.add((read.med is None, read.local_pref is None))
    assert len(seen) == 4


def test_an_unknown_name_is_an_error() -> None:
    read = block.plain_reader(EXTERNAL)(bytes.fromhex("40010100 4002060201 0000fde9 400304 0a000001"), None)
    with pytest.raises(AttributeError, match="'EverydayAttributes' has no attribute 'metric'"):
        getattr(read, "metric")  # noqa: B009
    assert read is not None
    assert read.as_path.neighbour == Asn(65001)
