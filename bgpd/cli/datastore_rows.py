"""The state of the datastore as the API shows it."""

from bgpd.api.rows import DatastoreRow, KeyRow
from bgpd.api.statistics import DatastoreStatistics
from bgpd.api.views import Moment
from bgpd.datastore.source import SourceState


def datastore_row(state: SourceState, moment: Moment, status_problem: str, election_problem: str = "") -> DatastoreRow:
    """Return how the datastore is."""
    return DatastoreRow(
        kind=state.kind,
        endpoint=state.endpoint,
        is_connected=state.is_connected,
        why=state.why,
        waiting=state.waiting,
        refused=state.refused,
        revision=state.revision,
        changed=moment.unix_of(state.changed_at) if state.changed_at else None,
        lists=state.lists,
        disconnects=state.disconnects,
        problems=tuple(KeyRow(problem.key, problem.why) for _, problem in sorted(state.problems.items())),
        notices=state.notices,
        status_key="" if not state.is_connected else status_problem,
        election="" if not state.is_connected else election_problem,
    )


def datastore_statistics(
    state: SourceState, moment: Moment, status_writes: int, mesh_role: str = ""
) -> DatastoreStatistics:
    """Return what is measured of the datastore."""
    return DatastoreStatistics(
        is_connected=state.is_connected,
        revision=state.revision,
        changed=moment.unix_of(state.changed_at) if state.changed_at else 0.0,
        problems=tuple(sorted(state.problems)),
        lists=state.lists,
        disconnects=state.disconnects,
        status_writes=status_writes,
        mesh_role=mesh_role.partition(" of ")[0],
    )
