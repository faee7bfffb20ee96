"""The table ``[session]``: what holds for the session with every peer, unless the peer says otherwise. Seconds.

RFC 4724 and 9494 (graceful restart), RFC 7911 (ADD-PATH), RFC 7999 (black holes), RFC 8212 and 8326.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about
from bgpd.config.tables.values import U32, FamilyName, Seconds


class AddPathDirection(StrEnum):
    """Which way several paths for one prefix go (RFC 7911)."""

    NONE = "none"
    RECEIVE = "receive"
    SEND = "send"
    BOTH = "both"


class MaxPrefixAction(StrEnum):
    """What happens above the limit."""

    WARN = "warn"
    CLOSE = "close"


class BlackHoleScope(StrEnum):
    """The community that is added to a peer's black hole, so that it does not spread (RFC 7999 3.2)."""

    NO_EXPORT = "no-export"
    NO_ADVERTISE = "no-advertise"


class IdleHoldTable(Table, frozen=True, kw_only=True):
    """How long a peer is left alone after an error; inbound connections are accepted meanwhile."""

    first: Annotated[Seconds | None, about("Seconds after the first error; doubles with each further one.")] = None
    max: Annotated[Seconds | None, about("Seconds, the most.")] = None


class GracefulRestartTable(Table, frozen=True, kw_only=True):
    """Graceful restart (RFC 4724)."""

    enabled: Annotated[bool | None, about("Announce graceful restart, and keep a restarting peer's routes.")] = None
    restart_time: Annotated[
        Annotated[int, Meta(ge=0, le=4095)] | None,
        about("Seconds that peers should wait for us to come back."),
    ] = None


class LongLivedGracefulRestartTable(Table, frozen=True, kw_only=True):
    """Long-lived graceful restart (RFC 9494); needs graceful restart. Both times 0: off."""

    stale_time: Annotated[
        Annotated[int, Meta(ge=0, le=0xFF_FFFF)] | None,
        about(
            "Seconds beyond the restart time that peers are asked to keep our routes, as a last resort; 0 = not at all."
        ),
    ] = None
    max_stale_time: Annotated[
        Annotated[int, Meta(ge=0, le=0xFF_FFFF)] | None,
        about("Seconds that a peer's routes are kept so at most; the peer may ask for less.", default="`stale_time`"),
    ] = None
    partial_deployment: Annotated[
        bool | None,
        about(
            "Send such routes also to internal peers without the capability, with LOCAL_PREF 0 and `no-export`; "
            "otherwise they are withdrawn from them."
        ),
    ] = None


class BlackHoleTable(Table, frozen=True, kw_only=True):
    """Black holes that a peer asks for with community `blackhole` (RFC 7999); only by agreement with the peer."""

    accept: Annotated[bool | None, about("Drop traffic to prefixes that the peer announces with `blackhole`.")] = None
    min_length_ipv4: Annotated[
        Annotated[int, Meta(ge=0, le=32)] | None,
        about("Shortest IPv4 prefix length for that; a shorter one is an ordinary route."),
    ] = None
    min_length_ipv6: Annotated[Annotated[int, Meta(ge=0, le=128)] | None, about("The same for IPv6.")] = None
    add_community: Annotated[
        BlackHoleScope | None, about("Added to such a route, unless it has one of the two: how far it may spread.")
    ] = None


class MaxPrefixesTable(Table, frozen=True, kw_only=True):
    """How many prefixes a peer may send, in each family."""

    limit: Annotated[U32 | None, about("Prefixes; 0 = no limit.")] = None
    threshold: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        about("Percentage of the limit above which a warning is logged."),
    ] = None
    action: Annotated[MaxPrefixAction | None, about("What to do above the limit.")] = None
    restart_after: Annotated[
        Annotated[int, Meta(ge=0, le=86400)] | None,
        about("Seconds that a closed session stays down; 0 = until the peer is reset or its configuration changes."),
    ] = None


class SessionTable(Table, frozen=True, kw_only=True):
    """Defaults of every peer; a peer or peer range may override each, also single keys of the inner tables."""

    hold_time: Annotated[
        int | None,
        about(
            "Seconds without a message that end the session; 0 = never, and no keepalives.", written=syntax.HOLD_TIME
        ),
    ] = None
    connect_retry_time: Annotated[Seconds | None, about("Seconds between attempts to connect.")] = None
    idle_hold: IdleHoldTable = IdleHoldTable()
    enforce_first_as: Annotated[
        bool | None,
        about(
            "Refuse a route of a peer in another AS whose AS path does not start with the peer's AS. Off with "
            '`role = "rs-client"` unless it stands at the peer itself: route servers keep their AS out of the path.'
        ),
    ] = None
    families: Annotated[
        Annotated[tuple[FamilyName, ...], Meta(min_length=1)] | None,
        about("Address families to exchange.", default="family of the session's address"),
    ] = None
    graceful_restart: GracefulRestartTable = GracefulRestartTable()
    long_lived_graceful_restart: LongLivedGracefulRestartTable = LongLivedGracefulRestartTable()
    add_path: Annotated[
        AddPathDirection | None, about("Which way several paths for one prefix may go (RFC 7911), if the peer agrees.")
    ] = None
    add_path_send_limit: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        about("Most paths for one prefix that the peer is sent, best first; 0 = all."),
    ] = None
    graceful_shutdown: Annotated[
        bool | None,
        about("Give LOCAL_PREF 0 to what an external peer announces with community `graceful-shutdown` (RFC 8326)."),
    ] = None
    blackhole: BlackHoleTable = BlackHoleTable()
    max_prefixes: MaxPrefixesTable = MaxPrefixesTable()
    multihop_ttl: Annotated[
        Annotated[int, Meta(ge=1, le=255)] | None,
        about("TTL of packets to the peer; not together with `ttl_security`."),
    ] = None
    ttl_security: Annotated[
        Annotated[int, Meta(ge=1, le=254)] | None,
        about("Accept packets from at most that many hops away (GTSM, RFC 5082).", default="off"),
    ] = None
    ebgp_requires_policy: Annotated[
        bool | None,
        about(
            "Without a policy nothing is imported from and exported to an external peer (RFC 8212); a peer in our "
            "confederation is none."
        ),
    ] = None
    strict_role: Annotated[
        bool | None, about("Refuse a peer that has a `role` here and does not tell its own (RFC 9234).")
    ] = None


DEFAULT_SESSION: Final = SessionTable(
    hold_time=90,
    connect_retry_time=5,
    idle_hold=IdleHoldTable(first=1, max=30),
    enforce_first_as=True,
    graceful_restart=GracefulRestartTable(enabled=True, restart_time=120),
    long_lived_graceful_restart=LongLivedGracefulRestartTable(stale_time=0, partial_deployment=False),
    add_path=AddPathDirection.NONE,
    add_path_send_limit=0,
    graceful_shutdown=True,
    blackhole=BlackHoleTable(
        accept=False, min_length_ipv4=32, min_length_ipv6=128, add_community=BlackHoleScope.NO_EXPORT
    ),
    max_prefixes=MaxPrefixesTable(limit=0, threshold=75, action=MaxPrefixAction.CLOSE, restart_after=300),
    multihop_ttl=64,
    ebgp_requires_policy=True,
    strict_role=False,
)
