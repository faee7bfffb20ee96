"""The cluster as this node sees it: all nodes, settings and peers of both layouts in one, and what selectors select."""

from collections.abc import Iterable, Mapping
from typing import Final

from bgpd.datastore.calico.model import Node, Peer, Settings
from bgpd.datastore.calico.selectors import Selector, SelectorError, compiled
from bgpd.identity import Asn, BgpIdentifier
from bgpd.records import dataclass

DEFAULT_ASN: Final = Asn(64512)
DEFAULT_PORT: Final = 179

_NONE: Final = Settings()


class Selections:
    """The nodes that each selector in use matches; kept up to date node by node."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._found: dict[str, tuple[Selector, dict[str, Node]]] = {}

    def node_changed(self, name: str, node: Node | None) -> None:
        """Take a node that is new or changed; None = it is gone."""
        if node is None:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = node
        for selector, found in self._found.values():
            if node is not None and selector(node.labels):
                found[name] = node
            else:
                found.pop(name, None)

    def matching(self, text: str) -> Mapping[str, Node]:
        """Return the nodes that a selector matches, by name; an unparsable one matches none."""
        known = self._found.get(text)
        if known is None:
            try:
                selector = compiled(text)
            except SelectorError:
                return {}
            found = {name: node for name, node in self._nodes.items() if selector(node.labels)}
            known = self._found[text] = (selector, found)
        return known[1]

    def keep(self, texts: Iterable[str]) -> None:
        """Forget all selectors but these."""
        wanted = set(texts)
        self._found = {text: known for text, known in self._found.items() if text in wanted}


@dataclass(frozen=True, slots=True)
class World:
    """All that decides which sessions there are.

    settings: the cluster's. node_settings: by node. peers: in the order in which they count. reflectors: stand-alone
    ones, by address.
    """

    nodes: Mapping[str, Node]
    by_address: Mapping[bytes, Node]
    settings: Settings
    node_settings: Mapping[str, Settings]
    peers: tuple[Peer, ...]
    reflectors: Mapping[bytes, BgpIdentifier]
    selections: Selections

    @property
    def asn(self) -> Asn:
        """The AS number of nodes that have none of their own."""
        return self.settings.asn or DEFAULT_ASN

    def asn_of(self, node: Node) -> Asn:
        """Return a node's AS number."""
        return node.asn or self.asn

    def own_settings(self, name: str) -> Settings:
        """Return the settings that a node has of its own."""
        return self.node_settings.get(name, _NONE)

    def port_of(self, name: str) -> int | None:
        """Return the port that a node listens on, None = nothing says."""
        return self.own_settings(name).listen_port or self.settings.listen_port

    def cluster_id_at(self, address: bytes) -> BgpIdentifier | None:
        """Return the cluster identifier of the reflector at an address, None = it is not known to be one."""
        node = self.by_address.get(address)
        return node.cluster_id if node is not None else self.reflectors.get(address)
