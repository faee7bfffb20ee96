"""The listening sockets: modes, stale files, and faults that an operator can mend."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from bgpd.api.sockets import FULL_MODE, READ_ONLY_MODE, ApiError, bind_tcp, bind_unix


@pytest.mark.parametrize("mode", [FULL_MODE, READ_ONLY_MODE])
def test_the_socket_has_its_mode(tmp_path: Path, mode: int) -> None:
    with bind_unix(tmp_path / "a.sock", mode):
        assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == mode


def test_the_socket_belongs_to_its_group(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid())
    with bind_unix(tmp_path / "a.sock", FULL_MODE, group.gr_name):
        assert (tmp_path / "a.sock").stat().st_gid == group.gr_gid


def test_an_unknown_group_is_an_error_and_leaves_no_socket(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="there is no group nobody-has-this"):
        bind_unix(tmp_path / "a.sock", FULL_MODE, "nobody-has-this")
    assert not (tmp_path / "a.sock").exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    bind_unix(tmp_path / "a.sock", FULL_MODE).close()
    assert (tmp_path / "a.sock").exists()
    with bind_unix(tmp_path / "a.sock", FULL_MODE) as listener:
        listener.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "a.sock"))


def test_a_live_socket_is_an_error_and_stays(tmp_path: Path) -> None:
    with bind_unix(tmp_path / "a.sock", FULL_MODE) as listener:
        listener.listen()
        with pytest.raises(ApiError, match="in use by a running bgpd"):
            bind_unix(tmp_path / "a.sock", FULL_MODE)
    assert (tmp_path / "a.sock").exists()


def test_a_missing_directory_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="No such file or directory") as caught:
        bind_unix(tmp_path / "none" / "a.sock", FULL_MODE)
    assert f"create the directory {tmp_path / 'none'}" in caught.value.hint


def test_another_file_in_its_place_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "a.sock").write_text("precious")
    with pytest.raises(ApiError, match="not a socket"):
        bind_unix(tmp_path / "a.sock", FULL_MODE)
    assert (tmp_path / "a.sock").read_text() == "precious"


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="longer than 107 octets"):
        bind_unix(tmp_path / ("a" * 120), FULL_MODE)


def test_a_tcp_port_in_use_is_an_error() -> None:
    with bind_tcp("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ApiError, match=f"HTTP on 127.0.0.1 port {port}: Address already in use"):
            bind_tcp("127.0.0.1", port)
