"""The metrics in Prometheus' text, made of the statistics of one moment when somebody scrapes.

There is no series for a prefix. Series for a peer carry the peer's name only, ``bgpd_peer_info`` has the rest;
aggregates stand beside them for clusters where peers × nodes is too much to keep.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bgpd.api.statistics import STATES, DatastoreStatistics, Distribution, FibStatistics, PeerStatistics, Statistics


class Snapshot(Collector):
    """The samples of one moment, and those of the process."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Return every family of samples, filled."""
        yield from _daemon(self._statistics)
        yield from _peers(self._statistics.peers)
        yield from _fib(self._statistics.fib)
        if self._statistics.datastore is not None:
            yield from _datastore(self._statistics.datastore)
        for name, (text, distribution) in self._statistics.distributions.items():
            yield _histogram(f"bgpd_{name}_seconds", text, distribution)
        yield from _PROCESS.collect()


_PROCESS = CollectorRegistry()
ProcessCollector(registry=_PROCESS)
PlatformCollector(registry=_PROCESS)
GCCollector(registry=_PROCESS)


def expose(statistics: Statistics, accept: str) -> tuple[bytes, str]:
    """Return the text for a scrape and its content type. accept: the request's header. May run in a thread."""
    registry = CollectorRegistry()
    registry.register(Snapshot(statistics))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _daemon(statistics: Statistics) -> Iterator[Metric]:
    build = GaugeMetricFamily("bgpd_build_info", "Version of the running bgpd.", labels=["version"])
    build.add_metric([statistics.version], 1)
    yield build
    yield GaugeMetricFamily("bgpd_start_time_seconds", "Unix time at which bgpd started.", statistics.started)
    states = Counter(peer.state for peer in statistics.peers)
    peers = GaugeMetricFamily("bgpd_peers", "Peers by state of their session.", labels=["state"])
    for state in STATES:
        peers.add_metric([state], states[state])
    yield peers
    yield CounterMetricFamily(
        "bgpd_unknown_peers_refused",
        "Connections refused because no peer is configured for them.",
        statistics.unknown_peers,
    )
    prefixes = GaugeMetricFamily("bgpd_rib_prefixes", "Prefixes in the Loc-RIB.", labels=["family"])
    for family, count in statistics.prefixes.items():
        prefixes.add_metric([family], count)
    yield prefixes
    paths = GaugeMetricFamily(
        "bgpd_rib_paths", "Paths held from peers: attributes that prefixes of a peer share.", labels=["family"]
    )
    for family, count in statistics.paths.items():
        paths.add_metric([family], count)
    yield paths
    yield GaugeMetricFamily("bgpd_tasks", "Tasks of the event loop.", statistics.tasks)
    yield GaugeMetricFamily(
        "bgpd_event_loop_lag_worst_seconds",
        "How late the event loop was at most, since the start.",
        statistics.worst_lag,
    )
    yield GaugeMetricFamily("bgpd_next_hops", "Next hops that are tracked.", statistics.next_hops)
    yield GaugeMetricFamily(
        "bgpd_update_groups", "Groups of peers that are sent the same octets.", statistics.update_groups
    )


def _peers(peers: tuple[PeerStatistics, ...]) -> Iterator[Metric]:
    info = GaugeMetricFamily("bgpd_peer_info", "What a peer is.", labels=["peer", "address", "asn", "type"])
    state = GaugeMetricFamily("bgpd_peer_state", "FSM state: 1 Idle ... 6 Established.", labels=["peer"])
    uptime = GaugeMetricFamily("bgpd_peer_uptime_seconds", "Age of the session, 0 = not established.", labels=["peer"])
    flaps = CounterMetricFamily("bgpd_peer_flaps", "Times that an established session ended.", labels=["peer"])
    reason = GaugeMetricFamily("bgpd_peer_last_error_info", "Why the last session ended.", labels=["peer", "reason"])
    messages = CounterMetricFamily("bgpd_peer_messages", "Messages.", labels=["peer", "direction", "type"])
    octets = CounterMetricFamily("bgpd_peer_octets", "Octets of messages.", labels=["peer", "direction"])
    routes = GaugeMetricFamily("bgpd_peer_routes", "Routes by what became of them.", labels=["peer", "family", "kind"])
    unsent = GaugeMetricFamily(
        "bgpd_peer_unsent_octets", "Octets written that the peer has not taken.", labels=["peer"]
    )
    faults = CounterMetricFamily(
        "bgpd_peer_route_faults",
        "What was set aside of a peer's routes: paths rejected, route leaks, attributes discarded, and the like.",
        labels=["peer", "kind"],
    )
    owed = GaugeMetricFamily("bgpd_peer_owed_prefixes", "Prefixes that the peer has still to be told.", labels=["peer"])
    for peer in peers:
        label = [peer.name]
        info.add_metric([peer.name, peer.address, str(peer.asn), peer.type], 1)
        state.add_metric(label, STATES.index(peer.state) + 1)
        uptime.add_metric(label, peer.uptime)
        flaps.add_metric(label, peer.flaps)
        if peer.last_reason:
            reason.add_metric([peer.name, peer.last_reason], 1)
        for direction, counts in (("received", peer.received), ("sent", peer.sent)):
            for kind, count in counts.items():
                messages.add_metric([peer.name, direction, kind], count)
        octets.add_metric([peer.name, "received"], peer.octets_received)
        octets.add_metric([peer.name, "sent"], peer.octets_sent)
        for row in peer.families:
            for kind, count in (
                ("received", row.received),
                ("accepted", row.accepted),
                ("advertised", row.sent),
                ("stale", row.stale),
                ("long-lived stale", row.long_lived),
            ):
                routes.add_metric([peer.name, row.family, kind], count)
        for kind, count in peer.faults.items():
            faults.add_metric([peer.name, kind], count)
        unsent.add_metric(label, peer.unsent)
        owed.add_metric(label, peer.owed)
    yield from (info, state, uptime, flaps, reason, messages, octets, routes, faults, unsent, owed)


def _fib(fib: FibStatistics) -> Iterator[Metric]:
    routes = GaugeMetricFamily("bgpd_fib_routes", "Routes of ours by their state in the kernel.", labels=["state"])
    for state, count in (("installed", fib.installed), ("queued", fib.queued), ("failed", fib.failed)):
        routes.add_metric([state], count)
    yield routes
    yield CounterMetricFamily("bgpd_fib_written", "Routes written to the kernel.", fib.written)
    yield CounterMetricFamily("bgpd_fib_deleted", "Routes deleted from the kernel.", fib.deleted)
    yield CounterMetricFamily("bgpd_fib_errors", "Routes that the kernel refused.", fib.errors)
    yield CounterMetricFamily("bgpd_fib_reinstalled", "Routes put back after somebody deleted them.", fib.reinstalled)
    yield CounterMetricFamily(
        "bgpd_kernel_resynchronizations",
        "Times the kernel's tables were read again after lost events.",
        fib.resynchronizations,
    )


def _datastore(store: DatastoreStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily("bgpd_datastore_connected", "1 while etcd is followed.", int(store.is_connected))
    yield GaugeMetricFamily("bgpd_datastore_revision", "Revision of etcd, as last heard.", store.revision)
    yield GaugeMetricFamily(
        "bgpd_datastore_last_change_time_seconds",
        "Unix time at which a configuration last came of etcd, 0 = never.",
        store.changed,
    )
    problems = GaugeMetricFamily(
        "bgpd_datastore_problem", "Keys whose value cannot be used; the last good one stays.", labels=["key"]
    )
    for key in store.problems:
        problems.add_metric([key], 1)
    yield problems
    if store.mesh_role:
        role = GaugeMetricFamily(
            "bgpd_mesh_role", "1 for this node's part in a mesh that elects reflectors.", labels=["role"]
        )
        role.add_metric([store.mesh_role], 1)
        yield role
    yield CounterMetricFamily("bgpd_datastore_lists", "Times that all keys were read.", store.lists)
    yield CounterMetricFamily("bgpd_datastore_disconnects", "Times that etcd was lost.", store.disconnects)
    yield CounterMetricFamily("bgpd_datastore_status_writes", "Writes of our status key.", store.status_writes)


def _histogram(name: str, text: str, distribution: Distribution) -> Metric:
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip([*map(str, distribution.bounds), "+Inf"], distribution.counts, strict=True):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=distribution.total)
