"""Path attributes: one module for each, and the table of them all (RFC 4271 section 5)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bgpd.messages.attributes import (
    aggregator,
    aigp,
    as4_aggregator,
    as4_path,
    as_path,
    atomic_aggregate,
    cluster_list,
    communities,
    extended_communities,
    ipv6_extended_communities,
    large_communities,
    local_pref,
    multi_exit_disc,
    next_hop,
    only_to_customer,
    origin,
    originator_id,
)
from bgpd.messages.attributes.spec import AnySpec

_ALL: Final[tuple[AnySpec, ...]] = (
    origin.SPEC,
    as_path.SPEC,
    next_hop.SPEC,
    multi_exit_disc.SPEC,
    local_pref.SPEC,
    atomic_aggregate.SPEC,
    aggregator.SPEC,
    communities.SPEC,
    originator_id.SPEC,
    cluster_list.SPEC,
    extended_communities.SPEC,
    as4_path.SPEC,
    as4_aggregator.SPEC,
    ipv6_extended_communities.SPEC,
    aigp.SPEC,
    large_communities.SPEC,
    only_to_customer.SPEC,
)

SPECS: Final[Mapping[int, AnySpec]] = MappingProxyType({spec.code: spec for spec in _ALL})

__all__ = ["SPECS"]
