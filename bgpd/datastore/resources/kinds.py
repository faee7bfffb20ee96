"""The kinds of objects that an operator writes, what they are called, and where they are in etcd.

Keys are ``<prefix>/resources/v3/projectcalico.org/<plural>/<name>``; all of them are cluster-scoped.
"""

from collections.abc import Callable, Iterator
from typing import Final

from bgpd.datastore.resources import bgp_configuration, bgp_filter, bgp_peer, ip_pool, node
from bgpd.datastore.resources.shapes import Document, Fault, Field, Opaque, Table, Texts
from bgpd.datastore.resources.values import TEXT, bad_annotation_key, bad_label_key, bad_label_value
from bgpd.records import dataclass

API_VERSION: Final = "projectcalico.org/v3"
OLD_API_VERSION: Final = "v1"
_RESOURCES: Final = "resources/v3/projectcalico.org"

_KEPT_TEXT: Final = Field(TEXT, is_kept=True)
_KEPT: Final = Field(Opaque(), is_kept=True)
METADATA: Final = Table(
    {
        "name": Field(TEXT),
        "labels": Field(Texts(bad_label_key, bad_label_value)),
        "annotations": Field(Texts(bad_annotation_key, lambda _: "")),
        "resourceVersion": Field(TEXT),
        "uid": _KEPT_TEXT,
        "creationTimestamp": _KEPT_TEXT,
        "generation": _KEPT,
        "ownerReferences": _KEPT,
        "finalizers": _KEPT,
        "managedFields": _KEPT,
        "selfLink": _KEPT_TEXT,
    }
)


def _nothing(_: Document) -> Iterator[Fault]:
    yield from ()


def _as_it_is(spec: Document) -> Document:
    return spec


def _no_change(_old: Document, _new: Document) -> Iterator[Fault]:
    yield from ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind. aliases: other names, in lower case.

    check: rules over several fields of the spec. check_name: what is wrong with a name besides its letters. complete:
    fills in the defaults that are stored. check_change: what an update of an old spec to a new one may not do.
    """

    name: str
    plural: str
    aliases: tuple[str, ...]
    spec: Table
    check: Callable[[Document], Iterator[Fault]] = _nothing
    notices: Callable[[str, Document], Iterator[str]] = lambda _name, _spec: iter(())
    complete: Callable[[Document], Document] = _as_it_is
    check_change: Callable[[Document, Document], Iterator[Fault]] = _no_change

    @property
    def shape(self) -> Table:
        """The whole document."""
        return Table(
            {
                "kind": Field(TEXT),
                "apiVersion": Field(TEXT),
                "metadata": Field(METADATA),
                "spec": Field(self.spec),
                "status": Field(Opaque(), is_kept=True),
            }
        )

    def directory(self, prefix: str) -> str:
        """Return where the keys of all objects of this kind begin."""
        return f"{prefix.rstrip('/')}/{_RESOURCES}/{self.plural}/"

    def key(self, prefix: str, name: str) -> str:
        """Return the key of one object."""
        return self.directory(prefix) + name


NODE: Final = Kind("Node", "nodes", ("no",), node.SPEC, check=node.check)
BGP_PEER: Final = Kind("BGPPeer", "bgppeers", ("bgpp",), bgp_peer.SPEC, check=bgp_peer.check)
BGP_CONFIGURATION: Final = Kind(
    "BGPConfiguration",
    "bgpconfigurations",
    ("bgpconfig", "bgpconfigs"),
    bgp_configuration.SPEC,
    check=bgp_configuration.check,
    notices=bgp_configuration.notices,
)
BGP_FILTER: Final = Kind("BGPFilter", "bgpfilters", ("bgpf",), bgp_filter.SPEC, check=bgp_filter.check)
IP_POOL: Final = Kind(
    "IPPool",
    "ippools",
    ("ipp", "pool", "pools"),
    ip_pool.SPEC,
    check=ip_pool.check,
    complete=ip_pool.complete,
    check_change=ip_pool.check_change,
)
KINDS: Final = (NODE, BGP_PEER, BGP_CONFIGURATION, BGP_FILTER, IP_POOL)
_BY_NAME: Final = {name: kind for kind in KINDS for name in (kind.name.lower(), kind.plural, *kind.aliases)}


def kind_named(name: str) -> Kind:
    """Return the kind of ``ippool``, ``ipPool``, ``ippools``, … in any case. Raises ValueError."""
    kind = _BY_NAME.get(name.strip().lower())
    if kind is None:
        raise ValueError(f'expected one of {", ".join(one.name for one in KINDS)}, found "{name}"')
    return kind
