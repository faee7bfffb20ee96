"""What a changed file costs."""

import pytest

from bgpd.config import Changes, Resolved, diff, parse, resolve

NODE = '[node]\nname = "w"\nasn = 64512\naddresses = ["172.18.4.13/20"]\n'
PEER = '[[peer]]\nname = "tor"\naddress = "172.18.0.1"\nasn = 65020\nimport = ["in"]\nexport = ["out"]\n'
POLICIES = '[[policy]]\nname = "in"\n[[policy]]\nname = "out"\n'
FILE = NODE + PEER + POLICIES


def resolved(text: str) -> Resolved:
    return resolve(parse(text, ""), passwords=lambda path: (path, ""))


def changes(old: str, new: str) -> Changes:
    return diff(resolved(old), resolved(new))


def test_the_same_file_changes_nothing() -> None:
    same = changes(FILE, FILE)
    assert same.is_empty
    assert same.summary() == []


def test_another_way_to_write_the_same_changes_nothing() -> None:
    assert changes(FILE, FILE.replace("65020", '"65020"') + "[session]\nhold_time = 90\n").is_empty


def test_a_changed_policy_judges_again_and_resets_nothing() -> None:
    found = changes(FILE, FILE.replace('name = "in"\n[', 'name = "in"\ndefault = "reject"\n['))
    (peer,) = found.peers_changed
    assert found.policies == ("in",)
    assert (peer.reset, peer.imports, peer.exports) == ((), True, False)
    assert found.summary() == ["peer tor: routes judged again (import)", "policy in: changed"]


def test_another_list_of_policies_judges_again() -> None:
    (peer,) = changes(FILE, FILE.replace('export = ["out"]', 'export = ["in"]')).peers_changed
    assert (peer.fields, peer.reset, peer.imports, peer.exports) == (("exports",), (), False, True)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("hold_time = 30", "hold_time"),
        ('password = "x"', "password"),
        ("enabled = false", "enabled"),
        ('add_path = "both"', "add_path"),
        ("graceful_restart = { enabled = false }", "graceful_restart"),
        ("port = 1179", "port"),
    ],
)
def test_what_the_session_rests_on_resets_it(line: str, field: str) -> None:
    found = changes(FILE, NODE + PEER + line + "\n" + POLICIES)
    (peer,) = found.peers_changed
    assert peer.reset == (field,)
    assert found.summary() == [f"peer tor: reset, as {field} changed"]


@pytest.mark.parametrize("line", ["connect_retry_time = 9", "idle_hold = { max = 9 }", "max_prefixes = { limit = 9 }"])
def test_what_only_matters_later_costs_nothing_now(line: str) -> None:
    (peer,) = changes(FILE, NODE + PEER + line + "\n" + POLICIES).peers_changed
    assert peer.fields
    assert (peer.reset, peer.imports, peer.exports) == ((), False, False)


def test_another_number_of_paths_costs_no_session() -> None:
    sends = NODE + PEER + 'add_path = "send"\n'
    (peer,) = changes(sends + POLICIES, sends + "add_path_send_limit = 2\n" + POLICIES).peers_changed
    assert (peer.fields, peer.reset, peer.exports) == (("add_path_send_limit",), (), True)


def test_another_password_in_the_same_file_resets_the_session() -> None:
    old = resolve(parse(NODE + PEER + 'password_file = "a"\n' + POLICIES, ""), passwords=lambda _: ("old", ""))
    new = resolve(parse(NODE + PEER + 'password_file = "a"\n' + POLICIES, ""), passwords=lambda _: (None, "empty"))
    (peer,) = diff(old, new).peers_changed
    assert peer.reset == ("password", "held_down")


def test_another_identifier_resets_every_peer() -> None:
    (peer,) = changes(FILE, FILE.replace("[[peer]]", 'router_id = "1.1.1.1"\n[[peer]]', 1)).peers_changed
    assert (peer.fields, peer.reset) == ((), ("router_id",))


def test_another_as_number_resets_the_peers_that_use_it() -> None:
    other = '[[peer]]\nname = "own"\naddress = "172.18.0.2"\nasn = 65030\nlocal_asn = 64600\n'
    found = changes(FILE + other, FILE.replace("64512", "64513") + other)
    assert [(peer.new.name, peer.reset) for peer in found.peers_changed] == [("tor", ("local_asn",)), ("own", ())]
    assert (found.peers_changed[1].imports, found.peers_changed[1].exports) == (True, True)  # it stands in their paths


def test_peers_come_and_go_by_name() -> None:
    found = changes(FILE, FILE.replace('"tor"', '"switch"').replace("172.18.0.1", "172.18.0.2"))
    assert [peer.name for peer in found.peers_added] == ["switch"]
    assert [peer.name for peer in found.peers_removed] == ["tor"]
    assert not found.peers_changed


def test_another_name_at_the_same_address_is_the_same_peer() -> None:
    found = changes(FILE, FILE.replace('"tor"', '"switch"'))
    (peer,) = found.peers_changed
    assert (peer.fields, peer.reset, peer.imports, peer.exports) == (("name",), (), False, False)
    assert (found.peers_added, found.peers_removed) == ((), ())
    assert found.summary() == ["peer tor: is switch now, session kept"]


def test_a_peer_that_is_renamed_and_changed_says_both() -> None:
    other = NODE + PEER.replace('"tor"', '"switch"')
    assert changes(FILE, other.replace('["out"]', '["in"]') + POLICIES).summary() == [
        "peer tor: is switch now, session kept, routes judged again (export)"
    ]
    assert changes(FILE, other + "hold_time = 30\n" + POLICIES).summary() == [
        "peer tor: is switch now, reset, as hold_time changed"
    ]
    assert changes(FILE, other + "passive = true\n" + POLICIES).summary() == [
        "peer tor: is switch now, session kept, passive changed"
    ]


def test_names_that_are_swapped_are_two_peers_that_moved() -> None:
    second = PEER.replace('"tor"', '"tor2"').replace("172.18.0.1", "172.18.0.2")
    swapped = NODE + PEER.replace("172.18.0.1", "172.18.0.2") + second.replace("172.18.0.2", "172.18.0.1") + POLICIES
    found = changes(NODE + PEER + second + POLICIES, swapped)
    assert [(one.old.name, one.new.name, one.reset) for one in found.peers_changed] == [
        ("tor", "tor", ("address",)),
        ("tor2", "tor2", ("address",)),
    ]


def test_two_sessions_with_one_address_are_not_taken_for_one_that_was_renamed() -> None:
    two = PEER.replace('"tor"', '"tor2"') + "port = 1179\n"
    found = changes(FILE, NODE + PEER.replace('"tor"', '"a"') + two + POLICIES)
    assert [peer.name for peer in found.peers_added] == ["a", "tor2"]
    assert [peer.name for peer in found.peers_removed] == ["tor"]


def test_who_is_a_client_of_a_reflector_costs_no_session() -> None:
    reflector = FILE.replace("[[peer]]", 'cluster_id = "1.0.0.1"\n[[peer]]', 1).replace("65020", "64512")
    (peer,) = changes(reflector, reflector.replace('["out"]', '["out"]\nreflector_client = true')).peers_changed
    assert (peer.fields, peer.reset, peer.imports, peer.exports) == (("reflector_client",), (), True, True)


def test_networks_are_announced_changed_and_withdrawn() -> None:
    old = FILE + '[[network]]\nprefix = "10.0.0.0/8"\n[[network]]\nprefix = "10.1.0.0/16"\n'
    new = FILE + '[[network]]\nprefix = "10.0.0.0/8"\nblackhole = true\n'
    found = changes(old, new)
    assert found.summary() == ["network 10.0.0.0/8: announced", "network 10.1.0.0/16: withdrawn"]


def test_a_pool_judges_exports_again() -> None:
    found = changes(FILE, FILE + '[[pool]]\ncidr = "10.65.0.0/16"\nexport = false\n')
    assert found.pools
    assert [(peer.imports, peer.exports, peer.reset) for peer in found.peers_changed] == [(False, True, ())]


def test_how_a_pool_is_reached_is_nothing_to_peers() -> None:
    pool = FILE + '[[pool]]\ncidr = "10.65.0.0/16"\nexport = false\n'
    found = changes(pool, pool + 'ipip = "always"\n')
    assert (found.pools, found.withheld, found.peers_changed) == (True, False, ())


def test_ranges_are_compared_by_their_template() -> None:
    text = FILE + '[[peer_range]]\nname = "r"\nprefix = "172.19.0.0/16"\nasn = "internal"\nlimit = 1\n'
    (one,) = changes(text, text + "hold_time = 3\n").ranges_changed
    assert one.template.reset == ("hold_time",)
    found = changes(text, text.replace("limit = 1", "limit = 2"))
    assert found.ranges_changed[0].template.is_empty
    assert found.summary() == ["peer range r: range changed"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("[kernel]\ntable = 100\n", "kernel.table"),
        ("[kernel]\nenabled = false\n", "kernel.enabled"),
        ('[http]\nlisten = ""\n', "http.listen"),
        ('[control]\nsocket = "/tmp/x"\n', "control.socket"),
        ('[log]\nformat = "json"\n', "log.format"),
    ],
)
def test_what_waits_for_the_next_start_is_named(line: str, key: str) -> None:
    assert changes(FILE, FILE + line).needs_restart == (key,)


def test_what_else_changes_is_named() -> None:
    new = FILE.replace("[[peer]]", "port = 1179\n[[peer]]", 1) + '[kernel]\nmetric = 5\n[log]\nlevel = "debug"\n'
    found = changes(FILE, new)
    assert (found.listeners, found.kernel, found.log_level) == (True, ("metric",), True)
    assert found.summary() == ["node: port changed", "kernel: metric changed", "log level changed"]


def test_another_address_of_ours_judges_again_which_next_hops_are_our_own() -> None:
    (peer,) = changes(FILE, FILE.replace('["172.18.4.13/20"]', '["172.18.4.13/20", "172.18.9.1/20"]')).peers_changed
    assert (peer.reset, peer.imports, peer.exports) == ((), True, True)


def test_electing_reflectors_takes_a_restart_to_begin_and_none_to_change_or_end() -> None:
    etcd = FILE + '[etcd]\nendpoints = ["http://10.0.0.5:2379"]\n[mesh]\n'
    elects = etcd + "auto_reflectors = {}\n"
    assert changes(etcd, elects).needs_restart == ("mesh.auto_reflectors",)
    assert changes(elects, etcd + "auto_reflectors = { above = 50 }\n").summary() == ["mesh changed"]
    assert changes(elects, etcd).summary() == ["mesh changed"]
