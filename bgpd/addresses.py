"""Addresses and prefixes: their text, and the octets that every table is keyed with.

An address is 4 or 16 octets in network order. A prefix is its canonical wire octets (RFC 4271 4.3): a length octet
in bits, then as many octets as the length needs, bits behind the length cleared. Which family it belongs to is not in
the octets; the table or the caller knows.
"""

import ipaddress
from functools import lru_cache
from typing import Final

from bgpd.families import FAMILY_BY_ADDRESS_SIZE, Family

_IPV6_LOOPBACK: Final = bytes(15) + b"\1"


def parse_address(text: str) -> bytes:
    """Return the 4 or 16 octets of an address. Raises ValueError."""
    return ipaddress.ip_address(text).packed


def format_address(address: bytes) -> str:
    """Return the text of an address of 4 or 16 octets; of 32 octets (RFC 2545 section 3) the global one's."""
    return str(ipaddress.ip_address(address[:16]))


def parse_prefix(text: str) -> tuple[Family, bytes]:
    """Return family and octets of ``10.65.0.0/16``; an address alone is a host prefix.

    Raises ValueError, also for bits set behind the length.
    """
    network = ipaddress.ip_network(text)
    packed = network.network_address.packed
    length = network.prefixlen
    return FAMILY_BY_ADDRESS_SIZE[len(packed)], bytes((length,)) + packed[: (length + 7) // 8]


def format_prefix(family: Family, prefix: bytes) -> str:
    """Return ``10.65.0.0/16`` for canonical octets of that family."""
    return f"{format_address(prefix_address(family, prefix))}/{prefix[0]}"


def prefix_address(family: Family, prefix: bytes) -> bytes:
    """Return the prefix's first address, 4 or 16 octets."""
    return prefix[1:].ljust(family.bits // 8, b"\0")


def host_prefix(address: bytes) -> bytes:
    """Return the /32 or /128 of an address."""
    return bytes((len(address) * 8,)) + address


def truncate(prefix: bytes, length: int) -> bytes:
    """Return the covering prefix of that length, in bits (at most the prefix's own)."""
    octets = bytearray(prefix[1 : 1 + (length + 7) // 8])
    if length % 8:
        octets[-1] &= 0xFF << (-length % 8) & 0xFF
    return bytes((length,)) + bytes(octets)


def network_of(address: bytes, length: int) -> bytes:
    """Return the prefix of that length, in bits, that the address is in."""
    return truncate(host_prefix(address), length)


def covers(outer: bytes, inner: bytes) -> bool:
    """Is the inner prefix equal to the outer one or more specific? Both of one family."""
    length = outer[0]
    return length <= inner[0] and truncate(inner, length) == outer


@lru_cache(maxsize=1024)
def is_link_local(address: bytes) -> bool:
    """Is it an address that only means something with an interface (169.254/16, fe80::/10)?"""
    return ipaddress.ip_address(address).is_link_local


def is_loopback(address: bytes) -> bool:
    """Is it an address of this host only (127/8, ::1)? Empty octets are none."""
    return address[:1] == b"\x7f" if len(address) == 4 else address == _IPV6_LOOPBACK
