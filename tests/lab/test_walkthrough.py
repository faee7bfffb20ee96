"""The walk-through of docs/, run as by ``make demo-etcd``; and that a run tells what differs and leaves nothing."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bgpd.lab.namespaces import have_privileges
from bgpd.lab.page import Step, parse
from tests.support.netns import Namespace

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
]

WALKTHROUGH = Path(__file__).parents[2] / "docs" / "walkthrough.md"
PATIENCE = 60.0  # seconds
WHOLE_PAGE = 300.0
PR_CAPBSET_DROP = 24
CAP_SYS_ADMIN = 21


class Walk:
    """Runs of pages with their files in one place, which commands have as TMPDIR, so that they are known by it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.page = place / "page.md"
        self.files = place / "files"
        self.files.mkdir()

    def start(
        self, page: Path | str, *words: str, rootless: bool = False, **environment: str
    ) -> "subprocess.Popen[str]":
        """Start a run of a page, given by its path or its text."""
        if isinstance(page, str):
            self.page.write_text(page)
            page = self.page
        return subprocess.Popen(
            [sys.executable, "-m", "bgpd", "lab", "--walkthrough", str(page), *words],
            env={**os.environ, "TMPDIR": str(self.files), "ETCD_ENDPOINTS": "http://192.0.2.1:1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_become_ordinary if rootless else None,  # noqa: PLW1509 - one system call
        )

    def run(self, page: Path | str, *words: str, patience: float = PATIENCE, **environment: str) -> tuple[int, str]:
        """Return exit status and output of a whole run."""
        process = self.start(page, *words, **environment)
        try:
            text, _ = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, text

    def left(self) -> list[str]:
        """Return the files and processes that there are."""
        mark = f"TMPDIR={self.files}\0".encode()
        found = [str(path) for path in self.files.iterdir()]
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it ended meanwhile
        return found


def _become_ordinary() -> None:
    """Give up CAP_SYS_ADMIN for good, so that only a user namespace helps."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)


@pytest.fixture
def walk() -> Iterator[Walk]:
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        yield Walk(Path(directory))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def has_ipip() -> bool:
    """Has this kernel tunnels of its own?"""
    with Namespace("ipip") as probe:
        try:
            probe.ip("link add t type ipip local 192.0.2.1")
        except RuntimeError:
            return False
        return True


def test_the_page_is_what_happens(walk: Walk) -> None:
    status, text = walk.run(WALKTHROUGH, patience=WHOLE_PAGE)
    assert status == 0, text
    steps = [item for item in parse(WALKTHROUGH.read_text()) if isinstance(item, Step)]
    assert len(steps) > 40
    assert f"{len(steps)} commands did what {WALKTHROUGH} says" in text
    assert ("STAND-IN" in text) is not has_ipip()
    assert walk.left() == []


def test_it_runs_without_privileges_where_the_kernel_allows_user_namespaces(walk: Walk) -> None:
    if not Path("/proc/sys/user/max_user_namespaces").read_text().strip("0\n"):
        pytest.skip("this kernel allows no user namespaces")
    page = (
        "```console eventually\nnode1# ip netns add c && ip netns list\nc\n"
        "node1# ping -qc 1 -W 2 172.30.0.20 | grep transmitted\n"
        "1 packets transmitted, 1 received, 0% packet loss, time 0ms\n```\n"
    )
    process = walk.start(page, rootless=True)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert walk.left() == []


def test_hosts_have_names_and_a_run_of_their_own_and_keep_what_is_exported(walk: Walk) -> None:
    mark = f"bgpd-walk-{os.getpid()}"
    page = (
        "```sh hello\n#!/bin/sh\necho hello $1\n```\n"
        f"```console\nnode1# touch /run/{mark} && ls /run && export X=1\n{mark}\n"
        "node1# uname -n; echo $X $ETCD_ENDPOINTS\nnode1\n1\n"
        "node2# ls /run; hello $(uname -n)\nhello node2\n"
        "node2# cat\n"
        "etcd# test $(ls -d /proc/[0-9]* | wc -l) -lt 20 && echo only ours\nonly ours\n```\n"
    )
    status, text = walk.run(page)
    assert status == 0, text
    assert not Path("/run", mark).exists()
    assert walk.left() == []


def test_another_output_ends_the_run_and_what_the_page_has_is_shown(walk: Walk) -> None:
    status, text = walk.run("# x\n```console\nnode1# echo yes\nno\nnode1# echo never\n```\n")
    assert status == 1
    assert "node1# echo yes\nyes\n" in text
    assert "page.md:3: node1# echo yes: printed something else than the page has:\n  no\n" in text
    assert "never" not in text
    assert walk.left() == []


def test_a_command_that_fails_ends_the_run_though_it_prints_what_it_should(walk: Walk) -> None:
    status, text = walk.run("```console\nnode1# echo yes; false\nyes\n```\n")
    assert status == 1
    assert "node1# echo yes; false: exit status 1" in text
    assert walk.left() == []


def test_a_shell_that_ends_is_told(walk: Walk) -> None:
    status, text = walk.run("```console\nnode1# exit 0\n```\n")
    assert status == 1
    assert "node1# exit 0: the shell has ended" in text


def test_what_takes_a_moment_is_tried_again(walk: Walk) -> None:
    page = "```console eventually\nnode1# echo >> x; wc -l < x\n3\n```\n"
    status, text = walk.run(page)
    assert status == 0, text
    assert text.count("echo >> x") == 1


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("```console\nnode9# true\n```\n", "line 2: there is no host node9, only etcd, node1"),
        ("```console\ntrue\n```\n", "line 2: expected a prompt"),
        (Path("/nonexistent/page.md"), "there is no page /nonexistent/page.md"),
    ],
)
def test_a_page_that_cannot_be_run_is_told(walk: Walk, page: Path | str, why: str) -> None:
    status, text = walk.run(page)
    assert (status, why in text) == (1, True), text
    assert walk.left() == []


def test_a_page_gets_what_its_commands_print(walk: Walk) -> None:
    page = "```console\nnode1# echo yes\nno\nnode1# uname -n\n```\n"
    status, text = walk.run(page, "--record")
    assert status == 0, text
    assert walk.page.read_text() == page.replace("no\n", "yes\n", 1).replace("uname -n\n", "uname -n\nnode1\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_along_what_was_left_in_the_background(walk: Walk, number: signal.Signals) -> None:
    process = walk.start(LONG)
    until(lambda: _sleeping(walk) == 2, "both commands")
    os.killpg(process.pid, number)  # as a terminal does
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, text
    assert f"{number.name}, all taken down" in text
    assert walk.left() == []


def test_an_output_that_nobody_reads_ends_the_run(walk: Walk) -> None:
    process = walk.start(
        "```console\nnode1# setsid sleep 1234 >/dev/null 2>&1 &\nnode1# sleep 1; uname -n\nnode1\n```\n"
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(PATIENCE) != 0
    assert walk.left() == []


def test_nothing_outlives_a_run_that_was_killed_and_the_next_one_clears_its_files(walk: Walk) -> None:
    process = walk.start(LONG)
    until(lambda: _sleeping(walk) == 2, "both commands")
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: len(walk.left()) == 1, "the end of the processes")
    assert walk.run("# nothing to do\n")[0] == 0
    assert walk.left() == []


LONG = "```console\nnode1# setsid sleep 1234 >/dev/null 2>&1 &\nnode1# sleep 1234\n```\n"


def _sleeping(walk: Walk) -> int:
    return sum("sleep 1234" in one for one in walk.left())
