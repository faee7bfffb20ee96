"""ORIGINATOR_ID and CLUSTER_LIST of a reflected route.

RFC 4456 section 8: the reflector that first reflects a route names its originator; each reflector puts its cluster
identifier in front of the list; a route that comes back is not used.
"""

from typing import Final

from bgpd.identity import BgpIdentifier, format_identifier
from bgpd.messages.attributes.model import Attributes
from bgpd.messages.attributes.spec import OPTIONAL, tlv

_ORIGINATOR_ID: Final = 9
_CLUSTER_LIST: Final = 10
_IDENTIFIER: Final = 4  # octets


def reflected(
    attributes: Attributes, heard_from: BgpIdentifier, cluster_id: BgpIdentifier
) -> tuple[tuple[int, bytes], ...]:
    """Return both attributes, as (code, TLV), for a route that we reflect; heard_from: the identifier of its sender."""
    originator = attributes.originator_id
    if originator is None:
        originator = heard_from
    clusters = b"".join([c.to_bytes(_IDENTIFIER) for c in (cluster_id, *attributes.cluster_list)])
    return (
        (_ORIGINATOR_ID, tlv(_ORIGINATOR_ID, OPTIONAL, originator.to_bytes(_IDENTIFIER))),
        (_CLUSTER_LIST, tlv(_CLUSTER_LIST, OPTIONAL, clusters)),
    )


def loop(attributes: Attributes, identifier: BgpIdentifier, cluster_id: BgpIdentifier | None) -> str:
    """Return why a received route is one of ours come back, for people; empty = it is not."""
    if attributes.originator_id == identifier:
        return f"ORIGINATOR_ID {format_identifier(identifier)} is our own"
    if cluster_id is not None and cluster_id in attributes.cluster_list:
        return f"our cluster identifier {format_identifier(cluster_id)} is in CLUSTER_LIST"
    return ""
