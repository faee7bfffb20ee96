"""What a session must know of its peer.

RFC 4271 8.1.1 (session attributes), RFC 5082 (GTSM), RFC 5925 is not here: keys are TCP-MD5 (RFC 2385). Addresses are
4 or 16 octets; times are seconds.
"""

from dataclasses import dataclass, fields
from typing import Final

from bgpd.identity import Asn, BgpIdentifier, PeerType


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Configuration of one session.

    interface: name of the link, for a link-local address. local_address: the source address, None = the kernel's
    choice. remote_asn None: any AS that peer_type allows. multihop_ttl: TTL of what we send, 0 = the system's default.
    ttl_security: 0 = off, n = only packets from at most n hops away count (GTSM). delay_open_time: 0 = off.
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
    password: str | None = None
    multihop_ttl: int = 0
    ttl_security: int = 0
    delay_open_time: float = 0


_WITHOUT_RESET: Final = frozenset(
    {"name", "connect_retry_time", "idle_hold_first", "idle_hold_max", "is_passive", "delay_open_time"}
)


def needs_reset(old: SessionSettings, new: SessionSettings) -> bool:
    """Does the change only take hold on a new connection?"""
    changed = {field.name for field in fields(SessionSettings) if getattr(old, field.name) != getattr(new, field.name)}
    return bool(changed - _WITHOUT_RESET)
