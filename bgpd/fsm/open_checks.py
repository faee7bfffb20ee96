"""What must hold of a peer's OPEN before we accept it.

RFC 4271 6.2; RFC 6286 section 2 (BGP Identifier); RFC 7607 (AS 0); RFC 5492 section 5 (capabilities we need);
RFC 5065 section 4 (confederations); RFC 7705 section 4 (an AS in migration); RFC 9234 4.2 (roles). Each fault raises
the OpenError that answers it.
"""

from dataclasses import replace
from typing import Final, Protocol

from bgpd.addresses import format_address
from bgpd.errors import OpenError, OpenSubcode
from bgpd.identity import ROLE_BY_CODE, Asn, BgpIdentifier, Confederation, PeerType, format_identifier
from bgpd.messages.capabilities import MultiProtocol, Role
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.open import Open, negotiate

VERSION: Final = 4
MULTIPROTOCOL: Final = 1


class ExpectedPeer(Protocol):
    """What we know of a peer before its OPEN.

    local_asn, other_asn: our AS on the session, and the one that it may be opened with as well (None = no other).
    remote_asn None: any AS that peer_type allows. confederation: ours, None = we are in none. is_role_required: a peer
    that does not tell its role is refused (RFC 9234's strict mode).
    """

    @property
    def address(self) -> bytes: ...
    @property
    def local_asn(self) -> Asn: ...
    @property
    def other_asn(self) -> Asn | None: ...
    @property
    def confederation(self) -> Confederation | None: ...
    @property
    def is_role_required(self) -> bool: ...
    @property
    def remote_asn(self) -> Asn | None: ...
    @property
    def peer_type(self) -> PeerType | None: ...
    @property
    def local_identifier(self) -> BgpIdentifier: ...


def check(remote: Open, local: Open, expected: ExpectedPeer) -> Negotiated:
    """Return what the two OPENs allow. Raises OpenError if the peer's is not acceptable."""
    _check_version(remote)
    _check_asn(remote, local, expected)
    _check_identifier(remote, local, expected)
    negotiated = negotiate(local, remote)
    _check_families(negotiated, local)
    _check_roles(remote, local, expected)
    if expected.peer_type is PeerType.CONFEDERATION:
        return replace(negotiated, is_confederation=True)
    if expected.peer_type is PeerType.INTERNAL:
        return replace(negotiated, local_asn=remote.asn)  # whichever of our two it is open with
    return negotiated


def _check_version(remote: Open) -> None:
    if remote.version != VERSION:
        # 6.2: the data is the largest version we support below the peer's, in two octets
        raise OpenError(
            OpenSubcode.UNSUPPORTED_VERSION_NUMBER,
            VERSION.to_bytes(2),
            why=f"the peer speaks BGP version {remote.version}, we speak {VERSION}",
        )


def _check_asn(remote: Open, local: Open, expected: ExpectedPeer) -> None:
    if remote.asn == 0:
        raise OpenError(OpenSubcode.BAD_PEER_AS, why="the peer says it is AS 0 (RFC 7607)")
    if expected.remote_asn is not None:
        if remote.asn != expected.remote_asn:
            why = f"the peer is AS {remote.asn}, expected AS {expected.remote_asn}"
            raise OpenError(OpenSubcode.BAD_PEER_AS, why=why)
        return
    why = _asn_fault(remote.asn, local.asn, expected)
    if why:
        raise OpenError(OpenSubcode.BAD_PEER_AS, why=f"the peer is AS {remote.asn}, expected {why}")


def _asn_fault(asn: Asn, used: Asn, expected: ExpectedPeer) -> str:
    """Return what we expected in place of the peer's AS, empty = it fits. used: the AS in our OPEN."""
    confederation, other = expected.confederation, expected.other_asn
    ours = {used, expected.local_asn} if other is None else {used, expected.local_asn, other}
    match expected.peer_type:
        case PeerType.INTERNAL if asn not in ours:
            return f"our own AS {expected.local_asn}" + ("" if other is None else f" or {other}")
        case PeerType.EXTERNAL if asn in ours:
            return "any AS but our own"
        case PeerType.EXTERNAL if confederation is not None and asn in confederation.members:
            return "an AS that is not in our confederation"
        case _:
            return ""


def _check_identifier(remote: Open, local: Open, expected: ExpectedPeer) -> None:
    if remote.identifier == 0:
        raise OpenError(OpenSubcode.BAD_BGP_IDENTIFIER, why="the peer's BGP Identifier is 0.0.0.0")
    is_internal = expected.peer_type is PeerType.INTERNAL or remote.asn == local.asn
    if remote.identifier == expected.local_identifier and is_internal:
        identifier = format_identifier(remote.identifier)
        why = f"the peer {format_address(expected.address)} has our own BGP Identifier {identifier} (RFC 6286)"
        raise OpenError(OpenSubcode.BAD_BGP_IDENTIFIER, why=why)


def _check_families(negotiated: Negotiated, local: Open) -> None:
    if negotiated.families:
        return
    # RFC 5492 section 5: the data is the capabilities that we miss in the peer's OPEN
    wanted = [capability for capability in local.capabilities if isinstance(capability, MultiProtocol)]
    data = b"".join(_multiprotocol_tlv(capability) for capability in wanted)
    names = ", ".join(f"AFI {capability.afi} SAFI {capability.safi}" for capability in wanted) or "IPv4 unicast"
    raise OpenError(OpenSubcode.UNSUPPORTED_CAPABILITY, data, why=f"no address family in common; we offer {names}")


def _multiprotocol_tlv(capability: MultiProtocol) -> bytes:
    value = capability.afi.to_bytes(2) + b"\0" + bytes((capability.safi,))
    return bytes((MULTIPROTOCOL, len(value))) + value


def _check_roles(remote: Open, local: Open, expected: ExpectedPeer) -> None:
    theirs = {capability.role for capability in remote.capabilities if isinstance(capability, Role)}
    ours = {capability.role for capability in local.capabilities if isinstance(capability, Role)}
    if len(theirs) > 1:
        named = ", ".join(map(_role_name, sorted(theirs)))
        raise OpenError(OpenSubcode.ROLE_MISMATCH, why=f"the peer announces several roles: {named} (RFC 9234)")
    for our_role in ours:
        counterpart = ROLE_BY_CODE[our_role].counterpart
        if not theirs and expected.is_role_required:
            why = f"the peer announces no role, expected {counterpart.value}, as strict_role asks for (RFC 9234)"
            raise OpenError(OpenSubcode.ROLE_MISMATCH, why=why)
        for their_role in theirs - {counterpart.code}:
            why = (
                f"the peer's role is {_role_name(their_role)}, expected {counterpart.value}, as ours is "
                f"{_role_name(our_role)} (RFC 9234)"
            )
            raise OpenError(OpenSubcode.ROLE_MISMATCH, why=why)


def _role_name(code: int) -> str:
    role = ROLE_BY_CODE.get(code)
    return role.value if role is not None else str(code)
