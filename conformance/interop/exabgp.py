"""ExaBGP as a child process, told what to announce by a file of commands and read by the events that it writes.

ExaBGP 4's configuration and text API. It has no table and no kernel: what a session brought is put together here from
its JSON events. Its API process is a shell that copies the file of commands out and the events in.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from conformance.interop.peer_daemon import Kind, Seen, shown
from conformance.interop.peering import LOCAL_PREF, MED, RESTART_TIME, Option, Peering
from conformance.interop.plan import OUR_ASN, Dialling
from conformance.interop.process import MissingDaemon, Process, find, said
from conformance.interop.waiting import eventually
from tests.support.netns import Namespace

_PACKAGE: Final = "exabgp"
_COPY: Final = 'tail -s 0.05 -n +1 --pid=$$ -f "$1/commands" & exec cat >> "$1/events"\n'
_ENVIRONMENT: Final = {
    "exabgp.daemon.user": "root",
    "exabgp.daemon.drop": "false",
    "exabgp.tcp.bind": "",
    "exabgp.api.cli": "false",
    "exabgp.api.ack": "false",
    "exabgp.log.level": "DEBUG",
    "exabgp.log.all": "false",
}


_PRINTABLE: Final = bytes(32 if code < 32 else code for code in range(256))  # it quotes a NOTIFICATION's octets raw
_SETTINGS: Final = {
    Option.TWO_OCTET_AS: "asn4 disable;",
    Option.ADD_PATH_RECEIVE: "add-path send;",
    Option.ADD_PATH_SEND: "add-path receive;",
    Option.EXTENDED_MESSAGES: "extended-message enable;",
    Option.EXTENDED_NEXT_HOP: "nexthop enable;",
}
_LIMITS: Final = {
    Option.ROLE: "It has no RFC 9234.",
    Option.LONG_LIVED: "It has no RFC 9494.",
    Option.MAX_PREFIXES_THEIRS: "It does not count prefixes.",
    Option.SHUTDOWN_TEXT_FROM_US: "It takes the NOTIFICATION that ends an established session for a faulty UPDATE.",
    Option.SHUTDOWN_TEXT_FROM_THEM: "Its command that closes a session takes a subcode and no text.",
}
_REFUSED: Final = {
    Option.ROLE: "capability { role customer; }",
    Option.LONG_LIVED: "capability { long-lived-graceful-restart 8; }",
    Option.MAX_PREFIXES_THEIRS: "maximum-prefix 1;",
}


class _Address(msgspec.Struct, frozen=True):
    peer: str


class _Nlri(msgspec.Struct, frozen=True, rename="kebab"):
    nlri: str
    path_information: str = ""


class _Extended(msgspec.Struct, frozen=True):
    string: str


class _Attributes(msgspec.Struct, frozen=True, rename="kebab"):
    origin: str = ""
    as_path: list[int] = []
    med: int | None = None
    local_preference: int | None = None
    community: list[tuple[int, int]] = []
    large_community: list[tuple[int, int, int]] = []
    extended_community: list[_Extended] = []


class _Update(msgspec.Struct, frozen=True):
    """What an UPDATE said. announce: family → next hop → prefixes. withdraw: family → prefixes."""

    attribute: _Attributes = _Attributes()
    announce: dict[str, dict[str, list[_Nlri]]] = {}
    withdraw: dict[str, list[_Nlri]] = {}


class _Message(msgspec.Struct, frozen=True):
    update: _Update = _Update()


class _Neighbor(msgspec.Struct, frozen=True):
    address: _Address
    state: str = ""
    reason: str = ""
    message: _Message = _Message()


class _Event(msgspec.Struct, frozen=True):
    type: str
    neighbor: _Neighbor | None = None


class ExaBgp:
    """One ExaBGP."""

    def __init__(self, namespace: Namespace, directory: Path, asn: int, identifier: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._config = directory / "exabgp.conf"
        self._commands = directory / "commands"
        self._events = directory / "events"
        self._script = directory / "copy.sh"
        self._identifier = identifier
        self._position = 0  # in the events, up to where they were read
        self._routes: dict[str, dict[_Nlri, Seen]] = {}  # by peer, then prefix with path identifier
        self._states: dict[str, str] = {}
        self._reasons: dict[str, dict[str, None]] = {}  # by peer, each once and in order
        self.exabgp = Process(namespace, directory / "exabgp.log")

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running ExaBGP is not told."""
        head = f"process copy {{ run /bin/sh {self._script} {self._directory}; encoder json; }}"
        self._config.write_text("\n".join([head, *_config(list(peerings), self._identifier)]) + "\n")
        self._script.write_text(_COPY)

    def start(self) -> None:
        """Start it; it answers nobody, but its shell writes events at once."""
        self._commands.write_text("")
        self._events.write_text("")
        self._position = 0
        environment = {**os.environ, **_ENVIRONMENT}
        self.exabgp.start(find("exabgp", _PACKAGE), str(self._config), env=environment)
        eventually("ExaBGP is up", self._is_up)

    def recover(self) -> None:
        """Start it again."""
        self.start()

    def kill(self) -> None:
        """End it as a crash would."""
        self.exabgp.kill()

    def stop(self) -> None:
        """End it."""
        self.exabgp.stop()

    def state(self, peering: Peering) -> str:
        """Return the session's state: it tells only whether it is up."""
        self._read()
        return "Established" if self._states.get(peering.our_end) == "up" else "Idle"

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix."""
        self._read()
        return [seen for nlri, seen in self._routes.get(peering.our_end, {}).items() if nlri.nlri == prefix]

    def announce(self, peering: Peering, family: str) -> None:
        """Announce the peering's prefix again."""
        self._tell(peering, f"announce route {_route(peering, family, peering.prefix(family))}")

    def withdraw(self, peering: Peering, family: str) -> None:
        """Withdraw the peering's prefix."""
        self._tell(peering, f"withdraw route {_route(peering, family, peering.prefix(family))}")

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""
        for family in peering.families:
            self._tell(peering, f"announce route-refresh {family} unicast")

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session; it takes no text and does not keep it down."""
        del text
        self._tell(peering, "teardown 2")

    def bring_up(self, peering: Peering) -> None:
        """Do nothing: the session comes back by itself."""

    def last_error(self, peering: Peering) -> str:
        """Return the reasons that name NOTIFICATIONs, each once: a later dial says nothing of an earlier end."""
        self._read()
        return "; ".join(self._reasons.get(peering.our_end, {}))

    def evidence(self, peering: Peering) -> str:
        """Return what shows a limitation."""
        for option, words in _REFUSED.items():
            if option in peering.options:
                return self._refusal(words)
        if Option.SHUTDOWN_TEXT_FROM_US in peering.options:
            reason = eventually("the session's end", lambda: self.last_error(peering))
            assert "operator" not in reason, reason
            return f"its event: `{reason}`"
        self._tell(peering, "teardown 2 moving racks")
        line = eventually("the command in its log", lambda: self.exabgp.lines("teardown", "moving racks"))[-1]
        assert self.state(peering) == "Established"
        return f"its log: `{line.rpartition('| ')[2]}`, and the session stays up"

    def _refusal(self, words: str) -> str:
        """Return what its parser says about words in a neighbour's block."""
        attempt = self._config.with_name("attempt.conf")
        attempt.write_text(
            "neighbor 192.0.2.1 { router-id 192.0.2.2; local-address 192.0.2.2; local-as 1; peer-as 1;\n"
            + words
            + "\n}"
        )
        answer = said("env", "exabgp.daemon.user=root", find("exabgp", _PACKAGE), "--validate", str(attempt))
        return f"`{words}` in exabgp.conf: {shown(answer, 'invalid keyword').rpartition('| ')[2]}"

    def _tell(self, peering: Peering, command: str) -> None:
        with self._commands.open("a") as commands:
            commands.write(f"neighbor {peering.our_end} {command}\n")

    def _is_up(self) -> bool:
        self.exabgp.check()
        return bool(self.exabgp.lines("loaded new configuration successfully"))

    def _read(self) -> None:
        """Take the events that have come since the last time; a line that is not complete waits."""
        with self._events.open("rb") as events:
            events.seek(self._position)
            lines = events.read().split(b"\n")
        self._position += sum(len(line) + 1 for line in lines[:-1])
        for line in lines[:-1]:
            if line.startswith(b"{"):
                self._take(msgspec.json.decode(line.translate(_PRINTABLE), type=_Event))

    def _take(self, event: _Event) -> None:
        if event.neighbor is None:
            return
        peer = event.neighbor.address.peer
        if event.type == "state":
            self._states[peer] = event.neighbor.state
            if "otification" in event.neighbor.reason:
                self._reasons.setdefault(peer, {})[event.neighbor.reason] = None
            if event.neighbor.state != "up":
                self._routes.pop(peer, None)
        elif event.type == "update":
            table, update = self._routes.setdefault(peer, {}), event.neighbor.message.update
            for prefixes in update.withdraw.values():
                for one in prefixes:
                    table.pop(one, None)
            for by_hop in update.announce.values():
                for hop, prefixes in by_hop.items():
                    table.update((one, _seen(one.nlri, hop, update.attribute)) for one in prefixes)


def _seen(prefix: str, hop: str, attributes: _Attributes) -> Seen:
    extended = (one.string.replace("target:", "rt:") for one in attributes.extended_community)
    plain = (":".join(str(part) for part in one) for one in (*attributes.community, *attributes.large_community))
    return Seen(
        prefix,
        attributes.origin.upper(),
        " ".join(str(asn) for asn in attributes.as_path),
        hop,
        attributes.med,
        attributes.local_preference,
        frozenset((*plain, *extended)),
    )


def _route(peering: Peering, family: str, prefix: str) -> str:
    local_pref = f" local-preference {LOCAL_PREF}" if peering.is_internal else ""
    over_ipv6 = Option.EXTENDED_NEXT_HOP in peering.options
    next_hop = peering.their_address("ipv6" if over_ipv6 else family)
    return (
        f"{prefix} next-hop {next_hop} origin igp med {MED}{local_pref} community [ 65020:1 ]"
        " large-community [ 65020:1:2 ] extended-community [ target:65020:1 ]"
    )


def _config(peerings: list[Peering], identifier: str) -> Iterator[str]:
    for peering in peerings:
        yield f"neighbor {peering.our_end} {{"
        yield f"router-id {identifier};"
        yield f"local-address {peering.their_end};"
        yield f"local-as {peering.their_asn};"
        yield f"peer-as {OUR_ASN};"
        yield f"passive {'true' if peering.dialling is Dialling.WE else 'false'};"
        if peering.dialling is not Dialling.THEY:
            yield "listen 179;"
        if peering.password:
            yield f'md5-password "{peering.password}";'
            yield "md5-base64 false;"
        if Option.GTSM in peering.options:
            yield "incoming-ttl 255;"
            yield "outgoing-ttl 255;"
        restart_time = RESTART_TIME if Option.LONG_LIVED in peering.options else 60
        families = " ".join(f"{family} unicast;" for family in peering.families)
        yield f"family {{ {families} }}"
        yield f"capability {{ route-refresh enable; graceful-restart {restart_time}; {_capabilities(peering)} }}"
        if Option.EXTENDED_NEXT_HOP in peering.options:
            yield "nexthop { ipv4 unicast ipv6; }"
        yield "api { processes [ copy ]; neighbor-changes; receive { parsed; update; notification; } }"
        for family in peering.families:
            for prefix in peering.originated(family):
                yield f"static {{ route {_route(peering, family, prefix)}; }}"
            if Option.ADD_PATH_RECEIVE in peering.options:
                yield f"static {{ route {_route(peering, family, peering.prefix(family))} path-information 0.0.0.7; }}"
        yield "}"


def _capabilities(peering: Peering) -> str:
    return " ".join(words for option, words in _SETTINGS.items() if option in peering.options)


def version() -> str:
    """Return ExaBGP's version. Raises MissingDaemon."""
    found = re.search(r"ExaBGP : (\S+)", said(find("exabgp", _PACKAGE), "--version"))
    if found is None:
        raise MissingDaemon("exabgp does not say its version: the interoperability tests need ExaBGP 4")
    return found[1]


def _limit(peering: Peering) -> str:
    return next((why for option, why in _LIMITS.items() if option in peering.options), "")


EXABGP: Final = Kind("ExaBGP", _PACKAGE, version, ExaBgp, _limit, has_table=False)
