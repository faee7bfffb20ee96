"""What a session must know of its peer.

RFC 4271 8.1.1 (session attributes), RFC 5082 (GTSM), RFC 2385 (TCP-MD5) or RFC 5925 (TCP-AO). Addresses are 4 or 16
octets; times are seconds.
"""

from dataclasses import field
from enum import StrEnum

from bgpd.identity import Asn, BgpIdentifier, Confederation, PeerType
from bgpd.records import dataclass


class AoAlgorithm(StrEnum):
    """How TCP-AO makes its code (RFC 5926)."""

    HMAC_SHA1_96 = "hmac-sha1-96"
    AES_128_CMAC_96 = "aes-128-cmac-96"


@dataclass(frozen=True, slots=True)
class AoKey:
    """A key of TCP-AO (RFC 5925 3.1). send_id, recv_id: octets that name it, in what we send and in what comes."""

    send_id: int
    recv_id: int
    algorithm: AoAlgorithm
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Configuration of one session.

    interface: name of the link, for a link-local address. local_address: the source address, None = the kernel's
    choice. remote_asn None: any AS that peer_type allows. multihop_ttl: TTL of what we send, 0 = the system's default.
    keepalive_time: 0 = a third of the hold time.
    ttl_security: 0 = off, n = only packets from at most n hops away count (GTSM). delay_open_time: 0 = off. ao_keys: of
    TCP-AO, the one to send with first; empty = none. other_asn, confederation, is_role_required: see
    ``fsm.open_checks.ExpectedPeer``.
    """

    name: str
    address: bytes
    interface: str
    port: int
    local_address: bytes | None
    local_asn: Asn
    remote_asn: Asn | None
    peer_type: PeerType | None
    local_identifier: BgpIdentifier
    hold_time: int
    connect_retry_time: float
    idle_hold_first: float
    idle_hold_max: float
    is_passive: bool
    password: str | None = field(default=None, repr=False)
    multihop_ttl: int = 0
    ttl_security: int = 0
    delay_open_time: float = 0
    ao_keys: tuple[AoKey, ...] = ()
    other_asn: Asn | None = None
    confederation: Confederation | None = None
    is_role_required: bool = False
    keepalive_time: int = 0

    @property
    def authentication(self) -> str:
        """What the peer must sign its segments with, for people; empty = nothing."""
        if self.ao_keys:
            return "TCP-AO key"
        return "TCP-MD5 password" if self.password is not None else ""
