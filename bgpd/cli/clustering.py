"""The parts of a daemon that a cluster in etcd needs, put together.

Imported only where [etcd] is configured: gRPC and its messages take 0.2 s and 20 MB, which a daemon with a file alone
does not pay for.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec

import bgpd
from bgpd.addresses import format_address
from bgpd.api.operations import Refused
from bgpd.api.rows import ClusterNodeRow, ClusterSessionRow, ClusterView, trouble
from bgpd.cli.mesh_sessions import MeshSessions
from bgpd.config import ResolvedEtcd
from bgpd.datastore import cluster_status
from bgpd.datastore.calico import Cluster, prefixes
from bgpd.datastore.cluster_source import ClusterSource
from bgpd.datastore.cluster_status import ESTABLISHED, LONGEST_ERROR, MOST_ERRORS, STATUS_PREFIX, Ends, NodeStatus
from bgpd.datastore.elector import Elector, resign
from bgpd.datastore.etcd import Etcd
from bgpd.datastore.role_keys import ElectionKeys
from bgpd.datastore.secret_files import SecretFiles
from bgpd.datastore.snapshot_copy import SnapshotCopy
from bgpd.datastore.status_key import StatusKey
from bgpd.datastore.store import Entry, StoreError
from bgpd.identity import format_identifier
from bgpd.reflector.election import MeshView, described
from bgpd.speaker import Speaker
from bgpd.speaker.peer import Peer

FRESH: Final = 0.5  # seconds that a view of the cluster stands
STATUS_PAGE: Final = 50  # keys read at a time: in a large mesh each is some kilobytes
MOST_SESSIONS: Final = 10_000  # that an answer lists; of more, those that are not up


class Clustering:
    """One daemon's dealings with etcd.

    source: of configurations. copy: file for the keys, for a start without etcd. elects: it takes part in the election
    of reflectors.
    """

    def __init__(
        self, path: Path, name: str, settings: ResolvedEtcd, copy: Path, random: Random, *, elects: bool = False
    ) -> None:
        self._etcd = Etcd(settings, random)
        self._nodes = f"{settings.prefix.rstrip('/')}/resources/v3/projectcalico.org/nodes/"
        self._random = random
        self._tasks: list[asyncio.Task[None]] = []
        self._viewing = asyncio.Lock()
        self._seen: ClusterView | None = None
        self._seen_at = 0.0
        self._status_key: StatusKey | None = None
        self._elector: Elector | None = None
        self._name = name
        self._elects = elects
        self._election_keys = ElectionKeys(settings.prefix)
        self.source = ClusterSource(
            path,
            self._etcd,
            Cluster(name, settings.prefix),
            (*prefixes(name, settings.prefix), *((self._election_keys.start,) if elects else ())),
            SecretFiles(settings.secrets_dir),
            random,
            SnapshotCopy(copy, f"{name} {settings.prefix}"),
        )

    def report(self, speaker: Speaker, started: float) -> None:
        """Keep the status key from now on, and take part in elections. started: Unix time."""
        loop = asyncio.get_running_loop()
        self._status_key = StatusKey(self._etcd, lambda: node_status(speaker, started, self.role_words()), self._random)
        self._tasks.append(loop.create_task(self._status_key.run()))
        if self._elects:
            view = partial(self._mesh, speaker)
            self._elector = Elector(self._etcd, self._election_keys, view, MeshSessions(speaker, view), self._random)
            self._tasks.append(loop.create_task(self._elector.run()))
        else:
            self._tasks.append(loop.create_task(resign(self._etcd, self._election_keys, self._name)))

    def role_words(self) -> str:
        """Return this node's part in a mesh that elects reflectors, for people; empty = it has none."""
        mesh = self.source.mesh
        return described(mesh) if self._elects and mesh is not None else ""

    @property
    def election_problem(self) -> str:
        """Why this node takes no part in elections, empty = it does, or is not to."""
        return self._elector.why if self._elector is not None else ""

    def _mesh(self, speaker: Speaker) -> MeshView | None:
        """Return the mesh as it is now, None = that is not known; a node that is drained is no candidate."""
        mesh = self.source.mesh_in_force
        if mesh is not None and mesh.rules is not None and speaker.is_draining:
            return replace(mesh, rules=replace(mesh.rules, is_candidate=False), is_drained=True)
        return mesh

    @property
    def status_problem(self) -> str:
        """Why our status key is not written, empty = it is."""
        return self._status_key.why if self._status_key is not None else ""

    @property
    def status_writes(self) -> int:
        """How often our status key was written."""
        return self._status_key.writes if self._status_key is not None else 0

    async def view(self) -> ClusterView:
        """Return what all nodes report. Raises Refused.

        Anybody on the host may ask, and it costs a read of all keys: one question is worked on at a time, and its
        answer stands for a moment.
        """
        loop = asyncio.get_running_loop()
        async with self._viewing:
            if self._seen is None or loop.time() - self._seen_at > FRESH:
                try:
                    statuses = await self._etcd.entries(STATUS_PREFIX, STATUS_PAGE)
                    nodes = await self._etcd.entries(self._nodes)
                except StoreError as error:
                    raise Refused(503, f"etcd does not tell of the cluster: {error}", error.hint) from error
                self._seen = await loop.run_in_executor(None, cluster_view, statuses, nodes)
                self._seen_at = loop.time()
            return self._seen

    async def close(self) -> None:
        """Take the status key away and let go of etcd."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._elector is not None:
            await self._elector.close()
        if self._status_key is not None:
            await self._status_key.remove()
        await self.source.close()
        await self._etcd.close()


def node_status(speaker: Speaker, started: float, role: str = "") -> NodeStatus:
    """Return what a speaker tells of itself. role: in a mesh that elects reflectors."""
    node = speaker.config.node
    sessions: dict[str, list[str]] = {}
    errors: dict[str, str] = {}
    for peer in speaker.peers.values():
        address = _address(peer)
        state = peer.session.state.title
        sessions.setdefault(state, []).append(address)
        error = peer.settings.held_down or trouble(peer.session.ended_by, peer.session.last_error)
        if state != ESTABLISHED and error and len(errors) < MOST_ERRORS:
            errors[address] = error[:LONGEST_ERROR]
    return NodeStatus(
        version=bgpd.__version__,
        node=node.name,
        identifier=format_identifier(node.identifier),
        asn=node.asn,
        since=int(started),
        addresses=tuple(format_address(address) for address, _ in node.addresses),
        sessions={state: tuple(addresses) for state, addresses in sessions.items()},
        errors=errors,
        routes={family.name: len(rib) for family, rib in speaker.loc_ribs.items() if len(rib)},
        role=role,
    )


def _address(peer: Peer) -> str:
    settings = peer.settings
    address = format_address(settings.address) if settings.address else ""
    return f"{address}%{settings.interface}" if settings.interface else address


class _NodeBgp(msgspec.Struct, rename="camel"):
    ipv4_address: str = ""
    ipv6_address: str = ""


class _NodeSpec(msgspec.Struct):
    bgp: _NodeBgp | None = None


class _Node(msgspec.Struct):
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)


def cluster_view(entries: dict[str, Entry], listed: dict[str, Entry]) -> ClusterView:
    """Return what status keys and node objects say together."""
    found = (cluster_status.decode(entry.value) for entry in entries.values())
    statuses = {status.node: status for status in found if status is not None}
    addresses = {key.rpartition("/")[2]: _listed_addresses(entry.value) for key, entry in listed.items()}
    dead = {name: where for name, where in addresses.items() if where and name not in statuses}
    rows = [_node_row(status, "up" if name in addresses else "unlisted") for name, status in statuses.items()]
    rows += [ClusterNodeRow(name, "dead") for name in dead]
    up: list[Ends] = []
    others: list[Ends] = []
    sessions_up = 0
    gone = {address: name for name, where in dead.items() for address in where}
    for one in cluster_status.sessions(statuses.values(), gone):
        if one.verdict != "up":
            others.append(one)
            continue
        sessions_up += 1
        if len(up) <= MOST_SESSIONS:
            up.append(one)
    is_complete = len(up) <= MOST_SESSIONS
    ends = sorted(up + others, key=lambda one: (one.node, one.other)) if is_complete else others
    return ClusterView(
        nodes=tuple(sorted(rows, key=lambda row: row.node)),
        sessions=tuple(
            ClusterSessionRow(
                one.node, one.address, one.state, one.other, one.other_address, one.other_state, one.verdict, one.why
            )
            for one in ends
        ),
        sessions_up=sessions_up,
        is_complete=is_complete,
    )


def _node_row(status: NodeStatus, state: str) -> ClusterNodeRow:
    return ClusterNodeRow(
        node=status.node,
        state=state,
        version=status.version,
        asn=status.asn,
        identifier=status.identifier,
        since=status.since,
        sessions_up=len(status.sessions.get(ESTABLISHED, ())),
        sessions=sum(map(len, status.sessions.values())),
        routes=sum(status.routes.values()),
        role=status.role,
    )


def _listed_addresses(value: bytes) -> tuple[str, ...]:
    """Return where a node object wants BGP, nothing = it wants none, or cannot be read."""
    with suppress(msgspec.DecodeError):
        if (bgp := msgspec.json.decode(value, type=_Node).spec.bgp) is not None:
            written = (bgp.ipv4_address, bgp.ipv6_address)
            return tuple(text.partition("/")[0] for text in written if text)
    return ()
