"""How an address is reached over routes that are not ours: next-hop resolution (RFC 4271 5.1.3, 9.1.2.1).

Longest prefix first, then the lowest metric, as the kernel does it. Link-local addresses need the interface they are
meant on.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from bgpd.addresses import format_address, format_prefix, is_link_local, network_of
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, Family
from bgpd.kernel.links import Link
from bgpd.kernel.mirror import Mirror
from bgpd.kernel.routes import RouteBody
from bgpd.kernel.rtnetlink import RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW, RTN_UNICAST, RTN_UNREACHABLE, RTPROT_KERNEL
from bgpd.records import dataclass

_REFUSING: Final = {RTN_BLACKHOLE: "a black hole", RTN_UNREACHABLE: "unreachable", RTN_PROHIBIT: "prohibited"}


@dataclass(frozen=True, slots=True)
class Resolution:
    """How an address is reached.

    metric: of the route to it, 0 = connected. gateway: octets, empty = on the device's link. device: interface index,
    0 = none. device_name: of that interface. why: for people, when it is not reachable.
    """

    is_reachable: bool
    metric: int = 0
    gateway: bytes = b""
    device: int = 0
    device_name: str = ""
    why: str = ""


def resolve(
    address: bytes,
    interface: int,
    mirror: Mirror,
    tables: Sequence[int],
    links: Mapping[int, Link],
    ours: frozenset[bytes],
) -> Resolution:
    """Return how the address is reached; tables: those to look in. ours: addresses of this host."""
    if is_link_local(address):
        return _resolve_link_local(address, interface, links)
    if address in ours:
        return Resolution(is_reachable=False, why=f"{format_address(address)} is an address of this host")
    family = FAMILY_BY_ADDRESS_SIZE[len(address)]
    lengths = sorted({length for table in tables for length in mirror.table(table, family).lengths}, reverse=True)
    for length in lengths:
        prefix = network_of(address, length)
        found = [body for table in tables for body in mirror.bodies(table, family, prefix)]
        resolution = _resolve_over(family, prefix, found, links)
        if resolution is not None:
            return resolution
    return Resolution(is_reachable=False, why=f"no route to {format_address(address)}")


def _resolve_link_local(address: bytes, interface: int, links: Mapping[int, Link]) -> Resolution:
    text = format_address(address)
    if not interface:
        return Resolution(is_reachable=False, why=f"{text} is link-local and no interface is known for it")
    link = links.get(interface)
    if link is None:
        return Resolution(is_reachable=False, why=f"the interface of {text} (index {interface}) is gone")
    if not link.is_up:
        return Resolution(is_reachable=False, why=f"{link.name}, the interface of {text}, is down")
    return Resolution(is_reachable=True, device=interface, device_name=link.name)


def _resolve_over(
    family: Family, prefix: bytes, bodies: Sequence[RouteBody], links: Mapping[int, Link]
) -> Resolution | None:
    """Return what the best living route of a prefix says; None: look at shorter prefixes."""
    for body in sorted(bodies, key=lambda body: body.metric):
        if body.tos or body.kind == RTN_THROW:
            continue
        if body.kind != RTN_UNICAST:
            what = _REFUSING.get(body.kind, "not a unicast route")
            return Resolution(is_reachable=False, why=f"its route {format_prefix(family, prefix)} is {what}")
        for leg in body.legs:
            link = links.get(leg.device)
            if link is not None and link.is_up:
                is_connected = not leg.gateway and body.protocol == RTPROT_KERNEL
                return Resolution(True, 0 if is_connected else body.metric, leg.gateway, leg.device, link.name)
    return None
