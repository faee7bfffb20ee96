"""Plain blocks: the attribute blocks that routers send every day, recognised by one regular expression. Hot.

RFC 4271 4.3 and section 5. A block is plain if its attributes are the common ones, without a fault, once each and in
ascending order, AS_PATH is one AS_SEQUENCE or empty, and all numbers of ASes have four octets. Lengths have one octet;
only AS_PATH may write its in two, as FRR always does. What is not plain is for ``block.parse_plainly``, which knows the
rules one by one and is what the tests hold this against.
"""

import re
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes.as_path import sequence
from bgpd.messages.attributes.model import EMPTY_AS_PATH, Aggregator, Attributes, Origin
from bgpd.messages.attributes.spec import EXTENDED_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE

_LONGEST: Final = 255  # octets of a value with a length of one octet
_NUMBERS: Final = tuple(Struct(f"!{count}I") for count in range(_LONGEST // 4 + 1))
_number: Final = Struct("!I").unpack_from
_LARGE: Final = Struct("!3I")
_ORIGINS: Final = {bytes((origin,)): origin for origin in Origin}
_AS_PATH_AT: Final = 4  # octets: behind ORIGIN
_SHORT_AS_PATH: Final = bytes((TRANSITIVE, 2))
_LONG_AS_PATH: Final = bytes((TRANSITIVE | EXTENDED_LENGTH, 2, 0))
_USUAL: Final = 16  # AS numbers; that a path has more is seldom
_AS_PATH_SIZE_AT: Final = 6
_AS_PATH_VALUE_AT: Final = 7
_TO_NEXT_HOP: Final = _AS_PATH_VALUE_AT + 3  # and what AS_PATH has
_MED: Final = 4
_LOCAL_PREF: Final = 5
_FIXED: Final = 7  # octets of NEXT_HOP, MED and LOCAL_PREF
_ZERO: Final = bytes(4)
_RARE: Final = 0xFF
_WELL_KNOWN: Final = b"\xff\xff"  # the upper half of each well-known community (RFC 1997)


def _octet(value: int) -> bytes:
    return re.escape(bytes((value,)))


def _any(values: Iterable[bytes]) -> bytes:
    return b"(?:" + b"|".join(values) + b")"


def _one(code: int, flags: int, size: int) -> bytes:
    """Return the expression of an attribute that may be absent, its value in a group."""
    return b"(?:" + _head(code, flags) + _octet(size) + b"(.{%d}))?" % size


def _list(code: int, flags: int, size: int) -> bytes:
    """Return that of one with one or more items; the group holds the octet of the length, too."""
    sizes = range(size, _LONGEST + 1, size)
    return b"(?:" + _head(code, flags) + b"(" + _any(_octet(each) + b".{%d}" % each for each in sizes) + b"))?"


def _head(code: int, flags: int) -> bytes:
    partial = flags | PARTIAL if flags & OPTIONAL and flags & TRANSITIVE else flags
    return b"[" + _octet(flags) + _octet(partial) + b"]" + _octet(code)


def _sequence() -> bytes:
    """Return the expression of the length and the value of an AS_PATH; the group holds both."""
    counts = range(1, (_LONGEST - 2) // 4 + 1)
    return b"(\0|" + _any(_octet(2 + 4 * n) + b"\x02" + _octet(n) + b".{%d}" % (4 * n) for n in counts) + b")"


def _block() -> bytes:
    both = OPTIONAL | TRANSITIVE
    return b"".join(
        (
            b"@\x01\x01([\0-\2])(?:@\x02|P\x02\0)",
            _sequence(),
            b"(?:@\x03\x04([\x01-\xdf].{3}))?",  # what ``next_hop.fault`` lets pass
            _one(4, OPTIONAL, 4),
            _one(5, TRANSITIVE, 4),
            b"(@\x06\0)?",
            _one(7, both, 8),
            _list(8, both, 4),
            _one(9, OPTIONAL, 4),
            _list(10, OPTIONAL, 4),
            _list(16, both, 8),
            _one(32, both, 12),  # one large community; several may be the same twice
            _one(35, both, 4),
        )
    )


def _everyday(*, is_internal: bool, has_next_hop: bool) -> Callable[[bytes], object]:
    """Return what matches everyday blocks but for some that are seldom; well-known communities it lets pass.

    AS 0 is looked for on the way, and there are no groups: to fill them takes longer than to match.
    """
    both = OPTIONAL | TRANSITIVE
    number = b"(?!\0\0\0\0)...."
    counts = range(1, _USUAL + 1)
    sequences = [_octet(2 + 4 * count) + b"\x02" + _octet(count) + number * count for count in counts]
    communities = [_octet(size) + b".{%d}" % size for size in range(4, _LONGEST + 1, 4)]
    parts = (
        b"@\x01\x01[\0-\2]@\x02",
        _any((b"\0", *sequences)),
        b"@\x03\x04[\x01-\xdf]..." if has_next_hop else b"",
        b"(?:" + _head(4, OPTIONAL) + b"\x04....)?",
        b"(?:" + _head(5, TRANSITIVE) + b"\x04....)?" if is_internal else b"",
        b"(?:@\x06\0)?",
        b"(?:" + _head(7, both) + b"\x08" + number + b"....)?",
        b"(?:" + _head(8, both) + _any(communities) + b")?",
        b"(?:" + _head(32, both) + b"\x0c.{12})?",
    )
    return re.compile(b"".join(parts), re.DOTALL).fullmatch


_match: Final = re.compile(_block(), re.DOTALL).fullmatch


Reader = Callable[[bytes, bytes | None], Attributes | None]


class PlainAttributes(Attributes):
    """The attributes of a plain block, which are taken apart when the first of them is asked for.

    What every path needs is there at once; most of the others nobody ever asks for.
    """

    __slots__ = ()

    # What a plain block never has
    ipv6_extended_communities = ()
    aigp = None
    unknown = ()
    faults = ()

    def __getattr__(self, name: str) -> object:
        """Take the block apart, as a slot is empty yet."""
        if name not in _SLOTS:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        _take_apart(self)
        return object.__getattribute__(self, name)


class EverydayAttributes(PlainAttributes):
    """Those that are everyday (see ``Attributes``)."""

    __slots__ = ()

    is_everyday = True


_SLOTS: Final = frozenset(Attributes.__slots__)


def reader(*, is_internal: bool, next_hop_fault: Callable[[bytes], str]) -> Reader:
    """Return what reads blocks that come over iBGP, or over eBGP.

    It takes a block and the next hop of MP_REACH_NLRI, None = NEXT_HOP must be in the block, as it must not be
    otherwise. It returns None for a block that is not plain. is_internal: there may be LOCAL_PREF, ORIGINATOR_ID and
    CLUSTER_LIST. next_hop_fault: returns what is wrong with a next hop of MP_REACH_NLRI, empty = nothing.
    """
    make = object.__new__
    match_classic = _everyday(is_internal=is_internal, has_next_hop=True)
    match_rest = _everyday(is_internal=is_internal, has_next_hop=False)

    def read(block: bytes, next_hop: bytes | None) -> Attributes | None:
        octets, match = block, match_classic if next_hop is None else match_rest
        if match(octets) is None:
            octets = _canonical(block)
            if octets is block or match(octets) is None:
                return read_any(block, next_hop)
        if _RARE in octets and octets.find(_WELL_KNOWN) >= 0:  # in a community, or elsewhere
            return read_any(block, next_hop)
        if next_hop is None:
            at = octets[_AS_PATH_SIZE_AT] + _TO_NEXT_HOP
            next_hop = octets[at : at + 4]
        elif next_hop_fault(next_hop):
            return None
        attributes = make(EverydayAttributes)  # without a call of __init__, this is made for every path
        attributes.octets = octets
        attributes.next_hop = next_hop
        return attributes

    def read_any(block: bytes, next_hop: bytes | None) -> Attributes | None:
        found = _match(block)
        if found is None:
            return None
        (
            _, path, classic, _, local_pref, _, aggregator, communities, originator, clusters, extended, _, otc,
        ) = found.groups()  # fmt: skip
        if next_hop is None:
            next_hop = classic
            if next_hop is None:
                return None
        elif classic is not None or next_hop_fault(next_hop):
            return None
        if path.find(_ZERO) >= 0 and sequence(path[1:]) is None:  # AS 0 in it
            return None
        if aggregator is not None and aggregator.startswith(_ZERO):
            return None
        is_inner = originator is not None or clusters is not None
        if not is_internal and (is_inner or local_pref is not None):
            return None
        is_everyday = (
            otc is None
            and extended is None
            and not is_inner
            and (communities is None or communities.find(_WELL_KNOWN) < 0)
        )
        attributes = make(EverydayAttributes if is_everyday else PlainAttributes)
        attributes.octets = _canonical(block)
        attributes.next_hop = next_hop
        return attributes

    return read


def _canonical(block: bytes) -> bytes:
    """Return the block with a length of AS_PATH that has one octet, if it begins as a plain one with two."""
    if block.startswith(_LONG_AS_PATH, _AS_PATH_AT):
        return block[:_AS_PATH_AT] + _SHORT_AS_PATH + block[_AS_PATH_AT + len(_LONG_AS_PATH) :]
    return block


def preferences(octets: bytes) -> tuple[int, int | None]:
    """Return MED, 0 = absent, and LOCAL_PREF of the octets of everyday attributes, without taking them apart."""
    med, local_pref = 0, None
    at, size = octets[_AS_PATH_SIZE_AT] + _AS_PATH_VALUE_AT, len(octets)
    while at < size:
        code = octets[at + 1]
        if code > _LOCAL_PREF:
            break
        if code == _MED:
            (med,) = _number(octets, at + 3)
        elif code == _LOCAL_PREF:
            (local_pref,) = _number(octets, at + 3)
        at += _FIXED
    return med, local_pref


def _take_apart(attributes: PlainAttributes) -> None:
    """Set what is not set yet."""
    found = _match(attributes.octets)
    assert found is not None, "the canonical form of a plain block is plain"
    (
        origin, path, _, med, local_pref, atomic, aggregator, communities, originator, clusters, extended, large, otc,
    ) = found.groups()  # fmt: skip
    attributes.origin = _ORIGINS[origin]
    attributes.as_path = sequence(path[1:]) or EMPTY_AS_PATH
    attributes.med = None if med is None else int.from_bytes(med)
    attributes.local_pref = None if local_pref is None else int.from_bytes(local_pref)
    attributes.atomic_aggregate = atomic is not None
    attributes.aggregator = (
        None if aggregator is None else Aggregator(Asn(int.from_bytes(aggregator[:4])), aggregator[4:])
    )
    attributes.communities = () if communities is None else _NUMBERS[communities[0] >> 2].unpack_from(communities, 1)
    attributes.originator_id = None if originator is None else BgpIdentifier(int.from_bytes(originator))
    attributes.cluster_list = () if clusters is None else _NUMBERS[clusters[0] >> 2].unpack_from(clusters, 1)
    attributes.extended_communities = (
        () if extended is None else tuple([extended[at : at + 8] for at in range(1, len(extended), 8)])
    )
    attributes.large_communities = () if large is None else (_LARGE.unpack(large),)
    attributes.otc = None if otc is None else Asn(int.from_bytes(otc))
