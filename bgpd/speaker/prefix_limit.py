"""Maximum prefixes: when a peer's table nears the limit or is above it.

RFC 4486 section 4; RFC 4271 6.7.
"""

from typing import Final

from bgpd.config import ResolvedPeer
from bgpd.errors import Cease, CeaseSubcode, ErrorCode
from bgpd.families import Family
from bgpd.fsm.actions import EndKind, SessionEnd
from bgpd.messages.notification import Notification
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.speaker.route_faults import RouteFaults

NEVER: Final = 1 << 62  # no table is as large
_TOO_MANY: Final = (ErrorCode.CEASE, CeaseSubcode.MAXIMUM_PREFIXES_REACHED)


def first_step(settings: ResolvedPeer) -> int:
    """Return how many prefixes a table may have before anything is to be said about it."""
    limit = settings.max_prefix_limit
    return min(limit, limit * settings.max_prefix_threshold // 100) if limit else NEVER


def is_end_by_limit(end: SessionEnd) -> bool:
    """Did we end the session for too many prefixes? A Hard Reset has the reason inside."""
    said = Notification(end.code, end.subcode, end.data)
    inner = said.inside_hard_reset or said
    return end.kind is not EndKind.RECEIVED_NOTIFICATION and (inner.code, inner.subcode) == _TOO_MANY


class PrefixLimit:
    """Holds one peer's tables against its limit; each warning is given once."""

    __slots__ = ("_faults", "_warned")

    def __init__(self, faults: RouteFaults) -> None:
        self._faults = faults
        self._warned: dict[Family, int] = {}  # prefixes that were warned of

    def forget(self) -> None:
        """Warn anew: the session or the limit is another."""
        self._warned.clear()

    def check(self, rib: AdjRibIn, settings: ResolvedPeer) -> None:
        """Warn of a table that nears the limit or is above it; raise Cease if that is asked for."""
        size, family = len(rib), rib.family
        limit = settings.max_prefix_limit
        threshold = limit * settings.max_prefix_threshold // 100
        if not limit or size <= min(limit, threshold):
            return
        why = f"{size} {family.name} prefixes, the limit is {limit}"
        if size <= limit:
            self._warn(family, threshold, "maximum prefixes near", why)
            return
        if settings.max_prefix_action == "warn":
            self._warn(family, limit, "maximum prefixes reached", why)
            return
        data = family.afi.to_bytes(2) + bytes((family.safi,)) + limit.to_bytes(4)  # RFC 4486 section 4
        raise Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, data, why=why)

    def _warn(self, family: Family, step: int, kind: str, why: str) -> None:
        if self._warned.get(family, 0) < step:
            self._warned[family] = step
            self._faults.report(kind, why)
