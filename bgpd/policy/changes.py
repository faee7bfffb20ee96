"""What rules do to a route: changed attributes, the same object where nothing changes."""

from bgpd.communities import Communities, CommunityPattern, large_from_octets
from bgpd.families import Family
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Attributes
from bgpd.policy.conditions import communities_by_kind, matching
from bgpd.policy.rules import NO_CHANGES, Changes


def apply(changes: Changes, attributes: Attributes, family: Family) -> Attributes:
    """Return the attributes of a route of the family after the changes."""
    if changes == NO_CHANGES:
        return attributes
    wanted: dict[str, object] = {}
    if changes.origin is not None:
        wanted["origin"] = changes.origin
    if changes.prepend:
        path = attributes.as_path
        for asn in reversed(changes.prepend):
            path = as_path.prepend(path, asn)
        wanted["as_path"] = path
    if len(changes.next_hop) == family.octets:
        wanted["next_hop"] = changes.next_hop
    if changes.med is not None:
        wanted["med"] = changes.med
    if changes.local_pref is not None:
        wanted["local_pref"] = changes.local_pref
    wanted |= _communities(changes, attributes)
    different = {name: value for name, value in wanted.items() if value != getattr(attributes, name)}
    return block.replace(attributes, **different) if different else attributes


def _communities(changes: Changes, attributes: Attributes) -> dict[str, object]:
    """Return the fields of communities: those there without the deleted ones, or the set ones; then the added ones."""
    kept = changes.set_communities
    if kept is None:
        kept = _without(changes.delete_communities, attributes)
    added = changes.add_communities
    return {
        "communities": tuple(dict.fromkeys(kept.plain + added.plain)),
        "extended_communities": tuple(dict.fromkeys(kept.extended + added.extended)),
        "ipv6_extended_communities": tuple(dict.fromkeys(kept.ipv6_extended + added.ipv6_extended)),
        "large_communities": tuple(dict.fromkeys(kept.large + added.large)),
    }


def _without(patterns: tuple[CommunityPattern, ...], attributes: Attributes) -> Communities:
    """Return the communities that no pattern matches."""
    kept = {
        kind: tuple(octets for octets in carried if not matching(patterns, octets, kind))
        for kind, carried in communities_by_kind(attributes).items()
    }
    return Communities(
        plain=tuple(int.from_bytes(octets) for octets in kept["plain"]),
        extended=kept["extended"],
        ipv6_extended=kept["ipv6_extended"],
        large=tuple(map(large_from_octets, kept["large"])),
    )
