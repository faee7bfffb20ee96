"""All targets by name, and what the fuzzer should know of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from conformance.fuzz.connections import connection
from conformance.fuzz.documents import configuration, kernel, query, words
from conformance.fuzz.messages import any_message, framing, notifying, opening_message, refreshing
from conformance.fuzz.updates import attributes, routes, updating

CORPUS: Final = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Target:
    """One target. run: takes an input. longest: octets of an input. words: pieces that inputs are made of."""

    run: Callable[[bytes], None]
    longest: int
    words: tuple[bytes, ...] = ()


_MARKER: Final = b"\xff" * 16
_FAMILIES: Final = (b"\0\1\1", b"\0\2\1", b"\0\1\0\1", b"\0\2\0\1")
_ATTRIBUTES: Final = tuple(
    bytes((flags, code))
    for flags, codes in (
        (0x40, (1, 2, 3, 5, 6)),
        (0x80, (4, 9, 10, 14, 15, 26)),
        (0xC0, (7, 8, 16, 17, 18, 25, 32, 35)),
    )
    for code in codes
)
_MESSAGES: Final = tuple(
    _MARKER + bytes((0, length, kind)) for kind, length in ((1, 29), (2, 23), (3, 21), (4, 19), (5, 23))
)
_CAPABILITIES: Final = tuple(bytes((code, 0)) for code in (1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73))
_TOML: Final = (
    b"[node]\n", b"[session]\n", b"[[peer]]\n", b"[[peer_range]]\n", b"[[network]]\n", b"[[policy]]\n", b"[[pool]]\n",
    b"[kernel]\n", b"[[kernel.learn]]\n", b"[mesh]\n", b"[http]\n", b"[control]\n", b"[log]\n", b"[etcd]\n", b"asn = ",
    b"name = ", b"address = ", b"prefix = ", b"rules = [{ ", b" }]", b"import = [", b"export = [", b"families = [",
    b"action = ", b"match_", b"set_", b"hold_time = ", b"password = ", b'"internal"', b'"external"', b"true", b"inf",
    b"nan", b"1979-05-27T07:32:00Z", b"0x", b"10.0.0.0/8", b"fd00::/64", b"65001:1", b"64512:1:2", b"rt:1:1",
)  # fmt: skip
_PARAMETERS: Final = (b"family=", b"prefix=", b"longer=", b"peer=", b"start=", b"limit=", b"&", b"%2F", b"ipv4-unicast")

TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "framing": Target(framing, 512, _MESSAGES),
        "open": Target(opening_message, 600, (*_CAPABILITIES, *_FAMILIES, b"\xff\xff")),
        "notification": Target(notifying, 300, (b"\6\2", b"\6\4", b"\6\x09")),
        "route_refresh": Target(refreshing, 16, _FAMILIES),
        "codec": Target(any_message, 128, _FAMILIES),
        "update": Target(updating, 512, (*_ATTRIBUTES, *_FAMILIES)),
        "attributes": Target(attributes, 512, _ATTRIBUTES),
        "nlri": Target(routes, 128),
        "connection": Target(connection, 512, (*_MESSAGES, *_ATTRIBUTES, *_FAMILIES)),
        "configuration": Target(configuration, 2048, _TOML),
        "kernel": Target(kernel, 512),
        "query": Target(query, 8192, _PARAMETERS),
        "words": Target(words, 64, (b"rt:", b"ro:", b"/", b"::", b"::ffff:", b".", b"*", b"no-export", b"blackhole")),
    }
)
