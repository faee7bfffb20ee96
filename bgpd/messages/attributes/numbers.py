"""Values that are one unsigned number of four octets: the layout of several attributes."""

from struct import Struct, unpack
from typing import Final

from bgpd.messages.attributes.spec import Malformed
from bgpd.messages.negotiated import Negotiated

_U32: Final = Struct("!I")
_LISTS: Final = tuple(Struct(f"!{count}I") for count in range(64))  # by how many numbers; longer ones are rare


def decode(value: bytes, _: Negotiated) -> int:
    """Return the number. Raises Malformed for another length than 4."""
    if len(value) != _U32.size:
        raise Malformed(f"{len(value)} octets, expected {_U32.size}")
    return int.from_bytes(value)


def encode(number: int | None, _: Negotiated) -> bytes:
    """Return the value's octets; absent is the caller's to leave out."""
    return _U32.pack(number)


def decode_list(value: bytes, _: Negotiated) -> tuple[int, ...]:
    """Return the numbers of a list. Raises Malformed for an empty list and for a length that is not a multiple of 4."""
    if not value or len(value) % _U32.size:
        raise Malformed(f"{len(value)} octets, expected a multiple of {_U32.size} above 0")
    count = len(value) // _U32.size
    return _LISTS[count].unpack(value) if count < len(_LISTS) else unpack(f"!{count}I", value)


def encode_list(numbers: tuple[int, ...], _: Negotiated) -> bytes:
    """Return the octets of a list."""
    return b"".join(map(_U32.pack, numbers))
