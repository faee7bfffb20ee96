"""Faults across keys."""

import pytest

from bgpd.config import ConfigError, parse

NODE = '[node]\nasn = 64512\naddresses = ["172.18.4.13/20", "fd10:4::13/64"]\n'
V4_NODE = '[node]\nasn = 64512\naddresses = ["172.18.4.13/20"]\n'
PEER = '[[peer]]\naddress = "172.18.0.1"\nasn = 65020\n'
IBGP = '[[peer]]\naddress = "172.18.0.1"\nasn = "internal"\n'
SETS = '[[prefix_set]]\nname = "pods"\nprefixes = ["10.0.0.0/8"]\n'
RULE = '[[policy]]\nname = "p"\nrules = [{{ {} }}]\n'


def faults(text: str) -> dict[str, str]:
    try:
        parse(text, "bgp.toml")
    except ConfigError as error:
        return {problem.key: problem.message for problem in error.problems}
    return {}


def test_a_node_needs_an_as_number_and_an_identifier() -> None:
    assert faults("") == {
        "node.asn": 'is missing; expected an AS number from 1 to 4294967295, as 65010, "65010" or "1.10"',
        "node.router_id": "is missing; expected four decimal octets, "
        "as node.addresses has no IPv4 address to take it from",
    }


def test_an_ipv4_address_stands_in_for_the_identifier() -> None:
    assert faults(V4_NODE) == {}
    assert set(faults('[node]\nasn = 1\naddresses = ["fd10:4::13/64"]\n')) == {"node.router_id"}
    assert faults('[node]\nasn = 1\nrouter_id = "1.1.1.1"\n') == {}


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (NODE + PEER + PEER, "peer[1].address", 'found "172.18.0.1" with port 179, which stands in peer[0].address'),
        (
            NODE + PEER.replace("asn", 'name = "a"\nasn') + '[[peer]]\nname = "a"\naddress = "172.18.0.2"\nasn = 1\n',
            "peer[1].name",
            'found "a", which stands in peer[0].name',
        ),
        (NODE + PEER + 'password = "a"\npassword_file = "b"\n', "peer[0].password_file", "found both"),
        (NODE + PEER + "multihop_ttl = 2\nttl_security = 1\n", "peer[0].ttl_security", "found both"),
        (NODE + PEER + "idle_hold = { first = 31 }\n", "peer[0].idle_hold", "found 31 and 30"),
        (NODE + "[session]\nidle_hold = { max = 0.5 }\n" + PEER, "session.idle_hold", "found 1 and 0.5"),
        (NODE + PEER + 'import = ["x"]\n', "peer[0].import", 'found "x"; there are: none'),
        (NODE + PEER + 'families = ["ipv4-unicast", "ipv4-unicast"]\n', "peer[0].families", "each value once"),
        (NODE + PEER + 'local_address = "fd10:4::13"\n', "peer[0].local_address", 'found "fd10:4::13"'),
        (NODE + PEER + "reflector_client = true\n", "peer[0].reflector_client", "found asn 65020"),
        (NODE + IBGP + "reflector_client = true\n", "peer[0].reflector_client", "expected node.cluster_id to be set"),
        (NODE + '[[peer]]\naddress = "172.18.4.13"\nasn = 1\n', "peer[0].address", "which is in node.addresses"),
        (V4_NODE + PEER + 'families = ["ipv6-unicast"]\n', "peer[0].families", "expected an IPv6 address in node.add"),
        (NODE + '[[peer_range]]\nprefix = "10.0.0.0/8"\nasn = 1\n' * 2, "peer_range[1].prefix", 'found "10.0.0.0/8"'),
        (NODE + '[[network]]\nprefix = "10.0.0.0/8"\n' * 2, "network[1].prefix", "which stands in network[0].prefix"),
        (NODE + '[[policy]]\nname = "a"\n' * 2, "policy[1].name", 'found "a"'),
        (NODE + '[[pool]]\ncidr = "10.0.0.0/8"\n[[pool]]\ncidr = "10.1.0.0/16"\n', "pool[1].cidr", "do not overlap"),
        (NODE + '[[pool]]\ncidr = "fd00::/8"\nipip = "always"\n', "pool[0].ipip", "IPIP carries IPv4 only"),
        (NODE + "[kernel]\nlearn = [{ protocols = [186] }]\n", "kernel.learn[0].protocols", "than our own"),
        (
            NODE + '[etcd]\nendpoints = ["http://a:1"]\ncert_file = "x"\n',
            "etcd.key_file",
            "together with etcd.cert_file",
        ),
        (NODE + "[mesh]\nauto_reflectors = {}\n", "mesh.auto_reflectors", "expected [etcd] along with it"),
        (
            NODE + '[etcd]\nendpoints = ["http://a:1"]\n[mesh]\nenabled = false\nauto_reflectors = {}\n',
            "mesh.auto_reflectors",
            "expected mesh.enabled = true",
        ),
        (
            NODE + '[etcd]\nendpoints = ["http://a:1"]\n[mesh]\nauto_reflectors = { above = 2, count = 3 }\n',
            "mesh.auto_reflectors.count",
            "above = 2; found 3",
        ),
        (
            NODE + '[etcd]\nendpoints = ["http://a:1"]\n[mesh]\nauto_reflectors = { count = 0 }\n',
            "mesh.auto_reflectors.count",
            "expected a whole number from 1 to 16",
        ),
        (NODE + 'listen = ["0.0.0.0", "0.0.0.0"]\n', "node.listen", "each value once"),
        (NODE + PEER + "add_path_send_limit = 2\n", "peer[0].add_path_send_limit", 'add_path = "send" or "both"'),
        (NODE + PEER + 'add_path = "send"\nadd_path_send_limit = 256\n', "peer[0].add_path_send_limit", "255"),
        (NODE + RULE.format('action = "accept", length = [30, 20]'), "policy[0].rules[0].length", "[least, most]"),
        (
            NODE + RULE.format('action = "accept", prefix = "10.0.0.0/8", length = [8, 64]'),
            "policy[0].rules[0].length",
            "prefix lengths from 0 to 32",
        ),
        (NODE + RULE.format('action = "accept", match = "in"'), "policy[0].rules[0].match", "found neither"),
        (NODE + RULE.format('action = "reject", set_med = 0'), "policy[0].rules[0].set_med", "expected no change"),
        (
            NODE + RULE.format('action = "accept", community_match = "all"'),
            "policy[0].rules[0].community_match",
            "found none",
        ),
        (
            NODE + RULE.format('action = "accept", family = "ipv6-unicast", prefix = "10.0.0.0/8"'),
            "policy[0].rules[0].family",
            'the family of prefix "10.0.0.0/8"',
        ),
        (NODE + SETS + SETS, "prefix_set[1].name", 'found "pods", which stands in prefix_set[0].name'),
        (
            NODE + SETS + RULE.format('action = "reject", prefix = "@pod"'),
            "policy[0].rules[0].prefix",
            'name of a [[prefix_set]], found "@pod"; did you mean "pods"?',
        ),
        (
            NODE + SETS + RULE.format('action = "reject", prefixes = ["10.0.0.0/8", "@x"]'),
            "policy[0].rules[0].prefixes[1]",
            'there are: "pods"',
        ),
        (
            NODE + SETS + RULE.format('action = "reject", family = "ipv6-unicast", prefix = "@pods"'),
            "policy[0].rules[0].family",
            'the family of prefix "@pods"',
        ),
        (
            NODE + RULE.format('action = "reject", as_path = { origin = ["@customers"] }'),
            "policy[0].rules[0].as_path.origin[0]",
            "there are: none",
        ),
        (
            NODE + RULE.format('action = "reject", next_hop = ["@gateways"]'),
            "policy[0].rules[0].next_hop[0]",
            "[[next_hop_set]]",
        ),
        (
            NODE
            + '[[community_set]]\nname = "c"\ncommunities = ["1:1", "1:*"]\n'
            + RULE.format('action = "next", add_communities = ["@c"]'),
            "policy[0].rules[0].add_communities[0]",
            'found "1:*" in @c',
        ),
        (
            NODE + RULE.format('action = "reject", set_weight = 1'),
            "policy[0].rules[0].set_weight",
            "expected no change",
        ),
        (NODE + RULE.format('prefix = "10.0.0.0/8"'), "policy[0].rules[0].action", 'one of "accept", "reject", "next"'),
    ],
)
def test_a_fault_across_keys_is_told(text: str, key: str, words: str) -> None:
    found = faults(text)
    assert list(found) == [key]
    assert words in found[key]


def test_a_limit_of_the_session_defaults_may_stand_beside_peers_that_are_sent_one_path() -> None:
    text = NODE + '[session]\nadd_path = "send"\nadd_path_send_limit = 2\n' + PEER + 'add_path = "none"\n'
    assert faults(text) == {}


def test_peers_that_differ_in_port_are_two() -> None:
    assert faults(NODE + PEER + PEER + 'name = "second"\nport = 1179\n') == {}


def test_our_own_address_with_another_port_is_another_router() -> None:
    assert faults(NODE + '[[peer]]\naddress = "172.18.4.13"\nport = 1179\nasn = 65020\n') == {}


def test_a_reflector_needs_no_address_of_its_own_for_what_it_only_reflects() -> None:
    text = V4_NODE + 'cluster_id = "1.1.1.1"\n' + IBGP + 'families = ["ipv4-unicast", "ipv6-unicast"]\n'
    assert faults(text) == {}


def test_ipv4_routes_over_an_ipv6_session_need_no_ipv4_address() -> None:
    text = '[node]\nasn = 1\nrouter_id = "1.1.1.1"\naddresses = ["fd10:4::13/64"]\n'
    assert faults(text + '[[peer]]\naddress = "fd10:4::20"\nasn = 1\nfamilies = ["ipv4-unicast"]\n') == {}


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        ("[[peer]]\nasn = 2\n", "peer[0].address", "or interface"),
        ('[[peer]]\nasn = 2\ninterface = "eth0"\naddress = "10.0.0.2"\n', "peer[0].address", "found both"),
        ('[[peer]]\nasn = 2\ninterface = "eth0"\nlocal_address = "10.0.0.1"\n', "peer[0].local_address", "found both"),
        ('[[peer]]\nasn = 2\ninterface = "a b"\n', "peer[0].interface", "an interface name"),
        (2 * '[[peer]]\nasn = 2\ninterface = "eth0"\n', "peer[1].interface", "only once"),
    ],
)
def test_a_peer_has_an_address_or_an_interface(more: str, key: str, words: str) -> None:
    assert words in faults(NODE + more)[key]


def test_a_missing_password_file_is_no_fault_of_the_file() -> None:
    assert faults(NODE + PEER + 'password_file = "/nowhere/at/all"\n') == {}


@pytest.mark.rfc("9234", "4.1")
def test_only_external_peers_have_roles() -> None:
    peers = '[[peer]]\naddress = "172.18.0.2"\nasn = {}\nrole = "provider"\n'
    found = faults(NODE + peers.format('"internal"'))
    assert list(found) == ["peer[0].role"]
    assert "only those have roles" in found["peer[0].role"]
    assert faults(NODE + peers.format(65020)) == {}
