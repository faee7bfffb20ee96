"""FRR as a child process: zebra and bgpd with private sockets, asked through ``vtysh``.

FRR's documentation, chapter BGP. Outgoing routes pass a route map for each peering, so that a session carries its own
prefix only.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from conformance.interop.peer_daemon import Kind, Seen
from conformance.interop.peering import LOCAL_PREF, MED, RESTART_TIME, Option, Peering
from conformance.interop.plan import OUR_ASN, Dialling
from conformance.interop.process import MissingDaemon, Process, find, said
from conformance.interop.waiting import eventually
from tests.support.netns import Namespace

_PACKAGE: Final = "frr"
_BGPD: Final = "/usr/lib/frr/bgpd"
_ZEBRA: Final = "/usr/lib/frr/zebra"
_FAMILY: Final = {"ipv4": "ipv4 unicast", "ipv6": "ipv6 unicast"}
_LIST: Final = {"ipv4": "ip", "ipv6": "ipv6"}
_RETRY: Final = 1  # seconds
_NAMED: Final = {"llgrStale": "65535:6"}  # what it has a name for
_IGNORED: Final = "yet it sent"  # AS4_PATH


class _Text(msgspec.Struct, frozen=True):
    """AS path or communities. string: cut at 8 KB, so that a list is better where there is one."""

    string: str = ""
    list: tuple[str, ...] = ()


class _Hop(msgspec.Struct, frozen=True):
    ip: str
    scope: str = ""
    used: bool = False


class _Peer(msgspec.Struct, frozen=True, rename="camel"):
    peer_id: str


class _AsPath(msgspec.Struct, frozen=True):
    string: str = ""


class _Path(msgspec.Struct, frozen=True, rename="camel"):
    """One path of ``show bgp … json``."""

    aspath: _AsPath
    origin: str
    peer: _Peer
    nexthops: list[_Hop] = []
    metric: int | None = None
    loc_prf: int | None = None
    community: _Text = _Text()
    large_community: _Text = _Text()
    extended_community: _Text = _Text()
    addpath_rx_id: int = 0


class _Prefix(msgspec.Struct, frozen=True):
    prefix: str = ""
    paths: list[_Path] = []


class _Neighbor(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of ``show bgp neighbors … json``."""

    bgp_state: str = ""
    last_notification_reason: str = ""
    last_shutdown_description: str = ""
    last_reset_due_to: str = ""


class Frr:
    """One FRR."""

    def __init__(self, namespace: Namespace, directory: Path, asn: int, identifier: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._asn = asn
        self._identifier = identifier
        self._zebra = Process(namespace, directory / "zebra.log")
        self.bgpd = Process(namespace, directory / "frr.log")

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running FRR is not told."""
        (self._directory / "zebra.conf").write_text("")
        (self._directory / "frr.conf").write_text("\n".join(_config(list(peerings), self._asn, self._identifier)))

    def start(self) -> None:
        """Start zebra, then bgpd, and wait until it answers."""
        (self._directory / "vty").mkdir(exist_ok=True)
        self._zebra.start(_ZEBRA, *self._arguments("zebra"), "-s", "8388608")
        eventually("zebra answers", self._zebra_is_up)
        self.recover()

    def recover(self) -> None:
        """Start bgpd; zebra runs."""
        self.bgpd.start(_BGPD, *self._arguments("frr"))
        eventually("FRR's bgpd answers", self._is_up)

    def kill(self) -> None:
        """End bgpd as a crash would; zebra goes on, as it does under FRR's own supervision."""
        self.bgpd.kill()

    def stop(self) -> None:
        """End both."""
        self.bgpd.stop()
        self._zebra.stop()

    def ask(self, *commands: str, daemon: str = "bgpd") -> str:
        """Return what FRR answers to commands, in one go."""
        given = [word for command in commands for word in ("-c", command)]
        return said(find("vtysh", _PACKAGE), "--vty_socket", str(self._directory / "vty"), "-d", daemon, *given)

    def state(self, peering: Peering) -> str:
        """Return the session's state."""
        return self._neighbor(peering).bgp_state

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix."""
        family = "ipv6" if ":" in prefix else "ipv4"
        answer = self.ask(f"show bgp {_FAMILY[family]} {prefix} json")
        found = msgspec.json.decode(answer or "{}", type=_Prefix)
        return [_seen(prefix, path) for path in found.paths if path.peer.peer_id == peering.our_end]

    def announce(self, peering: Peering, family: str) -> None:
        """Announce the peering's prefix again."""
        self._set(f"address-family {_FAMILY[family]}", f"network {peering.prefix(family)}")

    def withdraw(self, peering: Peering, family: str) -> None:
        """Withdraw the peering's prefix."""
        self._set(f"address-family {_FAMILY[family]}", f"no network {peering.prefix(family)}")

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""
        for family in peering.families:
            self.ask(f"clear bgp {_FAMILY[family]} {peering.our_end} in")

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session with a shutdown communication, and keep it down."""
        self._set(f"neighbor {peering.our_end} shutdown message {text}")

    def bring_up(self, peering: Peering) -> None:
        """Take the session up again."""
        self._set(f"no neighbor {peering.our_end} shutdown")

    def last_error(self, peering: Peering) -> str:
        """Return the last NOTIFICATION's reason and text."""
        found = self._neighbor(peering)
        return f"{found.last_notification_reason} {found.last_shutdown_description}".strip() or found.last_reset_due_to

    def evidence(self, peering: Peering) -> str:
        """Return what shows a limitation."""
        lines = eventually("a line of its log", lambda: self.bgpd.lines(peering.our_end, "[AS4]", _IGNORED))
        return f"its log: `{lines[0].partition('] ')[2]}`"

    def _set(self, *commands: str) -> None:
        answer = self.ask("configure terminal", f"router bgp {self._asn}", *commands)
        assert "%" not in answer, answer

    def _neighbor(self, peering: Peering) -> _Neighbor:
        answer = self.ask(f"show bgp neighbors {peering.our_end} json")
        return msgspec.json.decode(answer, type=dict[str, _Neighbor]).get(peering.our_end, _Neighbor())

    def _arguments(self, name: str) -> tuple[str, ...]:
        directory = self._directory
        return (
            "-f", f"{directory}/{name}.conf", "-i", f"{directory}/{name}.pid", "-z", f"{directory}/zserv.api",
            "--vty_socket", f"{directory}/vty", "-P", "0", "-u", "root", "-g", "frrvty",
            "--log", "stdout", "--log-level", "debugging",
        )  # fmt: skip

    def _is_up(self) -> bool:
        self.bgpd.check()
        return "FRRouting" in self.ask("show version")

    def _zebra_is_up(self) -> bool:
        self._zebra.check()
        return "FRRouting" in self.ask("show version", daemon="zebra")


def _seen(prefix: str, path: _Path) -> Seen:
    hops = [hop.ip for hop in path.nexthops if hop.scope != "link-local"]
    communities = [_NAMED.get(word, word) for word in path.community.list or path.community.string.split()]
    extended = [word.lower() for word in path.extended_community.string.split()]
    return Seen(
        prefix,
        path.origin.upper(),
        "" if path.aspath.string == "Local" else path.aspath.string,
        hops[0] if hops else "",
        path.metric,
        path.loc_prf,
        frozenset((*communities, *path.large_community.string.split(), *extended)),
        path.addpath_rx_id,
    )


def _config(peerings: list[Peering], asn: int, identifier: str) -> Iterator[str]:
    yield "frr defaults traditional"
    yield "log stdout debugging"
    yield "debug bgp neighbor-events"
    yield "debug bgp as4"
    for peering in peerings:
        yield from _route_maps(peering)
    yield f"router bgp {asn}"
    yield f" bgp router-id {identifier}"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    if long_lived := {peering.stale_time for peering in peerings if Option.LONG_LIVED in peering.options}:
        yield f" bgp graceful-restart restart-time {RESTART_TIME}"
        yield f" bgp long-lived-graceful-restart stale-time {long_lived.pop()}"  # of all sessions
    yield " bgp graceful-restart"
    yield " bgp graceful-restart preserve-fw-state"
    for peering in peerings:
        yield from _neighbor(peering, asn)
    for family, words in _FAMILY.items():
        yield f" address-family {words}"
        for peering in peerings:
            if family in peering.families:
                yield from _activated(peering, family)
        yield " exit-address-family"


def _route_maps(peering: Peering) -> Iterator[str]:
    for family in peering.families:
        name = f"{family}-{peering.number}"
        for prefix in (*peering.originated(family), *peering.passed_on(family)):
            yield f"{_LIST[family]} prefix-list {name} permit {prefix}"
        yield f"route-map {name} permit 10"
        yield f" match {_LIST[family]} address prefix-list {name}"
        yield f" set metric {MED}"
        yield f" set local-preference {LOCAL_PREF}"
        yield " set community 65020:1"
        yield " set large-community 65020:1:2"
        yield " set extcommunity rt 65020:1"
        if family == "ipv6":
            yield f" set ipv6 next-hop global {peering.their_address(family)}"
        elif Option.EXTENDED_NEXT_HOP not in peering.options:
            yield f" set ip next-hop {peering.their_address(family)}"


def _neighbor(peering: Peering, asn: int) -> Iterator[str]:
    head = f" neighbor {peering.our_end}"
    yield f"{head} remote-as {OUR_ASN}"
    yield f"{head} timers connect {_RETRY}"
    yield f"{head} advertisement-interval 0"
    if peering.dialling is Dialling.WE:
        yield f"{head} passive"
    if peering.password:
        yield f"{head} password {peering.password}"
    if Option.GTSM in peering.options:
        yield f"{head} ttl-security hops 1"
    if peering.their_asn != asn:
        yield f"{head} local-as {peering.their_asn} no-prepend replace-as"
    if Option.ROLE in peering.options:
        yield f"{head} local-role customer"
    if Option.TWO_OCTET_AS in peering.options:
        yield f"{head} dont-capability-negotiate"
    if Option.EXTENDED_NEXT_HOP in peering.options:
        yield f"{head} capability extended-nexthop"


def _activated(peering: Peering, family: str) -> Iterator[str]:
    head = f"  neighbor {peering.our_end}"
    for prefix in peering.originated(family):
        yield f"  network {prefix}"
    yield f"{head} activate"
    yield f"{head} route-map {family}-{peering.number} out"
    if Option.ADD_PATH_RECEIVE in peering.options:
        yield f"{head} addpath-tx-all-paths"
    if Option.ADD_PATH_SEND in peering.options:
        yield f"{head} allowas-in 3"
    if Option.MAX_PREFIXES_THEIRS in peering.options:
        yield f"{head} maximum-prefix 1"


def version() -> str:
    """Return FRR's version. Raises MissingDaemon."""
    for program in (_BGPD, _ZEBRA, "vtysh"):
        find(program, _PACKAGE)
    found = re.search(r"version (\S+)", said(_BGPD, "--version"))
    if found is None:
        raise MissingDaemon(f"{_BGPD} does not say its version: the interoperability tests need FRR")
    return found[1]


def _limit(peering: Peering) -> str:
    if Option.TWO_OCTET_AS in peering.options:
        return (
            "Without capabilities of its own it still counts ours as agreed, and ignores the AS4_PATH of the session."
        )
    return ""


FRR: Final = Kind("FRR", _PACKAGE, version, Frr, _limit, has_fib=True)
