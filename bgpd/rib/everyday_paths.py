"""Everyday paths: those of everyday attributes that are admitted at a glance, each made in one go. Hot.

RFC 4271 9.1. A table comes in as hundreds of thousands of them. Such a path is what ``Path`` and ``Admission`` would
make of it in turn, which is what the tests hold this against; it is not ranked before it is compared (see
``decision.order``), as most have nothing beside them.
"""

from collections.abc import Callable

from bgpd.families import Family
from bgpd.identity import PeerType
from bgpd.messages.attributes.model import Attributes
from bgpd.rib.admission import AS_PATH_SIZE_AT, FIRST_AT, FIRST_END, Admission
from bgpd.rib.path import OWN, NextHop, Path, Source

Maker = Callable[[Attributes], Path | None]


def maker(admission: Admission, source: Source, family: Family, next_hop_of: Callable[[bytes], NextHop]) -> Maker:
    """Return what makes paths of everyday attributes, and None of those that the rules have to look at one by one.

    It is to be used at once: next hops, and what the source is, must not change meanwhile. next_hop_of: resolves the
    octets of a next hop.
    """
    if source.peer_type not in (PeerType.EXTERNAL, PeerType.INTERNAL):
        return lambda _: None
    first = admission.first if source.peer_type is PeerType.EXTERNAL else None
    marks, next_hop_fault, peer = admission.marks, admission.next_hop_fault, source.address
    new = object.__new__
    is_from_client, sender = source.is_client, source.name
    known, next_hop, interface = b"", OWN, ""  # of the last path

    def make(attributes: Attributes) -> Path | None:
        nonlocal known, next_hop, interface
        octets = attributes.octets
        if first is not None and (octets[FIRST_AT:FIRST_END] != first or not octets[AS_PATH_SIZE_AT]):
            return None
        for mark, number in marks:
            if mark in octets and octets.find(number) >= 0:
                return None
        if attributes.next_hop != known:
            found = next_hop_of(attributes.next_hop)
            if next_hop_fault(found, peer):
                return None
            known, next_hop, interface = attributes.next_hop, found, found.device_name
        attributes.next_hop = known  # one object for all of them
        path = new(Path)  # without a call of __init__
        path.source = source
        path.family = family
        path.attributes = path.taken = attributes
        path.next_hop = next_hop
        path.interface = interface
        path.is_black_hole = path.is_stale = False
        path.is_from_client = is_from_client
        path.sender = sender
        path.rejected = ""
        path.imported = path
        path.received = None
        path.held = path.weight = 0
        path.rank = ()
        path.alone = (path,)
        return path

    return make
