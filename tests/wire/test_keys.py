"""Signed sessions with a real kernel: what is held down, what a reload restarts, what a wrong signature looks like."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bgpd.addresses import parse_address
from bgpd.cli.client import Refusal
from bgpd.session.settings import AoAlgorithm, AoKey
from bgpd.session.sockets import TcpNetwork, sign
from tests.support.daemon import until
from tests.support.speakers import settings
from tests.support.wire_daemon import ADDRESS, Remote, WireDaemon
from tests.support.wire_peer import KEEPALIVE, OPEN, WirePeer, message

PLAIN = Remote(2, 65002)
SIGNED = Remote(3, 65003, 'password_file = "secret"')
OTHER = Remote(4, 65004, 'password = "other"')
AO = Remote(5, 65005, 'tcp_ao = { keys = [{ send_id = 1, recv_id = 2, key = "k" }] }')
MISSING = Remote(6, 65006, 'password_file = "nowhere"')
PEERS = (PLAIN, SIGNED, OTHER, AO, MISSING)
TABLES = '[[peer_range]]\nprefix = "127.9.0.0/16"\nasn = "external"\npassword = "range"\n'


@pytest.fixture(autouse=True)
def daemon(tmp_path: Path) -> Iterator[WireDaemon]:
    """A daemon of its own for each test, since they change its files."""
    (tmp_path / "secret").write_text("first\n")
    with WireDaemon(tmp_path, PEERS, "", TABLES) as made:
        yield made


def signed(daemon: WireDaemon, address: str, asn: int, password: str) -> WirePeer:
    """Return an established session on a connection with a TCP-MD5 key."""
    opened = socket.socket()
    opened.settimeout(3)
    sign(opened, parse_address(ADDRESS), 32, password)
    opened.bind((address, 0))
    try:
        opened.connect((ADDRESS, daemon.port))
    except BaseException:
        opened.close()
        raise
    peer = WirePeer.on(opened, asn, address)
    peer.send(peer.opening)
    peer.expect(OPEN)
    peer.send(message(KEEPALIVE))
    peer.expect(KEEPALIVE)
    return peer


def flaps(daemon: WireDaemon) -> list[int]:
    return [daemon.peer(remote).flaps for remote in PEERS]


@pytest.mark.rfc("2385", "4.5")
def test_password_in_a_changed_file_restarts_that_session_alone(daemon: WireDaemon) -> None:
    with (
        daemon.session(PLAIN) as plain,
        signed(daemon, OTHER.address, OTHER.asn, "other") as other,
        closing(signed(daemon, SIGNED.address, SIGNED.asn, "first").socket),
    ):
        (daemon.directory / "secret").write_text("second\n")
        daemon.reload("", "")
        until(lambda: daemon.peer(SIGNED).flaps == 1, "the session ends")
        with pytest.raises(TimeoutError):
            signed(daemon, SIGNED.address, SIGNED.asn, "first")
        with signed(daemon, SIGNED.address, SIGNED.asn, "second") as again:
            again.sync()
        plain.sync()
        other.sync()
        assert flaps(daemon)[0] == flaps(daemon)[2] == 0


def test_range_has_a_password_for_all(daemon: WireDaemon) -> None:
    with signed(daemon, "127.9.1.1", 65100, "range") as one, signed(daemon, "127.9.200.7", 65101, "range") as two:
        one.sync()
        two.sync()
    with pytest.raises(TimeoutError):
        signed(daemon, "127.9.1.2", 65102, "other")


def test_session_without_its_password_is_held_down_until_the_file_is_there(daemon: WireDaemon) -> None:
    assert daemon.peer(MISSING).held_down.endswith("nowhere: No such file or directory")
    with daemon.connect(MISSING) as peer:
        assert peer.ending() == (6, 5, b"")
    (daemon.directory / "nowhere").write_text("found\n")
    daemon.reload("", "")
    with signed(daemon, MISSING.address, MISSING.asn, "found") as peer:
        peer.sync()


@pytest.mark.rfc("5925", "7.1")
def test_session_that_the_kernel_cannot_sign_is_held_down_and_the_others_run(daemon: WireDaemon) -> None:
    key = AoKey(1, 2, AoAlgorithm.HMAC_SHA1_96, "k")
    why = TcpNetwork().refusal(settings("127.0.0.5", ao_keys=(key,)))
    detail = daemon.peer(AO)
    assert detail.held_down == why
    assert detail.settings["authentication"] == "TCP-AO, hmac-sha1-96, key 1/2"
    if why:  # a kernel without TCP-AO lets anybody connect, so it is up to us
        with daemon.connect(AO) as peer:
            assert peer.ending() == (6, 5, b"")
        held = [json.loads(line) for line in daemon.logged.splitlines() if "session held down" in line]
        assert [line["reason"] for line in held if line["peer"] == AO.address] == [why]
    with daemon.session(PLAIN) as plain:
        plain.sync()


def test_passive_session_says_that_signatures_are_wrong(daemon: WireDaemon) -> None:
    with pytest.raises(TimeoutError):
        signed(daemon, OTHER.address, OTHER.asn, "wrong")
    until(lambda: "wrong or no signature" in daemon.peer(OTHER).row.last_error, "it says so")


def test_ao_peer_inside_a_range_with_a_password_is_refused_with_words(daemon: WireDaemon) -> None:
    inside = Remote(7, 65007, AO.options).table.replace("127.0.0.7", "127.9.0.7")
    wanted = "expected a TCP-MD5 password, as peer_range[0] has for all of 127.9.0.0/16, 127.9.0.7 too"
    with daemon.session(PLAIN) as plain:
        with pytest.raises(Refusal) as refused:
            daemon.reload("[[peer_range]]", f"{inside}[[peer_range]]")
        assert wanted in str(refused.value)
        command = [sys.executable, "-m", "bgpd", "--check", "--config", str(daemon.directory / "bgp.toml")]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 2
        assert wanted in checked.stderr
        started = subprocess.run([*command[:3], *command[4:]], capture_output=True, text=True, check=False)
        assert started.returncode == 2
        assert wanted in started.stderr
        plain.sync()  # the daemon goes on with what it had
