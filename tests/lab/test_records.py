"""Finding a running lab again, and never taking another process for it."""

import os
import tempfile
from pathlib import Path

import pytest

from bgpd.lab import LabError, records


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_directory_of_a_running_lab_survives_the_sweep() -> None:
    directory = records.create("abc")
    records.sweep()
    assert directory.is_dir()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_the_sweep_removes_what_a_dead_process_left() -> None:
    directory = records.create("abc")
    (directory / "holder").write_text("4194305 1\n")  # beyond the largest process number
    records.sweep()
    assert not directory.exists()


def test_a_process_with_the_same_number_but_another_start_is_left_alone() -> None:
    directory = records.create("abc")
    (directory / "holder").write_text(f"{os.getpid()} 1\n")
    records.take_down("abc")  # would end this very process
    assert not directory.exists()


@pytest.mark.parametrize("name", ["", "none", "../x", "a/b"])
def test_a_name_without_a_lab_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="there is no lab"):
        records.take_down(name)


def test_a_link_somebody_planted_is_not_followed(place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "holder").write_text("4194305 1\n")
    (place / "bgpd-lab-abc").symlink_to(elsewhere)
    records.sweep()
    assert elsewhere.exists()
    with pytest.raises(LabError):
        records.take_down("abc")
