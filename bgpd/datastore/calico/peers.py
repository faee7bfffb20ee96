"""The cluster's sessions as peers of the configuration: with ``[session]``'s defaults, policies and passwords."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final, Protocol

from bgpd.addresses import format_address
from bgpd.config.model import Config
from bgpd.config.resolve import resolve_peer
from bgpd.config.resolved import Resolved, ResolvedPeer
from bgpd.config.syntax import MAX_PASSWORD
from bgpd.config.tables.peer import PeerTable
from bgpd.config.tables.session import AddPathDirection
from bgpd.datastore.calico import announcing
from bgpd.datastore.calico.model import Filter, Settings
from bgpd.datastore.calico.problems import Problem
from bgpd.datastore.calico.sessions import SessionKind, Wanted
from bgpd.datastore.calico.values import SecretRef
from bgpd.families import FAMILY_BY_ADDRESS_SIZE
from bgpd.records import dataclass

_TTL: Final = 64  # Calico's sessions are multihop
_ANY: Final = {4: "192.0.2.1", 16: "2001:db8::1"}  # stands in the template only


class Secrets(Protocol):
    """Where passwords are."""

    def lookup(self, name: str, key: str) -> str | None:
        """Return the password under a key of a named secret, None = there is none."""


@dataclass(slots=True)
class MadePeers:
    """The peers, and what there is to be said of them."""

    peers: tuple[ResolvedPeer, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Context:
    """What peers rest on beside their session. filters: names with the directions in which they have rules."""

    templates: tuple[ResolvedPeer, ...]
    mesh_restart_time: int | None
    mesh_password: SecretRef | None
    passwords: tuple[tuple[SecretRef, str | None], ...]
    filters: tuple[tuple[str, bool, bool], ...]
    taken: tuple[tuple[bytes, str], ...]


class PeerMaker:
    """Makes them; one whose session is the same is the same object."""

    def __init__(self) -> None:
        self._context: _Context | None = None
        self._sessions: tuple[Wanted, ...] = ()
        self._made = MadePeers()
        self._peers: dict[Wanted, ResolvedPeer] = {}

    def make(
        self,
        sessions: tuple[Wanted, ...],
        settings: Settings,
        filters: Mapping[str, Filter],
        base: Resolved,
        config: Config,
        secrets: Secrets,
    ) -> MadePeers:
        """Return the peers of these sessions, beside those that the file has."""
        context = _Context(
            templates=self._templates(config),
            mesh_restart_time=settings.mesh_restart_time,
            mesh_password=settings.mesh_password,
            passwords=tuple((ref, secrets.lookup(ref.name, ref.key)) for ref in _references(sessions, settings)),
            filters=tuple((name, bool(one.imports), bool(one.exports)) for name, one in filters.items()),
            taken=tuple((peer.address, peer.name) for peer in base.peers),
        )
        if context != self._context:
            self._context, self._peers = context, {}
        elif sessions is self._sessions or sessions == self._sessions:
            return self._made
        self._sessions = sessions
        self._made = self._make(context)
        return self._made

    def _make(self, context: _Context) -> MadePeers:
        made = MadePeers()
        taken = {address: name for address, name in context.taken if address}
        names = {name for _, name in context.taken}
        peers: list[ResolvedPeer] = []
        kept: dict[Wanted, ResolvedPeer] = {}
        addresses: dict[bytes, str] = {}
        known = _Known(context)
        for one in self._sessions:
            if one.address in taken:
                what = "the mesh" if one.source is None else f"BGPPeer {one.source.name}"
                made.problems.append(Problem(f"peer {taken[one.address]}", f"of this file is used; so asks {what}"))
                continue
            if one.name in names:
                made.problems.append(Problem(f"peer {one.name}", "has the name of a session that etcd asks for"))
                continue
            if one.address in addresses:
                made.notices.append(
                    f"{addresses[one.address]}, {one.name}: connections from {format_address(one.address)} cannot be "
                    "told apart"
                )
            addresses[one.address] = one.name
            peer = self._peers.get(one)
            if peer is None:
                peer = known.peer(one)
            kept[one] = peer
            peers.append(peer)
            made.notices += known.missing(one)
        self._peers = kept
        made.peers = tuple(peers)
        made.notices = list(dict.fromkeys(made.notices))
        return made

    def _templates(self, config: Config) -> tuple[ResolvedPeer, ...]:
        """Return a peer with the defaults of ``[session]`` and those that Calico's sessions have, for each family."""
        templates = []
        for address in _ANY.values():
            peer = resolve_peer(PeerTable(address=address, asn="internal"), config)
            add_path = AddPathDirection.BOTH if config.session.add_path is None else peer.add_path
            templates.append(replace(peer, add_path=add_path, ebgp_requires_policy=False))
        return tuple(templates)


class _Known:
    """A context, prepared to make peers in it."""

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._passwords = dict(context.passwords)
        self._filters = {name: (has_imports, has_exports) for name, has_imports, has_exports in context.filters}
        self._templates = {
            family: replace(template, families=(family,))
            for family, template in zip(FAMILY_BY_ADDRESS_SIZE.values(), context.templates, strict=True)
        }

    def peer(self, one: Wanted) -> ResolvedPeer:
        """Return the peer of a session."""
        source, context = one.source, self._context
        template = self._templates[FAMILY_BY_ADDRESS_SIZE[len(one.address)]]
        password, held_down = self._password(context.mesh_password if source is None else source.password)
        filters = [] if source is None else [name for name in source.filters if name in self._filters]
        restart_time = context.mesh_restart_time if source is None else source.restart_time
        ttl_security = 0 if source is None else source.ttl_security
        return replace(
            template,
            name=one.name,
            address=one.address,
            port=one.port,
            asn=one.asn,
            peer_type="internal" if one.asn == one.local_asn else "external",
            local_asn=one.local_asn,
            real_asn=one.local_asn,
            local_address=one.own_address or None,
            passive=one.is_passive,
            reflector_client=one.is_client,
            next_hop=one.next_hop,
            password=password,
            held_down=held_down,
            allow_own_as=0 if source is None else source.allow_own_as,
            imports=tuple(announcing.import_name(name) for name in filters if self._filters[name][0]),
            exports=(
                *(announcing.export_name(name) for name in filters if self._filters[name][1]),
                announcing.EXPORT_POLICY,
            ),
            restart_time=template.restart_time if restart_time is None else restart_time,
            keepalive_time=0 if source is None else source.keepalive_time or 0,
            multihop_ttl=0 if ttl_security else template.multihop_ttl or _TTL,
            ttl_security=ttl_security,  # the mesh goes without
        )

    def missing(self, one: Wanted) -> list[str]:
        """Return a line for each filter that a session names and that there is not."""
        if one.source is None:
            return []
        return [
            f"BGPPeer {one.source.name}: there is no BGPFilter {name}, it is passed over"
            for name in one.source.filters
            if name not in self._filters
        ]

    def _password(self, reference: SecretRef | None) -> tuple[str | None, str]:
        """Return the password, and why the session is held down."""
        if reference is None:
            return None, ""
        password = self._passwords[reference]
        place = f"secret {reference.name}/{reference.key}"
        if not password:
            return None, f"{place}: not found under [etcd] secrets_dir"
        if len(password.encode()) > MAX_PASSWORD:
            return None, f"{place}: longer than the {MAX_PASSWORD} octets that TCP-MD5 takes"
        return password, ""


def _references(sessions: tuple[Wanted, ...], settings: Settings) -> list[SecretRef]:
    """Return the secrets that are in use."""
    found: dict[SecretRef, None] = {}
    for one in sessions:
        if one.source is not None and one.source.password is not None:
            found[one.source.password] = None
        elif one.kind is SessionKind.MESH and settings.mesh_password is not None:
            found[settings.mesh_password] = None
    return list(found)
