"""Sessions of a cluster from both ends."""

import msgspec

from bgpd.datastore.cluster_status import Ends, NodeStatus, decode, encode, sessions


def status(name: str, *addresses: str, **states: tuple[str, ...]) -> NodeStatus:
    return NodeStatus("0.1.0", name, "10.0.0.1", 64512, 0, addresses, states)


def verdicts(*statuses: NodeStatus, dead: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    return [(one.node, one.other, one.verdict) for one in sessions(statuses, dead or {})]


A_UP = status("a", "10.0.0.1", Established=("10.0.0.2",))


def test_a_session_is_seen_once_from_both_ends() -> None:
    assert verdicts(A_UP, status("b", "10.0.0.2", Established=("10.0.0.1",))) == [("a", "b", "up")]


def test_up_here_and_down_there_is_a_mismatch_with_its_reason() -> None:
    b = msgspec.structs.replace(
        status("b", "10.0.0.2", Active=("10.0.0.1",)), errors={"10.0.0.1": "Hold Timer Expired"}
    )
    (found,) = sessions([A_UP, b], {})
    assert found == Ends("a", "10.0.0.1", "Established", "b", "10.0.0.2", "Active", "mismatch", "Hold Timer Expired")


def test_down_at_both_ends_is_down() -> None:
    a, b = status("a", "10.0.0.1", Connect=("10.0.0.2",)), status("b", "10.0.0.2", Idle=("10.0.0.1",))
    assert verdicts(a, b) == [("a", "b", "down")]


def test_a_session_that_only_one_end_has_is_told_from_whichever_end_has_it() -> None:
    assert verdicts(A_UP, status("b", "10.0.0.2")) == [("a", "b", "one end")]
    assert verdicts(status("a", "10.0.0.1"), status("b", "10.0.0.2", Idle=("10.0.0.1",))) == [("b", "a", "one end")]


def test_each_family_is_a_session() -> None:
    a = status("a", "10.0.0.1", "fd00::1", Established=("10.0.0.2",), Active=("fd00::2",))
    b = status("b", "10.0.0.2", "fd00::2", Established=("10.0.0.1",), Active=("fd00::1",))
    assert sorted(verdicts(a, b)) == [("a", "b", "down"), ("a", "b", "up")]
    assert {one.other_address for one in sessions([a, b], {})} == {"10.0.0.2", "fd00::2"}


def test_a_router_outside_the_cluster_and_a_dead_node_have_one_end() -> None:
    a = status("a", "10.0.0.1", Established=("192.0.2.1",), Active=("192.0.2.2", "10.0.0.2", "fe80::1%eth0"))
    assert sorted(verdicts(a, dead={"10.0.0.2": "b"})) == [
        ("a", "192.0.2.1", "up"),
        ("a", "192.0.2.2", "down"),
        ("a", "b", "dead"),
        ("a", "fe80::1%eth0", "down"),
    ]


def test_a_status_of_another_version_is_read_as_far_as_it_is_known() -> None:
    known = encode(A_UP)
    assert decode(known) == A_UP
    assert decode(known[:-1] + b',"later":{"x":1}}') == A_UP
    assert decode(b"{}") is None
    assert decode(b"\xff") is None
