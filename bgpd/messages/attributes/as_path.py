"""AS_PATH: the ASes that a route went through, the nearest first.

RFC 4271 4.3 b, 5.1.2; RFC 6793 (four-octet numbers, AS_TRANS); RFC 5065 (confederation segments); malformed: RFC 7606
7.2; AS 0: RFC 7607. A list of segments: type (1 octet), how many numbers (1), the numbers of four octets each, two on
an old session. Everything here but ``decode`` and ``encode`` is in four-octet form.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from bgpd.errors import UpdateSubcode
from bgpd.identity import AS_TRANS, Asn
from bgpd.messages.attributes.model import EMPTY_AS_PATH, AsPath, SegmentType
from bgpd.messages.attributes.spec import (
    OPTIONAL,
    TRANSITIVE,
    WELL_KNOWN,
    AttributeSpec,
    Malformed,
    Outcome,
    tlv,
)
from bgpd.messages.negotiated import Negotiated

Segment = tuple[SegmentType, tuple[Asn, ...]]

_AS_PATH: Final = 2
_AS4_PATH: Final = 17
_LONGEST: Final = 255  # numbers in a segment
_SEQUENCE: Final = int(SegmentType.AS_SEQUENCE)
_SET: Final = int(SegmentType.AS_SET)
_CONFEDERATION: Final = (int(SegmentType.AS_CONFED_SEQUENCE), int(SegmentType.AS_CONFED_SET))
_KINDS: Final = frozenset(map(int, SegmentType))
_NUMBERS: Final = tuple(Struct(f"!2x{count}I") for count in range(_LONGEST + 1))  # a segment, by how many it has
_ZERO: Final = bytes(4)


_new: Final = object.__new__
_set_octets, _set_length, _set_neighbour = (getattr(AsPath, name).__set__ for name in ("octets", "length", "neighbour"))


def decode(value: bytes, negotiated: Negotiated) -> AsPath:
    """Return the path. Raises Malformed."""
    return from_octets(value if negotiated.four_octet_as else _widen(value))


def encode(path: AsPath, negotiated: Negotiated) -> bytes:
    """Return the value's octets; AS4_PATH for what a two-octet session cannot say is the caller's."""
    return path.octets if negotiated.four_octet_as else narrow(path)


def from_octets(value: bytes) -> AsPath:
    """Return the path of a value in four-octet form. Raises Malformed."""
    return sequence(value) or _from_any_octets(value)


def sequence(value: bytes) -> AsPath | None:
    """Return the path of a value that is one AS_SEQUENCE without fault, the common case; None = it is not."""
    if len(value) < 2 or value[0] != _SEQUENCE:
        return None
    count = value[1]
    if len(value) != 2 + 4 * count or not count or (_ZERO in value and 0 in _NUMBERS[count].unpack(value)):
        return None
    # AsPath(...), in half the time that a frozen dataclass takes
    path = _new(AsPath)
    _set_octets(path, value)
    _set_length(path, count)
    _set_neighbour(path, int.from_bytes(value[2:6]))
    return path


def _from_any_octets(value: bytes) -> AsPath:
    if not value:
        return EMPTY_AS_PATH
    length, neighbour = 0, -1
    for start in segment_starts(value):
        kind, count = value[start], value[start + 1]
        stop = start + 2 + 4 * count
        if any(value[at : at + 4] == _ZERO for at in range(start + 2, stop, 4)):
            raise Malformed("AS number 0", UpdateSubcode.MALFORMED_AS_PATH)
        if kind in _CONFEDERATION:
            continue
        is_sequence = kind == _SEQUENCE
        length += count if is_sequence else 1
        if neighbour < 0:
            neighbour = int.from_bytes(value[start + 2 : start + 6]) if is_sequence else 0
    return AsPath(value, length, max(neighbour, 0))


def segment_starts(value: bytes, number_size: int = 4) -> list[int]:
    """Return where each segment starts. Raises Malformed (RFC 7606 7.2)."""
    starts: list[int] = []
    position, size = 0, len(value)
    while position < size:
        if size - position < 2:
            raise Malformed("one octet is left behind the last segment", UpdateSubcode.MALFORMED_AS_PATH)
        kind, count = value[position], value[position + 1]
        if kind not in _KINDS:
            raise Malformed(f"a segment of unknown type {kind}", UpdateSubcode.MALFORMED_AS_PATH)
        if not count:
            raise Malformed("a segment without AS numbers", UpdateSubcode.MALFORMED_AS_PATH)
        starts.append(position)
        position += 2 + number_size * count
    if position > size:
        raise Malformed("the last segment is cut off", UpdateSubcode.MALFORMED_AS_PATH)
    return starts


def from_segments(segments: Iterable[Segment]) -> AsPath:
    """Return the path of the segments, the first one first; one of more than 255 numbers is cut into several.

    Raises ValueError for a set of more than 255 numbers and for AS 0.
    """
    octets: list[bytes] = []
    for kind, numbers in segments:
        if kind in (SegmentType.AS_SET, SegmentType.AS_CONFED_SET) and len(numbers) > _LONGEST:
            raise ValueError(f"a set of {len(numbers)} AS numbers; at most {_LONGEST} are possible")
        # A short segment in front leaves the room where the next speaker prepends
        start, stop = 0, len(numbers) % _LONGEST or min(len(numbers), _LONGEST)
        while start < len(numbers):
            octets.append(bytes((kind, stop - start)) + b"".join(asn.to_bytes(4) for asn in numbers[start:stop]))
            start, stop = stop, stop + _LONGEST
    return _built(b"".join(octets))


def prepend(path: AsPath, asn: int, times: int = 1, segment: SegmentType = SegmentType.AS_SEQUENCE) -> AsPath:
    """Return the path with the AS in front: in its first segment if that is of the kind, else in a new one (5.1.2)."""
    octets, number = path.octets, asn.to_bytes(4)
    room = _LONGEST - octets[1] if octets and octets[0] == segment else 0
    merged = min(room, times)
    if merged:
        octets = bytes((segment, octets[1] + merged)) + number * merged + octets[2:]
    times -= merged
    while times:
        count = min(times, _LONGEST)
        octets = bytes((segment, count)) + number * count + octets
        times -= count
    return _built(octets)


def _built(octets: bytes) -> AsPath:
    try:
        return from_octets(octets)
    except Malformed as error:
        raise ValueError(f"not an AS_PATH: {error}") from error


def without_confederation(path: AsPath) -> AsPath:
    """Return the path without its confederation segments, as it leaves the confederation (RFC 5065 4.1 c)."""
    if not has_confederation(path):
        return path
    return from_segments([(kind, numbers) for kind, numbers in path.segments() if kind not in _CONFEDERATION])


def has_confederation(path: AsPath) -> bool:
    """Has the path confederation segments?"""
    octets, position = path.octets, 0
    if path.length and len(octets) == 2 + 4 * path.length and octets[0] == _SEQUENCE:
        return False  # one sequence
    while position < len(octets):
        if octets[position] in _CONFEDERATION:
            return True
        position += 2 + 4 * octets[position + 1]
    return False


def narrow(path: AsPath) -> bytes:
    """Return the value in two-octet form, AS_TRANS for each number that has no room (RFC 6793 4.2.2)."""
    return b"".join(
        bytes((kind, len(numbers))) + b"".join((asn if asn <= 0xFFFF else AS_TRANS).to_bytes(2) for asn in numbers)
        for kind, numbers in path.segments()
    )


def two_octet_path(path: AsPath) -> dict[int, bytes]:
    """Return AS_PATH, and AS4_PATH where it is needed, for a two-octet session: by code, whole."""
    attributes = {_AS_PATH: tlv(_AS_PATH, WELL_KNOWN, narrow(path))}
    if wide := as4_path(path):
        attributes[_AS4_PATH] = tlv(_AS4_PATH, OPTIONAL | TRANSITIVE, wide)
    return attributes


def as4_path(path: AsPath) -> bytes:
    """Return the AS4_PATH that must go with the two-octet form, empty = none (RFC 6793 4.2.2)."""
    if not any(asn > 0xFFFF for _, numbers in path.segments() for asn in numbers):
        return b""
    return without_confederation(path).octets


def merge(path: AsPath, as4: AsPath) -> AsPath:
    """Return the path that a two-octet AS_PATH and its AS4_PATH stand for (RFC 6793 4.2.3)."""
    missing = path.length - as4.length
    if missing < 0:
        return path
    taken: list[Segment] = []
    for kind, numbers in path.segments():
        if kind in _CONFEDERATION:
            taken.append((kind, numbers))  # leading, or next to a segment that was taken
        elif missing == 0:
            break
        elif kind == _SET:
            taken.append((kind, numbers))
            missing -= 1
        else:
            taken.append((kind, numbers[:missing]))
            if missing < len(numbers):
                break
            missing -= len(numbers)
    rest = list(as4.segments())
    if taken and rest and taken[-1][0] == rest[0][0] == _SEQUENCE:
        kind, numbers = taken.pop()
        rest[0] = (kind, numbers + rest[0][1])
    return from_segments(taken + rest)


def _widen(value: bytes) -> bytes:
    """Return a two-octet value in four-octet form. Raises Malformed."""
    parts: list[bytes] = []
    for start in segment_starts(value, number_size=2):
        count = value[start + 1]
        parts.append(value[start : start + 2])
        parts.extend(b"\0\0" + value[at : at + 2] for at in range(start + 2, start + 2 + 2 * count, 2))
    return b"".join(parts)


SPEC: Final = AttributeSpec(
    _AS_PATH,
    "AS_PATH",
    WELL_KNOWN,
    decode,
    encode,
    Outcome.TREAT_AS_WITHDRAW,
    "as_path",
    EMPTY_AS_PATH,
    is_mandatory=True,
)
