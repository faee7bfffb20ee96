"""Our AS in the next OPEN to a peer: where two will do, the one that the peer did not refuse (RFC 7705)."""

from typing import Final

from bgpd.config import ResolvedPeer
from bgpd.errors import ErrorCode, OpenSubcode
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.identity import Asn

_REFUSED: Final = (EndKind.RECEIVED_NOTIFICATION, ErrorCode.OPEN_MESSAGE, OpenSubcode.BAD_PEER_AS)


class OpenAsn:
    """Remembers what one peer refused."""

    __slots__ = ("_seen", "_uses_real")

    def __init__(self) -> None:
        self._uses_real = False
        self._seen: SessionEnd | None = None

    def choose(self, settings: ResolvedPeer, last_end: SessionEnd | None) -> Asn:
        """Return the AS for the next OPEN. last_end: how the last session, or attempt at one, ended."""
        if not settings.is_dual_asn:
            return settings.local_asn
        if last_end is not None and last_end is not self._seen:
            self._seen = last_end
            self._uses_real ^= (last_end.kind, last_end.code, last_end.subcode) == _REFUSED
        return settings.real_asn if self._uses_real else settings.local_asn
