"""BIRD as one of the other daemons: a router whose configuration follows from peerings, read through ``birdc``.

BIRD's documentation, chapter 6.3 (BGP). Each session and family has a table of its own, so that nothing goes from one
session to another.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from conformance.interop.bird import Bird, BirdRoute, version
from conformance.interop.peer_daemon import Kind, Seen
from conformance.interop.peering import (
    LOCAL_PREF,
    LONG_COMMUNITIES,
    LONG_LIST,
    LONG_PREFIX,
    MED,
    RESTART_TIME,
    Option,
    Peering,
)
from conformance.interop.plan import OUR_ASN, Dialling
from tests.support.netns import Namespace

_PROTOCOL: Final = {  # options of a session
    Option.GTSM: "ttl security on;",
    Option.TWO_OCTET_AS: "enable as4 off;",
    Option.ADD_PATH_SEND: "allow local as 3;",
    Option.EXTENDED_MESSAGES: "enable extended messages on;",
    Option.ROLE: "local role customer;",
    Option.GRACEFUL_RESTART: "graceful restart on; graceful restart time 60;",
}
_CHANNEL: Final = {  # and of a family in it
    Option.ADD_PATH_RECEIVE: "add paths tx;",
    Option.ADD_PATH_SEND: "add paths rx;",
    # again and again: what we have sent meanwhile may let its kernel answer with a reset before we read why
    Option.MAX_PREFIXES_THEIRS: "import limit 1 action restart;",
}
# what it shows of a list is cut after some forty communities, so it is asked whether it has exactly these
_IS_LONG: Final = f"bgp_community.len = {LONG_LIST} && delete(bgp_community, [(65020, 0..{LONG_LIST - 1})]).len = 0"
_COMMUNITY: Final = re.compile(r"\(([^()]*)\)")


class BirdRouter:
    """One BIRD."""

    def __init__(self, namespace: Namespace, directory: Path, asn: int, identifier: str) -> None:
        del asn  # each session has its own
        self._identifier = identifier
        self.bird = Bird(namespace, directory)

    def configure(self, peerings: Iterable[Peering]) -> None:
        """Write the configuration; a running BIRD is not told."""
        head = [f"router id {self._identifier};", "protocol device { scan time 60; }"]
        self.bird.configure("\n".join([*head, *_config(list(peerings))]) + "\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.bird.start()

    def recover(self) -> None:
        """Start it again, as a graceful restart."""
        self.bird.start("-R")

    def kill(self) -> None:
        """End it as a crash would."""
        self.bird.kill()

    def stop(self) -> None:
        """End it."""
        self.bird.stop()

    def state(self, peering: Peering) -> str:
        """Return the session's state."""
        return self.bird.bgp_state(_protocol(peering))

    def routes(self, peering: Peering, prefix: str) -> list[Seen]:
        """Return what the session brought of a prefix."""
        table = _table(peering, "ipv6" if ":" in prefix else "ipv4")
        found = [_seen(route) for route in self.bird.routes(table, prefix) if route.protocol == _protocol(peering)]
        if prefix == LONG_PREFIX and found and self.bird.where(_IS_LONG, table, prefix):
            return [replace(seen, communities=LONG_COMMUNITIES) for seen in found]
        return found

    def announce(self, peering: Peering, family: str) -> None:
        """Announce the peering's prefix again."""
        self.bird.ask(f"enable {_static(peering, family)}")

    def withdraw(self, peering: Peering, family: str) -> None:
        """Withdraw the peering's prefix."""
        self.bird.ask(f"disable {_static(peering, family)}")

    def ask_refresh(self, peering: Peering) -> None:
        """Send ROUTE-REFRESH for all families of the session."""
        self.bird.ask(f"reload in {_protocol(peering)}")

    def shut_down(self, peering: Peering, text: str) -> None:
        """Close the session with a shutdown communication, and keep it down."""
        self.bird.ask(f'disable {_protocol(peering)} "{text}"')

    def bring_up(self, peering: Peering) -> None:
        """Take the session up again."""
        self.bird.ask(f"enable {_protocol(peering)}")

    def last_error(self, peering: Peering) -> str:
        """Return the lines of the log about the session that name what was received."""
        return " ".join(self.bird.process.lines(f" {_protocol(peering)}: ", "Received"))

    def evidence(self, peering: Peering) -> str:
        """Say that there is nothing to show: no session has a limitation."""
        raise AssertionError(f"BIRD has no limitation that {peering.name} shows")


def _protocol(peering: Peering) -> str:
    return f"p{peering.number}"


def _static(peering: Peering, family: str) -> str:
    return f"s{peering.number}{family}"


def _table(peering: Peering, family: str) -> str:
    return f"t{peering.number}{family}"


def _seen(route: BirdRoute) -> Seen:
    named = route.attributes
    communities = " ".join(named.get(name, "") for name in ("community", "large_community", "ext_community"))
    return Seen(
        route.prefix,
        named.get("origin", "").upper(),
        named.get("as_path", ""),
        named.get("next_hop", "").split()[0],
        int(named["med"]) if "med" in named else None,
        int(named["local_pref"]) if "local_pref" in named else None,
        frozenset(re.sub(r",\s*", ":", found) for found in _COMMUNITY.findall(communities)),
        int(named.get("path_id", 0)),
    )


def _config(peerings: list[Peering]) -> Iterator[str]:
    for peering in peerings:
        for family in peering.families:
            yield from _source(peering, family)
        yield f"protocol bgp {_protocol(peering)} {{"
        yield f"local {peering.their_end} as {peering.their_asn};"
        yield f"neighbor {peering.our_end} as {OUR_ASN};"
        yield "direct; connect delay time 1; connect retry time 1; error wait time 1, 2;"
        if peering.dialling is Dialling.WE:
            yield "passive;"
        if peering.password:
            yield f'password "{peering.password}";'
        yield from (words for option, words in _PROTOCOL.items() if option in peering.options)
        if Option.LONG_LIVED in peering.options:
            yield f"graceful restart on; graceful restart time {RESTART_TIME};"
            yield f"long lived graceful restart on; long lived stale time {peering.stale_time};"
        for family in peering.families:
            yield from _channel(peering, family)
        yield "}"


def _source(peering: Peering, family: str) -> Iterator[str]:
    table = _table(peering, family)
    yield f"{family} table {table};"
    if Option.OUR_IPV6_NEXT_HOP in peering.options:
        kernel = f"{family} {{ table {table}; import none; export where source = RTS_BGP; }}"
        yield f"protocol kernel k{peering.number}{family} {{ {kernel}; }}"
    yield f"protocol static {_static(peering, family)} {{ {family} {{ table {table}; }};"
    yield from (f"route {prefix} blackhole;" for prefix in peering.originated(family))
    yield "}"
    if Option.ADD_PATH_RECEIVE in peering.options:  # another way, by another protocol: a second path
        yield f"protocol static {_static(peering, family)}b {{ {family} {{ table {table}; }};"
        yield f"route {peering.prefix(family)} unreachable; }}"


def _channel(peering: Peering, family: str) -> Iterator[str]:
    over_ipv6 = Option.EXTENDED_NEXT_HOP in peering.options
    yield f"{family} {{ table {_table(peering, family)}; import all;"
    if over_ipv6 and family == "ipv4":
        yield "extended next hop on;"
    elif family != peering.transport:
        yield f"next hop address {peering.their_address(family)};"
    if peering.is_internal and Option.OUR_IPV6_NEXT_HOP not in peering.options:
        yield "gateway recursive;"  # the other router's subnets are not on its wire: a route stays, unreachable
    yield from (words for option, words in _CHANNEL.items() if option in peering.options)
    yield "export filter { if source != RTS_STATIC then reject;"
    yield f"bgp_med = {MED};"
    if peering.is_internal:
        yield f"bgp_local_pref = {LOCAL_PREF};"
    yield "bgp_community.add((65020, 1)); bgp_large_community.add((65020, 1, 2));"
    yield "bgp_ext_community.add((rt, 65020, 1));"
    yield "accept; }; };"


def _limit(peering: Peering) -> str:
    del peering  # it can have all of them
    return ""


BIRD: Final = Kind("BIRD", "bird2", version, BirdRouter, _limit, has_fib=True)
