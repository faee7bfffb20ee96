"""The types of values that several tables of bgp.toml have in common. Times are seconds."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.table import written


class FamilyName(StrEnum):
    """An address family by its name."""

    IPV4_UNICAST = "ipv4-unicast"
    IPV6_UNICAST = "ipv6-unicast"


AsnText = Annotated[int | str, written(syntax.ASN)]
AddressText = Annotated[str, written(syntax.ADDRESS)]
PrefixText = Annotated[str, written(syntax.PREFIX)]
CommunityText = Annotated[str, written(syntax.COMMUNITY)]
CommunityPatternText = Annotated[str, written(syntax.COMMUNITY_PATTERN)]
PrefixEntryText = Annotated[str, written(syntax.PREFIX_ENTRY)]
PrefixOrSet = Annotated[str, written(syntax.PREFIX_OR_SET)]
NextHopOrSet = Annotated[str, written(syntax.NEXT_HOP_OR_SET)]
AsnRangeText = Annotated[int | str, written(syntax.ASN_RANGE)]
AsnOrSet = Annotated[int | str, written(syntax.ASN_OR_SET)]
CommunityOrSet = Annotated[str, written(syntax.COMMUNITY_OR_SET)]
PatternOrSet = Annotated[str, written(syntax.PATTERN_OR_SET)]
PeerGlob = Annotated[str, written(syntax.PEER_GLOB)]
InterfaceGlob = Annotated[str, written(syntax.INTERFACE_GLOB)]
Name = Annotated[str, Meta(min_length=1)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
