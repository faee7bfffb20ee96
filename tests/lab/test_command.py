"""``bgpd lab`` as a person runs it: what it prints, its exit status, and that nothing of it stays behind."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bgpd.lab.namespaces import have_privileges

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
]

PR_CAPBSET_DROP = 24
CAP_SYS_ADMIN = 21
PATIENCE = 30.0  # seconds

COMMAND = [sys.executable, "-m", "bgpd", "lab", "--nodes", "2", "--containers", "1"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path for the lab's files: a Unix socket's path has at most 107 octets."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        yield Path(directory)


def _start(place: Path, *words: str, rootless: bool = False) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *words],
        env={**os.environ, "TMPDIR": str(place), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_become_ordinary if rootless else None,  # noqa: PLW1509 - one system call
    )


def _become_ordinary() -> None:
    """Give up CAP_SYS_ADMIN for good, so that only a user namespace helps."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)


def _daemons(place: Path) -> list[int]:
    """Return the processes that were started with a file below this place."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"--config\0{place}/".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_it_shows_sessions_routes_and_pings_and_leaves_nothing(place: Path) -> None:
    process = _start(place)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert text.count(" Established ") == 4
    assert re.search(r"node1 +10\.65\.2\.1 +172\.30\.0\.18 +eth0", text)
    assert re.search(r"node2 +fd65::1:1 +fd30::11 +eth0", text)
    assert "4 of 4 pings passed" in text
    assert list(place.iterdir()) == []
    assert _daemons(place) == []


def test_it_runs_without_privileges_where_the_kernel_allows_user_namespaces(place: Path) -> None:
    if not Path("/proc/sys/user/max_user_namespaces").read_text().strip("0\n"):
        pytest.skip("this kernel allows no user namespaces")
    process = _start(place, rootless=True)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert "4 of 4 pings passed" in text
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_everything_down(place: Path, number: signal.Signals) -> None:
    process = _start(place)
    _wait_for(lambda: len(_daemons(place)) == 2)
    process.send_signal(number)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert f"{number.name}, all taken down" in text
    assert _daemons(place) == []
    assert list(place.iterdir()) == []


def test_no_daemon_outlives_a_lab_that_was_killed_and_the_next_lab_clears_its_files(place: Path) -> None:
    process = _start(place)
    _wait_for(lambda: len(_daemons(place)) == 2)
    process.kill()
    process.communicate(timeout=PATIENCE)
    _wait_for(lambda: not _daemons(place))
    assert len(list(place.iterdir())) == 1
    process = _start(place)
    process.communicate(timeout=PATIENCE)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("rootless", [False, True], ids=["root", "rootless"])
def test_a_kept_lab_stays_until_it_is_taken_down(place: Path, rootless: bool) -> None:
    process = _start(place, "--keep", rootless=rootless)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert len(_daemons(place)) == 2
    name = re.search(r"bgpd lab --down (\w+)", text)
    enter = re.search(r"a shell on a node: +(nsenter.*)", text)
    assert name is not None
    assert enter is not None
    inside = subprocess.run(
        [*enter[1].split(), "ip", "address", "show", "dev", "eth0"], capture_output=True, text=True, check=False
    )
    assert "172.30.0.17/16" in inside.stdout, inside.stderr
    down = _start(place, "--down", name[1])
    text, _ = down.communicate(timeout=PATIENCE)
    assert down.returncode == 0, text
    assert _daemons(place) == []
    assert list(place.iterdir()) == []


def test_a_lab_that_does_not_exist_cannot_be_taken_down(place: Path) -> None:
    process = _start(place, "--down", "abcdef")
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "there is no lab 'abcdef' of yours" in text


def test_impossible_options_are_explained(place: Path) -> None:
    process = _start(place, "--reflectors", "1", "--as")
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert text == "bgpd lab: --reflectors reflect within one AS; leave out --as\n"
