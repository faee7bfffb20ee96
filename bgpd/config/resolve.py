"""From what is written to what is meant: defaults, inheritance from ``[session]``, parsed addresses, passwords read.

Expects a configuration whose single values are well written, as ``load`` returns it, and checks it across keys.
"""

from collections.abc import Callable
from typing import Final

from bgpd.addresses import parse_address, parse_prefix
from bgpd.communities import parse_communities
from bgpd.config import syntax
from bgpd.config.checks import check
from bgpd.config.inheritance import Relation, confederation, first, relation
from bgpd.config.model import Config
from bgpd.config.policies import policies
from bgpd.config.problems import ConfigError, Problem
from bgpd.config.resolved import (
    Resolved,
    ResolvedAoKey,
    ResolvedAutoReflectors,
    ResolvedControl,
    ResolvedEtcd,
    ResolvedHttp,
    ResolvedKernel,
    ResolvedLearn,
    ResolvedLog,
    ResolvedMesh,
    ResolvedNetwork,
    ResolvedNode,
    ResolvedPeer,
    ResolvedPool,
    ResolvedProcess,
    ResolvedRange,
)
from bgpd.config.tables.kernel import LearnTable
from bgpd.config.tables.node import NodeTable
from bgpd.config.tables.peer import LocalAsnOption, PeerOptions, PeerRangeTable, PeerTable, RoleName
from bgpd.config.tables.session import DEFAULT_SESSION, SessionTable
from bgpd.config.toml import host_name, read_password
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, FAMILY_BY_NAME, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import Role, parse_identifier

_NORMAL_PRIORITY: Final = 1024  # of ordinary routes in the kernel

PasswordReader = Callable[[str], tuple[str | None, str]]


def resolve(config: Config, *, file: str = "", passwords: PasswordReader = read_password) -> Resolved:
    """Return the configuration with everything defaulted, merged and parsed.

    file: for messages. passwords: returns the password in a file, or None and why there is none.
    Raises ConfigError for faults across keys; a password that cannot be had is none, it holds the session down.
    """
    findings = check(config)
    if findings:
        raise ConfigError(tuple(Problem(file, finding.key, finding.message) for finding in findings))
    node = _node(config)
    process = resolve_process(config)
    return Resolved(
        node=node,
        peers=tuple(_peer(peer, config.session, config.node, passwords) for peer in config.peer),
        ranges=tuple(_range(one, config.session, config.node, passwords) for one in config.peer_range),
        networks=tuple(
            ResolvedNetwork(*parse_prefix(one.prefix), one.blackhole, parse_communities(one.communities))
            for one in config.network
        ),
        policies=policies(config),
        pools=tuple(ResolvedPool(*parse_prefix(one.cidr), one.ipip, one.export) for one in config.pool),
        kernel=_kernel(config),
        mesh=_mesh(config),
        etcd=process.etcd,
        http=process.http,
        control=process.control,
        log=process.log,
    )


def resolve_process(config: Config) -> ResolvedProcess:
    """Return what a configuration says of the daemon itself; the rest may still be missing from it."""
    http = syntax.host_and_port(config.http.listen) if config.http.listen else None
    return ResolvedProcess(
        name=config.node.name or host_name(),
        etcd=_etcd(config),
        http=None if http is None else ResolvedHttp(*http),
        control=ResolvedControl(config.control.socket, config.control.group),
        log=ResolvedLog(config.log.level, config.log.format),
        elects_reflectors=config.mesh.auto_reflectors is not None,
    )


def _mesh(config: Config) -> ResolvedMesh:
    rules = config.mesh.auto_reflectors
    if rules is None:
        return ResolvedMesh(config.mesh.enabled)
    elected = ResolvedAutoReflectors(rules.above, rules.count, rules.label, rules.candidate)
    return ResolvedMesh(config.mesh.enabled, elected)


def _node(config: Config) -> ResolvedNode:
    node = config.node
    addresses = tuple(map(syntax.address_and_length, node.addresses))
    return ResolvedNode(
        name=node.name or host_name(),
        asn=syntax.asn_value(node.asn),
        identifier=parse_identifier(node.router_id or _first_ipv4(node)),
        addresses=addresses,
        listen=tuple(map(parse_address, node.listen)),
        port=node.port,
        cluster_id=None if node.cluster_id is None else parse_identifier(node.cluster_id),
        prefer_oldest_external=node.prefer_oldest_external,
        confederation=confederation(node),
    )


def _first_ipv4(node: NodeTable) -> str:
    return next((written.partition("/")[0] for written in node.addresses if ":" not in written), "")


def resolve_peer(peer: PeerTable, config: Config) -> ResolvedPeer:
    """Return one more peer of a configuration without faults, as if it stood there."""
    return _peer(peer, config.session, config.node, read_password)


def _peer(peer: PeerTable, session: SessionTable, node: NodeTable, passwords: PasswordReader) -> ResolvedPeer:
    written = peer.address or ""
    address, interface = (b"", peer.interface) if peer.interface else syntax.address_and_interface(written)
    families = (IPV4_UNICAST, IPV6_UNICAST) if peer.interface else (FAMILY_BY_ADDRESS_SIZE[len(address)],)
    return _options(
        peer,
        session,
        node,
        passwords,
        name=peer.name or peer.interface or written,
        address=address,
        interface=interface,
        default_families=families,
        port=peer.port,
        local_address=None if peer.local_address is None else parse_address(peer.local_address),
        passive=peer.passive,
    )


def _range(one: PeerRangeTable, session: SessionTable, node: NodeTable, passwords: PasswordReader) -> ResolvedRange:
    family, prefix = parse_prefix(one.prefix)
    name = one.name or one.prefix
    template = _options(
        one,
        session,
        node,
        passwords,
        name=name,
        address=b"",
        interface="",
        default_families=(family,),
        port=179,
        local_address=None,
        passive=True,
    )
    return ResolvedRange(name, family, prefix, one.limit, template)


def _options(
    peer: PeerOptions,
    session: SessionTable,
    node: NodeTable,
    passwords: PasswordReader,
    *,
    name: str,
    address: bytes,
    interface: str,
    default_families: tuple[Family, ...],
    port: int,
    local_address: bytes | None,
    passive: bool,
) -> ResolvedPeer:
    """Return a peer: its own keys before those of ``[session]`` before the defaults."""
    to_peer = relation(peer, node)
    assert to_peer is not None  # a missing AS number was a finding
    password, held_down = (peer.password, "")
    if peer.password_file is not None:
        password, held_down = passwords(peer.password_file)
    tcp_ao, without_key = _tcp_ao(peer, passwords)
    families = peer.families or session.families
    multihop_ttl, ttl_security = _ttl(peer, session)
    last = DEFAULT_SESSION
    black_hole = (peer.blackhole, session.blackhole, last.blackhole)
    long_lived, default_long_lived = peer.long_lived_graceful_restart, session.long_lived_graceful_restart
    stale_time = first(
        long_lived.stale_time, default_long_lived.stale_time, last.long_lived_graceful_restart.stale_time
    )
    return ResolvedPeer(
        name=name,
        address=address,
        interface=interface,
        is_unnumbered=bool(interface) and not address,
        port=port,
        asn=to_peer.remote_asn,
        peer_type=to_peer.peer_type,
        local_asn=to_peer.local_asn,
        real_asn=to_peer.real_asn,
        prepends_local_asn=_stands_beside(to_peer) and LocalAsnOption.NO_PREPEND not in peer.local_asn_options,
        prepends_real_asn=_stands_beside(to_peer) and LocalAsnOption.REPLACE_AS not in peer.local_asn_options,
        is_dual_asn=to_peer.local_asn != to_peer.real_asn and LocalAsnOption.DUAL_AS in peer.local_asn_options,
        role=None if peer.role is None else Role(peer.role.value),
        is_role_required=peer.role is not None
        and first(peer.strict_role, session.strict_role, DEFAULT_SESSION.strict_role),
        local_address=local_address,
        passive=passive,
        reflector_client=peer.reflector_client,
        next_hop=peer.next_hop,
        password=password,
        tcp_ao=tcp_ao,
        held_down=held_down or without_key,
        allow_own_as=peer.allow_own_as,
        imports=peer.imports,
        exports=peer.exports,
        enabled=peer.enabled,
        hold_time=first(peer.hold_time, session.hold_time, last.hold_time),
        connect_retry_time=first(peer.connect_retry_time, session.connect_retry_time, last.connect_retry_time),
        idle_hold_first=first(peer.idle_hold.first, session.idle_hold.first, last.idle_hold.first),
        idle_hold_max=first(peer.idle_hold.max, session.idle_hold.max, last.idle_hold.max),
        enforce_first_as=_enforces_first_as(peer, session),
        families=tuple(FAMILY_BY_NAME[one] for one in families) if families else default_families,
        graceful_restart=first(
            peer.graceful_restart.enabled, session.graceful_restart.enabled, last.graceful_restart.enabled
        ),
        restart_time=first(
            peer.graceful_restart.restart_time,
            session.graceful_restart.restart_time,
            last.graceful_restart.restart_time,
        ),
        stale_time=stale_time,
        max_stale_time=first(long_lived.max_stale_time, default_long_lived.max_stale_time, stale_time),
        graceful_shutdown=first(peer.graceful_shutdown, session.graceful_shutdown, last.graceful_shutdown),
        black_holes=first(*(one.accept for one in black_hole)),
        black_hole_ipv4=first(*(one.min_length_ipv4 for one in black_hole)),
        black_hole_ipv6=first(*(one.min_length_ipv6 for one in black_hole)),
        black_hole_scope=first(*(one.add_community for one in black_hole)),
        sends_stale=first(
            long_lived.partial_deployment,
            default_long_lived.partial_deployment,
            last.long_lived_graceful_restart.partial_deployment,
        ),
        add_path=first(peer.add_path, session.add_path, last.add_path),
        add_path_send_limit=first(peer.add_path_send_limit, session.add_path_send_limit, last.add_path_send_limit),
        max_prefix_limit=first(peer.max_prefixes.limit, session.max_prefixes.limit, last.max_prefixes.limit),
        max_prefix_threshold=first(
            peer.max_prefixes.threshold, session.max_prefixes.threshold, last.max_prefixes.threshold
        ),
        max_prefix_action=first(peer.max_prefixes.action, session.max_prefixes.action, last.max_prefixes.action),
        max_prefix_restart_after=first(
            peer.max_prefixes.restart_after, session.max_prefixes.restart_after, last.max_prefixes.restart_after
        ),
        multihop_ttl=multihop_ttl,
        ttl_security=ttl_security,
        ebgp_requires_policy=first(peer.ebgp_requires_policy, session.ebgp_requires_policy, last.ebgp_requires_policy),
    )


def _tcp_ao(peer: PeerOptions, passwords: PasswordReader) -> tuple[tuple[ResolvedAoKey, ...], str]:
    """Return the TCP-AO keys, the preferred one first, and why one of them cannot be had; empty = all are there."""
    keys: list[ResolvedAoKey] = []
    missing = ""
    for one in sorted(peer.tcp_ao.keys, key=lambda key: not key.preferred):
        key, why = (one.key, "") if one.key_file is None else passwords(one.key_file)
        missing = missing or (f"tcp_ao: {why}" if key is None else "")
        assert one.send_id is not None  # a required key; the checks saw it
        assert one.recv_id is not None
        keys.append(ResolvedAoKey(one.send_id, one.recv_id, one.algorithm, key or ""))
    return tuple(keys), missing


def _stands_beside(to_peer: Relation) -> bool:
    """Are there two AS numbers of ours on an eBGP session (RFC 7705 section 3)?"""
    return to_peer.peer_type == "external" and to_peer.local_asn != to_peer.real_asn


def _enforces_first_as(peer: PeerOptions, session: SessionTable) -> bool:
    """Return whether paths begin with the peer's AS; a route server keeps its AS out of them (RFC 7947 2.2.2.1)."""
    if peer.role is RoleName.RS_CLIENT:
        return first(peer.enforce_first_as, False)
    return first(peer.enforce_first_as, session.enforce_first_as, DEFAULT_SESSION.enforce_first_as)


def _ttl(peer: SessionTable, session: SessionTable) -> tuple[int, int]:
    """Return (multihop_ttl, ttl_security); whichever of the two the innermost table sets puts the other one off."""
    for table in (peer, session):
        if table.ttl_security is not None:
            return 0, table.ttl_security
        if table.multihop_ttl is not None:
            return table.multihop_ttl, 0
    return first(DEFAULT_SESSION.multihop_ttl), 0


def _kernel(config: Config) -> ResolvedKernel:
    kernel = config.kernel
    return ResolvedKernel(
        enabled=kernel.enabled,
        table=kernel.table,
        protocol=kernel.protocol,
        metric=kernel.metric,
        tunnel_device=kernel.tunnel_device,
        ecmp=kernel.ecmp,
        learn=tuple(map(_learn, kernel.learn)),
        import_default_route=kernel.import_default_route,
        priority_ipv4=_NORMAL_PRIORITY if config.calico.priorities else 0,
        priority_ipv6=_NORMAL_PRIORITY if config.calico.priorities else 0,
    )


def _learn(rule: LearnTable) -> ResolvedLearn:
    protocols = frozenset(map(syntax.route_protocol, rule.protocols))
    return ResolvedLearn(protocols, rule.devices, rule.gateway, rule.table)


def _etcd(config: Config) -> ResolvedEtcd | None:
    etcd = config.etcd
    if etcd is None:
        return None
    return ResolvedEtcd(
        etcd.endpoints,
        etcd.ca_file,
        etcd.cert_file,
        etcd.key_file,
        etcd.username,
        etcd.password_file,
        etcd.prefix,
        etcd.secrets_dir,
    )
