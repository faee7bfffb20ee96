"""What a changed configuration would do, said before it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from bgpd.speaker.planning import plan
from tests.support.cluster import Cluster, address


@contextmanager
def pair(one: str = "", two: str = "", peer: str = "", asn: str = '"internal"') -> Iterator[Cluster]:
    """Speaker 1 with a peer of those options; 2 announces three networks to it."""
    made = Cluster()
    try:
        networks = "".join(f'[[network]]\nprefix = "10.65.{number}.0/24"\n' for number in (1, 2, 3))
        made.start(2, f'[[peer]]\naddress = "{address(1)}"\nasn = "internal"\n{networks}{two}')
        made.start(1, f'[[peer]]\naddress = "{address(2)}"\nasn = "internal"\n{peer}\n{one}')
        made.established()
        made.until(1, "10.65.3.0/24")
        yield made
    finally:
        made.close()


def planned(made: Cluster, one: str = "", peer: str = "", node: str = "") -> list[str]:
    config = made.config(1, f'[[peer]]\naddress = "{address(2)}"\nasn = "internal"\n{peer}\n{one}', node=node)
    before = dict(made.speakers[1].peers)
    lines = made.loop.run_until_complete(plan(made.speakers[1], config))
    assert made.speakers[1].peers == before
    return lines


ONE_NOT = '[[policy]]\nname = "p"\nrules = [ { prefix = "10.65.1.0/24", action = "reject" } ]\ndefault = "accept"\n'
DEARER = '[[policy]]\nname = "p"\nrules = [ { length = [24, 24], set_local_pref = 50, action = "accept" } ]\n'
NETWORK = '[[network]]\nprefix = "10.66.0.0/24"\n'


def test_nothing_is_said_of_a_configuration_that_means_the_same() -> None:
    with pair() as made:
        assert planned(made) == []


def test_routes_that_import_would_lose_or_change_are_counted() -> None:
    with pair() as made:
        lines = planned(made, ONE_NOT, 'import = ["p"]')
        assert f"peer {address(2)}: routes judged again (import)" in lines
        assert lines[-1] == f"peer {address(2)}: import: 1 routes are accepted no more"
        assert planned(made, DEARER, 'import = ["p"]')[-1].endswith("3 routes are accepted with other attributes")
    with pair(ONE_NOT, peer='import = ["p"]') as made:
        assert planned(made)[-1] == f"peer {address(2)}: import: 1 routes more are accepted"


def test_a_session_that_would_reset_takes_its_routes_with_it() -> None:
    with pair() as made:
        lines = planned(made, peer="hold_time = 30")
        assert lines == [
            f"peer {address(2)}: reset, as hold_time changed",
            f"peer {address(2)}: 3 routes of it go until it is up again",
        ]


def test_what_peers_would_be_told_otherwise_is_counted() -> None:
    with pair(NETWORK) as made:
        reject = (
            '[[policy]]\nname = "q"\nrules = [ { prefix = "10.66.0.0/24", action = "reject" } ]\ndefault = "accept"\n'
        )
        lines = planned(made, NETWORK + reject, 'export = ["q"]')
        assert lines[-1] == f"export to {address(2)}: 1 routes are sent no more"


def test_routes_that_a_peer_is_not_told_anyway_are_not_counted() -> None:
    with pair(NETWORK) as made:
        lines = planned(made, NETWORK + ONE_NOT, 'export = ["p"]')
        assert lines == [f"peer {address(2)}: routes judged again (export)", "policy p: changed"]
