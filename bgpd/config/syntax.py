"""How single values of bgp.toml are written: one Syntax for each kind of text or number with rules of its own.

A Syntax knows what to tell a person who wrote something else; the model attaches it to a field, the TOML reader applies
it, and the reference table prints it.
"""

from collections.abc import Callable
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from bgpd.addresses import is_link_local, parse_address, parse_prefix
from bgpd.communities import EXPECTED as A_COMMUNITY
from bgpd.communities import parse_communities, parse_patterns
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, IPV4_UNICAST, Family
from bgpd.identity import MAX_ASN, Asn, parse_asn, parse_identifier
from bgpd.policy.patterns import as_path_pattern
from bgpd.policy.rules import Delta, NumberChange, Removal
from bgpd.policy.sets import PrefixEntry
from bgpd.records import dataclass

MAX_PASSWORD: Final = 80  # octets: TCP_MD5SIG_MAXKEYLEN of Linux
MAX_INTERFACE_NAME: Final = 15  # octets: IFNAMSIZ of Linux without its end mark
MAX_SOCKET_PATH: Final = 104  # octets: sun_path of Linux without its end mark and our ".ro"

_MAX_NUMBER: Final = 0xFFFF_FFFF

ROUTE_PROTOCOLS: Final = {
    "unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "gated": 8, "ra": 9, "mrt": 10, "zebra": 11,
    "bird": 12, "dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "mrouted": 17, "keepalived": 18, "babel": 42,
    "openr": 99, "bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Syntax:
    """What a value must look like: words for people, and a check that raises ValueError where it does not."""

    expected: str
    check: Callable[[object], None]


def asn_value(value: object) -> Asn:
    """Return the AS number of 65010, "65010" or "1.10". Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"not an AS number: {value!r}")
    return parse_asn(str(value))


def address_and_interface(text: str) -> tuple[bytes, str]:
    """Return a peer's address and its interface: ``fe80::1%eth0``; empty = none. Raises ValueError."""
    written, percent, interface = text.partition("%")
    address = parse_address(written)
    needs_interface = len(address) == 16 and is_link_local(address)
    if needs_interface and not interface:
        raise ValueError('an IPv6 link-local address needs its interface: "fe80::1%eth0"')
    if percent and not needs_interface:
        raise ValueError("only an IPv6 link-local address takes an interface")
    if interface:
        _check_interface_name(interface)
    if not any(address):
        raise ValueError("the unspecified address is nobody's")
    return address, interface


def address_and_length(text: str) -> tuple[bytes, int]:
    """Return a node's address and its mask's length; without a mask all bits. Raises ValueError."""
    written, slash, mask = text.partition("/")
    address = parse_address(written)
    if not any(address):
        raise ValueError("the unspecified address is nobody's")
    bits = len(address) * 8
    if not slash:
        return address, bits
    if not (mask.isascii() and mask.isdigit()) or int(mask) > bits:
        raise ValueError(f"the mask is a number from 0 to {bits}")
    return address, int(mask)


def host_and_port(text: str) -> tuple[str, int]:
    """Return host and port of ``127.0.0.1:9179`` or ``[::1]:9179``. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise ValueError("an IPv6 address stands in brackets")
    host = host.strip("[]")
    parse_address(host)
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise ValueError("the port is a number from 1 to 65535")
    return host, int(port)


def set_name(text: object) -> str:
    """Return the name of the set that ``@name`` stands for, empty = it is no such reference."""
    return text[1:] if isinstance(text, str) and text.startswith("@") else ""


def prefix_entry(text: str) -> PrefixEntry:
    """Return a prefix, perhaps with the lengths it takes: ``10.0.0.0/8 ge 16 le 24``. Raises ValueError.

    One bound alone: ``ge`` up to a host's length, ``le`` from the prefix's own.
    """
    written, *words = text.split()
    family, prefix = _prefix(written)
    bounds = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or len(bounds) * 2 != len(words) or not bounds.keys() <= {"ge", "le"}:
        raise ValueError('behind the prefix stand "ge" and "le", each with a length')
    if not bounds:
        return PrefixEntry(family, prefix)
    for bound in bounds.values():
        if not (bound.isascii() and bound.isdigit()) or not prefix[0] <= int(bound) <= family.bits:
            raise ValueError(f"a length is from {prefix[0]} to {family.bits} here, not {bound}")
    least, most = int(bounds.get("ge", prefix[0])), int(bounds.get("le", family.bits))
    if least > most:
        raise ValueError(f"ge {least} is more than le {most}")
    return PrefixEntry(family, prefix, (least, most))


def asn_range(value: object) -> tuple[Asn, Asn]:
    """Return the AS numbers of 65010 or "64512-65534" as (least, most). Raises ValueError."""
    low, dash, high = str(value).partition("-") if isinstance(value, str) else (value, "", "")
    least = asn_value(low)
    most = asn_value(high) if dash else least
    if least > most:
        raise ValueError(f"{least} is more than {most}")
    return least, most


def number_change(value: object) -> NumberChange:
    """Return what becomes of a number: 50, "+10", "-10" or "remove". Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _MAX_NUMBER:
            raise ValueError("")
        return value
    if value == Removal.REMOVE.value:
        return Removal.REMOVE
    sign, digits = (value[:1], value[1:]) if isinstance(value, str) else ("", "")
    if sign not in ("+", "-") or not (digits.isascii() and digits.isdigit()) or int(digits) > _MAX_NUMBER:
        raise ValueError("")
    return Delta(int(sign + digits))


def route_protocol(value: object) -> int:
    """Return the number of a route protocol, by name or number. Raises ValueError."""
    if isinstance(value, str) and value in ROUTE_PROTOCOLS:
        return ROUTE_PROTOCOLS[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise ValueError(f"known names: {', '.join(ROUTE_PROTOCOLS)}")


def _on_text(parse: Callable[[str], object]) -> Callable[[object], None]:
    """Return a check for text that a parser must take."""

    def check(value: object) -> None:
        if not isinstance(value, str):
            raise ValueError("not text")
        parse(value)

    return check


def _check_asn(value: object) -> None:
    try:
        asn_value(value)
    except ValueError as error:
        raise ValueError("") from error  # what is expected says it already


def _check_peer_asn(value: object) -> None:
    if value not in ("internal", "external"):
        _check_asn(value)


def _check_identifier(text: str) -> None:
    try:
        parse_identifier(text)
    except ValueError as error:
        raise ValueError("") from error  # what is expected says it already


def _check_address(text: str) -> None:
    try:
        parse_address(text)
    except ValueError as error:
        raise ValueError("") from error  # what is expected says it already


def _check_prefix(text: str) -> None:
    _prefix(text)


def _prefix(text: str) -> tuple[Family, bytes]:
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise ValueError("bits are set behind the prefix length" if "host bits" in str(error) else "") from error


def _check_prefix_entry(text: str) -> None:
    if not text.strip():
        raise ValueError("")
    prefix_entry(text)


def _or_set(check: Callable[[object], object]) -> Callable[[object], None]:
    """Return a check that also takes ``@name``."""

    def check_either(value: object) -> None:
        if isinstance(value, str) and value.startswith("@"):
            if not set_name(value):
                raise ValueError("the name of the set is missing behind @")
            return
        check(value)

    return check_either


def _check_asn_range(value: object) -> None:
    try:
        asn_range(value)
    except ValueError as error:
        raise ValueError(str(error) if "more than" in str(error) else "") from error


def _check_number_change(value: object) -> None:
    number_change(value)


def _check_glob(text: str) -> None:
    if not text:
        raise ValueError("")


def _check_listen(text: str) -> None:
    address = parse_address(text)
    if len(address) == 16 and is_link_local(address):
        raise ValueError("a link-local address cannot be listened on by itself; use ::")


def _check_interface_name(text: str) -> None:
    if not text or len(text.encode()) > MAX_INTERFACE_NAME or "/" in text or any(c.isspace() for c in text):
        raise ValueError(f"an interface name has 1 to {MAX_INTERFACE_NAME} octets, no space and no /")


def _check_hold_time(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value in (1, 2) or not 0 <= value <= 65535:
        raise ValueError("")


def _check_password(text: str) -> None:
    size = len(text.encode())
    if not 1 <= size <= MAX_PASSWORD:
        raise ValueError(f"it has {size} octets")


def _check_absolute(text: str) -> None:
    if not PurePath(text).is_absolute():
        raise ValueError("")
    if len(text.encode()) > MAX_SOCKET_PATH:
        raise ValueError(f"it has {len(text.encode())} octets, a socket's path at most {MAX_SOCKET_PATH}")


def _check_http(text: str) -> None:
    if text:
        host_and_port(text)


def _check_endpoint(text: str) -> None:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.port is None or url.path not in ("", "/"):
        raise ValueError("")


def _check_regex(text: str) -> None:
    as_path_pattern(text)


def _check_route_protocol(value: object) -> None:
    route_protocol(value)


def _check_own_protocol(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 5 <= value <= 255:
        raise ValueError("0 to 4 mark routes of the kernel and of administrators")


ASN: Final = Syntax(f'an AS number from 1 to {MAX_ASN}, as 65010, "65010" or "1.10"', _check_asn)
PEER_ASN: Final = Syntax(
    f'an AS number from 1 to {MAX_ASN}, as 65010, "65010" or "1.10", or "internal" or "external"', _check_peer_asn
)
IDENTIFIER: Final = Syntax('four decimal octets, not all zero: "172.18.4.13"', _on_text(_check_identifier))
ADDRESS: Final = Syntax('an IPv4 or IPv6 address: "172.18.0.1"', _on_text(_check_address))
LISTEN_ADDRESS: Final = Syntax('an IPv4 or IPv6 address: "0.0.0.0" or "::"', _on_text(_check_listen))
PEER_ADDRESS: Final = Syntax(
    'an IPv4 or IPv6 address, link-local with its interface: "172.18.0.1" or "fe80::1%eth0"',
    _on_text(address_and_interface),
)
NODE_ADDRESS: Final = Syntax('an address with its mask: "172.18.4.13/20"', _on_text(address_and_length))
PREFIX: Final = Syntax('a prefix: "10.65.0.0/16"', _on_text(_check_prefix))
INTERFACE: Final = Syntax('an interface name: "tunl0"', _on_text(_check_interface_name))
INTERFACE_GLOB: Final = Syntax(
    'an interface name, * for any run of characters: "cali*"', _on_text(_check_interface_name)
)
HOLD_TIME: Final = Syntax("a number of seconds: 0, or 3 to 65535", _check_hold_time)
PASSWORD: Final = Syntax(f"text of 1 to {MAX_PASSWORD} octets", _on_text(_check_password))
SOCKET_PATH: Final = Syntax('an absolute path: "/run/bgpd/bgpd.sock"', _on_text(_check_absolute))
HTTP_LISTEN: Final = Syntax('an address and a port: "127.0.0.1:9179", or "" for none', _on_text(_check_http))
ENDPOINT: Final = Syntax('a URL with its port: "https://10.0.0.5:2379"', _on_text(_check_endpoint))
COMMUNITY: Final = Syntax(A_COMMUNITY, _on_text(lambda text: parse_communities((text,))))
COMMUNITY_PATTERN: Final = Syntax(f"{A_COMMUNITY}; * stands for any number", _on_text(parse_patterns))
REGEX: Final = Syntax('a regular expression over AS numbers: "^65020 "', _on_text(_check_regex))
_A_PREFIX_ENTRY: Final = 'a prefix, perhaps with lengths: "10.65.0.0/16" or "10.65.0.0/16 ge 24 le 26"'
_AN_ASN_RANGE: Final = 'an AS number or a range: 65010, "1.10" or "64512-65534"'
PREFIX_ENTRY: Final = Syntax(_A_PREFIX_ENTRY, _on_text(_check_prefix_entry))
PREFIX_OR_SET: Final = Syntax(f'{_A_PREFIX_ENTRY}, or a set: "@name"', _or_set(_on_text(_check_prefix_entry)))
NEXT_HOP_OR_SET: Final = Syntax(
    'an address or a prefix: "172.18.0.1" or "172.18.0.0/20", or a set: "@name"', _or_set(_on_text(_check_prefix))
)
ASN_RANGE: Final = Syntax(_AN_ASN_RANGE, _check_asn_range)
ASN_OR_SET: Final = Syntax(f'{_AN_ASN_RANGE}, or a set: "@name"', _or_set(_check_asn_range))
COMMUNITY_OR_SET: Final = Syntax(
    f'{A_COMMUNITY}, or a set: "@name"', _or_set(_on_text(lambda text: parse_communities((text,))))
)
PATTERN_OR_SET: Final = Syntax(
    f'{A_COMMUNITY}; * stands for any number; or a set: "@name"', _or_set(_on_text(parse_patterns))
)
NUMBER_CHANGE: Final = Syntax(f'a number from 0 to {_MAX_NUMBER}, or "+10", "-10" or "remove"', _check_number_change)
PEER_GLOB: Final = Syntax('a peer\'s name, * for any run of characters: "tor-*"', _on_text(_check_glob))
ROUTE_PROTOCOL: Final = Syntax('a route protocol by name or number from 0 to 255: "boot" or 3', _check_route_protocol)
OWN_PROTOCOL: Final = Syntax("a route protocol number from 5 to 255", _check_own_protocol)


def family_of(address: bytes) -> str:
    """Return IPv4 or IPv6, for people."""
    return "IPv4" if FAMILY_BY_ADDRESS_SIZE[len(address)] is IPV4_UNICAST else "IPv6"
