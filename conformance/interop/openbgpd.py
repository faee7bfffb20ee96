"""OpenBGPD as a child process with a control socket of its own, asked through its ``bgpctl``.

bgpd.conf(5) and bgpctl(8) of OpenBGPD. Both programs have the names of ours and are called by path. Its children run
in a chroot, which the package's tmpfiles make where systemd runs; elsewhere we do. It does not write routes into the
kernel on Linux.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from conformance.interop.peer_daemon import Kind, Seen, shown
from conformance.interop.peering import FAMILIES, LOCAL_PREF, MED, Option, Peering
from conformance.interop.plan import OUR_ASN, Dialling
from conformance.interop.process import MissingDaemon, Process, find, said
from conformance.interop.waiting import eventually
from tests.support.netns import Namespace

_PACKAGE: Final = "openbgpd"
BGPD: Final = "/usr/sbin/bgpd"
BGPCTL: Final = "/usr/sbin/bgpctl"
CHROOT: Final = Path("/run/openbgpd")
_NAME: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}
_RETRY: Final = 1  # seconds
_REFUSED: Final = {  # what later versions take
    Option.EXTENDED_NEXT_HOP: "announce extended nexthop yes",
    Option.EXTENDED_MESSAGES: "announce extended yes",
}


class _Neighbor(msgspec.Struct, frozen=True):
    remote_addr: str


class _Path(msgspec.Struct, frozen=True):
    """One path of ``show rib detail``."""

    prefix: str
    aspath: str
    exit_nexthop: str
    origin: str
    neighbor: _Neighbor
    metric: int | None = None
    localpref: int | None = None
    path_id: int = 0
    communities: list[str] = []
    extended_communities: list[str] = []
    large_communities: list[str] = []


class _Rib(msgspec.Struct, frozen=True):
    rib: list[_Path] = []


class OpenBgpd:
    """One OpenBGPD."""

    def __init__(self, namespace: Namespace, directory: Path, asn: int, identifier: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._config = directory / "openbgpd.conf"
        self._socket = directory / "openbgpd.sock"
        self._asn = asn
        self._identifier = identifier
        self.bgpd = Process(namespace, directory / "openbgpd.log")

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running OpenBGPD is not told."""
        head = [f"AS {self._asn}", f"router-id {self._identifier}", f'socket "{self._socket}"']
        self._config.write_text("\n".join([*head, *_config(list(peerings))]) + "\n")
        self._config.chmod(0o600)  # it refuses a file with passwords that others can read

    def start(self) -> None:
        """Start it in the foreground and wait until it answers."""
        CHROOT.mkdir(mode=0o755, exist_ok=True)
        self.bgpd.start(BGPD, "-d", "-v", "-f", str(self._config))
        eventually("OpenBGPD answers", self._is_up)

    def recover(self) -> None:
        """Start it again."""
        self.start()

    def kill(self) -> None:
        """End it as a crash would."""
        self.bgpd.kill()

    def stop(self) -> None:
        """End it."""
        self.bgpd.stop()

    def ask(self, *words: str) -> str:
        """Return what it answers to a command."""
        return said(BGPCTL, "-s", str(self._socket), *words)

    def state(self, peering: Peering) -> str:
        """Return the session's state."""
        found = re.search(r"BGP state = (\w+)", self.ask("show", "neighbor", peering.our_end))
        return found[1] if found else ""

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix."""
        answer = self.ask("-j", "show", "rib", "detail", "neighbor", peering.our_end, prefix)
        return [_seen(path) for path in msgspec.json.decode(answer or "{}", type=_Rib).rib]

    def announce(self, peering: Peering, family: str) -> None:
        """Announce the peering's prefix again."""
        self.ask("network", "add", peering.prefix(family))

    def withdraw(self, peering: Peering, family: str) -> None:
        """Withdraw the peering's prefix."""
        self.ask("network", "delete", peering.prefix(family))

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""
        self.ask("neighbor", peering.our_end, "refresh")

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session with a shutdown communication, and keep it down."""
        self.ask("neighbor", peering.our_end, "down", text)

    def bring_up(self, peering: Peering) -> None:
        """Take the session up again."""
        self.ask("neighbor", peering.our_end, "up")

    def last_error(self, peering: Peering) -> str:
        """Return the lines about errors and shutdown texts."""
        lines = self.ask("show", "neighbor", peering.our_end).splitlines()
        return " ".join(line.strip() for line in lines if "error" in line or "hutdown" in line)

    def evidence(self, peering: Peering) -> str:
        """Return what shows a limitation."""
        for option, words in _REFUSED.items():
            if option in peering.options:
                return self._refusal(words)
        if Option.LONG_LIVED in peering.options:
            neighbor = self.ask("show", "neighbor", peering.our_end)
            assert "ong" not in neighbor, neighbor
            return f"`bgpctl show neighbor`, of our OPEN, which offers it: {shown(neighbor, 'Graceful Restart')}"
        dropped = eventually("its kernel drops our signed dial", self._unexpected_signatures)
        return f"`nstat` beside it: {re.sub(r' +', ' ', dropped)} or more; {self._shown_neighbor(peering, 'BGP state')}"

    def _refusal(self, words: str) -> str:
        """Return what its parser says about words in a neighbour's block, and the word itself in its manual's place."""
        attempt = self._config.with_name("attempt.conf")
        attempt.write_text(f"AS {self._asn}\nneighbor 192.0.2.1 {{\nremote-as 1\n{words}\n}}\n")
        refused = shown(said(BGPD, "-n", "-f", str(attempt)), "error")
        return f"`{words}` in bgpd.conf: {refused.rpartition('/')[2]}"

    def _unexpected_signatures(self) -> str:
        """Return the kernel's count of segments with a signature where no password is set; empty = 0."""
        said_by_kernel = self.bgpd.namespace.run("nstat", "-as", "TcpExtTCPMD5Unexpected")
        found = re.search(r"(TcpExtTCPMD5Unexpected +[1-9]\d*)", said_by_kernel)
        return found[1] if found else ""

    def _shown_neighbor(self, peering: Peering, words: str) -> str:
        return shown(self.ask("show", "neighbor", peering.our_end), words)

    def _is_up(self) -> bool:
        self.bgpd.check()
        return "Neighbor" in self.ask("show", "summary")


def _seen(path: _Path) -> Seen:
    extended = [community.replace(" ", ":") for community in path.extended_communities]
    return Seen(
        path.prefix,
        path.origin.upper(),
        path.aspath,
        path.exit_nexthop,
        path.metric,
        path.localpref,
        frozenset((*path.communities, *path.large_communities, *extended)),
        path.path_id,
    )


def _config(peerings: list[Peering]) -> Iterator[str]:
    yield "fib-update no"
    yield f"connect-retry {_RETRY}"
    for peering in peerings:
        for family in peering.families:
            yield from (f"network {prefix}" for prefix in peering.originated(family))
    for peering in peerings:
        yield f"neighbor {peering.our_end} {{"
        yield from _neighbor(peering)
        yield "}"
    yield "allow from any"
    for peering in peerings:
        for family in peering.families:
            attributes = (
                f"metric {MED} localpref {LOCAL_PREF} community 65020:1 large-community 65020:1:2"
                f" ext-community rt 65020:1 nexthop {peering.their_address(family)}"
            )
            prefixes = " ".join((*peering.originated(family), *peering.passed_on(family)))
            yield f"allow to {peering.our_end} prefix {{ {prefixes} }} set {{ {attributes} }}"
        if _is_given_next_hops(peering):
            yield f"match to {peering.our_end} set {{ nexthop no-modify }}"


def _is_given_next_hops(peering: Peering) -> bool:
    """Is it a session on which only a multihop peer is sent the next hop that the filter sets?

    To a peer on the link it sends IPv6 routes of an IPv4 session with some address of the interface.
    """
    return not peering.is_internal and peering.families != (peering.transport,)


def _neighbor(peering: Peering) -> Iterator[str]:
    yield f"remote-as {OUR_ASN}"
    yield f"local-address {peering.their_end}"
    yield "announce enhanced refresh yes"
    for family in FAMILIES:
        yield f"announce {_NAME[family]} {'unicast' if family in peering.families else 'none'}"
    if peering.dialling is Dialling.WE:
        yield "passive"
    if _is_given_next_hops(peering):
        yield "multihop 2"
    if peering.password:
        yield f"tcp md5sig password {peering.password}"
    if Option.GTSM in peering.options:
        yield "ttl-security yes"
    if Option.FOUR_OCTET_AS in peering.options:
        yield f"local-as {peering.their_asn}"
    if Option.TWO_OCTET_AS in peering.options:
        yield "announce as-4byte no"
    if Option.ADD_PATH_RECEIVE in peering.options:
        yield "announce add-path send all"
    if Option.ADD_PATH_SEND in peering.options:
        yield "announce add-path recv yes"
        yield "enforce local-as no"
    if Option.ROLE in peering.options:
        yield "announce policy customer"
    if Option.MAX_PREFIXES_THEIRS in peering.options:
        yield "max-prefix 1"


def version() -> str:
    """Return OpenBGPD's version. Raises MissingDaemon."""
    for program in (BGPD, BGPCTL):
        find(program, _PACKAGE)
    found = re.search(r"OpenBGPD (\S+)", said(BGPCTL, "-V"))
    if found is None:
        raise MissingDaemon(f"{BGPCTL} is not OpenBGPD's: the interoperability tests need OpenBGPD")
    return found[1]


def _limit(peering: Peering) -> str:
    if Option.MD5 in peering.options and peering.dialling is Dialling.WE:
        return "On Linux it gives passwords to the sockets that it dials from, and none to the one it listens on."
    if Option.THEIR_RESTART in peering.options:
        return "Its restart capability carries End-of-RIB and no family, so that nobody keeps its routes."
    if Option.LONG_LIVED in peering.options:
        return "It has no RFC 9494."
    if Option.EXTENDED_NEXT_HOP in peering.options:
        return "It has no RFC 8950."
    if Option.EXTENDED_MESSAGES in peering.options:
        return "It has no RFC 8654."
    return ""


OPENBGPD: Final = Kind("OpenBGPD", _PACKAGE, version, OpenBgpd, _limit)
