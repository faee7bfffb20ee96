"""Capabilities: what a speaker offers in its OPEN, one record for each kind.

RFC 5492 section 4 (code, length, value); the RFC of each is beside its row in ``CAPABILITIES``. A capability that we
do not know is kept as octets and means nothing. AFI and SAFI are their numbers: an offer may name families that we
do not have.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from construct import (
    BitsInteger,
    BitStruct,
    ConstructError,
    Container,
    Flag,
    GreedyBytes,
    GreedyRange,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    Padding,
    Prefixed,
    Struct,
)

from bgpd.errors import OpenError, OpenSubcode
from bgpd.identity import Asn
from bgpd.messages.layout import Acyclic, whole
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class Capability:
    """Any capability."""


@dataclass(frozen=True, slots=True)
class MultiProtocol(Capability):
    """Routes of a family (RFC 4760 section 8)."""

    afi: int
    safi: int


@dataclass(frozen=True, slots=True)
class RouteRefresh(Capability):
    """ROUTE-REFRESH messages (RFC 2918)."""


@dataclass(frozen=True, slots=True)
class ExtendedNextHop(Capability):
    """Next hops of another family (RFC 8950 section 4). offers: AFI, SAFI, and the AFI of the next hop."""

    offers: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ExtendedMessage(Capability):
    """Messages of up to 65535 octets (RFC 8654)."""


@dataclass(frozen=True, slots=True)
class Role(Capability):
    """The speaker's role on the session (RFC 9234 section 4.1): 0 provider, 1 RS, 2 RS client, 3 customer, 4 peer."""

    role: int


@dataclass(frozen=True, slots=True)
class RestartFamily:
    """A family of a graceful restart capability. is_preserved: the F bit, its forwarding state was kept."""

    afi: int
    safi: int
    is_preserved: bool = False


@dataclass(frozen=True, slots=True)
class GracefulRestartCapability(Capability):
    """Graceful restart (RFC 4724 section 3; RFC 8538 section 2).

    restart_time: seconds, up to 4095. is_restarting: the R bit. has_notification: the N bit.
    """

    restart_time: int
    families: tuple[RestartFamily, ...] = ()
    is_restarting: bool = False
    has_notification: bool = False


@dataclass(frozen=True, slots=True)
class FourOctetAs(Capability):
    """AS numbers of four octets (RFC 6793 section 3): the speaker's own."""

    asn: Asn


@dataclass(frozen=True, slots=True)
class PathIdFamily:
    """A family of an ADD-PATH capability: does the speaker receive, and send, several paths?"""

    afi: int
    safi: int
    receives: bool
    sends: bool


@dataclass(frozen=True, slots=True)
class AddPath(Capability):
    """Several paths for a prefix (RFC 7911 section 4)."""

    families: tuple[PathIdFamily, ...]


@dataclass(frozen=True, slots=True)
class EnhancedRouteRefresh(Capability):
    """ROUTE-REFRESH with begin and end marks (RFC 7313)."""


@dataclass(frozen=True, slots=True)
class LongLivedFamily:
    """A family of a long-lived graceful restart capability. stale_time: seconds, 24 bits."""

    afi: int
    safi: int
    stale_time: int
    is_preserved: bool = False


@dataclass(frozen=True, slots=True)
class LongLivedGracefulRestart(Capability):
    """Stale routes kept for long (RFC 9494 section 3.1)."""

    families: tuple[LongLivedFamily, ...]


@dataclass(frozen=True, slots=True)
class Fqdn(Capability):
    """The speaker's host and domain name (draft-walton-bgp-hostname-capability), for people."""

    host: str
    domain: str = ""


@dataclass(frozen=True, slots=True)
class UnknownCapability(Capability):
    """A capability that we have no record for, as octets."""

    code: int
    value: bytes


@dataclass(frozen=True, slots=True)
class CapabilityRow:
    """One capability that we know.

    layout: of its value, all of it. decode: from the parsed layout to the record, None = not understood after all.
    encode: from the record to what the layout builds.
    """

    code: int
    record: type[Capability]
    layout: Acyclic
    decode: Callable[[Container], Capability | None]
    encode: Callable[[Capability], object]


_FAMILY: Final = Struct("afi" / Int16ub, Padding(1), "safi" / Int8ub)
_NAME: Final = Prefixed(Int8ub, GreedyBytes)
_RESTART_FLAGS: Final = BitStruct(
    "is_restarting" / Flag, "has_notification" / Flag, Padding(2), "time" / BitsInteger(12)
)
_FAMILY_FLAGS: Final = BitStruct("is_preserved" / Flag, Padding(7))
_KEPT: Final = 256  # a cluster's speakers offer much the same; a thousand of them may come at once
_RECEIVE: Final = 1  # RFC 7911 section 4: Send/Receive
_SEND: Final = 2


def _empty(code: int, record: type[Capability]) -> CapabilityRow:
    """Return the row of a capability whose presence says all."""
    return CapabilityRow(code, record, whole(Struct()), lambda _: record(), lambda _: {})


def _decode_multiprotocol(parsed: Container) -> Capability:
    return MultiProtocol(parsed.afi, parsed.safi)


def _encode_multiprotocol(capability: Capability) -> object:
    assert isinstance(capability, MultiProtocol)
    return {"afi": capability.afi, "safi": capability.safi}


def _decode_extended_next_hop(parsed: Container) -> Capability:
    return ExtendedNextHop(tuple((offer.afi, offer.safi, offer.next_hop_afi) for offer in parsed))


def _encode_extended_next_hop(capability: Capability) -> object:
    assert isinstance(capability, ExtendedNextHop)
    return [{"afi": afi, "safi": safi, "next_hop_afi": next_hop} for afi, safi, next_hop in capability.offers]


def _decode_role(parsed: Container) -> Capability:
    return Role(int(parsed))


def _encode_role(capability: Capability) -> object:
    assert isinstance(capability, Role)
    return capability.role


def _decode_graceful_restart(parsed: Container) -> Capability:
    families = tuple(RestartFamily(each.afi, each.safi, each.flags.is_preserved) for each in parsed.families)
    start = parsed.start
    return GracefulRestartCapability(start.time, families, start.is_restarting, start.has_notification)


def _encode_graceful_restart(capability: Capability) -> object:
    assert isinstance(capability, GracefulRestartCapability)
    return {
        "start": {
            "is_restarting": capability.is_restarting,
            "has_notification": capability.has_notification,
            "time": capability.restart_time,
        },
        "families": [
            {"afi": each.afi, "safi": each.safi, "flags": {"is_preserved": each.is_preserved}}
            for each in capability.families
        ],
    }


def _decode_four_octet_as(parsed: Container) -> Capability:
    return FourOctetAs(Asn(int(parsed)))


def _encode_four_octet_as(capability: Capability) -> object:
    assert isinstance(capability, FourOctetAs)
    return capability.asn


def _decode_add_path(parsed: Container) -> Capability | None:
    if not all(_RECEIVE <= each.mode <= _RECEIVE | _SEND for each in parsed):
        return None  # 7911 section 4: with any other value it is as if not understood
    return AddPath(
        tuple(PathIdFamily(each.afi, each.safi, bool(each.mode & _RECEIVE), bool(each.mode & _SEND)) for each in parsed)
    )


def _encode_add_path(capability: Capability) -> object:
    assert isinstance(capability, AddPath)
    return [
        {"afi": each.afi, "safi": each.safi, "mode": _RECEIVE * each.receives | _SEND * each.sends}
        for each in capability.families
    ]


def _decode_long_lived(parsed: Container) -> Capability:
    return LongLivedGracefulRestart(
        tuple(LongLivedFamily(each.afi, each.safi, each.stale_time, each.flags.is_preserved) for each in parsed)
    )


def _encode_long_lived(capability: Capability) -> object:
    assert isinstance(capability, LongLivedGracefulRestart)
    return [
        {
            "afi": each.afi,
            "safi": each.safi,
            "flags": {"is_preserved": each.is_preserved},
            "stale_time": each.stale_time,
        }
        for each in capability.families
    ]


def _decode_fqdn(parsed: Container) -> Capability:
    return Fqdn(parsed.host.decode(errors="replace"), parsed.domain.decode(errors="replace"))


def _encode_fqdn(capability: Capability) -> object:
    assert isinstance(capability, Fqdn)
    return {"host": _shortened(capability.host), "domain": _shortened(capability.domain)}


def _shortened(name: str) -> bytes:
    """Return what a length octet can hold of a name (63 octets, as the draft asks), whole characters only."""
    return name.encode()[:63].decode(errors="ignore").encode()


_ROWS: Final = (
    CapabilityRow(1, MultiProtocol, whole(_FAMILY), _decode_multiprotocol, _encode_multiprotocol),
    _empty(2, RouteRefresh),
    CapabilityRow(
        5,
        ExtendedNextHop,
        whole(GreedyRange(Struct("afi" / Int16ub, "safi" / Int16ub, "next_hop_afi" / Int16ub))),
        _decode_extended_next_hop,
        _encode_extended_next_hop,
    ),
    _empty(6, ExtendedMessage),
    CapabilityRow(9, Role, whole(Int8ub), _decode_role, _encode_role),
    CapabilityRow(
        64,
        GracefulRestartCapability,
        whole(
            Struct(
                "start" / _RESTART_FLAGS,
                "families" / GreedyRange(Struct("afi" / Int16ub, "safi" / Int8ub, "flags" / _FAMILY_FLAGS)),
            )
        ),
        _decode_graceful_restart,
        _encode_graceful_restart,
    ),
    CapabilityRow(65, FourOctetAs, whole(Int32ub), _decode_four_octet_as, _encode_four_octet_as),
    CapabilityRow(
        69,
        AddPath,
        whole(GreedyRange(Struct("afi" / Int16ub, "safi" / Int8ub, "mode" / Int8ub))),
        _decode_add_path,
        _encode_add_path,
    ),
    _empty(70, EnhancedRouteRefresh),
    CapabilityRow(
        71,
        LongLivedGracefulRestart,
        whole(GreedyRange(Struct("afi" / Int16ub, "safi" / Int8ub, "flags" / _FAMILY_FLAGS, "stale_time" / Int24ub))),
        _decode_long_lived,
        _encode_long_lived,
    ),
    CapabilityRow(73, Fqdn, whole(Struct("host" / _NAME, "domain" / _NAME)), _decode_fqdn, _encode_fqdn),
)

CAPABILITIES: Final[Mapping[int, CapabilityRow]] = MappingProxyType({row.code: row for row in _ROWS})
_BY_RECORD: Final = {row.record: row for row in _ROWS}


def decode_capabilities(octets: bytes) -> tuple[Capability, ...]:
    """Return the capabilities of one optional parameter, in order.

    Raises OpenError(UNSPECIFIC) where one is cut off or is not laid out as its RFC says.
    """
    found: list[Capability] = []
    position = 0
    while position < len(octets):
        if position + 2 > len(octets) or position + 2 + octets[position + 1] > len(octets):
            raise OpenError(OpenSubcode.UNSPECIFIC, why="the last capability is cut off")
        stop = position + 2 + octets[position + 1]
        found.append(_decode(octets[position], octets[position + 2 : stop]))
        position = stop
    return tuple(found)


@lru_cache(_KEPT)
def _decode(code: int, value: bytes) -> Capability:
    row = CAPABILITIES.get(code)
    if row is None:
        return UnknownCapability(code, value)
    try:
        parsed = row.layout.parse(value)
    except ConstructError as error:
        why = f"capability {row.record.__name__} ({code}) is malformed: {value.hex() or 'empty'}"
        raise OpenError(OpenSubcode.UNSPECIFIC, why=why) from error
    return row.decode(parsed.it) or UnknownCapability(code, value)


@lru_cache(_KEPT)
def encode_capability(capability: Capability) -> bytes:
    """Return the capability with its code and length. Raises ValueError for a value that the layout cannot hold."""
    if isinstance(capability, UnknownCapability):
        code, value = capability.code, capability.value
    else:
        row = _BY_RECORD[type(capability)]
        code = row.code
        try:
            value = row.layout.build({"it": row.encode(capability)})
        except ConstructError as error:
            raise ValueError(f"cannot encode {capability}: {error}") from error
    if len(value) > 255:
        raise ValueError(f"capability {code} has {len(value)} octets; at most 255 are possible")
    return bytes((code, len(value))) + value
