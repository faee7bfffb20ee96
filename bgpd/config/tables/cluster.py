"""The tables about a cluster: ``[mesh]``, ``[etcd]`` and ``[calico]``."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about, written
from bgpd.config.tables.values import Name


class AutoReflectorsTable(Table, frozen=True, kw_only=True):
    """Nodes of a large mesh elect route reflectors among themselves; alike on all nodes. See `docs/reflectors.md`."""

    above: Annotated[
        Annotated[int, Meta(ge=2, le=100_000)], about("Nodes that the mesh may have before there are reflectors.")
    ] = 100
    count: Annotated[Annotated[int, Meta(ge=1, le=16)], about("Reflectors.")] = 3
    label: Annotated[
        str, about("Label of nodes over whose values reflectors are spread, such as the rack.", default="none")
    ] = ""
    candidate: Annotated[bool, about("May this node become one?")] = True


class MeshTable(Table, frozen=True, kw_only=True):
    """Who peers with whom when a datastore lists the nodes."""

    enabled: Annotated[bool, about("Peer with every other node.")] = True
    auto_reflectors: AutoReflectorsTable | None = None


class EtcdTable(Table, frozen=True, kw_only=True):
    """Cluster state from etcd; without this table there is none."""

    endpoints: Annotated[
        Annotated[tuple[Annotated[str, written(syntax.ENDPOINT)], ...], Meta(min_length=1)],
        about("URLs of the cluster's members.", required=True),
    ] = ()
    ca_file: Annotated[str, about("Certificate authority, PEM.", default="the system's")] = ""
    cert_file: Annotated[str, about("Our certificate, PEM; together with `key_file`.", default="none")] = ""
    key_file: Annotated[str, about("Our private key, PEM.", default="none")] = ""
    username: Annotated[str, about("User name; together with `password_file`.", default="none")] = ""
    password_file: Annotated[str, about("File with the password.", default="none")] = ""
    prefix: Annotated[Name, about("Where the keys start.")] = "/calico"
    secrets_dir: Annotated[
        str,
        about(
            "Directory of the passwords that etcd refers to: file `NAME/KEY` is `key` of the secret `name`.",
            default="none",
        ),
    ] = ""


class PoolRoutes(StrEnum):
    """Whose routes of pools are written here; another agent writes the rest."""

    NONE = "none"
    NO_ENCAPSULATION = "no-encapsulation"
    IPIP = "ipip"
    ALL = "all"


class CalicoTable(Table, frozen=True, kw_only=True):
    """How we go along with Calico; what the cluster is stands in etcd."""

    program_routes: Annotated[
        PoolRoutes | None,
        about(
            "Which routes of pools are written to the kernel; Felix's own setting has to be the opposite.",
            default="`programClusterRoutes` in etcd, else `all`",
        ),
    ] = None
    priorities: Annotated[
        bool,
        about(
            "LOCAL_PREF tells the metric of routes, as from Calico 3.32 on, and the kernel's metric is made of it. To "
            "all peers or to none: routes told so beat all others."
        ),
    ] = False
    origin_validation: Annotated[
        bool | None,
        about(
            "Accept a block, or an address inside, from another node only if etcd says that it may come from there.",
            default="on if etcd lists blocks of other nodes",
        ),
    ] = None
