"""Reading bgp.toml: every fault is told, with file, line, key, what was expected and what was found."""

from pathlib import Path

import pytest

from bgpd.config import ConfigError, load, parse, resolve
from bgpd.config.toml import read_password

NODE = '[node]\nasn = 64512\naddresses = ["172.18.4.13/20", "fd10:4::13/64"]\n'
PEER = '[[peer]]\naddress = "172.18.0.1"\nasn = 65020\n'


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "bgp.toml")
    return [str(problem) for problem in caught.value.problems]


def test_three_faults_are_three_problems_with_their_keys() -> None:
    text = NODE + '[session]\nhold_time = 2\n[[peer]]\naddress = "172.18.0.1"\nasn = 0\nprt = 1\n'
    assert problems(text) == [
        "bgp.toml:5: session.hold_time: expected a number of seconds: 0, or 3 to 65535, found 2",
        'bgp.toml:8: peer[0].asn: expected an AS number from 1 to 4294967295, as 65010, "65010" or "1.10", '
        'or "internal" or "external", found 0',
        'bgp.toml:9: peer[0].prt: unknown key; did you mean "port"?',
    ]


def test_faults_of_single_values_do_not_hide_faults_across_keys() -> None:
    found = problems(NODE + "port = 0\n" + PEER + 'import = ["nothing"]\n')
    assert [line.split(": ")[1] for line in found] == ["node.port", "peer[0].import"]


def test_what_follows_from_a_fault_is_not_told_again() -> None:
    found = problems('[node]\nasn = 64512\naddresses = ["172.18.4.13/40"]\n')
    assert [line.split(": ")[1] for line in found] == ["node.addresses[0]"]


@pytest.mark.parametrize(
    ("line", "key", "expected", "found"),
    [
        ("port = 65536", "port", "a whole number from 1 to 65535", "65536"),
        ("port = true", "port", "a whole number from 1 to 65535", "true"),
        ("passive = 1", "passive", "true or false", "1"),
        ('next_hop = "us"', "next_hop", 'one of "auto", "self", "keep"', '"us"'),
        ('local_asn = "0.0"', "local_asn", "an AS number from 1 to 4294967295", '"0.0"'),
        ("local_asn = 4294967296", "local_asn", "an AS number from 1 to 4294967295", "4294967296"),
        ("families = []", "families", "at least one item", "[]"),
        ('families = "ipv4-unicast"', "families", "a list, each one of", '"ipv4-unicast"'),
        ("idle_hold = 3", "idle_hold", "a table", "3"),
        ("idle_hold = { first = 0 }", "idle_hold.first", "a number above 0", "0"),
        ("multihop_ttl = 256", "multihop_ttl", "a whole number from 1 to 255", "256"),
        ("ttl_security = 0", "ttl_security", "a whole number from 1 to 254", "0"),
        ('local_address = "eth0"', "local_address", "an IPv4 or IPv6 address", '"eth0"'),
        ('password = ""', "password", "text of 1 to 80 octets", "0 octets"),
        ("connect_retry_time = inf", "connect_retry_time", "a number above 0", "inf"),
        ("hold_time = 2", "hold_time", "a number of seconds: 0, or 3 to 65535", "2"),
        ("hold_time = 1979-05-27", "hold_time", "a number of seconds", "1979-05-27"),
    ],
)
def test_a_wrong_value_names_what_was_expected_and_found(line: str, key: str, expected: str, found: str) -> None:
    (problem,) = problems(NODE + PEER + line + "\n")
    assert problem.startswith(f"bgp.toml:7: peer[0].{key}: expected {expected}")
    assert f"found {found}" in problem


def test_a_password_is_never_repeated() -> None:
    (problem,) = problems(NODE + PEER + f'password = "{"secret" * 20}"\n')
    assert "secret" not in problem
    assert "found 120 octets" in problem


def test_a_single_table_in_place_of_a_list_of_tables_is_told() -> None:
    assert problems(NODE + '[peer]\naddress = "172.18.0.1"\n') == [
        "bgp.toml:4: peer: expected a list of tables [[peer]], found a table"
    ]


def test_an_unknown_table_is_told_with_the_nearest_one() -> None:
    assert problems(NODE + "[neighbour]\n")[0].startswith("bgp.toml:4: neighbour: unknown key; expected one of node, ")
    assert problems(NODE + "[sessions]\n") == ['bgp.toml:4: sessions: unknown key; did you mean "session"?']


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("fe80::1", "an IPv6 link-local address needs its interface"),
        ("172.18.0.1%eth0", "only an IPv6 link-local address takes an interface"),
        ("fe80::1%a-name-that-is-long", "an interface name has 1 to 15 octets"),
        ("0.0.0.0", "the unspecified address is nobody's"),
        ("tor", "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_an_address_that_no_peer_can_have_is_told(address: str, why: str) -> None:
    (problem,) = problems(NODE + f'[[peer]]\naddress = "{address}"\nasn = 65020\n')
    assert f'found "{address}"' in problem
    assert why in problem


def test_a_prefix_with_bits_behind_its_length_is_told() -> None:
    (problem,) = problems(NODE + '[[network]]\nprefix = "10.65.3.64/24"\n')
    assert problem.endswith('found "10.65.3.64/24" (bits are set behind the prefix length)')


def test_a_malformed_cluster_identifier_is_told() -> None:
    (problem,) = problems(NODE + 'cluster_id = "244.0.0"\n')
    assert (
        problem
        == 'bgp.toml:4: node.cluster_id: expected four decimal octets, not all zero: "172.18.4.13", found "244.0.0"'
    )


def test_a_file_that_is_not_toml_is_told_with_its_line() -> None:
    (problem,) = problems("[node]\nasn = \n")
    assert problem == "bgp.toml: not TOML: Invalid value (at line 2, column 7)"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("9" * 5000, "not TOML: Exceeds the limit"),
        ("[" * 2000, "not TOML: nested too deeply"),
        ("{a = " * 2000, "not TOML: nested too deeply"),
    ],
)
def test_what_is_too_large_to_read_is_told(value: str, why: str) -> None:
    (problem,) = problems(f"[node]\nasn = {value}\n")
    assert problem.startswith(f"bgp.toml: {why}")
    assert len(problem) < 200


@pytest.mark.parametrize("key", ["password", "hold_time", "asn", "families", "name"])
def test_a_number_that_is_too_long_to_write_is_told_without_it(key: str) -> None:
    peer = '[[peer]]\naddress = "172.18.0.1"\n' + ("" if key == "asn" else "asn = 65020\n")
    (problem,) = problems(NODE + peer + f"{key} = 0x{'f' * 5000}\n")
    assert f"peer[0].{key}: expected " in problem
    assert len(problem) < 300


@pytest.mark.parametrize("value", ["7", "[1, 2]", "true"])
def test_a_password_that_is_no_text_is_not_repeated_either(value: str) -> None:
    (problem,) = problems(NODE + PEER + f"password = {value}\n")
    assert problem.endswith("found something that is not text")


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"


def test_a_directory_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_that_is_not_utf8_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bgp.toml"
    path.write_bytes(b"[node]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"bgp\.toml:2: expected UTF-8 text"):
        load(path)


def test_relative_password_files_start_at_the_files_directory(tmp_path: Path) -> None:
    path = tmp_path / "bgp.toml"
    path.write_text(NODE + PEER + 'password_file = "tor.md5"\n')
    assert load(path).peer[0].password_file == str(tmp_path / "tor.md5")


def test_with_etcd_a_file_needs_no_more_than_the_endpoints(tmp_path: Path) -> None:
    path = tmp_path / "bgp.toml"
    path.write_text('[etcd]\nendpoints = ["https://10.0.0.5:2379"]\nca_file = "ca.pem"\nsecrets_dir = "secrets"\n')
    config = load(path)
    assert config.etcd is not None
    assert (config.etcd.ca_file, config.etcd.secrets_dir) == (str(tmp_path / "ca.pem"), str(tmp_path / "secrets"))
    assert config.etcd.cert_file == ""
    with pytest.raises(ConfigError, match=r"node\.asn: is missing"):
        resolve(config)  # by itself it is not enough
    path.write_text('[node]\nrouter_id = "nonsense"\n[etcd]\nendpoints = ["https://10.0.0.5:2379"]\n')
    with pytest.raises(ConfigError, match=r"node\.router_id: expected"):
        load(path)


def test_a_password_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "tor.md5"
    path.write_bytes(b" s\xc3\xa9cret \r\n")
    assert read_password(str(path)) == (" sécret ", "")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"x" * 81, "longer than the 80 octets that TCP-MD5 takes"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_a_password_file_that_cannot_be_used_says_why(tmp_path: Path, octets: bytes, why: str) -> None:
    path = tmp_path / "tor.md5"
    path.write_bytes(octets)
    assert read_password(str(path)) == (None, f"password file {path}: {why}")


def test_a_password_of_eighty_octets_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "tor.md5"
    path.write_bytes(b"x" * 80 + b"\n")
    assert read_password(str(path)) == ("x" * 80, "")


def test_a_missing_password_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert read_password(str(path)) == (None, f"password file {path}: No such file or directory")
