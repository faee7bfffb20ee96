"""Paths and sources for tests of the RIB, with as few words as the test needs."""

from sys import intern

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages.attributes import block
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.model import AsPath, Origin, SegmentType
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.decision import rank
from bgpd.rib.path import OWN, NextHop, Path, Preference, Source, SourceKind

LOCAL_ASN = Asn(64512)
LOCAL_IDENTIFIER = BgpIdentifier(0x0A000001)


def prefix(text: str) -> bytes:
    return parse_prefix(text)[1]


def sequence(*numbers: int) -> AsPath:
    return from_segments([(SegmentType.AS_SEQUENCE, tuple(map(Asn, numbers)))]) if numbers else from_segments([])


def peer_source(
    number: int,
    peer_type: PeerType = PeerType.INTERNAL,
    *,
    is_client: bool = False,
    asn: int | None = None,
    identifier: int | None = None,
    path_id: int = 0,
) -> Source:
    """Return the source of peer number n: 10.9.0.n, its token being the object that its sources share."""
    remote = asn if asn is not None else LOCAL_ASN if peer_type is PeerType.INTERNAL else 65000 + number
    return Source(
        SourceKind.PEER,
        f"peer{number}",
        Preference.PEER,
        Asn(remote),
        BgpIdentifier(identifier if identifier is not None else 0x0A090000 + number),
        parse_address(f"10.9.0.{number}"),
        peer_type,
        is_client,
        path_id,
        peer=intern(f"token{number}"),
        number=100 * path_id + number,
    )


def own_source(kind: SourceKind = SourceKind.NETWORK) -> Source:
    preference = Preference.NETWORK if kind is SourceKind.NETWORK else Preference.KERNEL
    return Source(kind, kind.value, preference, LOCAL_ASN, LOCAL_IDENTIFIER, number=0x10000 + preference)


def path(
    source: Source,
    *,
    as_path: tuple[int, ...] = (),
    next_hop: str = "10.1.0.1",
    metric: int = 0,
    family: Family = IPV4_UNICAST,
    weight: int = 0,
    **attributes: object,
) -> Path:
    octets = parse_address(next_hop) if next_hop else b""
    fields: dict[str, object] = {"origin": Origin.IGP, "as_path": sequence(*as_path), "next_hop": octets}
    hop = NextHop(octets, metric=metric) if octets else OWN
    made = Path(source, family, block.make(**(fields | attributes)), hop)
    made.weight = weight
    rank(made)
    return made


def negotiated(
    *families: Family, remote_asn: int = LOCAL_ASN, remote_identifier: int = 0x0A090001, four_octet_as: bool = True
) -> Negotiated:
    return Negotiated(
        LOCAL_ASN,
        Asn(remote_asn),
        LOCAL_IDENTIFIER,
        BgpIdentifier(remote_identifier),
        90,
        30,
        families or (IPV4_UNICAST,),
        four_octet_as=four_octet_as,
    )
