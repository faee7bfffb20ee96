"""The tables ``[[peer]]`` and ``[[peer_range]]``, which may override all keys of ``[session]``.

RFC 5925 (TCP-AO), RFC 7705 (local AS), RFC 9234 (roles).
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.session import SessionTable
from bgpd.config.tables.table import Table, about
from bgpd.config.tables.values import AddressText, AsnText, Name, Port


class NextHopMode(StrEnum):
    """What next hop a peer is told: BGP's own rules, always ours, never changed."""

    AUTO = "auto"
    SELF = "self"
    KEEP = "keep"


class LocalAsnOption(StrEnum):
    """How our AS on a session and our own one go together (RFC 7705)."""

    NO_PREPEND = "no-prepend"
    REPLACE_AS = "replace-as"
    DUAL_AS = "dual-as"


class RoleName(StrEnum):
    """What we are to a peer (RFC 9234)."""

    PROVIDER = "provider"
    CUSTOMER = "customer"
    PEER = "peer"
    RS = "rs"
    RS_CLIENT = "rs-client"


class TcpAoAlgorithm(StrEnum):
    """How TCP-AO makes its code: the two of RFC 5926, each 96 bits."""

    HMAC_SHA1_96 = "hmac-sha1-96"
    AES_128_CMAC_96 = "aes-128-cmac-96"


class TcpAoKeyTable(Table, frozen=True, kw_only=True):
    """A key of TCP-AO (RFC 5925: a master key tuple); the peer has the same one with its identifiers swapped."""

    send_id: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, about("Identifier that we put into segments.", required=True)
    ] = None
    recv_id: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, about("Identifier in the peer's segments.", required=True)
    ] = None
    algorithm: Annotated[TcpAoAlgorithm, about("How the code is made.")] = TcpAoAlgorithm.HMAC_SHA1_96
    key: Annotated[str | None, about("The key.", default="none", written=syntax.PASSWORD)] = None
    key_file: Annotated[
        Name | None,
        about("File with the key; relative to this file. Missing or empty: the session is held down.", default="none"),
    ] = None
    preferred: Annotated[bool, about("Send with this one; default: with the first.")] = False


class TcpAoTable(Table, frozen=True, kw_only=True):
    """TCP-AO (RFC 5925), which needs Linux 6.7 or newer; not together with a TCP-MD5 password."""

    keys: Annotated[
        tuple[TcpAoKeyTable, ...], about("All keys that the peer may use; several while one replaces another.")
    ] = ()


class PeerOptions(SessionTable, frozen=True, kw_only=True):
    """What a peer and a peer range have in common."""

    asn: Annotated[
        int | str,
        about(
            "The peer's AS number; `internal` = ours, `external` = any other, outside our confederation.",
            written=syntax.PEER_ASN,
            required=True,
        ),
    ] = ""
    local_asn: Annotated[
        AsnText | None,
        about(
            "Our AS number on this session (RFC 7705); in AS paths it stands beside our own one.",
            default="`node.asn`, or the confederation's identifier to a peer outside",
        ),
    ] = None
    local_asn_options: Annotated[
        tuple[LocalAsnOption, ...],
        about(
            "`no-prepend` = `local_asn` is not put before received paths; `replace-as` = our own AS is not put before "
            "sent ones, only `local_asn`; `dual-as` = the session may come up with either AS."
        ),
    ] = ()
    role: Annotated[
        RoleName | None,
        about(
            "What we are to an external peer (RFC 9234): routes leaked against it are refused and not sent.",
            default="none",
        ),
    ] = None
    reflector_client: Annotated[
        bool, about("The peer is our route reflector client; needs `node.cluster_id` and an internal peer.")
    ] = False
    next_hop: Annotated[
        NextHopMode,
        about("Next hop of routes sent to the peer: BGP's rules, always ourselves, or as received."),
    ] = NextHopMode.AUTO
    password: Annotated[str | None, about("TCP-MD5 password.", default="none", written=syntax.PASSWORD)] = None
    password_file: Annotated[
        Name | None,
        about(
            "File with the TCP-MD5 password; relative to this file. Missing or empty: the session is held down.",
            default="none",
        ),
    ] = None
    tcp_ao: TcpAoTable = TcpAoTable()
    allow_own_as: Annotated[
        Annotated[int, Meta(ge=0, le=255)], about("How often our AS may stand in a received AS path.")
    ] = 0
    imports: Annotated[tuple[Name, ...], about("Policies for received routes, in order.")] = msgspec.field(
        name="import", default=()
    )
    exports: Annotated[tuple[Name, ...], about("Policies for sent routes, in order.")] = msgspec.field(
        name="export", default=()
    )
    enabled: Annotated[bool, about("`false` keeps the session down.")] = True


class PeerTable(PeerOptions, frozen=True, kw_only=True):
    """A peer. All keys of `[session]` may stand here too."""

    name: Annotated[Name | None, about("Name of the peer.", default="`address` or `interface`")] = None
    address: Annotated[
        str | None,
        about(
            "The peer's address; link-local as `fe80::1%eth0`.",
            default="**required**, unless `interface` is given",
            written=syntax.PEER_ADDRESS,
        ),
    ] = None
    interface: Annotated[
        str | None,
        about(
            "In place of an address: the peer is the one router on this link, found by router advertisements.",
            default="none",
            written=syntax.INTERFACE,
        ),
    ] = None
    port: Annotated[Port, about("TCP port to connect to.")] = 179
    local_address: Annotated[
        AddressText | None,
        about(
            "Address to connect from; connections to another one of ours are refused.",
            default="what the kernel chooses",
        ),
    ] = None
    passive: Annotated[bool, about("Never connect, wait for the peer.")] = False


class PeerRangeTable(PeerOptions, frozen=True, kw_only=True):
    """Peers that connect to us from a network. All keys of `[session]` may stand here too."""

    name: Annotated[Name | None, about("Name of the range.", default="`prefix`")] = None
    prefix: Annotated[str, about("Network that the peers connect from.", written=syntax.PREFIX, required=True)] = ""
    limit: Annotated[Annotated[int, Meta(ge=1, le=65535)], about("Most sessions at a time.")] = 1000
