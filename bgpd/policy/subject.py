"""Whom a policy decides for."""

from bgpd.identity import Asn, PeerType
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class PeerContext:
    """The peer that a route is imported from or exported to."""

    name: str
    peer_type: PeerType
    local_asn: Asn
    remote_asn: Asn
