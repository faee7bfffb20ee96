"""How a start knows what an operator had taken out."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bgpd.cli.drain_mark import DrainMark
from bgpd.speaker.draining import NOTHING, TakenOut


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "bgpd.sock"


@pytest.mark.parametrize("taken_out", [TakenOut(node=True), TakenOut(peers=frozenset({"tor-r2", "10.0.0.7"}))])
def test_the_next_run_learns_what_is_drained_until_it_is_brought_back(socket: Path, taken_out: TakenOut) -> None:
    assert DrainMark(socket).read() == NOTHING
    mark = DrainMark(socket)
    mark.keep(taken_out)
    assert DrainMark(socket).read() == taken_out
    mark.keep(NOTHING)
    assert DrainMark(socket).read() == NOTHING
    assert list(socket.parent.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "\xff", "[]", '{"node": "yes"}'])
def test_a_file_that_makes_no_sense_takes_nothing_out(socket: Path, text: str) -> None:
    socket.with_name("bgpd.sock.drained").write_bytes(text.encode("latin-1"))
    assert DrainMark(socket).read() == NOTHING


def test_a_directory_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    DrainMark(tmp_path / "gone" / "bgpd.sock").keep(TakenOut(node=True))


def test_each_time_that_it_cannot_be_written_is_told_once_and_which_file(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    mark = DrainMark(directory / "bgpd.sock")
    with capture_logs() as lines:
        mark.keep(TakenOut(node=True))
        mark.keep(TakenOut(node=True))
        directory.mkdir()
        mark.keep(TakenOut(node=True))
        (directory / "bgpd.sock.drained").unlink()
        directory.rmdir()
        mark.keep(TakenOut(peers=frozenset({"a"})))
    assert [line["file"] for line in lines] == [str(directory / "bgpd.sock.drained")] * 2
