"""Next-hop tracking: every address that paths point to, resolved once and again when the topology changes.

RFC 4271 5.1.3 and 9.1.2.1 (resolvability). A resolved next hop is a frozen record; when the way to it changes,
``refresh`` says which record takes the place of which, and the tables move their paths over.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol
from weakref import ref

from bgpd.addresses import is_link_local
from bgpd.rib.path import NextHop

_FEW: Final = 1000  # next hops that are not worth a sweep


class Reach(Protocol):
    """How an address is reached, as a routing table says. metric: 0 = connected. gateway: empty = on the link."""

    @property
    def is_reachable(self) -> bool: ...
    @property
    def metric(self) -> int: ...
    @property
    def gateway(self) -> bytes: ...
    @property
    def device(self) -> int: ...
    @property
    def device_name(self) -> str: ...
    @property
    def why(self) -> str: ...


class Resolver(Protocol):
    """Looks an address up; interface: index of the link a link-local address is on."""

    def lookup(self, address: bytes, interface: int = 0) -> Reach: ...


class NextHopTable:
    """All next hops in use. Without a resolver each of them counts as reachable."""

    __slots__ = ("_known", "_resolver", "_swept")

    def __init__(self, resolver: Resolver | None) -> None:
        self._resolver = resolver
        self._known: dict[tuple[bytes, int], NextHop] = {}
        self._swept = _FEW  # how many there were after the last sweep

    def get(self, octets: bytes, interface: int = 0) -> NextHop:
        """Return the next hop for the octets of NEXT_HOP or MP_REACH_NLRI: 4, 16 or 32 (global and link-local)."""
        key = (octets, interface)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 2 * self._swept:  # a peer may name new ones for ever
                self._sweep()
            found = self._known[key] = self._resolve(octets, interface)
        return found

    def refresh(self) -> Mapping[NextHop, NextHop]:
        """Resolve all again; return the records that changed, old → new."""
        changed: dict[NextHop, NextHop] = {}
        for (octets, interface), old in self._known.items():
            new = self._resolve(octets, interface)
            if _reach(new) != _reach(old):
                changed[old] = new
                self._known[octets, interface] = new
        return changed

    def __len__(self) -> int:
        return len(self._known)

    def _sweep(self) -> None:
        """Forget the records that nobody else holds."""
        known = [(key, ref(hop)) for key, hop in self._known.items()]
        self._known.clear()
        self._known = {key: hop for key, weak in known if (hop := weak()) is not None}
        self._swept = max(_FEW, len(self._known))

    def _resolve(self, octets: bytes, interface: int) -> NextHop:
        address, link_local = octets[:16], octets[16:]
        if len(address) == 16 and is_link_local(address):
            address, link_local = b"", address
        hop = NextHop(address, link_local, interface)
        if self._resolver is None:
            return hop
        found = self._resolver.lookup(address or link_local, 0 if address else interface)
        if not found.is_reachable and address and link_local and interface:
            found = self._resolver.lookup(link_local, interface)
        return replace(
            hop,
            is_reachable=found.is_reachable,
            metric=found.metric,
            gateway=found.gateway,
            device=found.device,
            device_name=found.device_name,
            why=found.why,
        )


def _reach(hop: NextHop) -> tuple[bool, int, bytes, int, str, str]:
    return hop.is_reachable, hop.metric, hop.gateway, hop.device, hop.device_name, hop.why
