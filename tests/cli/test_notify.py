"""The notification protocol of systemd, towards a socket of ours."""

import os
import socket
from pathlib import Path

import pytest

from bgpd.cli.notify import Notifier


@pytest.mark.parametrize("is_abstract", [False, True])
def test_states_arrive(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@bgpd-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        notifier.ready("up")
        notifier.reloading()
        notifier.stopping()
        heard = [manager.recv(1000).decode() for _ in range(3)]
    assert heard[0] == "READY=1\nSTATUS=up\n"
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[2] == "STOPPING=1\n"


def test_without_a_manager_nothing_happens() -> None:
    Notifier({}).ready("up")


def test_a_manager_that_does_not_listen_is_no_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("up")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 0.0),  # meant for another process
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 2.0),
    ],
)
def test_the_watchdog_interval(environment: dict[str, str], seconds: float) -> None:
    assert Notifier(environment).watchdog == seconds
