"""The routes that this node originates: configured networks, and routes that were learned from the kernel.

RFC 4271 9.4. A network's path has ORIGIN IGP and the communities of the configuration; a kernel route has ORIGIN IGP
too, and its gateway as next hop where it has one, which iBGP peers are told.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from bgpd.config import ResolvedNetwork
from bgpd.families import Family
from bgpd.identity import Asn, BgpIdentifier
from bgpd.kernel.learning import LearnedRun, LocalRoute
from bgpd.messages.attributes import block
from bgpd.messages.attributes.model import Origin
from bgpd.rib.decision import rank
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.path import OWN, NextHop, Path, Preference, Source, SourceKind

_HIGHEST: Final = 2147483647  # LOCAL_PREF of metric 0
_FEW: Final = 1000  # paths of the kernel's routes that are not worth a sweep


class _Way(NamedTuple):
    """What learned routes share that have one path. gateway: octets, empty = on the link."""

    family: Family
    gateway: bytes
    device: int
    device_name: str
    local_pref: int | None


class Origination:
    """Puts our own routes into the Loc-RIBs and takes them out again.

    networks: what is originated by configuration. gateways: next hops that learned routes have, or had. priorities:
    metric of ordinary routes by family, where LOCAL_PREF tells metrics; ``renew`` has to follow a change.
    """

    def __init__(
        self, loc_ribs: Mapping[Family, LocRib], asn: Asn, identifier: BgpIdentifier, source_numbers: Iterator[int]
    ) -> None:
        self._loc_ribs = loc_ribs
        self._network_source, self._kernel_source = (
            Source(kind, kind.value, preference, asn, identifier, number=next(source_numbers))
            for kind, preference in (
                (SourceKind.NETWORK, Preference.NETWORK),
                (SourceKind.KERNEL, Preference.KERNEL),
            )
        )
        self.networks: dict[tuple[Family, bytes], ResolvedNetwork] = {}
        self.gateways: set[bytes] = set()
        self.priorities: Mapping[Family, int] = {}
        self._kernel_paths: dict[_Way, Path] = {}
        self._paths_swept = _FEW  # how many there were after the last sweep

    def set_networks(self, networks: Iterable[ResolvedNetwork]) -> None:
        """Originate these networks and no others."""
        wanted = {(network.family, network.prefix): network for network in networks}
        for key in self.networks.keys() - wanted.keys():
            family, prefix = key
            self._loc_ribs[family].withdraw((prefix,), self._network_source)
        for key, network in wanted.items():
            if self.networks.get(key) != network:
                family, prefix = key
                self._loc_ribs[family].announce((prefix,), self._network_path(network))
        self.networks = wanted

    def kernel_changed(self, runs: Iterable[LearnedRun]) -> None:
        """Take what the kernel's routing table gained (a route) and lost (None)."""
        for family, route, prefixes in runs:
            if route is None:
                self._loc_ribs[family].withdraw(prefixes, self._kernel_source)
            else:
                self._loc_ribs[family].announce(prefixes, self._kernel_path(family, route))

    def renew(self, asn: Asn, identifier: BgpIdentifier, learned: Mapping[Family, Mapping[bytes, LocalRoute]]) -> None:
        """Originate everything again under another AS number or BGP Identifier. learned: from the kernel, so far."""
        for source in (self._network_source, self._kernel_source):
            source.identify(asn, identifier)
        self._kernel_paths.clear()
        networks, self.networks = self.networks, {}
        self.set_networks(networks.values())
        for family, routes in learned.items():
            alike = groupby(routes.items(), itemgetter(1))
            self.kernel_changed((family, route, [prefix for prefix, _ in items]) for route, items in alike)

    def _network_path(self, network: ResolvedNetwork) -> Path:
        attributes = block.make(
            origin=Origin.IGP,
            local_pref=self._local_pref(network.family, 0),
            communities=network.communities.plain,
            extended_communities=network.communities.extended,
            ipv6_extended_communities=network.communities.ipv6_extended,
            large_communities=network.communities.large,
        )
        path = Path(self._network_source, network.family, attributes, OWN)
        path.is_black_hole = network.blackhole
        rank(path)
        return path

    def _kernel_path(self, family: Family, route: LocalRoute) -> Path:
        key = self._way(family, route)
        path = self._kernel_paths.get(key)
        if path is None:
            if len(self._kernel_paths) > 2 * self._paths_swept:  # each container has a device of its own
                self._sweep()
            attributes = block.make(origin=Origin.IGP, next_hop=route.gateway, local_pref=key.local_pref)
            hop = OWN
            if route.gateway:
                hop = NextHop(route.gateway, gateway=route.gateway, device=route.device, device_name=route.device_name)
            path = Path(self._kernel_source, family, attributes, hop)
            path.interface = route.device_name
            rank(path)
            self._kernel_paths[key] = path
            if route.gateway:
                self.gateways.add(route.gateway)
        return path

    def _way(self, family: Family, route: LocalRoute) -> _Way:
        return _Way(family, route.gateway, route.device, route.device_name, self._local_pref(family, route.metric))

    def _sweep(self) -> None:
        """Forget the paths of routes that are gone."""
        self._kernel_paths = {way: path for way, path in self._kernel_paths.items() if path.held}
        self._paths_swept = max(_FEW, len(self._kernel_paths))

    def _local_pref(self, family: Family, metric: int) -> int | None:
        """Return the LOCAL_PREF that tells a metric, 0 = an ordinary route's; None = it does not tell metrics."""
        priority = self.priorities.get(family)
        return None if priority is None else max(0, _HIGHEST - (metric or priority))
