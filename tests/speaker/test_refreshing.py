"""How often a peer is told everything again."""

import pytest

from bgpd.messages.capabilities import RouteRefresh as RouteRefreshCapability
from bgpd.messages.framing import MessageType
from bgpd.messages.route_refresh import RouteRefresh
from tests.support.cluster import cluster, network, peer

REQUEST = RouteRefresh(1, 1).encode()


@pytest.mark.rfc("7313", "4")
def test_requests_that_come_while_one_is_answered_are_answered_together() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1))
        made.established()
        made.run(1)
        asking, asked = made.peer(2, 1).session, made.peer(1, 2).session
        before = asked.counts.sent[MessageType.ROUTE_REFRESH], asked.counts.sent[MessageType.UPDATE]
        asking.send(1000 * REQUEST)
        made.run(5)
        assert asked.counts.received[MessageType.ROUTE_REFRESH] == 1000
        marks = asked.counts.sent[MessageType.ROUTE_REFRESH] - before[0]
        assert 4 <= marks <= 8  # two of each: the last request came after the first answer had begun
        assert 2 <= asked.counts.sent[MessageType.UPDATE] - before[1] <= 4


@pytest.mark.rfc("2918", "4")
def test_so_are_those_of_a_peer_that_knows_no_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.speaker.offer.EnhancedRouteRefresh", RouteRefreshCapability)
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1))
        made.established()
        made.run(1)
        asking, asked = made.peer(2, 1).session, made.peer(1, 2).session
        before = asked.counts.sent[MessageType.UPDATE]
        for count in (1, 2):
            asking.send(1000 * REQUEST)
            made.run(5)
            assert 2 * count <= asked.counts.sent[MessageType.UPDATE] - before <= 4 * count
        assert asked.counts.sent[MessageType.ROUTE_REFRESH] == 0


def test_a_request_after_the_answer_is_answered_at_once() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1))
        made.established()
        made.run(1)
        asking, asked = made.peer(2, 1).session, made.peer(1, 2).session
        for count in (1, 2, 3):
            before = asked.counts.sent[MessageType.ROUTE_REFRESH]
            asking.send(REQUEST)
            made.run(0.1)
            assert asked.counts.sent[MessageType.ROUTE_REFRESH] == before + 2, count
