"""Links and addresses as the kernel reports them (rtnetlink(7): ``struct ifinfomsg``, ``struct ifaddrmsg``).

Octets in, records out. Addresses are 4 or 16 octets in network order.
"""

from struct import Struct
from typing import Final

from bgpd.families import FAMILY_BY_KERNEL, Family
from bgpd.kernel.rtnetlink import (
    IFA_ADDRESS,
    IFA_LOCAL,
    IFF_LOOPBACK,
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_IFNAME,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
)
from bgpd.records import dataclass

_HEADER: Final = Struct("=IHHII")
_LINK: Final = Struct("=BxHiII")  # family, hardware type, index, flags, change mask
_ADDRESS: Final = Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ATTRIBUTE: Final = Struct("=HH")


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. is_up: by its administrator; has_carrier: by its medium."""

    index: int
    name: str
    is_up: bool
    has_carrier: bool = True
    is_loopback: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of ours. length: of the connected prefix, bits."""

    index: int
    family: Family
    address: bytes
    length: int


LinkEvent = tuple[bool, Link | InterfaceAddress]
"""Is it there (or gone), and what."""


def read(buffer: bytes) -> list[LinkEvent]:
    """Return the link and address messages in a datagram; other messages are passed over."""
    events: list[LinkEvent] = []
    position = 0
    while position + 16 <= len(buffer):
        length, kind, _, _, _ = _HEADER.unpack_from(buffer, position)
        if length < 16:
            break
        end = min(position + length, len(buffer))
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            link = _parse_link(buffer, position + 16, end)
            if link is not None:
                events.append((kind == RTM_NEWLINK, link))
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            address = _parse_address(buffer, position + 16, end)
            if address is not None:
                events.append((kind == RTM_NEWADDR, address))
        position += (length + 3) & ~3
    return events


def _attribute(buffer: bytes, position: int, end: int, wanted: int) -> bytes | None:
    while position + 4 <= end:
        length, code = _ATTRIBUTE.unpack_from(buffer, position)
        if length < 4:
            return None
        if code == wanted:
            return buffer[position + 4 : position + length]
        position += (length + 3) & ~3
    return None


def _parse_link(buffer: bytes, position: int, end: int) -> Link | None:
    if end - position < _LINK.size:
        return None
    family, _, index, flags, _ = _LINK.unpack_from(buffer, position)
    name = _attribute(buffer, position + _LINK.size, end, IFLA_IFNAME)
    if family != 0 or name is None:  # AF_BRIDGE messages tell of a bridge's port, not of the link
        return None
    return Link(
        index,
        name.rstrip(b"\0").decode("utf-8", "replace"),
        bool(flags & IFF_UP),
        bool(flags & IFF_LOWER_UP),
        bool(flags & IFF_LOOPBACK),
    )


def _parse_address(buffer: bytes, position: int, end: int) -> InterfaceAddress | None:
    if end - position < _ADDRESS.size:
        return None
    family_number, length, _, _, index = _ADDRESS.unpack_from(buffer, position)
    family = FAMILY_BY_KERNEL.get(family_number)
    if family is None:
        return None
    start = position + _ADDRESS.size
    # On a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is always ours, where it is given.
    address = _attribute(buffer, start, end, IFA_LOCAL) or _attribute(buffer, start, end, IFA_ADDRESS)
    if address is None or len(address) != family.octets:
        return None
    return InterfaceAddress(index, family, address, length)


def links_request(sequence: int) -> bytes:
    """Return an RTM_GETLINK for all links."""
    header = _HEADER.pack(_HEADER.size + _LINK.size, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
    return header + _LINK.pack(0, 0, 0, 0, 0)


def addresses_request(sequence: int) -> bytes:
    """Return an RTM_GETADDR for all addresses of all families."""
    header = _HEADER.pack(_HEADER.size + _ADDRESS.size, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
    return header + _ADDRESS.pack(0, 0, 0, 0, 0)
