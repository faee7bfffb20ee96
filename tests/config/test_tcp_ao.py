"""The keys of TCP-AO in bgp.toml."""

from pathlib import Path

import pytest

from bgpd.config import ConfigError, load, parse, resolve

PEER = '[node]\nasn = 1\naddresses = ["10.0.0.1/24"]\n[[peer]]\naddress = "10.0.0.2"\nasn = 2\n'


def faults(more: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(parse(PEER + more, ""))
    return {problem.key: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ('{ recv_id = 1, key = "a" }', "keys[0].send_id", "is missing"),
        ('{ send_id = 256, recv_id = 1, key = "a" }', "keys[0].send_id", "0 to 255"),
        ("{ send_id = 1, recv_id = 1 }", "keys[0].key", "found neither"),
        ('{ send_id = 1, recv_id = 1, key = "a", key_file = "b" }', "keys[0].key", "found both"),
        ('{ send_id = 1, recv_id = 1, key = "a", algorithm = "md5" }', "keys[0].algorithm", "hmac-sha1-96"),
        (
            '{ send_id = 1, recv_id = 1, key = "a" }, { send_id = 1, recv_id = 2, key = "b" }',
            "keys[1].send_id",
            "only once",
        ),
        (
            '{ send_id = 1, recv_id = 1, key = "a", preferred = true },'
            ' { send_id = 2, recv_id = 2, key = "b", preferred = true }',
            "keys",
            "found several",
        ),
    ],
)
def test_a_fault_in_a_key_says_where_and_what(keys: str, where: str, words: str) -> None:
    assert words in faults(f"tcp_ao = {{ keys = [{keys}] }}")[f"peer[0].tcp_ao.{where}"]


def test_md5_and_ao_exclude_each_other() -> None:
    found = faults('password = "x"\ntcp_ao = { keys = [{ send_id = 1, recv_id = 1, key = "a" }] }')
    assert "found both" in found["peer[0].tcp_ao"]


def test_a_key_is_never_repeated() -> None:
    found = faults(f'tcp_ao = {{ keys = [{{ send_id = 1, recv_id = 1, key = "{"secret" * 20}" }}] }}')
    assert "secret" not in found["peer[0].tcp_ao.keys[0].key"]
    key = '{ send_id = 1, recv_id = 1, key = "secret" }'
    assert "secret" not in repr(resolve(parse(f"{PEER}tcp_ao = {{ keys = [{key}] }}", "")))


def test_the_preferred_key_comes_first_and_files_are_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("second\n")
    path = tmp_path / "bgp.toml"
    path.write_text(
        f'{PEER}tcp_ao = {{ keys = [{{ send_id = 1, recv_id = 3, key = "first" }}, '
        '{ send_id = 2, recv_id = 4, key_file = "two", algorithm = "aes-128-cmac-96", preferred = true }] }'
    )
    peer = resolve(load(path)).peers[0]
    assert [(key.send_id, key.recv_id, key.algorithm.value, key.key) for key in peer.tcp_ao] == [
        (2, 4, "aes-128-cmac-96", "second"),
        (1, 3, "hmac-sha1-96", "first"),
    ]
    (tmp_path / "two").unlink()
    assert resolve(load(path)).peers[0].held_down.startswith("tcp_ao: password file")


AO = 'tcp_ao = { keys = [{ send_id = 1, recv_id = 1, key = "a" }] }'
MD5 = 'password = "x"'


def overlapping(inner: str, outer: str, prefix: str = "10.0.0.0/16") -> str:
    """Return a peer, 10.0.0.2, and a range, signed so."""
    return f'{PEER}{inner}\n[[peer_range]]\nprefix = "{prefix}"\nasn = "external"\n{outer}\n'


@pytest.mark.parametrize(("inner", "outer", "key"), [(AO, MD5, "tcp_ao"), (MD5, AO, "password")])
def test_peer_inside_a_range_that_signs_otherwise_is_a_fault(inner: str, outer: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(parse(overlapping(inner, outer), ""))
    (problem,) = caught.value.problems
    assert problem.key == f"peer[0].{key}"
    assert "peer_range[0]" in problem.message
    assert "10.0.0.0/16" in problem.message
    assert "one kind of key for an address" in problem.message


def test_range_inside_a_range_that_signs_otherwise_is_a_fault() -> None:
    more = f'[[peer_range]]\nprefix = "10.0.0.0/8"\nasn = "external"\n{MD5}\n'
    found = overlapping("", AO) + more
    with pytest.raises(ConfigError) as caught:
        resolve(parse(found, ""))
    assert [problem.key for problem in caught.value.problems] == ["peer_range[0].tcp_ao"]


@pytest.mark.parametrize(
    ("inner", "outer", "prefix"),
    [(AO, AO, "10.0.0.0/16"), (MD5, MD5, "10.0.0.0/16"), (AO, MD5, "10.1.0.0/16"), (AO, "", "10.0.0.0/16")],
)
def test_ranges_of_the_same_kind_or_elsewhere_are_no_fault(inner: str, outer: str, prefix: str) -> None:
    assert resolve(parse(overlapping(inner, outer, prefix), "")).ranges
