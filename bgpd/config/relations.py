"""Faults across AS numbers: confederations, local AS numbers and roles that do not go together.

RFC 5065, RFC 6793 section 9 (AS_TRANS is nobody's), RFC 7705, RFC 9234.
"""

from collections.abc import Iterator

from bgpd.config.inheritance import confederation, relation
from bgpd.config.problems import Finding
from bgpd.config.syntax import asn_value
from bgpd.config.tables.node import NodeTable
from bgpd.config.tables.peer import LocalAsnOption, PeerOptions
from bgpd.identity import AS_TRANS

_PEER_WORDS = ("internal", "external")


def node_relations(node: NodeTable) -> Iterator[Finding]:
    """Yield the faults of the node's own AS numbers."""
    yield from _reserved(node.asn, "node.asn")
    table = node.confederation
    if table is None:
        return
    yield from _reserved(table.identifier, "node.confederation.identifier")
    seen = set()
    for index, written in enumerate(table.members):
        key = f"node.confederation.members[{index}]"
        yield from _reserved(written, key)
        if asn_value(written) in seen:
            yield Finding("node.confederation.members", f'expected each value once, found "{written}" again')
        seen.add(asn_value(written))


def peer_relations(peer: PeerOptions, key: str, node: NodeTable) -> Iterator[Finding]:
    """Yield the faults of what a peer and we are to each other."""
    if peer.asn not in _PEER_WORDS:
        yield from _reserved(peer.asn, f"{key}.asn")
    if peer.local_asn is not None:
        yield from _reserved(peer.local_asn, f"{key}.local_asn")
    elif peer.local_asn_options:
        yield Finding(f"{key}.local_asn_options", "expected local_asn beside it, found none", (f"{key}.local_asn",))
    if len(set(peer.local_asn_options)) < len(peer.local_asn_options):
        yield Finding(f"{key}.local_asn_options", "expected each value once, found one again")
    if peer.strict_role and peer.role is None:
        yield Finding(f"{key}.strict_role", "expected role beside it, found none", (f"{key}.role",))
    to_peer = relation(peer, node)
    if to_peer is None:
        return
    reads = ("node.asn", "node.confederation", f"{key}.asn", f"{key}.local_asn")
    if peer.role is not None and to_peer.peer_type != "external":
        message = f"expected an external peer, as only those have roles; this one is {to_peer.peer_type}"
        yield Finding(f"{key}.role", message, reads)
    group = confederation(node)
    if to_peer.peer_type == "confederation" and peer.local_asn is not None:
        message = "expected none, as members of our confederation know us by node.asn"
        yield Finding(f"{key}.local_asn", message, reads)
    elif to_peer.peer_type == "external" and group is not None and to_peer.remote_asn == group.identifier:
        message = f"expected another AS than that of our own confederation, {group.identifier}"
        yield Finding(f"{key}.asn", message, ("node.confederation.identifier",))
    if to_peer.peer_type == "internal":
        for option in peer.local_asn_options:
            if option is not LocalAsnOption.DUAL_AS:
                message = f'expected "dual-as" alone for an internal peer, as its paths get no AS; found "{option}"'
                yield Finding(f"{key}.local_asn_options", message, reads)


def _reserved(written: int | str, key: str) -> Iterator[Finding]:
    if written and asn_value(written) == AS_TRANS:
        yield Finding(key, f"expected an AS number that is somebody's, found {AS_TRANS}, AS_TRANS (RFC 6793)")
