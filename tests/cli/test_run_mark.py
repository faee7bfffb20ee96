"""How a start knows that it is a restart."""

import os
from pathlib import Path

import pytest

from bgpd.cli.run_mark import RunMark


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "bgpd.sock"


def test_without_a_file_it_is_a_first_start(socket: Path) -> None:
    assert RunMark(socket).former() is None


def test_the_next_run_learns_of_the_age_and_of_peers_from_ranges(socket: Path) -> None:
    mark = RunMark(socket)
    mark.alive(["10.0.0.7", "fe80::1%eth0"])
    path = socket.with_name("bgpd.sock.run")
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 100))
    former = RunMark(socket).former()
    assert former is not None
    assert former.peers == {"10.0.0.7", "fe80::1%eth0"}
    assert 99 < former.age < 110
    mark.alive(["fe80::1%eth0", "10.0.0.7"])
    again = RunMark(socket).former()
    assert again is not None
    assert again.age < 10


def test_a_run_that_gave_its_routes_up_leaves_no_mark(socket: Path) -> None:
    mark = RunMark(socket)
    mark.alive([])
    mark.remove()
    mark.remove()
    assert RunMark(socket).former() is None


@pytest.mark.parametrize("text", ["", "{", "\xff"])
def test_a_file_that_makes_no_sense_is_no_mark(socket: Path, text: str) -> None:
    socket.with_name("bgpd.sock.run").write_bytes(text.encode("latin-1"))
    assert RunMark(socket).former() is None


def test_a_directory_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    RunMark(tmp_path / "gone" / "bgpd.sock").alive(["10.0.0.7"])


def test_a_mark_that_cannot_be_removed_does_not_keep_the_daemon_from_stopping(socket: Path) -> None:
    socket.with_name("bgpd.sock.run").mkdir()
    RunMark(socket).remove()


def test_the_systemd_unit_keeps_the_mark_over_a_restart() -> None:
    unit = (Path(__file__).parents[2] / "contrib/systemd/bgpd.service").read_text().splitlines()
    assert "RuntimeDirectory=bgpd" in unit
    assert "RuntimeDirectoryPreserve=yes" in unit  # systemd empties it at each stop otherwise
