"""What both OPENs of a session allow: the context that encodes and decodes everything after them.

RFC 4271 4.2, RFC 5492. Times are whole seconds, sizes are octets.
"""

from typing import Final

from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.records import dataclass

MAX_MESSAGE: Final = 4096
MAX_EXTENDED_MESSAGE: Final = 65535


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """The peer's graceful restart capability (RFC 4724 section 3, RFC 8538 section 2).

    restart_time: seconds. preserved: families whose forwarding state the peer kept (F bit).
    """

    restart_time: int
    families: frozenset[Family]
    preserved: frozenset[Family]
    is_restarting: bool
    has_notification: bool


@dataclass(frozen=True, slots=True)
class LongLivedRestart:
    """The peer's long-lived graceful restart capability (RFC 9494 section 3.1).

    times: (family, seconds that its stale routes may stay beyond the restart time). preserved: families whose
    forwarding state the peer kept (F bit).
    """

    times: tuple[tuple[Family, int], ...]
    preserved: frozenset[Family]


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The outcome of two OPENs.

    hold_time, keepalive_time: seconds; 0 = neither timer runs. families: those both announced, in our order.
    max_send, max_receive: octets of the longest message each way (RFC 8654). add_path_receive, add_path_send:
    families whose NLRI carries a path identifier each way (RFC 7911). extended_next_hop: families that may have an
    IPv6 next hop (RFC 8950). four_octet_as: the session's AS_PATH has four-octet numbers (RFC 6793).
    peer_graceful_restart: what the peer announced, whether or not we did; None = nothing. peer_long_lived: the same of
    its long-lived graceful restart, which counts beside the other one only. peer_role: the peer's role code (RFC 9234),
    None = not announced. is_confederation: the peer is in another Member-AS of our confederation, so confederation
    segments and LOCAL_PREF come from it (RFC 5065).
    """

    local_asn: Asn
    remote_asn: Asn
    local_identifier: BgpIdentifier
    remote_identifier: BgpIdentifier
    hold_time: int
    keepalive_time: int
    families: tuple[Family, ...]
    four_octet_as: bool = True
    max_send: int = MAX_MESSAGE
    max_receive: int = MAX_MESSAGE
    route_refresh: bool = False
    enhanced_route_refresh: bool = False
    add_path_receive: frozenset[Family] = frozenset()
    add_path_send: frozenset[Family] = frozenset()
    extended_next_hop: frozenset[Family] = frozenset()
    peer_graceful_restart: GracefulRestart | None = None
    peer_long_lived: LongLivedRestart | None = None
    peer_role: int | None = None
    peer_host_name: str = ""
    is_confederation: bool = False

    @property
    def is_internal(self) -> bool:
        """Is it an iBGP session?"""
        return self.local_asn == self.remote_asn
