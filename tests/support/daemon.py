"""bgpd as a process: configurations that two of them can peer with on one machine, start, wait, ask, stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bgpd.api.rows import PeerDetail, PeerList, RouteRow, StatusRow
from bgpd.cli.client import Client, Unreachable

PATIENCE = 15.0  # seconds: far more than anything takes; a test that waits so long has failed


def free_port() -> int:
    """Return a TCP port that is free on all addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        number: int = probe.getsockname()[1]
        return number


def configuration(number: int, directory: Path, port: int, *, extra: str = "", peer: str = "") -> str:
    """Return the bgp.toml of daemon 1 or 2 of a pair on 127.0.0.1 and 127.0.0.2; extra: tables behind it."""
    other = 3 - number
    return f"""
[node]
name = "n{number}"
asn = 64512
addresses = ["192.0.2.{number}/24"]
listen = ["127.0.0.{number}"]
port = {port}
[session]
idle_hold = {{ first = 1, max = 1 }}
connect_retry_time = 1
[kernel]
enabled = false
[http]
listen = ""
[control]
socket = "{directory}/n{number}.sock"
[[peer]]
name = "n{other}"
address = "127.0.0.{other}"
local_address = "127.0.0.{number}"
port = {port}
asn = "internal"
export = ["hop"]
passive = {"true" if number == 2 else "false"}
{peer}
[[policy]]
name = "hop"
rules = [ {{ set_next_hop = "192.0.2.{number}", action = "next" }} ]
[[network]]
prefix = "10.65.{number}.0/24"
{extra}
"""


class Daemon:
    """One bgpd. code: Python that runs it, in place of ``-m bgpd``."""

    def __init__(
        self,
        config: Path,
        control: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        code: str = "",
    ) -> None:
        self.control = control
        self._client = Client(control)
        self.process = subprocess.Popen(
            [sys.executable, *(("-c", code) if code else ("-m", "bgpd")), "--config", str(config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what bgpctl says to these words."""
        command = [sys.executable, "-m", "bgpd.cli.ctl", "--socket", str(self.control), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)

    def answers(self) -> bool:
        """Is it there?"""
        try:
            self.status()
        except Unreachable:
            return False
        return True

    def status(self) -> StatusRow:
        """Return the daemon at a glance."""
        return self._client.get("status", StatusRow)

    def peer(self) -> PeerDetail:
        """Return all about its only peer."""
        (row,) = self._client.get("peers", PeerList).rows
        return self._client.get(f"peers/{row.name}", PeerDetail)

    def routes(self, what: str = "routes", **query: str) -> list[RouteRow]:
        """Return a table of routes."""
        return [msgspec.json.decode(line, type=RouteRow) for line in self._client.listing(what, query)]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it by a signal; return its exit status and what it logged."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Return the exit status of a daemon that ends by itself, and what it logged."""
        try:
            _, logged = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, logged

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.05)
