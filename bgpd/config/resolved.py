"""The configuration with everything defaulted, merged and parsed: what the speaker builds itself from.

All records are frozen and compare by value; ``diff`` compares an old one with a new one. Addresses are 4 or 16 octets
in network order, prefixes canonical wire octets, times seconds.
"""

from dataclasses import field, replace
from typing import Literal

from bgpd.addresses import format_address
from bgpd.communities import Communities
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.peer import NextHopMode, TcpAoAlgorithm
from bgpd.config.tables.process import LogFormat, LogLevel
from bgpd.config.tables.session import AddPathDirection, BlackHoleScope, MaxPrefixAction
from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier, Confederation, Role
from bgpd.policy.origins import Origins
from bgpd.policy.rules import Policy
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class ResolvedNode:
    """This node.

    asn: our own, the Member-AS in a confederation. addresses: (octets, mask length in bits). listen: empty = do not.
    cluster_id: None = no reflector. confederation: None = we are in none.
    """

    name: str
    asn: Asn
    identifier: BgpIdentifier
    addresses: tuple[tuple[bytes, int], ...]
    listen: tuple[bytes, ...]
    port: int
    cluster_id: BgpIdentifier | None
    prefer_oldest_external: bool
    confederation: Confederation | None


@dataclass(frozen=True, slots=True)
class ResolvedAoKey:
    """A key of TCP-AO (RFC 5925 3.1). send_id, recv_id: octets."""

    send_id: int
    recv_id: int
    algorithm: TcpAoAlgorithm
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResolvedPeer:
    """A peer, with the session defaults merged in.

    address: empty in a range's template, and of an unnumbered peer. interface: of a link-local address or an unnumbered
    peer, else empty. asn: None = any that peer_type
    allows. local_asn: ours on the session; real_asn: ours without ``local_asn``, what the peer would know us by.
    prepends_local_asn: put local_asn before received paths. prepends_real_asn: put real_asn before sent ones.
    is_dual_asn: the session may come up with real_asn as well. role: ours, None = not told.
    held_down: why the session must not come up, empty = nothing against it. max_prefix_limit: 0 = none;
    max_prefix_threshold: per cent of it.
    max_prefix_restart_after: 0 = stays down. multihop_ttl: 0 with ttl_security. ttl_security: hops, 0 = off.
    stale_time, max_stale_time: seconds that our routes, the peer's may live as a last resort; both 0 = no long-lived
    graceful restart. sends_stale: also to an internal peer that does not do it. black_holes: RFC 7999 is honoured, for
    prefixes of at least black_hole_ipv4 or black_hole_ipv6 bits. tcp_ao: keys, the one to send with first; empty = no
    TCP-AO. keepalive_time: between keepalives, 0 = a third of the hold time.
    """

    name: str
    address: bytes
    interface: str
    is_unnumbered: bool
    port: int
    asn: Asn | None
    peer_type: Literal["internal", "external", "confederation"]
    local_asn: Asn
    real_asn: Asn
    prepends_local_asn: bool
    prepends_real_asn: bool
    is_dual_asn: bool
    role: Role | None
    is_role_required: bool
    local_address: bytes | None
    passive: bool
    reflector_client: bool
    next_hop: NextHopMode
    password: str | None = field(repr=False)
    tcp_ao: tuple[ResolvedAoKey, ...]
    held_down: str
    allow_own_as: int
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    enabled: bool
    hold_time: int
    connect_retry_time: float
    idle_hold_first: float
    idle_hold_max: float
    enforce_first_as: bool
    families: tuple[Family, ...]
    graceful_restart: bool
    restart_time: int
    stale_time: int
    max_stale_time: int
    sends_stale: bool
    graceful_shutdown: bool
    black_holes: bool
    black_hole_ipv4: int
    black_hole_ipv6: int
    black_hole_scope: BlackHoleScope
    add_path: AddPathDirection
    add_path_send_limit: int
    max_prefix_limit: int
    max_prefix_threshold: int
    max_prefix_action: MaxPrefixAction
    max_prefix_restart_after: int
    multihop_ttl: int
    ttl_security: int
    ebgp_requires_policy: bool
    keepalive_time: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedRange:
    """Peers that connect from a network. template: such a peer without its address. limit: most sessions."""

    name: str
    family: Family
    prefix: bytes
    limit: int
    template: ResolvedPeer

    def peer(self, address: bytes, interface: str = "") -> ResolvedPeer:
        """Return the peer of this range that connects from an address; its name is the address."""
        text = format_address(address)
        name = f"{text}%{interface}" if interface else text
        return replace(self.template, name=name, address=address, interface=interface)


@dataclass(frozen=True, slots=True)
class ResolvedNetwork:
    """A prefix that we originate. blackhole: also write a black hole route for it."""

    family: Family
    prefix: bytes
    blackhole: bool
    communities: Communities


@dataclass(frozen=True, slots=True)
class ResolvedPool:
    """A pool of container addresses, or a range of services.

    export: routes inside may be sent to peers. is_programmed: its routes are ours to write to the kernel.
    """

    family: Family
    prefix: bytes
    ipip: IpipMode
    export: bool
    is_programmed: bool = True


@dataclass(frozen=True, slots=True)
class ResolvedLearn:
    """Which kernel routes of others we announce.

    protocols: numbers, empty = any but the kernel's own and ours. devices: globs, empty = any or none. table: 0 = ours.
    """

    protocols: frozenset[int]
    devices: tuple[str, ...]
    gateway: bool
    table: int


@dataclass(frozen=True, slots=True)
class ResolvedKernel:
    """The kernel's routing table. metric: 0 = leave unset. ecmp: most next hops of a route.

    priority_ipv4, priority_ipv6: metric of ordinary routes, where LOCAL_PREF is 2^31 - 1 less the metric; 0 = it is
    not. encrypted_hops: next hops, 4 or 16 octets, whose routes another agent writes, as it encrypts what goes there.
    """

    enabled: bool
    table: int
    protocol: int
    metric: int
    tunnel_device: str
    ecmp: int
    learn: tuple[ResolvedLearn, ...]
    import_default_route: bool
    priority_ipv4: int = 0
    priority_ipv6: int = 0
    encrypted_hops: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class ResolvedAutoReflectors:
    """When a mesh elects reflectors. above: nodes. label: empty = reflectors are not spread."""

    above: int
    count: int
    label: str
    candidate: bool


@dataclass(frozen=True, slots=True)
class ResolvedMesh:
    """Whether nodes that a datastore lists peer with each other. auto_reflectors: None = none are elected."""

    enabled: bool
    auto_reflectors: ResolvedAutoReflectors | None = None


@dataclass(frozen=True, slots=True)
class ResolvedEtcd:
    """Where cluster state comes from. Empty texts = not given."""

    endpoints: tuple[str, ...]
    ca_file: str
    cert_file: str
    key_file: str
    username: str
    password_file: str
    prefix: str
    secrets_dir: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedHttp:
    """Where the API listens on TCP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ResolvedControl:
    """The API's Unix socket. group: that owns it, empty = the daemon's."""

    socket: str
    group: str


@dataclass(frozen=True, slots=True)
class ResolvedLog:
    """What is logged and how."""

    level: LogLevel
    format: LogFormat


@dataclass(frozen=True, slots=True)
class ResolvedProcess:
    """What the daemon needs before it knows its cluster.

    http: None = off. etcd: None = no datastore. elects_reflectors: it takes part in that.
    """

    name: str
    etcd: ResolvedEtcd | None
    http: ResolvedHttp | None
    control: ResolvedControl
    log: ResolvedLog
    elects_reflectors: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """The whole configuration. http: None = off. etcd: None = no datastore. origins: None = not looked at."""

    node: ResolvedNode
    peers: tuple[ResolvedPeer, ...]
    ranges: tuple[ResolvedRange, ...]
    networks: tuple[ResolvedNetwork, ...]
    policies: tuple[Policy, ...]
    pools: tuple[ResolvedPool, ...]
    kernel: ResolvedKernel
    mesh: ResolvedMesh
    etcd: ResolvedEtcd | None
    http: ResolvedHttp | None
    control: ResolvedControl
    log: ResolvedLog
    origins: Origins | None = None
