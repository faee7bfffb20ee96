"""Counters of one peer: messages by type and octets, each way, over all its sessions.

RFC 4273. Plain integers, owned by the session; whoever shows them reads them.
"""

from dataclasses import field

from bgpd.messages.framing import MessageType
from bgpd.records import dataclass


def _zeros() -> list[int]:
    return [0] * (max(MessageType) + 1)


@dataclass(slots=True)
class MessageCounts:
    """received, sent: messages, indexed by ``MessageType``."""

    received: list[int] = field(default_factory=_zeros)
    sent: list[int] = field(default_factory=_zeros)
    octets_received: int = 0
    octets_sent: int = 0
