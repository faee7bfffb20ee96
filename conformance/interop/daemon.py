"""Our own daemon as a child process in a namespace, asked through its API."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bgpd.api.rows import Explanation, Outcome, PeerDetail, PeerList, PeerRow, RouteRow
from bgpd.cli.client import Client, Unreachable, segment
from conformance.interop.process import Process
from conformance.interop.waiting import NotYet, eventually
from tests.support.netns import Namespace

PROTOCOL: Final = 186  # that marks our routes in the kernel
_PATIENCE: Final = 10.0  # seconds


class KernelHop(msgspec.Struct, frozen=True):
    """One of several ways of a route."""

    gateway: str = ""
    dev: str = ""


class KernelRoute(msgspec.Struct, frozen=True):
    """A route as ``ip -json route`` shows it. via: a gateway of the other family."""

    dst: str
    gateway: str = ""
    via: dict[str, str] = {}
    dev: str = ""
    type: str = "unicast"
    nexthops: tuple["KernelHop", ...] = ()

    @property
    def way(self) -> str:
        """Return the gateway, of whichever family."""
        return self.gateway or self.via.get("host", "")

    @property
    def ways(self) -> set[str]:
        """Return the gateways of all ways."""
        return {hop.gateway for hop in self.nexthops} or {self.way}


class _LogLine(msgspec.Struct, frozen=True):
    """What we read of a line of the log."""

    event: str
    peer: str = ""
    reason: str = ""


class Daemon:
    """One bgpd. Its files are in a directory of its own: bgp.toml, bgpd.sock, bgpd.log."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.namespace = namespace
        self.log = directory / "bgpd.log"
        self._config = directory / "bgp.toml"
        self._socket = directory / "bgpd.sock"
        self._process = Process(namespace, self.log)

    def configure(self, text: str) -> None:
        """Write the configuration; a running daemon is not told."""
        self._config.write_text(f'{text}\n[http]\nlisten = ""\n[control]\nsocket = "{self._socket}"\n')

    def start(self) -> None:
        """Start the daemon and wait until its API answers."""
        self._process.start(sys.executable, "-m", "bgpd", "--config", str(self._config))
        eventually("bgpd answers", self._is_up)

    def kill(self) -> None:
        """End the daemon as a crash would."""
        self._process.kill()

    def stop(self) -> None:
        """End the daemon; by force if it does not go."""
        self._process.stop()

    def hang_up(self) -> None:
        """Have the daemon read its configuration again, by SIGHUP."""
        self._process.signal(signal.SIGHUP)

    def faults(self) -> list[str]:
        """Return what the daemon logged of faults of its own."""
        return [line for line in self.log.read_text().splitlines() if '"exception"' in line or "Traceback" in line]

    def endings(self, name: str) -> list[str]:
        """Return the reasons for which sessions with a peer ended, from the log, oldest first."""
        lines = [
            msgspec.json.decode(line, type=_LogLine) for line in self.log.read_text().splitlines() if '"peer"' in line
        ]
        return [line.reason for line in lines if (line.peer, line.event) == (name, "session ended")]

    def peers(self) -> dict[str, PeerRow]:
        """Return a row for each peer."""
        return {row.name: row for row in self._client.get("peers", PeerList).rows}

    def peer(self, name: str) -> PeerDetail:
        """Return all about one peer."""
        return self._client.get(f"peers/{segment(name)}", PeerDetail)

    def messages(self, name: str, kind: str) -> tuple[int, int]:
        """Return how many messages of a type came from and went to a peer."""
        for count in self.peer(name).messages:
            if count.type == kind:
                return count.received, count.sent
        raise AssertionError(f"bgpd counts no messages of type {kind}")

    def routes(self, prefix: str = "") -> list[RouteRow]:
        """Return the Loc-RIB, or its paths of one prefix."""
        return self._rows("routes", prefix)

    def routes_in(self, name: str, prefix: str = "") -> list[RouteRow]:
        """Return what a peer announced."""
        return self._rows(f"peers/{segment(name)}/routes/in", prefix)

    def routes_out(self, name: str, prefix: str = "") -> list[RouteRow]:
        """Return what a peer is told."""
        return self._rows(f"peers/{segment(name)}/routes/out", prefix)

    def route_in(self, name: str, prefix: str) -> RouteRow:
        """Return one route that a peer announced. Raises NotYet if it has not."""
        found = self.routes_in(name, prefix)
        if not found:
            raise NotYet(f"{name} has not announced {prefix}")
        return found[0]

    def explain(self, prefix: str) -> Explanation:
        """Return why a prefix is where it is."""
        return self._client.get("explain", Explanation, {"prefix": prefix})

    def reset(self, name: str) -> Outcome:
        """Close a session, which comes back."""
        return self._client.command(f"peers/{segment(name)}/reset", Outcome)

    def disable(self, name: str) -> Outcome:
        """Close a session and keep it down."""
        return self._client.command(f"peers/{segment(name)}/disable", Outcome)

    def enable(self, name: str) -> Outcome:
        """Take a session up after ``disable``."""
        return self._client.command(f"peers/{segment(name)}/enable", Outcome)

    def kernel_route(self, prefix: str) -> KernelRoute:
        """Return our route of one prefix. Raises NotYet if the kernel has none."""
        found = self.kernel_route_or_none(prefix)
        if found is None:
            raise NotYet(f"the kernel has no {prefix} of ours")
        return found

    def kernel_route_or_none(self, prefix: str) -> KernelRoute | None:
        """Return our route of one prefix, None if the kernel has none."""
        option = "-6" if ":" in prefix else "-4"
        said = self.namespace.ip(f"{option} -json route show exact {prefix} proto {PROTOCOL}")
        routes = msgspec.json.decode(said or "[]", type=list[KernelRoute])
        return routes[0] if routes else None

    @property
    def _client(self) -> Client:
        return Client(self._socket, _PATIENCE)

    def _rows(self, what: str, prefix: str) -> list[RouteRow]:
        query: Mapping[str, str] = {"prefix": prefix} if prefix else {}
        return [msgspec.json.decode(line, type=RouteRow) for line in self._client.listing(what, query)]

    def _is_up(self) -> bool:
        self._process.check()
        try:
            self._client.get("peers", PeerList)
        except Unreachable:
            return False
        return True
