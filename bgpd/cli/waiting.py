"""What the API says while the daemon waits for its first configuration: that it waits, and for what."""

from collections.abc import Callable

import bgpd
from bgpd.api.health import Health
from bgpd.api.rows import DatastoreRow, StatusRow
from bgpd.api.statistics import DatastoreStatistics, FibStatistics, Statistics
from bgpd.api.views import datastore_problems


class Waiting:
    """The ``bgpd.api.operations.Glance`` of a daemon that has no configuration yet. started: Unix time."""

    def __init__(
        self,
        node: str,
        started: float,
        datastore: Callable[[], DatastoreRow],
        measured: Callable[[], DatastoreStatistics],
    ) -> None:
        self._node = node
        self._started = started
        self._datastore = datastore
        self._measured = measured

    def status(self) -> StatusRow:
        """Return what is waited for."""
        store = self._datastore()
        return StatusRow(
            version=bgpd.__version__,
            node=self._node,
            asn=0,
            identifier="",
            state="waiting",
            started=self._started,
            reloaded=None,
            peers_expected=0,
            peers_up=0,
            routes={},
            fib_installed=0,
            fib_queued=0,
            fib_failed=0,
            unknown_peers=0,
            loop_lag=0.0,
            problems=tuple(datastore_problems(store)),
            datastore=store,
        )

    def health(self) -> Health:
        """Return that it is not ready, and why."""
        return Health(False, self._why())

    def statistics(self) -> Statistics:
        """Return what there is to measure."""
        return Statistics(
            bgpd.__version__, self._started, (), {}, 0, 0, 0, FibStatistics(), {}, {}, 0, 0.0, self._measured()
        )

    def _why(self) -> str:
        return "; ".join(datastore_problems(self._datastore())) or "it will be there in a moment"
