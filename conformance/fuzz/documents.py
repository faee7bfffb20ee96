"""Targets: what does not come from peers: bgp.toml, netlink, the API's queries, numbers and addresses as text.

Whoever writes these has rights on the machine already; a fault must be said in words all the same.
"""

from contextlib import suppress
from typing import Final

from aiohttp.test_utils import make_mocked_request

from bgpd.addresses import format_address, format_prefix, parse_address, parse_prefix
from bgpd.api.operations import Refused
from bgpd.api.server import MAX_LIMIT, parse_query
from bgpd.communities import parse_communities, parse_pattern
from bgpd.config import ConfigError, Problem, diff, parse, resolve
from bgpd.families import FAMILIES
from bgpd.identity import format_identifier, parse_asn, parse_identifier
from bgpd.kernel import links, netlink
from bgpd.kernel.reading import RouteReader

_BASE: Final = resolve(parse('[node]\nasn = 64512\naddresses = ["10.0.0.1/24"]\n', "bgp.toml"))
_TABLES: Final = frozenset({254, 255})


def configuration(octets: bytes) -> None:
    """A bgp.toml: every fault has a place and words; what is accepted can be used and compared."""
    text = octets.decode(errors="replace")
    try:
        resolved = resolve(parse(text, "bgp.toml"), passwords=lambda _: ("secret", ""))
    except ConfigError as error:
        _check_problems(error.problems, text.count("\n") + 1)
        return
    for changes in (diff(_BASE, resolved), diff(resolved, _BASE)):
        assert changes.is_empty or changes.summary() or changes.needs_restart
    assert diff(resolved, resolved).is_empty


def _check_problems(problems: tuple[Problem, ...], lines: int) -> None:
    assert problems
    for problem in problems:
        assert problem.message
        assert 0 <= problem.line <= lines


def kernel(octets: bytes) -> None:
    """A datagram of netlink: messages that make no sense are passed over."""
    for kind, _, prefix, body in RouteReader(_TABLES).read(octets):
        assert kind in (24, 25)
        assert body.table in _TABLES
        assert prefix[0] <= 255
    for _, what in links.read(octets):
        if isinstance(what, links.InterfaceAddress):
            assert len(what.address) == what.family.octets
    length = len(octets)
    if length >= 36:
        refusal = netlink.parse_refusal(octets, 0, length)
        assert refusal is None or refusal.text


def query(octets: bytes) -> None:
    """What follows the question mark in a request for routes."""
    try:
        request = make_mocked_request("GET", f"/api/v1/routes?{octets.decode('latin-1')}")
    except ValueError:
        return  # not a URL
    with suppress(Refused):
        found = parse_query(request)
        assert 0 <= found.start <= MAX_LIMIT
        assert 0 <= found.limit <= MAX_LIMIT
        if found.prefix is not None:
            assert found.family is not None
            assert parse_prefix(format_prefix(found.family, found.prefix)) == (found.family, found.prefix)


def words(octets: bytes) -> None:
    """Numbers and addresses as people write them: they are read, or a ValueError says why."""
    text = octets.decode(errors="replace")
    with suppress(ValueError):
        assert 0 <= parse_asn(text) <= 0xFFFF_FFFF
    with suppress(ValueError):
        identifier = parse_identifier(text)
        assert parse_identifier(format_identifier(identifier)) == identifier
    with suppress(ValueError):
        address = parse_address(text)
        assert parse_address(format_address(address)) == address
    with suppress(ValueError):
        family, prefix = parse_prefix(text)
        assert family in FAMILIES.values()
        assert len(prefix) == 1 + (prefix[0] + 7) // 8
    with suppress(ValueError):
        parse_pattern(text)
    with suppress(ValueError):
        parse_communities((text,))
