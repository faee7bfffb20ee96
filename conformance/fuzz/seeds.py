"""First inputs for each target, made from the messages of the tests: ``python -m conformance.fuzz.seeds`` writes them.

The names of the files are hashes of what is in them, as libFuzzer's are, so writing them again changes nothing.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Final

from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.kernel.reading import dump_request
from bgpd.messages.framing import HEADER_SIZE, frame
from bgpd.messages.keepalive import KEEPALIVE
from bgpd.messages.update import end_of_rib
from conformance.fuzz import sessions
from conformance.fuzz.connections import OPENINGS, RAW
from conformance.fuzz.targets import CORPUS, TARGETS
from tests.support import wire, wire_peer

_ROOT: Final = Path(__file__).parents[2]
_MANDATORY: Final = wire.ORIGIN + wire.AS_PATH + wire.NEXT_HOP
_TWO_OCTET_PATH: Final = bytes.fromhex("40 02 06 0202 fdea5ba0 c0 11 0a 0202 0000fdea 00030d40")
_OTHERS: Final = (
    wire.MED,
    wire.LOCAL_PREF,
    bytes.fromhex("40 06 00"),
    bytes.fromhex("c0 07 08 0000fdea 0a000001"),
    bytes.fromhex("c0 07 06 fdea 0a000001 c0 12 08 00030d40 0a000001"),
    wire.COMMUNITIES,
    bytes.fromhex("80 09 04 0a000009"),
    bytes.fromhex("80 0a 08 0a000001 0a000002"),
    bytes.fromhex("c0 10 08 0002fdea00000001"),
    bytes.fromhex("c0 19 14 0002 20010db8000000000000000000000001 0001"),
    bytes.fromhex("80 1a 0b 01 000b 0000000000000064"),
    bytes.fromhex("c0 20 0c 0000fdea 00000001 00000002"),
    bytes.fromhex("c0 23 04 0000fdea"),
    bytes.fromhex("e0 63 03 616263"),
    bytes.fromhex("d0 08 0004 ffffff01"),
)
_TEXTS: Final = (
    "65001", "1.10", "AS65001", "10.0.0.1", "10.0.0.0/8", "fd00::1", "fd00::/64", "::ffff:10.0.0.1", "65001:1",
    "64512:1:2", "*:666", "rt:65001:1", "ro:10.0.0.1:1", "no-export", "blackhole", "graceful-shutdown", "0/0", "::/0",
)  # fmt: skip
_QUERIES: Final = (
    "family=ipv4-unicast&limit=10", "prefix=10.0.0.0/8&longer=true", "prefix=fd00::1", "peer=a%2Fb&start=7", "longer",
    "prefix=10.0.0.0%2f8&family=ipv6-unicast", "limit=" + "9" * 12, "start=-1", "nonsense=1",
)  # fmt: skip


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yield name of a target and input."""
    yield from (("open", message.encode()[HEADER_SIZE:]) for message in OPENINGS if message is not None)
    yield "open", wire_peer.open_message(65002, "10.0.0.2", 90, b"")[HEADER_SIZE:]
    capabilities = wire_peer.four_octet_as(65002) + wire_peer.graceful_restart(60, flags=12)
    yield (
        "open",
        b"\4\xfd\xea\0\x5a\x0a\0\0\2\xff\xff"
        + pack("!HBH", len(capabilities) + 3, 2, len(capabilities))
        + capabilities,
    )
    for body in (b"\4\0", b"\6\2\5later", b"\6\4\x03\xc3\xa4\x0a", b"\6\x09\6\2\3bye", b"\2\1\0\4"):
        yield "notification", body
    for body in (b"\0\1\0\1", b"\0\2\1\1", b"\0\1\2\1", b"\0\1\0"):
        yield "route_refresh", body
        yield "codec", b"\5" + body
    yield "codec", b"\4"
    yield "codec", b"\3\6\2"
    for choice in (0, 1, 0x14, 0xFE):
        yield "framing", bytes((choice,)) + KEEPALIVE + end_of_rib(IPV6_UNICAST) + frame(3, b"\6\2") + KEEPALIVE[:10]
    for choice in (0, sessions.INTERNAL, sessions.CONFEDERATION):
        for block in _blocks():
            yield "attributes", bytes((choice, 0)) + block
            yield "update", bytes((choice,)) + wire.body(block, wire.ROUTE)
    narrow = wire.ORIGIN + _TWO_OCTET_PATH[:9] + wire.NEXT_HOP + _TWO_OCTET_PATH[9:]
    yield "attributes", bytes((sessions.TWO_OCTETS, 0)) + narrow
    yield "attributes", bytes((0, 2)) + wire.MP_MANDATORY
    yield from _updates()
    for choice, field in ((0, "180a0001 00 20c0000201"), (1, "2020010db8 40fd00000000000001"), (2, "00000001180a0001")):
        yield "nlri", bytes((choice,)) + bytes.fromhex(field)
    yield from _connections()
    for file in sorted((_ROOT / "examples").glob("*.toml")):
        yield "configuration", file.read_bytes()
    yield "kernel", dump_request(IPV4_UNICAST, 254, 1)
    yield from (("kernel", datagram) for datagram in _datagrams())
    yield from (("query", text.encode()) for text in _QUERIES)
    yield from (("words", text.encode()) for text in _TEXTS)


def _blocks() -> Iterator[bytes]:
    yield _MANDATORY
    yield from (_MANDATORY + other for other in _OTHERS)
    yield bytes.fromhex("40 01 01 00 40 02 14 0301 0000fde9 0202 0000fdea 00030d40 0101 00000001") + wire.NEXT_HOP


def _updates() -> Iterator[tuple[str, bytes]]:
    bodies = (
        wire.body(withdrawn=wire.ROUTE),
        wire.body(),
        wire.body(wire.reach(wire.GLOBAL, wire.ROUTE6) + wire.MP_MANDATORY),
        wire.body(wire.reach(wire.GLOBAL + wire.LINK_LOCAL, wire.ROUTE6 + b"\0") + wire.MP_MANDATORY, wire.ROUTE),
        wire.body(wire.unreach(wire.ROUTE6)),
        wire.body(wire.unreach(b"")),
        wire.body(wire.reach(wire.GLOBAL, wire.ROUTE, IPV4_UNICAST) + wire.MP_MANDATORY),
        wire.body(wire.MANDATORY, b"\x19\x0a\0\1\xff"),
        wire.body(wire.MANDATORY, b"\x04\xe0"),
    )
    for body in bodies:
        yield "update", b"\0" + body
    yield "update", bytes((sessions.EXTENDED_NEXT_HOP,)) + bodies[6]
    yield "update", bytes((sessions.PATH_ID_IPV4,)) + wire.body(wire.MANDATORY, b"\0\0\0\1" + wire.ROUTE)
    routes = b"\0\0\0\7" + wire.ROUTE6
    yield "update", bytes((sessions.PATH_ID_IPV6,)) + wire.body(wire.reach(wire.GLOBAL, routes) + wire.MP_MANDATORY)


def _connections() -> Iterator[tuple[str, bytes]]:
    """Conversations: messages to be framed behind each OPEN, and streams that start with one."""

    def items(*messages: tuple[int, bytes]) -> bytes:
        return b"".join(bytes((kind,)) + len(body).to_bytes(2) + body for kind, body in messages)

    path = bytes.fromhex("40 02 06 0201 0000fdea")
    announced = wire.body(wire.ORIGIN + path + wire.NEXT_HOP, bytes.fromhex("18 0a0909 18 c63364"))
    withdrawn = wire.body(withdrawn=bytes.fromhex("18 0a0909"))
    reached = wire.body(wire.reach(wire.GLOBAL, wire.ROUTE6) + wire.ORIGIN + path)
    for choice in range(1, len(OPENINGS)):
        yield "connection", bytes((choice, 0)) + items((2, announced), (2, reached), (2, wire.body()), (2, withdrawn))
        yield (
            "connection",
            bytes((choice, 0)) + items((5, b"\0\1\0\1"), (5, b"\0\1\1\1"), (2, announced), (5, b"\0\1\2\1")),
        )
        yield "connection", bytes((choice, 7)) + items((2, announced), (3, b"\6\x09\6\2"))
    for message in OPENINGS:
        if message is not None:
            yield "connection", bytes((RAW, 0)) + message.encode() + KEEPALIVE + frame(2, announced) + KEEPALIVE
    yield "connection", b"\0\0" + items((1, OPENINGS[1].encode()[HEADER_SIZE:]), (4, b""), (2, announced), (9, b""))  # type: ignore[union-attr]


def _datagrams() -> Iterator[bytes]:
    """Netlink as the kernel writes it (rtnetlink(7)): routes, a link, an address, an error with its text."""

    def attribute(code: int, value: bytes) -> bytes:
        return pack("=HH", 4 + len(value), code) + value + bytes(-len(value) % 4)

    def message(kind: int, body: bytes, flags: int = 2) -> bytes:
        return pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body

    table, out = attribute(15, pack("=I", 254)), attribute(4, pack("=I", 2))
    route = pack("=BBBBBBBBI", 2, 24, 0, 0, 254, 186, 0, 1, 0) + table
    leg = pack("=HBBI", 16, 0, 0, 2) + attribute(5, bytes((10, 0, 0, 1)))
    via = attribute(18, pack("=H", 10) + wire.LINK_LOCAL)
    yield message(24, route + attribute(1, bytes((10, 0, 1, 0))) + attribute(5, bytes((10, 0, 0, 1))) + out)
    yield message(24, route + attribute(1, bytes((10, 0, 1, 0))) + attribute(9, leg + leg))
    yield message(25, pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + table + via + out)
    yield message(24, pack("=BBBBBBBBI", 10, 64, 0, 0, 254, 3, 0, 7, 0) + table + attribute(1, wire.GLOBAL))
    yield message(16, pack("=BxHiII", 0, 1, 2, 0x10043, 0) + attribute(3, b"eth0\0"))
    yield message(
        20, pack("=BBBBI", 2, 24, 0, 0, 2) + attribute(1, bytes((10, 0, 0, 1))) + attribute(2, bytes((10, 0, 0, 1)))
    )
    yield message(2, pack("=i", -17) + pack("=IHHII", 28, 24, 0, 1, 0) + attribute(1, b"File exists\0"), flags=0x300)


def main() -> None:
    """Write all seeds into the corpus."""
    for name in TARGETS:
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for name, octets in seeds():
        (CORPUS / name / hashlib.sha1(octets).hexdigest()).write_bytes(octets)


if __name__ == "__main__":
    main()
