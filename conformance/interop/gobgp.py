"""GoBGP as a child process whose API listens on a Unix socket, asked through ``gobgp``.

GoBGP's docs/sources: configuration, cli-command-syntax, policy. Its own routes are put into its global table by the
command line after the start; a policy statement for each peering and family lets a session carry its own prefix only
and sets what the route has there.
"""

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

_PACKAGE: Final = "gobgpd"
_ORIGINS: Final = ("IGP", "EGP", "INCOMPLETE")
_STATES: Final = ("", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established")  # apipb.PeerState


class _Segment(msgspec.Struct, frozen=True):
    asns: list[int]


class _Attribute(msgspec.Struct, frozen=True):
    """A path attribute as the JSON of ``gobgp`` has it; which fields there are depends on the type."""

    type: int
    value: msgspec.Raw = msgspec.Raw(b"null")
    metric: int | None = None
    nexthop: str = ""
    as_paths: list[_Segment] = []
    communities: list[int] = []


class _Extended(msgspec.Struct, frozen=True):
    subtype: int
    value: str = ""


class _Large(msgspec.Struct, frozen=True):
    autonomous: int = msgspec.field(name="ASN")
    first: int = msgspec.field(name="LocalData1")
    second: int = msgspec.field(name="LocalData2")


class _Nlri(msgspec.Struct, frozen=True):
    prefix: str
    path_id: int = 0


class _Path(msgspec.Struct, frozen=True):
    nlri: _Nlri
    attrs: list[_Attribute]


class _Capability(msgspec.Struct, frozen=True):
    type_url: str = ""


class _State(msgspec.Struct, frozen=True):
    session_state: int = 0
    local_cap: list[_Capability] = []


class _Neighbor(msgspec.Struct, frozen=True):
    state: _State = _State()


class GoBgp:
    """One GoBGP."""

    def __init__(self, namespace: Namespace, directory: Path, asn: int, identifier: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._config = directory / "gobgp.toml"
        self._socket = directory / "gobgp.sock"
        self._asn = asn
        self._identifier = identifier
        self._peerings: tuple[Peering, ...] = ()
        self.gobgpd = Process(namespace, directory / "gobgp.log")

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running GoBGP is not told."""
        self._peerings = tuple(peerings)
        self._config.write_text("\n".join(_config(self._peerings, self._asn, self._identifier)) + "\n")

    def start(self) -> None:
        """Start it, wait until it answers and give it its routes."""
        self._start()

    def recover(self) -> None:
        """Start it again; its OPENs say that it restarts."""
        self._start("-r")

    def kill(self) -> None:
        """End it as a crash would."""
        self.gobgpd.kill()

    def stop(self) -> None:
        """End it."""
        self.gobgpd.stop()

    def ask(self, *words: str) -> str:
        """Return what it answers to a command."""
        return said(find("gobgp", _PACKAGE), "--target", f"unix://{self._socket}", *words)

    def state(self, peering: Peering) -> str:
        """Return the session's state."""
        answer = self.ask("-j", "neighbor", peering.our_end)
        return _STATES[msgspec.json.decode(answer, type=_Neighbor).state.session_state]

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix."""
        answer = self.ask("-j", "neighbor", peering.our_end, "adj-in", prefix, "-a", _family(prefix))
        if '"nlri"' not in answer:
            return []  # it answers in words that the network is not in the table, or the session not up
        found = msgspec.json.decode(answer, type=dict[str, list[_Path]])
        return [_seen(path) for paths in found.values() for path in paths]

    def announce(self, peering: Peering, family: str) -> None:
        """Put the peering's prefix into the global table."""
        self._add(peering.prefix(family), peering.their_address(family), family)

    def withdraw(self, peering: Peering, family: str) -> None:
        """Take the peering's prefix out of the global table."""
        self.ask("global", "rib", "del", peering.prefix(family), "-a", family)

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""
        self.ask("neighbor", peering.our_end, "softresetin")

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session with a shutdown communication, and keep it down."""
        self.ask("neighbor", peering.our_end, "shutdown", "--reason", text)
        self.ask("neighbor", peering.our_end, "disable")  # which by itself sends no text

    def bring_up(self, peering: Peering) -> None:
        """Take the session up again."""
        self.ask("neighbor", peering.our_end, "enable")

    def last_error(self, peering: Peering) -> str:
        """Return the last lines of the log about a NOTIFICATION of the session."""
        found = self.gobgpd.lines(f"Key={peering.our_end}", "otification")
        return " ".join(found[-3:])

    def evidence(self, peering: Peering) -> str:
        """Return what shows a limitation."""
        if Option.ROUTE_REFRESH in peering.options:
            self.ask_refresh(peering)
            table = self.ask("neighbor", peering.our_end)
            return f"`gobgp neighbor` after `softresetin`: {re.sub(' +', ' ', shown(table, 'Route Refresh:'))}"
        own = eventually("its OPEN", lambda: self._own_capabilities(peering))
        for option, name in _CAPABILITIES.items():
            assert option not in peering.options or name not in " ".join(own), own
        assert Option.TWO_OCTET_AS not in peering.options or "FourOctetASN" in own, own
        return f"the capabilities of its OPEN by `gobgp -j neighbor`: {', '.join(own)}"

    def _own_capabilities(self, peering: Peering) -> list[str]:
        answer = self.ask("-j", "neighbor", peering.our_end)
        found = msgspec.json.decode(answer, type=_Neighbor).state.local_cap
        return [capability.type_url.rpartition(".")[2].removesuffix("Capability") for capability in found]

    def _add(self, prefix: str, next_hop: str, family: str, *more: str) -> None:
        answer = self.ask("global", "rib", "add", prefix, "nexthop", next_hop, "origin", "igp", *more, "-a", family)
        assert not answer, answer

    def _start(self, *options: str) -> None:
        self._socket.unlink(missing_ok=True)
        self.gobgpd.start(
            find("gobgpd", _PACKAGE), "-p", "-l", "debug", "--pprof-disable", "--api-hosts", f"unix://{self._socket}",
            "-f", str(self._config), *options,
        )  # fmt: skip
        eventually("GoBGP answers", self._is_up)
        for peering in self._peerings:
            for family in peering.families:
                for prefix in peering.originated(family):
                    self._add(prefix, peering.their_address(family), family)
                if Option.ADD_PATH_RECEIVE in peering.options:
                    # what came from one router by several sessions it does not send back: two ways of its own
                    self._add(peering.prefix(family), peering.their_address(family), family, "identifier", "7")

    def _is_up(self) -> bool:
        self.gobgpd.check()
        return f"Router-ID: {self._identifier}" in re.sub(r" +", " ", self.ask("global"))


def _family(prefix: str) -> str:
    return "ipv6" if ":" in prefix else "ipv4"


def _seen(path: _Path) -> Seen:
    by_type = {attribute.type: attribute for attribute in path.attrs}
    absent = _Attribute(0)
    hop = by_type.get(14, by_type.get(3, absent))
    local_pref = by_type.get(5)
    extended = msgspec.json.decode(by_type.get(16, absent).value, type=list[_Extended] | None) or []
    large = msgspec.json.decode(by_type.get(32, absent).value, type=list[_Large] | None) or []
    return Seen(
        path.nlri.prefix,
        _ORIGINS[msgspec.json.decode(by_type[1].value, type=int)],
        " ".join(str(asn) for segment in by_type.get(2, absent).as_paths for asn in segment.asns),
        hop.nexthop,
        by_type.get(4, absent).metric,
        msgspec.json.decode(local_pref.value, type=int) if local_pref is not None else None,
        frozenset(
            (
                *(f"{value >> 16}:{value & 0xFFFF}" for value in by_type.get(8, absent).communities),
                *(f"{one.autonomous}:{one.first}:{one.second}" for one in large),
                *(f"rt:{one.value}" for one in extended if one.subtype == 2),
            )
        ),
        path.nlri.path_id,
    )


def _config(peerings: tuple[Peering, ...], asn: int, identifier: str) -> Iterator[str]:
    carried = [(peering, family) for peering in peerings for family in peering.families]
    names = ", ".join(f'"{_name(peering, family)}"' for peering, family in carried)
    yield "[global.config]"
    yield f"as = {asn}"
    yield f'router-id = "{identifier}"'
    yield "[global.apply-policy.config]"
    yield 'default-export-policy = "reject-route"'
    yield f"export-policy-list = [{names}]"
    for peering in peerings:
        yield from _neighbor(peering, asn)
    for peering, family in carried:
        yield from _policy(peering, family)


def _name(peering: Peering, family: str) -> str:
    return f"{family}-{peering.number}"


def _neighbor(peering: Peering, asn: int) -> Iterator[str]:
    yield "[[neighbors]]"
    yield "[neighbors.config]"
    yield f'neighbor-address = "{peering.our_end}"'
    yield f"peer-as = {OUR_ASN}"
    if peering.their_asn != asn:
        yield f"local-as = {peering.their_asn}"
    if peering.password:
        yield f'auth-password = "{peering.password}"'
    if Option.ADD_PATH_SEND in peering.options:
        yield "[neighbors.as-path-options.config]"
        yield "allow-own-as = 3"
    yield "[neighbors.transport.config]"
    yield f'local-address = "{peering.their_end}"'
    yield f"passive-mode = {'true' if peering.dialling is Dialling.WE else 'false'}"
    yield "[neighbors.timers.config]"
    yield "connect-retry = 1"
    yield "idle-hold-time-after-reset = 1"
    if Option.GTSM in peering.options:
        yield "[neighbors.ttl-security.config]"
        yield "enabled = true"
        yield "ttl-min = 255"
    is_long_lived = Option.LONG_LIVED in peering.options
    if is_long_lived or Option.GRACEFUL_RESTART in peering.options:
        yield "[neighbors.graceful-restart.config]"
        yield "enabled = true"
        yield f"restart-time = {RESTART_TIME if is_long_lived else 60}"
    if is_long_lived:
        yield "long-lived-enabled = true"
    for family in peering.families:
        yield "[[neighbors.afi-safis]]"
        yield "[neighbors.afi-safis.config]"
        yield f'afi-safi-name = "{family}-unicast"'
        if is_long_lived or Option.GRACEFUL_RESTART in peering.options:
            yield "[neighbors.afi-safis.mp-graceful-restart.config]"
            yield "enabled = true"
        if is_long_lived:
            yield "[neighbors.afi-safis.long-lived-graceful-restart.config]"
            yield "enabled = true"
            yield f"restart-time = {peering.stale_time}"
        if Option.ADD_PATH_RECEIVE in peering.options:
            yield "[neighbors.afi-safis.add-paths.config]"
            yield "send-max = 8"
        if Option.ADD_PATH_SEND in peering.options:
            yield "[neighbors.afi-safis.add-paths.config]"
            yield "receive = true"
        if Option.MAX_PREFIXES_THEIRS in peering.options:
            yield "[neighbors.afi-safis.prefix-limit.config]"
            yield "max-prefixes = 1"


def _policy(peering: Peering, family: str) -> Iterator[str]:
    name = _name(peering, family)
    yield "[[defined-sets.neighbor-sets]]"
    yield f'neighbor-set-name = "to-{name}"'
    yield f'neighbor-info-list = ["{peering.our_end}"]'
    yield "[[defined-sets.prefix-sets]]"
    yield f'prefix-set-name = "{name}"'
    for prefix in (*peering.originated(family), *peering.passed_on(family)):
        yield "[[defined-sets.prefix-sets.prefix-list]]"
        yield f'ip-prefix = "{prefix}"'
    yield "[[policy-definitions]]"
    yield f'name = "{name}"'
    yield "[[policy-definitions.statements]]"
    yield f'name = "{name}"'
    yield "[policy-definitions.statements.conditions.match-prefix-set]"
    yield f'prefix-set = "{name}"'
    yield "[policy-definitions.statements.conditions.match-neighbor-set]"
    yield f'neighbor-set = "to-{name}"'
    yield "[policy-definitions.statements.actions]"
    yield 'route-disposition = "accept-route"'
    yield "[policy-definitions.statements.actions.bgp-actions]"
    yield f'set-med = "{MED}"'
    over_ipv6 = Option.EXTENDED_NEXT_HOP in peering.options
    yield f'set-next-hop = "{peering.their_address("ipv6" if over_ipv6 else family)}"'
    if peering.is_internal:
        yield f"set-local-pref = {LOCAL_PREF}"
    for kind, community in (
        ("community", "65020:1"),
        ("ext-community", "rt:65020:1"),
        ("large-community", "65020:1:2"),
    ):
        yield f"[policy-definitions.statements.actions.bgp-actions.set-{kind}]"
        yield 'options = "add"'
        yield f"[policy-definitions.statements.actions.bgp-actions.set-{kind}.set-{kind}-method]"
        yield f'communities-list = ["{community}"]'


def version() -> str:
    """Return GoBGP's version. Raises MissingDaemon."""
    find("gobgp", _PACKAGE)
    found = re.search(r"version (\S+)", said(find("gobgpd", _PACKAGE), "--version"))
    if found is None:
        raise MissingDaemon("gobgpd does not say its version: the interoperability tests need GoBGP")
    return found[1]


_LIMITS: Final = {
    Option.TWO_OCTET_AS: "No option takes the four-octet AS capability out of its OPEN.",
    Option.ROUTE_REFRESH: "It answers ROUTE-REFRESH, and no command of its sends one.",
    Option.ENHANCED_REFRESH: "It has no RFC 7313.",
    Option.EXTENDED_MESSAGES: "It has no RFC 8654.",
    Option.ROLE: "It has no RFC 9234.",
}
_CAPABILITIES: Final = {
    Option.ENHANCED_REFRESH: "EnhancedRouteRefresh",
    Option.EXTENDED_MESSAGES: "ExtendedMessage",
    Option.ROLE: "Role",
}


def _limit(peering: Peering) -> str:
    return next((why for option, why in _LIMITS.items() if option in peering.options), "")


GOBGP: Final = Kind("GoBGP", _PACKAGE, version, GoBgp, _limit)
