"""Roles between whole speakers (RFC 9234): routes that came down or sideways stay down."""

from collections.abc import Iterator

import pytest

from bgpd.errors import ErrorCode, OpenSubcode
from bgpd.policy.conditions import Subject
from bgpd.policy.tracing import trace
from tests.support.cluster import Cluster, cluster, network, peer

PREFIX = "10.65.0.0/26"
OPEN = "[session]\nebgp_requires_policy = false\n"
STRICT = OPEN + "strict_role = true\n"
COUNTERPARTS = {"provider": "customer", "customer": "provider", "peer": "peer", "rs": "rs-client", "rs-client": "rs"}


@pytest.fixture
def speakers() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def role(word: str) -> dict[str, str]:
    return {"role": f'"{word}"'} if word else {}


def start_pair(speakers: Cluster, first: str, second: str, *, session: str = OPEN) -> None:
    speakers.start(1, session + peer(2, asn="200", **role(first)), asn=100)
    speakers.start(2, OPEN + peer(1, asn="100", **role(second)), asn=200)


def otc(speakers: Cluster, number: int) -> int | None:
    speakers.until(number, PREFIX)
    best = speakers.best(number, PREFIX)
    assert best is not None
    return best.attributes.otc


@pytest.mark.rfc("9234", "4.2")
@pytest.mark.parametrize("first", COUNTERPARTS)
@pytest.mark.parametrize("second", COUNTERPARTS)
def test_sessions_come_up_between_roles_that_fit_and_no_others(speakers: Cluster, first: str, second: str) -> None:
    start_pair(speakers, first, second)
    if COUNTERPARTS[first] == second:
        speakers.established()
        return
    speakers.run(5)
    ends = [speakers.peer(number, other).session for number, other in ((1, 2), (2, 1))]
    assert all(session.negotiated is None for session in ends)
    assert any("Role Mismatch" in session.last_error for session in ends)
    end = ends[0].last_end or ends[1].last_end
    assert end is not None
    assert (end.code, end.subcode) == (ErrorCode.OPEN_MESSAGE, OpenSubcode.ROLE_MISMATCH)


@pytest.mark.rfc("9234", "4.2")
def test_a_peer_that_tells_no_role_is_taken_unless_that_is_strict(speakers: Cluster) -> None:
    start_pair(speakers, "provider", "")
    speakers.established()


@pytest.mark.rfc("9234", "4.2")
def test_a_peer_that_tells_no_role_is_refused_in_strict_mode(speakers: Cluster) -> None:
    start_pair(speakers, "provider", "", session=STRICT)
    speakers.run(5)
    session = speakers.peer(1, 2).session
    assert session.negotiated is None
    assert "announces no role, expected customer" in session.sent_error


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("sender", "receiver", "expected"),
    [
        ("provider", "customer", 100),
        ("peer", "peer", 100),
        ("rs", "rs-client", 100),
        ("customer", "provider", None),
        ("rs-client", "rs", None),
    ],
)
@pytest.mark.parametrize("marked_by", ["both", "sender", "receiver"])
def test_otc_is_set_on_what_goes_down_or_sideways_by_whoever_knows_the_roles(
    speakers: Cluster, sender: str, receiver: str, expected: int | None, marked_by: str
) -> None:
    first, second = role(sender if marked_by != "receiver" else ""), role(receiver if marked_by != "sender" else "")
    speakers.start(1, OPEN + peer(2, asn="200", **first) + network(PREFIX), asn=100)
    speakers.start(2, OPEN + peer(1, asn="100", **second), asn=200)
    assert otc(speakers, 2) == expected


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("to_third", "is_sent"),
    [("provider", True), ("rs", True), ("customer", False), ("peer", False), ("rs-client", False), ("", True)],
)
def test_a_route_from_a_provider_goes_down_only_and_over_ibgp_unchanged(
    speakers: Cluster, to_third: str, is_sent: bool
) -> None:
    speakers.start(1, OPEN + peer(2, asn="200", **role("provider")) + network(PREFIX), asn=100)
    speakers.start(2, OPEN + peer(1, asn="100", **role("customer")) + peer(3), asn=200)
    speakers.start(3, OPEN + peer(2) + peer(4, asn="400", **role(to_third)), asn=200)
    speakers.start(4, OPEN + peer(3, asn="200"), asn=400)
    speakers.established()
    assert otc(speakers, 3) == 100
    speakers.run(2)
    assert (speakers.best(4, PREFIX) is not None) == is_sent
    if is_sent:
        assert otc(speakers, 4) == 100
    else:
        group, _ = next(iter(speakers.peer(3, 4).members.values()))
        best = speakers.best(3, PREFIX)
        assert best is not None
        assert "route leak: OTC 100 does not go to" in group.rib.exporter.refusal(best, b"")


@pytest.mark.rfc("9234", "5")
@pytest.mark.parametrize(
    ("ours", "is_leak"), [("provider", True), ("rs", True), ("peer", True), ("customer", False), ("rs-client", False)]
)
def test_a_leaked_route_is_not_used_and_is_counted_as_such(speakers: Cluster, ours: str, is_leak: bool) -> None:
    # 2 leaks what 1 sent down: it has no role towards 3
    speakers.start(1, OPEN + peer(2, asn="200", **role("provider")) + network(PREFIX), asn=100)
    speakers.start(2, OPEN + peer(1, asn="100") + peer(3, asn="300"), asn=200)
    speakers.start(3, OPEN + peer(2, asn="200", **role(ours)), asn=300)
    speakers.established()
    speakers.run(2)
    leaker = speakers.peer(3, 2)
    assert (speakers.best(3, PREFIX) is None) == is_leak
    assert leaker.faults.by_kind["route leak"] == int(is_leak)
    if is_leak:
        assert "route leak: OTC 100 from a peer whose role is" in leaker.faults.last["route leak"]


@pytest.mark.rfc("9234", "5")
def test_a_route_that_a_peer_first_sent_sideways_is_no_leak(speakers: Cluster) -> None:
    speakers.start(1, OPEN + peer(2, asn="200", **role("peer")) + network(PREFIX), asn=100)
    speakers.start(2, OPEN + peer(1, asn="100", **role("peer")), asn=200)
    assert otc(speakers, 2) == 100


def test_otc_is_seen_by_policies_that_look_at_prefixes(speakers: Cluster) -> None:
    policy = '[[policy]]\nname = "long"\nrules = [ { prefix = "10.65.0.0/16", action = "accept", set_med = 5 } ]\n'
    speakers.start(1, OPEN + peer(2, asn="200") + network(PREFIX), asn=100)
    speakers.start(2, peer(1, asn="100", import_='["long"]', export='["long"]', **role("customer")) + policy, asn=200)
    assert otc(speakers, 2) == 100
    best = speakers.best(2, PREFIX)
    assert best is not None
    assert best.attributes.med == 5
    ((_, received),) = next(iter(speakers.peer(2, 1).adj_ribs_in.values())).routes.items()
    assert received.attributes.otc is None  # the Adj-RIB-In has what the peer sent


def test_a_route_servers_client_takes_paths_without_its_as(speakers: Cluster) -> None:
    assert not speakers.config(1, peer(2, asn="200", role='"rs-client"')).peers[0].enforce_first_as
    assert speakers.config(1, peer(2, asn="200", role='"rs-client"', enforce_first_as="true")).peers[0].enforce_first_as


def test_a_policys_trial_sees_what_the_policy_sees(speakers: Cluster) -> None:
    rules = 'rules = [ { as_path = { length = [2, 2] }, action = "accept" } ]'
    policy = f'[[policy]]\nname = "short"\n{rules}\ndefault = "reject"\n'
    speakers.start(1, OPEN + peer(2, asn="64") + network(PREFIX), asn=100)
    speakers.start(2, peer(1, asn="100", local_asn="64", import_='["short"]') + policy, asn=200)
    speakers.until(2, PREFIX)  # two, as the local AS stands in front of it
    best = speakers.best(2, PREFIX)
    assert best is not None
    ((_, received),) = next(iter(speakers.peer(2, 1).adj_ribs_in.values())).routes.items()
    context = speakers.peer(2, 1).context
    chain = speakers.speakers[2].chain(("short",))
    found = trace(chain, Subject(received, context, ""), b"")
    assert found.verdict.accepted
    assert str(found.verdict.attributes.as_path) == str(best.attributes.as_path) == "64 100"
