"""Confederations, local AS numbers and roles in bgp.toml: what a peer is, and what does not go together."""

import pytest

from bgpd.config import ConfigError, Resolved, parse, resolve
from bgpd.config.diff import diff
from bgpd.identity import Confederation, Role

NODE = '[node]\nasn = 65001\nrouter_id = "10.0.0.1"\n'
GROUP = NODE + 'confederation = { identifier = 100, members = [65002, "1.10"] }\n'


def resolved(peer: str, node: str = NODE) -> Resolved:
    return resolve(parse(f'{node}[[peer]]\naddress = "10.0.0.2"\n{peer}\n', "bgp.toml"))


def problems(peer: str, node: str = NODE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolved(peer, node)
    return [problem.key for problem in caught.value.problems]


@pytest.mark.rfc("5065", "4")
def test_our_member_as_is_one_of_the_members() -> None:
    assert resolved("asn = 7", GROUP).node.confederation == Confederation(100, frozenset({65001, 65002, 65546}))
    assert resolved("asn = 7").node.confederation is None


@pytest.mark.rfc("5065", "4")
@pytest.mark.parametrize(
    ("peer", "kind", "remote", "local"),
    [
        ("asn = 65002", "confederation", 65002, 65001),
        ('asn = "1.10"', "confederation", 65546, 65001),
        ("asn = 65001", "internal", 65001, 65001),
        ('asn = "internal"', "internal", 65001, 65001),
        ("asn = 7", "external", 7, 100),
        ('asn = "external"', "external", None, 100),
        ("asn = 7\nlocal_asn = 64", "external", 7, 64),
    ],
)
def test_what_a_peer_of_a_confederations_member_is(peer: str, kind: str, remote: int | None, local: int) -> None:
    (found,) = resolved(peer, GROUP).peers
    assert (found.peer_type, found.asn, found.local_asn) == (kind, remote, local)


@pytest.mark.rfc("7705", "3")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (True, True, False)),
        ('"no-prepend"', (False, True, False)),
        ('"replace-as"', (True, False, False)),
        ('"no-prepend", "replace-as", "dual-as"', (False, False, True)),
    ],
)
def test_what_the_options_of_a_local_as_mean(options: str, expected: tuple[bool, bool, bool]) -> None:
    (found,) = resolved(f"asn = 7\nlocal_asn = 64\nlocal_asn_options = [{options}]").peers
    assert (found.prepends_local_asn, found.prepends_real_asn, found.is_dual_asn) == expected
    assert (found.local_asn, found.real_asn) == (64, 65001)


def test_a_local_as_that_is_our_own_changes_nothing() -> None:
    (found,) = resolved('asn = 7\nlocal_asn = 65001\nlocal_asn_options = ["dual-as"]').peers
    assert (found.prepends_local_asn, found.prepends_real_asn, found.is_dual_asn) == (False, False, False)


@pytest.mark.rfc("7705", "4")
@pytest.mark.parametrize("asn", ['"internal"', "64", "65001"])
def test_an_internal_peer_of_an_as_in_migration_may_have_either(asn: str) -> None:
    (found,) = resolved(f'asn = {asn}\nlocal_asn = 64\nlocal_asn_options = ["dual-as"]').peers
    assert (found.peer_type, found.asn, found.is_dual_asn) == ("internal", None, True)
    assert (found.prepends_local_asn, found.prepends_real_asn) == (False, False)


@pytest.mark.parametrize(
    ("peer", "keys"),
    [
        ('asn = 7\nlocal_asn_options = ["no-prepend"]', ["local_asn_options"]),
        ('asn = 7\nlocal_asn = 64\nlocal_asn_options = ["dual-as", "dual-as"]', ["local_asn_options"]),
        ('asn = "internal"\nlocal_asn = 64\nlocal_asn_options = ["replace-as"]', ["local_asn_options"]),
        ('asn = "internal"\nrole = "peer"', ["role"]),
        ('asn = 65002\nrole = "provider"', ["role"]),
        ("asn = 65002\nlocal_asn = 64", ["local_asn"]),
        ("asn = 100", ["asn"]),
        ("asn = 23456", ["asn"]),
        ("asn = 7\nlocal_asn = 23456", ["local_asn"]),
        ("asn = 7\nstrict_role = true", ["strict_role"]),
    ],
)
def test_what_does_not_go_together_is_named(peer: str, keys: list[str]) -> None:
    assert problems(peer, GROUP) == [f"peer[0].{key}" for key in keys]


@pytest.mark.parametrize(
    ("node", "key"),
    [
        (NODE + "confederation = { members = [65002] }\n", "node.confederation.identifier"),
        (NODE + "confederation = { identifier = 23456 }\n", "node.confederation.identifier"),
        (NODE + "confederation = { identifier = 100, members = [7, 7] }\n", "node.confederation.members"),
        (NODE + "confederation = { identifier = 100, members = [23456] }\n", "node.confederation.members[0]"),
        (NODE.replace("65001", "23456"), "node.asn"),
    ],
)
def test_faults_of_the_nodes_own_numbers_are_named(node: str, key: str) -> None:
    assert problems("asn = 9", node) == [key]


@pytest.mark.rfc("9234", "4")
def test_strictness_is_a_default_of_the_session_and_means_nothing_without_a_role() -> None:
    session = "[session]\nstrict_role = true\n"
    with_role, without = (resolved(f"asn = 7\n{more}", NODE + session).peers[0] for more in ('role = "rs"', ""))
    assert (with_role.role, with_role.is_role_required) == (Role.ROUTE_SERVER, True)
    assert (without.role, without.is_role_required) == (None, False)
    assert not resolved('asn = 7\nrole = "rs"\nstrict_role = false', NODE + session).peers[0].is_role_required


@pytest.mark.parametrize(
    ("before", "after", "reset", "judged"),
    [
        ('role = "peer"', 'role = "customer"', ("role",), (False, False)),
        ('role = "peer"', 'role = "peer"\nstrict_role = true', ("is_role_required",), (False, False)),
        ("local_asn = 64", 'local_asn = 64\nlocal_asn_options = ["no-prepend"]', (), (True, False)),
        ("local_asn = 64", 'local_asn = 64\nlocal_asn_options = ["replace-as"]', (), (False, True)),
        ("local_asn = 64", 'local_asn = 64\nlocal_asn_options = ["dual-as"]', ("is_dual_asn",), (False, False)),
    ],
)
def test_what_a_change_costs(before: str, after: str, reset: tuple[str, ...], judged: tuple[bool, bool]) -> None:
    (change,) = diff(resolved(f"asn = 7\n{before}"), resolved(f"asn = 7\n{after}")).peers_changed
    assert change.reset == reset
    assert (change.imports, change.exports) == judged


def test_another_confederation_resets_every_session() -> None:
    other = GROUP.replace("65002", "65003")
    (change,) = diff(resolved("asn = 7", GROUP), resolved("asn = 7", other)).peers_changed
    assert change.reset == ("confederation",)
