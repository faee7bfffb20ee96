"""Which of others' kernel routes are ours to announce: learning by ownership, never "everything alien".

A route is learned if a rule names it (protocol, device, gateway, table). Never learned: routes of protocol unspec,
redirect and kernel, our own, those with a TOS, clones, throw and local routes, and link-local, multicast and loopback
destinations. Among several routes of a prefix the lowest metric wins; at the same metric, the earlier rule.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from itertools import groupby, repeat
from operator import is_, itemgetter
from types import MappingProxyType
from typing import Final

from bgpd.addresses import covers, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel.links import Link
from bgpd.kernel.mirror import Bodies
from bgpd.kernel.routes import RouteBody
from bgpd.kernel.rtnetlink import (
    RTM_F_CLONED,
    RTN_BLACKHOLE,
    RTN_PROHIBIT,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTPROT_KERNEL,
    RTPROT_REDIRECT,
    RTPROT_UNSPEC,
)
from bgpd.kernel.settings import LearnRule
from bgpd.records import dataclass

_NEVER: Final = frozenset({RTPROT_UNSPEC, RTPROT_REDIRECT, RTPROT_KERNEL})
_KINDS: Final = frozenset({RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT})
_SPECIAL: Final[Mapping[Family, tuple[bytes, ...]]] = MappingProxyType(
    {
        IPV4_UNICAST: tuple(parse_prefix(text)[1] for text in ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4")),
        IPV6_UNICAST: tuple(parse_prefix(text)[1] for text in ("::/127", "fe80::/10", "ff00::/8")),
    }
)
# Every special prefix begins with one of these, so most routes need no closer look.
_FIRST_OCTETS: Final = {
    IPV4_UNICAST: frozenset(bytes((octet,)) for octet in (127, 169, *range(224, 240))),
    IPV6_UNICAST: frozenset((b"\0", b"\xfe", b"\xff")),
}

_route = itemgetter(0)  # of a prefix that was judged


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """A kernel route that a rule selects; one object serves all prefixes that are alike.

    device: interface index, 0 = none (a black hole). gateway: octets, empty = on the link. metric: 0 = none. protocol:
    of the kernel route. rule: position of the learn rule, from 0.
    """

    device: int
    device_name: str
    gateway: bytes
    metric: int
    protocol: int
    rule: int


LearnedRun = tuple[Family, LocalRoute | None, Sequence[bytes]]
"""What is learned for these prefixes of a family; None: nothing."""


def is_special(family: Family, prefix: bytes) -> bool:
    """Is it a destination that no rule may announce (loopback, link-local, multicast)?"""
    return prefix[1:2] in _FIRST_OCTETS[family] and any(covers(special, prefix) for special in _SPECIAL[family])


class Learner:
    """Applies learn rules; remembers its verdict on each route body."""

    def __init__(self, rules: tuple[LearnRule, ...], table: int, own_protocol: int) -> None:
        self._rules = tuple((rule, rule.table or table, _pattern(rule.devices)) for rule in rules)
        self._own_protocol = own_protocol
        self._verdicts: dict[RouteBody, LocalRoute | None] = {}
        self._routes: dict[LocalRoute, LocalRoute] = {}
        self.tables = frozenset(table for _, table, _ in self._rules)

    def forget(self) -> None:
        """Judge all routes anew: the names of interfaces have changed."""
        self._verdicts.clear()
        self._routes.clear()

    def select_runs(
        self,
        family: Family,
        prefixes: Sequence[bytes],
        tables: Sequence[Mapping[bytes, Bodies]],
        links: Mapping[int, Link],
    ) -> list[LearnedRun]:
        """Return ``select`` in runs."""
        if len(tables) == 1 and not _may_be_special(family, prefixes):
            bodies = tables[0].get(prefixes[0])
            if all(map(is_, map(tables[0].get, prefixes), repeat(bodies))):
                return [(family, _best(self._verdict(body, links) for body in bodies or ()), prefixes)]
        judged = zip(self.select(family, prefixes, tables, links), prefixes, strict=True)
        return [(family, route, [prefix for _, prefix in run]) for route, run in groupby(judged, _route)]

    def select(
        self,
        family: Family,
        prefixes: Sequence[bytes],
        tables: Sequence[Mapping[bytes, Bodies]],
        links: Mapping[int, Link],
    ) -> list[LocalRoute | None]:
        """Return what is learned for each of the prefixes. tables: routes by prefix, of each table that has a rule."""
        columns = [self._select_from(list(map(routes.get, prefixes)), links) for routes in tables]
        if len(columns) == 1:
            routes = columns[0]
        else:
            routes = [_best(of_prefix) for of_prefix in zip(*columns, strict=True)] or [None] * len(prefixes)
        if _may_be_special(family, prefixes):
            for position, prefix in enumerate(prefixes):
                if is_special(family, prefix):
                    routes[position] = None
        return routes

    def _select_from(self, found: list[Bodies | None], links: Mapping[int, Link]) -> list[LocalRoute | None]:
        """Return what is learned from the routes of one table, for each prefix."""
        # Prefixes with one and the same route share the tuple of it
        best = {bodies: _best(self._verdict(body, links) for body in bodies or ()) for bodies in set(found)}
        return [best[bodies] for bodies in found]

    def _verdict(self, body: RouteBody, links: Mapping[int, Link]) -> LocalRoute | None:
        return self._verdicts[body] if body in self._verdicts else self._judge(body, links)

    def _judge(self, body: RouteBody, links: Mapping[int, Link]) -> LocalRoute | None:
        if len(self._verdicts) > 1 << 17:
            self.forget()
        route = self._match(body, links)
        if route is not None:
            route = self._routes.setdefault(route, route)
        self._verdicts[body] = route
        return route

    def _match(self, body: RouteBody, links: Mapping[int, Link]) -> LocalRoute | None:
        if body.protocol in _NEVER or body.protocol == self._own_protocol:
            return None
        if body.tos or body.flags & RTM_F_CLONED or body.kind not in _KINDS:
            return None
        names = [links[leg.device].name if leg.device in links else "" for leg in body.legs]
        has_gateway = any(leg.gateway for leg in body.legs)
        for position, (rule, table, pattern) in enumerate(self._rules):
            if table != body.table or (rule.protocols and body.protocol not in rule.protocols):
                continue
            if has_gateway and not rule.gateway:
                continue
            if pattern is not None and not (names and all(pattern.match(name) for name in names)):
                continue
            first = body.legs[0] if body.legs else None
            return LocalRoute(
                first.device if first else 0,
                names[0] if names else "",
                first.gateway if first else b"",
                body.metric,
                body.protocol,
                position,
            )
        return None


def _may_be_special(family: Family, prefixes: Iterable[bytes]) -> bool:
    """May one of them be a destination that no rule may announce?"""
    return not _FIRST_OCTETS[family].isdisjoint([prefix[1:2] for prefix in prefixes])


def _best(routes: Iterable[LocalRoute | None]) -> LocalRoute | None:
    best: LocalRoute | None = None
    for route in routes:
        if route is not None and (best is None or (route.metric, route.rule) < (best.metric, best.rule)):
            best = route
    return best


def _pattern(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(glob) for glob in globs)) if globs else None
