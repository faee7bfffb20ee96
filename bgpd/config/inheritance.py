"""What a peer takes over from ``[session]`` and from the node, for whoever has to look at both."""

from collections.abc import Iterable
from typing import Literal, TypeVar

from bgpd.config.syntax import asn_value
from bgpd.config.tables.node import NodeTable
from bgpd.config.tables.peer import LocalAsnOption, PeerOptions
from bgpd.identity import Asn, Confederation
from bgpd.records import dataclass

T = TypeVar("T")


def first(*values: T | None) -> T:
    """Return the first value that is there; the last one always is."""
    return next(value for value in values if value is not None)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a peer and we are to each other.

    remote_asn: None = any that peer_type allows. local_asn: ours on the session. real_asn: what ours would be there
    without a ``local_asn`` of the peer's.
    """

    remote_asn: Asn | None
    peer_type: Literal["internal", "external", "confederation"]
    local_asn: Asn
    real_asn: Asn


def confederation(node: NodeTable) -> Confederation | None:
    """Return the confederation that the node is in; None also where an AS number is missing."""
    table = node.confederation
    if table is None or not table.identifier or not node.asn:
        return None
    members = frozenset(_asns(table.members)) | {asn_value(node.asn)}
    return Confederation(asn_value(table.identifier), members)


def relation(peer: PeerOptions, node: NodeTable) -> Relation | None:
    """Return what a peer and we are to each other; None where an AS number is missing."""
    if not node.asn or not peer.asn:
        return None
    own, group = asn_value(node.asn), confederation(node)
    outside = own if group is None else group.identifier
    local = None if peer.local_asn is None else asn_value(peer.local_asn)
    is_dual = local is not None and LocalAsnOption.DUAL_AS in peer.local_asn_options
    if peer.asn == "internal":
        return Relation(None if is_dual else local or own, "internal", local or own, own)
    if peer.asn == "external":
        return Relation(None, "external", local or outside, outside)
    asn = asn_value(peer.asn)
    if asn == (local or own) or (is_dual and asn == own):
        return Relation(None if is_dual else asn, "internal", local or own, own)
    if group is not None and asn in group.members:
        return Relation(asn, "confederation", local or own, own)
    return Relation(asn, "external", local or outside, outside)


def _asns(written: Iterable[int | str]) -> list[Asn]:
    return [asn_value(one) for one in written]
