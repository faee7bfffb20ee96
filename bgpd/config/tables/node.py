"""The tables about this node and what it originates: ``[node]`` and ``[[network]]`` (RFC 5065: confederations)."""

from typing import Annotated

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about, written
from bgpd.config.tables.values import AsnText, CommunityText, Name, Port


class ConfederationTable(Table, frozen=True, kw_only=True):
    """Several ASes that are one to all others (RFC 5065); `node.asn` is our Member-AS. Without this table: none."""

    identifier: Annotated[AsnText, about("AS number that the confederation has to others.", required=True)] = ""
    members: Annotated[
        tuple[AsnText, ...], about("AS numbers of its members; `node.asn` is one of them whether named or not.")
    ] = ()


class NodeTable(Table, frozen=True, kw_only=True):
    """This node."""

    name: Annotated[Name | None, about("Name of this node.", default="host name")] = None
    asn: Annotated[AsnText, about("Our AS number.", default="**required**, unless etcd has it", required=True)] = ""
    router_id: Annotated[
        str | None,
        about("Our BGP Identifier.", default="first IPv4 address of `addresses`", written=syntax.IDENTIFIER),
    ] = None
    addresses: Annotated[
        tuple[Annotated[str, written(syntax.NODE_ADDRESS)], ...],
        about("Our addresses, with mask; also our next hop for a family that a session is not in."),
    ] = ()
    listen: Annotated[
        tuple[Annotated[str, written(syntax.LISTEN_ADDRESS)], ...],
        about("Addresses to accept connections on; `[]` = do not listen."),
    ] = ("0.0.0.0", "::")
    port: Annotated[Port, about("TCP port to listen on.")] = 179
    cluster_id: Annotated[
        str | None,
        about(
            "Present: this node is a route reflector of that cluster.",
            default="no reflector",
            written=syntax.IDENTIFIER,
        ),
    ] = None
    prefer_oldest_external: Annotated[
        bool,
        about(
            "An external path that is best stays so against external paths that only a lower BGP Identifier or address "
            "of the peer would put before it (RFC 5004). Then it depends on the order of arrival which is best."
        ),
    ] = False
    confederation: ConfederationTable | None = None


class NetworkTable(Table, frozen=True, kw_only=True):
    """A prefix that we originate."""

    prefix: Annotated[str, about("The prefix.", written=syntax.PREFIX, required=True)] = ""
    blackhole: Annotated[bool, about("Also write a black hole route for it.")] = False
    communities: Annotated[tuple[CommunityText, ...], about("Communities of any kind to send with it.")] = ()
