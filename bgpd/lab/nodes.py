"""A host of the lab: its namespace, its containers, and the bgpd that runs in it.

Files of a host, in its directory: bgpd.toml, bgpd.sock (the API) and bgpd.log (what the daemon printed). The kernel
kills the daemon if the lab's process dies.
"""

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

import msgspec

from bgpd.api.rows import PeerList, PeerRow, RouteList, RouteRow
from bgpd.lab.configuration import TomlValue, configuration, dump, merge
from bgpd.lab.echo import Endpoint
from bgpd.lab.namespaces import Namespace
from bgpd.lab.options import LabError
from bgpd.lab.processes import become_dependent, signals_held
from bgpd.lab.topology import ContainerPlan, HostPlan, plan_container
from bgpd.lab.wiring import container_route_lines, wire_container
from bgpd.records import dataclass

_API: Final = "/api/v1"
_STOP_PATIENCE: Final = 5.0  # seconds from SIGTERM to SIGKILL
_REQUEST_PATIENCE: Final = 5.0  # seconds


class KernelRoute(msgspec.Struct, frozen=True):
    """A route as ``ip -json route`` shows it, as far as we print it."""

    dst: str
    gateway: str = ""
    dev: str = ""
    protocol: str = ""


@dataclass(slots=True)
class Container:
    """A container that is up."""

    plan: ContainerPlan
    namespace: Namespace

    @property
    def endpoint(self) -> Endpoint:
        """Return where pings start and end."""
        return Endpoint(self.plan, self.namespace)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_REQUEST_PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the path instead of to the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_REQUEST_PATIENCE)
        self.sock.connect(str(self._path))


class Node:
    """A host that runs bgpd; it starts without one and without containers."""

    def __init__(self, plan: HostPlan, namespace: Namespace, directory: Path, log_level: str) -> None:
        self.plan = plan
        self.namespace = namespace
        self.directory = directory
        self.containers: dict[int, Container] = {}
        self.started_at = 0.0  # monotonic seconds, of the last start
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)
        self._config = configuration(plan, str(self.socket), log_level)
        self._write_config()

    @property
    def name(self) -> str:
        """Return the host's name in the topology."""
        return self.plan.name

    @property
    def socket(self) -> Path:
        """Return the path of the daemon's API."""
        return self.directory / "bgpd.sock"

    @property
    def config_file(self) -> Path:
        """Return the path of the daemon's configuration."""
        return self.directory / "bgpd.toml"

    @property
    def log_file(self) -> Path:
        """Return the path of what the daemon printed."""
        return self.directory / "bgpd.log"

    @property
    def pid(self) -> int | None:
        """Return the daemon's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def configure(self, override: Mapping[str, TomlValue]) -> None:
        """Change the configuration file; the daemon sees it when it starts or reloads."""
        self._config = merge(self._config, override)
        self._write_config()

    def _write_config(self) -> None:
        self.config_file.write_text(dump(self._config))

    def start(self) -> None:
        """Start the daemon; it is not awaited."""
        if self.pid is not None:
            raise LabError(f"{self.name}: bgpd runs already, pid {self.pid}")
        # An interruption between the fork and the assignment would leave a daemon that nobody stops.
        with self.log_file.open("ab") as log, self.namespace.entered(), signals_held():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bgpd", "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the lab's to answer
                preexec_fn=become_dependent,  # noqa: PLW1509 - two system calls, no lock taken
            )
        self.started_at = time.monotonic()

    def kill(self) -> None:
        """End the daemon as a crash would."""
        self.signal(signal.SIGKILL)
        self.wait_stopped()

    def stop(self) -> int:
        """End the daemon politely; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_stopped()

    def signal(self, number: int) -> None:
        """Send the daemon a signal if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait_stopped(self) -> int:
        """Return the daemon's exit status; it is killed if it does not end in time."""
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            return process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def check_running(self) -> None:
        """Raise LabError with the end of the log if the daemon was started and has ended."""
        if self._process is None or self._process.poll() is None:
            return
        raise LabError(f"{self.name}: bgpd ended with status {self._process.returncode}; its log ends:\n{self.log()}")

    def log(self, lines: int = 15) -> str:
        """Return the last lines that the daemon printed."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def is_answering(self) -> bool:
        """Return whether the daemon's API takes connections: it has started."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def get(self, path: str) -> bytes:
        """Return the body of an API answer, path below /api/v1. Raises LabError."""
        connection = _UnixConnection(self.socket)
        try:
            connection.request("GET", _API + path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{self.name}: no answer from the API on {self.socket}: {error}") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise LabError(f"{self.name}: GET {path}: {answer.status} {answer.reason}: {body.decode(errors='replace')}")
        return body

    def peers(self) -> tuple[PeerRow, ...]:
        """Return the daemon's sessions."""
        return msgspec.json.decode(self.get("/peers"), type=PeerList).rows

    def routes(self) -> tuple[RouteRow, ...]:
        """Return every path in the daemon's Loc-RIB."""
        return msgspec.json.decode(self.get("/routes?limit=0"), type=RouteList).rows

    def bgpctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run bgpctl against this daemon."""
        command = [sys.executable, "-m", "bgpd.cli.ctl", "--socket", str(self.socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def kernel_routes(self, protocol: str = "all") -> list[KernelRoute]:
        """Return the main tables' routes of one protocol, IPv4 then IPv6."""
        found: list[KernelRoute] = []
        for version in ("-4", "-6"):
            text = self.namespace.ip("-json", version, "route", "show", "proto", protocol)
            found += msgspec.json.decode(text or "[]", type=list[KernelRoute])
        return found

    def kernel_prefixes(self) -> set[str]:
        """Return the prefixes of the kernel's routes that are not on a local device alone; cheap enough to poll."""
        with self.namespace.entered():
            ipv4 = Path("/proc/thread-self/net/route").read_text()
            ipv6 = Path("/proc/thread-self/net/ipv6_route").read_text()
        return _proc_prefixes_v4(ipv4) | _proc_prefixes_v6(ipv6)

    def add_container(self, number: int) -> Container:
        """Add a container with its routes; a number beyond those of the plan is fine."""
        plan = plan_container(self.plan.number, number)
        container = Container(plan, Namespace(plan.name))
        self.containers[number] = container
        wire_container(plan, self.namespace, container.namespace)
        self.add_container_route(number)
        return container

    def add_container_route(self, number: int) -> None:
        """Write the host routes of a container, as Felix does."""
        self.namespace.ip_batch(container_route_lines(self.containers[number].plan, "add"))

    def remove_container_route(self, number: int) -> None:
        """Delete the host routes of a container."""
        self.namespace.ip_batch(container_route_lines(self.containers[number].plan, "del"))

    def close(self) -> None:
        """Let the namespaces go; the daemon must have ended."""
        for container in self.containers.values():
            container.namespace.close()
        self.containers.clear()
        self.namespace.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def _proc_prefixes_v4(text: str) -> set[str]:
    """Return the prefixes of routes with a gateway in /proc/net/route: host-order words in hexadecimal."""
    prefixes = set()
    for line in text.splitlines()[1:]:
        _, destination, gateway, _, _, _, _, mask, *_ = line.split()
        if int(gateway, 16):
            address = IPv4Address(int(destination, 16).to_bytes(4, sys.byteorder))
            prefixes.add(f"{address}/{int(mask, 16).bit_count()}")
    return prefixes


def _proc_prefixes_v6(text: str) -> set[str]:
    """Return the prefixes of routes with a gateway in /proc/net/ipv6_route: octets in hexadecimal."""
    prefixes = set()
    for line in text.splitlines():
        destination, length, _, _, gateway, *_ = line.split()
        if int(gateway, 16):
            prefixes.add(f"{IPv6Address(bytes.fromhex(destination))}/{int(length, 16)}")
    return prefixes
