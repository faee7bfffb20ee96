"""AS4_PATH: the four-octet AS_PATH, carried past speakers that only know two-octet numbers.

RFC 6793 section 3, 4.2.2, 4.2.3; malformed: section 6, attribute discard; AS 0: RFC 7607. Segments as in AS_PATH, four
octets for each number, none of a confederation. It never reaches ``Attributes``: ``block`` merges it into AS_PATH.
"""

from typing import Final

from bgpd.messages.attributes import as_path
from bgpd.messages.attributes.model import EMPTY_AS_PATH, AsPath, SegmentType
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_CONFEDERATION = (SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET)


def decode(value: bytes, _: Negotiated) -> AsPath:
    """Return the path without its confederation segments. Raises Malformed."""
    if not value:
        raise Malformed("no octets, expected at least one AS number")
    path = as_path.from_octets(value)
    # 6793 section 6: such segments are discarded, the rest of the attribute stays
    if any(value[start] in _CONFEDERATION for start in as_path.segment_starts(value)):
        return as_path.from_segments([s for s in path.segments() if s[0] not in _CONFEDERATION])
    return path


def encode(path: AsPath, _: Negotiated) -> bytes:
    """Return the value's octets."""
    return path.octets


SPEC: Final[AttributeSpec[AsPath]] = AttributeSpec(
    17, "AS4_PATH", OPTIONAL | TRANSITIVE, decode, encode, Outcome.ATTRIBUTE_DISCARD, "", EMPTY_AS_PATH
)
