"""What there is to see of the speaker, as rows: functions of its tables, without a side effect."""

from bgpd.api.views.explaining import explain
from bgpd.api.views.peers import find_peer, is_expected, is_up, peer_detail, peer_row
from bgpd.api.views.policies import planned_trial, policy_trial
from bgpd.api.views.subjects import Moment, PeerView, SpeakerView
from bgpd.api.views.summary import datastore_problems, statistics, status
from bgpd.api.views.tables import fib, routes, routes_in, routes_out

__all__ = [
    "Moment",
    "PeerView",
    "SpeakerView",
    "datastore_problems",
    "explain",
    "fib",
    "find_peer",
    "is_expected",
    "is_up",
    "peer_detail",
    "peer_row",
    "planned_trial",
    "policy_trial",
    "routes",
    "routes_in",
    "routes_out",
    "statistics",
    "status",
]
