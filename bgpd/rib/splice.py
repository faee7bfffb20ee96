"""Splices: the UPDATE that tells a group of an everyday path, cut from the path's own block without taking it apart.

RFC 4271 5.1 and 9.2, RFC 4456 section 8. Hot. A rule says once which checks of ``export`` can matter at all and what is
put in; a path then costs a look at a few octets and a join of slices. What a splice does not know at a glance it
leaves: b"" sends the caller to ``export.refusal`` and ``export.rewrite``, which know every rule and are what the tests
hold this against. A path's block is canonical: ORIGIN has 4 octets, then comes AS_PATH, then those of NEXT_HOP, MED and
LOCAL_PREF that there are with 7 octets each, then the others by their codes.
"""

from collections.abc import Callable, Sequence
from typing import Final

from bgpd.identity import PeerType
from bgpd.messages.attributes.model import Origin, SegmentType
from bgpd.messages.attributes.spec import EXTENDED_LENGTH, OPTIONAL, TRANSITIVE, tlv
from bgpd.messages.update import announcer
from bgpd.rib.export import (
    DEFAULT_LOCAL_PREF_ATTRIBUTE,
    ExportRule,
    NextHopMode,
    next_hop_fields,
    surely_fits,
    told_next_hop,
)
from bgpd.rib.path import Path

Frame = Callable[[bytes, Sequence[bytes]], bytes]
Splice = Callable[[Path, Sequence[bytes]], bytes]
"""(path, prefixes) → the framed UPDATE that announces them; b"" = ask the rules one by one."""

_ORIGIN, _AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF = 1, 2, 3, 4, 5
_ORIGINATOR_ID, _CLUSTER_LIST = 9, 10
_AS_PATH_AT: Final = 4
_AS_PATH_SIZE: Final = 6  # where its length is, if that has one octet
_AS_PATH_VALUE: Final = 7
_NUMBERS: Final = 9  # where those of its one sequence begin
_LONGEST: Final = 255  # octets of a value with a length of one octet
_MOST: Final = (_LONGEST - 2) // 4  # AS numbers in a sequence
_FIXED: Final = 7  # octets of an attribute with a value of four
_IDENTIFIER: Final = 4  # octets
_SHORT_AS_PATH: Final = bytes((TRANSITIVE, _AS_PATH))
_ORIGINATOR: Final = bytes((OPTIONAL, _ORIGINATOR_ID, _IDENTIFIER))
# What does not go to another AS, or not all of it: ORIGINATOR_ID, CLUSTER_LIST, both extended communities, AIGP
_NOT_PASSED_ON: Final = frozenset({_ORIGINATOR_ID, _CLUSTER_LIST, 16, 25, 26})
# 1997: the communities that hold a route back begin so. To look for one octet first takes a third of the time.
_WELL_KNOWN: Final = b"\xff\xff\xff"
_RARE: Final = 0xFF
_MEMO: Final = 4096  # next hops

_EXTERNAL: Final = PeerType.EXTERNAL
_INTERNAL: Final = PeerType.INTERNAL


def splice(rule: ExportRule) -> Splice:
    """Return what makes the UPDATEs for everyday paths; policy must have let the path pass as it is."""
    if not _is_everyday(rule):
        return never
    return _to_external(rule) if rule.peer_type is _EXTERNAL else _to_internal(rule)


def never(path: Path, prefixes: Sequence[bytes]) -> bytes:
    """Leave every path to the rules one by one."""
    del path, prefixes
    return b""


def surely_passes(rule: ExportRule) -> Callable[[Path], bool]:
    """Return what sees at a glance that ``export.refusal`` has nothing against a path; False says nothing."""
    if not _is_everyday(rule):
        return lambda _: False
    cluster = b"" if rule.cluster_id is None else rule.cluster_id.to_bytes(_IDENTIFIER)
    is_internal, is_client = rule.peer_type is _INTERNAL, rule.is_client

    def passes(path: Path) -> bool:
        attributes = path.attributes
        octets = attributes.octets
        if path.is_stale or not (attributes.is_everyday or _is_harmless(octets)):
            return False
        if not is_internal or path.source.peer_type is not _INTERNAL:
            return True
        return (path.is_from_client or is_client) and octets.find(cluster) < 0  # b"" is found everywhere

    return passes


def _is_everyday(rule: ExportRule) -> bool:
    """Do only well-known communities, reflection and a stale path's age hold paths back, and is there a next hop?"""
    return (
        rule.peer_type in (_EXTERNAL, _INTERNAL)
        and rule.four_octet_as
        and rule.role is None
        and not rule.denies_all
        and not rule.is_last_resort
        and bool(rule.next_hop_self)
    )


def _to_external(rule: ExportRule) -> Splice:
    """Return the splice for another AS: ours in front of AS_PATH, our next hop, neither MED nor LOCAL_PREF."""
    if rule.next_hop_mode is NextHopMode.KEEP:
        return never
    hop, next_hop = next_hop_fields(rule, rule.next_hop_self)
    starts, frame, join = _starts(rule), announcer(rule.family, next_hop, rule.max_message), b"".join
    longest = surely_fits(rule)

    def message(path: Path, prefixes: Sequence[bytes]) -> bytes:
        attributes = path.attributes
        octets = attributes.octets
        start, size = starts.get(octets[:_NUMBERS]), len(octets)
        if start is None or path.is_stale or size > longest:
            return b""
        behind = at = _AS_PATH_VALUE + octets[_AS_PATH_SIZE]
        while at < size and octets[at + 1] <= _LOCAL_PREF:
            at += _FIXED
        if not attributes.is_everyday and not (_is_harmless(octets) and _is_passed_on(octets, at)):
            return b""
        return frame(join((start, octets[_NUMBERS:behind], hop, octets[at:])), prefixes)

    return message


def _starts(rule: ExportRule) -> dict[bytes, bytes]:
    """Return how a block begins, up to the first number of an AS_PATH of one sequence → how it does with ours."""
    ours = [rule.local_asn] if rule.real_asn is None else [rule.local_asn, rule.real_asn]
    numbers = b"".join(asn.to_bytes(4) for asn in ours)
    return {
        _start(origin, count): _start(origin, count + len(ours)) + numbers
        for origin in Origin
        for count in range(1, _MOST - len(ours) + 1)
    }


def _start(origin: Origin, count: int) -> bytes:
    as_path = bytes((TRANSITIVE, _AS_PATH, 2 + 4 * count, SegmentType.AS_SEQUENCE, count))
    return tlv(_ORIGIN, TRANSITIVE, bytes((origin,))) + as_path


def _is_harmless(octets: bytes) -> bool:
    """Is there surely no community that holds a route back?"""
    return _RARE not in octets or octets.find(_WELL_KNOWN) < 0


def _is_passed_on(octets: bytes, position: int) -> bool:
    """Are all attributes from here on passed to another AS as they are?"""
    size = len(octets)
    while position < size:
        if octets[position + 1] in _NOT_PASSED_ON:
            return False
        position = _next(octets, position)
    return True


def _next(octets: bytes, position: int) -> int:
    """Return where the attribute behind this one begins."""
    if octets[position] & EXTENDED_LENGTH:
        return position + 4 + (octets[position + 2] << 8 | octets[position + 3])
    return position + 3 + octets[position + 2]


def _to_internal(rule: ExportRule) -> Splice:
    """Return the splice for our own AS: LOCAL_PREF is there, and what a reflector puts in where it reflects."""
    passes, longest, join = surely_passes(rule), surely_fits(rule), b"".join
    known: dict[bytes, tuple[bytes, Frame]] = {}
    cluster = b"" if rule.cluster_id is None else rule.cluster_id.to_bytes(_IDENTIFIER)
    cluster_list = tlv(_CLUSTER_LIST, OPTIONAL, cluster)

    def message(path: Path, prefixes: Sequence[bytes]) -> bytes:
        attributes, source = path.attributes, path.source
        octets = attributes.octets
        size = len(octets)
        is_known = octets[_AS_PATH_AT:_AS_PATH_SIZE] == _SHORT_AS_PATH  # behind an unknown attribute 0 it is not there
        if not is_known or size > longest or source.peer_type is None or not passes(path):
            return b""
        hop, frame = known.get(attributes.next_hop) or _way(path, rule, known)
        behind = at = _AS_PATH_VALUE + octets[_AS_PATH_SIZE]
        if at < size and octets[at + 1] == _NEXT_HOP:
            at += _FIXED
        stop = at
        if stop < size and octets[stop + 1] == _MED:
            stop += _FIXED
        local_pref = DEFAULT_LOCAL_PREF_ATTRIBUTE
        if stop < size and octets[stop + 1] == _LOCAL_PREF:
            stop += _FIXED
            local_pref = b""
        rest = octets[stop:]
        if source.peer_type is _INTERNAL:
            originator = _ORIGINATOR + source.identifier.to_bytes(_IDENTIFIER)
            # No more than one attribute, with a length of one octet, which stands before them
            if not rest or (rest[1] < _ORIGINATOR_ID and 3 + rest[2] == size - stop and not rest[0] & EXTENDED_LENGTH):
                rest = join((rest, originator, cluster_list))
            else:
                rest = _reflected(rest, originator, cluster)
        return frame(join((octets[:behind], hop, octets[at:stop], local_pref, rest)), prefixes)

    return message


def _reflected(rest: bytes, originator: bytes, cluster: bytes) -> bytes:
    """Return the attributes behind LOCAL_PREF as they are reflected (see ``reflector.attributes``).

    originator: the attribute, if there is none. cluster: our identifier, goes in front of CLUSTER_LIST.
    """
    at, size = 0, len(rest)
    while at < size and rest[at + 1] < _ORIGINATOR_ID:
        at = _next(rest, at)
    if at < size and rest[at + 1] == _ORIGINATOR_ID:
        at += _FIXED
        originator = b""
    behind = at
    if at < size and rest[at + 1] == _CLUSTER_LIST:
        behind = _next(rest, at)
        cluster += rest[at + (4 if rest[at] & EXTENDED_LENGTH else 3) : behind]
    return b"".join((rest[:at], originator, tlv(_CLUSTER_LIST, OPTIONAL, cluster), rest[behind:]))


def _way(path: Path, rule: ExportRule, known: dict[bytes, tuple[bytes, Frame]]) -> tuple[bytes, Frame]:
    """Return a peer's path's NEXT_HOP, if it has one, and what makes the message; known: by the next hop received."""
    if len(known) >= _MEMO:
        known.clear()
    hop, next_hop = next_hop_fields(rule, told_next_hop(path, rule))
    found = known[path.attributes.next_hop] = (hop, announcer(rule.family, next_hop, rule.max_message))
    return found
