"""What a policy test asks, from text: parameters of a request, or options of a command line."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeVar

from bgpd.addresses import parse_address, parse_prefix
from bgpd.api.operations import PolicyQuery, Refused, TrialRoute
from bgpd.communities import EXPECTED, NO_COMMUNITIES, parse_communities
from bgpd.identity import Asn, PeerType, parse_asn
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.model import AsPath, Origin, SegmentType
from bgpd.rib.path import SourceKind

DIRECTIONS: Final = ("import", "export")
ROUTE_PARAMETERS: Final = (
    "source", "from", "from-type", "as-path", "community", "next-hop", "med", "local-pref", "origin", "interface",
)  # fmt: skip
PARAMETERS: Final = ("policy", "prefix", "peer", "peer-type", "direction", *ROUTE_PARAMETERS)
_PART: Final = re.compile(r"\{([^{}]*)\}|([0-9.]+)|\S")
_MOST: Final = 0xFFFF_FFFF

Value = TypeVar("Value")
Named = TypeVar("Named", bound=Enum)


def parse_policy_query(parameters: Mapping[str, Sequence[str]]) -> PolicyQuery:
    """Return what a policy test asks. parameters: the texts of each; only ``community`` may have several.

    Raises Refused for what cannot be understood.
    """
    for name, texts in parameters.items():
        if name not in PARAMETERS:
            raise Refused(400, f"unknown parameter {name}", f"one of {', '.join(PARAMETERS)}")
        if name != "community" and len(texts) > 1:
            raise Refused(400, f"{name} is given {len(texts)} times")
    given = {name: texts[0].strip() for name, texts in parameters.items() if texts and texts[0].strip()}
    if "prefix" not in given:
        raise Refused(400, "no prefix to test with", "add --prefix 10.65.0.0/16")
    if "policy" not in given and "peer" not in given:
        raise Refused(400, "neither a policy nor a peer is named", "name a policy, or a peer to test all it has")
    family, prefix = _parsed(given, "prefix", parse_prefix, "10.65.0.0/16 or fd00:10::/64")
    direction = given.get("direction", "import")
    if direction not in DIRECTIONS:
        raise Refused(400, f"direction is import or export, not {direction}")
    is_described = any(name in given or parameters.get(name) for name in ROUTE_PARAMETERS)
    return PolicyQuery(
        family=family,
        prefix=prefix,
        policy=given.get("policy", ""),
        peer=given.get("peer", ""),
        peer_type=_named(given, "peer-type", PeerType) or PeerType.EXTERNAL,
        is_export=direction == "export",
        route=_route(given, parameters.get("community", ())) if is_described else None,
    )


def _route(given: Mapping[str, str], communities: Sequence[str]) -> TrialRoute:
    texts = tuple(text for one in communities for text in one.replace(",", " ").split())
    try:
        carried = parse_communities(texts) if texts else NO_COMMUNITIES
    except ValueError as error:
        raise Refused(400, f"community: {error}", f"expected {EXPECTED}") from error
    source = given.get("source", "").replace("remote-peers", "peer").replace("RemotePeers", "peer")
    if source == "local":
        source = SourceKind.NETWORK.value
    return TrialRoute(
        source=_named({"source": source} if source else {}, "source", SourceKind),
        from_peer=given.get("from", ""),
        from_peer_type=_named(given, "from-type", PeerType),
        as_path=_parsed(given, "as-path", parse_as_path, '"65020 65030 {65040 65041}"') if "as-path" in given else None,
        communities=carried,
        next_hop=_parsed(given, "next-hop", parse_address, "172.18.0.1") if "next-hop" in given else b"",
        med=_parsed(given, "med", _number, f"a number from 0 to {_MOST}") if "med" in given else None,
        local_pref=_parsed(given, "local-pref", _number, f"a number from 0 to {_MOST}")
        if "local-pref" in given
        else None,
        origin=_parsed(given, "origin", _origin, "igp, egp or incomplete") if "origin" in given else None,
        interface=given.get("interface", ""),
    )


def parse_as_path(text: str) -> AsPath:
    """Return the path of ``65020 65030 {65040 65041}``, commas as good as spaces. Raises ValueError."""
    segments: list[tuple[SegmentType, tuple[Asn, ...]]] = []
    for found in _PART.finditer(text.replace(",", " ")):
        inside, number = found[1], found[2]
        if inside is not None:
            segments.append((SegmentType.AS_SET, tuple(map(parse_asn, inside.split()))))
        elif number is None:
            raise ValueError(f"{found[0]!r} does not belong into an AS path")
        elif segments and segments[-1][0] is SegmentType.AS_SEQUENCE:
            segments[-1] = (SegmentType.AS_SEQUENCE, (*segments[-1][1], parse_asn(number)))
        else:
            segments.append((SegmentType.AS_SEQUENCE, (parse_asn(number),)))
    return from_segments(segments)


def _parsed(given: Mapping[str, str], name: str, parse: Callable[[str], Value], expected: str) -> Value:
    try:
        return parse(given[name])
    except ValueError as error:
        raise Refused(400, f"{name}: {error}", f"expected {expected}") from error


def _named(given: Mapping[str, str], name: str, kind: type[Named]) -> Named | None:
    """Return the member of an enumeration that a text names."""
    if name not in given:
        return None
    try:
        return kind(given[name])
    except ValueError as error:
        members = ", ".join(str(one.value) for one in kind)
        raise Refused(400, f"unknown {name} {given[name]}", f"one of {members}") from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > _MOST:
        raise ValueError(f"not such a number: {text}")
    return int(text)


def _origin(text: str) -> Origin:
    try:
        return Origin[text.upper()]
    except KeyError as error:
        raise ValueError(f"there is no ORIGIN {text}") from error
