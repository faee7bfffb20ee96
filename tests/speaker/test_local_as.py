"""An AS in migration (RFC 7705): speakers that show some peers the AS they used to be in."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster, cluster, network, peer

PREFIX, OTHER = "10.65.0.0/26", "10.66.0.0/26"
OPEN = "[session]\nebgp_requires_policy = false\n"


@pytest.fixture
def speakers() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def path_of(speakers: Cluster, number: int, prefix: str) -> str:
    speakers.until(number, prefix)
    best = speakers.best(number, prefix)
    assert best is not None
    return str(best.attributes.as_path)


def start_line(speakers: Cluster, options: str, *, node: str = "", **more: str) -> None:
    """Start AS 200, which knows AS 300 as AS 64, then two speakers of AS 300, then AS 400."""
    speakers.start(1, OPEN + peer(2, asn="64") + network(PREFIX), asn=200)
    old = peer(1, asn="200", local_asn="64", local_asn_options=options, **more)
    speakers.start(2, OPEN + old + peer(3), asn=300, node=node)
    speakers.start(3, OPEN + peer(2) + peer(4, asn="400"), asn=300, node=node)
    speakers.start(4, OPEN + peer(3, asn="300") + network(OTHER), asn=400)
    speakers.established()


@pytest.mark.rfc("7705", "3")
@pytest.mark.parametrize(
    ("options", "inward", "outward"),
    [
        ("[]", "64 200", "64 300 400"),
        ('["no-prepend"]', "200", "64 300 400"),
        ('["replace-as"]', "64 200", "64 400"),
        ('["no-prepend", "replace-as"]', "200", "64 400"),
    ],
)
def test_the_options_say_which_of_the_two_stands_in_paths(
    speakers: Cluster, options: str, inward: str, outward: str
) -> None:
    start_line(speakers, options)
    assert path_of(speakers, 3, PREFIX) == inward
    assert path_of(speakers, 4, PREFIX) == f"300 {inward}"
    assert path_of(speakers, 1, OTHER) == outward


def test_changed_options_are_told_without_a_reset(speakers: Cluster) -> None:
    start_line(speakers, "[]")
    assert path_of(speakers, 1, OTHER) == "64 300 400"
    new = peer(1, asn="200", local_asn="64", local_asn_options='["no-prepend", "replace-as"]')
    speakers.speakers[2].reload(speakers.config(2, OPEN + new + peer(3), asn=300))
    speakers.run(2)
    assert (path_of(speakers, 1, OTHER), path_of(speakers, 3, PREFIX)) == ("64 400", "200")
    assert speakers.peer(2, 1).session.flaps == 0


@pytest.mark.rfc("4271", "9.1.2")
@pytest.mark.parametrize("ours", ["64", "300"])
def test_both_of_our_as_numbers_make_a_loop_on_such_a_session(speakers: Cluster, ours: str) -> None:
    policy = f'[[policy]]\nname = "forge"\nrules = [ {{ prepend = [200, {ours}], action = "accept" }} ]\n'
    first = peer(2, asn="64", export='["forge"]', import_='["forge"]')
    speakers.start(1, first + network(PREFIX) + policy, asn=200)
    allowing = 'local_asn = 64\nlocal_asn_options = ["no-prepend"]\n'
    speakers.start(2, OPEN + peer(1, asn="200") + allowing, asn=300)
    speakers.established()
    speakers.run(2)
    assert speakers.best(2, PREFIX) is None
    assert f"our AS {ours} is 1 times" in speakers.peer(2, 1).faults.last["path rejected"]
    speakers.speakers[2].reload(speakers.config(2, OPEN + peer(1, asn="200", allow_own_as="1") + allowing, asn=300))
    assert path_of(speakers, 2, PREFIX) == f"200 200 {ours}"


@pytest.mark.rfc("7705", "3.3")
@pytest.mark.parametrize("known_as", [64, 300])
def test_with_dual_as_the_peer_may_know_us_by_either(speakers: Cluster, known_as: int) -> None:
    speakers.start(1, OPEN + peer(2, asn=str(known_as)) + network(PREFIX), asn=200)
    old = peer(1, asn="200", local_asn="64", local_asn_options='["replace-as", "dual-as"]')
    speakers.start(2, OPEN + old + network(OTHER), asn=300)
    speakers.established(within=60)
    assert path_of(speakers, 1, OTHER) == str(known_as)
    assert path_of(speakers, 2, PREFIX) == ("64 200" if known_as == 64 else "200")


@pytest.mark.rfc("7705", "3.3")
def test_without_dual_as_the_peer_has_to_know_us_by_the_local_as(speakers: Cluster) -> None:
    speakers.start(1, OPEN + peer(2, asn="300"), asn=200)
    speakers.start(2, OPEN + peer(1, asn="200", local_asn="64"), asn=300)
    speakers.run(60)
    assert speakers.peer(2, 1).negotiated is None
    assert "expected AS 300" in speakers.peer(1, 2).session.sent_error


@pytest.mark.rfc("7705", "4.2")
@pytest.mark.parametrize("old_asn", [64, 300])
@pytest.mark.parametrize("written", ['"internal"', "64", "300"])
def test_an_internal_session_comes_up_with_the_as_that_the_other_end_has(
    speakers: Cluster, old_asn: int, written: str
) -> None:
    speakers.start(1, peer(2, asn=str(old_asn)) + network(PREFIX), asn=old_asn)
    old = peer(1, asn=written, local_asn="64", local_asn_options='["dual-as"]')
    speakers.start(2, OPEN + old + peer(4, asn="400") + network(OTHER), asn=300)
    speakers.start(4, OPEN + peer(2, asn="300"), asn=400)
    speakers.established(within=60)
    assert path_of(speakers, 2, PREFIX) == path_of(speakers, 1, OTHER) == ""
    assert path_of(speakers, 4, PREFIX) == "300"
    best = speakers.best(1, OTHER)
    assert best is not None
    assert best.attributes.local_pref == 100


@pytest.mark.rfc("7705", "4.2")
def test_two_ends_in_migration_agree(speakers: Cluster) -> None:
    both = '["dual-as"]'
    speakers.start(1, peer(2, asn='"internal"', local_asn="64", local_asn_options=both) + network(PREFIX), asn=300)
    speakers.start(2, peer(1, asn='"internal"', local_asn="64", local_asn_options=both), asn=300)
    speakers.established(within=60)
    assert path_of(speakers, 2, PREFIX) == ""


@pytest.mark.rfc("7705", "3")
def test_a_confederations_identifier_is_what_stands_behind_the_local_as(speakers: Cluster) -> None:
    start_line_of_members = "confederation = { identifier = 100, members = [300] }"
    speakers.start(1, OPEN + peer(2, asn="64") + network(PREFIX), asn=200)
    speakers.start(2, OPEN + peer(1, asn="200", local_asn="64") + network(OTHER), asn=300, node=start_line_of_members)
    speakers.established()
    assert path_of(speakers, 1, OTHER) == "64 100"
    assert path_of(speakers, 2, PREFIX) == "64 200"
