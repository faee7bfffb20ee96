"""bgp.toml as it is written: one Struct for each table, one field for each key.

A field carries its type, range, default and description; the TOML reader checks with them and the reference table in
``docs/configuration.md`` is made of them. Times are seconds. ``None`` is a key that is not there: what that means is in
the description or in ``resolve``. A text default of ``""`` with ``required`` means that the key must be there.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.syntax import Syntax


def _key(description: str, *, default: str = "", written: Syntax | None = None, required: bool = False) -> Meta:
    """Return a key's description, and what the reader needs to know beside its type.

    default: in words, where the field's own default does not say it.
    """
    return Meta(description=description, extra={"default": default, "syntax": written, "required": required})


def _written(written: Syntax) -> Meta:
    return Meta(extra={"syntax": written})


class FamilyName(StrEnum):
    """An address family by its name."""

    IPV4_UNICAST = "ipv4-unicast"
    IPV6_UNICAST = "ipv6-unicast"


class AddPathDirection(StrEnum):
    """Which way several paths for one prefix go (RFC 7911)."""

    NONE = "none"
    RECEIVE = "receive"
    SEND = "send"
    BOTH = "both"


class NextHopMode(StrEnum):
    """What next hop a peer is told: BGP's own rules, always ours, never changed."""

    AUTO = "auto"
    SELF = "self"
    KEEP = "keep"


class MaxPrefixAction(StrEnum):
    """What happens above the limit."""

    WARN = "warn"
    CLOSE = "close"


class LocalAsnOption(StrEnum):
    """How our AS on a session and our own one go together (RFC 7705)."""

    NO_PREPEND = "no-prepend"
    REPLACE_AS = "replace-as"
    DUAL_AS = "dual-as"


class RoleName(StrEnum):
    """What we are to a peer (RFC 9234)."""

    PROVIDER = "provider"
    CUSTOMER = "customer"
    PEER = "peer"
    RS = "rs"
    RS_CLIENT = "rs-client"


class IpipMode(StrEnum):
    """When routes of a pool go through the IPIP tunnel device."""

    NEVER = "never"
    ALWAYS = "always"
    CROSS_SUBNET = "cross-subnet"


class BlackHoleScope(StrEnum):
    """The community that is added to a peer's black hole, so that it does not spread (RFC 7999 3.2)."""

    NO_EXPORT = "no-export"
    NO_ADVERTISE = "no-advertise"


class LogLevel(StrEnum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How log lines look: auto = text on a terminal, else JSON."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class Match(StrEnum):
    """How a route's prefix is compared with a rule's."""

    IN = "in"
    NOT_IN = "not-in"
    EQUAL = "equal"
    NOT_EQUAL = "not-equal"


class CommunityMatch(StrEnum):
    """How many of a rule's communities a route must carry."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


class RouteSource(StrEnum):
    """Where a route came from; local = network or kernel, remote-peers is Calico's word for peer."""

    LOCAL = "local"
    NETWORK = "network"
    KERNEL = "kernel"
    PEER = "peer"
    REMOTE_PEERS = "remote-peers"


class RulePeerType(StrEnum):
    """What the peer's AS is to ours."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    CONFEDERATION = "confederation"


class OriginName(StrEnum):
    """ORIGIN by name."""

    IGP = "igp"
    EGP = "egp"
    INCOMPLETE = "incomplete"


class RuleAction(StrEnum):
    """What a matching rule does: next = change the route and go on."""

    ACCEPT = "accept"
    REJECT = "reject"
    NEXT = "next"


AsnText = Annotated[int | str, _written(syntax.ASN)]
AddressText = Annotated[str, _written(syntax.ADDRESS)]
PrefixText = Annotated[str, _written(syntax.PREFIX)]
CommunityText = Annotated[str, _written(syntax.COMMUNITY)]
CommunityPatternText = Annotated[str, _written(syntax.COMMUNITY_PATTERN)]
PrefixEntryText = Annotated[str, _written(syntax.PREFIX_ENTRY)]
PrefixOrSet = Annotated[str, _written(syntax.PREFIX_OR_SET)]
NextHopOrSet = Annotated[str, _written(syntax.NEXT_HOP_OR_SET)]
AsnRangeText = Annotated[int | str, _written(syntax.ASN_RANGE)]
AsnOrSet = Annotated[int | str, _written(syntax.ASN_OR_SET)]
CommunityOrSet = Annotated[str, _written(syntax.COMMUNITY_OR_SET)]
PatternOrSet = Annotated[str, _written(syntax.PATTERN_OR_SET)]
PeerGlob = Annotated[str, _written(syntax.PEER_GLOB)]
InterfaceGlob = Annotated[str, _written(syntax.INTERFACE_GLOB)]
Name = Annotated[str, Meta(min_length=1)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any table of the file."""


class ConfederationTable(Table, frozen=True, kw_only=True):
    """Several ASes that are one to all others (RFC 5065); `node.asn` is our Member-AS. Without this table: none."""

    identifier: Annotated[AsnText, _key("AS number that the confederation has to others.", required=True)] = ""
    members: Annotated[
        tuple[AsnText, ...], _key("AS numbers of its members; `node.asn` is one of them whether named or not.")
    ] = ()


class NodeTable(Table, frozen=True, kw_only=True):
    """This node."""

    name: Annotated[Name | None, _key("Name of this node.", default="host name")] = None
    asn: Annotated[AsnText, _key("Our AS number.", default="**required**, unless etcd has it", required=True)] = ""
    router_id: Annotated[
        str | None,
        _key("Our BGP Identifier.", default="first IPv4 address of `addresses`", written=syntax.IDENTIFIER),
    ] = None
    addresses: Annotated[
        tuple[Annotated[str, _written(syntax.NODE_ADDRESS)], ...],
        _key("Our addresses, with mask; also our next hop for a family that a session is not in."),
    ] = ()
    listen: Annotated[
        tuple[Annotated[str, _written(syntax.LISTEN_ADDRESS)], ...],
        _key("Addresses to accept connections on; `[]` = do not listen."),
    ] = ("0.0.0.0", "::")
    port: Annotated[Port, _key("TCP port to listen on.")] = 179
    cluster_id: Annotated[
        str | None,
        _key(
            "Present: this node is a route reflector of that cluster.",
            default="no reflector",
            written=syntax.IDENTIFIER,
        ),
    ] = None
    prefer_oldest_external: Annotated[
        bool,
        _key(
            "An external path that is best stays so against external paths that only a lower BGP Identifier or address "
            "of the peer would put before it (RFC 5004). Then it depends on the order of arrival which is best."
        ),
    ] = False
    confederation: ConfederationTable | None = None


class IdleHoldTable(Table, frozen=True, kw_only=True):
    """How long a peer is left alone after an error; inbound connections are accepted meanwhile."""

    first: Annotated[Seconds | None, _key("Seconds after the first error; doubles with each further one.")] = None
    max: Annotated[Seconds | None, _key("Seconds, the most.")] = None


class GracefulRestartTable(Table, frozen=True, kw_only=True):
    """Graceful restart (RFC 4724)."""

    enabled: Annotated[bool | None, _key("Announce graceful restart, and keep a restarting peer's routes.")] = None
    restart_time: Annotated[
        Annotated[int, Meta(ge=0, le=4095)] | None,
        _key("Seconds that peers should wait for us to come back."),
    ] = None


class LongLivedGracefulRestartTable(Table, frozen=True, kw_only=True):
    """Long-lived graceful restart (RFC 9494); needs graceful restart. Both times 0: off."""

    stale_time: Annotated[
        Annotated[int, Meta(ge=0, le=0xFF_FFFF)] | None,
        _key(
            "Seconds beyond the restart time that peers are asked to keep our routes, as a last resort; 0 = not at all."
        ),
    ] = None
    max_stale_time: Annotated[
        Annotated[int, Meta(ge=0, le=0xFF_FFFF)] | None,
        _key("Seconds that a peer's routes are kept so at most; the peer may ask for less.", default="`stale_time`"),
    ] = None
    partial_deployment: Annotated[
        bool | None,
        _key(
            "Send such routes also to internal peers without the capability, with LOCAL_PREF 0 and `no-export`; "
            "otherwise they are withdrawn from them."
        ),
    ] = None


class TcpAoAlgorithm(StrEnum):
    """How TCP-AO makes its code: the two of RFC 5926, each 96 bits."""

    HMAC_SHA1_96 = "hmac-sha1-96"
    AES_128_CMAC_96 = "aes-128-cmac-96"


class TcpAoKeyTable(Table, frozen=True, kw_only=True):
    """A key of TCP-AO (RFC 5925: a master key tuple); the peer has the same one with its identifiers swapped."""

    send_id: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, _key("Identifier that we put into segments.", required=True)
    ] = None
    recv_id: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, _key("Identifier in the peer's segments.", required=True)
    ] = None
    algorithm: Annotated[TcpAoAlgorithm, _key("How the code is made.")] = TcpAoAlgorithm.HMAC_SHA1_96
    key: Annotated[str | None, _key("The key.", default="none", written=syntax.PASSWORD)] = None
    key_file: Annotated[
        Name | None,
        _key("File with the key; relative to this file. Missing or empty: the session is held down.", default="none"),
    ] = None
    preferred: Annotated[bool, _key("Send with this one; default: with the first.")] = False


class TcpAoTable(Table, frozen=True, kw_only=True):
    """TCP-AO (RFC 5925), which needs Linux 6.7 or newer; not together with a TCP-MD5 password."""

    keys: Annotated[
        tuple[TcpAoKeyTable, ...], _key("All keys that the peer may use; several while one replaces another.")
    ] = ()


class BlackHoleTable(Table, frozen=True, kw_only=True):
    """Black holes that a peer asks for with community `blackhole` (RFC 7999); only by agreement with the peer."""

    accept: Annotated[bool | None, _key("Drop traffic to prefixes that the peer announces with `blackhole`.")] = None
    min_length_ipv4: Annotated[
        Annotated[int, Meta(ge=0, le=32)] | None,
        _key("Shortest IPv4 prefix length for that; a shorter one is an ordinary route."),
    ] = None
    min_length_ipv6: Annotated[Annotated[int, Meta(ge=0, le=128)] | None, _key("The same for IPv6.")] = None
    add_community: Annotated[
        BlackHoleScope | None, _key("Added to such a route, unless it has one of the two: how far it may spread.")
    ] = None


class MaxPrefixesTable(Table, frozen=True, kw_only=True):
    """How many prefixes a peer may send, in each family."""

    limit: Annotated[U32 | None, _key("Prefixes; 0 = no limit.")] = None
    threshold: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        _key("Percentage of the limit above which a warning is logged."),
    ] = None
    action: Annotated[MaxPrefixAction | None, _key("What to do above the limit.")] = None
    restart_after: Annotated[
        Annotated[int, Meta(ge=0, le=86400)] | None,
        _key("Seconds that a closed session stays down; 0 = until the peer is reset or its configuration changes."),
    ] = None


class SessionTable(Table, frozen=True, kw_only=True):
    """Defaults of every peer; a peer or peer range may override each, also single keys of the inner tables."""

    hold_time: Annotated[
        int | None,
        _key("Seconds without a message that end the session; 0 = never, and no keepalives.", written=syntax.HOLD_TIME),
    ] = None
    connect_retry_time: Annotated[Seconds | None, _key("Seconds between attempts to connect.")] = None
    idle_hold: IdleHoldTable = IdleHoldTable()
    enforce_first_as: Annotated[
        bool | None,
        _key(
            "Refuse a route of a peer in another AS whose AS path does not start with the peer's AS. Off with "
            '`role = "rs-client"` unless it stands at the peer itself: route servers keep their AS out of the path.'
        ),
    ] = None
    families: Annotated[
        Annotated[tuple[FamilyName, ...], Meta(min_length=1)] | None,
        _key("Address families to exchange.", default="family of the session's address"),
    ] = None
    graceful_restart: GracefulRestartTable = GracefulRestartTable()
    long_lived_graceful_restart: LongLivedGracefulRestartTable = LongLivedGracefulRestartTable()
    add_path: Annotated[
        AddPathDirection | None, _key("Which way several paths for one prefix may go (RFC 7911), if the peer agrees.")
    ] = None
    add_path_send_limit: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        _key("Most paths for one prefix that the peer is sent, best first; 0 = all."),
    ] = None
    graceful_shutdown: Annotated[
        bool | None,
        _key("Give LOCAL_PREF 0 to what an external peer announces with community `graceful-shutdown` (RFC 8326)."),
    ] = None
    blackhole: BlackHoleTable = BlackHoleTable()
    max_prefixes: MaxPrefixesTable = MaxPrefixesTable()
    multihop_ttl: Annotated[
        Annotated[int, Meta(ge=1, le=255)] | None,
        _key("TTL of packets to the peer; not together with `ttl_security`."),
    ] = None
    ttl_security: Annotated[
        Annotated[int, Meta(ge=1, le=254)] | None,
        _key("Accept packets from at most that many hops away (GTSM, RFC 5082).", default="off"),
    ] = None
    ebgp_requires_policy: Annotated[
        bool | None,
        _key(
            "Without a policy nothing is imported from and exported to an external peer (RFC 8212); a peer in our "
            "confederation is none."
        ),
    ] = None
    strict_role: Annotated[
        bool | None, _key("Refuse a peer that has a `role` here and does not tell its own (RFC 9234).")
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


class PeerOptions(SessionTable, frozen=True, kw_only=True):
    """What a peer and a peer range have in common."""

    asn: Annotated[
        int | str,
        _key(
            "The peer's AS number; `internal` = ours, `external` = any other, outside our confederation.",
            written=syntax.PEER_ASN,
            required=True,
        ),
    ] = ""
    local_asn: Annotated[
        AsnText | None,
        _key(
            "Our AS number on this session (RFC 7705); in AS paths it stands beside our own one.",
            default="`node.asn`, or the confederation's identifier to a peer outside",
        ),
    ] = None
    local_asn_options: Annotated[
        tuple[LocalAsnOption, ...],
        _key(
            "`no-prepend` = `local_asn` is not put before received paths; `replace-as` = our own AS is not put before "
            "sent ones, only `local_asn`; `dual-as` = the session may come up with either AS."
        ),
    ] = ()
    role: Annotated[
        RoleName | None,
        _key(
            "What we are to an external peer (RFC 9234): routes leaked against it are refused and not sent.",
            default="none",
        ),
    ] = None
    reflector_client: Annotated[
        bool, _key("The peer is our route reflector client; needs `node.cluster_id` and an internal peer.")
    ] = False
    next_hop: Annotated[
        NextHopMode,
        _key("Next hop of routes sent to the peer: BGP's rules, always ourselves, or as received."),
    ] = NextHopMode.AUTO
    password: Annotated[str | None, _key("TCP-MD5 password.", default="none", written=syntax.PASSWORD)] = None
    password_file: Annotated[
        Name | None,
        _key(
            "File with the TCP-MD5 password; relative to this file. Missing or empty: the session is held down.",
            default="none",
        ),
    ] = None
    tcp_ao: TcpAoTable = TcpAoTable()
    allow_own_as: Annotated[
        Annotated[int, Meta(ge=0, le=255)], _key("How often our AS may stand in a received AS path.")
    ] = 0
    imports: Annotated[tuple[Name, ...], _key("Policies for received routes, in order.")] = msgspec.field(
        name="import", default=()
    )
    exports: Annotated[tuple[Name, ...], _key("Policies for sent routes, in order.")] = msgspec.field(
        name="export", default=()
    )
    enabled: Annotated[bool, _key("`false` keeps the session down.")] = True


class PeerTable(PeerOptions, frozen=True, kw_only=True):
    """A peer. All keys of `[session]` may stand here too."""

    name: Annotated[Name | None, _key("Name of the peer.", default="`address` or `interface`")] = None
    address: Annotated[
        str | None,
        _key(
            "The peer's address; link-local as `fe80::1%eth0`.",
            default="**required**, unless `interface` is given",
            written=syntax.PEER_ADDRESS,
        ),
    ] = None
    interface: Annotated[
        str | None,
        _key(
            "In place of an address: the peer is the one router on this link, found by router advertisements.",
            default="none",
            written=syntax.INTERFACE,
        ),
    ] = None
    port: Annotated[Port, _key("TCP port to connect to.")] = 179
    local_address: Annotated[
        AddressText | None, _key("Address to connect from.", default="what the kernel chooses")
    ] = None
    passive: Annotated[bool, _key("Never connect, wait for the peer.")] = False


class PeerRangeTable(PeerOptions, frozen=True, kw_only=True):
    """Peers that connect to us from a network. All keys of `[session]` may stand here too."""

    name: Annotated[Name | None, _key("Name of the range.", default="`prefix`")] = None
    prefix: Annotated[str, _key("Network that the peers connect from.", written=syntax.PREFIX, required=True)] = ""
    limit: Annotated[Annotated[int, Meta(ge=1, le=65535)], _key("Most sessions at a time.")] = 1000


class NetworkTable(Table, frozen=True, kw_only=True):
    """A prefix that we originate."""

    prefix: Annotated[str, _key("The prefix.", written=syntax.PREFIX, required=True)] = ""
    blackhole: Annotated[bool, _key("Also write a black hole route for it.")] = False
    communities: Annotated[tuple[CommunityText, ...], _key("Communities of any kind to send with it.")] = ()


class AsPathTable(Table, frozen=True, kw_only=True):
    """Conditions on the AS path; all that are given must hold."""

    contains: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        _key("One of these AS numbers is in the path.", default="any"),
    ] = None
    origin: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        _key("One of these is the last AS of the path.", default="any"),
    ] = None
    neighbour: Annotated[
        Annotated[tuple[AsnOrSet, ...], Meta(min_length=1)] | None,
        _key("One of these is the first AS of the path.", default="any"),
    ] = None
    starts_with: Annotated[
        Annotated[tuple[AsnText, ...], Meta(min_length=1)] | None,
        _key("The path starts with all of these, in this order.", default="any"),
    ] = None
    matches: Annotated[
        str | None,
        _key(
            "Found in the path's text, AS numbers with a space between and sets in braces; see `docs/policy.md`.",
            default="any",
            written=syntax.REGEX,
        ),
    ] = None
    length: Annotated[
        tuple[U32, U32] | None, _key("Least and most length of the path; a set counts as one.", default="any")
    ] = None


class RuleTable(Table, frozen=True, kw_only=True):
    """A rule of a policy: conditions, all of which must hold, then changes, then the action."""

    name: Annotated[Name | None, _key("Name in explanations.", default="its place: `rule 1`")] = None
    family: Annotated[FamilyName | None, _key("Family of the route.", default="any")] = None
    prefix: Annotated[
        PrefixOrSet | None, _key("The route's prefix is compared with this one, or these.", default="any")
    ] = None
    prefixes: Annotated[
        Annotated[tuple[PrefixOrSet, ...], Meta(min_length=1)] | None,
        _key("As `prefix`, any of several.", default="any"),
    ] = None
    match: Annotated[
        Match | None,
        _key("`in` = equal or more specific, `equal` = the same, and their opposites.", default='`"in"`'),
    ] = None
    length: Annotated[tuple[int, int] | None, _key("Least and most prefix length, in bits.", default="any")] = None
    source: Annotated[RouteSource | None, _key("Where the route came from.", default="any")] = None
    peer: Annotated[
        Annotated[tuple[PeerGlob, ...], Meta(min_length=1)] | None,
        _key("Names of the peer that the policy is applied to.", default="any"),
    ] = None
    peer_type: Annotated[
        RulePeerType | None, _key("Kind of the peer that the policy is applied to.", default="any")
    ] = None
    from_peer: Annotated[
        Annotated[tuple[PeerGlob, ...], Meta(min_length=1)] | None,
        _key("Names of the peer that the route came from; our own routes do not match.", default="any"),
    ] = None
    from_peer_type: Annotated[
        RulePeerType | None, _key("Kind of the peer that the route came from.", default="any")
    ] = None
    interface: Annotated[
        InterfaceGlob | None,
        _key("Interface that the route leaves by; a route without one does not match.", default="any"),
    ] = None
    next_hop: Annotated[
        Annotated[tuple[NextHopOrSet, ...], Meta(min_length=1)] | None,
        _key("The next hop is one of these addresses, or in one of these prefixes.", default="any"),
    ] = None
    as_path: AsPathTable = AsPathTable()
    communities: Annotated[
        Annotated[tuple[PatternOrSet, ...], Meta(min_length=1)] | None,
        _key("Communities of any kind, `*` for any number.", default="any"),
    ] = None
    community_match: Annotated[
        CommunityMatch | None, _key("Whether any, all or none of `communities` must be there.", default='`"any"`')
    ] = None
    med: Annotated[tuple[U32, U32] | None, _key("Least and most MED; absent counts as 0.", default="any")] = None
    local_pref: Annotated[
        tuple[U32, U32] | None, _key("Least and most LOCAL_PREF; absent counts as 100.", default="any")
    ] = None
    origin: Annotated[OriginName | None, _key("ORIGIN of the route.", default="any")] = None
    action: Annotated[
        RuleAction | None,
        _key("`accept` and `reject` end the whole decision, `next` goes on.", required=True),
    ] = None
    delete_communities: Annotated[tuple[PatternOrSet, ...], _key("Communities to remove, `*` for any number.")] = ()
    set_communities: Annotated[
        tuple[CommunityOrSet, ...] | None,
        _key("Communities of all kinds are replaced by these; `[]` removes all.", default="unchanged"),
    ] = None
    add_communities: Annotated[tuple[CommunityOrSet, ...], _key("Communities to add.")] = ()
    prepend: Annotated[tuple[AsnText, ...], _key("AS numbers to put before the AS path, in this order.")] = ()
    set_local_pref: Annotated[
        int | str | None, _key("LOCAL_PREF to set, or its change.", default="unchanged", written=syntax.NUMBER_CHANGE)
    ] = None
    set_med: Annotated[
        int | str | None, _key("MED to set, or its change.", default="unchanged", written=syntax.NUMBER_CHANGE)
    ] = None
    set_next_hop: Annotated[
        AddressText | None, _key("Next hop to set, on routes of the address's own family.", default="unchanged")
    ] = None
    set_origin: Annotated[OriginName | None, _key("ORIGIN to set.", default="unchanged")] = None
    set_weight: Annotated[
        U32 | None,
        _key("Weight of an imported route: higher wins before LOCAL_PREF, on this node only.", default="0"),
    ] = None


class PrefixSetTable(Table, frozen=True, kw_only=True):
    """Prefixes that rules name as `@name` in `prefix` and `prefixes`."""

    name: Annotated[str, _key("Name of the set.", required=True)] = ""
    prefixes: Annotated[
        Annotated[tuple[PrefixEntryText, ...], Meta(min_length=1)],
        _key("The prefixes; one with lengths of its own takes those, whatever `match` says.", required=True),
    ] = ()


class NextHopSetTable(Table, frozen=True, kw_only=True):
    """Next hops that rules name as `@name` in `next_hop`."""

    name: Annotated[str, _key("Name of the set.", required=True)] = ""
    next_hops: Annotated[
        Annotated[tuple[PrefixText, ...], Meta(min_length=1)], _key("Addresses and prefixes.", required=True)
    ] = ()


class AsSetTable(Table, frozen=True, kw_only=True):
    """AS numbers that rules name as `@name` in `as_path.contains`, `as_path.origin` and `as_path.neighbour`."""

    name: Annotated[str, _key("Name of the set.", required=True)] = ""
    asns: Annotated[
        Annotated[tuple[AsnRangeText, ...], Meta(min_length=1)], _key("AS numbers and ranges.", required=True)
    ] = ()


class CommunitySetTable(Table, frozen=True, kw_only=True):
    """Communities that rules name as `@name` where they match, delete, set or add communities."""

    name: Annotated[str, _key("Name of the set.", required=True)] = ""
    communities: Annotated[
        Annotated[tuple[CommunityPatternText, ...], Meta(min_length=1)],
        _key("Communities of any kind, `*` for any number; without `*` where they are set or added.", required=True),
    ] = ()


class PolicyTable(Table, frozen=True, kw_only=True):
    """A named list of rules for `import` and `export` of peers; see `docs/policy.md`."""

    name: Annotated[str, _key("Name of the policy.", required=True)] = ""
    rules: tuple[RuleTable, ...] = ()
    default: Annotated[
        RuleAction, _key("What happens to a route that no rule decided; `next` = the next policy, at last accept.")
    ] = RuleAction.NEXT


class PoolTable(Table, frozen=True, kw_only=True):
    """A pool of container addresses."""

    cidr: Annotated[str, _key("The pool.", written=syntax.PREFIX, required=True)] = ""
    ipip: Annotated[IpipMode, _key("When its routes go through the tunnel device (IPv4 only).")] = IpipMode.NEVER
    export: Annotated[bool, _key("`false` = routes inside are not sent to peers.")] = True


class LearnTable(Table, frozen=True, kw_only=True):
    """Kernel routes of others that we announce; a route must match all of a rule's keys."""

    protocols: Annotated[
        tuple[Annotated[int | str, _written(syntax.ROUTE_PROTOCOL)], ...],
        _key("Route protocols; `[]` = any but the kernel's own and ours."),
    ] = ()
    devices: Annotated[
        tuple[InterfaceGlob, ...], _key("Interfaces, `*` for any characters; `[]` = any, also none (black holes).")
    ] = ()
    gateway: Annotated[bool, _key("Also routes that lead through a gateway.")] = False
    table: Annotated[U32, _key("Routing table; 0 = `kernel.table`.")] = 0


DEFAULT_LEARN: Final = (LearnTable(protocols=("boot", "static"), devices=("cali*",)),)


class KernelTable(Table, frozen=True, kw_only=True):
    """The kernel's routing table."""

    enabled: Annotated[bool, _key("`false` = no netlink at all; every next hop counts as reachable.")] = True
    table: Annotated[Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)], _key("Routing table to write to.")] = 254
    protocol: Annotated[
        int, _key("Route protocol number that marks our routes (Calico's BIRD: 12).", written=syntax.OWN_PROTOCOL)
    ] = 186
    metric: Annotated[U32, _key("Metric of our routes; 0 = leave unset.")] = 0
    tunnel_device: Annotated[str, _key("IPIP device.", written=syntax.INTERFACE)] = "tunl0"
    ecmp: Annotated[Annotated[int, Meta(ge=1, le=256)], _key("Most next hops of a route.")] = 16
    learn: tuple[LearnTable, ...] = DEFAULT_LEARN
    import_default_route: Annotated[bool, _key("Accept a default route from peers.")] = False


class MeshTable(Table, frozen=True, kw_only=True):
    """Who peers with whom when a datastore lists the nodes."""

    enabled: Annotated[bool, _key("Peer with every other node.")] = True


class EtcdTable(Table, frozen=True, kw_only=True):
    """Cluster state from etcd; without this table there is none."""

    endpoints: Annotated[
        Annotated[tuple[Annotated[str, _written(syntax.ENDPOINT)], ...], Meta(min_length=1)],
        _key("URLs of the cluster's members.", required=True),
    ] = ()
    ca_file: Annotated[str, _key("Certificate authority, PEM.", default="the system's")] = ""
    cert_file: Annotated[str, _key("Our certificate, PEM; together with `key_file`.", default="none")] = ""
    key_file: Annotated[str, _key("Our private key, PEM.", default="none")] = ""
    username: Annotated[str, _key("User name; together with `password_file`.", default="none")] = ""
    password_file: Annotated[str, _key("File with the password.", default="none")] = ""
    prefix: Annotated[Name, _key("Where the keys start.")] = "/calico"
    secrets_dir: Annotated[
        str,
        _key(
            "Directory of the passwords that etcd refers to: file `NAME/KEY` is `key` of the secret `name`.",
            default="none",
        ),
    ] = ""


class PoolRoutes(StrEnum):
    """Whose routes of pools are written here; another agent writes the rest."""

    NONE = "none"
    NO_ENCAPSULATION = "no-encapsulation"
    IPIP = "ipip"
    ALL = "all"


class CalicoTable(Table, frozen=True, kw_only=True):
    """How we go along with Calico; what the cluster is stands in etcd."""

    program_routes: Annotated[
        PoolRoutes | None,
        _key(
            "Which routes of pools are written to the kernel; Felix's own setting has to be the opposite.",
            default="`programClusterRoutes` in etcd, else `all`",
        ),
    ] = None
    priorities: Annotated[
        bool,
        _key(
            "LOCAL_PREF tells the metric of routes, as from Calico 3.32 on, and the kernel's metric is made of it. To "
            "all peers or to none: routes told so beat all others."
        ),
    ] = False
    origin_validation: Annotated[
        bool | None,
        _key(
            "Accept a block, or an address inside, from another node only if etcd says that it may come from there.",
            default="on if etcd lists blocks of other nodes",
        ),
    ] = None


class HttpTable(Table, frozen=True, kw_only=True):
    """Metrics, health, read-only API and the page over TCP."""

    listen: Annotated[str, _key('Address and port; `""` = off.', written=syntax.HTTP_LISTEN)] = "127.0.0.1:9179"


class ControlTable(Table, frozen=True, kw_only=True):
    """The API's Unix sockets."""

    socket: Annotated[
        str,
        _key(
            "Path of the socket, full API for its group; a second, read-only one has suffix `.ro`.",
            written=syntax.SOCKET_PATH,
        ),
    ] = "/run/bgpd/bgpd.sock"
    group: Annotated[str, _key("Group that owns the socket.", default="the daemon's")] = ""


class LogTable(Table, frozen=True, kw_only=True):
    """Log lines on standard error."""

    level: Annotated[LogLevel, _key("Least severity.")] = LogLevel.INFO
    format: Annotated[LogFormat, _key("`auto` = text on a terminal, else JSON.")] = LogFormat.AUTO


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    node: NodeTable = NodeTable()
    session: SessionTable = SessionTable()
    peer: tuple[PeerTable, ...] = ()
    peer_range: tuple[PeerRangeTable, ...] = ()
    network: tuple[NetworkTable, ...] = ()
    policy: tuple[PolicyTable, ...] = ()
    prefix_set: tuple[PrefixSetTable, ...] = ()
    next_hop_set: tuple[NextHopSetTable, ...] = ()
    as_set: tuple[AsSetTable, ...] = ()
    community_set: tuple[CommunitySetTable, ...] = ()
    pool: tuple[PoolTable, ...] = ()
    kernel: KernelTable = KernelTable()
    mesh: MeshTable = MeshTable()
    etcd: EtcdTable | None = None
    calico: CalicoTable = CalicoTable()
    http: HttpTable = HttpTable()
    control: ControlTable = ControlTable()
    log: LogTable = LogTable()
