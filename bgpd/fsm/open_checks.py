"""What must hold of a peer's OPEN before we accept it.

RFC 4271 6.2; RFC 6286 section 2 (BGP Identifier); RFC 7607 (AS 0); RFC 5492 section 5 (capabilities we need);
RFC 9234 4.2 (roles). Each fault raises the OpenError that answers it.
"""

from typing import Final, Protocol

from bgpd.addresses import format_address
from bgpd.errors import OpenError, OpenSubcode
from bgpd.identity import Asn, BgpIdentifier, PeerType, format_identifier
from bgpd.messages.capabilities import MultiProtocol, Role
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.open import Open, negotiate

VERSION: Final = 4
MULTIPROTOCOL: Final = 1


class ExpectedPeer(Protocol):
    """What we know of a peer before its OPEN. remote_asn None: any AS that peer_type allows."""

    @property
    def address(self) -> bytes: ...
    @property
    def local_asn(self) -> Asn: ...
    @property
    def remote_asn(self) -> Asn | None: ...
    @property
    def peer_type(self) -> PeerType | None: ...
    @property
    def local_identifier(self) -> BgpIdentifier: ...


def check(remote: Open, local: Open, expected: ExpectedPeer) -> Negotiated:
    """Return what the two OPENs allow. Raises OpenError if the peer's is not acceptable."""
    _check_version(remote)
    _check_asn(remote, expected)
    _check_identifier(remote, expected)
    negotiated = negotiate(local, remote)
    _check_families(negotiated, local)
    _check_roles(remote, local)
    return negotiated


def _check_version(remote: Open) -> None:
    if remote.version != VERSION:
        # 6.2: the data is the largest version we support below the peer's, in two octets
        raise OpenError(
            OpenSubcode.UNSUPPORTED_VERSION_NUMBER,
            VERSION.to_bytes(2),
            why=f"the peer speaks BGP version {remote.version}, we speak {VERSION}",
        )


def _check_asn(remote: Open, expected: ExpectedPeer) -> None:
    if remote.asn == 0:
        raise OpenError(OpenSubcode.BAD_PEER_AS, why="the peer says it is AS 0 (RFC 7607)")
    if expected.remote_asn is not None:
        if remote.asn != expected.remote_asn:
            why = f"the peer is AS {remote.asn}, expected AS {expected.remote_asn}"
            raise OpenError(OpenSubcode.BAD_PEER_AS, why=why)
        return
    is_internal = remote.asn == expected.local_asn
    if expected.peer_type is PeerType.INTERNAL and not is_internal:
        why = f"the peer is AS {remote.asn}, expected our own AS {expected.local_asn}"
        raise OpenError(OpenSubcode.BAD_PEER_AS, why=why)
    if expected.peer_type is PeerType.EXTERNAL and is_internal:
        why = f"the peer is AS {remote.asn}, expected any AS but our own"
        raise OpenError(OpenSubcode.BAD_PEER_AS, why=why)


def _check_identifier(remote: Open, expected: ExpectedPeer) -> None:
    if remote.identifier == 0:
        raise OpenError(OpenSubcode.BAD_BGP_IDENTIFIER, why="the peer's BGP Identifier is 0.0.0.0")
    if remote.identifier == expected.local_identifier and remote.asn == expected.local_asn:
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


# RFC 9234 4.2, table 2: the peer's role for each of ours
_ROLE_PAIRS: Final = {0: 3, 1: 2, 2: 1, 3: 0, 4: 4}


def _check_roles(remote: Open, local: Open) -> None:
    theirs = {capability.role for capability in remote.capabilities if isinstance(capability, Role)}
    ours = {capability.role for capability in local.capabilities if isinstance(capability, Role)}
    if len(theirs) > 1:
        raise OpenError(OpenSubcode.ROLE_MISMATCH, why=f"the peer announces several roles: {sorted(theirs)}")
    for our_role in ours:
        for their_role in theirs - {_ROLE_PAIRS.get(our_role)}:
            why = f"the peer's role {their_role} does not fit ours, {our_role} (RFC 9234)"
            raise OpenError(OpenSubcode.ROLE_MISMATCH, why=why)
