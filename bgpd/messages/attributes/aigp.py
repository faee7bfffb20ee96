"""AIGP: the metric to the destination through all ASes of one administration.

RFC 7311 sections 3 and 3.2; malformed: attribute discard. A list of TLVs (type, length of the whole TLV in two octets,
value); the one of type 1 holds the metric in eight octets, and the first of them counts. Other types only stay in the
block's octets.
"""

from struct import Struct
from typing import Final

from bgpd.errors import UpdateSubcode
from bgpd.messages.attributes.spec import OPTIONAL, AttributeSpec, Malformed, Outcome
from bgpd.messages.negotiated import Negotiated

_AIGP_TLV: Final = 1
_HEADER: Final = Struct("!BH")
_METRIC: Final = Struct("!BHQ")


def decode(value: bytes, _: Negotiated) -> int:
    """Return the metric. Raises Malformed."""
    metric: int | None = None
    position = 0
    while position < len(value):
        if len(value) - position < _HEADER.size:
            raise Malformed("the last TLV is cut off")
        kind, length = _HEADER.unpack_from(value, position)
        if length < _HEADER.size or position + length > len(value):
            raise Malformed(f"TLV of type {kind} with a length of {length} octets")
        if kind == _AIGP_TLV and metric is None:
            if length != _METRIC.size:
                raise Malformed(f"AIGP TLV of {length} octets, expected {_METRIC.size}")
            metric = int.from_bytes(value[position + _HEADER.size : position + length])
        position += length
    if metric is None:
        raise Malformed("no AIGP TLV", UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR)
    return metric


def encode(metric: int | None, _: Negotiated) -> bytes:
    """Return the value's octets; absent is the caller's to leave out."""
    return _METRIC.pack(_AIGP_TLV, _METRIC.size, metric)


SPEC: Final[AttributeSpec[int | None]] = AttributeSpec(
    26, "AIGP", OPTIONAL, decode, encode, Outcome.ATTRIBUTE_DISCARD, "aigp", None,
    is_internal=True,  # 7311 3.4: off by default with another AS, and we have no use for it that would ask for more
    when_flags_conflict=Outcome.ATTRIBUTE_DISCARD,  # 7311 3.2: the Transitive bit makes it malformed
)  # fmt: skip
