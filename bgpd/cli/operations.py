"""What the API can ask of this daemon: views of the speaker, and commands to it."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import structlog

import bgpd
from bgpd.api import views
from bgpd.api.health import Health, readiness
from bgpd.api.loop_lag import LoopLag
from bgpd.api.operations import PolicyQuery, Refused, RouteQuery, Slice
from bgpd.api.rows import (
    ClusterView,
    DatastoreRow,
    Explanation,
    FibRow,
    Outcome,
    PeerDetail,
    PeerRow,
    PolicyTrial,
    Proposal,
    RouteRow,
    StatusRow,
)
from bgpd.api.statistics import Sample, Statistics
from bgpd.api.views import Moment
from bgpd.cli.datastore_rows import datastore_row, datastore_statistics
from bgpd.cli.drain_mark import DrainMark
from bgpd.cli.logs import LEVELS, Threshold
from bgpd.cli.notify import Notifier
from bgpd.config import Changes, ConfigError, Resolved
from bgpd.datastore.source import ConfigSource
from bgpd.datastore.store import StoreError
from bgpd.errors import Cease, CeaseSubcode
from bgpd.messages.notification import administrative, hard_reset
from bgpd.speaker import Speaker
from bgpd.speaker.convergence import BOUNDS, Histogram
from bgpd.speaker.peer import Peer
from bgpd.speaker.planning import plan

if TYPE_CHECKING:
    from bgpd.cli.clustering import Clustering

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")

_SENT: Final = "Time from the arrival of a change to its UPDATEs, one observation for each flush."
_WRITTEN: Final = "Time from the arrival of a change to the kernel's acknowledgement, one for each batch."
_MOST_LOGGED: Final = 20  # lines of what a configuration changed
_LAG: Final = "How late the event loop calls what is due."


class SpeakerOperations:
    """The ``bgpd.api.operations.Operations`` of one speaker. clustering: None = the configuration is a file alone."""

    def __init__(
        self,
        speaker: Speaker,
        source: ConfigSource,
        clustering: "Clustering | None",
        threshold: Threshold,
        lag: LoopLag,
        notifier: Notifier,
        drain_mark: DrainMark,
    ) -> None:
        self._speaker = speaker
        self._source = source
        self._clustering = clustering
        self._threshold = threshold
        self._lag = lag
        self._notifier = notifier
        self._drain_mark = drain_mark
        self._reloading = asyncio.Lock()

    # views

    def status(self) -> StatusRow:
        """Return the daemon at a glance."""
        role = self._clustering.role_words() if self._clustering is not None else ""
        return views.status(self._speaker, self._now(), bgpd.__version__, self._lag.latest, self._datastore(), role)

    def peers(self) -> list[PeerRow]:
        """Return a row for each peer."""
        now = self._now()
        return [views.peer_row(peer, now) for peer in self._speaker.peers.values()]

    def peer(self, name: str) -> PeerDetail:
        """Return all about one peer."""
        return views.peer_detail(views.find_peer(self._speaker, name), self._now())

    def routes(self, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        """Return the Loc-RIB."""
        return views.routes(self._speaker, query, self._now())

    def routes_in(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        """Return what a peer announced."""
        return views.routes_in(self._speaker, views.find_peer(self._speaker, peer), query, self._now())

    def routes_out(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        """Return what a peer is told."""
        return views.routes_out(views.find_peer(self._speaker, peer), query)

    def fib(self, query: RouteQuery) -> Iterator[Slice[FibRow]]:
        """Return our routes in the kernel."""
        return views.fib(self._speaker, query)

    def explain(self, query: RouteQuery) -> Explanation:
        """Return why a prefix is where it is."""
        return views.explain(self._speaker, query)

    def policy_trial(self, query: PolicyQuery) -> PolicyTrial:
        """Return what policies would decide about a route."""
        return views.policy_trial(self._speaker, query)

    def statistics(self) -> Statistics:
        """Return all that is measured."""
        speaker = self._speaker
        written = speaker.forwarding.written if speaker.forwarding is not None else Histogram()
        distributions = {
            "convergence_sent": (_SENT, Sample(BOUNDS, tuple(speaker.sent.counts), speaker.sent.total)),
            "convergence_written": (_WRITTEN, Sample(BOUNDS, tuple(written.counts), written.total)),
            "event_loop_lag": (_LAG, self._lag.sample()),
        }
        tasks, worst_lag = len(asyncio.all_tasks(speaker.loop)), self._lag.worst
        datastore = None
        if self._clustering is not None:
            clustering = self._clustering
            datastore = datastore_statistics(
                self._source.state, self._now(), clustering.status_writes, clustering.role_words()
            )
        return views.statistics(speaker, self._now(), bgpd.__version__, distributions, tasks, worst_lag, datastore)

    def health(self) -> Health:
        """Return whether the daemon is ready."""
        speaker = self._speaker
        expected = [peer for peer in speaker.peers.values() if views.is_expected(peer)]
        return readiness(
            expected=len(expected),
            up=sum(map(views.is_up, expected)),
            is_recovering=speaker.is_recovering,
            is_draining=speaker.is_draining,
            age=speaker.loop.time() - speaker.started_at,
        )

    async def cluster(self) -> ClusterView:
        """Return what all nodes of the cluster report."""
        if self._clustering is None:
            raise Refused(409, "there is no cluster to show", "a cluster is what [etcd] names")
        return await self._clustering.view()

    # commands

    def apply(self, config: Resolved) -> Changes:
        """Apply a configuration that the datastore came to."""
        changes = self._take(config)
        _log.info(
            "configuration changed in etcd", revision=self._source.state.revision, changes=_shortened(changes.summary())
        )
        return changes

    async def reload(self) -> Outcome:
        """Read the configuration again and apply what changed."""
        async with self._reloading:
            self._notifier.reloading()
            try:
                changes = self._take(await self._source.reload())
            except ConfigError as error:
                for problem in error.problems:
                    _log.error("configuration not reloaded", reason=str(problem))
                raise Refused(422, str(error), "nothing was changed; mend the file and reload again") from error
            finally:
                self._notifier.ready(self.summary())
            lines = changes.summary()
            _log.info("configuration reloaded", changes=_shortened(lines))
            return Outcome(tuple(lines) or ("nothing has changed",))

    async def plan(self, proposal: Proposal) -> Outcome:
        """Return what a proposal would do if it were the configuration."""
        values = {key: None if value is None else value.encode() for key, value in proposal.changes.items()}
        try:
            config = await self._source.plan(proposal.text, proposal.file, values)
        except StoreError as error:
            raise Refused(503, str(error), error.hint) from error
        except ConfigError as error:
            raise Refused(422, str(error), "mend it and try again") from error
        return Outcome(tuple(await plan(self._speaker, config)) or ("nothing would change",))

    def drain(self, peer: str, wait: float) -> Outcome:
        """Take the node, or a peer, out."""
        if peer:
            found = self._found(peer)
            name = f"peer {found.settings.name}"
            found.drain.begin(wait, "drained by an operator")
            is_waiting = found.drain.ends is not None
        else:
            name = "node"
            self._speaker.drain(wait)
            is_waiting = any(one.drain.ends is not None for one in self._speaker.peers.values())
        self._drain_mark.keep(self._speaker.taken_out)
        _log.warning("drained by an operator", what=name, wait=wait)
        if is_waiting:
            return Outcome((f"{name}: what is announced is a last resort now; closing in {wait:g} s",))
        return Outcome((f"{name}: closed, nothing is announced, what was learned leaves the kernel",))

    def undrain(self, peer: str) -> Outcome:
        """Bring the node, or a peer, back."""
        if not peer:
            self._speaker.undrain()
            self._drain_mark.keep(self._speaker.taken_out)
            _log.warning("brought back by an operator", what="node")
            disabled = [name for name, one in self._speaker.peers.items() if one.is_disabled]
            return Outcome((f"node: brought back, with all its peers{_but_for_disabled(disabled)}",))
        found = self._found(peer)
        if self._speaker.is_draining:
            raise Refused(409, "the whole node is drained", "bgpctl undrain brings it back")
        was_drained = found.drain.end()
        self._drain_mark.keep(self._speaker.taken_out)
        _log.warning("brought back by an operator", what=f"peer {found.settings.name}")
        down = ", but it is disabled: bgpctl enable lets it come up" if was_drained and found.is_disabled else ""
        return Outcome((f"peer {found.settings.name}: {'brought back' if was_drained else 'was not drained'}{down}",))

    def reset(self, peer: str) -> Outcome:
        """Close a session that comes back by itself; both sides keep the routes if both announced RFC 8538's N flag."""
        return self._reset(peer, administrative(CeaseSubcode.ADMINISTRATIVE_RESET, "reset by an operator"), "reset")

    def hard_reset(self, peer: str) -> Outcome:
        """Close a session that comes back by itself; no routes are kept."""
        outcome = self._reset(peer, hard_reset("reset by an operator"), "reset, no routes kept")
        self._found(peer).forget_stale()
        return outcome

    def _reset(self, peer: str, cease: Cease, what: str) -> Outcome:
        found = self._found(peer)
        if found.session.resting:
            found.start()
            return Outcome((f"peer {found.settings.name}: may come up again",))
        if not found.session.is_started:
            raise Refused(409, f"peer {peer} is not up for a session, there is nothing to reset", "bgpctl enable it")
        found.session.reset(cease)
        return Outcome((f"peer {found.settings.name}: {what}",))

    def enable(self, peer: str) -> Outcome:
        """Let a peer come up."""
        found = self._found(peer)
        if self._speaker.is_draining:
            raise Refused(409, "the node is drained", "bgpctl undrain brings it back")
        if found.drain.stage.value:
            raise Refused(409, f"peer {peer} is drained", f"bgpctl undrain {peer} brings it back")
        if found.settings.held_down:
            found.is_disabled = False
            raise Refused(409, f"peer {peer} is held down: {found.settings.held_down}", "mend that and reload")
        if found.session.is_started:
            return Outcome((f"peer {found.settings.name}: was enabled already",))
        found.enable()
        return Outcome((f"peer {found.settings.name}: enabled",))

    def disable(self, peer: str) -> Outcome:
        """Keep a peer down."""
        found = self._found(peer)
        found.disable("disabled by an operator")
        return Outcome((f"peer {found.settings.name}: disabled until it is enabled or bgpd starts again",))

    def set_log_level(self, level: str) -> Outcome:
        """Change how much is logged."""
        if level not in LEVELS:
            raise Refused(400, f"no log level {level!r}", f"one of {', '.join(LEVELS)}")
        before = self._threshold.level
        self._threshold.set(level)
        return Outcome((f"log level {level}, was {before}",))

    def summary(self) -> str:
        """Return one line for the service manager."""
        expected = [peer for peer in self._speaker.peers.values() if views.is_expected(peer)]
        return f"{sum(map(views.is_up, expected))} of {len(expected)} expected peers are established"

    def _take(self, config: Resolved) -> Changes:
        changes = self._speaker.reload(config)
        if changes.log_level:
            self._threshold.set(config.log.level.value)
        return changes

    def _datastore(self) -> DatastoreRow | None:
        if self._clustering is None:
            return None
        clustering = self._clustering
        return datastore_row(self._source.state, self._now(), clustering.status_problem, clustering.election_problem)

    def _found(self, peer: str) -> Peer:
        return self._speaker.peers[views.find_peer(self._speaker, peer).settings.name]

    def _now(self) -> Moment:
        return Moment(self._speaker.loop.time(), time.time())


def _but_for_disabled(names: list[str]) -> str:
    return f", but for those that are disabled: {', '.join(names)}" if names else ""


def _shortened(lines: list[str]) -> list[str]:
    """Return what is logged of a change: in a large cluster it may be a line for each node."""
    more = len(lines) - _MOST_LOGGED
    return lines if more <= 0 else [*lines[:_MOST_LOGGED], f"and {more} more"]
