"""The daemon at a glance, and all that is measured."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bgpd.addresses import format_prefix
from bgpd.api.rows import DatastoreRow, FamilyCount, StatusRow, trouble
from bgpd.api.statistics import (
    DatastoreStatistics,
    Distribution,
    FamilyStatistics,
    FibStatistics,
    PeerStatistics,
    Statistics,
)
from bgpd.api.views.peers import family_counts, is_expected, is_up, peer_address, peer_kind
from bgpd.api.views.subjects import Moment, PeerView, SpeakerView
from bgpd.identity import format_identifier
from bgpd.messages.framing import MessageType

_NAMED: Final = 5  # peers that a problem names


def status(
    speaker: SpeakerView,
    moment: Moment,
    version: str,
    loop_lag: float,
    datastore: DatastoreRow | None = None,
    mesh_role: str = "",
) -> StatusRow:
    """Return the daemon at a glance."""
    node, kernel = speaker.config.node, speaker.kernel
    expected = [peer for peer in speaker.peers.values() if is_expected(peer)]
    problems = (*_problems(speaker, expected), *(datastore_problems(datastore) if datastore is not None else ()))
    ends = [peer.drain.ends for peer in speaker.peers.values() if peer.drain.ends is not None]
    state = "draining" if speaker.is_draining else "starting" if speaker.is_recovering else "ok"
    return StatusRow(
        version=version,
        node=node.name,
        asn=node.asn,
        identifier=format_identifier(node.identifier),
        state="degraded" if problems and state == "ok" else state,
        started=moment.unix_of(speaker.started_at),
        reloaded=moment.unix_of(speaker.reloaded_at) if speaker.reloaded_at is not None else None,
        peers_expected=len(expected),
        peers_up=sum(map(is_up, expected)),
        routes={family.name: len(rib) for family, rib in speaker.loc_ribs.items()},
        fib_installed=sum(map(kernel.installed, speaker.loc_ribs)) if kernel is not None else 0,
        fib_queued=kernel.queued() if kernel is not None else 0,
        fib_failed=len(kernel.failures) if kernel is not None else 0,
        unknown_peers=speaker.listener.unknown_peers,
        loop_lag=loop_lag,
        problems=problems,
        drain_ends=moment.unix_of(max(ends)) if speaker.is_draining and ends else None,
        drained_peers=tuple(name for name, peer in speaker.peers.items() if peer.drain.stage.value),
        cluster_id=format_identifier(node.cluster_id) if node.cluster_id is not None else "",
        datastore=datastore,
        mesh_role=mesh_role,
    )


def datastore_problems(store: DatastoreRow) -> Iterator[str]:
    """Yield what is wrong with the datastore; routing goes on with what was last known."""
    if not store.is_connected:
        yield f"etcd is not followed: {store.why}"
    if store.waiting:
        yield f"etcd: {store.waiting}"
    if store.election:
        yield f"etcd: no part in the election of reflectors: {store.election}"
    if store.refused:
        yield f"etcd: the latest configuration is not in force: {store.refused}"
    for problem in store.problems[:_NAMED]:
        yield f"etcd key {problem.key} cannot be used: {problem.why}"
    if len(store.problems) > _NAMED:
        yield f"{len(store.problems) - _NAMED} more keys of etcd cannot be used"
    if store.status_key:
        yield f"our status key in etcd is not written: {store.status_key}"


def _problems(speaker: SpeakerView, expected: Sequence[PeerView]) -> Iterator[str]:
    if speaker.listener.fault:
        yield f"not listening: {speaker.listener.fault}"
    down = [peer for peer in expected if not is_up(peer)]
    for peer in down[:_NAMED]:
        error = peer.settings.held_down or trouble(peer.session.ended_by, peer.session.last_error)
        yield f"peer {peer.settings.name} is {peer.session.state.title}" + (f": {error}" if error else "")
    if len(down) > _NAMED:
        yield f"{len(down) - _NAMED} more peers are down"
    if speaker.kernel is not None and speaker.kernel.failures:
        failures = speaker.kernel.failures
        (family, prefix), failure = next(iter(failures.items()))
        yield f"{len(failures)} routes are not in the kernel, such as {format_prefix(family, prefix)}: {failure.text}"


def statistics(
    speaker: SpeakerView,
    moment: Moment,
    version: str,
    distributions: Mapping[str, tuple[str, Distribution]],
    tasks: int,
    worst_lag: float,
    datastore: DatastoreStatistics | None = None,
) -> Statistics:
    """Return all that is measured."""
    kernel = speaker.kernel
    return Statistics(
        version=version,
        started=moment.unix_of(speaker.started_at),
        peers=tuple(_peer_statistics(peer, moment) for peer in speaker.peers.values()),
        prefixes={family.name: len(rib) for family, rib in speaker.loc_ribs.items()},
        update_groups=len(speaker.groups),
        next_hops=len(speaker.next_hops),
        unknown_peers=speaker.listener.unknown_peers,
        fib=FibStatistics(
            installed=sum(map(kernel.installed, speaker.loc_ribs)),
            queued=kernel.queued(),
            failed=len(kernel.failures),
            written=kernel.stats.written,
            deleted=kernel.stats.deleted,
            errors=kernel.stats.errors,
            resynchronizations=kernel.resyncs,
            reinstalled=kernel.stats.reinstalled,
        )
        if kernel is not None
        else FibStatistics(),
        distributions=distributions,
        paths={
            family.name: sum(
                peer.adj_ribs_in[family].paths_held for peer in speaker.peers.values() if family in peer.adj_ribs_in
            )
            for family in speaker.loc_ribs
        },
        tasks=tasks,
        worst_lag=worst_lag,
        datastore=datastore,
    )


def _long_lived(count: FamilyCount) -> int:
    return count.stale if count.stale_phase == "long-lived" else 0


def _peer_statistics(peer: PeerView, moment: Moment) -> PeerStatistics:
    settings, session, negotiated = peer.settings, peer.session, peer.negotiated
    counts = session.counts
    families = tuple(family_counts(peer, moment))
    return PeerStatistics(
        name=settings.name,
        address=peer_address(peer),
        asn=(negotiated.remote_asn if negotiated is not None else settings.asn) or 0,
        type=peer_kind(settings),
        state=session.state.title,
        uptime=moment.loop - session.established_at if session.established_at is not None else 0.0,
        flaps=session.flaps,
        last_reason=session.last_error,
        received={kind.name: counts.received[kind] for kind in MessageType},
        sent={kind.name: counts.sent[kind] for kind in MessageType},
        octets_received=counts.octets_received,
        octets_sent=counts.octets_sent,
        unsent=session.unsent,
        owed=sum(family.owed for family in families),
        families=tuple(
            FamilyStatistics(f.family, f.received, f.accepted, f.sent, f.stale, _long_lived(f)) for f in families
        ),
        faults=dict(peer.faults.by_kind),
    )
