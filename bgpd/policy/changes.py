"""What rules do to a route: changed attributes, the same object where nothing changes."""

from typing import Final

from bgpd.communities import Communities, large_to_octets
from bgpd.families import Family
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Attributes
from bgpd.policy.conditions import DEFAULT_LOCAL_PREF
from bgpd.policy.rules import NO_CHANGES, Changes, Delta, NumberChange, Removal
from bgpd.rib.export import Settled

_MOST: Final = 0xFFFF_FFFF
_DEFAULT_MED: Final = 0  # RFC 4271 9.1.2.2 c


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
        wanted["med"] = _number(changes.med, attributes.med, _DEFAULT_MED)
    if changes.local_pref is not None:
        wanted["local_pref"] = _number(changes.local_pref, attributes.local_pref, DEFAULT_LOCAL_PREF)
    wanted |= _communities(changes, attributes)
    different = {name: value for name, value in wanted.items() if value != getattr(attributes, name)}
    return block.replace(attributes, **different) if different else attributes


def settles(changes: Changes, family: Family) -> Settled:
    """Return which attributes the changes settle: export has to send those as they are then, changed or not."""
    settled = Settled.NOTHING
    if changes.med is not None:
        settled |= Settled.MED
    if len(changes.next_hop) == family.octets:
        settled |= Settled.NEXT_HOP
    return settled


def _number(change: NumberChange, present: int | None, absent: int) -> int | None:
    """Return the changed number; absent: what a route without one counts as."""
    match change:
        case Removal():
            return None
        case Delta(amount):
            return min(max((absent if present is None else present) + amount, 0), _MOST)
        case _:
            return change


def _communities(changes: Changes, attributes: Attributes) -> dict[str, object]:
    """Return the fields of communities: those there without the deleted ones, or the set ones; then the added ones."""
    kept = changes.set_communities
    if kept is None:
        kept = _without(changes, attributes)
    added = changes.add_communities
    return {
        "communities": tuple(dict.fromkeys(kept.plain + added.plain)),
        "extended_communities": tuple(dict.fromkeys(kept.extended + added.extended)),
        "ipv6_extended_communities": tuple(dict.fromkeys(kept.ipv6_extended + added.ipv6_extended)),
        "large_communities": tuple(dict.fromkeys(kept.large + added.large)),
    }


def _without(changes: Changes, attributes: Attributes) -> Communities:
    """Return the communities that are not to be deleted."""
    deleted = changes.delete_communities.has
    return Communities(
        plain=tuple(one for one in attributes.communities if not deleted("plain", one.to_bytes(4))),
        extended=tuple(one for one in attributes.extended_communities if not deleted("extended", one)),
        ipv6_extended=tuple(one for one in attributes.ipv6_extended_communities if not deleted("ipv6_extended", one)),
        large=tuple(one for one in attributes.large_communities if not deleted("large", large_to_octets(one))),
    )
