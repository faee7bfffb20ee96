"""bgpd as a process without a kernel part, on loopback addresses, for tests that speak to it in octets.

The daemon is AS 65000 with the identifier 10.255.0.1 on 127.0.0.1 and a free port. Its log goes to a file, and whatever
a test did to it, it must not have a traceback in it, and must end with status 0 when it is asked to.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from bgpd.api.rows import Outcome, PeerDetail, StatusRow
from bgpd.cli.client import Client
from tests.support.daemon import PATIENCE, free_port, until
from tests.support.wire_peer import ENHANCED_REFRESH, IPV4, IPV6, REFRESH, WirePeer

ASN = 65000
IDENTIFIER = "10.255.0.1"
ADDRESS = "127.0.0.1"
ADDRESS6 = "fd00:ffff::1"


def raise_file_limit() -> None:
    """Let this process have as many descriptors as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Remote(msgspec.Struct, frozen=True):
    """A peer that the daemon is configured for; options: more lines of its table."""

    number: int  # the last octet of its address, 127.0.0.number
    asn: int
    options: str = ""

    @property
    def address(self) -> str:
        """Where it dials from."""
        return f"127.0.0.{self.number}"

    @property
    def table(self) -> str:
        """Its table in bgp.toml."""
        return f'[[peer]]\naddress = "{self.address}"\nasn = {self.asn}\npassive = true\n{self.options}\n'


def configuration(remotes: Iterable[Remote], port: int, socket_path: Path, node: str = "", tables: str = "") -> str:
    """Return a bgp.toml."""
    peers = "".join(remote.table for remote in remotes)
    return f"""
[node]
name = "dut"
asn = {ASN}
router_id = "{IDENTIFIER}"
addresses = ["{ADDRESS}/8", "{ADDRESS6}/64"]
listen = ["{ADDRESS}"]
port = {port}
{node}
[session]
hold_time = 90
families = ["ipv4-unicast", "ipv6-unicast"]
ebgp_requires_policy = false
[kernel]
enabled = false
[http]
listen = ""
[control]
socket = "{socket_path}"
[log]
level = "info"
format = "json"
{peers}
{tables}
"""


class WireDaemon:
    """One bgpd, and the peers that it is configured for."""

    def __init__(
        self,
        directory: Path,
        remotes: Iterable[Remote],
        node: str = "",
        tables: str = "",
        port: int | None = None,
        program: tuple[str, ...] = ("-m", "bgpd"),
    ) -> None:
        self.port = port or free_port()
        self.directory = directory
        self.log = directory / "bgpd.log"
        config = directory / "bgp.toml"
        control = directory / "bgpd.sock"
        config.write_text(configuration(remotes, self.port, control, node, tables))
        self._client = Client(control)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ready, self.log.open("wb") as log:
            ready.bind(str(directory / "notify"))
            ready.settimeout(0.1)
            self.process = subprocess.Popen(
                [sys.executable, *program, "--config", str(config)],
                stdout=log,
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": str(directory / "notify")},
            )
            until(lambda: self._is_ready(ready), "READY=1")

    def __enter__(self) -> "WireDaemon":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            status = self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        if kind is None:
            self.check_log()
            assert status == 0

    @property
    def logged(self) -> str:
        """What it logged so far."""
        return self.log.read_text()

    def _is_ready(self, ready: socket.socket) -> bool:
        assert self.process.poll() is None, self.logged
        with suppress(TimeoutError):
            return ready.recv(4096).startswith(b"READY=1")
        return False

    def wait_for_log(self, condition: Callable[[str], bool]) -> None:
        """Wait until the condition holds of what it logged."""
        until(lambda: condition(self.logged), "the log to say so")

    def check_log(self) -> None:
        """Fail if something went wrong that nobody foresaw."""
        logged = self.logged
        at = logged.find("Traceback")
        assert at < 0, logged[max(0, at - 500) : at + 3000]
        for line in logged.splitlines():
            assert line.startswith("{"), line

    def stop(self) -> int:
        """Ask it to end; return its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def command(self, what: str) -> Outcome:
        """Tell it to do something, by the path of its API."""
        return self._client.command(what, Outcome)

    def status(self) -> StatusRow:
        """Return the daemon at a glance."""
        return self._client.get("status", StatusRow)

    def peer(self, remote: Remote) -> PeerDetail:
        """Return all about a peer."""
        return self._client.get(f"peers/{remote.address}", PeerDetail)

    @property
    def descriptors(self) -> int:
        """How many files and connections it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def reload(self, replaced: str, by: str) -> None:
        """Change its file, tell it, and wait until it has read the file."""
        path = self.directory / "bgp.toml"
        text = path.read_text()
        assert replaced in text
        path.write_text(text.replace(replaced, by))
        self.command("reload")

    @property
    def memory(self) -> int:
        """Octets of its resident memory."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024

    @property
    def processor_time(self) -> float:
        """Seconds that it ran so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(
        self,
        remote: Remote,
        *,
        hold_time: int = 90,
        families: tuple[tuple[int, int], ...] = (IPV4, IPV6),
        capabilities: bytes = REFRESH + ENHANCED_REFRESH,
        has_four_octet_as: bool = True,
        receive_buffer: int = 0,
        with_path_ids: tuple[tuple[int, int], ...] = (),
    ) -> WirePeer:
        """Return a TCP connection from this peer; nothing was said on it yet."""
        return WirePeer(
            remote.address,
            (ADDRESS, self.port),
            remote.asn,
            f"10.0.0.{remote.number}",
            hold_time,
            families,
            capabilities,
            has_four_octet_as,
            receive_buffer,
            with_path_ids,
        )

    def session(self, remote: Remote, **options: object) -> WirePeer:
        """Return an established session; it has read the daemon's initial routes."""
        peer = self.connect(remote, **options)  # type: ignore[arg-type]  # the options are connect's own
        try:
            return peer.establish()
        except BaseException:
            peer.socket.close()
            raise
