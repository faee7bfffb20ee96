"""What two configurations differ in, and what each difference costs: a session, a new look at routes, or nothing.

Peers and ranges are the same if their names are; a peer whose name is gone is the one that is new at its address, if
there is one. A change of policy, or of who is a reflector's client, never costs a session (RFC 2918 exists for that);
what OPEN, TCP or the peer's kind rest on does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Final

from bgpd.addresses import format_prefix
from bgpd.config.resolved import Resolved, ResolvedNetwork, ResolvedPeer, ResolvedRange
from bgpd.families import Family
from bgpd.records import dataclass

_RESET: Final = frozenset(
    {
        "add_path",
        "address",
        "asn",
        "enabled",
        "families",
        "graceful_restart",
        "held_down",
        "hold_time",
        "interface",
        "local_address",
        "local_asn",
        "max_stale_time",
        "multihop_ttl",
        "password",
        "peer_type",
        "port",
        "restart_time",
        "stale_time",
        "tcp_ao",
        "ttl_security",
        "is_dual_asn",
        "is_role_required",
        "role",
    }
)
_KEEPING: Final = frozenset(
    {
        "hold_time",
        "is_role_required",
        "local_address",
        "max_stale_time",
        "multihop_ttl",
        "password",
        "port",
        "restart_time",
        "stale_time",
        "tcp_ao",
        "ttl_security",
    }
)
_IMPORT: Final = frozenset(
    {
        "allow_own_as",
        "black_hole_ipv4",
        "black_hole_ipv6",
        "black_hole_scope",
        "black_holes",
        "ebgp_requires_policy",
        "enforce_first_as",
        "graceful_shutdown",
        "imports",
        "prepends_local_asn",
        "real_asn",
        "reflector_client",
    }
)
_EXPORT: Final = frozenset(
    {
        "add_path_send_limit",
        "ebgp_requires_policy",
        "exports",
        "next_hop",
        "prepends_real_asn",
        "real_asn",
        "reflector_client",
        "sends_stale",
    }
)

# What cannot change while the daemon runs: (table, field) and the key in the file.
_RESTART: Final = (
    ("kernel", "enabled", "kernel.enabled"),
    ("kernel", "table", "kernel.table"),
    ("kernel", "protocol", "kernel.protocol"),
    ("control", "socket", "control.socket"),
    ("control", "group", "control.group"),
    ("log", "format", "log.format"),
)


@dataclass(frozen=True, slots=True)
class PeerChange:
    """A peer, or a range's template, that both configurations have, perhaps by another name.

    fields: what differs of it. reset: why the session has to be closed, empty = it does not have to. imports, exports:
    received routes, sent routes have to be judged again; not asked where the session is reset.
    """

    old: ResolvedPeer
    new: ResolvedPeer
    fields: tuple[str, ...]
    reset: tuple[str, ...] = ()
    imports: bool = False
    exports: bool = False

    @property
    def is_renamed(self) -> bool:
        """Has it another name?"""
        return self.old.name != self.new.name

    @property
    def keeps_routes(self) -> bool:
        """Is the peer, and what it told us, the same after the reset, so that graceful restart may bridge it?"""
        return self.new.graceful_restart and not self.new.held_down and _KEEPING.issuperset(self.reset)

    @property
    def is_empty(self) -> bool:
        """Is there nothing to do, not even to remember?"""
        return not (self.fields or self.reset or self.imports or self.exports)


@dataclass(frozen=True, slots=True)
class RangeChange:
    """A peer range that both configurations have; template: what changes for each of its peers."""

    old: ResolvedRange
    new: ResolvedRange
    template: PeerChange


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences.

    networks_added: new or changed ones. node, kernel: fields that differ. policies: names of those new, gone or
    changed. withheld: pools that are not exported differ. needs_restart: keys whose change waits for the next start of
    the daemon.
    """

    peers_added: tuple[ResolvedPeer, ...] = ()
    peers_removed: tuple[ResolvedPeer, ...] = ()
    peers_changed: tuple[PeerChange, ...] = ()
    ranges_added: tuple[ResolvedRange, ...] = ()
    ranges_removed: tuple[ResolvedRange, ...] = ()
    ranges_changed: tuple[RangeChange, ...] = ()
    networks_added: tuple[ResolvedNetwork, ...] = ()
    networks_removed: tuple[ResolvedNetwork, ...] = ()
    policies: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    pools: bool = False
    withheld: bool = False
    mesh: bool = False
    log_level: bool = False
    origins: bool = False
    needs_restart: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Do both configurations mean the same?"""
        return self == _NOTHING

    @property
    def listeners(self) -> bool:
        """Have the addresses or the port that we listen on changed?"""
        return bool({"listen", "port"}.intersection(self.node))

    def summary(self) -> list[str]:
        """Return a line for each difference, for people."""
        lines = [f"peer {peer.name}: added" for peer in self.peers_added]
        lines += [f"peer {peer.name}: removed" for peer in self.peers_removed]
        lines += [f"peer {change.old.name}: {_words(change)}" for change in self.peers_changed]
        lines += [f"peer range {one.name}: added" for one in self.ranges_added]
        lines += [f"peer range {one.name}: removed" for one in self.ranges_removed]
        lines += [f"peer range {one.new.name}: {_words(one.template)}" for one in self.ranges_changed]
        lines += [f"network {format_prefix(one.family, one.prefix)}: announced" for one in self.networks_added]
        lines += [f"network {format_prefix(one.family, one.prefix)}: withdrawn" for one in self.networks_removed]
        lines += [f"policy {name}: changed" for name in self.policies]
        lines += [f"node: {name} changed" for name in self.node]
        lines += [f"kernel: {name} changed" for name in self.kernel]
        flags = (
            ("pools", self.pools),
            ("mesh", self.mesh),
            ("log level", self.log_level),
            ("origins of blocks", self.origins),
        )
        lines += [f"{name} changed" for name, is_changed in flags if is_changed]
        lines += [f"{key}: changed, takes effect when the daemon is started again" for key in self.needs_restart]
        return lines


_NOTHING: Final = Changes()


def diff(old: Resolved, new: Resolved) -> Changes:
    """Return what has to be done to go from the old configuration to the new one."""
    old_policies = {policy.name: policy for policy in old.policies}
    new_policies = {policy.name: policy for policy in new.policies}
    both = old_policies | new_policies
    policies = tuple(name for name in both if old_policies.get(name) != new_policies.get(name))
    causes = _Causes(old, new, frozenset(policies))
    old_peers = {peer.name: peer for peer in old.peers}
    new_peers = {peer.name: peer for peer in new.peers}
    former = _former_names(old_peers, new_peers)
    renamed = set(former.values())
    old_ranges = {one.name: one for one in old.ranges}
    new_ranges = {one.name: one for one in new.ranges}
    known = ((old_peers.get(former.get(name, name)), peer) for name, peer in new_peers.items())
    peers = [causes.change(before, after) for before, after in known if before is not None]
    ranges = [
        RangeChange(old_ranges[name], one, causes.change(old_ranges[name].template, one.template))
        for name, one in new_ranges.items()
        if name in old_ranges
    ]
    networks = {(one.family, one.prefix) for one in new.networks}
    restart = [key for table, name, key in _RESTART if _part(old, table, name) != _part(new, table, name)]
    if old.http != new.http:
        restart.append("http.listen")
    if old.etcd != new.etcd:
        restart.append("etcd")
    if old.mesh.auto_reflectors is None and new.mesh.auto_reflectors is not None:
        restart.append("mesh.auto_reflectors")
    return Changes(
        peers_added=tuple(peer for name, peer in new_peers.items() if name not in old_peers and name not in former),
        peers_removed=tuple(peer for name, peer in old_peers.items() if name not in new_peers and name not in renamed),
        peers_changed=tuple(change for change in peers if not change.is_empty),
        ranges_added=tuple(one for name, one in new_ranges.items() if name not in old_ranges),
        ranges_removed=tuple(one for name, one in old_ranges.items() if name not in new_ranges),
        ranges_changed=tuple(one for one in ranges if one.old != one.new or not one.template.is_empty),
        networks_added=tuple(one for one in new.networks if one not in old.networks),
        networks_removed=tuple(one for one in old.networks if (one.family, one.prefix) not in networks),
        policies=policies,
        node=different(old.node, new.node),
        kernel=different(old.kernel, new.kernel),
        pools=old.pools != new.pools,
        withheld=_withheld(old) != _withheld(new),
        mesh=old.mesh != new.mesh,
        log_level=old.log.level != new.log.level,
        origins=old.origins is not new.origins and old.origins != new.origins,
        needs_restart=tuple(restart),
    )


def different(old: object, new: object) -> tuple[str, ...]:
    """Return the names of the fields in which two records of one dataclass differ."""
    if type(old) is not type(new) or not is_dataclass(old) or isinstance(old, type):
        raise TypeError(f"cannot compare {type(old).__name__} with {type(new).__name__}")
    return tuple(one.name for one in fields(old) if getattr(old, one.name) != getattr(new, one.name))


class _Causes:
    """What else than its own fields changes things for a peer."""

    def __init__(self, old: Resolved, new: Resolved, policies: frozenset[str]) -> None:
        node = frozenset(different(old.node, new.node))
        self._policies = policies
        self._asks_senders = any(policy.looks_at_sender for policy in (*old.policies, *new.policies))
        self._asking_names = frozenset(policy.name for policy in (*old.policies, *new.policies) if policy.looks_at_peer)
        names = (("identifier", "router_id"), ("confederation", "confederation"))
        self._reset = tuple(key for field, key in names if field in node)
        is_reflection = "cluster_id" in node
        # What is one of our addresses is no next hop
        self._imports = is_reflection or "addresses" in node
        self._exports = is_reflection or "addresses" in node or _withheld(old) != _withheld(new)

    def change(self, old: ResolvedPeer, new: ResolvedPeer) -> PeerChange:
        """Return what changes for one peer."""
        changed = () if old is new else different(old, new)
        asking = self._asking_names if old.name != new.name else frozenset[str]()
        is_sender = self._asks_senders and old.name != new.name  # whoever is told its routes may ask for its name
        return PeerChange(
            old,
            new,
            changed,
            reset=tuple(name for name in changed if name in _RESET) + self._reset,
            imports=self._imports
            or is_sender
            or _meet(changed, _IMPORT)
            or _meet(new.imports, self._policies | asking),
            exports=self._exports or _meet(changed, _EXPORT) or _meet(new.exports, self._policies | asking),
        )


def _former_names(old: Mapping[str, ResolvedPeer], new: Mapping[str, ResolvedPeer]) -> dict[str, str]:
    """Return the former name of each peer that was renamed: one is gone and one is new at an address, and no more."""
    gone, added = (_by_place(one, other) for one, other in ((old, new), (new, old)))
    return {names[0]: gone[place][0] for place, names in added.items() if len(names) == len(gone.get(place, ())) == 1}


def _by_place(
    peers: Mapping[str, ResolvedPeer], others: Mapping[str, ResolvedPeer]
) -> dict[tuple[bytes, str], list[str]]:
    """Return the names that only the first ones have, by address and link; unnumbered peers have no address."""
    found: dict[tuple[bytes, str], list[str]] = {}
    for name, peer in peers.items():
        if name not in others and peer.address:
            found.setdefault((peer.address, peer.interface), []).append(name)
    return found


def _meet(names: Iterable[str], others: frozenset[str]) -> bool:
    return not others.isdisjoint(names)


def _withheld(config: Resolved) -> list[tuple[Family, bytes]]:
    """Return the pools that are not exported."""
    return [(pool.family, pool.prefix) for pool in config.pools if not pool.export]


def _part(config: Resolved, table: str, name: str) -> object:
    return getattr(getattr(config, table), name)


def _words(change: PeerChange) -> str:
    """Return what happens to a peer."""
    name = f"is {change.new.name} now, " if change.is_renamed else ""
    if change.reset:
        return f"{name}reset, as {', '.join(change.reset)} changed"
    if change.is_renamed:
        name += "session kept, "
    judged = [name for name, is_judged in (("import", change.imports), ("export", change.exports)) if is_judged]
    if judged:
        return f"{name}routes judged again ({' and '.join(judged)})"
    others = ", ".join(field for field in change.fields if field != "name")
    return f"{name}{others or 'range'} changed" if others or not name else name.removesuffix(", ")
