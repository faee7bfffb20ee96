"""BIRD 2 as a child process in a namespace, asked through ``birdc``.

BIRD's documentation, chapter 4 (remote control) and 6.3 (BGP). The attributes of a route are those of ``show route
all``, by BIRD's names without ``BGP.``: ``as_path`` → ``64512 65033``.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.interop.process import MissingDaemon, Process, find, said
from conformance.interop.waiting import NotYet, eventually
from tests.support.netns import Enterable

PROGRAMS: Final = ("bird", "birdc")
_PACKAGE: Final = "bird2"
_PREAMBLE: Final = "log stderr all;\n"


@dataclass(frozen=True, slots=True)
class BirdRoute:
    """One route of a table. next_hop: gateway and device, empty for a route that leads nowhere."""

    prefix: str
    protocol: str
    is_best: bool
    gateway: str = ""
    device: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def version() -> str:
    """Return BIRD's version. Raises MissingDaemon if there is none, or it is not 2."""
    for program in PROGRAMS:
        find(program, _PACKAGE)
    text = said(find("bird", _PACKAGE), "--version").strip().removeprefix("BIRD version ")
    if not text.startswith("2."):
        raise MissingDaemon(f"BIRD {text} is installed: the interoperability tests need BIRD 2")
    return text


class Bird:
    """One BIRD. Its files are in a directory of its own: bird.conf, bird.ctl, bird.log."""

    def __init__(self, namespace: Enterable, directory: Path) -> None:
        version()
        directory.mkdir(parents=True, exist_ok=True)
        self.process = Process(namespace, directory / "bird.log")
        self._config = directory / "bird.conf"
        self._socket = directory / "bird.ctl"

    def configure(self, text: str) -> None:
        """Write the configuration; a running BIRD is not told."""
        self._config.write_text(_PREAMBLE + text)

    def start(self, *options: str) -> None:
        """Start BIRD in the foreground of its own process and wait until it answers. ``-R``: recover gracefully."""
        bird = find("bird", _PACKAGE)
        self.process.start(bird, "-f", "-c", str(self._config), "-s", str(self._socket), *options)
        eventually("BIRD answers birdc", self._is_up)

    def kill(self) -> None:
        """End BIRD as a crash would."""
        self.process.kill()

    def stop(self) -> None:
        """End BIRD; by force if it does not go."""
        self.process.stop()

    def ask(self, command: str) -> str:
        """Return what BIRD answers to a command."""
        answer = said(find("birdc", _PACKAGE), "-s", str(self._socket), *command.split())
        return answer.partition("ready.\n")[2] or answer

    def routes(self, table: str, prefix: str = "") -> list[BirdRoute]:
        """Return the routes of a table, or those of one prefix."""
        return parse_routes(self.ask(f"show route {prefix} table {table} all"))

    def told(self, protocol: str, table: str) -> list[BirdRoute]:
        """Return the routes in a table that came by one protocol."""
        return parse_routes(self.ask(f"show route protocol {protocol} table {table} all"))

    def where(self, condition: str, table: str, prefix: str) -> list[BirdRoute]:
        """Return the routes of a prefix that fulfil a condition of BIRD's filter language."""
        return parse_routes(self.ask(f"show route {prefix} table {table} all where {condition}"))

    def route(self, table: str, prefix: str) -> BirdRoute:
        """Return the best route of a prefix. Raises NotYet if there is none."""
        best = [route for route in self.routes(table, prefix) if route.is_best]
        if not best:
            raise NotYet(f"BIRD has no {prefix} in {table}")
        return best[0]

    def protocol(self, name: str) -> str:
        """Return all that BIRD says about a protocol."""
        return self.ask(f"show protocols all {name}")

    def bgp_state(self, name: str) -> str:
        """Return the state of a BGP protocol in the RFC's words, or what BIRD says instead."""
        answer = self.protocol(name)
        found = re.search(r"BGP state:\s+(\S+)", answer)
        return found[1] if found else answer.strip()

    def since(self, name: str) -> float:
        """Return since when a protocol is in its state, in seconds of the day; two answers may differ by 0.001."""
        for line in self.ask(f"show protocols {name}").splitlines():
            words = line.split()
            if words and words[0] == name:
                hours, minutes, seconds = words[4].split(":")
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        raise AssertionError(f"BIRD has no protocol {name}")

    def _is_up(self) -> bool:
        self.process.check()
        return self.ask("show status").startswith("BIRD ")


_ROUTE = re.compile(
    r"^(?P<prefix>\S+)?\s+(?P<kind>unicast|blackhole|unreachable|prohibit) \[(?P<protocol>\S+) .*?\](?P<rest>.*)"
)
_VIA = re.compile(r"^\tvia (?P<gateway>\S+) on (?P<device>\S+)")
_DEVICE = re.compile(r"^\tdev (?P<device>\S+)")
_ATTRIBUTE = re.compile(r"^\t(?:BGP\.)?(?P<name>[^:]+):\s*(?P<value>.*)")


def parse_routes(text: str) -> list[BirdRoute]:
    """Return the routes in the answer to ``show route all``."""
    found: list[dict[str, str]] = []
    attributes: list[dict[str, str]] = []
    prefix = ""
    for line in text.splitlines():
        if head := _ROUTE.match(line):
            prefix = head["prefix"] or prefix
            is_best = "yes" if " * " in head["rest"] else ""
            found.append({"prefix": prefix, "protocol": head["protocol"], "is_best": is_best})
            attributes.append({})
        elif found and (via := _VIA.match(line) or _DEVICE.match(line)):
            found[-1].update(via.groupdict())
        elif found and (attribute := _ATTRIBUTE.match(line)):
            attributes[-1][attribute["name"].removesuffix(" [t]")] = attribute["value"].strip()
    return [
        BirdRoute(
            one["prefix"], one["protocol"], bool(one["is_best"]), one.get("gateway", ""), one.get("device", ""), named
        )
        for one, named in zip(found, attributes, strict=True)
    ]
