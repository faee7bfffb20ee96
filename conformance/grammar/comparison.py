"""What the fast decoder read against what the grammar read, field by field; a difference is an AssertionError.

RFC 4271 4.3 and 6.3, RFC 7606 (what bgpd passes over and the grammar does not).
"""

from collections.abc import Iterable

from construct import Container

from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.messages import nlri
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.update import Update
from conformance.grammar.update import UPDATE, VALUES


def parameters(negotiated: Negotiated) -> dict[str, object]:
    """Return the grammar's parameters for a session."""
    return {
        "asn_size": 4 if negotiated.four_octet_as else 2,
        "path_ids": {(family.afi, family.safi) for family in negotiated.add_path_receive},
    }


def key(prefix: Container) -> bytes:
    """Return a parsed prefix as the canonical octets that bgpd uses."""
    address = bytearray(prefix.address)
    if prefix.length % 8:
        address[-1] &= 0xFF00 >> prefix.length % 8 & 0xFF
    path_id = b"" if prefix.path_id is None else prefix.path_id.to_bytes(4)
    return path_id + bytes((prefix.length,)) + bytes(address)


def routes(family: Family, parsed: Iterable[Container]) -> list[bytes]:
    """Return the keys of the prefixes that can be unicast routes; bgpd ignores the others."""
    keys = [(key(each), 0 if each.path_id is None else 4) for each in parsed]
    return [octets for octets, start in keys if nlri.is_unicast(family, octets[start:])]


# What the grammar says of a value, in the words of Attributes
FIELDS = {
    1: ("origin", lambda value: value.it),
    2: ("as_path", lambda value: [(each.kind, list(each.numbers)) for each in value.all]),
    4: ("med", lambda value: value.it),
    5: ("local_pref", lambda value: value.it),
    6: ("atomic_aggregate", lambda value: True),
    7: ("aggregator", lambda value: (value.asn, value.address)),
    8: ("communities", lambda value: tuple(value.all)),
    9: ("originator_id", lambda value: value.it),
    10: ("cluster_list", lambda value: tuple(value.all)),
    16: ("extended_communities", lambda value: tuple(value.all)),
    25: ("ipv6_extended_communities", lambda value: tuple(value.all)),
    26: ("aigp", lambda value: int.from_bytes(next(each.value for each in value.all if each.type == 1))),
    32: (
        "large_communities",
        lambda value: tuple(dict.fromkeys((each.administrator, each.first, each.second) for each in value.all)),
    ),
    35: ("otc", lambda value: value.it),
}


def plain(attributes: Attributes, field: str) -> object:
    """Return a field of ours as the grammar would give it."""
    value = getattr(attributes, field)
    if field == "as_path":
        return [(int(kind), list(numbers)) for kind, numbers in value.segments()]
    if field == "aggregator" and value is not None:
        return value.asn, value.address
    return value


def compare_routes(found: Update, parsed: Container, negotiated: Negotiated) -> None:
    """Check every route in any of the four places."""
    has_ipv4 = IPV4_UNICAST in negotiated.families
    assert found.announced == (routes(IPV4_UNICAST, parsed.routes.all) if has_ipv4 else [])
    assert found.withdrawn == ([key(each) for each in parsed.withdrawn.all] if has_ipv4 else [])
    reach = [each.value for each in parsed.attributes.all if each.code == 14]
    unreach = [each.value for each in parsed.attributes.all if each.code == 15]
    for values, told in ((reach, found.mp_announced), (unreach, found.mp_withdrawn)):
        for value in values:
            family = FAMILIES.get((value.afi, value.safi))
            if family is None or family not in negotiated.families:
                assert told is None
                continue
            expected = [key(each) for each in value.routes.all]
            if values is reach:
                expected = routes(family, value.routes.all)
            assert (told[-1] if told is not None else []) == expected
            if told is not None:
                assert told[0] is family
        if not values:
            assert told is None


def compare_values(found: Attributes, parsed: Container, *, has_merged: bool) -> None:
    """Check every attribute; has_merged: a two-octet session's AS_PATH and AGGREGATOR stand for more (RFC 6793)."""
    seen: set[int] = set()
    unknown: set[int] = set()
    for each in parsed.attributes.all:
        if each.code in FIELDS and each.code not in seen and not (has_merged and each.code in (2, 7)):
            field, read_value = FIELDS[each.code]
            assert plain(found, field) == read_value(each.value), field
        elif each.code not in VALUES and each.flags.transitive:
            unknown.add(each.code)
        seen.add(each.code)
    assert [each.code for each in found.unknown] == sorted(unknown)


def is_ignored(found: Update, body: bytes, negotiated: Negotiated) -> bool:
    """Is the block, as bgpd hands it on, one that the grammar takes?"""
    attributes = block.parse(found.attributes, negotiated, None)
    octets = attributes.octets if negotiated.four_octet_as else block.two_octet(attributes.octets)
    framed = b"\0\0" + len(octets).to_bytes(2) + octets
    UPDATE.parse(framed, **parameters(negotiated))
    return True
