"""Passwords in files by name and key."""

from pathlib import Path

import pytest
import structlog

from bgpd.datastore.secret_files import SecretFiles


def write(directory: Path, name: str, key: str, text: str, mode: int = 0o600) -> None:
    (directory / name).mkdir(exist_ok=True)
    file = directory / name / key
    file.write_text(text)
    file.chmod(mode)


def test_a_secret_is_the_file_of_its_name_and_key(tmp_path: Path) -> None:
    write(tmp_path, "bgp-secrets", "tor", "sesame\n")
    assert SecretFiles(str(tmp_path)).lookup("bgp-secrets", "tor") == "sesame"


def test_a_secret_is_read_again_only_when_told(tmp_path: Path) -> None:
    secrets = SecretFiles(str(tmp_path))
    assert secrets.lookup("s", "k") is None
    write(tmp_path, "s", "k", "one")
    assert secrets.lookup("s", "k") is None
    secrets.forget()
    assert secrets.lookup("s", "k") == "one"


@pytest.mark.parametrize(("name", "key"), [("..", "x"), ("s", "../x"), ("", "x"), ("a/b", "x"), ("s", ".")])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "x").write_text("not for you")
    (tmp_path / "in").mkdir()
    assert SecretFiles(str(tmp_path / "in")).lookup(name, key) is None


def test_a_file_that_everybody_may_read_is_warned_of(tmp_path: Path) -> None:
    write(tmp_path, "s", "k", "one", 0o644)
    with structlog.testing.capture_logs() as logged:
        assert SecretFiles(str(tmp_path)).lookup("s", "k") == "one"
    assert [entry["hint"] for entry in logged] == [f"chmod o= {tmp_path}/s/k"]


def test_a_missing_one_is_logged_once_with_the_reason(tmp_path: Path) -> None:
    secrets = SecretFiles(str(tmp_path))
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert secrets.lookup("s", "k") is None
            secrets.forget()
    assert [entry["reason"] for entry in logged] == [f"{tmp_path}/s/k: No such file or directory"]
    with structlog.testing.capture_logs() as logged:
        assert SecretFiles("").lookup("s", "k") is None
    assert [entry["reason"] for entry in logged] == ["etcd.secrets_dir is not set"]
