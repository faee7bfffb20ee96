"""What must hold when all has settled, node by node.

1. Sessions: those that both ends want are Established, no others.
2. What a node uses of others is what they own, and nothing of a node that is gone.
3. The kernel has the routes that follow from it, each as the pool wants it, the black holes of our blocks, and no more.
4. Kernel and decision are one: what bgpd says that it installed is there.
5. Adj-RIB-In: each peer tells of its own what it owns, and what it filters stays away.
6. A session that nothing touched was not reset.
7. A route that was due all the time, over a session with its node that nothing touched, never left the kernel.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Final, Generic, TypeVar

import msgspec

from bgpd.api.rows import FibRow, PeerRow, RouteRow
from bgpd.lab.nodes import Node as Host
from bgpd.lab.options import LabError
from conformance.churn.fleet import PROTOCOL, Fleet, SessionKey
from conformance.churn.routes import Expected, KernelRoute, Usable

Since = Mapping[SessionKey, float]

_SAME: Final = 0.2  # seconds by which the beginning of one and the same session may seem to differ
_MOST: Final = 6  # differences that a fault names


_Row = TypeVar("_Row")


class _Rows(msgspec.Struct, Generic[_Row]):
    """What all lists of the API are."""

    rows: list[_Row]


class _Leg(msgspec.Struct):
    """A way of a route, as ``ip -json`` shows it."""

    gateway: str = ""
    dev: str = ""
    flags: tuple[str, ...] = ()


class _Shown(_Leg):
    """A route as ``ip -json`` shows it."""

    dst: str = ""
    type: str = "unicast"
    nexthops: tuple[_Leg, ...] = ()


def node_faults(fleet: Fleet, name: str, expected: Expected) -> list[str]:
    """Return what does not hold at a node whose daemon runs: points 1 to 4."""
    host = fleet.host(name)
    if name not in fleet.world.nodes:
        return _faults_of_removed(host)
    try:
        peers = host.peers()
        routes = _rows(host, "/routes?limit=0", RouteRow)
        fib = _rows(host, "/fib?limit=0", FibRow)
    except LabError as error:
        return [str(error)]
    kernel = kernel_routes(host)
    wanted = set(fleet.wanted[name])
    established = {ip_address(one.address) for one in peers if one.state == "Established"}
    addresses = {one.name: ip_address(one.address) for one in peers}
    usable = {
        Usable(ip_network(one.prefix), addresses[one.peer], ip_address(one.next_hop))
        for one in routes
        if one.peer in addresses
    }
    stale = [one.prefix for one in routes if one.is_stale]
    faults = [
        *_difference("sessions wanted", wanted, set(addresses.values())),
        *_difference("sessions up", set(fleet.up[name]), established),
        *_difference("routes of others", expected.usable[name], usable),
        *_difference("kernel", expected.kernel[name], kernel),
        *_difference("kernel against bgpd's own list", set(_said(fib)), kernel),
        *(f"{one.prefix} is {one.state} in the kernel: {one.error}" for one in fib if one.state != "installed"),
        *([f"stale: {stale[:_MOST]}"] if stale else []),
    ]
    return [f"{name}: {fault}" for fault in faults]


def _faults_of_removed(host: Host) -> list[str]:
    """Return what is wrong at a daemon whose node was taken out of etcd: nobody speaks to it, it reaches nobody.

    But for routes of those that crashed before it was taken out: it waits for them, having no news. One that has had no
    node in etcd since it started leaves what it finds in the kernel alone: it cannot tell an etcd that lost
    everything from a cluster that it is not part of.
    """
    try:
        up = [one.address for one in host.peers() if one.state == "Established"]
        stale = {ip_network(one.prefix) for one in _rows(host, "/routes?limit=0", RouteRow) if one.is_stale}
    except LabError:
        return []
    reached = [one for one in kernel_routes(host) if one.gateway is not None and one.prefix not in stale]
    faults = []
    if up:
        faults.append(f"{host.name}: is no node any more and has sessions with {up[:_MOST]}")
    if reached:
        faults.append(f"{host.name}: is no node any more and has routes: {sorted(map(_text, reached))[:_MOST]}")
    return faults


def told_faults(fleet: Fleet, name: str, expected: Expected) -> Iterator[str]:
    """Yield what is wrong in a node's Adj-RIBs-In: point 5."""
    nodes = {interface.ip: node for node in fleet.world.nodes.values() for interface in node.addresses.values()}
    own = {interface.ip for interface in fleet.world.nodes[name].addresses.values()}
    for peer in fleet.host(name).peers():
        address = ip_address(peer.address)
        if address not in fleet.up[name]:
            continue
        teller = nodes[address]
        session = fleet.up[name][address]
        # By address: a peer may get another name, and keep its session, after all has settled
        rows = _rows(fleet.host(name), f"/peers/{peer.address}/routes/in?limit=0", RouteRow)
        told = {ip_network(one.prefix) for one in rows if ip_address(one.next_hop) == address}
        passed_on = {one.prefix for one in rows if ip_address(one.next_hop) not in (address, *own)}
        due = expected.announced[teller.name][session.own]
        for fault in _difference(f"told by {teller.name}", due, told):
            yield f"{name}: {fault}"
        if passed_on and not teller.cluster_id:
            yield f"{name}: {teller.name} reflects nothing and passes on {sorted(passed_on)[:_MOST]}"


def since(fleet: Fleet) -> dict[SessionKey, float]:
    """Return since when each session of the cluster is up."""
    found = {}
    for name, sessions in fleet.up.items():
        if sessions:
            for peer in _peers_if_any(fleet.host(name)):
                session = sessions.get(ip_address(peer.address))
                if session is not None and peer.state == "Established":
                    found[session.own, session.address] = peer.since
    return found


def reset_faults(before: Since, after: Since, touched: Iterable[SessionKey]) -> list[str]:
    """Return which sessions were reset though nothing touched them: point 6."""
    allowed = set(touched)
    return [
        f"session {own} to {peer} was reset and need not have been"
        for (own, peer), began in sorted(before.items(), key=str)
        if (own, peer) in after and (own, peer) not in allowed and abs(after[own, peer] - began) > _SAME
    ]


def break_faults(fleet: Fleet) -> Iterator[str]:
    """Yield which routes were out of a kernel for a while and need not have been: point 7."""
    touched = fleet.touched | fleet.touched_before
    for name, routes in fleet.steady.items():
        deleted = fleet.deleted(name)
        if name in fleet.disturbed | fleet.disturbed_before or name not in fleet.world.nodes:
            continue
        for route in sorted(routes, key=str):
            if route.prefix not in deleted:
                continue
            if route.gateway is None:
                yield f"{name}: the black hole {route.prefix} was deleted and need not have been"
            elif (session := fleet.up[name].get(route.gateway)) and (session.own, session.address) not in touched:
                yield f"{name}: {_text(route)} was deleted and need not have been"


def kernel_routes(host: Host) -> set[KernelRoute]:
    """Return our routes in a host's kernel, each leg of one apart."""
    found: set[KernelRoute] = set()
    for version in ("-4", "-6"):
        text = host.namespace.ip("-json", version, "route", "show", "proto", PROTOCOL)
        for one in msgspec.json.decode(text or "[]", type=list[_Shown]):
            prefix = ip_network(one.dst)
            if one.type == "blackhole":
                found.add(KernelRoute(prefix, None, ""))
                continue
            for leg in one.nexthops or (one,):
                found.add(KernelRoute(prefix, ip_address(leg.gateway), leg.dev, "onlink" in leg.flags))
    return found


def _said(fib: Iterable[FibRow]) -> Iterator[KernelRoute]:
    for row in fib:
        prefix = ip_network(row.prefix)
        if row.kind == "blackhole":
            yield KernelRoute(prefix, None, "")
        for leg in row.legs:
            yield KernelRoute(prefix, ip_address(leg.gateway), leg.device, leg.is_onlink)


def _peers_if_any(host: Host) -> tuple[PeerRow, ...]:
    """Return a daemon's peers; it has none before it knows of its node."""
    try:
        return host.peers()
    except LabError:
        return ()


def _rows(host: Host, path: str, kind: type[_Row]) -> list[_Row]:
    return msgspec.json.decode(host.get(path), type=_Rows[kind]).rows  # type: ignore[valid-type]


def _difference(what: str, expected: Iterable[object], found: Iterable[object]) -> Iterator[str]:
    wanted, there = set(expected), set(found)
    for word, some in (("lacks", wanted - there), ("has beyond", there - wanted)):
        if some:
            listed = ", ".join(sorted(map(_text, some))[:_MOST])
            yield f"{what}: {word} {len(some)}: {listed}"


def _text(one: object) -> str:
    if isinstance(one, KernelRoute):
        way = "blackhole" if one.gateway is None else f"via {one.gateway} dev {one.device}"
        return f"{one.prefix} {way}{' onlink' if one.is_onlink else ''}"
    if isinstance(one, Usable):
        return f"{one.prefix} of {one.next_hop} from {one.peer}"
    return str(one)
