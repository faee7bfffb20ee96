"""Routes of our own, as the peers are told them."""

from itertools import count

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, BgpIdentifier
from bgpd.kernel import LearnedRun, LocalRoute
from bgpd.rib.loc_rib import LocRib
from bgpd.speaker.origination import Origination
from tests.support.cluster import Cluster, address, cluster, network, peer

OUTSIDE = {"asn": "65003", "ebgp_requires_policy": "false"}
GATEWAY = address(2)


def run(prefix: str, route: LocalRoute | None) -> LearnedRun:
    """Return what the kernel tells of one prefix."""
    family, key = parse_prefix(prefix)
    return family, route, [key]


def _learn(made: Cluster, prefix: str, gateway: str = "") -> None:
    """Let the first speaker's kernel have a route."""
    octets = parse_address(gateway) if gateway else b""
    made.speakers[1].learned_changed([run(prefix, LocalRoute(7, "eth0", octets, 0, 4, 0))])


@pytest.mark.rfc("4271", "5.1.2")
def test_own_routes_have_our_as_outside_and_an_empty_path_inside() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3, **OUTSIDE) + network("10.65.1.0/26"))
        made.start(2, peer(1))
        made.start(3, peer(1, asn="64512", ebgp_requires_policy="false"), asn=65003)
        made.until(2, "10.65.1.0/26")
        made.until(3, "10.65.1.0/26")
        inside, outside = made.best(2, "10.65.1.0/26"), made.best(3, "10.65.1.0/26")
        assert inside is not None
        assert outside is not None
        assert (str(inside.attributes.as_path), str(outside.attributes.as_path)) == ("", "64512")


@pytest.mark.rfc("4271", "5.1.3")
def test_gateway_of_a_learned_route_is_not_told_to_the_gateway_itself() -> None:
    def next_hop(number: int) -> str:
        made.until(number, "10.70.0.0/24")
        path = made.best(number, "10.70.0.0/24")
        assert path is not None
        return ".".join(map(str, path.next_hop.address))

    with cluster() as made:
        made.start(1, peer(2) + peer(3))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.established()
        _learn(made, "10.70.0.0/24", GATEWAY)
        assert (next_hop(2), next_hop(3)) == (address(1), GATEWAY)
        _learn(made, "10.70.0.0/24", address(9))
        made.run(1)
        assert (next_hop(2), next_hop(3)) == (address(9), address(9))


@pytest.mark.rfc("4271", "9.1.4")
def test_overlapping_routes_are_both_kept_and_told() -> None:
    with cluster() as made:
        made.start(1, peer(2) + network("10.65.1.0/26"))
        made.start(2, peer(1) + peer(3, **OUTSIDE) + network("10.65.0.0/16"))
        made.start(3, peer(2, asn="64512", ebgp_requires_policy="false"), asn=65003)
        for prefix in ("10.65.0.0/16", "10.65.1.0/26"):
            made.until(2, prefix)
            made.until(3, prefix)


@pytest.mark.rfc("4271", "4.2")
def test_the_identifier_is_the_same_in_the_open_to_every_peer() -> None:
    with cluster() as made:
        made.start(1, peer(2) + peer(3, **OUTSIDE), node='router_id = "10.99.0.1"')
        made.start(2, peer(1))
        made.start(3, peer(1, asn="64512"), asn=65003)
        made.established()
        for number in (2, 3):
            negotiated = made.peer(number, 1).negotiated
            assert negotiated is not None
            assert negotiated.remote_identifier.to_bytes(4) == bytes((10, 99, 0, 1))


def test_a_route_whose_device_goes_first_is_withdrawn_where_policy_asked_for_the_device() -> None:
    containers = '[[policy]]\nname = "p"\ndefault = "reject"\nrules = [{ interface = "cali*", action = "accept" }]\n'
    with cluster() as made:
        here = made.start(1, peer(2, export='["p"]') + containers)
        made.start(2, peer(1))
        made.established()
        here.learned_changed([run("10.65.3.7/32", LocalRoute(7, "cali1", b"", 0, 3, 0))])
        made.until(2, "10.65.3.7/32")
        here.learned_changed([run("10.65.3.7/32", None)])  # the kernel does not know device 7 any more
        made.until(2, "10.65.3.7/32", present=False)


def test_a_route_over_a_device_that_is_renamed_is_judged_by_its_new_name() -> None:
    containers = '[[policy]]\nname = "p"\ndefault = "reject"\nrules = [{ interface = "cali*", action = "accept" }]\n'
    with cluster() as made:
        here = made.start(1, peer(2, export='["p"]') + containers)
        made.start(2, peer(1))
        made.established()
        here.learned_changed([run("10.65.3.7/32", LocalRoute(7, "cali1", b"", 0, 3, 0))])
        made.until(2, "10.65.3.7/32")
        here.learned_changed([run("10.65.3.7/32", LocalRoute(7, "veth1", b"", 0, 3, 0))])
        made.until(2, "10.65.3.7/32", present=False)


def test_paths_of_containers_that_are_gone_are_forgotten() -> None:
    number = count(1)
    rib = LocRib(IPV4_UNICAST, lambda: None)
    origination = Origination({IPV4_UNICAST: rib}, Asn(64512), BgpIdentifier(1), number)
    stays, comes = "10.65.0.1/32", "10.65.0.2/32"
    origination.kernel_changed([run(stays, LocalRoute(1, "cali1", b"", 0, 3, 0))])
    for device in range(2, 5000):
        origination.kernel_changed([run(comes, LocalRoute(device, f"cali{device}", b"", 0, 3, 0))])
        origination.kernel_changed([run(comes, None)])
    assert len(origination._kernel_paths) < 2500
    kept = rib.table[parse_prefix(stays)[1]]
    origination.kernel_changed([run(comes, LocalRoute(1, "cali1", b"", 0, 3, 0))])
    assert rib.table[parse_prefix(comes)[1]] is kept


def test_under_another_as_all_that_is_learned_is_announced_anew() -> None:
    rib = LocRib(IPV4_UNICAST, lambda: None)
    origination = Origination({IPV4_UNICAST: rib}, Asn(64512), BgpIdentifier(1), count(1))
    learned = {parse_prefix(f"10.65.0.{n}/32")[1]: LocalRoute(n % 2, f"cali{n % 2}", b"", 0, 3, 0) for n in range(5)}
    origination.kernel_changed((IPV4_UNICAST, route, [prefix]) for prefix, route in learned.items())
    before = {prefix: paths[0] for prefix, paths in rib.table.items()}
    origination.renew(Asn(64513), BgpIdentifier(2), {IPV4_UNICAST: learned})
    assert rib.table.keys() == learned.keys()
    for prefix, route in learned.items():
        (path,) = rib.table[prefix]
        assert path is not before[prefix]
        assert (path.interface, path.source.asn) == (route.device_name, 64513)
