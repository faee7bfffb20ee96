"""Plain blocks: the attribute blocks that routers send every day, recognised by one regular expression. Hot.

RFC 4271 4.3 and section 5. A block is plain if its attributes are the common ones, without a fault, once each and in
ascending order, AS_PATH is one AS_SEQUENCE or empty, and all numbers of ASes have four octets. Lengths have one octet;
only AS_PATH may write its in two, as FRR always does. What is not plain is for ``block.parse_plainly``, which knows the
rules one by one and is what the tests hold this against.
"""

import re
from collections.abc import Iterable
from struct import Struct
from typing import Final

from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes.as_path import sequence
from bgpd.messages.attributes.model import Aggregator, Attributes, Origin
from bgpd.messages.attributes.spec import OPTIONAL, PARTIAL, TRANSITIVE

_LONGEST: Final = 255  # octets of a value with a length of one octet
_NUMBERS: Final = tuple(Struct(f"!{count}I") for count in range(_LONGEST // 4 + 1))
_LARGE: Final = Struct("!3I")
_ORIGINS: Final = {bytes((origin,)): origin for origin in Origin}
_AS_PATH_AT: Final = 4  # octets: behind ORIGIN
_SHORT_AS_PATH: Final = bytes((TRANSITIVE, 2))


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


_match: Final = re.compile(_block(), re.DOTALL).fullmatch


def read(block: bytes, next_hop: bytes | None, *, is_internal: bool) -> Attributes | None:
    """Return the attributes of a plain block, None = it is not plain.

    next_hop: of MP_REACH_NLRI, and no fault in it; None = NEXT_HOP must be in the block, as it must not be otherwise.
    is_internal: it comes over iBGP, so it may have LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST.
    """
    found = _match(block)
    if found is None:
        return None
    (
        origin, path, classic_next_hop, med, local_pref, atomic, aggregator, communities, originator, clusters,
        extended, large, otc,
    ) = found.groups()  # fmt: skip
    if next_hop is None:
        next_hop = classic_next_hop
        if next_hop is None:
            return None
    elif classic_next_hop is not None:
        return None
    attributes = Attributes()
    attributes.origin = _ORIGINS[origin]
    if len(path) > 1:
        as_path = sequence(path[1:])
        if as_path is None:  # AS 0 in it
            return None
        attributes.as_path = as_path
    attributes.next_hop = next_hop
    if med is not None:
        attributes.med = int.from_bytes(med)
    if communities is not None:
        attributes.communities = _NUMBERS[communities[0] >> 2].unpack_from(communities, 1)
    if is_internal:
        if local_pref is not None:
            attributes.local_pref = int.from_bytes(local_pref)
        if originator is not None:
            attributes.originator_id = BgpIdentifier(int.from_bytes(originator))
        if clusters is not None:
            attributes.cluster_list = _NUMBERS[clusters[0] >> 2].unpack_from(clusters, 1)
    elif local_pref is not None or originator is not None or clusters is not None:
        return None
    if atomic is not None:
        attributes.atomic_aggregate = True
    if aggregator is not None:
        asn = int.from_bytes(aggregator[:4])
        if not asn:
            return None
        attributes.aggregator = Aggregator(Asn(asn), aggregator[4:])
    if extended is not None:
        attributes.extended_communities = tuple([extended[at : at + 8] for at in range(1, len(extended), 8)])
    if large is not None:
        attributes.large_communities = (_LARGE.unpack(large),)
    if otc is not None:
        attributes.otc = Asn(int.from_bytes(otc))
    # The canonical length of AS_PATH has one octet
    is_short = block[_AS_PATH_AT] == TRANSITIVE
    attributes.octets = block if is_short else block[:_AS_PATH_AT] + _SHORT_AS_PATH + block[_AS_PATH_AT + 3 :]
    return attributes
