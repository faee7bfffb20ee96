"""Faults across keys: what no single value shows.

Works on a configuration whose single values are well written; a required key that is not there is found here too.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import msgspec

from bgpd.addresses import covers, host_prefix, parse_address, parse_prefix
from bgpd.config import syntax
from bgpd.config.inheritance import first, relation
from bgpd.config.model import Config
from bgpd.config.policy_checks import again, near, policy_faults
from bgpd.config.problems import Finding
from bgpd.config.reader import expected, fields_of, join, unwrap
from bgpd.config.relations import node_relations, peer_relations
from bgpd.config.tables.cluster import EtcdTable
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.node import NodeTable
from bgpd.config.tables.peer import NextHopMode, PeerOptions, PeerTable
from bgpd.config.tables.session import DEFAULT_SESSION, AddPathDirection, IdleHoldTable, SessionTable
from bgpd.config.tables.values import FamilyName
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.records import dataclass

_MISSING: Final = "is missing"
_FROM_CLUSTER: Final = frozenset({"node.asn", "node.router_id"})


def check(config: Config) -> list[Finding]:
    """Return every fault across keys, in the order of the file's tables."""
    return [
        *_required(config, ""),
        *_node(config.node),
        *node_relations(config.node),
        *_session(config.session, "session"),
        *_idle_hold(config.session, config.session, "session"),
        *_peers(config),
        *_ranges(config),
        *_signatures(config),
        *_networks(config),
        *policy_faults(config),
        *_pools(config),
        *_kernel(config),
        *_mesh(config),
        *(() if config.etcd is None else _etcd(config.etcd)),
    ]


def check_file(config: Config) -> list[Finding]:
    """Return every fault of a file by itself: with etcd, the cluster brings what only the node's keys lack."""
    if config.etcd is None:
        return check(config)
    return [one for one in check(config) if one.key not in _FROM_CLUSTER or not one.message.startswith(_MISSING)]


def _required(table: msgspec.Struct, key: str) -> Iterator[Finding]:
    """Yield the required keys that are not there, in this table and those inside."""
    for name, field in fields_of(type(table)).items():
        value = getattr(table, field.name)
        if value in ("", None, ()) and name in _required_keys(type(table)):
            yield Finding(join(key, name), f"{_MISSING}; expected {expected(field.type)}")
        elif isinstance(value, msgspec.Struct):
            yield from _required(value, join(key, name))
        elif isinstance(value, tuple):
            for index, one in enumerate(value):
                if isinstance(one, msgspec.Struct):
                    yield from _required(one, f"{join(key, name)}[{index}]")


@cache
def _required_keys(model: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(
        name
        for name, field in fields_of(model).items()
        if any((meta.extra or {}).get("required") for meta in unwrap(field.type)[1])
    )


def _node(node: NodeTable) -> Iterator[Finding]:
    if node.router_id is None and not any(family is IPV4_UNICAST for family in _node_families(node)):
        message = f"{_MISSING}; expected four decimal octets, as node.addresses has no IPv4 address to take it from"
        yield Finding("node.router_id", message, ("node.addresses",))
    addresses = [syntax.address_and_length(text)[0] for text in node.addresses]
    yield from _twice(addresses, node.addresses, "node.addresses")
    listen = [parse_address(text) for text in node.listen]
    yield from _twice(listen, node.listen, "node.listen")


def _session(session: SessionTable, key: str) -> Iterator[Finding]:
    """Yield the faults inside one table of session keys."""
    if session.multihop_ttl is not None and session.ttl_security is not None:
        yield Finding(f"{key}.ttl_security", "expected either multihop_ttl or ttl_security, found both")
    yield from _twice(session.families or (), session.families or (), f"{key}.families")


def _idle_hold(session: SessionTable, peer: SessionTable, key: str) -> Iterator[Finding]:
    least = first(peer.idle_hold.first, session.idle_hold.first, DEFAULT_SESSION.idle_hold.first)
    most = first(peer.idle_hold.max, session.idle_hold.max, DEFAULT_SESSION.idle_hold.max)
    if least > most:
        message = f"expected first to be at most max, found {least:g} and {most:g}"
        yield Finding(f"{key}.idle_hold", message, ("session.idle_hold",))


def _peers(config: Config) -> Iterator[Finding]:
    ours = {syntax.address_and_length(text)[0] for text in config.node.addresses}
    seen: dict[tuple[bytes, str, int], str] = {}
    names: dict[str, str] = {}
    interfaces: dict[str, str] = {}
    for index, peer in enumerate(config.peer):
        key = f"peer[{index}]"
        yield from _options(peer, key, config)
        if peer.interface is not None:
            yield from _unnumbered(peer, key, interfaces, names)
            continue
        if not peer.address:
            message = f"is missing; expected {syntax.PEER_ADDRESS.expected}; or interface, the link that the peer is on"
            yield Finding(f"{key}.address", message, (f"{key}.interface",))
            continue
        address, interface = syntax.address_and_interface(peer.address)
        family = FAMILY_BY_ADDRESS_SIZE[len(address)]
        yield from _next_hops(peer, key, config, family)
        twice = list(
            again(seen, (address, interface, peer.port), f"{key}.address", f'"{peer.address}" with port {peer.port}')
        )
        yield from twice
        if not twice:
            yield from again(names, peer.name or peer.address, f"{key}.name", f'"{peer.name or peer.address}"')
        if address in ours and peer.port == config.node.port:
            message = f'expected the address of another router, found "{peer.address}", which is in node.addresses'
            yield Finding(f"{key}.address", message, ("node.addresses", "node.port", f"{key}.port"))
        if peer.local_address is None:
            continue
        if FAMILY_BY_ADDRESS_SIZE[len(parse_address(peer.local_address))] is not family:
            wanted = f"an {syntax.family_of(address)} address, as {key}.address is one"
            message = f'expected {wanted}; found "{peer.local_address}"'
            yield Finding(f"{key}.local_address", message, (f"{key}.address",))


def _unnumbered(peer: PeerTable, key: str, interfaces: dict[str, str], names: dict[str, str]) -> Iterator[Finding]:
    """Yield the faults of a peer that is named by its interface."""
    assert peer.interface is not None  # who calls this has looked
    for name, other in (("address", peer.address), ("local_address", peer.local_address)):
        if other is not None:
            message = f"expected either {name} or interface, found both"
            yield Finding(f"{key}.{name}", message, (f"{key}.interface",))
    twice = list(again(interfaces, peer.interface, f"{key}.interface", f'"{peer.interface}"'))
    yield from twice
    if not twice:
        yield from again(names, peer.name or peer.interface, f"{key}.name", f'"{peer.name or peer.interface}"')


def _ranges(config: Config) -> Iterator[Finding]:
    seen: dict[tuple[Family, bytes], str] = {}
    names: dict[str, str] = {}
    for index, one in enumerate(config.peer_range):
        key = f"peer_range[{index}]"
        yield from _options(one, key, config)
        if not one.prefix:
            continue
        family, prefix = parse_prefix(one.prefix)
        yield from _next_hops(one, key, config, family)
        twice = list(again(seen, (family, prefix), f"{key}.prefix", f'"{one.prefix}"'))
        yield from twice
        if not twice:
            yield from again(names, one.name or one.prefix, f"{key}.name", f'"{one.name or one.prefix}"')


def _options(peer: PeerOptions, key: str, config: Config) -> Iterator[Finding]:
    """Yield the faults of what a peer and a peer range have in common."""
    yield from _session(peer, key)
    yield from peer_relations(peer, key, config.node)
    if peer.idle_hold != IdleHoldTable():
        yield from _idle_hold(config.session, peer, key)
    if peer.password is not None and peer.password_file is not None:
        yield Finding(f"{key}.password_file", "expected either password or password_file, found both")
    yield from _tcp_ao(peer, key)
    known = {policy.name for policy in config.policy}
    for name, policies in (("import", peer.imports), ("export", peer.exports)):
        for policy in policies:
            if policy not in known:
                message = f'expected the name of a [[policy]], found "{policy}"; {near(policy, known)}'
                yield Finding(f"{key}.{name}", message)
    direction = first(peer.add_path, config.session.add_path, DEFAULT_SESSION.add_path)
    if peer.add_path_send_limit and direction not in (AddPathDirection.SEND, AddPathDirection.BOTH):
        message = f'expected add_path = "send" or "both" along with it, found "{direction}"'
        yield Finding(f"{key}.add_path_send_limit", message, ("session.add_path", f"{key}.add_path"))
    if not peer.reflector_client:
        return
    if config.node.cluster_id is None:
        message = "expected node.cluster_id to be set, as only a route reflector has clients"
        yield Finding(f"{key}.reflector_client", message, ("node.cluster_id",))
    if _peer_type(peer, config.node) in ("external", "confederation"):
        message = f"expected an internal peer, as only those can be clients; found asn {peer.asn}"
        yield Finding(f"{key}.reflector_client", message, ("node.asn", f"{key}.asn", f"{key}.local_asn"))


def _tcp_ao(peer: PeerOptions, key: str) -> Iterator[Finding]:
    """Yield the faults of a peer's TCP-AO keys; RFC 5925 3.1: an identifier names one key, each way."""
    keys = peer.tcp_ao.keys
    path = f"{key}.tcp_ao"
    if keys and (peer.password is not None or peer.password_file is not None):
        message = "expected either TCP-AO keys or a TCP-MD5 password, found both"
        yield Finding(path, message, (f"{key}.password", f"{key}.password_file"))
    sent: dict[int, str] = {}
    received: dict[int, str] = {}
    for index, one in enumerate(keys):
        place = f"{path}.keys[{index}]"
        if one.send_id is not None:
            yield from again(sent, one.send_id, f"{place}.send_id", str(one.send_id))
        if one.recv_id is not None:
            yield from again(received, one.recv_id, f"{place}.recv_id", str(one.recv_id))
        if (one.key is None) == (one.key_file is None):
            found = "neither" if one.key is None else "both"
            yield Finding(f"{place}.key", f"expected either key or key_file, found {found}", (f"{place}.key_file",))
    if sum(one.preferred for one in keys) > 1:
        yield Finding(f"{path}.keys", "expected one preferred key, found several")


def _signatures(config: Config) -> Iterator[Finding]:
    """Yield a fault where a range signs otherwise than a peer or a range inside it.

    Linux has keys of one kind for an address: it refuses the other kind, or asks for both signatures at once.
    """
    inside = [*_signed_peers(config), *_signed_ranges(config)]
    for outer in _signed_ranges(config):
        for inner in inside:
            if inner.family is not outer.family or inner.kind == outer.kind or not covers(outer.prefix, inner.prefix):
                continue
            if inner.key.startswith("peer_range") and covers(inner.prefix, outer.prefix):
                continue  # the same prefix twice, which has a fault of its own
            message = (
                f"expected {outer.kind}, as {outer.key} has for all of {outer.written}, {inner.written} too (the "
                f"kernel takes one kind of key for an address); found {inner.kind}"
            )
            yield Finding(f"{inner.key}.{_KEY_OF[inner.kind]}", message, (f"{inner.key}.password_file",))


@dataclass(frozen=True, slots=True)
class _Signed:
    """Whose segments are signed, and how. written: the address or prefix in the file."""

    key: str
    written: str
    family: Family
    prefix: bytes
    kind: str


_KEY_OF: Final = {"TCP-AO": "tcp_ao", "a TCP-MD5 password": "password"}


def _signed_peers(config: Config) -> Iterator[_Signed]:
    for index, peer in enumerate(config.peer):
        kind = _kind_of_signature(peer)
        if kind and peer.address:
            address, _ = syntax.address_and_interface(peer.address)
            family = FAMILY_BY_ADDRESS_SIZE[len(address)]
            yield _Signed(f"peer[{index}]", peer.address, family, host_prefix(address), kind)


def _signed_ranges(config: Config) -> Iterator[_Signed]:
    for index, one in enumerate(config.peer_range):
        kind = _kind_of_signature(one)
        if kind and one.prefix:
            yield _Signed(f"peer_range[{index}]", one.prefix, *parse_prefix(one.prefix), kind)


def _kind_of_signature(peer: PeerOptions) -> str:
    if peer.tcp_ao.keys:
        return "TCP-AO"
    return "a TCP-MD5 password" if peer.password is not None or peer.password_file is not None else ""


def _next_hops(peer: PeerOptions, key: str, config: Config, family: Family) -> Iterator[Finding]:
    """Yield a fault where IPv6 routes go over an IPv4 session and we have no IPv6 address to name as next hop."""
    families = peer.families or config.session.families or ()
    if family is not IPV4_UNICAST or FamilyName.IPV6_UNICAST not in families:
        return
    is_reflected = config.node.cluster_id is not None and _peer_type(peer, config.node) == "internal"
    if peer.next_hop is NextHopMode.KEEP or (is_reflected and peer.next_hop is NextHopMode.AUTO):
        return
    if IPV6_UNICAST not in _node_families(config.node):
        message = "expected an IPv6 address in node.addresses, as the next hop of ipv6-unicast over this IPv4 session"
        reads = ("node.addresses", "node.cluster_id", "session.families", f"{key}.next_hop", f"{key}.asn")
        yield Finding(f"{key}.families", message, reads)


def _networks(config: Config) -> Iterator[Finding]:
    seen: dict[tuple[Family, bytes], str] = {}
    for index, network in enumerate(config.network):
        if network.prefix:
            key = f"network[{index}].prefix"
            yield from again(seen, parse_prefix(network.prefix), key, f'"{network.prefix}"')


def _pools(config: Config) -> Iterator[Finding]:
    seen: list[tuple[Family, bytes, str]] = []
    for index, pool in enumerate(config.pool):
        if not pool.cidr:
            continue
        key = f"pool[{index}]"
        family, prefix = parse_prefix(pool.cidr)
        if family is not IPV4_UNICAST and pool.ipip is not IpipMode.NEVER:
            yield Finding(
                f"{key}.ipip", f'expected "never", as IPIP carries IPv4 only; found "{pool.ipip}"', (f"{key}.cidr",)
            )
        for other_family, other, other_key in seen:
            if family is other_family and (covers(prefix, other) or covers(other, prefix)):
                message = f'expected pools that do not overlap, found "{pool.cidr}" and {other_key}'
                yield Finding(f"{key}.cidr", message)
        seen.append((family, prefix, f"{key}.cidr"))


def _kernel(config: Config) -> Iterator[Finding]:
    for index, rule in enumerate(config.kernel.learn):
        for protocol in rule.protocols:
            if syntax.route_protocol(protocol) == config.kernel.protocol:
                key = f"kernel.learn[{index}].protocols"
                message = f"expected another protocol than our own (kernel.protocol), found {protocol}"
                yield Finding(key, message, ("kernel.protocol",))


def _mesh(config: Config) -> Iterator[Finding]:
    """Yield why nodes cannot elect reflectors."""
    rules, key = config.mesh.auto_reflectors, "mesh.auto_reflectors"
    if rules is None:
        return
    if config.etcd is None:
        yield Finding(key, "expected [etcd] along with it: nodes elect reflectors through etcd", ("etcd",))
    if not config.mesh.enabled:
        yield Finding(
            key, "expected mesh.enabled = true along with it: reflectors stand in for a mesh", ("mesh.enabled",)
        )
    if rules.count > rules.above:
        message = f"expected at most as many reflectors as nodes, above = {rules.above}; found {rules.count}"
        yield Finding(f"{key}.count", message, (f"{key}.above",))


def _etcd(etcd: EtcdTable) -> Iterator[Finding]:
    for one, other in (("cert_file", "key_file"), ("username", "password_file")):
        for here, there in ((one, other), (other, one)):
            if getattr(etcd, here) and not getattr(etcd, there):
                yield Finding(f"etcd.{there}", f"is missing; expected it together with etcd.{here}")


def _twice(values: Iterable[object], written: tuple[str, ...], key: str) -> Iterator[Finding]:
    """Yield a fault for each value of a list that stands there twice."""
    seen: set[object] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Finding(key, f'expected each value once, found "{written[index]}" again')
        seen.add(value)


def _peer_type(peer: PeerOptions, node: NodeTable) -> str:
    """Return what a peer is to us; empty if an AS number is missing."""
    to_peer = relation(peer, node)
    return "" if to_peer is None else to_peer.peer_type


def _node_families(node: NodeTable) -> set[Family]:
    return {FAMILY_BY_ADDRESS_SIZE[len(syntax.address_and_length(text)[0])] for text in node.addresses}
