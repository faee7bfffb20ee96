"""Single values as Calico writes them: AS numbers, durations, addresses, CIDRs in values and in keys.

A fault says where it is and what was expected, never what was found: values may hold secrets. Times are whole seconds,
prefixes canonical wire octets.
"""

import re
from typing import Final

from bgpd.addresses import format_address, network_of, parse_address
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, IPV4_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier, parse_asn, parse_identifier
from bgpd.records import dataclass

Cidr = tuple[Family, bytes]

MAX_RESTART_TIME: Final = 4095  # seconds, 12 bits (RFC 4724 section 3)

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|μs|ns)")
_MOST_SECONDS: Final = 1 << 31


class UnreadableError(Exception):
    """A value that cannot be used. The text names the field and what was expected there, never the value."""

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(f"{where}: expected {expected}" if where else f"expected {expected}")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a password is: a key of a named secret."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An address of a node with its mask. text: canonical, what Calico compares to choose who dials."""

    address: bytes
    length: int
    text: str

    @property
    def family(self) -> Family:
        """The family that the address is of."""
        return FAMILY_BY_ADDRESS_SIZE[len(self.address)]

    @property
    def subnet(self) -> bytes:
        """The prefix that the mask makes of it."""
        return network_of(self.address, self.length)


def asn(value: int | str | None, where: str) -> Asn | None:
    """Return the AS number of ``64512``, ``"64512"`` or ``"1.10"``; None where there is none, or 0."""
    if value is None or value in (0, "0", ""):
        return None
    try:
        return parse_asn(str(value))
    except ValueError:
        raise UnreadableError(where, "an AS number") from None


def duration(value: str | None, where: str) -> int | None:
    """Return the whole seconds of a Go duration such as ``2m0s``; None where there is none."""
    if not value:
        return None
    if value == "0":
        return 0
    seconds, position = 0.0, 0
    while found := _DURATION.match(value, position):
        seconds += float(found[1]) * _UNITS[found[2]]
        position = found.end()
    if position < len(value) or not position or seconds > _MOST_SECONDS:
        raise UnreadableError(where, 'a duration such as "120s" or "2m0s"')
    return int(seconds + 0.5)


def identifier(value: str, where: str) -> BgpIdentifier:
    """Return a cluster identifier."""
    try:
        return parse_identifier(value)
    except ValueError:
        raise UnreadableError(where, "four decimal octets") from None


def address(value: str, where: str) -> bytes:
    """Return the octets of an address without mask and without zone, as sessions are multihop."""
    try:
        if "%" in value:
            raise ValueError
        return parse_address(value.strip())
    except ValueError:
        raise UnreadableError(where, "an IP address") from None


def node_address(value: str | None, family: Family, where: str) -> NodeAddress | None:
    """Return an address with its mask, a host's own mask if it has none; None where there is none."""
    if not value:
        return None
    text, slash, mask = value.strip().partition("/")
    octets = address(text, where)
    if FAMILY_BY_ADDRESS_SIZE[len(octets)] is not family:
        raise UnreadableError(where, f"an {_version(family)} address")
    length = number(mask, family.bits) if slash else family.bits
    if length is None:
        raise UnreadableError(where, f"a mask of 0 to {family.bits} bits")
    return NodeAddress(octets, length, format_address(octets))


def cidr(value: str, where: str, family: Family | None = None) -> Cidr:
    """Return family and prefix; bits behind the length are cleared, an address alone is a host."""
    text, slash, mask = value.strip().partition("/")
    octets = address(text, where)
    found = FAMILY_BY_ADDRESS_SIZE[len(octets)]
    length = number(mask, found.bits) if slash else found.bits
    if length is None:
        raise UnreadableError(where, "a CIDR")
    if family is not None and found is not family:
        raise UnreadableError(where, f"an {_version(family)} CIDR")
    return found, network_of(octets, length)


def key_cidr(text: str, where: str) -> Cidr:
    """Return the prefix that a key ends with: ``10.65.0.0-26``, ``fd00:10::-122``."""
    return cidr(text.replace("-", "/", 1), where)


def peer_address(value: str, where: str) -> tuple[bytes, int | None]:
    """Return address and port of ``a.b.c.d``, ``a.b.c.d:port``, ``v6`` or ``[v6]:port``; None = no port."""
    text, port = value.strip(), ""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise UnreadableError(where, "an address, or an address and a port")
        port = port[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    octets = address(text, where)
    return octets, port_number(port, where) if port else None


def port_number(value: int | str, where: str) -> int:
    """Return a TCP port."""
    port = number(value, 65535) if isinstance(value, str) else value
    if port is None or not 1 <= port <= 65535:
        raise UnreadableError(where, "a port, 1 to 65535")
    return port


def number(text: str, most: int) -> int | None:
    """Return a decimal number from 0 to the most, None = it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if int(text) <= most else None


def within(value: int | None, most: int, where: str) -> int:
    """Return a number from 0 on; 0 where there is none."""
    if value is None:
        return 0
    if not 0 <= value <= most:
        raise UnreadableError(where, f"a number from 0 to {most}")
    return value


def _version(family: Family) -> str:
    return "IPv4" if family is IPV4_UNICAST else "IPv6"
