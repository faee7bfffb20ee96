"""What an operator gets who has not given bgpd what it needs: privileges, an interface, an address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE, Daemon, configuration, free_port, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges away")


@needs_root
@pytest.mark.netns
def test_without_permission_for_netlink_it_says_what_is_needed(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    text = configuration(1, tmp_path, free_port()).replace(
        "enabled = false", "enabled = true\ntable = 7777\nlearn = []"
    )
    config.write_text(text)
    command = [
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-all",
        sys.executable,
        "-m",
        "bgpd",
        "-c",
        str(config),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 1
    assert "CAP_NET_ADMIN is needed" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "n1.sock").exists()


def test_an_unknown_interface_is_named_and_the_rest_works(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    peer = '[[peer]]\nname = "link"\naddress = "fe80::1%nosuch0"\nasn = "internal"\n'
    config.write_text(configuration(1, tmp_path, free_port(), extra=peer))
    daemon = Daemon(config, tmp_path / "n1.sock")
    try:
        until(daemon.answers, "the API")
        until(lambda: "No interface nosuch0" in daemon.ctl("peer", "link").stdout, "the reason")
        status, logged = daemon.end()
    finally:
        daemon.close()
    assert status == 0
    assert "Traceback" not in logged


def test_an_address_of_nobody_is_an_error_with_a_hint(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, free_port()).replace('["127.0.0.1"]', '["203.0.113.9"]'))
    command = [sys.executable, "-m", "bgpd", "-c", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 1
    assert "cannot listen on 203.0.113.9" in ended.stderr
    assert "no interface of this host has that address" in ended.stderr
    assert "Traceback" not in ended.stderr
