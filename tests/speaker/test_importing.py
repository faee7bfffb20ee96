"""Import policy and the choice of the best route: what policy made of a route is what counts and what is told."""

import pytest

from bgpd.families import IPV4_UNICAST
from tests.support.cluster import Cluster, cluster, network, peer

PREFIX = "10.65.9.0/24"
POLICY = '[[policy]]\nname = "{}"\nrules = [ {{ action = "accept", {} }} ]\n'


def _feeders(made: Cluster) -> None:
    """Start two peers in one neighbouring AS that announce the same prefix."""
    for number in (2, 3):
        made.start(number, peer(1, asn="64512", ebgp_requires_policy="false") + network(PREFIX), asn=65002)


def _from(made: Cluster, number: int) -> str:
    path = made.best(number, PREFIX)
    assert path is not None
    return path.source.name


@pytest.mark.rfc("4271", "5.1.4")
def test_med_that_policy_changes_counts_as_changed() -> None:
    low, high = POLICY.format("low", "set_med = 10"), POLICY.format("high", "set_med = 20")
    with cluster() as made:
        _feeders(made)
        made.start(1, peer(2, asn="65002", import_='["high"]') + peer(3, asn="65002", import_='["low"]') + low + high)
        made.established()
        made.until(1, PREFIX)
        made.run(1)
        assert _from(made, 1) == "10.0.0.3"  # by identifier it would be the other one


@pytest.mark.rfc("4271", "5.1.5")
@pytest.mark.rfc("4271", "9.1.1")
def test_what_policy_makes_of_local_pref_is_told_inside() -> None:
    liked = POLICY.format("liked", "set_local_pref = 250")
    with cluster() as made:
        made.start(2, peer(1, asn="64512", ebgp_requires_policy="false") + network(PREFIX), asn=65002)
        made.start(1, peer(2, asn="65002", import_='["liked"]') + peer(4) + liked)
        made.start(4, peer(1))
        made.until(4, PREFIX)
        path = made.best(4, PREFIX)
        assert path is not None
        assert path.attributes.local_pref == 250


@pytest.mark.rfc("4271", "5.1.4")
def test_a_policy_takes_med_off() -> None:
    with_med, without = POLICY.format("with", "set_med = 10"), POLICY.format("without", 'set_med = "remove"')
    options = {"asn": "64512", "export": '["with"]', "ebgp_requires_policy": "false"}
    with cluster() as made:
        made.start(2, peer(1, **options) + network(PREFIX) + with_med, asn=65002)
        made.start(1, peer(2, asn="65002", import_='["without"]') + peer(4) + without)
        made.start(4, peer(1))
        made.until(4, PREFIX)
        (received,) = made.peer(1, 2).adj_ribs_in[IPV4_UNICAST].table.values()
        assert received.attributes.med == 10
        for number in (1, 4):
            path = made.best(number, PREFIX)
            assert path is not None
            assert path.attributes.med is None
