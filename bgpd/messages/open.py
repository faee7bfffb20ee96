"""OPEN: who a speaker is and what it offers; and what two OPENs allow together.

RFC 4271 4.2 and 6.2, RFC 5492 (capabilities), RFC 6793 section 4.1 (My Autonomous System), RFC 9072 (extended optional
parameters). The body is version (1 octet), My Autonomous System (2), hold time (2, seconds), BGP Identifier (4), and
optional parameters. Who the peer may be is checked in ``fsm.open_checks``.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from construct import ConstructError, GreedyBytes, Int8ub, Int16ub, Int32ub, Struct

from bgpd.errors import OpenError, OpenSubcode
from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.identity import AS_TRANS, Asn, BgpIdentifier
from bgpd.messages.capabilities import (
    AddPath,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    Fqdn,
    GracefulRestartCapability,
    LongLivedGracefulRestart,
    MultiProtocol,
    Role,
    RouteRefresh,
    decode_capabilities,
    encode_capability,
)
from bgpd.messages.framing import MessageType, frame
from bgpd.messages.layout import Acyclic
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, MAX_MESSAGE, GracefulRestart, LongLivedRestart, Negotiated
from bgpd.records import dataclass

VERSION: Final = 4

_CAPABILITIES: Final = 2  # type of the optional parameter
_EXTENDED: Final = 255  # type and length octet of RFC 9072
_IPV6_AFI: Final = 2
_SHORTEST_HOLD_TIME: Final = 3  # seconds, but for 0
_KEEPALIVES: Final = 3  # 4271 4.4: a third of the hold time

_LAYOUT: Final = Acyclic(
    Struct(
        "version" / Int8ub,
        "my_as" / Int16ub,
        "hold_time" / Int16ub,
        "identifier" / Int32ub,
        "parameters" / GreedyBytes,
    )
)


@dataclass(frozen=True, slots=True)
class Open:
    """An OPEN. asn: the real one, from the four-octet AS capability if there is one. hold_time: seconds, as offered."""

    version: int
    asn: Asn
    hold_time: int
    identifier: BgpIdentifier
    capabilities: tuple[Capability, ...] = ()

    def encode(self) -> bytes:
        """Return the framed message. Raises ValueError for what does not fit into an OPEN."""
        body = _LAYOUT.build(
            {
                "version": self.version,
                "my_as": self.asn if self.asn <= 0xFFFF else AS_TRANS,
                "hold_time": self.hold_time,
                "identifier": self.identifier,
                "parameters": _encode_parameters(b"".join(map(encode_capability, self.capabilities))),
            }
        )
        octets = frame(MessageType.OPEN, body)
        if len(octets) > MAX_MESSAGE:
            raise ValueError(f"an OPEN of {len(octets)} octets; at most {MAX_MESSAGE} are possible")
        return octets


def _encode_parameters(value: bytes) -> bytes:
    """Return the optional parameters with their length: one of capabilities, in RFC 9072 form only if it must be."""
    if not value:
        return b"\0"
    if len(value) + 2 <= _EXTENDED:
        return bytes((len(value) + 2, _CAPABILITIES, len(value))) + value
    parameter = bytes((_CAPABILITIES,)) + len(value).to_bytes(2) + value
    return bytes((_EXTENDED, _EXTENDED)) + len(parameter).to_bytes(2) + parameter


def decode(body: bytes) -> Open:
    """Return the OPEN. Raises OpenError (RFC 4271 6.2), also for another version, whose layout we cannot know."""
    try:
        parsed = _LAYOUT.parse(body)
    except ConstructError as error:
        raise _unspecific(f"OPEN with a body of {len(body)} octets") from error
    if parsed.version != VERSION:
        # 6.2: the largest version we have below the peer's, else our smallest: both are 4
        raise OpenError(
            OpenSubcode.UNSUPPORTED_VERSION_NUMBER,
            VERSION.to_bytes(2),
            why=f"the peer speaks BGP version {parsed.version}, we speak {VERSION}",
        )
    offers: list[Capability] = []
    for kind, value in _parameters(parsed.parameters):
        if kind != _CAPABILITIES:
            raise OpenError(
                OpenSubcode.UNSUPPORTED_OPTIONAL_PARAMETER, why=f"optional parameter {kind}, expected {_CAPABILITIES}"
            )
        offers.extend(decode_capabilities(value))
    wide = _first(offers, FourOctetAs)
    if parsed.my_as == 0 or (wide is not None and wide.asn == 0):
        raise OpenError(OpenSubcode.BAD_PEER_AS, why="the peer says it is AS 0 (RFC 7607)")
    if wide is not None and parsed.my_as not in (wide.asn, AS_TRANS):
        # 6793 section 4.1: the field has the number of the capability, or AS_TRANS where that has no room
        why = f"the peer says it is AS {parsed.my_as} and, in its four-octet AS capability, AS {wide.asn}"
        raise OpenError(OpenSubcode.BAD_PEER_AS, why=why)
    return Open(
        VERSION,
        wide.asn if wide is not None else Asn(parsed.my_as),
        parsed.hold_time,
        BgpIdentifier(parsed.identifier),
        tuple(offers),
    )


def _parameters(octets: bytes) -> list[tuple[int, bytes]]:
    """Return type and value of each optional parameter; the octets start with their length."""
    if not octets:
        raise _unspecific("the length of the optional parameters is missing")
    # 9072 section 2: type 255 in front says that all lengths have two octets; the length octet itself is not 0 then
    is_extended = octets[0] != 0 and octets[1:2] == bytes((_EXTENDED,))
    start, length_size = (4, 2) if is_extended else (1, 1)
    if start > len(octets):
        raise _unspecific("the extended length of the optional parameters is cut off")
    size = int.from_bytes(octets[start - length_size : start])
    if size != len(octets) - start:
        raise _unspecific(f"optional parameters of {size} octets in {len(octets) - start}")
    found: list[tuple[int, bytes]] = []
    position = start
    while position < len(octets):
        value = position + 1 + length_size
        stop = value + int.from_bytes(octets[position + 1 : value])
        if value > len(octets) or stop > len(octets):
            raise _unspecific("the last optional parameter is cut off")
        found.append((octets[position], octets[value:stop]))
        position = stop
    return found


def _unspecific(why: str) -> OpenError:
    return OpenError(OpenSubcode.UNSPECIFIC, why=why)


def negotiate(local: Open, remote: Open) -> Negotiated:
    """Return what both OPENs allow (RFC 4271 4.2, RFC 5492).

    hold_time: seconds, the smaller offer; 0 turns keepalives off. families: those both announced; IPv4 unicast alone
    for one who announced none. Raises OpenError(UNACCEPTABLE_HOLD_TIME) for an offer of 1 or 2 seconds.
    """
    if 0 < remote.hold_time < _SHORTEST_HOLD_TIME:
        raise OpenError(
            OpenSubcode.UNACCEPTABLE_HOLD_TIME,
            why=f"the peer offers a hold time of {remote.hold_time} s, expected 0 or at least {_SHORTEST_HOLD_TIME} s",
        )
    hold_time = min(local.hold_time, remote.hold_time)
    offered = _families(remote)
    families = tuple(family for family in _families(local) if family in offered)
    role = _first(remote.capabilities, Role)
    name = _first(remote.capabilities, Fqdn)
    return Negotiated(
        local_asn=local.asn,
        remote_asn=remote.asn,
        local_identifier=local.identifier,
        remote_identifier=remote.identifier,
        hold_time=hold_time,
        keepalive_time=max(1, hold_time // _KEEPALIVES) if hold_time else 0,
        families=families,
        four_octet_as=_both(local, remote, FourOctetAs),
        # RFC 8654 section 4: each side says what it can receive; we do not send what we would not take
        max_send=MAX_EXTENDED_MESSAGE if _both(local, remote, ExtendedMessage) else MAX_MESSAGE,
        max_receive=MAX_EXTENDED_MESSAGE if _first(local.capabilities, ExtendedMessage) else MAX_MESSAGE,
        route_refresh=_both(local, remote, RouteRefresh),
        enhanced_route_refresh=_both(local, remote, EnhancedRouteRefresh),
        add_path_receive=_path_ids(local, remote, families),
        add_path_send=_path_ids(remote, local, families),
        extended_next_hop=_extended_next_hop(local) & _extended_next_hop(remote) & frozenset(families),
        peer_graceful_restart=_graceful_restart(remote),
        peer_long_lived=_long_lived(remote),
        peer_role=role.role if role is not None else None,
        peer_host_name=name.host if name is not None else "",
    )


Kind = TypeVar("Kind", bound=Capability)


def _all(offers: Sequence[Capability], kind: type[Kind]) -> list[Kind]:
    return [offer for offer in offers if isinstance(offer, kind)]


def _first(offers: Sequence[Capability], kind: type[Kind]) -> Kind | None:
    return next(iter(_all(offers, kind)), None)


def _both(local: Open, remote: Open, kind: type[Capability]) -> bool:
    return bool(_all(local.capabilities, kind)) and bool(_all(remote.capabilities, kind))


def _families(message: Open) -> tuple[Family, ...]:
    offers = _all(message.capabilities, MultiProtocol)
    if not offers:
        return (IPV4_UNICAST,)
    found = [FAMILIES.get((offer.afi, offer.safi)) for offer in offers]
    return tuple(dict.fromkeys(family for family in found if family is not None))


def _path_ids(receiver: Open, sender: Open, families: tuple[Family, ...]) -> frozenset[Family]:
    """Return the families in which one offered to receive and the other to send several paths (RFC 7911 section 4)."""
    # 7911 section 4: of several instances for a family, the last one counts
    receives = {
        (each.afi, each.safi): each.receives for o in _all(receiver.capabilities, AddPath) for each in o.families
    }
    sends = {(each.afi, each.safi): each.sends for o in _all(sender.capabilities, AddPath) for each in o.families}
    keys = ((family, (family.afi, family.safi)) for family in families)
    return frozenset(family for family, key in keys if receives.get(key) and sends.get(key))


def _extended_next_hop(message: Open) -> frozenset[Family]:
    offers = [each for offer in _all(message.capabilities, ExtendedNextHop) for each in offer.offers]
    found = [FAMILIES.get((afi, safi)) for afi, safi, next_hop_afi in offers if next_hop_afi == _IPV6_AFI]
    return frozenset(family for family in found if family is not None)


def _graceful_restart(message: Open) -> GracefulRestart | None:
    offers = _all(message.capabilities, GracefulRestartCapability)
    if not offers:
        return None
    offer = offers[-1]  # 4724 section 3: of several instances the last one counts
    known = [(FAMILIES.get((each.afi, each.safi)), each.is_preserved) for each in offer.families]
    return GracefulRestart(
        restart_time=offer.restart_time,
        families=frozenset(family for family, _ in known if family is not None),
        preserved=frozenset(family for family, is_preserved in known if family is not None and is_preserved),
        is_restarting=offer.is_restarting,
        has_notification=offer.has_notification,
    )


def _long_lived(message: Open) -> LongLivedRestart | None:
    offers = _all(message.capabilities, LongLivedGracefulRestart)
    if not offers or _first(message.capabilities, GracefulRestartCapability) is None:
        return None  # 9494 section 4.5: without the other capability it is as if it were not there
    known = [(FAMILIES.get((each.afi, each.safi)), each) for each in offers[-1].families]
    times = {family: each.stale_time for family, each in known if family is not None}
    return LongLivedRestart(
        times=tuple(times.items()),
        preserved=frozenset(family for family, each in known if family is not None and each.is_preserved),
    )
