"""Defaults, inheritance and parsed values."""

from pathlib import Path

import pytest

from bgpd.addresses import parse_address, parse_prefix
from bgpd.config import Resolved, ResolvedHttp, load, parse, resolve
from bgpd.config.resolve import PasswordReader
from bgpd.config.toml import host_name, read_password
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.identity import PeerType

NODE = '[node]\nname = "worker-1"\nasn = 64512\naddresses = ["172.18.4.13/20", "fd10:4::13/64"]\n'
PEER = '[[peer]]\naddress = "172.18.0.1"\nasn = 65020\n'
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


def resolved(text: str, passwords: PasswordReader = read_password) -> Resolved:
    return resolve(parse(text, ""), passwords=passwords)


def test_the_defaults_are_those_of_the_design() -> None:
    config = resolved(NODE + PEER)
    (peer,) = config.peers
    assert (config.node.listen, config.node.port) == ((bytes(4), bytes(16)), 179)
    assert config.node.identifier == int.from_bytes(parse_address("172.18.4.13"))
    assert (peer.name, peer.port, peer.hold_time, peer.connect_retry_time) == ("172.18.0.1", 179, 90, 5)
    assert (peer.idle_hold_first, peer.idle_hold_max) == (1, 30)
    assert (peer.graceful_restart, peer.restart_time, peer.stale_time) == (True, 120, 0)
    assert (peer.multihop_ttl, peer.ttl_security) == (64, 0)
    assert (peer.enforce_first_as, peer.ebgp_requires_policy) == (True, True)
    assert (peer.add_path, peer.max_prefix_limit, peer.max_prefix_action) == ("none", 0, "close")
    assert (config.kernel.table, config.kernel.protocol, config.kernel.ecmp) == (254, 186, 16)
    assert config.kernel.learn[0].protocols == {3, 4}
    assert config.http == ResolvedHttp("127.0.0.1", 9179)
    assert (config.control.socket, config.log.level) == ("/run/bgpd/bgpd.sock", "info")


def test_a_node_without_a_name_has_the_hosts() -> None:
    assert resolved('[node]\nasn = 1\nrouter_id = "1.1.1.1"\n').node.name == host_name()


def test_as_numbers_may_be_numbers_text_or_dotted() -> None:
    for written in ("65546", '"65546"', '"1.10"'):
        assert resolved(f'[node]\nasn = {written}\nrouter_id = "1.1.1.1"\n').node.asn == 65546


@pytest.mark.parametrize(
    ("asn", "extra", "remote", "kind"),
    [
        ("65020", "", 65020, "external"),
        ("64512", "", 64512, "internal"),
        ('"internal"', "", 64512, "internal"),
        ('"external"', "", None, "external"),
        ("64600", "local_asn = 64600", 64600, "internal"),
        ('"internal"', "local_asn = 64600", 64600, "internal"),
        ("64512", "local_asn = 64600", 64512, "external"),
    ],
)
def test_what_a_peer_is_follows_from_both_as_numbers(asn: str, extra: str, remote: int | None, kind: str) -> None:
    (peer,) = resolved(NODE + f'[[peer]]\naddress = "172.18.0.1"\nasn = {asn}\n{extra}\n').peers
    assert (peer.asn, peer.peer_type) == (remote, kind)
    assert PeerType(peer.peer_type)


def test_a_peer_inherits_from_the_session_and_overrides_single_keys() -> None:
    session = "[session]\nhold_time = 30\nidle_hold = { first = 2, max = 60 }\nmax_prefixes = { limit = 10 }\n"
    (peer,) = resolved(NODE + session + PEER + "idle_hold = { first = 3 }\nmax_prefixes = { action = 'warn' }\n").peers
    assert (peer.hold_time, peer.idle_hold_first, peer.idle_hold_max) == (30, 3, 60)
    assert (peer.max_prefix_limit, peer.max_prefix_action) == (10, "warn")


def test_of_the_two_ttl_keys_the_nearest_to_the_peer_counts() -> None:
    (peer,) = resolved(NODE + "[session]\nmultihop_ttl = 9\n" + PEER + "ttl_security = 2\n").peers
    assert (peer.multihop_ttl, peer.ttl_security) == (0, 2)
    (peer,) = resolved(NODE + "[session]\nttl_security = 2\n" + PEER + "multihop_ttl = 1\n").peers
    assert (peer.multihop_ttl, peer.ttl_security) == (1, 0)


def test_families_are_the_sessions_own_unless_given() -> None:
    link_local = '[[peer]]\naddress = "fe80::1%eth0"\nasn = 1\n'
    first, second = resolved(NODE + PEER + link_local).peers
    assert (first.families, second.families) == ((IPV4_UNICAST,), (IPV6_UNICAST,))
    assert (second.address, second.interface) == (parse_address("fe80::1"), "eth0")
    (peer,) = resolved(NODE + '[session]\nfamilies = ["ipv6-unicast", "ipv4-unicast"]\n' + PEER).peers
    assert peer.families == (IPV6_UNICAST, IPV4_UNICAST)


def test_a_range_makes_peers_from_its_template() -> None:
    (one,) = resolved(NODE + '[[peer_range]]\nprefix = "172.18.0.0/16"\nasn = "internal"\nhold_time = 9\n').ranges
    peer = one.peer(parse_address("172.18.7.7"))
    assert (one.name, one.limit, one.prefix) == ("172.18.0.0/16", 1000, parse_prefix("172.18.0.0/16")[1])
    assert (peer.name, peer.asn, peer.hold_time, peer.passive) == ("172.18.7.7", 64512, 9, True)
    assert one.peer(parse_address("fe80::1"), "eth0").name == "fe80::1%eth0"


def test_a_password_that_cannot_be_had_holds_the_session_down() -> None:
    text = NODE + PEER + 'password_file = "/nowhere"\n'
    (peer,) = resolved(text, lambda _: (None, "password file /nowhere: empty")).peers
    assert (peer.password, peer.held_down) == (None, "password file /nowhere: empty")
    (peer,) = resolved(text, lambda _: ("secret", "")).peers
    assert (peer.password, peer.held_down) == ("secret", "")


def test_a_password_does_not_show_in_a_dump_of_the_peer() -> None:
    assert "secret" not in repr(resolved(NODE + PEER + 'password = "secret"\n'))


def test_the_api_over_tcp_can_be_off_or_on_ipv6() -> None:
    assert resolved(NODE + '[http]\nlisten = ""\n').http is None
    assert resolved(NODE + '[http]\nlisten = "[::1]:80"\n').http == ResolvedHttp("::1", 80)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_good(example: Path) -> None:
    config = resolve(load(example), file=str(example))
    assert config.peers


def test_there_is_an_example_for_each_way_to_run() -> None:
    assert {path.stem for path in EXAMPLES} == {"mesh-node", "route-reflector", "top-of-rack"}


def test_the_configuration_of_the_benchmark_is_good() -> None:
    config = resolved(
        '[node]\nname = "dut"\nasn = 65000\nrouter_id = "10.0.0.1"\n'
        'addresses = ["10.0.0.1/8", "fd00:ffff::1/64"]\nlisten = ["10.0.0.1"]\nport = 1790\ncluster_id = "10.0.0.1"\n'
        '[session]\nhold_time = 90\nfamilies = ["ipv6-unicast"]\nebgp_requires_policy = false\n'
        '[kernel]\nenabled = false\n[http]\nlisten = ""\n[control]\nsocket = "/tmp/bgpd.sock"\n[log]\nlevel = "error"\n'
        '[[peer]]\naddress = "10.0.0.2"\nasn = 65000\npassive = true\nreflector_client = true\n'
    )
    assert config.peers[0].families == (IPV6_UNICAST,)
