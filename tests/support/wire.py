"""UPDATE messages for tests, octet by octet: sessions, whole attributes, bodies, and Hypothesis strategies for them."""

from dataclasses import replace

from hypothesis import strategies as st

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes.spec import tlv
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.update import Update, decode

EXTERNAL = Negotiated(Asn(65001), Asn(65002), BgpIdentifier(1), BgpIdentifier(2), 90, 30, (IPV4_UNICAST, IPV6_UNICAST))
INTERNAL = replace(EXTERNAL, remote_asn=Asn(65001))
TWO_OCTETS = replace(EXTERNAL, four_octet_as=False)
PATH_IDS = replace(EXTERNAL, add_path_receive=frozenset({IPV4_UNICAST, IPV6_UNICAST}))

ORIGIN = bytes.fromhex("40 01 01 00")
AS_PATH = bytes.fromhex("40 02 0a 0202 0000fdea 00030d40")  # 65002 200000
NEXT_HOP = bytes.fromhex("40 03 04 0a000001")
MED = bytes.fromhex("80 04 04 00000005")
LOCAL_PREF = bytes.fromhex("40 05 04 00000064")
COMMUNITIES = bytes.fromhex("c0 08 08 fdea0001 ffffff01")
MANDATORY = ORIGIN + AS_PATH + NEXT_HOP
MP_MANDATORY = ORIGIN + AS_PATH
ROUTE = bytes.fromhex("18 0a0001")  # 10.0.1.0/24
ROUTE6 = bytes.fromhex("20 20010db8")
GLOBAL = bytes.fromhex("20010db8000000000000000000000001")
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000001")


def body(attributes: bytes = b"", announced: bytes = b"", withdrawn: bytes = b"") -> bytes:
    """Return the body of an UPDATE."""
    return len(withdrawn).to_bytes(2) + withdrawn + len(attributes).to_bytes(2) + attributes + announced


def reach(next_hop: bytes, routes: bytes, family: Family = IPV6_UNICAST, flags: int = 0x80) -> bytes:
    """Return MP_REACH_NLRI, whole."""
    start = family.afi.to_bytes(2) + bytes((family.safi, len(next_hop))) + next_hop + b"\0"
    return tlv(14, flags, start + routes)


def unreach(routes: bytes, family: Family = IPV6_UNICAST, flags: int = 0x80) -> bytes:
    """Return MP_UNREACH_NLRI, whole."""
    return tlv(15, flags, family.afi.to_bytes(2) + bytes((family.safi,)) + routes)


def read(octets: bytes, negotiated: Negotiated = EXTERNAL) -> Update:
    """Decode a body that lies in the middle of a larger buffer."""
    return decode(b"before" + octets + b"behind", 6, 6 + len(octets), negotiated)


def prefixes(family: Family) -> st.SearchStrategy[bytes]:
    """Canonical keys that can be unicast routes."""

    def build(length: int, number: int) -> bytes:
        number = number >> family.bits - length << family.bits - length if length else 0
        return bytes((length,)) + number.to_bytes(family.octets)[: (length + 7) // 8]

    top = family.bits - 8
    first = 0x20 if family is IPV6_UNICAST else 10
    numbers = st.integers(first << top, (first + 1 << top) - 1)
    return st.builds(build, st.integers(8, family.bits) | st.just(0), numbers)


asns = st.integers(1, 0xFFFF_FFFF) | st.sampled_from([1, 23456, 65535, 65536, 65002])
_words = st.integers(0, 0xFFFF_FFFF)


@st.composite
def segments(draw: st.DrawFn, kinds: tuple[int, ...] = (1, 2, 3, 4)) -> tuple[int, tuple[int, ...]]:
    """An AS_PATH segment: type and numbers."""
    return draw(st.sampled_from(kinds)), tuple(draw(st.lists(asns, min_size=1, max_size=5)))


def path_octets(parts: list[tuple[int, tuple[int, ...]]], size: int = 4) -> bytes:
    """Return the value of AS_PATH, with numbers of that many octets."""
    return b"".join(
        bytes((kind, len(numbers))) + b"".join(n.to_bytes(size) for n in numbers) for kind, numbers in parts
    )


@st.composite
def blocks(draw: st.DrawFn, has_next_hop: bool = True) -> bytes:
    """A canonical block without fault for an external session."""
    parts = [tlv(1, 0x40, bytes((draw(st.integers(0, 2)),)))]
    parts.append(tlv(2, 0x40, path_octets(draw(st.lists(segments(kinds=(1, 2)), max_size=3)))))
    if has_next_hop:
        parts.append(tlv(3, 0x40, bytes((draw(st.integers(1, 126)), *draw(st.binary(min_size=3, max_size=3))))))
    several = st.lists(_words, min_size=1, max_size=80).map(lambda words: b"".join(w.to_bytes(4) for w in words))
    optional = {
        4: (0x80, st.binary(min_size=4, max_size=4)),
        6: (0x40, st.just(b"")),
        7: (0xC0, st.tuples(asns, st.binary(min_size=4, max_size=4)).map(lambda a: a[0].to_bytes(4) + a[1])),
        8: (0xC0, several),
        16: (0xC0, st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=4).map(b"".join)),
        25: (0xC0, st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=3).map(b"".join)),
        32: (0xC0, st.lists(st.binary(min_size=12, max_size=12), min_size=1, max_size=4, unique=True).map(b"".join)),
        35: (0xC0, st.binary(min_size=4, max_size=4)),
        99: (0xE0, st.binary(max_size=300)),
    }
    for code in sorted(draw(st.sets(st.sampled_from(sorted(optional))))):
        flags, values = optional[code]
        partial = 0x20 if flags == 0xC0 and draw(st.booleans()) else 0
        parts.append(tlv(code, flags | partial, draw(values)))
    return b"".join(parts)
