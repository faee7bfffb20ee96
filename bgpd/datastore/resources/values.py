"""Single values: what Calico takes for an address, a CIDR, an AS number, a duration, a name, a selector.

Each reader returns the stored form or raises ValueError; its text, if any, says more than the Leaf's words.
"""

import ipaddress
import re
from typing import Final

from bgpd.datastore.calico.selectors import compiled
from bgpd.datastore.resources.shapes import Json, Leaf
from bgpd.identity import parse_asn

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME: Final = re.compile(rf"{LABEL}(\.{LABEL})*")
LONGEST_NAME: Final = 253
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LONGEST_LABEL: Final = 63
_DURATION: Final = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_INTERFACE: Final = re.compile(r"[a-zA-Z0-9_.*-]{1,15}")
_LABEL_WORDS: Final = f"at most {_LONGEST_LABEL} letters, digits, '-', '_' and '.', none of the marks at an end"
_NAME_WORDS: Final = "lower-case letters, digits, '-' and '.', a letter or digit at both ends"


def bad_name(name: str) -> str:
    """Return what is wrong with an object's name, empty = nothing."""
    if not name:
        return f"is missing; expected a name of {_NAME_WORDS}"
    if len(name) > LONGEST_NAME:
        return f"expected at most {LONGEST_NAME} characters, found {len(name)}"
    return "" if NAME.fullmatch(name) else f'expected {_NAME_WORDS}, found "{name}"'


def bad_label_key(key: str) -> str:
    """Return what is wrong with the name of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not NAME.fullmatch(prefix) or len(prefix) > LONGEST_NAME):
        return "expected a DNS name before the /"
    if len(name) > _LONGEST_LABEL or not _QUALIFIED.fullmatch(name):
        return f"expected a name of {_LABEL_WORDS}"
    return ""


def bad_annotation_key(key: str) -> str:
    """Return what is wrong with the name of an annotation."""
    return bad_label_key(key.lower())


def bad_label_value(value: str) -> str:
    """Return what is wrong with the value of a label."""
    if not value or (len(value) <= _LONGEST_LABEL and _QUALIFIED.fullmatch(value)):
        return ""
    return f'expected {_LABEL_WORDS}, found "{value}"'


def network(value: Json) -> Network:
    """Return a CIDR whose bits behind the mask are cleared. Raises ValueError."""
    return ipaddress.ip_network(_address_and_length(_text(value)), strict=False)


def strict_network(value: Json) -> Network:
    """Return a CIDR. Raises ValueError, also for bits behind the mask."""
    found = network(value)
    address = _text(value).partition("/")[0]
    if _ip(address) != found.network_address:
        raise ValueError(f"bits behind the mask are set; {found} has none")
    return found


def duration(value: Json) -> float:
    """Return the seconds of a Go duration. Raises ValueError."""
    written = _text(value)
    if written == "0":
        return 0.0
    seconds, position = 0.0, 0
    while found := _DURATION.match(written, position):
        seconds += float(found[1]) * _UNITS[found[3]]
        position = found.end()
    if not position or position < len(written):
        raise ValueError
    return seconds


def peer_address(value: Json) -> tuple[str, int | None]:
    """Return address and port of ``a.b.c.d``, ``a.b.c.d:port``, ``v6`` or ``[v6]:port``. Raises ValueError."""
    written = _text(value)
    address, port = written, ""
    if written.startswith("["):
        address, bracket, rest = written[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise ValueError
        port = rest[1:]
    elif written.count(":") == 1:
        address, _, port = written.partition(":")
    found = _ip(address)
    if written.startswith("[") and found.version == 4:
        raise ValueError("brackets are for IPv6")
    if address == written:
        return str(found), None
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise ValueError("a port is a number from 1 to 65535")
    return str(found), int(port)


def asn(value: Json) -> int:
    """Return an AS number; 0 means none. Raises ValueError."""
    if isinstance(value, float):
        raise ValueError("write a dotted one in quotes")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return 0 if str(value) in ("0", "") else int(parse_asn(str(value)))


def _asn(value: Json) -> Json:
    return asn(value) or ""


def integer(least: int, most: int) -> Leaf:
    """Return a whole number within bounds."""

    def check(value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return Leaf(f"a whole number from {least} to {most}", check)


def word(*words: str) -> Leaf:
    """Return one of some words; an empty one says nothing."""

    def check(value: Json) -> Json:
        if value not in ("", *words) or not isinstance(value, str):
            near = [one for one in words if isinstance(value, str) and one.lower() == value.lower()]
            raise ValueError(f"did you mean {near[0]}?" if near else "")
        return value

    return Leaf(f"one of {', '.join(words)}", check)


def network_leaf(version: int | None) -> Leaf:
    """Return a CIDR without bits behind the mask, of a version, None = of any."""

    def check(value: Json) -> Json:
        if value == "":
            return value
        found = strict_network(value)
        if version is not None and found.version != version:
            raise ValueError(f"it is IPv{found.version}")
        return str(found)

    return Leaf(f"an {'IP' if version is None else f'IPv{version}'} CIDR", check)


def host_leaf(version: int) -> Leaf:
    """Return an address, better with its mask."""

    def check(value: Json) -> Json:
        if value == "":
            return value
        if network(value).version != version:
            raise ValueError(f"it is not IPv{version}")
        return value

    return Leaf(f"an IPv{version} address with its mask", check)


def address_leaf(version: int | None) -> Leaf:
    """Return an address."""

    def check(value: Json) -> Json:
        if value != "" and version not in (None, _ip(_text(value)).version):
            raise ValueError(f"it is not IPv{version}")
        return value

    return Leaf(f"an {'IP' if version is None else f'IPv{version}'} address", check)


def community(value: Json) -> Json:
    """Return a community. Raises ValueError."""
    numbers = _text(value).split(":")
    if len(numbers) not in (2, 3) or not all(one.isascii() and one.isdigit() and len(one) <= 10 for one in numbers):
        raise ValueError
    most = 0xFFFF if len(numbers) == 2 else 0xFFFFFFFF
    if any(int(one) > most for one in numbers):
        raise ValueError(f"each number is at most {most}")
    return value


def _ip(written: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if "%" in written:
        raise ValueError("an address with an interface is not for a cluster")
    return ipaddress.ip_address(written)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _flag(value: Json) -> Json:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _duration_text(value: Json) -> Json:
    duration(value)
    return value


def _peer_text(value: Json) -> Json:
    if value != "":
        peer_address(value)
    return value


def _name_text(value: Json) -> Json:
    if value != "" and bad_name(_text(value)):
        raise ValueError
    return value


def _interface(value: Json) -> Json:
    if not _INTERFACE.fullmatch(_text(value)):
        raise ValueError
    return value


def _device_pattern(value: Json) -> Json:
    if value == "*":
        raise ValueError("that would be all of them")
    return _interface(value)


def _community_name(value: Json) -> Json:
    if not _text(value) or ":" in _text(value):
        raise ValueError
    return value


def _selector(value: Json) -> Json:
    if _text(value):
        compiled(_text(value))
    return value


def _address_and_length(written: str) -> str:
    address, slash, length = written.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise ValueError("behind the / is the number of bits")
    _ip(address)
    return written


TEXT: Final = Leaf("a text", _text)
FLAG: Final = Leaf("true or false", _flag)
ASN: Final = Leaf('an AS number: 64512, or in quotes "1.10"', _asn)
DURATION: Final = Leaf('a duration such as "120s" or "2m0s"', _duration_text)
PEER_ADDRESS: Final = Leaf("an address, or address:port, or [IPv6]:port", _peer_text)
SELECTOR: Final = Leaf("a selector such as \"rack == 'r1' && has(rr)\"", _selector)
OBJECT_NAME: Final = Leaf(f"a name of {_NAME_WORDS}", _name_text)
INTERFACE: Final = Leaf("an interface of at most 15 characters, * for any", _interface)
DEVICE_PATTERN: Final = Leaf("an interface of at most 15 characters, * for some", _device_pattern)
COMMUNITY: Final = Leaf('a community, "64512:77" or large "64512:1:2"', community)
COMMUNITY_NAME: Final = Leaf("a name without colon", _community_name)
