"""UPDATE as a grammar: what RFC 4271 4.3 and its extensions draw, said with construct and nothing of bgpd.

RFC 4271 4.3, RFC 1997, 4360, 4456, 4760, 5065, 5701, 6793, 7311, 7911, 8092, 9234. It parses and builds. It knows
layouts, not outcomes: an octet string either is an UPDATE or raises ConstructError. Parameters of a session, to parse
and build with: asn_size (octets of an AS number, 2 or 4) and path_ids (the (afi, safi) whose routes carry a path
identifier).
"""

from typing import Final

from construct import (
    BitsInteger,
    BitStruct,
    Bytes,
    Check,
    Construct,
    Container,
    Flag,
    GreedyBytes,
    GreedyRange,
    If,
    IfThenElse,
    Int8ub,
    Int16ub,
    Int32ub,
    Prefixed,
    PrefixedArray,
    Struct,
    Switch,
    Terminated,
    this,
)

ADDRESS_BITS: Final = {1: 32, 2: 128}  # by AFI
IPV4_UNICAST: Final = (1, 1)


def every(element: Construct, least: int = 0) -> Construct:
    """Elements up to the end, at least so many, and nothing left over."""
    return Struct("all" / GreedyRange(element), Check(lambda here: len(here.all) >= least), Terminated)


def single(layout: Construct) -> Construct:
    """A value that is this and nothing else."""
    return Struct("it" / layout, Terminated)


def _routes_of(here: Container) -> tuple[int, int]:
    """The family of a prefix in an MP attribute: prefix, list, attribute's value."""
    return here._._.afi, here._._.safi


# 4271 4.3 and 7911 3: a length in bits, and as many octets as that needs
IPV4_ROUTES: Final = every(
    Struct(
        "path_id" / If(lambda here: IPV4_UNICAST in here._params.path_ids, Int32ub),
        "length" / Int8ub,
        Check(this.length <= ADDRESS_BITS[1]),
        "address" / Bytes((this.length + 7) // 8),
    )
)
MP_ROUTES: Final = IfThenElse(
    lambda here: here.afi in ADDRESS_BITS,
    every(
        Struct(
            "path_id" / If(lambda here: _routes_of(here) in here._params.path_ids, Int32ub),
            "length" / Int8ub,
            Check(lambda here: here.length <= ADDRESS_BITS[_routes_of(here)[0]]),
            "address" / Bytes((this.length + 7) // 8),
        )
    ),
    GreedyBytes,
)


def path(number: Construct) -> Construct:
    """4271 4.3 b and 5065 3: segments, none of them empty (7606 7.2) and without AS 0 (7607)."""
    return every(
        Struct(
            "kind" / Int8ub,
            Check(lambda here: 1 <= here.kind <= 4),
            "numbers" / PrefixedArray(Int8ub, number),
            Check(lambda here: len(here.numbers) > 0 and 0 not in here.numbers),
        )
    )


ASN: Final = IfThenElse(lambda here: here._params.asn_size == 4, Int32ub, Int16ub)
AGGREGATOR_ASN: Final = Struct("asn" / ASN, Check(this.asn > 0), "address" / Bytes(4), Terminated)

AIGP_TLV: Final = Struct("type" / Int8ub, "length" / Int16ub, Check(this.length >= 3), "value" / Bytes(this.length - 3))

VALUES: Final = {
    1: Struct("it" / Int8ub, Check(this.it <= 2), Terminated),
    2: path(ASN),
    3: single(Bytes(4)),
    4: single(Int32ub),
    5: single(Int32ub),
    6: Struct(Terminated),
    7: AGGREGATOR_ASN,
    8: every(Int32ub, least=1),
    9: single(Int32ub),
    10: every(Int32ub, least=1),
    14: Struct(
        "afi" / Int16ub,
        "safi" / Int8ub,
        "next_hop" / Prefixed(Int8ub, GreedyBytes),
        "reserved" / Int8ub,
        "routes" / MP_ROUTES,
    ),
    15: Struct("afi" / Int16ub, "safi" / Int8ub, "routes" / MP_ROUTES),
    16: every(Bytes(8), least=1),
    17: path(Int32ub),
    18: Struct("asn" / Int32ub, Check(this.asn > 0), "address" / Bytes(4), Terminated),
    25: every(Bytes(20), least=1),
    26: every(AIGP_TLV, least=1),
    32: every(Struct("administrator" / Int32ub, "first" / Int32ub, "second" / Int32ub), least=1),
    35: single(Int32ub),
}

# 4271 4.3: the length has two octets where the flags say so
ATTRIBUTE: Final = Struct(
    "flags"
    / BitStruct(
        "optional" / Flag,
        "transitive" / Flag,
        "partial" / Flag,
        "extended" / Flag,
        "unused" / BitsInteger(4),
    ),
    "code" / Int8ub,
    "value"
    / Prefixed(IfThenElse(this.flags.extended, Int16ub, Int8ub), Switch(this.code, VALUES, default=GreedyBytes)),
)

UPDATE: Final = Struct(
    "withdrawn" / Prefixed(Int16ub, IPV4_ROUTES),
    "attributes" / Prefixed(Int16ub, every(ATTRIBUTE)),
    "routes" / IPV4_ROUTES,
    Terminated,
)
